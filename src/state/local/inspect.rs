//! Looking at a whole store: its history, whether it is sound, and its content as plain lines.

use std::io::Write;
use std::path::Path;

use crate::model::event::Recorded;
use crate::state::HistoryQuery;
use crate::state::StoreError;
use crate::state::codec::Entry;
use crate::state::codec::Frame;
use crate::state::codec::Head;
use crate::state::integrity;
use crate::state::integrity::Violation;
use crate::state::local::LocalOptions;
use crate::state::local::LocalStore;
use crate::state::local::books::Books;
use crate::state::local::books::Step;
use crate::state::local::folder::Folder;
use crate::state::local::folder::failed;
use crate::state::local::index;
use crate::state::local::index::Found;
use crate::state::local::journal::Journal;
use crate::state::local::journal::Next;
use crate::state::local::journal::Place;
use crate::state::local::journal::Pointer;
use crate::state::local::journal::damaged;
use crate::state::local::journal::unreadable;

/// What walking everything has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerifyReport {
    /// Frames that are intact and follow from each other.
    pub frames: u64,
    /// Events in them.
    pub events: u64,
    /// Environments they tell of.
    pub environments: u64,
    /// What is not as it should be, in the order it was found.
    pub findings: Vec<Violation>,
    /// What could not be looked at, and why: no violation, and no proof that there is none.
    pub unchecked: Vec<String>,
}

/// Walks everything: checksums, chain, digests, transitions, snapshots, ledger and index. Repairs
/// nothing and takes no lock.
///
/// # Errors
/// [`StoreError::Unavailable`] where there is nothing to read.
pub fn verify(dir: &Path, options: &LocalOptions) -> Result<VerifyReport, StoreError> {
    let folder = Folder::open(dir)?;
    let mut journal = Journal::new(folder.journal());
    let mut report = VerifyReport::default();
    let mut books = Books::empty();
    let index = match index::load(&folder, &options.machine.boot_id()) {
        Found::Index(contents, applied) => Some((contents, applied)),
        Found::Nothing => None,
        Found::Broken(why) => {
            report.findings.push(integrity::INDEX.violated("index", why));
            None
        }
        // In use, or closed to this user. The journal is the truth, and is walked all the same.
        Found::Unusable(why) => {
            report.unchecked.push(format!("the index was not looked at: {why}"));
            None
        }
    };
    let mut agreed = index.is_none();
    let walked = journal.segments().and_then(|_| {
        loop {
            if let Some((contents, applied)) = &index
                && books.applied.head.seq == applied.head.seq
                && !agreed
            {
                agreed = true;
                if books.applied != *applied || !books.agrees_with(contents) {
                    let why = "the index is not what the journal gives".to_owned();
                    report.findings.push(integrity::INDEX.violated("index", why));
                }
            }
            match books.step(&mut journal)? {
                Step::Frame { events } => {
                    let events = u64::try_from(events).unwrap_or(u64::MAX);
                    report.events = report.events.saturating_add(events);
                }
                Step::End => return Ok(None),
                Step::Torn(torn) => return Ok(Some(torn)),
            }
        }
    });
    report.frames = books.applied.head.seq;
    match walked {
        Ok(None) => {}
        Ok(Some(torn)) => {
            let about = format!("{}:{}", torn.place.segment, torn.place.offset);
            let why = format!("{} bytes were not completely written: {}", torn.bytes, torn.why);
            report.findings.push(integrity::TAIL.violated(about, why));
        }
        Err(StoreError::Damaged(why)) => {
            report.findings.push(integrity::JOURNAL.violated("journal", why));
        }
        Err(other) => return Err(other),
    }
    if !agreed {
        let why = "the index has read further than the journal goes: history was lost".to_owned();
        report.findings.push(integrity::INDEX.violated("index", why));
    }
    check_environments(&mut books, &mut journal, &mut report)?;
    Ok(report)
}

