//! The journal's files: numbered segments of frames, read by anybody and appended to by whoever
//! holds the writers' lock.
//!
//! Frames are never changed. A segment that has grown large is left for a new one. What lies
//! behind the last good frame is told apart here: nothing, a torn tail, or damage.
#![expect(clippy::disallowed_methods, reason = "IO: the files of the journal")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::model::lifetime::Timestamp;
use crate::state::StoreError;
use crate::state::codec;
use crate::state::codec::CodecError;
use crate::state::codec::Frame;
use crate::state::codec::HEADER_BYTES;
use crate::state::local::folder::failed;
use crate::state::local::folder::free_name;
use crate::state::local::folder::private;
use crate::state::local::folder::sync_folder;

/// A segment longer than this is left for a new one: small enough to copy, large enough that a
/// busy store has few.
const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Segments kept open for reading: a large store has a dozen.
const OPEN_MAX: usize = 32;

/// The first segment.
const FIRST: u32 = 1;

/// A place in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub segment: u32,
    pub offset: u64,
}

/// Where a frame lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Pointer {
    pub segment: u32,
    pub offset: u64,
    pub length: u32,
}

impl Place {
    pub const START: Self = Self { segment: FIRST, offset: 0 };
}

impl Pointer {
    /// The place after the frame.
    pub fn end(&self) -> Place {
        let offset = self.offset.saturating_add(u64::from(self.length));
        Place { segment: self.segment, offset }
    }
}

/// What lies at a place.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame.
    Frame(Pointer, Frame),
    /// Nothing: the end.
    End,
    /// The place itself lies beyond the end.
    Beyond,
    /// Bytes that are no frame, and nothing good after them: a crash while writing.
    Torn(Torn),
}

/// A torn tail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Torn {
    pub place: Place,
    pub bytes: u64,
    pub why: String,
}

/// The journal's files.
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    readers: BTreeMap<u32, File>,
    writer: Option<(u32, File)>,
    segment_bytes: u64,
}

impl Journal {
    pub fn new(dir: PathBuf) -> Self {
        let segment_bytes = SEGMENT_BYTES;
        Self { dir, readers: BTreeMap::new(), writer: None, segment_bytes }
    }

    /// Makes the first segment, durably. Fails where there is one.
    pub fn create(&self) -> Result<(), StoreError> {
        self.create_segment(FIRST)
    }

    fn create_segment(&self, segment: u32) -> Result<(), StoreError> {
        let path = self.path(segment);
        let made = private().write(true).create_new(true).open(&path);
        made.and_then(|file| file.sync_all()).map_err(|e| failed("write to", &path, &e))?;
        sync_folder(&self.dir)
    }

