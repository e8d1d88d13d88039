//! Events: what the journal is made of. Folding them gives every snapshot.
//!
//! An event says all that folding needs, so that no plan or file has to be at hand. Leaves are the
//! small canonical records that the journal chains and that an audit tree will hold; their bytes
//! are fixed for ever, see [`Leaf`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::actor::Actor;
use crate::model::address::Address;
use crate::model::cost::Quote;
use crate::model::decision::Decision;
use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::digest::canonical;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::id::EnvironmentId;
use crate::model::id::EventId;
use crate::model::id::LeaseId;
use crate::model::id::Marker;
use crate::model::id::RunId;
use crate::model::id::StoreId;
use crate::model::lifetime::Life;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Plan;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;
use crate::model::sealed::SealedValue;

/// The version of a leaf's bytes.
pub const LEAF_VERSION: u8 = 1;

/// The version of a payload's shape. A reader refuses newer ones and brings older ones up to date.
pub const PAYLOAD_VERSION: u8 = 1;

/// The most bytes a leaf may have, so that an audit tree can treat leaves as small.
pub const LEAF_BYTES_MAX: usize = 4096;

/// Who holds a lease, in words for whoever has to wait, and in facts for whoever takes over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Who.
    pub actor: String,
    /// Doing what, such as `gov apply`.
    pub operation: String,
    /// On which machine.
    pub host: String,
    /// Under which boot of it: a process id means nothing across boots.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// The process's start, in clock ticks since boot: a process id alone is reused.
    pub pid_start: u64,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every step succeeded.
    Done,
    /// Some did, some did not or were not begun.
    Partial,
    /// Closed without going on, since something else is wanted now.
    Abandoned,
}

/// What freezing covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeScope {
    /// Everything in the store.
    All,
    /// One environment.
    Environment(EnvironmentId),
}

/// How a step's effect ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// The object is so. `error` is set where the provider made something and then failed.
    Present {
        /// The resource with its object.
        record: Box<ResourceRecord>,
        /// The object put aside in favour of this one, by its key.
        deposed: Option<String>,
        /// What failed after it came to be.
        error: Option<String>,
    },
    /// The object, or the one put aside, is gone.
    Absent {
        /// Set where an object put aside is gone, not the current one.
        deposed: Option<String>,
    },
    /// Nothing changed: the provider refused.
    Refused {
        /// Why.
        error: String,
    },
    /// Nobody can say yet whether it happened.
    Unknown {
        /// What is known.
        error: String,
    },
}

