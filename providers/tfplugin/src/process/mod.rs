//! Starts a plugin, keeps it from blocking, and ends it.
//!
//! [`Plugin::start`] runs the program in a process group of its own, with a private folder for its
//! socket, and returns once it answers. From then on a few tasks, owned by the [`Plugin`], read
//! everything that it writes and wait for its end. [`Plugin::shutdown`] ends it in an orderly way;
//! dropping a `Plugin` kills it and its descendants at once, which is just as good after the last
//! call, as providers keep nothing.
//!
//! Ctrl-C does not reach the plugin. On the first, call [`Client::stop_provider`] and wait for the
//! calls under way, whose answers tell what had been done; on the second, [`Plugin::kill`].
//!
//! A host that is killed cannot kill its plugins; for that, see [`crate::guard`].
#![expect(clippy::disallowed_methods, reason = "IO: removes the socket that a plugin leaves")]

mod child;
mod drain;
mod last_words;
mod lines;
mod log;

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::log::LOG_LINE_BYTES_MAX;
pub use self::log::LOG_LINES_PER_SECOND_MAX;
pub use self::log::LogEvent;
pub use self::log::LogLevel;
pub use self::log::LogRecord;
pub use self::log::LogSender;
pub use self::log::LogSource;

use self::child::Group;
use self::drain::FirstLine;
use self::last_words::LastWords;
use crate::Class;
use crate::client::Client;
use crate::client::ConnectError;
use crate::client::Deadlines;
use crate::client::Endpoint;
use crate::exit::ExitReport;
use crate::exit::ExitWatch;
use crate::guard::Guard;
use crate::handshake;
use crate::handshake::Address;
use crate::handshake::Handshake;
use crate::handshake::HandshakeError;
use crate::tls::ClientIdentity;
use crate::tls::TlsError;

/// How long a program may take to say its handshake. The largest takes a second from a cold disk;
/// a minute is what other hosts give it.
pub const START_SECONDS_MAX: u64 = 60;

/// How long a plugin may take to end after being asked. Go's take 20 ms and Python's half a second;
/// nothing is lost by killing one that takes longer.
pub const SHUTDOWN_SECONDS_MAX: u64 = 2;

/// How long the end of a killed plugin is waited for. It is immediate, unless the process hangs in
/// the kernel on a dead file system.
const KILL_SECONDS_MAX: u64 = 2;

/// How long a program that closed its standard output before the handshake may take to end. It
/// usually has ended already, and its status and last words are worth a moment.
const EARLY_EXIT_MS: u64 = 500;

/// The longest folder that sockets can be put under: what a socket path may have, less our folder's
/// name and the name that plugins give the socket, thirty characters at most.
const SOCKET_ROOT_BYTES_MAX: usize = handshake::SOCKET_PATH_BYTES_MAX - 50;

/// Where sockets go if the usual place for temporary files has too long a name.
const SHORT_SOCKET_ROOT: &str = "/tmp";

/// For the owner only: whoever can reach the socket of a plugin without TLS can use its
/// credentials.
const SOCKET_FOLDER_MODE: u32 = 0o700;

/// What to start, and how. Begin with [`Launch::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The plugin.
    pub program: PathBuf,
    /// Its arguments; providers take none.
    pub arguments: Vec<OsString>,
    /// Where it runs; by default where the host does.
    pub working_folder: Option<PathBuf>,
    /// Whether it gets the host's environment, which providers look for credentials in.
    pub inherit_environment: bool,
    /// Variables to set besides.
    pub variables: Vec<(OsString, OsString)>,
    /// Turns Go's garbage collection off up to a gibibyte, unless the user has set it.
    pub tune_go: bool,
    /// Lets the plugin die with this process.
    pub guard: Option<Guard>,
    /// How long it may take to answer.
    pub start_within: Duration,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// Where its log goes; by default nowhere.
    pub log: Option<LogSender>,
    /// Where to make the folder for its socket; by default where temporary files go.
    pub socket_root: Option<PathBuf>,
}