fn check_environments(
    books: &mut Books,
    journal: &mut Journal,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    report.findings.extend(integrity::check_ledger(&books.ledger));
    let summaries: Vec<_> = books.ledger.environments.values().cloned().collect();
    report.environments = u64::try_from(summaries.len()).unwrap_or(u64::MAX);
    for summary in summaries {
        match books.snapshot(journal, summary.id) {
            Ok(Some(snapshot)) => {
                report.findings.extend(integrity::check(&snapshot));
                report.findings.extend(integrity::compare(&snapshot, &summary));
            }
            Ok(None) => {}
            Err(StoreError::Damaged(why)) => {
                let about = summary.id.to_string();
                report.findings.push(integrity::JOURNAL.violated(about, why));
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Builds the index anew from the journal, keeping the old one aside. Answers with notices.
///
/// # Errors
/// As [`LocalStore::open`], and where the index cannot be written.
pub fn rebuild(dir: &Path, options: LocalOptions) -> Result<Vec<String>, StoreError> {
    let folder = Folder::open(dir)?;
    let index = folder.index();
    if index.exists() {
        let aside = folder.put_aside(&index, "index.replaced", options.opened);
        aside.map_err(|error| failed("move aside", &index, &error))?;
    }
    let store = LocalStore::open(dir, options)?;
    store.checkpoint()?;
    Ok(store.notices())
}

/// Writes every event as a line of JSON with its frame's number, its leaf and itself; leaf and
/// event are the very bytes that their digests are over. Answers with the number of lines.
///
/// # Errors
/// [`StoreError::Damaged`] at the first frame that is not sound, after writing all before it;
/// [`StoreError::Unavailable`] where the journal cannot be read or the lines not be written.
pub fn export(dir: &Path, writer: &mut dyn Write) -> Result<u64, StoreError> {
    let folder = Folder::open(dir)?;
    let mut journal = Journal::new(folder.journal());
    journal.segments()?;
    let mut lines: u64 = 0;
    let mut head = Head::start();
    let mut place = Place::START;
    while let Next::Frame(pointer, frame) = journal.next(place)? {
        if frame.before != head {
            let path = journal.path(pointer.segment);
            return Err(damaged(&path, pointer.offset, "the chain breaks"));
        }
        for entry in &frame.entries {
            let path = journal.path(pointer.segment);
            entry.decode().map_err(|error| unreadable(&path, pointer.offset, &error))?;
            write_line(writer, frame.after.seq, entry)
                .map_err(|error| failed("write", Path::new("the export"), &error))?;
            lines = lines.saturating_add(1);
        }
        (head, place) = (frame.after, pointer.end());
    }
    Ok(lines)
}

fn write_line(writer: &mut dyn Write, seq: u64, entry: &Entry) -> std::io::Result<()> {
    write!(writer, "{{\"frame\":{seq},\"leaf\":")?;
    writer.write_all(&entry.leaf)?;
    writer.write_all(b",\"payload\":")?;
    writer.write_all(&entry.payload)?;
    writer.write_all(b"}\n")
}

/// The events that a query asks for. Frames of other environments and payloads of other types are
/// not read.
pub(super) fn history(
    books: &Books,
    journal: &mut Journal,
    query: &HistoryQuery,
) -> Result<Vec<Recorded>, StoreError> {
    let mut found = Vec::new();
    if let Some(environment) = query.environment {
        for pointer in books.pointers(environment) {
            let frame = journal.read(*pointer)?;
            select(journal, *pointer, &frame, query, &mut found)?;
        }
        return Ok(found);
    }
    let mut place = Place::START;
    while place < books.applied.end {
        let Next::Frame(pointer, frame) = journal.next(place)? else { break };
        select(journal, pointer, &frame, query, &mut found)?;
        place = pointer.end();
    }
    Ok(found)
}

fn select(
    journal: &Journal,
    pointer: Pointer,
    frame: &Frame,
    query: &HistoryQuery,
    found: &mut Vec<Recorded>,
) -> Result<(), StoreError> {
    let path = journal.path(pointer.segment);
    for entry in &frame.entries {
        let bad = |error| unreadable(&path, pointer.offset, &error);
        let leaf = entry.decode_leaf().map_err(bad)?;
        if query.admits(&leaf) {
            found.push(entry.decode().map_err(bad)?);
        }
    }
    Ok(())
}
