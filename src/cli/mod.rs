//! The command line: words in, words out.
//!
//! It parses, composes, calls one operation and prints what came of it. Nothing is decided here.
//! Start with [`run`], then [`commands`].

pub mod arguments;
pub mod commands;
pub mod config;
pub mod context;
pub mod exit;
pub mod progress;
pub mod render;
pub mod ui;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

use crate::cli::arguments::Cli;
use crate::cli::config::variable;
use crate::cli::context::SystemClock;
use crate::cli::exit::Exit;
use crate::cli::progress::Progress;
use crate::cli::ui::Setting;
use crate::cli::ui::Ui;
use crate::ops::OpError;

/// Runs gov on the arguments of a process and says how it ended.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let ui = Arc::new(Ui::standard(setting(&cli)));
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(answer(cli, &ui)),
        Err(error) => {
            ui.error(&format!("no threads can be started: {error}"));
            Exit::Error
        }
    };
    match ui.finish() {
        Ok(()) => ExitCode::from(exit.code()),
        Err(fault) => fault_code(fault, exit),
    }
}

/// Whoever read has gone away: that ends quietly. Anything else is an error.
fn fault_code(fault: ui::Fault, exit: Exit) -> ExitCode {
    match fault {
        ui::Fault::Closed => ExitCode::from(exit.code()),
        ui::Fault::Failed(_) => ExitCode::from(Exit::Error.code()),
    }
}

/// Help and version are done; everything else that the parser says is an error, whose code is 1
/// as everywhere.
fn refuse(error: &clap::Error) -> ExitCode {
    // That nobody reads it is no other error.
    drop(error.print());
    let exit = if error.use_stderr() { Exit::Error } else { Exit::Done };
    ExitCode::from(exit.code())
}

fn setting(cli: &Cli) -> Setting {
    use std::io::IsTerminal as _;
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col);
    Setting {
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
        columns: columns.filter(|columns| *columns > 0),
        no_color: cli.global.no_color,
        no_color_variable: variable("NO_COLOR"),
        clicolor: variable("CLICOLOR"),
        clicolor_force: variable("CLICOLOR_FORCE"),
        term: variable("TERM"),
        locale: variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG")),
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        json: cli.global.json,
    }
}

async fn answer(cli: Cli, ui: &Arc<Ui>) -> Exit {
    let (ask_to_stop, interrupt) = watch::channel(0_u8);
    let progress = Arc::new(Progress::new(Arc::clone(ui), Arc::new(SystemClock::new()), None));
    let about = commands::about(&cli.command);
    let work = commands::run(cli, ui, interrupt, Arc::clone(&progress));
    let done = with_signals(work, &ask_to_stop, ui).await;
    progress.finish();
    match done {
        Ok(answer) => {
            if ui.is_json() {
                ui.json(&answer.json);
            } else if answer.raw {
                ui.raw(&answer.text);
            } else {
                ui.out(&answer.text);
            }
            answer.exit
        }
        Err(error) => {
            ui.op_error(&error, about.as_deref());
            exit::of_error(&error)
        }
    }
}

/// Runs to the end; every interrupt and every request to terminate counts as asking to stop.
async fn with_signals<T>(
    work: impl Future<Output = Result<T, OpError>>,
    ask_to_stop: &watch::Sender<u8>,
    ui: &Ui,
) -> Result<T, OpError> {
    let failed = |error: std::io::Error| OpError::Failed(format!("no signals: {error}"));
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(()) = interrupts.recv() => {}
            Some(()) = terminations.recv() => {}
        }
        ask_to_stop.send_modify(|asked| *asked = asked.saturating_add(1));
        if *ask_to_stop.borrow() == 1 {
            ui.talk("Stopping: what is under way is seen to its end. Once more stops at once.");
        }
    }
}
