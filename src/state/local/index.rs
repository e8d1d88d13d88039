//! The index: a sled database that spares a command from reading the whole journal. It can always
//! be rebuilt and is never the only copy of anything.
//!
//! sled takes one process at a time, is opened at most at the start and the end of a command, and
//! may panic over damaged files. Everything that goes wrong is therefore one of two things here:
//! the index is broken and moved aside, or it cannot be used now and is left alone.
#![expect(clippy::disallowed_methods, reason = "IO: the files of the index")]

use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::Duration as Wait;

use crate::model::id::StoreId;
use crate::state::local::books::Applied;
use crate::state::local::folder::Folder;
use crate::state::local::folder::make_folder;
use crate::state::local::folder::replace_file;
use crate::state::local::record::Contents;
use crate::state::local::record::HEAD;
use crate::state::local::record::HeadRecord;
use crate::state::local::record::INDEX_VERSION;
use crate::state::local::record::Sums;

/// sled's unit of writing. Small, since sled clears every free segment at each opening.
const SEGMENT_BYTES: usize = 256 * 1024;

/// What sled may cache: an index of ten thousand environments fits.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How long another process may hold the index, and how often is asked. sled's lock cannot be
/// waited for, and lives a little longer than the database that took it.
const OPEN_WAIT: Wait = Wait::from_secs(2);
const OPEN_PAUSE: Wait = Wait::from_millis(1);

/// What was found where the index should be.
pub(super) enum Found {
    /// No index.
    Nothing,
    /// What it holds, up to which place.
    Index(Box<Contents>, Applied),
    /// It is broken: why.
    Broken(String),
    /// It cannot be used now: why.
    Unusable(String),
}

/// Why the index could not be written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// It does not hold what the change starts from: write it whole.
    Other,
    /// It is broken: move it aside and write it whole.
    Broken,
    /// It cannot be used now: why.
    Unusable(String),
}

/// Records to be written, and the head after them.
pub(super) struct Change<'a> {
    /// The sequence number that the records change; nothing where they are all there are.
    pub base: Option<u64>,
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    pub applied: &'a Applied,
    pub store: Option<StoreId>,
    pub sums: &'a Sums,
}

enum Fault {
    Broken(String),
    Unusable(String),
}

/// Reads the whole index and closes it again.
pub(super) fn load(folder: &Folder, boot: &str) -> Found {
    // sled would make an empty database where there is none.
    if !folder.index().join("db").exists() {
        return Found::Nothing;
    }
    if !survived(&folder.mark(), boot) {
        let why = "the machine went down before the index was complete";
        return Found::Broken(why.to_owned());
    }
    let read = guarded(|| {
        let db = open(&folder.index())?;
        let mut contents = Contents::default();
        let mut head = None;
        for record in db.iter() {
            let (key, value) = record.map_err(|error| fault(&error))?;
            if key.as_ref() == HEAD {
                head = serde_json::from_slice::<HeadRecord>(&value).ok();
            } else if contents.decode(&key, &value).is_none() {
                return Err(Fault::Broken("a record of the index is unreadable".to_owned()));
            }
        }
        Ok((contents, head))
    });
    match read {
        Ok((contents, Some(head)))
            if head.version == INDEX_VERSION && head.sum == contents.sums.total() =>
        {
            let applied = head.applied();
            Found::Index(Box::new(contents), applied)
        }
        Ok(_) => Found::Broken("the index is incomplete".to_owned()),
        Err(Fault::Broken(why)) => Found::Broken(why),
        Err(Fault::Unusable(why)) => Found::Unusable(why),
    }
}

/// Writes records and head in one batch, makes them durable and closes the index again. Nothing is
/// written where the index is already further.
pub(super) fn store(folder: &Folder, boot: &str, change: Change<'_>) -> Result<(), WriteError> {
    make_folder(&folder.index()).map_err(|error| WriteError::Unusable(error.to_string()))?;
    let written = guarded(|| {
        let db = open(&folder.index())?;
        let held = db.get(HEAD).map_err(|error| fault(&error))?;
        let held: Option<HeadRecord> = held.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match (change.base, &held) {
            (_, Some(held)) if held.store == change.store && held.seq > change.applied.head.seq => {
                return Ok(true);
            }
            (Some(base), Some(held)) if held.store == change.store && held.seq >= base => {}
            (Some(_), _) => return Ok(false),
            (None, _) => db.clear().map_err(|error| fault(&error))?,
        }
        mark(&folder.mark(), boot, false)?;
        let mut batch = sled::Batch::default();
        for (key, value) in change.records {
            batch.insert(key, value);
        }
        let head = HeadRecord::new(change.applied, change.store, change.sums);
        batch.insert(HEAD, serde_json::to_vec(&head).unwrap_or_default());
        db.apply_batch(batch).and_then(|()| db.flush()).map_err(|error| fault(&error))?;
        drop(db);
        // sled's own flush reaches neither the file's length nor the disk's cache.
        let synced = File::open(folder.index().join("db")).and_then(|file| file.sync_all());
        synced.map_err(|error| Fault::Unusable(error.to_string()))?;
        mark(&folder.mark(), boot, true)?;
        Ok(true)
    });
    match written {
        Ok(true) => Ok(()),
        Ok(false) => Err(WriteError::Other),
        Err(Fault::Broken(_)) => Err(WriteError::Broken),
        Err(Fault::Unusable(why)) => Err(WriteError::Unusable(why)),
    }
}

/// Runs what may panic. sled's own threads hold nothing that outlives the database in a bad state,
/// since nothing of it is used again after a panic.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done,
        Err(_) => Err(Fault::Broken("the index is damaged".to_owned())),
    }
}

fn open(path: &Path) -> Result<sled::Db, Fault> {
    let config = sled::Config::new()
        .path(path)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let mut waited = Wait::ZERO;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error)) if is_locked(&error) => {
                if waited >= OPEN_WAIT {
                    return Err(Fault::Unusable("another process holds it".to_owned()));
                }
                std::thread::sleep(OPEN_PAUSE);
                waited = waited.saturating_add(OPEN_PAUSE);
            }
            Err(error) => return Err(fault(&error)),
        }
    }
}

fn is_locked(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Only the file system's own refusals say nothing against the index.
fn fault(error: &sled::Error) -> Fault {
    match error {
        sled::Error::Io(io)
            if matches!(
                io.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ) || is_locked(io) =>
        {
            Fault::Unusable(io.to_string())
        }
        other => Fault::Broken(other.to_string()),
    }
}

/// Notes under which boot the index was last written, and whether that came to its end.
fn mark(path: &Path, boot: &str, complete: bool) -> Result<(), Fault> {
    let text = format!("{boot} {}\n", if complete { "complete" } else { "writing" });
    replace_file(path, &text).map_err(|error| Fault::Unusable(error.to_string()))
}

/// Whether what was written can be relied on: by this boot, whose page cache still has it, or to
/// its end.
fn survived(path: &Path, boot: &str) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match text.trim_end().split_once(' ') {
        Some((marked, state)) => marked == boot || state == "complete",
        None => false,
    }
}
