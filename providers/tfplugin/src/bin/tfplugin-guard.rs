//! Becomes a plugin that dies with its parent; see `tfplugin::guard`.

use std::process::ExitCode;

/// What shells answer for a command that was found and could not be run.
const CANNOT_EXECUTE: u8 = 126;

fn main() -> ExitCode {
    let error = tfplugin::guard::exec(std::env::args_os().skip(1));
    #[expect(clippy::print_stderr, reason = "the host reads a plugin's last words there")]
    {
        eprintln!("{error}");
    }
    ExitCode::from(CANNOT_EXECUTE)
}