/// A mutating call about to be made. Durable before the call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// The resource.
    pub address: Address,
    /// The effect.
    pub action: StepAction,
    /// What a create carries.
    pub marker: Marker,
    /// The resource as it will be recorded, without its object: enough to look for it.
    pub record: Box<ResourceRecord>,
    /// What the object was to become, with unknowns where only the call would have told.
    pub planned: SealedValue,
    /// The object this deletes where it is one put aside.
    pub deposed: Option<String>,
    /// The call begins before this or not at all.
    pub start_by: Timestamp,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The store came to be. Always the first event.
    StoreCreated {
        /// Its identity.
        store: StoreId,
    },
    /// An environment came to be, or will at its start.
    EnvironmentCreated {
        /// What it was asked to be.
        record: Box<EnvironmentRecord>,
    },
    /// An environment is asked to be something else.
    EnvironmentChanged {
        /// What it is asked to be.
        record: Box<EnvironmentRecord>,
    },
    /// Its life began: the first run opened.
    LifeStarted {
        /// From when to when.
        life: Life,
    },
    /// Its life was extended.
    LifeExtended {
        /// The life before.
        from: Life,
        /// The life after.
        to: Life,
        /// Why.
        reason: String,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// Its life was ended early.
    LifeExpired {
        /// The life before.
        from: Life,
        /// The life after.
        to: Life,
        /// Why.
        reason: String,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// Everything in it is gone; its name is free again.
    EnvironmentEnded {
        /// Why.
        reason: String,
    },
    /// Somebody may act on the environment.
    LeaseTaken {
        /// The lease.
        lease: LeaseId,
        /// Larger than any before; the journal refuses writes under a smaller one.
        token: u64,
        /// Who.
        holder: Holder,
        /// From whom it was taken over, where it was.
        from: Option<LeaseId>,
    },
    /// Nobody holds the environment any more.
    LeaseReleased {
        /// The lease.
        lease: LeaseId,
        /// Set where somebody else broke it: why.
        broken: Option<String>,
    },
    /// A plan was admitted and its execution began.
    RunOpened {
        /// The run.
        run: RunId,
        /// The digest of every byte of the plan.
        plan_digest: Digest,
        /// The digest of what it does.
        intent_digest: Digest,
        /// The digest of what the environment was asked to be; the same one resumes.
        desired: Digest,
        /// The plan.
        plan: Box<Plan>,
        /// What it costs.
        quote: Box<Quote>,
        /// On what decision.
        decision: Box<Decision>,
        /// Ids of approvals used up.
        approvals: BTreeSet<String>,
        /// Amounts reserved under budgets, by budget.
        reservations: BTreeMap<String, crate::model::money::Money>,
    },
    /// A mutating call is about to be made.
    StepIntended(Intent),
    /// A step's effect is known, or known to be unknown.
    StepSettled {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The resource.
        address: Address,
        /// How it ended.
        settled: Settled,
    },
    /// A run ended.
    RunClosed {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// In words, where it is not done.
        reason: Option<String>,
        /// Outputs as they are now.
        outputs: BTreeMap<String, SealedValue>,
    },
    /// An object was found to differ from the books, and the books follow.
    ResourceObserved {
        /// The resource.
        address: Address,
        /// The object; absent where it is gone.
        object: Option<Object>,
    },
    /// A resource stays as it is, and what the books say about it beside its object changes.
    ResourceRevised {
        /// The resource; its objects stay those of the books.
        record: Box<ResourceRecord>,
    },
    /// An existing object was taken in.
    ResourceImported {
        /// The resource.
        record: Box<ResourceRecord>,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// A resource was dropped from the books without a call.
    ResourceForgotten {
        /// The resource.
        address: Address,
        /// Why.
        reason: String,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// A resource has another address.
    ResourceMoved {
        /// The old one.
        from: Address,
        /// The new one.
        to: Address,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// Resources are kept past the end of their environment.
    ResourcesHeld {
        /// Which.
        addresses: BTreeSet<Address>,
        /// Why.
        reason: String,
    },
    /// Observed drift was taken as intended.
    DriftAccepted {
        /// The resource.
        address: Address,
        /// The attributes.
        attributes: BTreeSet<String>,
        /// On what decision.
        decision: Box<Decision>,
    },
    /// No new step starts.
    Frozen {
        /// What is covered.
        scope: FreezeScope,
        /// Why.
        reason: String,
    },
    /// Steps may start again.
    Unfrozen {
        /// What was covered.
        scope: FreezeScope,
        /// Why.
        reason: String,
    },
    /// Something was asked for and not allowed, or not yet.
    DecisionRecorded {
        /// The answer.
        decision: Box<Decision>,
    },
    /// The reaper was here.
    ReaperRan {
        /// Environments found due.
        due: u32,
        /// Environments that are gone now.
        reaped: u32,
        /// Environments with something held.
        held: u32,
        /// Environments where something failed.
        failed: u32,
    },
}

impl Event {
    /// The event's name in its leaf.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::StoreCreated { .. } => "store-created",
            Self::EnvironmentCreated { .. } => "environment-created",
            Self::EnvironmentChanged { .. } => "environment-changed",
            Self::LifeStarted { .. } => "life-started",
            Self::LifeExtended { .. } => "life-extended",
            Self::LifeExpired { .. } => "life-expired",
            Self::EnvironmentEnded { .. } => "environment-ended",
            Self::LeaseTaken { .. } => "lease-taken",
            Self::LeaseReleased { .. } => "lease-released",
            Self::RunOpened { .. } => "run-opened",
            Self::StepIntended(_) => "step-intended",
            Self::StepSettled { .. } => "step-settled",
            Self::RunClosed { .. } => "run-closed",
            Self::ResourceObserved { .. } => "resource-observed",
            Self::ResourceRevised { .. } => "resource-revised",
            Self::ResourceImported { .. } => "resource-imported",
            Self::ResourceForgotten { .. } => "resource-forgotten",
            Self::ResourceMoved { .. } => "resource-moved",
            Self::ResourcesHeld { .. } => "resources-held",
            Self::DriftAccepted { .. } => "drift-accepted",
            Self::Frozen { .. } => "frozen",
            Self::Unfrozen { .. } => "unfrozen",
            Self::DecisionRecorded { .. } => "decision-recorded",
            Self::ReaperRan { .. } => "reaper-ran",
        }
    }
}

/// What the journal chains: small, canonical, and the same for ever.
///
/// The bytes are the compact JSON of these fields in this order. Sequence numbers and chain hashes
/// are not part of it, since a shared store assigns order late.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leaf {
    /// [`LEAF_VERSION`].
    pub v: u8,
    /// The event.
    pub id: EventId,
    /// The environment it belongs to, where it belongs to one.
    pub env: Option<EnvironmentId>,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was recorded.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// The digest of its payload.
    pub payload: Digest,
}

/// What lies beside a leaf.
#[derive(Serialize, Deserialize)]
struct Payload<E> {
    v: u8,
    event: E,
}

/// Why bytes are not an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PayloadError {
    /// Written by a later gov.
    #[error("a payload of version {0}")]
    Newer(u64),
    /// Not an event at all.
    #[error("a payload is not an event")]
    Malformed,
}

/// Reads the event in a payload.
///
/// # Errors
/// [`PayloadError`].
pub fn read_payload(bytes: &[u8]) -> Result<Event, PayloadError> {
    #[derive(Deserialize)]
    struct Head {
        v: u64,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|_| PayloadError::Malformed)?;
    if head.v != u64::from(PAYLOAD_VERSION) {
        return Err(PayloadError::Newer(head.v));
    }
    let payload: Payload<Event> =
        serde_json::from_slice(bytes).map_err(|_| PayloadError::Malformed)?;
    Ok(payload.event)
}

/// An event with its leaf, as read from the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The leaf.
    pub leaf: Leaf,
    /// The event.
    pub event: Event,
}

/// An event about to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// The environment it belongs to, where it belongs to one.
    pub environment: Option<EnvironmentId>,
    /// Who causes it.
    pub actor: Actor,
    /// What happens.
    pub event: Event,
}

impl Draft {
    /// The leaf and the payload bytes of this draft.
    ///
    /// # Errors
    /// [`CanonicalError`], which is a bug.
    pub fn encode(&self, id: EventId, now: Timestamp) -> Result<(Leaf, Vec<u8>), CanonicalError> {
        let payload = canonical(&Payload { v: PAYLOAD_VERSION, event: &self.event })?;
        let leaf = Leaf {
            v: LEAF_VERSION,
            id,
            env: self.environment,
            kind: self.event.type_name().to_owned(),
            time: now,
            actor: self.actor.clone(),
            payload: Digest::of(Domain::Payload, &payload),
        };
        Ok((leaf, payload))
    }
}
