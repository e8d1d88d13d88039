//! The store of one user on one machine: a journal that is the truth, and an index that can always
//! be rebuilt from it.
//!
//! ```text
//! gov.lock            the writers' lock, with its holder in words
//! journal/NNNNNNNN.log  frames, see `codec`; torn-TIME holds what was cut off after a crash
//! index/, index.mark  see `index`; index.broken-TIME is what was moved aside
//! leases/LEASE.lock   locked by each lease's holder for as long as it lives
//! ```
//!
//! A command opens the store once, which reads the index and whatever the journal has beyond it;
//! follows the journal in memory; and writes the index back when it ends, see
//! [`LocalStore::checkpoint`]. No lock is held between calls. What it deliberately does not do:
//! lie on a file system that machines share.

mod books;
mod commit;
mod folder;
mod holding;
mod index;
mod inspect;
mod journal;
pub mod machine;
mod record;

pub use inspect::VerifyReport;
pub use inspect::export;
pub use inspect::rebuild;
pub use inspect::verify;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use crate::model::actor::Actor;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::event::Recorded;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::id::StoreId;
use crate::model::id::Ulid;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::state::Batch;
use crate::state::Fence;
use crate::state::HistoryQuery;
use crate::state::LEASE_DURATION;
use crate::state::LeaseRequest;
use crate::state::Pending;
use crate::state::Preconditions;
use crate::state::Store;
use crate::state::StoreError;
use crate::state::lease;
use crate::state::lease::Claim;
use crate::state::lease::Evidence;
use crate::state::lease::Liveness;
use crate::state::local::books::Books;
use crate::state::local::commit::Inner;
use crate::state::local::commit::Shared;
use crate::state::local::commit::random;
use crate::state::local::folder::Folder;
use crate::state::local::journal::Journal;
use crate::state::local::journal::Place;
use crate::state::local::machine::Machine;
use crate::state::local::machine::ThisMachine;
use crate::state::snapshot::Snapshot;
use crate::state::summary::LeaseSummary;
use crate::state::summary::Ledger;

/// How long a writer waits for another process: far longer than any write takes, short enough that
/// a person learns of a stopped one.
const LOCK_WAIT: Wait = Wait::from_secs(30);

/// How a store is used.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// What is being done, such as `gov apply`: told to whoever has to wait.
    pub operation: String,
    /// When the store is opened: names what is put aside.
    pub opened: Timestamp,
    /// How long to wait for other writers.
    pub lock_wait: Wait,
    /// How long a lease holds without being renewed.
    pub lease_duration: Duration,
    /// The machine.
    pub machine: Arc<dyn Machine>,
}

impl LocalOptions {
    /// The usual options on this machine.
    pub fn new(operation: impl Into<String>, opened: Timestamp) -> Self {
        Self {
            operation: operation.into(),
            opened,
            lock_wait: LOCK_WAIT,
            lease_duration: LEASE_DURATION,
            machine: Arc::new(ThisMachine),
        }
    }
}

/// The store of one user on one machine. Clones are handles on the same one.
///
/// Its calls run on tokio's threads for blocking work, so they need a runtime.
#[derive(Clone, Debug)]
pub struct LocalStore {
    shared: Arc<Shared>,
}

impl LocalStore {
    /// Opens an existing store. Works in a folder that cannot be written, and on a full disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where there is none or it cannot be read, also where a newer gov
    /// wrote it; [`StoreError::Damaged`] where history was damaged or lost.
    pub fn open(dir: &Path, options: LocalOptions) -> Result<Self, StoreError> {
        let folder = Folder::open(dir)?;
        if Journal::new(folder.journal()).is_blank()? && !folder.index().exists() {
            let message = format!("there is no store at {}", dir.display());
            return Err(StoreError::Unavailable(message));
        }
        let shared = Arc::new(Shared::new(folder, options));
        shared.open()?;
        Ok(Self { shared })
    }

    /// Makes a store and opens it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where there is one, or none can be made there.
    pub fn create(
        dir: &Path,
        options: LocalOptions,
        store: StoreId,
        now: Timestamp,
        actor: Actor,
    ) -> Result<Self, StoreError> {
        let (opened, made) = Self::make(dir, options, store, now, actor)?;
        if made {
            return Ok(opened);
        }
        Err(StoreError::Unavailable(format!("there is a store at {} already", dir.display())))
    }

    /// Opens a store, making it first where there is none.
    ///
    /// # Errors
    /// As [`LocalStore::open`].
    pub fn open_or_create(
        dir: &Path,
        options: LocalOptions,
        store: StoreId,
        now: Timestamp,
        actor: Actor,
    ) -> Result<Self, StoreError> {
        if Journal::new(dir.join("journal")).path(Place::START.segment).exists() {
            let opened = Self::open(dir, options.clone())?;
            if opened.shared.reading(|books, _| Ok(books.ledger.globals.store.is_some()))? {
                return Ok(opened);
            }
        }
        Self::make(dir, options, store, now, actor).map(|(opened, _)| opened)
    }

