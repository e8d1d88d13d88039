//! A store in memory, for tests and simulations: the same contract, with faults to order.
//!
//! What would be durable is a list of batches. A test may order that an append fails before or
//! after it became durable, that the store stops there as a crashed process would, and then
//! [`restart`](MemoryStore::restart) from what was durable. Leases are alive until the test says
//! otherwise or their time is over; the clock is the `now` of each call.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::model::actor::Actor;
use crate::model::event::Recorded;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::id::Ulid;
use crate::model::lifetime::Timestamp;
use crate::state::Batch;
use crate::state::Fence;
use crate::state::HistoryQuery;
use crate::state::LEASE_DURATION;
use crate::state::LeaseRequest;
use crate::state::Pending;
use crate::state::Store;
use crate::state::StoreError;
use crate::state::codec;
use crate::state::lease;
use crate::state::lease::Liveness;
use crate::state::refused;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;

/// How an append is to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Whether it is durable although its caller hears of an error.
    pub durable: bool,
    /// Whether the store answers nothing any more until it is restarted.
    pub crash: bool,
}

/// Called with every batch that became durable.
type Hook = Box<dyn Fn(&[Recorded]) + Send + Sync>;

#[derive(Default)]
struct Inner {
    /// What is durable.
    batches: Vec<Vec<Recorded>>,
    ledger: Ledger,
    snapshots: BTreeMap<EnvironmentId, Option<Snapshot>>,
    /// Until when each lease claims to hold.
    claims: BTreeMap<LeaseId, Timestamp>,
    dead: BTreeSet<LeaseId>,
    /// Faults by the number of appends still to come before them.
    faults: BTreeMap<u64, Fault>,
    crashed: bool,
    ids: u128,
    hook: Option<Hook>,
}

/// A store in memory. Clones are handles on the same one.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} batches)", self.inner().batches.len())
    }
}

impl MemoryStore {
    /// An empty store; its first event has to be that it came to be.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store of batches that were recorded elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where they do not follow from each other.
    pub fn of(batches: Vec<Vec<Recorded>>) -> Result<Self, StoreError> {
        let mut inner = Inner::default();
        for batch in batches {
            inner.take_in(batch).map_err(|error| StoreError::Damaged(error.to_string()))?;
        }
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Another store with what is durable in this one, as after a crash of every process: nobody
    /// holds a lease, no fault is ordered, no hook is set.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], which would be a bug.
    pub fn restart(&self) -> Result<Self, StoreError> {
        let (batches, ids) = {
            let inner = self.inner();
            (inner.batches.clone(), inner.ids)
        };
        let fresh = Self::of(batches)?;
        {
            let mut inner = fresh.inner();
            inner.ids = ids;
            let held = inner.ledger.environments.values();
            let held: Vec<LeaseId> =
                held.filter_map(|summary| summary.lease.as_ref()).map(|l| l.lease).collect();
            inner.dead.extend(held);
        }
        Ok(fresh)
    }

    /// Every batch that is durable.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<Recorded>> {
        self.inner().batches.clone()
    }

    /// Orders that the `nth` append from now on fails, counted from 1.
    pub fn fail_append(&self, nth: u64, fault: Fault) {
        self.inner().faults.insert(nth.max(1), fault);
    }

    /// Sets what is called with every batch that became durable.
    pub fn on_recorded(&self, hook: impl Fn(&[Recorded]) + Send + Sync + 'static) {
        self.inner().hook = Some(Box::new(hook));
    }

    /// Lets the holder of a lease die.
    pub fn kill_holder(&self, lease: LeaseId) {
        self.inner().dead.insert(lease);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work when the future is awaited, as every store does.
    fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let mut inner = self.inner();
            if inner.crashed { Err(crashed()) } else { work(&mut inner) }
        })
    }
}

fn crashed() -> StoreError {
    StoreError::Unavailable("the store has crashed, as was ordered".to_owned())
}

impl Inner {
    fn append(&mut self, batch: &Batch) -> Result<Vec<Recorded>, StoreError> {
        if batch.drafts.is_empty() {
            return Err(StoreError::Illegal("a batch holds no event".to_owned()));
        }
        let fault = self.next_fault();
        if let Some(Fault { durable: false, crash }) = fault {
            self.crashed = crash;
            return Err(StoreError::Unavailable("the disk is full, as was ordered".to_owned()));
        }
        self.ledger.check(&batch.preconditions)?;
        let (_, recorded) =
            codec::draft_entries(&batch.drafts, batch.now, self.ids).map_err(refused)?;
        self.take_in(recorded.clone())?;
        let count = u128::try_from(recorded.len()).unwrap_or(u128::MAX);
        self.ids = self.ids.wrapping_add(count);
        if let Some(hook) = &self.hook {
            hook(&recorded);
        }
        match fault {
            Some(Fault { crash, .. }) => {
                self.crashed = crash;
                Err(StoreError::Unavailable("the answer was lost, as was ordered".to_owned()))
            }
            None => Ok(recorded),
        }
    }

