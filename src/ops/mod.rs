//! Operations: what gov does, without a terminal.
//!
//! Every operation is an options type, a report type and one function; doors above turn words into
//! options and reports into words. Whatever changes anything passes [`governed`], for humans,
//! agents and jobs alike. INVARIANT (one path to an effect).

pub mod apply;
pub mod ask;
pub mod books;
pub mod check;
pub mod drift;
pub mod freeze;
pub mod governed;
pub mod inspect;
pub mod lifetime;
pub mod proposal;
pub mod reap;
mod run;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use crate::diagnostic::Diagnostics;
use crate::engine::OpenError;
use crate::engine::driver::ExecuteError;
use crate::engine::driver::Interrupt;
use crate::engine::driver::PlanError;
use crate::engine::driver::Progress;
use crate::engine::driver::Timings;
use crate::model::actor::Actor;
use crate::model::decision::Decision;
use crate::model::decision::Rationale;
use crate::model::digest::CanonicalError;
use crate::model::event::Holder;
use crate::model::id::Ulid;
use crate::model::lifetime::Clock;
use crate::model::lifetime::Duration;
use crate::model::lifetime::LifeError;
use crate::model::lifetime::Timestamp;
use crate::model::money::MoneyError;
use crate::model::schema::nearest;
use crate::policy::trust::Trust;
use crate::provider::catalog::Catalog;
use crate::state::Store;
use crate::state::StoreError;
use crate::state::seal::SealError;
use crate::state::seal::Sealer;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// Fills bytes with chance.
pub type Entropy = Arc<dyn Fn(&mut [u8]) -> Result<(), String> + Send + Sync>;

/// What every operation works with. Made by a door, once for each command.
pub struct Context {
    /// Where everything is recorded.
    pub store: Arc<dyn Store>,
    /// Opens providers.
    pub catalog: Catalog,
    /// Seals and opens sensitive values.
    pub sealer: Arc<Sealer>,
    /// What authority says.
    pub trust: Trust,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for identifiers.
    pub entropy: Entropy,
    /// Who acts, by their credential.
    pub actor: Actor,
    /// How a lease of theirs is signed.
    pub holder: Holder,
    /// Whether a holder of a lease may still begin what it has intended: not surely dead.
    pub may_wake: Arc<dyn Fn(&Holder) -> bool + Send + Sync>,
    /// What they say of their reasons.
    pub rationale: Rationale,
    /// How long to wait for somebody else's lease.
    pub lock_timeout: Duration,
    /// How many provider calls may be under way at once.
    pub parallelism: usize,
    /// Tells when to stop.
    pub interrupt: Interrupt,
    /// Told what is going on.
    pub watch: Arc<dyn Fn(Progress) + Send + Sync>,
    /// How long provider calls took.
    pub timings: Mutex<Timings>,
}

impl Context {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many provider calls may be under way at once: as asked, within what authority allows.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        let allowed = self.trust.operation.parallelism.unwrap_or(u32::MAX).max(1);
        self.parallelism.min(usize::try_from(allowed).unwrap_or(usize::MAX))
    }

    /// A new identifier.
    ///
    /// # Errors
    /// Where the machine has no randomness to give.
    pub fn ulid(&self) -> Result<Ulid, OpError> {
        let mut bytes = [0; 16];
        (self.entropy)(&mut bytes).map_err(OpError::Failed)?;
        Ok(Ulid::new(self.now(), u128::from_be_bytes(bytes)))
    }

    /// The small view of everything.
    ///
    /// # Errors
    /// [`OpError::Store`].
    pub async fn ledger(&self) -> Result<Ledger, OpError> {
        Ok(self.store.ledger().await?)
    }

    /// The environment of this name, or an error that offers the nearest one.
    ///
    /// # Errors
    /// [`OpError::NoEnvironment`], [`OpError::Store`].
    pub async fn environment(&self, name: &str) -> Result<Snapshot, OpError> {
        let ledger = self.ledger().await?;
        let summary = find(&ledger, name)?;
        let snapshot = self.store.snapshot(summary.id).await?;
        snapshot.ok_or_else(|| OpError::Bug(format!("{name} is in the ledger and has no snapshot")))
    }

    fn merge_timings(&self, timings: Timings) {
        let Ok(mut all) = self.timings.lock() else { return };
        for (key, (count, total)) in timings {
            let sum = all.entry(key).or_insert((0, std::time::Duration::ZERO));
            sum.0 = sum.0.saturating_add(count);
            sum.1 += total;
        }
    }
}

