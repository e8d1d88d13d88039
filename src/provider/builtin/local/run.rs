//! Runs one program to its end, within bounds of time and output.
//!
//! The program leads a group of its own. Whatever of the group is still there when it ends, or
//! when its time is up, is killed. Deliberately not here: what its end means.

use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::Child;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::process::Stdio;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;

use crate::provider::builtin::local::launcher::boot_clock_ms;
use crate::provider::builtin::local::program::Program;

/// Between two looks at whether the program has ended or an interrupt has come.
const LOOK_EVERY_NS: i64 = 20_000_000;

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// Reads between two looks: a program that prints without end must still run out of time.
const READS_AT_ONCE: usize = 64;

/// Bytes kept of what a program says on its error output, for the message when it fails.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// What a run may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Time, in milliseconds.
    pub time_ms_max: i64,
    /// Bytes of output kept; the rest is read and dropped.
    pub output_bytes_max: usize,
}

/// Output, of which the beginning is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Output {
    kept: Vec<u8>,
    bytes: usize,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed, for its time was up.
    TimedOut,
    /// It was killed, for gov was asked to stop.
    Interrupted,
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it printed.
    pub output: Output,
    /// What it said on its error output.
    pub errors: Output,
}

impl Output {
    fn take(&mut self, bytes: &[u8], bytes_max: usize) {
        let room = bytes_max.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(bytes.len());
    }

    /// What was kept, as text: bytes that are none become replacement characters, and a character
    /// cut in two at the end is dropped.
    pub(super) fn text(&self) -> String {
        let cut = self.kept.len() < self.bytes;
        let whole = match std::str::from_utf8(&self.kept) {
            Err(error) if cut && error.error_len().is_none() => {
                self.kept.get(..error.valid_up_to()).unwrap_or_default()
            }
            _ => &self.kept,
        };
        String::from_utf8_lossy(whole).into_owned()
    }

    /// A note where not all was kept; else empty.
    pub(super) fn note(&self) -> String {
        if self.kept.len() == self.bytes {
            return String::new();
        }
        format!("the first {} of {} bytes are kept", self.kept.len(), self.bytes)
    }
}

/// Runs a program.
///
/// # Errors
/// Only where it could not be started: then it has done nothing.
pub(super) fn run(
    program: &Program<'_>,
    bounds: Bounds,
    interrupted: &dyn Fn() -> bool,
) -> io::Result<Outcome> {
    let mut command = program.command()?;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut watched = Watched::new(child, bounds)?;
    let begun = boot_clock_ms();
    let early = loop {
        watched.wait_a_little();
        watched.copy();
        if watched.has_ended() {
            break None;
        }
        if interrupted() {
            break Some(End::Interrupted);
        }
        if boot_clock_ms().saturating_sub(begun) >= bounds.time_ms_max {
            break Some(End::TimedOut);
        }
    };
    watched.finish(early)
}

struct Watched {
    child: Child,
    group: Pid,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    output: Output,
    errors: Output,
    bounds: Bounds,
}

impl Watched {
    fn new(mut child: Child, bounds: Bounds) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (output, errors) = (Output::default(), Output::default());
        let watched = Self { child, group, stdout, stderr, output, errors, bounds };
        let quick = |fd: Option<&dyn AsFdDyn>| fd.map_or(Ok(()), AsFdDyn::set_nonblocking);
        quick(watched.stdout.as_ref().map(|o| o as &dyn AsFdDyn))?;
        quick(watched.stderr.as_ref().map(|o| o as &dyn AsFdDyn))?;
        Ok(watched)
    }

    fn wait_a_little(&self) {
        let out = self.stdout.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        let err = self.stderr.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> = out.into_iter().chain(err).collect();
        let pause = rustix::time::Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY_NS };
        // An interrupted wait is a shorter wait.
        let _woken = rustix::event::poll(&mut polled, Some(&pause));
    }

    fn copy(&mut self) {
        copy(&mut self.stdout, &mut self.output, self.bounds.output_bytes_max);
        copy(&mut self.stderr, &mut self.errors, ERROR_BYTES_MAX);
    }

    /// Whether the program has ended. It is left a zombie, so that its group keeps its number.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(rustix::process::waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    fn finish(mut self, early: Option<End>) -> io::Result<Outcome> {
        // The leader is not reaped yet, so the number still means this group and no other.
        let _gone = rustix::process::kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait();
        self.copy();
        let seen = status.ok().and_then(|status| {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            status.code().map(End::Code).or(signal.map(End::Signal))
        });
        // What could not be seen counts as interrupted: nobody knows how far it got.
        let end = early.or(seen).unwrap_or(End::Interrupted);
        Ok(Outcome { end, output: self.output, errors: self.errors })
    }
}

/// A pipe whose kind does not matter.
trait AsFdDyn {
    fn set_nonblocking(&self) -> io::Result<()>;
}

impl<T: AsFd> AsFdDyn for T {
    fn set_nonblocking(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self, true)?)
    }
}

fn copy<R: Read>(from: &mut Option<R>, to: &mut Output, bytes_max: usize) {
    let mut bytes = vec![0; READ_BYTES];
    for _ in 0..READS_AT_ONCE {
        let Some(pipe) = from.as_mut() else { return };
        match pipe.read(&mut bytes) {
            Ok(0) => *from = None,
            Ok(count) => to.take(bytes.get(..count).unwrap_or_default(), bytes_max),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::Bounds;
    use super::End;
    use super::Outcome;
    use super::Output;
    use super::run;
    use crate::provider::builtin::local::launcher::boot_clock_ms;
    use crate::provider::builtin::local::program::Program;

    fn shell(script: &str, time_ms_max: i64, output_bytes_max: usize) -> Outcome {
        let arguments = ["/bin/sh", "-c", script].map(str::to_owned);
        let folder = Dir::open_ambient_dir("/", ambient_authority()).unwrap();
        let variables = BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]);
        let program = Program { arguments: &arguments, variables: &variables, folder: &folder };
        run(&program, Bounds { time_ms_max, output_bytes_max }, &|| false).unwrap()
    }

    #[test]
    fn output_is_bounded_and_code_is_seen() {
        let outcome = shell("printf 1234567890; echo oops >&2; exit 7", 10_000, 4);
        assert_eq!(outcome.end, End::Code(7));
        assert_eq!(outcome.output.text(), "1234");
        assert_eq!(outcome.output.note(), "the first 4 of 10 bytes are kept");
        assert_eq!(outcome.errors.text(), "oops\n");
        assert_eq!(shell("kill -9 $$", 10_000, 4).end, End::Signal(9));
    }

    #[test]
    fn p3_time_is_bounded_even_for_what_it_leaves_running() {
        let begun = boot_clock_ms();
        assert_eq!(shell("sleep 60", 100, 4).end, End::TimedOut);
        assert_eq!(shell("while :; do echo y; done", 100, 4).end, End::TimedOut);
        assert_eq!(shell("sleep 60 & exit 0", 10_000, 4).end, End::Code(0));
        assert!(boot_clock_ms() - begun < 8_000);
    }

    #[test]
    fn nothing_is_inherited() {
        let text = shell("/usr/bin/env", 10_000, 4096).output.text();
        let names: Vec<&str> = text.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
        assert!(names.contains(&"ONLY"), "{text}");
        assert!(
            names.iter().all(|n| ["ONLY", "PWD", "SHLVL", "_", "OLDPWD"].contains(n)),
            "{text}"
        );
    }

    #[test]
    fn a_character_cut_in_two_is_dropped() {
        let mut output = Output::default();
        output.take("aé".as_bytes(), 2);
        assert_eq!(output.text(), "a");
    }
}
