//! The gov binary: parse, run, exit.

use std::path::Path;
use std::process::ExitCode;

use gov::provider::builtin::local::SPEC_OPTION;
use gov::provider::builtin::local::SUPERVISE_COMMAND;
use gov::provider::builtin::local::supervise;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [command, option, spec] if command == SUPERVISE_COMMAND && option == SPEC_OPTION => {
            ExitCode::from(supervise::main(Path::new(spec)))
        }
        _ => ExitCode::FAILURE,
    }
}
