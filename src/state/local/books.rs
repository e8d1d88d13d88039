//! What one process knows of the journal: the ledger, where each environment's frames lie, and the
//! snapshots it has folded.
//!
//! Books are read from the index and the rest of the journal, or from the journal alone, and then
//! follow it. They may run ahead of what is durable only within one append, see
//! [`commit`](super::commit).

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::event::Recorded;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Timestamp;
use crate::state::StoreError;
use crate::state::codec::Frame;
use crate::state::codec::Head;
use crate::state::local::folder::Folder;
use crate::state::local::index;
use crate::state::local::index::Found;
use crate::state::local::index::WriteError;
use crate::state::local::journal::Journal;
use crate::state::local::journal::Next;
use crate::state::local::journal::Place;
use crate::state::local::journal::Pointer;
use crate::state::local::journal::Torn;
use crate::state::local::journal::damaged;
use crate::state::local::journal::unreadable;
use crate::state::local::record::Contents;
use crate::state::local::record::Key;
use crate::state::local::record::Sums;
use crate::state::snapshot::Snapshot;
use crate::state::summary::GlobalStream;
use crate::state::summary::Ledger;

/// Snapshots kept folded: more than a command works on, less than a large store has.
const SNAPSHOTS_MAX: usize = 64;

/// Frames of others that are left to the next reader rather than written to the index: reading
/// them again costs less than opening it.
const TAIL_MIN: u64 = 256;

/// How far the journal has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Applied {
    pub head: Head,
    pub end: Place,
    pub last: Option<Pointer>,
}

/// What the index held when it was last read or written.
#[derive(Debug)]
struct Base {
    seq: u64,
    sums: Sums,
}

/// What reading on has come upon.
#[derive(Debug)]
pub(super) enum Step {
    Frame { events: usize },
    End,
    Torn(Torn),
}

#[derive(Debug)]
struct Cached {
    snapshot: Option<Snapshot>,
    /// How many of the environment's frames it has taken in.
    folded: usize,
    used: u64,
}

/// What one process knows of the journal.
#[derive(Debug)]
pub(super) struct Books {
    pub ledger: Ledger,
    pub applied: Applied,
    pointers: BTreeMap<EnvironmentId, Vec<Pointer>>,
    cached: BTreeMap<EnvironmentId, Cached>,
    uses: u64,
    dirty: BTreeSet<Key>,
    base: Option<Base>,
    wrote: bool,
}

impl Books {
    pub fn empty() -> Self {
        let applied = Applied { head: Head::start(), end: Place::START, last: None };
        Self {
            ledger: Ledger::default(),
            applied,
            pointers: BTreeMap::new(),
            cached: BTreeMap::new(),
            uses: 0,
            dirty: BTreeSet::new(),
            base: None,
            wrote: false,
        }
    }

    /// Reads the journal from its beginning.
    pub fn replay(journal: &mut Journal) -> Result<(Self, Option<Torn>), StoreError> {
        journal.segments()?;
        let mut books = Self::empty();
        let torn = books.follow(journal)?;
        Ok((books, torn))
    }

    /// Reads index and journal, or the journal alone where the index is of no use; notes which.
    pub fn load(
        folder: &Folder,
        journal: &mut Journal,
        boot: &str,
        at: Timestamp,
        notices: &mut Vec<String>,
    ) -> Result<(Self, Option<Torn>), StoreError> {
        journal.segments()?;
        let why = match index::load(folder, boot) {
            Found::Index(contents, applied) => {
                let mut books = Self::of_index(*contents, applied);
                books.confirm(folder, journal)?;
                let torn = books.follow(journal)?;
                return Ok((books, torn));
            }
            Found::Nothing => "was missing".to_owned(),
            Found::Broken(why) => match folder.put_aside(&folder.index(), "index.broken", at) {
                Ok(kept) => format!("was broken ({why}) and is kept as {}", kept.display()),
                Err(error) => format!("is broken ({why}) and could not be moved aside ({error})"),
            },
            Found::Unusable(why) => format!("could not be used ({why})"),
        };
        let (books, torn) = Self::replay(journal)?;
        // A store that was just made has no index yet, and nobody needs to be told.
        if books.applied.head.seq > 1 {
            let events = books.applied.head.seq;
            notices.push(format!("the index {why}: rebuilt from the {events} journal frames"));
        }
        Ok((books, torn))
    }

    fn of_index(contents: Contents, applied: Applied) -> Self {
        let base = Some(Base { seq: applied.head.seq, sums: contents.sums });
        Self {
            ledger: contents.ledger,
            pointers: contents.pointers,
            applied,
            base,
            ..Self::empty()
        }
    }

