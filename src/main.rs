//! The gov binary: parse, run, exit. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    gov::cli::context::supervise(&arguments).unwrap_or_else(|| gov::cli::run(arguments))
}