    pub fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}.log"))
    }

    fn listed(&self) -> Result<Vec<u32>, StoreError> {
        let listed = std::fs::read_dir(&self.dir).map_err(|e| failed("read", &self.dir, &e))?;
        let mut found: Vec<u32> = Vec::new();
        for entry in listed {
            let name = entry.map_err(|e| failed("read", &self.dir, &e))?.file_name();
            let name = name.to_string_lossy();
            let number: Option<u32> = name.strip_suffix(".log").and_then(|stem| stem.parse().ok());
            found.extend(number);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Whether there is no segment at all: nothing was ever recorded.
    pub fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.listed()?.is_empty())
    }

    /// The segments there are, ascending.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one is missing.
    pub fn segments(&self) -> Result<Vec<u32>, StoreError> {
        let found = self.listed()?;
        let complete = found.iter().copied().eq((FIRST..).take(found.len()));
        if found.is_empty() || !complete {
            return Err(StoreError::Damaged(format!(
                "the journal in {} lacks a segment (it has {found:?}): history is missing. Nothing \
                 was changed. Put the missing file back, from a backup where need be",
                self.dir.display()
            )));
        }
        Ok(found)
    }

    fn reader(&mut self, segment: u32) -> Result<&File, StoreError> {
        let path = self.path(segment);
        if self.readers.len() >= OPEN_MAX && !self.readers.contains_key(&segment) {
            self.readers.pop_first();
        }
        match self.readers.entry(segment) {
            std::collections::btree_map::Entry::Occupied(slot) => Ok(slot.into_mut()),
            std::collections::btree_map::Entry::Vacant(slot) => {
                let file = File::open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => damaged(&path, 0, "the segment is missing"),
                    _ => failed("read", &path, &error),
                })?;
                Ok(slot.insert(file))
            }
        }
    }

    fn length(&mut self, segment: u32) -> Result<u64, StoreError> {
        let path = self.path(segment);
        let length = self.reader(segment)?.metadata().map(|found| found.len());
        length.map_err(|error| failed("read", &path, &error))
    }

    fn bytes(&mut self, segment: u32, offset: u64, count: usize) -> Result<Vec<u8>, StoreError> {
        let path = self.path(segment);
        let mut bytes = vec![0; count];
        let read = self.reader(segment)?.read_exact_at(&mut bytes, offset);
        match read {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(damaged(&path, offset, "the segment ends before the frame does"))
            }
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    /// What lies at a place. Moves on into the next segment at the end of one.
    pub fn next(&mut self, place: Place) -> Result<Next, StoreError> {
        let length = self.length(place.segment)?;
        let Some(left) = length.checked_sub(place.offset) else { return Ok(Next::Beyond) };
        if left == 0 {
            let following = Place { segment: place.segment.saturating_add(1), offset: 0 };
            if self.path(following.segment).exists() {
                return self.next(following);
            }
            return Ok(Next::End);
        }
        let front = usize::try_from(left).unwrap_or(usize::MAX).min(HEADER_BYTES);
        let header = self.bytes(place.segment, place.offset, front)?;
        let header = match codec::decode_header(&header) {
            Ok(header) => header,
            Err(error) => return self.judge(place, left, error),
        };
        let need = header.frame_bytes();
        if u64::try_from(need).unwrap_or(u64::MAX) > left {
            let have = usize::try_from(left).unwrap_or(usize::MAX);
            return self.judge(place, left, CodecError::Incomplete { have, need });
        }
        let bytes = self.bytes(place.segment, place.offset, need)?;
        match codec::decode(&bytes) {
            Ok(frame) => Ok(Next::Frame(pointer(place, need), frame)),
            Err(error) => self.judge(place, left, error),
        }
    }

    /// Tells a torn tail from damage: it is torn where nothing good follows.
    fn judge(&mut self, place: Place, left: u64, error: CodecError) -> Result<Next, StoreError> {
        let path = self.path(place.segment);
        if let CodecError::Newer(_) = error {
            return Err(StoreError::Unavailable(format!("{}: {error}", path.display())));
        }
        let later = self.path(place.segment.saturating_add(1));
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        let rest = self.bytes(place.segment, place.offset, count)?;
        // The first byte belongs to what has just been refused.
        if codec::holds_later_frame(rest.get(1..).unwrap_or_default()) || later.exists() {
            let why = format!("{error}, and good frames follow it");
            return Err(damaged(&path, place.offset, &why));
        }
        Ok(Next::Torn(Torn { place, bytes: left, why: error.to_string() }))
    }

    /// The frame at a pointer.
    pub fn read(&mut self, pointer: Pointer) -> Result<Frame, StoreError> {
        let count = usize::try_from(pointer.length).unwrap_or(usize::MAX);
        let path = self.path(pointer.segment);
        if count > codec::FRAME_BYTES_MAX {
            return Err(damaged(&path, pointer.offset, "the length is beyond any frame"));
        }
        let bytes = self.bytes(pointer.segment, pointer.offset, count)?;
        codec::decode(&bytes).map_err(|error| unreadable(&path, pointer.offset, &error))
    }

    /// Cuts a torn tail, keeping its bytes beside the journal. Needs the writers' lock. Answers
    /// with where they are kept.
    pub fn cut(&mut self, torn: &Torn, at: Timestamp) -> Result<PathBuf, StoreError> {
        let count = usize::try_from(torn.bytes).unwrap_or(usize::MAX);
        let bytes = self.bytes(torn.place.segment, torn.place.offset, count)?;
        let kept = free_name(&self.dir, "torn", at);
        let written = private().write(true).create_new(true).open(&kept);
        let written = written.and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.map_err(|error| failed("write to", &kept, &error))?;
        self.truncate(torn.place)?;
        sync_folder(&self.dir)?;
        Ok(kept)
    }

    /// Makes a place the end of its segment, durably.
    fn truncate(&mut self, place: Place) -> Result<(), StoreError> {
        let path = self.path(place.segment);
        let file = self.writer(place.segment)?;
        let cut = file.set_len(place.offset).and_then(|()| file.sync_all());
        cut.map_err(|error| failed("write to", &path, &error))
    }

    fn writer(&mut self, segment: u32) -> Result<&File, StoreError> {
        let path = self.path(segment);
        if self.writer.as_ref().is_none_or(|(open, _)| *open != segment) {
            let file = private().write(true).open(&path);
            let file = file.map_err(|error| failed("write to", &path, &error))?;
            self.writer = Some((segment, file));
        }
        match &self.writer {
            Some((_, file)) => Ok(file),
            None => Err(StoreError::Illegal("the journal has no writer".to_owned())),
        }
    }

    /// Where the next frame goes, in a new segment where the last has grown large. Needs the
    /// writers' lock.
    pub fn append_at(&mut self, end: Place) -> Result<Place, StoreError> {
        if end.offset < self.segment_bytes {
            return Ok(end);
        }
        // What lies in the old segment must be durable before anything lies in the new one.
        self.sync(end)?;
        let segment = end.segment.saturating_add(1);
        // Whoever made it last may have died before writing to it.
        if !self.path(segment).exists() {
            self.create_segment(segment)?;
        }
        Ok(Place { segment, offset: 0 })
    }

    /// Appends bytes at the end and makes them durable. Needs the writers' lock. Where this fails,
    /// the journal is as before, as far as the disk lets it.
    pub fn append(&mut self, end: Place, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(end.segment);
        let file = self.writer(end.segment)?;
        // INVARIANT (intent before effect): nobody is told of an event before this has synced.
        let written = file.write_all_at(bytes, end.offset).and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = self.truncate(end);
            self.writer = None;
            return Err(failed("write to", &path, &error));
        }
        Ok(())
    }

    /// Makes what was read durable: whoever wrote it may have died before it synced.
    pub fn sync(&mut self, end: Place) -> Result<(), StoreError> {
        let path = self.path(end.segment);
        let synced = self.writer(end.segment)?.sync_data();
        synced.map_err(|error| failed("write to", &path, &error))
    }
}