    /// The journal must still have what the index has read of it.
    fn confirm(&self, folder: &Folder, journal: &mut Journal) -> Result<(), StoreError> {
        let Some(last) = self.applied.last else { return Ok(()) };
        let frame = journal.read(last);
        if frame.as_ref().is_ok_and(|frame| frame.after == self.applied.head) {
            return Ok(());
        }
        let found = match frame {
            Ok(_) => "another frame is there".to_owned(),
            Err(StoreError::Damaged(why)) => why,
            Err(other) => return Err(other),
        };
        Err(StoreError::Damaged(format!(
            "history was lost or replaced: the index has read the journal up to frame {}, which \
             should lie in {} at byte {}, and {found}. Journal and index are kept as they are. \
             Restore the journal from a backup. Where the journal is right all the same, move {} \
             away and it will be rebuilt",
            self.applied.head.seq,
            journal.path(last.segment).display(),
            last.offset,
            folder.index().display(),
        )))
    }

    /// Reads on to the end of the journal. Answers with the torn tail, where one is there.
    pub fn follow(&mut self, journal: &mut Journal) -> Result<Option<Torn>, StoreError> {
        loop {
            match self.step(journal)? {
                Step::Frame { .. } => {}
                Step::End => return Ok(None),
                Step::Torn(torn) => return Ok(Some(torn)),
            }
        }
    }

    /// Takes in one more frame of the journal.
    pub fn step(&mut self, journal: &mut Journal) -> Result<Step, StoreError> {
        let place = self.applied.end;
        match journal.next(place)? {
            Next::Frame(pointer, frame) => {
                self.follow_one(journal, pointer, &frame)?;
                Ok(Step::Frame { events: frame.entries.len() })
            }
            Next::End => Ok(Step::End),
            Next::Torn(torn) => Ok(Step::Torn(torn)),
            Next::Beyond => {
                let why = "it ends before what was read from it";
                Err(damaged(&journal.path(place.segment), place.offset, why))
            }
        }
    }

    fn follow_one(
        &mut self,
        journal: &Journal,
        pointer: Pointer,
        frame: &Frame,
    ) -> Result<(), StoreError> {
        let path = journal.path(pointer.segment);
        if frame.before != self.applied.head {
            let why = format!(
                "the chain breaks: frame {} does not follow frame {} that lies before it",
                frame.after.seq, self.applied.head.seq
            );
            return Err(damaged(&path, pointer.offset, &why));
        }
        let recorded = frame.recorded();
        let recorded = recorded.map_err(|error| unreadable(&path, pointer.offset, &error))?;
        self.take_in(pointer, frame.after, &recorded).map_err(|error| match error {
            StoreError::Illegal(why) => damaged(&path, pointer.offset, &why),
            other => other,
        })
    }

    fn take_in(
        &mut self,
        pointer: Pointer,
        after: Head,
        recorded: &[Recorded],
    ) -> Result<(), StoreError> {
        let touched = self.ledger.apply(recorded)?;
        let streams = touched.iter().filter_map(GlobalStream::of).map(Key::Stream);
        self.dirty.extend(streams);
        self.dirty.insert(Key::Globals);
        for id in environments_of(recorded) {
            self.pointers.entry(id).or_default().push(pointer);
            self.dirty.insert(Key::Environment(id));
        }
        self.applied = Applied { head: after, end: pointer.end(), last: Some(pointer) };
        Ok(())
    }

