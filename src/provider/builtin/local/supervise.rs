//! The supervisor: a small process of its own that starts a command, once, and stays with it.
//!
//! gov starts it as `gov __supervise --spec FILE` and does not wait for it, so a command outlives
//! gov, killed or not. The supervisor takes a session of its own, claims the specification, makes
//! the pid file, and only then starts the command, as leader of a group of its own. It keeps the
//! log within bounds and adopts what the command orphans. When the command ends, whatever it left
//! running is ended too; then the pid file goes, and so does the supervisor.
//!
//! It deliberately restarts nothing and decides nothing: a command that ended is drift, which the
//! next plan shows. No tokio here. Start with [`main`].

use std::fs::File;
use std::io;
use std::io::PipeReader;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Child;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::WaitOptions;
use rustix::process::WaitStatus;
use serde::Deserialize;
use serde::Serialize;

use crate::provider::builtin::local::below;
use crate::provider::builtin::local::below::Below;
use crate::provider::builtin::local::below::Content;
use crate::provider::builtin::local::below::OWN_FOLDER;
use crate::provider::builtin::local::kin;
use crate::provider::builtin::local::kin::Ending;
use crate::provider::builtin::local::launcher::Clock as _;
use crate::provider::builtin::local::launcher::SystemClock;
use crate::provider::builtin::local::log::LOG_BYTES_MAX;
use crate::provider::builtin::local::log::Log;
use crate::provider::builtin::local::pidfile;
use crate::provider::builtin::local::pidfile::PidFile;
use crate::provider::builtin::local::pidfile::Spec;
use crate::provider::builtin::local::program::Program;

/// The command ran and has ended, with all its kin.
pub const EXIT_ENDED: u8 = 0;

/// The command was not started, and will not be.
pub const EXIT_NOT_STARTED: u8 = 1;

/// The specification was withdrawn before it could be claimed. The command was not started.
pub const EXIT_WITHDRAWN: u8 = 3;

/// Bytes copied from the command to its log at once.
const COPY_BYTES: usize = 64 * 1024;

/// Copies between two looks at the command: one that prints without end must still be seen ending.
const COPIES_AT_ONCE: usize = 64;

/// Orphans that die are noticed this often, in seconds. Nothing depends on it but tidiness.
const REAP_EVERY_S: i64 = 5;

/// The longest line that a supervisor reports in.
pub(super) const REPORT_BYTES_MAX: usize = 16 * 1024;

/// What a supervisor tells the gov that started it, as one line of JSON on its output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The command runs.
    Running(PidFile),
    /// The command was not started, and why.
    Failed(String),
    /// There was nothing to claim.
    Withdrawn,
}

enum Stop {
    Withdrawn,
    Failed(String),
}

/// Runs the supervisor on a specification that gov has written; returns its exit code when the
/// command has ended: one of [`EXIT_ENDED`], [`EXIT_NOT_STARTED`], [`EXIT_WITHDRAWN`].
///
/// The calling process must have no other threads and no work of its own.
#[must_use]
pub fn main(spec: &Path) -> u8 {
    match start(spec) {
        Ok(mut running) => {
            report(&Report::Running(running.file.clone()));
            running.stay();
            EXIT_ENDED
        }
        Err(Stop::Withdrawn) => {
            report(&Report::Withdrawn);
            EXIT_WITHDRAWN
        }
        Err(Stop::Failed(why)) => {
            report(&Report::Failed(why));
            EXIT_NOT_STARTED
        }
    }
}

/// Whoever asked may be gone already; then nobody needs to be told.
fn report(report: &Report) {
    let Ok(mut line) = serde_json::to_vec(report) else { return };
    line.push(b'\n');
    let mut output = io::stdout().lock();
    if output.write_all(&line).and_then(|()| output.flush()).is_err() {
        return;
    }
    // Whoever reads the line may wait for its end as well, so the pipe is let go of.
    if let Ok(nowhere) = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()) {
        let _kept = rustix::stdio::dup2_stdout(nowhere);
    }
}

fn failed<E: std::fmt::Display>(step: &'static str) -> impl FnOnce(E) -> Stop {
    move |error| Stop::Failed(format!("cannot {step}: {error}"))
}

struct Running {
    root: Dir,
    own: Dir,
    file: PidFile,
    log: Log,
    output: Option<PipeReader>,
    child: Child,
    grace_ms: i64,
}

