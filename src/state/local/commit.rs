//! Appending: the one place where a process writes the journal.
//!
//! Appends of one process queue up; whoever gets the turn takes the writers' lock, reads what other
//! processes have written, and appends all that has queued with a single sync. Every batch is its
//! own frame and is judged on its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::model::event::Recorded;
use crate::model::lifetime::Timestamp;
use crate::state::Batch;
use crate::state::StoreError;
use crate::state::codec;
use crate::state::local::LocalOptions;
use crate::state::local::books::Books;
use crate::state::local::folder::Folder;
use crate::state::local::holding::Holdings;
use crate::state::local::journal::Journal;
use crate::state::local::journal::Place;
use crate::state::local::journal::Torn;
use crate::state::local::journal::pointer;
use crate::state::refused;

/// Bytes written with one sync, after which the rest waits for the next.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The answer to one append.
type Answer = Result<Vec<Recorded>, StoreError>;

/// Where an answer is left for whoever asked.
#[derive(Clone, Debug, Default)]
struct Slot(Arc<Mutex<Option<Answer>>>);

impl Slot {
    fn set(&self, answer: Answer) {
        *lock(&self.0) = Some(answer);
    }

    fn take(&self) -> Option<Answer> {
        lock(&self.0).take()
    }
}

#[derive(Debug)]
struct Request {
    batch: Batch,
    slot: Slot,
}

/// What the handles of one store share within a process.
#[derive(Debug)]
pub(super) struct Shared {
    pub folder: Folder,
    pub options: LocalOptions,
    queue: Mutex<VecDeque<Request>>,
    /// Held by whoever writes; the books stay readable while it waits for other processes.
    turn: Mutex<()>,
    inner: Mutex<Inner>,
    notices: Mutex<Vec<String>>,
}

/// What is read and written under one mutex.
#[derive(Debug)]
pub(super) struct Inner {
    pub journal: Journal,
    pub holdings: Holdings,
    books: Option<Books>,
    /// The newest frame that this process was told is durable.
    acknowledged: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(folder: Folder, options: LocalOptions) -> Self {
        let inner = Inner {
            journal: Journal::new(folder.journal()),
            holdings: Holdings::new(folder.leases()),
            books: None,
            acknowledged: 0,
        };
        Self {
            folder,
            options,
            queue: Mutex::new(VecDeque::new()),
            turn: Mutex::new(()),
            inner: Mutex::new(inner),
            notices: Mutex::new(Vec::new()),
        }
    }

    pub fn notices(&self) -> Vec<String> {
        lock(&self.notices).clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| {
            // A panic may have left the books half changed; the journal has the truth.
            let mut inner = poisoned.into_inner();
            inner.books = None;
            self.inner.clear_poison();
            inner
        })
    }

    /// Reads on, without any lock, and works on the books.
    pub fn reading<T>(
        &self,
        work: impl FnOnce(&mut Books, &mut Journal) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut inner = self.inner();
        inner.refresh(self)?;
        let Inner { books, journal, .. } = &mut *inner;
        work(books.as_mut().ok_or_else(no_books)?, journal)
    }

    /// As [`Shared::reading`], with the leases that this process holds.
    pub fn reading_with_holdings<T>(
        &self,
        work: impl FnOnce(&Books, &mut Holdings) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut inner = self.inner();
        inner.refresh(self)?;
        let Inner { books, holdings, .. } = &mut *inner;
        work(books.as_ref().ok_or_else(no_books)?, holdings)
    }

    /// Takes the writers' lock, reads on to the very end, cuts a torn tail, and works.
    pub fn writing<T>(
        &self,
        now: Timestamp,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _turn = lock(&self.turn);
        self.with_lock(now, work)
    }

    fn with_lock<T>(
        &self,
        now: Timestamp,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let options = &self.options;
        let _guard = self.folder.lock(&options.operation, now, options.lock_wait)?;
        let mut inner = self.inner();
        if let Some(torn) = inner.refresh(self)? {
            // INVARIANT: nothing good follows it and nobody was told of it, see `journal`.
            let kept = inner.journal.cut(&torn, now)?;
            lock(&self.notices).push(format!(
                "the last {} bytes of the journal were not completely written ({}): cut, and kept \
                 in {}",
                torn.bytes,
                torn.why,
                kept.display()
            ));
        }
        work(&mut inner)
    }

    /// Opens: reads everything once, and repairs a torn tail where that is possible.
    pub fn open(&self) -> Result<(), StoreError> {
        let torn = self.inner().refresh(self)?;
        let Some(torn) = torn else { return Ok(()) };
        // What cannot be repaired now, on a full disk or in a folder of somebody else's, can be
        // read all the same.
        match self.writing(self.options.opened, |_| Ok(())) {
            Err(StoreError::Unavailable(_) | StoreError::Busy(_)) => {
                lock(&self.notices).push(format!(
                    "the last {} bytes of the journal were not completely written ({}): they are \
                     left out, and cut when something is written",
                    torn.bytes, torn.why
                ));
                Ok(())
            }
            other => other,
        }
    }

    /// Appends a batch; durable when this answers.
    pub fn append(&self, batch: Batch) -> Answer {
        let (slot, now) = (Slot::default(), batch.now);
        lock(&self.queue).push_back(Request { batch, slot: slot.clone() });
        let _turn = lock(&self.turn);
        if let Some(answer) = slot.take() {
            return answer;
        }
        let mut answer = None;
        let led = self.with_lock(now, |inner| {
            while answer.is_none() {
                let group = std::mem::take(&mut *lock(&self.queue));
                inner.commit(self, group);
                answer = slot.take();
            }
            Ok(())
        });
        if let Err(error) = led {
            // Nobody in the queue would fare better, and each would wait as long.
            for request in std::mem::take(&mut *lock(&self.queue)) {
                request.slot.set(Err(error.clone()));
            }
            return Err(error);
        }
        answer.unwrap_or_else(|| Err(StoreError::Illegal("an append went unanswered".to_owned())))
    }

    /// Writes the index, where it has fallen behind and can be written.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let wanted = self.reading(|books, _| Ok(books.wants_checkpoint()))?;
        if !wanted || !self.folder.is_writable() {
            return Ok(());
        }
        let at = self.options.opened;
        // The index never runs ahead of the journal: under the lock nobody is half-way through a
        // write, and what a dead writer left unsynced is synced first.
        self.writing(at, |inner| {
            let end = inner.books()?.applied.end;
            inner.journal.sync(end)
        })?;
        let boot = self.options.machine.boot_id();
        let mut inner = self.inner();
        inner.books()?.checkpoint(&self.folder, &boot, at)
    }
}