impl Launch {
    /// The program, with the host's environment and every limit at its default.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            working_folder: None,
            inherit_environment: true,
            variables: Vec::new(),
            tune_go: true,
            guard: None,
            start_within: Duration::from_secs(START_SECONDS_MAX),
            deadlines: Deadlines::default(),
            log: None,
            socket_root: None,
        }
    }
}

/// Why a plugin did not start. Whatever was started has been killed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no place for the socket.
    #[error("cannot make a private folder for the plugin's socket: {0}")]
    Folder(#[source] io::Error),
    /// The program cannot be run.
    #[error("cannot run the plugin {program}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No certificate, or no use for the plugin's.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It did not say its handshake in time.
    #[error("the plugin did not answer within {} seconds; {report}", after.as_secs_f32())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// It ended, or closed its output, without a handshake.
    #[error("the plugin gave up before it answered; {report}")]
    NoHandshake {
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// It said something else, or something that is not supported.
    #[error("{source}; {report}")]
    Handshake {
        /// What is wrong with it.
        source: HandshakeError,
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// It does not let us connect.
    #[error("{source}; {report}")]
    Connect {
        /// What went wrong.
        source: ConnectError,
        /// How it ended.
        report: Arc<ExitReport>,
    },
}

impl StartError {
    /// What the caller may do next. Nothing was asked of the provider, so nothing is ever unknown.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Folder(_) | Self::Spawn { .. } | Self::NoHandshake { .. } => Class::Rejected,
            Self::TimedOut { .. } => Class::Transient,
            Self::Tls(error) => error.class(),
            Self::Handshake { source, .. } => source.class(),
            Self::Connect { source, .. } => source.class(),
        }
    }
}

/// A running plugin.
#[derive(Debug)]
pub struct Plugin {
    client: Client,
    process: Process,
}

impl Plugin {
    /// Starts the program and connects to it.
    ///
    /// Call it where tokio runs, and not inside `spawn_blocking` or `block_in_place` if there is a
    /// guard.
    pub async fn start(launch: Launch) -> Result<Self, StartError> {
        let identity = ClientIdentity::generate()?;
        let (mut process, first_line) = Process::spawn(&launch, identity.certificate_pem())?;
        let handshake = process.handshake(first_line, launch.start_within).await?;
        let tls = match handshake.certificate {
            Some(certificate) => Some(identity.configure(certificate)?),
            None => None,
        };
        let endpoint = Endpoint {
            protocol: handshake.protocol,
            address: handshake.address,
            tls,
            deadlines: launch.deadlines,
            exit: Some(process.exit.clone()),
        };
        let client = match Client::connect(endpoint).await {
            Ok(client) => client,
            Err(source) => {
                return Err(StartError::Connect { source, report: process.end().await });
            }
        };
        process.tasks.spawn(drain::redirected(client.clone(), launch.log));
        Ok(Self { client, process })
    }

    /// The connection. Clones outlive the plugin, and then say that it is gone.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The process id, for as long as it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.group.leader()
    }

    /// Tells of the end of the process.
    #[must_use]
    pub fn exit(&self) -> &ExitWatch {
        &self.process.exit
    }

    /// Kills the plugin and its descendants at once. Calls under way fail.
    pub fn kill(&self) {
        self.process.group.kill();
    }

    /// Asks the plugin to end, waits a moment, and kills it if need be.
    pub async fn shutdown(mut self) -> Arc<ExitReport> {
        let exit = self.process.exit.clone();
        if exit.now().is_none() {
            let orderly = async {
                // It may end before it answers.
                let _answer = self.client.shutdown().await;
                exit.ended().await
            };
            let _ended_or_late = timeout(Duration::from_secs(SHUTDOWN_SECONDS_MAX), orderly).await;
        }
        self.process.end().await
    }
}

