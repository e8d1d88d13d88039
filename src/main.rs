//! The gov binary: parse, run, exit. Nothing else.
#![expect(clippy::disallowed_methods, reason = "IO: the process's own arguments")]

use std::path::Path;
use std::process::ExitCode;

use gov::provider::builtin::local::SPEC_OPTION;
use gov::provider::builtin::local::SUPERVISE_COMMAND;
use gov::provider::builtin::local::supervise;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match arguments.as_slice() {
        // The supervisor of a process that gov started: before any thread is.
        [_, command, option, spec] if command == SUPERVISE_COMMAND && option == SPEC_OPTION => {
            ExitCode::from(supervise::main(Path::new(spec)))
        }
        _ => gov::cli::run(arguments),
    }
}
