//! The operating system's side of a plugin: its environment, its process group, its end.
#![expect(clippy::disallowed_methods, reason = "IO: a plugin inherits the environment")]

use std::ffi::OsStr;
use std::future::Future as _;
use std::future::poll_fn;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::pin;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Poll;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Launch;
use super::last_words::LastWords;
use crate::exit::ExitReport;
use crate::exit::ExitTeller;
use crate::handshake;

/// A provider lives for seconds and allocates little, so collecting garbage costs it a third to a
/// half of its processor time for nothing. Off, it would grow without bound on a very large
/// configuration: the limit turns collecting back on there. Four times what the largest provider
/// uses.
const GO_VARIABLES: [(&str, &str); 2] = [("GOGC", "off"), ("GOMEMLIMIT", "1GiB")];

/// How long the report of an end waits for the rest of standard error. The group is dead by then
/// and the pipe holds at most 64 KiB; only a descendant that left the group can keep it open.
const STDERR_WAIT_MS: u64 = 500;

/// A process group that can be killed until its leader has been waited for. Afterwards its number
/// may belong to others.
#[derive(Debug)]
pub(super) struct Group {
    state: Mutex<GroupState>,
}

#[derive(Debug)]
struct GroupState {
    leader: Option<Pid>,
    killed: bool,
}

impl Group {
    pub(super) fn leader(&self) -> Option<u32> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leader.map(|leader| leader.as_raw_nonzero().get().unsigned_abs())
    }

    pub(super) fn kill(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = state.leader {
            state.killed = true;
            kill_group(leader);
        }
    }
}

fn kill_group(leader: Pid) {
    // The only possible failure is that the group is gone, which is what was wanted.
    let _gone = rustix::process::kill_process_group(leader, Signal::KILL);
}

/// Starts the program, or its guard, with all three standard streams under our control.
pub(super) fn spawn(
    launch: &Launch,
    certificate_pem: &str,
    socket_folder: &Path,
) -> io::Result<(Child, Arc<Group>)> {
    let mut command = match &launch.guard {
        None => Command::new(&launch.program),
        Some(guard) => {
            let mut command = Command::new(&guard.program);
            command.args(guard.arguments_for(launch.program.clone()));
            command
        }
    };
    command.args(&launch.arguments);
    if let Some(folder) = &launch.working_folder {
        command.current_dir(folder);
    }
    if !launch.inherit_environment {
        command.env_clear();
    }
    for name in handshake::REMOVED_VARIABLES {
        command.env_remove(name);
    }
    if launch.tune_go && !sets_any(launch, GO_VARIABLES.map(|(name, _)| name)) {
        command.envs(GO_VARIABLES);
    }
    command.envs(launch.variables.iter().map(|(name, value)| (name, value)));
    // Last, so that nothing above can break the handshake.
    command.envs(handshake::variables(certificate_pem, socket_folder));
    // A group of its own keeps the terminal's interrupts from it: they are for the host, which
    // then asks the provider to stop.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn()?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let state = Mutex::new(GroupState { leader, killed: false });
    Ok((child, Arc::new(Group { state })))
}

fn sets_any<const N: usize>(launch: &Launch, names: [&str; N]) -> bool {
    names.iter().any(|name| {
        launch.variables.iter().any(|(set, _)| set == OsStr::new(name))
            || (launch.inherit_environment && std::env::var_os(name).is_some())
    })
}

/// Waits for the end, kills what the plugin leaves behind, and tells how it ended.
///
/// `stderr_ended` resolves when standard error has been read to its end.
pub(super) async fn supervise(
    mut child: Child,
    group: Arc<Group>,
    last_words: LastWords,
    stderr_ended: oneshot::Receiver<()>,
    teller: ExitTeller,
) {
    let (status, killed) = wait(&mut child, &group).await;
    let patience = Duration::from_millis(STDERR_WAIT_MS);
    let _ended_or_late = timeout(patience, stderr_ended).await;
    // A process that ended by itself just before it would have been killed was not killed.
    let killed =
        killed && status.is_none_or(|status| status.signal() == Some(Signal::KILL.as_raw()));
    teller.tell(ExitReport { status, killed, last_words: last_words.spoken() });
}

async fn wait(child: &mut Child, group: &Group) -> (Option<ExitStatus>, bool) {
    let mut exit = pin!(child.wait());
    poll_fn(|cx| {
        // The system forgets the process inside this poll. Holding the lock meanwhile keeps
        // `Group::kill` from hitting whoever is given the same number next.
        let mut state = group.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Poll::Ready(status) = exit.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        // Whatever the plugin started and left in its group goes with it. While any of it lives,
        // the number of the group is not given to others.
        if let Some(leader) = state.leader.take() {
            kill_group(leader);
        }
        Poll::Ready((status.ok(), state.killed))
    })
    .await
}
