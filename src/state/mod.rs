//! State: what gov knows, kept as an append-only journal of events.
//!
//! A [`Store`] appends batches of events under preconditions and folds them into what others ask
//! for: a [`Ledger`] with a small [`Summary`](summary::Summary) of every
//! environment, and a full [`Snapshot`] of one. The journal is the truth;
//! everything else can be rebuilt from it. No lock is held while a provider is called.

pub mod codec;
pub mod integrity;
pub mod lease;
pub mod local;
pub mod memory;
pub mod seal;
pub mod snapshot;
pub mod summary;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::model::actor::Actor;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::event::FreezeScope;
use crate::model::event::Holder;
use crate::model::event::Leaf;
use crate::model::event::Recorded;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;

/// How long a lease holds without being renewed. Long enough for a busy machine to miss two
/// renewals, short enough that nobody waits long for a stopped holder.
pub const LEASE_DURATION: Duration = Duration::from_secs(30);

/// How often a holder renews: a third of the duration, so that two may fail.
pub const LEASE_RENEWAL: Duration = Duration::from_secs(10);

/// The most events in one batch: the intents of the widest ready set and their opening.
pub const BATCH_EVENTS_MAX: usize = 20_000;

/// A boxed future: the trait is used behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A line of events that moves by compare-and-swap; its revision counts the batches on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stream {
    /// The resources of an environment, its record and its runs.
    Resources(EnvironmentId),
    /// The life of an environment: start, extensions, end.
    Life(EnvironmentId),
    /// Who holds an environment.
    Lease(EnvironmentId),
    /// The use of a name: moved when an environment takes it or lets it go.
    Name(String),
    /// What is frozen.
    Freeze,
    /// Amounts reserved under a budget.
    Budget(String),
    /// The use of an approval.
    Approval(String),
    /// The reaper's heartbeats.
    Reaper,
    /// Decisions that led to nothing else; never a precondition.
    Decisions,
    /// The store itself.
    Store,
}

impl Stream {
    /// The streams that an event moves. `name` is the environment's, for events of its life.
    #[must_use]
    pub fn moved_by(event: &Event, environment: Option<EnvironmentId>, name: &str) -> Vec<Stream> {
        let of = |make: fn(EnvironmentId) -> Stream| environment.map(make).into_iter().collect();
        match event {
            Event::StoreCreated { .. } => vec![Stream::Store],
            Event::EnvironmentCreated { record } => {
                let mut streams: Vec<Stream> = of(Stream::Resources);
                streams.extend(of(Stream::Life));
                streams.push(Stream::Name(record.name.clone()));
                streams
            }
            Event::EnvironmentEnded { .. } => {
                let mut streams: Vec<Stream> = of(Stream::Life);
                streams.extend(of(Stream::Resources));
                streams.push(Stream::Name(name.to_owned()));
                streams
            }
            Event::LifeStarted { .. } | Event::LifeExtended { .. } | Event::LifeExpired { .. } => {
                of(Stream::Life)
            }
            Event::LeaseTaken { .. } | Event::LeaseReleased { .. } => of(Stream::Lease),
            Event::RunOpened { plan, approvals, reservations, .. } => {
                let mut streams: Vec<Stream> = of(Stream::Resources);
                // A reap settles the life as well: an extension that comes later finds it moved.
                if plan.kind == crate::model::plan::PlanKind::Reap {
                    streams.extend(of(Stream::Life));
                }
                streams.extend(approvals.iter().cloned().map(Stream::Approval));
                streams.extend(reservations.keys().cloned().map(Stream::Budget));
                streams
            }
            Event::EnvironmentChanged { .. }
            | Event::StepIntended(_)
            | Event::StepSettled { .. }
            | Event::RunClosed { .. }
            | Event::ResourceObserved { .. }
            | Event::ResourceRevised { .. }
            | Event::ResourceImported { .. }
            | Event::ResourceForgotten { .. }
            | Event::ResourceMoved { .. }
            | Event::ResourcesHeld { .. }
            | Event::DriftAccepted { .. } => of(Stream::Resources),
            Event::Frozen { .. } | Event::Unfrozen { .. } => vec![Stream::Freeze],
            Event::DecisionRecorded { .. } => vec![Stream::Decisions],
            Event::ReaperRan { .. } => vec![Stream::Reaper],
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resources(_) => f.write_str("the environment's resources"),
            Self::Life(_) => f.write_str("the environment's life"),
            Self::Lease(_) => f.write_str("the environment's lease"),
            Self::Name(name) => write!(f, "the name {name}"),
            Self::Freeze => f.write_str("the freeze"),
            Self::Budget(budget) => write!(f, "the budget {budget}"),
            Self::Approval(id) => write!(f, "the approval {id}"),
            Self::Reaper => f.write_str("the reaper"),
            Self::Decisions => f.write_str("the decisions"),
            Self::Store => f.write_str("the store"),
        }
    }
}