    fn next_fault(&mut self) -> Option<Fault> {
        let faults = std::mem::take(&mut self.faults);
        let mut due = None;
        for (after, fault) in faults {
            match after.saturating_sub(1) {
                0 => due = Some(fault),
                left => {
                    self.faults.insert(left, fault);
                }
            }
        }
        due
    }

    fn take_in(&mut self, recorded: Vec<Recorded>) -> Result<(), StoreError> {
        self.ledger.validate(&recorded)?;
        let ids: BTreeSet<EnvironmentId> =
            recorded.iter().filter_map(|recorded| recorded.leaf.env).collect();
        for id in &ids {
            let snapshot = self.snapshots.entry(*id).or_default();
            if let Err(error) = Snapshot::follow(snapshot, *id, &recorded) {
                self.fold_again(&ids)?;
                return Err(StoreError::Illegal(error.to_string()));
            }
        }
        self.ledger.apply(&recorded)?;
        self.batches.push(recorded);
        Ok(())
    }

    /// Folds environments from what is durable, after one of them was left half-way.
    fn fold_again(&mut self, ids: &BTreeSet<EnvironmentId>) -> Result<(), StoreError> {
        for id in ids {
            let mut snapshot = None;
            for batch in &self.batches {
                Snapshot::follow(&mut snapshot, *id, batch)
                    .map_err(|error| StoreError::Damaged(error.to_string()))?;
            }
            self.snapshots.insert(*id, snapshot);
        }
        Ok(())
    }

    fn acquire(&mut self, request: &LeaseRequest) -> Result<Fence, StoreError> {
        let summary = self.ledger.environments.get(&request.environment);
        let current = summary.and_then(|summary| summary.lease.as_ref());
        let liveness = current.map(|current| {
            let until = self.claims.get(&current.lease).copied();
            if self.dead.contains(&current.lease) {
                Liveness::Dead
            } else if until.is_some_and(|until| until <= request.now) {
                Liveness::Overdue
            } else {
                Liveness::Alive
            }
        });
        let lease = LeaseId(Ulid::new(request.now, self.ids));
        let (batch, fence) = lease::take(&self.ledger, request, lease, liveness)?;
        self.claims.insert(lease, request.now.plus(LEASE_DURATION));
        self.append(&batch)?;
        Ok(fence)
    }

    fn renew(&mut self, fence: Fence, now: Timestamp) -> Result<Timestamp, StoreError> {
        lease::confirm(&self.ledger, fence)?;
        if self.dead.contains(&fence.lease) {
            let by = "nobody any more (its holder has ended)".to_owned();
            return Err(StoreError::Fenced { by });
        }
        let until = now.plus(LEASE_DURATION);
        self.claims.insert(fence.lease, until);
        Ok(until)
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn append(&self, batch: Batch) -> Pending<'_, Vec<Recorded>> {
        self.answer(move |inner| inner.append(&batch))
    }

    fn ledger(&self) -> Pending<'_, Ledger> {
        self.answer(|inner| Ok(inner.ledger.clone()))
    }

    fn snapshot(&self, environment: EnvironmentId) -> Pending<'_, Option<Snapshot>> {
        self.answer(move |inner| Ok(inner.snapshots.get(&environment).cloned().flatten()))
    }

    fn history(&self, query: HistoryQuery) -> Pending<'_, Vec<Recorded>> {
        self.answer(move |inner| {
            let admitted = |recorded: &&Recorded| query.admits(&recorded.leaf);
            Ok(inner.batches.iter().flatten().filter(admitted).cloned().collect())
        })
    }

    fn acquire(&self, request: LeaseRequest) -> Pending<'_, Fence> {
        self.answer(move |inner| inner.acquire(&request))
    }

    fn renew(&self, fence: Fence, now: Timestamp) -> Pending<'_, Timestamp> {
        self.answer(move |inner| inner.renew(fence, now))
    }

    fn release(&self, fence: Fence, actor: Actor, now: Timestamp) -> Pending<'_, ()> {
        self.answer(move |inner| match lease::give_back(&inner.ledger, fence, &actor, now) {
            Some(batch) => inner.append(&batch).map(|_| ()),
            None => Ok(()),
        })
    }

    fn break_lease(
        &self,
        environment: EnvironmentId,
        lease: LeaseId,
        actor: Actor,
        reason: String,
        now: Timestamp,
    ) -> Pending<'_, ()> {
        self.answer(move |inner| {
            let batch = lease::force(&inner.ledger, environment, lease, &actor, reason, now)?;
            inner.append(&batch).map(|_| ())
        })
    }
}
