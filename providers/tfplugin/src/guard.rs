//! Lets a plugin die with its host, however the host dies.
//!
//! A host that ends in an orderly way kills its plugins ([`crate::process::Plugin`] does so when
//! dropped). A host that is itself killed cannot, and its plugins would live on for ever: they
//! ignore interrupts and do not watch their parent. Linux can send a process a signal when its
//! parent dies, but only the process itself can ask for that, between being forked and becoming
//! the plugin. Running our code there from the host would need unsafe code. So the host starts
//! *itself* again instead: the new process asks for the signal and then becomes the plugin, under
//! the same process id.
//!
//! ```no_run
//! // Early in `main`, before any thread is started:
//! let mut arguments = std::env::args_os().skip(1);
//! if arguments.next().is_some_and(|first| first == "__plugin") {
//!     let error = tfplugin::guard::exec(arguments);
//!     eprintln!("{error}");
//! }
//! // Later, when launching:
//! # fn launch(mut launch: tfplugin::process::Launch) -> std::io::Result<()> {
//! launch.guard = Some(tfplugin::guard::Guard::this_program(["__plugin".into()])?);
//! # Ok(()) }
//! ```
//!
//! Two limits. Linux sends the signal when the *thread* that started the plugin ends, so a plugin
//! is not to be started from a thread that comes and goes (inside `spawn_blocking` or
//! `block_in_place`). And other systems have no such signal: there the guard only becomes the
//! plugin.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::Class;

/// A program that becomes the plugin: this one or one like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The program.
    pub program: PathBuf,
    /// What makes it call [`exec`]; what `exec` reads comes after.
    pub arguments: Vec<OsString>,
}

impl Guard {
    /// The running program, started with these arguments first.
    pub fn this_program(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: arguments.into_iter().collect() })
    }

    /// All arguments with which to start the guard, so that it becomes `program`.
    pub(crate) fn arguments_for(&self, program: PathBuf) -> Vec<OsString> {
        let mut arguments = self.arguments.clone();
        arguments.push(std::process::id().to_string().into());
        arguments.push(program.into_os_string());
        arguments
    }
}

/// Why this process did not become the plugin. The same arguments fail again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// Started by hand, or by another version of the host.
    #[error("the plugin guard takes the id of its parent process and a program")]
    Arguments,
    /// The host died before the guard could ask to be told.
    #[error("the program that wanted this plugin is gone")]
    Orphaned,
    /// The system refused the signal.
    #[error("cannot ask for a signal at the death of the parent process")]
    Signal(#[source] io::Error),
    /// The plugin could not be started.
    #[error("cannot start the plugin {program}: {source}")]
    Exec {
        /// The plugin.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl GuardError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Rejected
    }
}

/// Becomes a plugin that dies with its parent. Returns only if that fails.
///
/// The arguments are the process id of the parent, the program, and the program's own arguments.
#[must_use]
pub fn exec(arguments: impl IntoIterator<Item = OsString>) -> GuardError {
    let mut arguments = arguments.into_iter();
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return GuardError::Arguments;
    };
    let Some(parent) = parent.to_str().and_then(|parent| parent.parse::<i32>().ok()) else {
        return GuardError::Arguments;
    };
    if let Err(source) = die_with_parent() {
        return GuardError::Signal(source);
    }
    // A parent that died before the line above sends no signal. Its children then belong to
    // another process.
    if rustix::process::getppid().map(|id| id.as_raw_nonzero().get()) != Some(parent) {
        return GuardError::Orphaned;
    }
    let source = Command::new(&program).args(arguments).exec();
    GuardError::Exec { program: program.into(), source }
}

#[cfg(target_os = "linux")]
fn die_with_parent() -> io::Result<()> {
    let signal = Some(rustix::process::Signal::KILL);
    Ok(rustix::process::set_parent_process_death_signal(signal)?)
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
        words.into_iter().map(OsString::from).collect()
    }

    #[test]
    fn the_guard_is_told_who_its_parent_is() {
        let guard = Guard::this_program(words(["__plugin"])).unwrap();
        let arguments = guard.arguments_for(PathBuf::from("/bin/plugin"));
        let id = std::process::id().to_string();
        assert_eq!(arguments, words(["__plugin", id.as_str(), "/bin/plugin"]));
    }

    #[test]
    fn bad_arguments_are_refused() {
        for arguments in [words([]).as_slice(), &words(["1"]), &words(["one", "/bin/true"])] {
            let error = exec(arguments.iter().cloned());
            assert!(matches!(error, GuardError::Arguments), "{error}");
        }
    }
}
