//! The composition root: the one place that knows which store, clock, key and providers are used.
//!
//! Commands that need the machine itself, its files or its clock, take it from here.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;

pub use crate::host::clock::SystemClock;
pub use crate::host::files;
pub use crate::host::identity::own_name;
pub use crate::host::key;
pub use crate::host::key::KeySource;

use crate::cli::config::Config;
use crate::engine::driver::Interrupt;
use crate::engine::driver::Progress;
use crate::host::identity;
use crate::model::actor::Actor;
use crate::model::actor::Door;
use crate::model::decision::Rationale;
use crate::model::event::Holder;
use crate::model::id::StoreId;
use crate::model::id::Ulid;
use crate::model::lifetime::Clock;
use crate::ops::Context;
use crate::ops::Entropy;
use crate::ops::OpError;
use crate::provider::builtin::Means;
use crate::provider::builtin::SystemEntropy;
use crate::provider::builtin::local::Launcher;
use crate::provider::builtin::local::SPEC_OPTION;
use crate::provider::builtin::local::SUPERVISE_COMMAND;
use crate::provider::builtin::local::supervise;
use crate::provider::catalog::Catalog;
use crate::state::local::LocalOptions;
use crate::state::local::LocalStore;
use crate::state::local::machine::Machine;
use crate::state::local::machine::ThisMachine;
use crate::state::seal::Sealer;

/// What the composition root is told by the command line.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// What is being done, such as `gov apply`.
    pub operation: String,
    /// Through which door.
    pub door: Door,
    /// What the asker says of their reasons.
    pub rationale: Rationale,
    /// Told what is going on.
    pub watch: Arc<dyn Fn(Progress) + Send + Sync>,
    /// Tells when to stop.
    pub interrupt: Interrupt,
}

/// A context with the store it was made with, which wants a word when the command ends.
pub struct Opened {
    /// For operations.
    pub context: Context,
    /// The store.
    pub store: LocalStore,
}

/// Opens the store, making it where `make` and there is none, and puts a context together.
///
/// # Errors
/// [`OpError`] where the store, the trust root or the key cannot be had.
pub async fn open(setup: Setup, make: bool) -> Result<Opened, OpError> {
    let clock = SystemClock::new();
    let trust = setup.config.trust()?;
    let actor = identity::actor(setup.door);
    let options = LocalOptions::new(setup.operation.clone(), Clock::now(&clock));
    let folder = &setup.config.data_dir;
    let entropy: Entropy =
        Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).map_err(|error| error.to_string()));
    let store = if make {
        let id = fresh_id(&entropy, &clock)?;
        LocalStore::open_or_create(folder, options, id, Clock::now(&clock), actor.clone())?
    } else {
        open_existing(folder, options)?
    };
    // Only where no environment was ever made can a missing key be a new one.
    let unused = crate::state::Store::ledger(&store).await?.environments.is_empty();
    let sealer = match key::sealer(&setup.config.key(unused)) {
        Ok(sealer) => sealer,
        // What has no secrets goes on; what has says what is wrong with the key.
        Err(error) if !unused => Sealer::absent(error),
        Err(error) => return Err(error.into()),
    };
    let context = Context {
        store: Arc::new(store.clone()),
        catalog: catalog(&setup.config, clock)?,
        sealer: Arc::new(sealer),
        trust,
        clock: Arc::new(clock),
        entropy,
        holder: holder(&actor, &setup.operation),
        actor,
        may_wake: Arc::new(may_wake),
        rationale: setup.rationale,
        lock_timeout: setup.config.lock_timeout,
        parallelism: setup.config.parallelism,
        interrupt: setup.interrupt,
        watch: setup.watch,
        timings: Mutex::default(),
    };
    Ok(Opened { context, store })
}

fn open_existing(folder: &Path, options: LocalOptions) -> Result<LocalStore, OpError> {
    if !folder.join("journal").is_dir() {
        let message = format!(
            "there is no store at {}; `gov apply` makes one, --data-dir names another",
            folder.display()
        );
        return Err(OpError::Failed(message));
    }
    Ok(LocalStore::open(folder, options)?)
}

fn fresh_id(entropy: &Entropy, clock: &SystemClock) -> Result<StoreId, OpError> {
    let mut bytes = [0; 16];
    entropy(&mut bytes).map_err(OpError::Failed)?;
    Ok(StoreId(Ulid::new(Clock::now(clock), u128::from_be_bytes(bytes))))
}

/// All providers, made with this machine's means.
///
/// # Errors
/// Where the system does not tell which program this is.
pub fn catalog(config: &Config, clock: SystemClock) -> Result<Catalog, OpError> {
    let program = identity::own_program()
        .map_err(|error| OpError::Failed(format!("this program has no path: {error}")))?;
    let launcher = Launcher {
        program,
        clock: Arc::new(clock),
        home: config.home.as_ref().map(|home| home.display().to_string()),
        lang: config.lang.clone(),
    };
    let tell: crate::provider::builtin::Clock = Arc::new(move || Clock::now(&clock));
    Ok(Catalog::builtin(&Means { clock: tell, entropy: Arc::new(SystemEntropy), launcher }))
}

fn holder(actor: &Actor, operation: &str) -> Holder {
    let machine = ThisMachine;
    let pid = machine.pid();
    Holder {
        actor: actor.name.clone(),
        operation: operation.to_owned(),
        host: machine.hostname(),
        boot: machine.boot_id(),
        pid,
        pid_start: machine.pid_start(pid).unwrap_or(0),
    }
}

/// Whether the holder of a lease may still begin what it has intended: unless its process is
/// surely gone. A process of another machine is never surely gone.
fn may_wake(holder: &Holder) -> bool {
    let machine = ThisMachine;
    if holder.host != machine.hostname() {
        return true;
    }
    holder.boot == machine.boot_id() && machine.pid_start(holder.pid) == Some(holder.pid_start)
}

/// Supervises a process that gov started, where these arguments ask for that and nothing else.
/// Comes before any thread is started.
#[must_use]
pub fn supervise(arguments: &[std::ffi::OsString]) -> Option<ExitCode> {
    match arguments {
        [_, command, option, spec] if command == SUPERVISE_COMMAND && option == SPEC_OPTION => {
            Some(ExitCode::from(supervise::main(Path::new(spec))))
        }
        _ => None,
    }
}