    /// Takes in a batch that is about to be appended at `pointer`.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] where it may not follow; what was folded of its environments is
    /// forgotten then, so what was staged before must be appended before anything else is staged.
    pub fn stage(
        &mut self,
        journal: &mut Journal,
        pointer: Pointer,
        after: Head,
        recorded: &[Recorded],
    ) -> Result<(), StoreError> {
        self.ledger.validate(recorded)?;
        let environments = environments_of(recorded);
        for id in &environments {
            let followed = self.fold(journal, *id).and_then(|cached| {
                Snapshot::follow(&mut cached.snapshot, *id, recorded)
                    .map_err(|error| StoreError::Illegal(error.to_string()))
            });
            if let Err(error) = followed {
                for id in &environments {
                    self.cached.remove(id);
                }
                return Err(error);
            }
        }
        self.take_in(pointer, after, recorded)?;
        self.wrote = true;
        for id in &environments {
            if let Some(cached) = self.cached.get_mut(id) {
                cached.folded = cached.folded.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The full view of one environment.
    pub fn snapshot(
        &mut self,
        journal: &mut Journal,
        id: EnvironmentId,
    ) -> Result<Option<Snapshot>, StoreError> {
        if !self.ledger.environments.contains_key(&id) {
            return Ok(None);
        }
        Ok(self.fold(journal, id)?.snapshot.clone())
    }

    /// Brings the folded snapshot of an environment up to its newest frame.
    fn fold(
        &mut self,
        journal: &mut Journal,
        id: EnvironmentId,
    ) -> Result<&mut Cached, StoreError> {
        self.uses = self.uses.saturating_add(1);
        if self.cached.len() >= SNAPSHOTS_MAX && !self.cached.contains_key(&id) {
            let oldest = self.cached.iter().min_by_key(|(_, cached)| cached.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.cached.remove(&oldest);
            }
        }
        let fresh = Cached { snapshot: None, folded: 0, used: 0 };
        let mut cached = self.cached.remove(&id).unwrap_or(fresh);
        let pointers = self.pointers.get(&id).map(Vec::as_slice).unwrap_or_default();
        for pointer in pointers.get(cached.folded..).unwrap_or_default() {
            let recorded = read(journal, *pointer)?;
            Snapshot::follow(&mut cached.snapshot, id, &recorded).map_err(|error| {
                damaged(&journal.path(pointer.segment), pointer.offset, &error.to_string())
            })?;
            cached.folded = cached.folded.saturating_add(1);
        }
        cached.used = self.uses;
        Ok(self.cached.entry(id).or_insert(cached))
    }

    /// Whether an index holds what these books hold.
    pub fn agrees_with(&self, contents: &Contents) -> bool {
        self.ledger == contents.ledger && self.pointers == contents.pointers
    }

    /// Where the frames lie that concern an environment.
    pub fn pointers(&self, id: EnvironmentId) -> &[Pointer] {
        self.pointers.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the index should be written.
    pub fn wants_checkpoint(&self) -> bool {
        match &self.base {
            None => self.applied.head.seq > 0,
            Some(base) => {
                let behind = self.applied.head.seq.saturating_sub(base.seq);
                behind >= TAIL_MIN || (behind > 0 && self.wrote)
            }
        }
    }

    /// Writes the index. What it holds must be durable in the journal already.
    pub fn checkpoint(
        &mut self,
        folder: &Folder,
        boot: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..2 {
            match self.write_index(folder, boot) {
                Ok(()) => return Ok(()),
                Err(WriteError::Other) => self.base = None,
                Err(WriteError::Broken) => {
                    self.base = None;
                    let _ = folder.put_aside(&folder.index(), "index.broken", at);
                }
                Err(WriteError::Unusable(why)) => {
                    return Err(StoreError::Unavailable(format!(
                        "the index could not be written ({why}); nothing is lost, the next command \
                         reads the journal instead"
                    )));
                }
            }
        }
        Err(StoreError::Unavailable("the index could not be written".to_owned()))
    }

    fn write_index(&mut self, folder: &Folder, boot: &str) -> Result<(), WriteError> {
        let illegal =
            |error: crate::model::digest::CanonicalError| WriteError::Unusable(error.to_string());
        let base = self.base.take();
        let keys: BTreeSet<Key> = match &base {
            Some(_) => self.dirty.clone(),
            None => self.all_keys(),
        };
        let (base, mut sums) = match base {
            Some(base) => (Some(base.seq), base.sums),
            None => (None, Sums::default()),
        };
        let mut records = Vec::with_capacity(keys.len());
        for key in &keys {
            let value = Contents::encode(&self.ledger, &self.pointers, key).map_err(illegal)?;
            let key = key.to_bytes().map_err(illegal)?;
            sums.set(&key, &value);
            records.push((key, value));
        }
        let (applied, store) = (&self.applied, self.ledger.globals.store);
        let change = index::Change { base, records, applied, store, sums: &sums };
        index::store(folder, boot, change)?;
        self.base = Some(Base { seq: self.applied.head.seq, sums });
        self.dirty.clear();
        self.wrote = false;
        Ok(())
    }

    fn all_keys(&self) -> BTreeSet<Key> {
        let environments = self.ledger.environments.keys().chain(self.pointers.keys()).copied();
        let streams = self.ledger.globals.revisions.keys().cloned().map(Key::Stream);
        let globals = std::iter::once(Key::Globals);
        globals.chain(environments.map(Key::Environment)).chain(streams).collect()
    }
}

/// The events of a frame.
pub(super) fn read(journal: &mut Journal, at: Pointer) -> Result<Vec<Recorded>, StoreError> {
    let frame = journal.read(at)?;
    frame.recorded().map_err(|error| unreadable(&journal.path(at.segment), at.offset, &error))
}

fn environments_of(recorded: &[Recorded]) -> BTreeSet<EnvironmentId> {
    recorded.iter().filter_map(|recorded| recorded.leaf.env).collect()
}