/// The right to write under a lease: refused once anyone holds a larger token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fence {
    /// The environment.
    pub environment: EnvironmentId,
    /// The lease.
    pub lease: LeaseId,
    /// Its token.
    pub token: u64,
}

/// What must hold for a batch to be appended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preconditions {
    /// Streams at exactly these revisions.
    pub revisions: BTreeMap<Stream, u64>,
    /// A lease that is still the newest.
    pub fence: Option<Fence>,
}

/// Events to be appended together or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The time on their leaves.
    pub now: Timestamp,
    /// The events, in order.
    pub drafts: Vec<Draft>,
    /// What must hold.
    pub preconditions: Preconditions,
}

/// A lease that somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseRequest {
    /// On what.
    pub environment: EnvironmentId,
    /// For whom.
    pub actor: Actor,
    /// Held by.
    pub holder: Holder,
    /// At this time.
    pub now: Timestamp,
}

/// What may be asked of a history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HistoryQuery {
    /// Only of this environment.
    pub environment: Option<EnvironmentId>,
    /// Only of these types of event; all where empty.
    pub kinds: Vec<&'static str>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
}

impl HistoryQuery {
    /// Whether an event of this leaf is asked for.
    #[must_use]
    pub fn admits(&self, leaf: &Leaf) -> bool {
        let environment = self.environment.is_none() || leaf.env == self.environment;
        let kind = self.kinds.is_empty() || self.kinds.contains(&leaf.kind.as_str());
        environment && kind && self.since.is_none_or(|since| leaf.time >= since)
    }
}

/// Keeps the journal and answers from it.
///
/// Every implementation passes the same conformance suite. Calls may come concurrently; appends of
/// one process are serialised by the implementation.
pub trait Store: Send + Sync {
    /// Where it lies, for people.
    fn location(&self) -> String;

    /// Appends a batch: durable when this answers. Answers with the events as recorded.
    fn append(&self, batch: Batch) -> Pending<'_, Vec<Recorded>>;

    /// The small view of everything, as of now.
    fn ledger(&self) -> Pending<'_, Ledger>;

    /// The full view of one environment, as of now.
    fn snapshot(&self, environment: EnvironmentId) -> Pending<'_, Option<Snapshot>>;

    /// Events in the order of the journal.
    fn history(&self, query: HistoryQuery) -> Pending<'_, Vec<Recorded>>;

    /// Takes a lease: at once where nobody holds one or its holder is dead, else
    /// [`StoreError::Held`]. Never waits.
    fn acquire(&self, request: LeaseRequest) -> Pending<'_, Fence>;

    /// Keeps a lease alive; answers until when it holds. Fails once it has been taken over.
    fn renew(&self, fence: Fence, now: Timestamp) -> Pending<'_, Timestamp>;

    /// Gives a lease back. Fine where it is gone already.
    fn release(&self, fence: Fence, actor: Actor, now: Timestamp) -> Pending<'_, ()>;

    /// Breaks somebody else's lease. Fails where that lease is not the newest.
    fn break_lease(
        &self,
        environment: EnvironmentId,
        lease: LeaseId,
        actor: Actor,
        reason: String,
        now: Timestamp,
    ) -> Pending<'_, ()>;
}

/// Why the store did not do it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// A stream has moved: plan anew.
    #[error("{stream} changed meanwhile (at revision {actual}, planned at {expected})")]
    Moved {
        /// Which.
        stream: Stream,
        /// Where it was expected.
        expected: u64,
        /// Where it is.
        actual: u64,
    },
    /// The lease was taken over: this writer must stop.
    #[error("the lease was taken over by {by}: nothing more is written")]
    Fenced {
        /// Who holds it now.
        by: String,
    },
    /// Somebody holds the environment.
    #[error(
        "held by {} ({}, pid {} on {}) since {since}",
        holder.actor, holder.operation, holder.pid, holder.host
    )]
    Held {
        /// Who, doing what.
        holder: Box<Holder>,
        /// Since when.
        since: Timestamp,
        /// The lease, for `gov unlock`.
        lease: LeaseId,
    },
    /// The store is locked by another process for longer than the bound.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// History was damaged or lost; everything is kept as it is.
    #[error("{0}")]
    Damaged(String),
    /// The store cannot be opened or written: no space, no permission, a wrong file system.
    #[error("{0}")]
    Unavailable(String),
    /// A batch that no correct program appends. A bug.
    #[error("{0}. This is a bug in gov.")]
    Illegal(String),
}

/// Why a batch was not turned into a frame.
fn refused(error: codec::CodecError) -> StoreError {
    match error {
        codec::CodecError::TooLarge(why) => StoreError::Unavailable(why),
        other => StoreError::Illegal(other.to_string()),
    }
}

/// What a freeze covers, read from a ledger.
#[must_use]
pub fn covers(scope: FreezeScope, environment: EnvironmentId) -> bool {
    match scope {
        FreezeScope::All => true,
        FreezeScope::Environment(frozen) => frozen == environment,
    }
}