    /// Makes what is missing of a store. Says whether its first event is from here.
    fn make(
        dir: &Path,
        options: LocalOptions,
        store: StoreId,
        now: Timestamp,
        actor: Actor,
    ) -> Result<(Self, bool), StoreError> {
        let folder = Folder::create(dir)?;
        {
            let _guard = folder.lock(&options.operation, now, options.lock_wait)?;
            let journal = Journal::new(folder.journal());
            // Where there is an index, missing segments are damage.
            if journal.is_blank()? && !folder.index().exists() {
                journal.create()?;
            }
        }
        let opened = Self::open(dir, options)?;
        let shared = &opened.shared;
        let made = shared.writing(now, |inner| {
            if inner.books()?.ledger.globals.store.is_some() {
                return Ok(false);
            }
            let draft = Draft { environment: None, actor, event: Event::StoreCreated { store } };
            let preconditions = Preconditions::default();
            inner.commit_one(shared, Batch { now, drafts: vec![draft], preconditions })?;
            Ok(true)
        })?;
        Ok((opened, made))
    }

    /// What was found and repaired, for people.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        self.shared.notices()
    }

    /// Writes the index, where this command has appended or many others have. To be called when a
    /// command ends; without it, the next one has more to read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the index cannot be written, which loses nothing.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.shared.checkpoint()
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            // A caller that goes away does not stop what it asked for half-way.
            let done = tokio::task::spawn_blocking(move || work(&shared)).await;
            done.unwrap_or_else(|error| Err(StoreError::Illegal(format!("it stopped: {error}"))))
        })
    }
}

impl Store for LocalStore {
    fn location(&self) -> String {
        self.shared.folder.path().display().to_string()
    }

    fn append(&self, batch: Batch) -> Pending<'_, Vec<Recorded>> {
        self.blocking(|shared| shared.append(batch))
    }

    fn ledger(&self) -> Pending<'_, Ledger> {
        self.blocking(|shared| shared.reading(|books, _| Ok(books.ledger.clone())))
    }

    fn snapshot(&self, environment: EnvironmentId) -> Pending<'_, Option<Snapshot>> {
        self.blocking(move |shared| {
            shared.reading(|books, journal| books.snapshot(journal, environment))
        })
    }

    fn history(&self, query: HistoryQuery) -> Pending<'_, Vec<Recorded>> {
        self.blocking(move |shared| {
            shared.reading(|books, journal| inspect::history(books, journal, &query))
        })
    }

    fn acquire(&self, request: LeaseRequest) -> Pending<'_, Fence> {
        self.blocking(move |shared| {
            shared.writing(request.now, |inner| acquire(shared, inner, &request))
        })
    }

    fn renew(&self, fence: Fence, now: Timestamp) -> Pending<'_, Timestamp> {
        self.blocking(move |shared| renew(shared, fence, now))
    }

    fn release(&self, fence: Fence, actor: Actor, now: Timestamp) -> Pending<'_, ()> {
        self.blocking(move |shared| {
            shared.writing(now, |inner| {
                if let Some(batch) = lease::give_back(&inner.books()?.ledger, fence, &actor, now) {
                    inner.commit_one(shared, batch)?;
                }
                inner.holdings.forget(fence.lease);
                Ok(())
            })
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
        self.blocking(move |shared| {
            shared.writing(now, |inner| {
                let ledger = &inner.books()?.ledger;
                let batch = lease::force(ledger, environment, lease, &actor, reason, now)?;
                inner.commit_one(shared, batch)?;
                inner.holdings.forget(lease);
                Ok(())
            })
        })
    }
}

/// Takes a lease. Needs the writers' lock, so that of several who find a holder dead one wins.
fn acquire(
    shared: &Shared,
    inner: &mut Inner,
    request: &LeaseRequest,
) -> Result<Fence, StoreError> {
    let machine = &shared.options.machine;
    let summary = inner.books()?.ledger.environments.get(&request.environment);
    let current = summary.and_then(|summary| summary.lease.clone());
    let liveness = current.as_ref().map(|current| liveness(shared, inner, current));
    let lease = LeaseId(Ulid::new(request.now, random()?));
    let (batch, fence) = lease::take(&inner.books()?.ledger, request, lease, liveness)?;
    // The lock is taken before the event is durable: a lease without a living sign would be free.
    inner.holdings.take(Claim {
        lease,
        token: fence.token,
        boot: machine.boot_id(),
        pid: request.holder.pid,
        pid_start: request.holder.pid_start,
        pid_namespace: machine.pid_namespace(),
        until_ms: until_ms(shared),
    })?;
    if let Err(error) = inner.commit_one(shared, batch) {
        inner.holdings.forget(lease);
        return Err(error);
    }
    if let Some(current) = current {
        inner.holdings.forget(current.lease);
    }
    Ok(fence)
}

fn liveness(shared: &Shared, inner: &Inner, current: &LeaseSummary) -> Liveness {
    let machine = &shared.options.machine;
    let sign = inner.holdings.examine(current.lease);
    let (boot, namespace) = (machine.boot_id(), machine.pid_namespace());
    lease::judge(&Evidence {
        holder: &current.holder,
        locked: sign.locked,
        claim: sign.claim.as_ref(),
        boot: &boot,
        boottime_ms: machine.boottime_ms(),
        pid_namespace: namespace.as_deref(),
        pid_start: machine.pid_start(current.holder.pid),
    })
}

fn until_ms(shared: &Shared) -> u64 {
    let duration = shared.options.lease_duration.to_std();
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    shared.options.machine.boottime_ms().saturating_add(millis)
}

fn renew(shared: &Shared, fence: Fence, now: Timestamp) -> Result<Timestamp, StoreError> {
    shared.reading_with_holdings(|books: &Books, holdings| {
        lease::confirm(&books.ledger, fence)?;
        if holdings.renew(fence.lease, until_ms(shared))? {
            return Ok(now.plus(shared.options.lease_duration));
        }
        let by = "nobody any more (its holder has ended)".to_owned();
        Err(StoreError::Fenced { by })
    })
}