/// The summary of the environment of this name: the living one, else the one that ended last.
///
/// # Errors
/// [`OpError::NoEnvironment`] with the nearest name.
pub fn find<'a>(ledger: &'a Ledger, name: &str) -> Result<&'a Summary, OpError> {
    ledger.find(name).ok_or_else(|| {
        let near = nearest(name, ledger.names.keys().map(String::as_str));
        let ended = ledger.environments.values().filter(|summary| summary.name == name);
        OpError::NoEnvironment {
            name: name.to_owned(),
            near: near.map(str::to_owned),
            ended: ended.filter_map(|summary| summary.ended).max(),
        }
    })
}

/// Why an operation did not do what was asked. Each maps to one exit code, in `cli/exit.rs`.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// What was written is wrong.
    #[error("what was asked for is not valid")]
    Diagnostics(Diagnostics),
    /// The gate did not allow it.
    #[error("the gate refused it")]
    Refused(Box<Decision>),
    /// There is no such environment.
    #[error("there is no environment {name}{}", hint(.near.as_deref(), *.ended))]
    NoEnvironment {
        /// The name.
        name: String,
        /// A name that is near.
        near: Option<String>,
        /// When one of this name ended.
        ended: Option<Timestamp>,
    },
    /// The store, or somebody else.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A life cannot be as asked.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// Amounts cannot be added.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// Outcomes that nobody knows stand in the way.
    #[error("nobody knows what became of {}", list(.addresses))]
    Uncertain {
        /// The environment.
        name: String,
        /// Of which resources.
        addresses: BTreeSet<String>,
    },
    /// It was broken off; the journal says how far it came.
    #[error("{message}")]
    BrokenOff {
        /// What happened.
        message: String,
        /// What was under way.
        in_flight: Vec<String>,
    },
    /// Somebody interrupted before anything was changed.
    #[error("interrupted; nothing was changed")]
    Interrupted,
    /// It was asked in a way that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Something outside gov does not work.
    #[error("{0}")]
    Failed(String),
    /// The impossible.
    #[error("{0}. This is a bug in gov.")]
    Bug(String),
}

fn hint(near: Option<&str>, ended: Option<Timestamp>) -> String {
    match (near, ended) {
        (_, Some(ended)) => format!(" any more: the last one of this name ended at {ended}"),
        (Some(near), None) => format!("; did you mean {near}?"),
        (None, None) => String::new(),
    }
}

fn list(addresses: &BTreeSet<String>) -> String {
    addresses.iter().cloned().collect::<Vec<_>>().join(", ")
}

impl From<Diagnostics> for OpError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}

impl From<CanonicalError> for OpError {
    fn from(error: CanonicalError) -> Self {
        Self::Bug(error.to_string())
    }
}

impl From<PlanError> for OpError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Diagnostics(diagnostics) => Self::Diagnostics(diagnostics),
            PlanError::Interrupted => Self::Interrupted,
        }
    }
}

impl From<OpenError> for OpError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => Self::Store(error),
            OpenError::Canonical(error) => error.into(),
        }
    }
}

impl From<ExecuteError> for OpError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Store(error) => Self::Store(error),
            ExecuteError::Aborted { in_flight } => Self::BrokenOff {
                message: "stopped at once; what was under way may exist, and the next apply will \
                          look for it"
                    .to_owned(),
                in_flight: in_flight.iter().map(ToString::to_string).collect(),
            },
        }
    }
}

/// Provider instances by the name of their configuration.
pub(crate) type Opened = BTreeMap<String, Arc<dyn crate::provider::Provider>>;
