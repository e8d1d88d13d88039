//! What the index holds, as bytes: one record for each environment, one for each stream that
//! belongs to none, one for what concerns all, and a head that says how far the journal was read.
//!
//! The head carries a sum over all other records. An index in which a crash has mixed old and new
//! records, or lost some, therefore never passes for a good one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::digest::canonical;
use crate::model::id::EnvironmentId;
use crate::model::id::StoreId;
use crate::state::codec::Head;
use crate::state::local::books::Applied;
use crate::state::local::journal::Place;
use crate::state::local::journal::Pointer;
use crate::state::summary::GlobalStream;
use crate::state::summary::Globals;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// The version of these records. An index of another version is rebuilt.
pub(super) const INDEX_VERSION: u32 = 1;

/// The key of the head.
pub(super) const HEAD: &[u8] = b"head";

/// Bytes of a pointer.
const POINTER_BYTES: usize = 16;

/// A record of the index, by what it is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Globals,
    Environment(EnvironmentId),
    Stream(GlobalStream),
}

impl Key {
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        Ok(match self {
            Self::Globals => b"globals".to_vec(),
            Self::Environment(id) => format!("e/{id}").into_bytes(),
            Self::Stream(stream) => [b"s/".to_vec(), canonical(stream)?].concat(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes == b"globals" {
            return Some(Self::Globals);
        }
        if let Some(id) = bytes.strip_prefix(b"e/") {
            return std::str::from_utf8(id).ok()?.parse().ok().map(Self::Environment);
        }
        serde_json::from_slice(bytes.strip_prefix(b"s/")?).ok().map(Self::Stream)
    }
}

/// How far the journal was read, and the sum over the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct HeadRecord {
    pub version: u32,
    pub store: Option<StoreId>,
    pub seq: u64,
    pub chain: Digest,
    pub segment: u32,
    pub offset: u64,
    /// The last frame's offset and length.
    pub last: Option<(u64, u32)>,
    pub sum: u64,
}

impl HeadRecord {
    pub fn new(applied: &Applied, store: Option<StoreId>, sums: &Sums) -> Self {
        Self {
            version: INDEX_VERSION,
            store,
            seq: applied.head.seq,
            chain: applied.head.chain,
            segment: applied.end.segment,
            offset: applied.end.offset,
            last: applied.last.map(|pointer| (pointer.offset, pointer.length)),
            sum: sums.total(),
        }
    }

    pub fn applied(&self) -> Applied {
        let segment = self.segment;
        Applied {
            head: Head { seq: self.seq, chain: self.chain },
            end: Place { segment, offset: self.offset },
            last: self.last.map(|(offset, length)| Pointer { segment, offset, length }),
        }
    }
}

/// The checksum of every record, by key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Sums(BTreeMap<Vec<u8>, u32>);

impl Sums {
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(key);
        hasher.update(&[0]);
        hasher.update(value);
        self.0.insert(key.to_vec(), hasher.finalize());
    }

    /// The number of records in the upper half, so that an empty index has a sum of its own.
    pub fn total(&self) -> u64 {
        let count = u64::try_from(self.0.len()).unwrap_or(u64::MAX) << 40;
        self.0.values().fold(count, |sum, crc| sum.wrapping_add(u64::from(*crc)))
    }
}

/// What the index has told.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub ledger: Ledger,
    pub pointers: BTreeMap<EnvironmentId, Vec<Pointer>>,
    pub sums: Sums,
}

impl Contents {
    /// The bytes of the record under a key.
    pub fn encode(
        ledger: &Ledger,
        pointers: &BTreeMap<EnvironmentId, Vec<Pointer>>,
        key: &Key,
    ) -> Result<Vec<u8>, CanonicalError> {
        match key {
            Key::Globals => canonical(&ledger.globals),
            Key::Stream(stream) => {
                canonical(&ledger.globals.revisions.get(stream).copied().unwrap_or(0))
            }
            Key::Environment(id) => {
                let summary = canonical(&ledger.environments.get(id))?;
                let length = u32::try_from(summary.len()).unwrap_or(u32::MAX);
                let mut bytes = length.to_le_bytes().to_vec();
                bytes.extend_from_slice(&summary);
                for pointer in pointers.get(id).map(Vec::as_slice).unwrap_or_default() {
                    bytes.extend_from_slice(&pointer.segment.to_le_bytes());
                    bytes.extend_from_slice(&pointer.offset.to_le_bytes());
                    bytes.extend_from_slice(&pointer.length.to_le_bytes());
                }
                Ok(bytes)
            }
        }
    }

    /// Takes in a record; says so where it is none.
    pub fn decode(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match Key::from_bytes(key)? {
            Key::Globals => {
                let globals: Globals = serde_json::from_slice(value).ok()?;
                let revisions = std::mem::take(&mut self.ledger.globals.revisions);
                self.ledger.globals = Globals { revisions, ..globals };
            }
            Key::Stream(stream) => {
                let revision = serde_json::from_slice(value).ok()?;
                self.ledger.globals.revisions.insert(stream, revision);
            }
            Key::Environment(id) => {
                let (length, rest) = value.split_first_chunk::<4>()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (summary, rest) = rest.split_at_checked(length)?;
                let summary: Option<Summary> = serde_json::from_slice(summary).ok()?;
                if let Some(summary) = summary {
                    if summary.ended.is_none() {
                        self.ledger.names.insert(summary.name.clone(), id);
                    }
                    self.ledger.environments.insert(id, summary);
                }
                if rest.len() % POINTER_BYTES != 0 {
                    return None;
                }
                let pointers = rest.chunks_exact(POINTER_BYTES).map(decode_pointer);
                self.pointers.insert(id, pointers.collect::<Option<_>>()?);
            }
        }
        self.sums.set(key, value);
        Some(())
    }
}

fn decode_pointer(bytes: &[u8]) -> Option<Pointer> {
    let (segment, rest) = bytes.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    Some(Pointer {
        segment: u32::from_le_bytes(*segment),
        offset: u64::from_le_bytes(*offset),
        length: u32::from_le_bytes(*length),
    })
}