pub(super) fn pointer(place: Place, length: usize) -> Pointer {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    Pointer { segment: place.segment, offset: place.offset, length }
}

/// Damage, with where it is and what to do.
pub(super) fn damaged(path: &Path, offset: u64, why: &str) -> StoreError {
    StoreError::Damaged(format!(
        "the journal is damaged in {} at byte {offset}: {why}. Nothing was changed. Restore the \
         journal from a backup; `gov state verify` lists what can still be read",
        path.display()
    ))
}

/// A frame that cannot be read.
pub(super) fn unreadable(path: &Path, offset: u64, error: &CodecError) -> StoreError {
    match error {
        CodecError::Newer(_) => StoreError::Unavailable(format!("{}: {error}", path.display())),
        _ => damaged(path, offset, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::codec::Entry;
    use crate::state::codec::Head;

    fn frame(head: &Head, text: &str) -> (Vec<u8>, Head) {
        let entry = Entry { leaf: text.as_bytes().to_vec(), payload: Vec::new() };
        codec::encode(head, &[entry], false).unwrap()
    }

    #[test]
    fn a_large_segment_is_left_for_a_new_one_and_reading_goes_on_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path().to_owned());
        journal.segment_bytes = 300;
        journal.create().unwrap();
        let (mut head, mut end) = (Head::start(), Place::START);
        for number in 0..10 {
            let (bytes, after) = frame(&head, &number.to_string());
            let at = journal.append_at(end).unwrap();
            journal.append(at, &bytes).unwrap();
            (head, end) = (after, pointer(at, bytes.len()).end());
        }
        assert!(journal.segments().unwrap().len() > 2);
        let (mut place, mut seen) = (Place::START, 0);
        while let Next::Frame(pointer, frame) = journal.next(place).unwrap() {
            assert_eq!(frame.before.seq, seen);
            assert_eq!(journal.read(pointer).unwrap(), frame);
            (place, seen) = (pointer.end(), seen + 1);
        }
        assert_eq!(seen, 10);
        // A segment made by somebody who died before writing to it is used.
        journal.segment_bytes = 1;
        journal.create_segment(end.segment + 1).unwrap();
        assert!(matches!(journal.next(end).unwrap(), Next::End));
        let (bytes, _) = frame(&head, "late");
        let at = journal.append_at(end).unwrap();
        journal.append(at, &bytes).unwrap();
        assert!(matches!(journal.next(end).unwrap(), Next::Frame(..)));
        std::fs::remove_file(journal.path(2)).unwrap();
        assert!(matches!(journal.segments(), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_tail_is_torn_only_where_nothing_good_follows() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path().to_owned());
        journal.create().unwrap();
        let (first, head) = frame(&Head::start(), "one");
        let (second, _) = frame(&head, "two");
        journal.append(Place::START, &first[..first.len() - 1]).unwrap();
        let Next::Torn(torn) = journal.next(Place::START).unwrap() else { panic!() };
        let kept = journal.cut(&torn, Timestamp::from_millis(0)).unwrap();
        assert_eq!(std::fs::read(kept).unwrap(), &first[..first.len() - 1]);
        assert!(matches!(journal.next(Place::START).unwrap(), Next::End));
        let mut both = first.clone();
        both[70] ^= 1;
        both.extend_from_slice(&second);
        journal.append(Place::START, &both).unwrap();
        let error = journal.next(Place::START).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    }
    /// A crash may keep the second of two frames that were written together and lose the first;
    /// nobody was told of either.
    #[test]
    fn frames_of_one_write_are_torn_together() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(dir.path().to_owned());
        journal.create().unwrap();
        let (first, head) = frame(&Head::start(), "one");
        let entry = Entry { leaf: b"two".to_vec(), payload: Vec::new() };
        let (joined, _) = codec::encode(&head, &[entry], true).unwrap();
        let lost = vec![0; first.len()];
        journal.append(Place::START, &[lost, joined].concat()).unwrap();
        let Next::Torn(torn) = journal.next(Place::START).unwrap() else { panic!() };
        assert_eq!(torn.place, Place::START);
    }
}