/// The process and everything that has to go with it.
#[derive(Debug)]
struct Process {
    group: Arc<Group>,
    exit: ExitWatch,
    /// Where the plugin said its socket is; it need not be in our folder.
    socket: Option<PathBuf>,
    tasks: JoinSet<()>,
    /// Removed when dropped.
    _folder: TempDir,
}

impl Process {
    fn spawn(
        launch: &Launch,
        certificate_pem: &str,
    ) -> Result<(Self, oneshot::Receiver<FirstLine>), StartError> {
        let folder = socket_folder(launch.socket_root.as_deref()).map_err(StartError::Folder)?;
        let (mut child, group) = child::spawn(launch, certificate_pem, folder.path())
            .map_err(|source| StartError::Spawn { program: launch.program.clone(), source })?;
        let (first_sender, first_line) = oneshot::channel();
        let (stderr_sender, stderr_ended) = oneshot::channel();
        let (teller, exit) = ExitWatch::new();
        let last_words = LastWords::default();
        let mut tasks = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            tasks.spawn(drain::stdout(pipe, first_sender, launch.log.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            let (words, log) = (last_words.clone(), launch.log.clone());
            tasks.spawn(drain::stderr(pipe, words, log, stderr_sender));
        }
        let group_too = Arc::clone(&group);
        tasks.spawn(child::supervise(child, group_too, last_words, stderr_ended, teller));
        let process = Self { group, exit, socket: None, tasks, _folder: folder };
        Ok((process, first_line))
    }

    async fn handshake(
        &mut self,
        first_line: oneshot::Receiver<FirstLine>,
        within: Duration,
    ) -> Result<Handshake, StartError> {
        let line = match timeout(within, first_line).await {
            Err(_) => {
                return Err(StartError::TimedOut { after: within, report: self.end().await });
            }
            Ok(Err(_)) => {
                let patience = Duration::from_millis(EARLY_EXIT_MS);
                let _ended_or_late = self.exit.ended_within(patience).await;
                return Err(StartError::NoHandshake { report: self.end().await });
            }
            Ok(Ok(line)) => line,
        };
        match line.and_then(|line| handshake::parse(&line)) {
            Ok(handshake) => {
                if let Address::Unix(path) = &handshake.address {
                    self.socket = Some(path.clone());
                }
                Ok(handshake)
            }
            Err(source) => Err(StartError::Handshake { source, report: self.end().await }),
        }
    }

    /// Kills what is left and waits for the end.
    async fn end(&mut self) -> Arc<ExitReport> {
        self.group.kill();
        let patience = Duration::from_secs(KILL_SECONDS_MAX);
        let unseen = || Arc::new(ExitReport { killed: true, ..ExitReport::default() });
        self.exit.ended_within(patience).await.unwrap_or_else(unseen)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
        // A killed plugin leaves its socket. Ours goes with the folder; some put it elsewhere.
        if let Some(path) = self.socket.take()
            && std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket())
        {
            // It is litter at worst.
            let _litter = std::fs::remove_file(path);
        }
    }
}

fn socket_folder(root: Option<&Path>) -> io::Result<TempDir> {
    let temporary = std::env::temp_dir();
    let root = match root {
        Some(root) => root,
        None if temporary.as_os_str().len() <= SOCKET_ROOT_BYTES_MAX => &temporary,
        None => Path::new(SHORT_SOCKET_ROOT),
    };
    tempfile::Builder::new()
        .prefix("tfplugin-")
        .permissions(std::fs::Permissions::from_mode(SOCKET_FOLDER_MODE))
        .tempdir_in(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_goes_away() {
        let folder = socket_folder(None).unwrap();
        let path = folder.path().to_owned();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_FOLDER_MODE);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn starting_leaves_nothing_unknown() {
        let report = Arc::new(ExitReport::default());
        let after = Duration::from_secs(1);
        let late = StartError::TimedOut { after, report: Arc::clone(&report) };
        assert_eq!(late.class(), Class::Transient);
        assert_eq!(StartError::NoHandshake { report }.class(), Class::Rejected);
    }
}