impl Inner {
    /// The books as of the last reading.
    pub fn books(&mut self) -> Result<&mut Books, StoreError> {
        self.books.as_mut().ok_or_else(no_books)
    }

    /// Reads on. Whoever reads without the lock may have seen a frame that its writer took back;
    /// so what does not fit is read anew from the beginning before it is called damage.
    fn refresh(&mut self, shared: &Shared) -> Result<Option<Torn>, StoreError> {
        if let Some(books) = &mut self.books {
            match books.follow(&mut self.journal) {
                Err(StoreError::Damaged(_)) => self.books = None,
                other => return other,
            }
        }
        self.journal = Journal::new(shared.folder.journal());
        let boot = shared.options.machine.boot_id();
        let mut notices = lock(&shared.notices);
        let at = shared.options.opened;
        let (folder, journal) = (&shared.folder, &mut self.journal);
        let (books, torn) = Books::load(folder, journal, &boot, at, &mut notices)?;
        if books.applied.head.seq < self.acknowledged {
            return Err(StoreError::Damaged(format!(
                "history was lost: frame {} had been written to {} and is gone. Nothing was \
                 changed. Restore the journal from a backup",
                self.acknowledged,
                shared.folder.journal().display()
            )));
        }
        self.books = Some(books);
        Ok(torn)
    }

    /// Appends one batch. Needs the writers' lock.
    pub fn commit_one(&mut self, shared: &Shared, batch: Batch) -> Answer {
        let slot = Slot::default();
        self.commit(shared, VecDeque::from([Request { batch, slot: slot.clone() }]));
        slot.take().unwrap_or_else(|| Err(no_books()))
    }

    /// Appends batches in as few writes as possible and answers each.
    fn commit(&mut self, shared: &Shared, mut group: VecDeque<Request>) {
        while !group.is_empty() {
            if let Err(error) = self.commit_some(shared, &mut group) {
                for request in group.drain(..) {
                    request.slot.set(Err(error.clone()));
                }
            }
        }
    }

    fn commit_some(
        &mut self,
        shared: &Shared,
        group: &mut VecDeque<Request>,
    ) -> Result<(), StoreError> {
        let end = self.books()?.applied.end;
        let end = self.journal.append_at(end)?;
        let mut bytes: Vec<u8> = Vec::new();
        let mut staged: Vec<(Slot, Vec<Recorded>)> = Vec::new();
        while bytes.len() < GROUP_BYTES_MAX
            && let Some(request) = group.pop_front()
        {
            match self.stage(end, &mut bytes, &request.batch) {
                Ok(recorded) => staged.push((request.slot, recorded)),
                Err(error) => {
                    // After anything but a lost race, folded snapshots have to be read again, which
                    // needs the frames staged so far to be in the journal.
                    let lost =
                        matches!(error, StoreError::Moved { .. } | StoreError::Fenced { .. });
                    request.slot.set(Err(error));
                    if !lost {
                        break;
                    }
                }
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        match self.journal.append(end, &bytes) {
            Ok(()) => {
                self.acknowledged = self.books()?.applied.head.seq;
                for (slot, recorded) in staged {
                    slot.set(Ok(recorded));
                }
                Ok(())
            }
            Err(error) => {
                // The books have taken in what was not written.
                self.books = None;
                for (slot, _) in staged {
                    slot.set(Err(error.clone()));
                }
                // What cannot be cleared away now is cut by the next writer.
                match self.refresh(shared)? {
                    None => Ok(()),
                    Some(_) => Err(error),
                }
            }
        }
    }

    fn stage(&mut self, end: Place, bytes: &mut Vec<u8>, batch: &Batch) -> Answer {
        if batch.drafts.is_empty() {
            return Err(StoreError::Illegal("a batch holds no event".to_owned()));
        }
        let Self { books, journal, .. } = self;
        let books = books.as_mut().ok_or_else(no_books)?;
        books.ledger.check(&batch.preconditions)?;
        let (entries, recorded) =
            codec::draft_entries(&batch.drafts, batch.now, random()?).map_err(refused)?;
        let joined = !bytes.is_empty();
        let (frame, after) =
            codec::encode(&books.applied.head, &entries, joined).map_err(refused)?;
        let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let place = Place { offset: end.offset.saturating_add(offset), ..end };
        books.stage(journal, pointer(place, frame.len()), after, &recorded)?;
        bytes.extend_from_slice(&frame);
        Ok(recorded)
    }
}

fn no_books() -> StoreError {
    StoreError::Illegal("the books are closed".to_owned())
}

/// Random bits for an identifier.
pub(super) fn random() -> Result<u128, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unavailable(format!("there is no randomness: {error}")))?;
    Ok(u128::from_le_bytes(bytes))
}