fn start(path: &Path) -> Result<Running, Stop> {
    let names = || {
        let own = path.parent().filter(|own| own.ends_with(OWN_FOLDER))?;
        Some((own.parent()?, path.file_name()?.to_str()?))
    };
    let (root, name) =
        names().ok_or_else(|| Stop::Failed("the specification lies in no `.gov`".into()))?;
    let root = Dir::open_ambient_dir(root, ambient_authority()).map_err(failed("open the root"))?;
    let own = below::open_folder(&root, OWN_FOLDER).map_err(failed("open `.gov`"))?;
    rustix::process::setsid().map_err(failed("take a session of its own"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(failed("adopt orphans"))?;
    let (spec, claim) = claim(&own, name)?;
    let claimed = publish(&own, &spec);
    below::remove(&own, &claim).map_err(failed("let go of the claim"))?;
    let file = claimed?;
    let begun = begin(root, own, file, &spec);
    begun.map_err(|(own, why)| {
        // A file left behind names a dead process, which the next look removes.
        let _left = below::remove(&own, &pidfile::pid_name(&spec.stem));
        why
    })
}

/// Takes the specification for itself; from then on nobody can withdraw it.
fn claim(own: &Dir, name: &str) -> Result<(Spec, String), Stop> {
    let me = rustix::process::getpid().as_raw_pid();
    let row = kin::row(me).ok_or_else(|| Stop::Failed("cannot find itself in /proc".into()))?;
    let stem = name.strip_prefix("process-").and_then(|name| name.strip_suffix(".spec"));
    let stem = stem.ok_or_else(|| Stop::Failed("this is no specification".into()))?;
    let claim = pidfile::claim_name(stem, me, row.started);
    match rustix::fs::renameat(own, name, own, claim.as_str()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Err(Stop::Withdrawn),
        Err(other) => return Err(failed("claim the specification")(other)),
    }
    let spec = match below::read(own, &claim, pidfile::FILE_BYTES_MAX) {
        Ok(Content::Whole(bytes, _)) => serde_json::from_slice::<Spec>(&bytes).ok(),
        _ => None,
    };
    match spec {
        Some(spec) if spec.version == pidfile::FORMAT && spec.stem == stem => Ok((spec, claim)),
        _ => {
            below::remove(own, &claim).map_err(failed("let go of the claim"))?;
            Err(Stop::Failed(pidfile::not_ours("specification").to_string()))
        }
    }
}

/// Makes the pid file, unless there is one: then another supervisor was first.
fn publish(own: &Dir, spec: &Spec) -> Result<PidFile, Stop> {
    let me = rustix::process::getpid().as_raw_pid();
    let row = kin::row(me).ok_or_else(|| Stop::Failed("cannot find itself in /proc".into()))?;
    let file = PidFile {
        version: pidfile::FORMAT,
        stem: spec.stem.clone(),
        boot_id: SystemClock::start().boot_id().map_err(failed("read the boot's name"))?,
        pid: me,
        started: row.started,
        command: None,
        environment: spec.environment.clone(),
        program: spec.command.first().cloned().unwrap_or_default(),
    };
    let bytes = serde_json::to_vec(&file).map_err(failed("write the pid file"))?;
    // The name holds the pid: a second supervisor must not write through the first one's file.
    let temp = pidfile::temp_name(&spec.stem, &format!("pid-{me}"));
    below::publish(own, &temp, &pidfile::pid_name(&spec.stem), &bytes, 0o600)
        .map_err(failed("make the pid file"))?;
    Ok(file)
}

fn begin(root: Dir, own: Dir, mut file: PidFile, spec: &Spec) -> Result<Running, (Dir, Stop)> {
    let started = launch(&root, spec);
    let (log, output, mut child) = match started {
        Ok(started) => started,
        Err(why) => return Err((own, why)),
    };
    file.command = i32::try_from(child.id()).ok();
    let told = serde_json::to_vec(&file).map_err(io::Error::other).and_then(|bytes| {
        let temp = pidfile::temp_name(&file.stem, "pid");
        below::replace(&own, &temp, &pidfile::pid_name(&file.stem), &bytes, 0o600)
    });
    let grace_ms = i64::from(spec.stop_grace).saturating_mul(1000);
    if let Err(error) = told {
        // What cannot be found again must not run.
        let _ended = child.kill().and_then(|()| child.wait());
        let _ended = kin::end(&file.supervisor(), 0, Some(file.pid), &|| false);
        return Err((own, failed("complete the pid file")(error)));
    }
    Ok(Running { root, own, file, log, output: Some(output), child, grace_ms })
}

fn launch(root: &Dir, spec: &Spec) -> Result<(Log, PipeReader, Child), Stop> {
    let log = Below::parse_any(&spec.log).map_err(failed("use the log's path"))?;
    let (log_folder, log_name) = log.open_parent(root).map_err(failed("open the log's folder"))?;
    let log = Log::open(log_folder, &log_name, LOG_BYTES_MAX).map_err(failed("open the log"))?;
    let folder =
        Below::parse_folder(&spec.working_directory).map_err(failed("use working_directory"))?;
    let folder = folder.open_folder(root).map_err(failed("open working_directory"))?;
    let program = Program { arguments: &spec.command, variables: &spec.variables, folder: &folder };
    let (output, input) = io::pipe().map_err(failed("make a pipe"))?;
    rustix::io::ioctl_fionbio(&output, true).map_err(failed("set up a pipe"))?;
    let mut command = program.command().map_err(failed("start the command"))?;
    let both = input.try_clone().map_err(failed("make a pipe"))?;
    command.stdout(both).stderr(input);
    let child = command.spawn().map_err(failed("start the command"))?;
    Ok((log, output, child))
}

impl Running {
    /// Copies output until the command has ended, then ends what it left and removes the pid file.
    fn stay(&mut self) {
        let ended = self.watch();
        self.copy();
        let left = kin::end(&self.file.supervisor(), self.grace_ms, Some(self.file.pid), &|| false);
        self.copy();
        let said = match (ended, left) {
            (status, Ok(Ending::WasGone)) => format!("gov: the command {}\n", describe(status)),
            (status, Ok(_)) => {
                format!("gov: the command {}; what it left running was ended\n", describe(status))
            }
            (status, Err(error)) => {
                format!("gov: the command {}; looking for the rest: {error}\n", describe(status))
            }
        };
        // Nobody is left to tell of a log that cannot be written.
        let _lost = self.log.write(said.as_bytes());
        let _left = below::remove(&self.own, &pidfile::pid_name(&self.file.stem));
        let _lost = below::sync(&self.root);
    }

    fn watch(&mut self) -> Option<WaitStatus> {
        let pid = Pid::from_child(&self.child);
        let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            return reap_until(pid, true);
        };
        let pidfd = File::from(pidfd);
        let every = rustix::time::Timespec { tv_sec: REAP_EVERY_S, tv_nsec: 0 };
        loop {
            let mut polled = vec![PollFd::new(&pidfd, PollFlags::IN)];
            polled.extend(self.output.as_ref().map(|o| PollFd::new(o, PollFlags::IN)));
            let failed = match rustix::event::poll(&mut polled, Some(&every)) {
                Ok(_) | Err(Errno::INTR) => false,
                Err(_) => true,
            };
            drop(polled);
            self.copy();
            let ended = reap_until(pid, failed);
            if ended.is_some() || failed {
                return ended;
            }
        }
    }

    /// Copies what there is to copy. A log that cannot be written loses output, not the command.
    fn copy(&mut self) {
        let mut bytes = vec![0; COPY_BYTES];
        for _ in 0..COPIES_AT_ONCE {
            let Some(output) = self.output.as_mut() else { return };
            match output.read(&mut bytes) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    let _lost = self.log.write(bytes.get(..count).unwrap_or_default());
                    if count < COPY_BYTES {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Takes note of every child that has ended, adopted ones too. Answers how the command ended, if
/// it has; waits for that where `wait` says so.
fn reap_until(command: Pid, wait: bool) -> Option<WaitStatus> {
    let options = if wait { WaitOptions::empty() } else { WaitOptions::NOHANG };
    loop {
        match rustix::process::wait(options) {
            Ok(Some((pid, status))) if pid == command => return Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn describe(status: Option<WaitStatus>) -> String {
    match status.map(|status| (status.exit_status(), status.terminating_signal())) {
        Some((Some(code), _)) => format!("ended with code {code}"),
        Some((None, Some(signal))) => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}
