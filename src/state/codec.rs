//! The bytes of the journal: frame v1, one atomic batch of events.
//!
//! ```text
//! header, 64 bytes   magic "GOVF" · version u16 · joined u16 · body length u32 · events u32 ·
//!                    sequence u64 · chain before [32] · CRC-32 of the body · CRC-32 of the header
//! body               events × (leaf length u32 · payload length u32 · leaf · payload) ·
//!                    chain after [32]
//! ```
//!
//! Integers are little-endian. Leaf and payload are canonical JSON; the leaf names the digest of
//! its payload, and the chain after a frame is the digest of the chain before it, its sequence
//! number and the digests of its leaves. So the chain commits to every byte that means anything,
//! and lies outside the leaves, whose bytes never change. A joined frame became durable together
//! with the one before it. Nothing here does I/O: see
//! [`local`](crate::state::local) for where frames lie. Start with [`encode`] and [`decode`].

use serde::Deserialize;

use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::digest::canonical;
use crate::model::event::Draft;
use crate::model::event::LEAF_BYTES_MAX;
use crate::model::event::LEAF_VERSION;
use crate::model::event::Leaf;
use crate::model::event::PayloadError;
use crate::model::event::Recorded;
use crate::model::event::read_payload;
use crate::model::id::EventId;
use crate::model::id::Ulid;
use crate::model::lifetime::Timestamp;
use crate::state::BATCH_EVENTS_MAX;

/// The version of a frame's bytes.
pub const FRAME_VERSION: u16 = 1;

/// The most bytes of a frame: several times the largest plan anybody has shown, and still read
/// into memory at once.
pub const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 64;

/// What every frame begins with. A leaf or payload never holds it followed by a version, since
/// JSON holds no zero byte.
pub const MAGIC: [u8; 4] = *b"GOVF";

const CHAIN_BYTES: usize = 32;
const PREFIX_BYTES: usize = 8;

/// Every type of event that this gov knows, in the order of the model.
const KINDS: [&str; 24] = [
    "store-created",
    "environment-created",
    "environment-changed",
    "life-started",
    "life-extended",
    "life-expired",
    "environment-ended",
    "lease-taken",
    "lease-released",
    "run-opened",
    "step-intended",
    "step-settled",
    "run-closed",
    "resource-observed",
    "resource-revised",
    "resource-imported",
    "resource-forgotten",
    "resource-moved",
    "resources-held",
    "drift-accepted",
    "frozen",
    "unfrozen",
    "decision-recorded",
    "reaper-ran",
];

/// Why bytes are not a frame, or a batch is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the frame does.
    #[error("a frame is cut short: {have} of {need} bytes")]
    Incomplete {
        /// Bytes there are.
        have: usize,
        /// Bytes there must be, as far as is known.
        need: usize,
    },
    /// The bytes are not what was written.
    #[error("a frame is damaged: {0}")]
    Damaged(&'static str),
    /// The bytes are of a later version.
    #[error("a newer gov wrote this store ({0}); use that version or a later one")]
    Newer(String),
    /// The batch is beyond a limit.
    #[error("{0}")]
    TooLarge(String),
    /// The batch has no canonical bytes, or none that read back as the same events.
    #[error("the event cannot be written so that it reads back: {0}")]
    Unwritable(String),
}

/// The end of the journal: what the next frame follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The sequence number of the last frame; 0 where there is none.
    pub seq: u64,
    /// The chain after it.
    pub chain: Digest,
}

impl Head {
    /// Where a journal begins.
    #[must_use]
    pub fn start() -> Self {
        Self { seq: 0, chain: Digest::from_bytes([0; 32]) }
    }

    /// The end after a frame of these leaves.
    #[must_use]
    pub fn after<'a>(&self, leaves: impl Iterator<Item = &'a [u8]>) -> Self {
        let seq = self.seq.saturating_add(1);
        let mut bytes = Vec::with_capacity(CHAIN_BYTES * 4);
        bytes.extend_from_slice(self.chain.as_bytes());
        bytes.extend_from_slice(&seq.to_le_bytes());
        for leaf in leaves {
            bytes.extend_from_slice(Digest::of(Domain::Leaf, leaf).as_bytes());
        }
        Self { seq, chain: Digest::of(Domain::Chain, &bytes) }
    }
}

/// One event as it is written: the bytes of its leaf and of its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The canonical bytes of the leaf.
    pub leaf: Vec<u8>,
    /// The canonical bytes of the event.
    pub payload: Vec<u8>,
}

/// One batch as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it follows.
    pub before: Head,
    /// What follows it follows.
    pub after: Head,
    /// Whether it became durable by the same sync as the frame before it, so that finding it says
    /// nothing about that one.
    pub joined: bool,
    /// Its events.
    pub entries: Vec<Entry>,
}

/// The front of a frame: enough to know its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    body_bytes: usize,
    events: usize,
    before: Head,
    joined: bool,
    body_crc: u32,
}

impl Header {
    /// Bytes of the whole frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        HEADER_BYTES.saturating_add(self.body_bytes)
    }

    /// What the frame follows.
    #[must_use]
    pub fn before(&self) -> Head {
        self.before
    }
}

impl Entry {
    /// A draft under an id and at a time, checked to read back as the same event: what could not
    /// be read again must never become durable.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`], [`CodecError::Unwritable`].
    pub fn of(draft: &Draft, id: EventId, now: Timestamp) -> Result<(Self, Leaf), CodecError> {
        let unwritable = |why: String| CodecError::Unwritable(why);
        let (leaf, payload) = draft.encode(id, now).map_err(|e| unwritable(e.to_string()))?;
        let bytes = canonical(&leaf).map_err(|e| unwritable(e.to_string()))?;
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(CodecError::TooLarge(format!(
                "the record of an event is {} bytes long and may have {LEAF_BYTES_MAX}: \
                 the name of the actor is too long",
                bytes.len()
            )));
        }
        let entry = Self { leaf: bytes, payload };
        let again = entry.decode().map_err(|error| unwritable(error.to_string()))?;
        if again.leaf != leaf || again.event != draft.event {
            return Err(unwritable(format!("a {} reads back otherwise", leaf.kind)));
        }
        Ok((entry, leaf))
    }

    /// The leaf alone, without reading its payload.
    ///
    /// # Errors
    /// [`CodecError::Newer`], [`CodecError::Damaged`].
    pub fn decode_leaf(&self) -> Result<Leaf, CodecError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let damaged = |_| CodecError::Damaged("a leaf is not one");
        let version: Version = serde_json::from_slice(&self.leaf).map_err(damaged)?;
        if version.v > u64::from(LEAF_VERSION) {
            return Err(CodecError::Newer(format!("leaf version {}", version.v)));
        }
        let leaf: Leaf = serde_json::from_slice(&self.leaf).map_err(damaged)?;
        if canonical(&leaf).ok().as_deref() != Some(self.leaf.as_slice()) {
            return Err(CodecError::Damaged("a leaf is not canonical"));
        }
        if !KINDS.contains(&leaf.kind.as_str()) {
            return Err(CodecError::Newer(format!("an event of type {}", leaf.kind)));
        }
        Ok(leaf)
    }

    /// The event with its leaf.
    ///
    /// # Errors
    /// [`CodecError::Newer`], [`CodecError::Damaged`].
    pub fn decode(&self) -> Result<Recorded, CodecError> {
        let leaf = self.decode_leaf()?;
        if Digest::of(Domain::Payload, &self.payload) != leaf.payload {
            return Err(CodecError::Damaged("a payload is not the one its leaf names"));
        }
        let event = read_payload(&self.payload).map_err(|error| match error {
            PayloadError::Newer(_) => CodecError::Newer(error.to_string()),
            PayloadError::Malformed => CodecError::Damaged("a payload is not an event"),
        })?;
        if event.type_name() != leaf.kind {
            return Err(CodecError::Damaged("a payload is of another type than its leaf"));
        }
        Ok(Recorded { leaf, event })
    }
}

/// The drafts of a batch as entries and as they will read. Ids ascend from `seed`, of which the
/// lowest 80 bits count.
///
/// # Errors
/// [`CodecError::TooLarge`], [`CodecError::Unwritable`].
pub fn draft_entries(
    drafts: &[Draft],
    now: Timestamp,
    seed: u128,
) -> Result<(Vec<Entry>, Vec<Recorded>), CodecError> {
    if drafts.len() > BATCH_EVENTS_MAX {
        let many = drafts.len();
        let message = format!("{many} events in one batch, and at most {BATCH_EVENTS_MAX} may be");
        return Err(CodecError::TooLarge(message));
    }
    let mut entries = Vec::with_capacity(drafts.len());
    let mut recorded = Vec::with_capacity(drafts.len());
    let mut random = seed;
    for draft in drafts {
        let id = EventId(Ulid::new(now, random));
        random = random.wrapping_add(1);
        let (entry, leaf) = Entry::of(draft, id, now)?;
        entries.push(entry);
        recorded.push(Recorded { leaf, event: draft.event.clone() });
    }
    Ok((entries, recorded))
}

/// The bytes of a frame that follows `head`, and the head after it. `joined` where it is written
/// and synced together with the frame before it.
///
/// # Errors
/// [`CodecError::TooLarge`].
pub fn encode(head: &Head, entries: &[Entry], joined: bool) -> Result<(Vec<u8>, Head), CodecError> {
    let sizes = entries.iter().map(|entry| {
        PREFIX_BYTES.saturating_add(entry.leaf.len()).saturating_add(entry.payload.len())
    });
    let body_bytes = sizes.fold(CHAIN_BYTES, usize::saturating_add);
    let whole = body_bytes.saturating_add(HEADER_BYTES);
    let (Ok(length), Ok(events)) = (u32::try_from(body_bytes), u32::try_from(entries.len())) else {
        return Err(too_large(whole));
    };
    if whole > FRAME_BYTES_MAX {
        return Err(too_large(whole));
    }
    let after = head.after(entries.iter().map(|entry| entry.leaf.as_slice()));
    let mut body = Vec::with_capacity(body_bytes);
    for entry in entries {
        for part in [&entry.leaf, &entry.payload] {
            let bytes = u32::try_from(part.len()).map_err(|_| too_large(whole))?;
            body.extend_from_slice(&bytes.to_le_bytes());
        }
        body.extend_from_slice(&entry.leaf);
        body.extend_from_slice(&entry.payload);
    }
    body.extend_from_slice(after.chain.as_bytes());
    let mut frame = Vec::with_capacity(whole);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&FRAME_VERSION.to_le_bytes());
    frame.extend_from_slice(&u16::from(joined).to_le_bytes());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&events.to_le_bytes());
    frame.extend_from_slice(&after.seq.to_le_bytes());
    frame.extend_from_slice(head.chain.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_le_bytes());
    frame.extend_from_slice(&body);
    Ok((frame, after))
}

fn too_large(bytes: usize) -> CodecError {
    CodecError::TooLarge(format!(
        "what is to be recorded at once is {bytes} bytes long and may have {FRAME_BYTES_MAX}: \
         split the environment or keep large content out of attributes"
    ))
}

/// Reads integers and slices off the front of bytes.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let split = self.0.split_at_checked(count);
        let (front, rest) = split.ok_or(CodecError::Damaged("a length is wrong"))?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let front = self.take(N)?;
        front.try_into().map_err(|_| CodecError::Damaged("a length is wrong"))
    }

    fn length(&mut self) -> Result<usize, CodecError> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| CodecError::Damaged("a length is wrong"))
    }
}

/// Reads the header that bytes begin with.
///
/// # Errors
/// [`CodecError`]: incomplete below [`HEADER_BYTES`], newer, or damaged.
pub fn decode_header(bytes: &[u8]) -> Result<Header, CodecError> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(CodecError::Incomplete { have: bytes.len(), need: HEADER_BYTES });
    };
    let mut cursor = Cursor(header);
    if cursor.array::<4>()? != MAGIC {
        return Err(CodecError::Damaged("there is no frame"));
    }
    let (covered, crc) = header.split_at(HEADER_BYTES - 4);
    if crc32fast::hash(covered).to_le_bytes() != crc {
        return Err(CodecError::Damaged("the header's checksum is wrong"));
    }
    // Later versions keep magic, version and checksum where they are, so that this can be told.
    let version = u16::from_le_bytes(cursor.array()?);
    if version > FRAME_VERSION {
        return Err(CodecError::Newer(format!("frame version {version}")));
    }
    let joined = u16::from_le_bytes(cursor.array()?);
    if version == 0 || joined > 1 {
        return Err(CodecError::Damaged("the header is not one of any version"));
    }
    let body_bytes = cursor.length()?;
    let events = cursor.length()?;
    let seq = u64::from_le_bytes(cursor.array()?);
    let chain = Digest::from_bytes(cursor.array()?);
    let body_crc = u32::from_le_bytes(cursor.array()?);
    let seq = seq.checked_sub(1).ok_or(CodecError::Damaged("the sequence number is zero"))?;
    if !(CHAIN_BYTES..=FRAME_BYTES_MAX - HEADER_BYTES).contains(&body_bytes) {
        return Err(CodecError::Damaged("the length is beyond any frame"));
    }
    Ok(Header { body_bytes, events, before: Head { seq, chain }, joined: joined == 1, body_crc })
}

/// Reads the frame that bytes begin with. Bytes after it are left alone.
///
/// # Errors
/// [`CodecError`]; nothing is ever read as anything else than was written.
pub fn decode(bytes: &[u8]) -> Result<Frame, CodecError> {
    let header = decode_header(bytes)?;
    let need = header.frame_bytes();
    let body = bytes.get(HEADER_BYTES..need);
    let body = body.ok_or(CodecError::Incomplete { have: bytes.len(), need })?;
    if crc32fast::hash(body) != header.body_crc {
        return Err(CodecError::Damaged("the checksum is wrong"));
    }
    let mut cursor = Cursor(body);
    let mut entries = Vec::new();
    for _ in 0..header.events {
        let (leaf, payload) = (cursor.length()?, cursor.length()?);
        if leaf > LEAF_BYTES_MAX {
            return Err(CodecError::Damaged("a leaf is too long"));
        }
        let leaf = cursor.take(leaf)?.to_vec();
        let payload = cursor.take(payload)?.to_vec();
        entries.push(Entry { leaf, payload });
    }
    let chain = Digest::from_bytes(cursor.array()?);
    if !cursor.0.is_empty() {
        return Err(CodecError::Damaged("there is more than its events"));
    }
    let after = header.before.after(entries.iter().map(|entry| entry.leaf.as_slice()));
    if after.chain != chain {
        return Err(CodecError::Damaged("the chain does not follow from its leaves"));
    }
    Ok(Frame { before: header.before, after, joined: header.joined, entries })
}

impl Frame {
    /// The events.
    ///
    /// # Errors
    /// [`CodecError::Newer`], [`CodecError::Damaged`].
    pub fn recorded(&self) -> Result<Vec<Recorded>, CodecError> {
        self.entries.iter().map(Entry::decode).collect()
    }
}

/// Whether bytes hold, anywhere, an intact frame that was synced after whatever lies before it:
/// what tells damage from a torn tail. Joined frames do not count, for a crash may keep the second
/// of two frames written together and lose the first.
#[must_use]
pub fn holds_later_frame(bytes: &[u8]) -> bool {
    let starts = 0..bytes.len().saturating_sub(HEADER_BYTES - 1);
    starts.into_iter().any(|start| {
        let rest = bytes.get(start..).unwrap_or_default();
        rest.starts_with(&MAGIC)
            && match decode(rest) {
                Ok(frame) => !frame.joined,
                Err(error) => matches!(error, CodecError::Newer(_)),
            }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::actor::Actor;
    use crate::model::actor::ActorKind;
    use crate::model::actor::Door;
    use crate::model::actor::Proof;
    use crate::model::event::Event;
    use crate::model::event::FreezeScope;
    use crate::model::id::StoreId;

    fn actor(name: &str) -> Actor {
        let (kind, proof) = (ActorKind::User, Proof::OsUser);
        Actor { kind, name: name.to_owned(), proof, door: Door::Script }
    }

    fn draft(event: Event) -> Draft {
        Draft { environment: None, actor: actor("uid:1000(ann)"), event }
    }

    fn frozen(reason: &str) -> Draft {
        draft(Event::Frozen { scope: FreezeScope::All, reason: reason.to_owned() })
    }

    fn time() -> Timestamp {
        Timestamp::from_millis(1_795_000_000_123)
    }

    fn golden() -> (Vec<u8>, Entry) {
        let store = StoreId(Ulid::new(time(), 7));
        let (entries, _) =
            draft_entries(&[draft(Event::StoreCreated { store })], time(), 42).unwrap();
        (encode(&Head::start(), &entries, false).unwrap().0, entries[0].clone())
    }

    /// Leaf bytes never change: these were written once, and every later gov must write them so.
    #[test]
    fn leaf_and_frame_bytes_are_the_committed_ones() {
        let (frame, entry) = golden();
        assert_eq!(
            String::from_utf8(entry.leaf).unwrap(),
            include_str!("../../tests/state/golden/leaf-v1.json").trim_end()
        );
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = include_str!("../../tests/state/golden/frame-v1.hex");
        let wanted: String = wanted.split_whitespace().collect();
        assert_eq!(hex, wanted);
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_noticed() {
        let (frame, _) = golden();
        for length in 0..frame.len() {
            assert!(decode(&frame[..length]).is_err(), "cut at {length}");
        }
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn known_types_are_those_of_the_model() {
        let error = serde_json::from_str::<Event>(r#"{"type":"no-such"}"#).unwrap_err().to_string();
        let listed: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(listed, KINDS, "{error}");
    }

    #[test]
    fn what_a_newer_gov_wrote_is_refused_as_such() {
        let (frame, entry) = golden();
        let newer = |leaf: String| Entry { leaf: leaf.into_bytes(), payload: Vec::new() };
        let text = String::from_utf8(entry.leaf).unwrap();
        for changed in
            [text.replace(r#"{"v":1"#, r#"{"v":2"#), text.replace("store-created", "comet-seen")]
        {
            let error = newer(changed).decode().unwrap_err();
            assert!(matches!(error, CodecError::Newer(_)), "{error}");
        }
        let mut bytes = frame;
        bytes[4] = 2;
        let crc = crc32fast::hash(&bytes[..HEADER_BYTES - 4]).to_le_bytes();
        bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc);
        let error = decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("a newer gov wrote this store"), "{error}");
    }

    #[test]
    fn a_leaf_has_a_limit_and_a_payload_belongs_to_its_leaf() {
        let long =
            Draft { actor: actor(&"a".repeat(LEAF_BYTES_MAX)), ..frozen("because of an incident") };
        let id = EventId(Ulid::new(time(), 1));
        assert!(matches!(Entry::of(&long, id, time()), Err(CodecError::TooLarge(_))));
        let (mut one, _) = Entry::of(&frozen("one"), id, time()).unwrap();
        let (two, _) = Entry::of(&frozen("two"), id, time()).unwrap();
        one.payload = two.payload;
        assert!(matches!(one.decode(), Err(CodecError::Damaged(_))));
    }

    #[test]
    fn what_would_not_read_back_is_not_written() {
        // A time beyond the calendar has a text that no reader takes.
        let far = Timestamp::from_millis(i64::MAX);
        let id = EventId(Ulid::new(time(), 1));
        let refused = Entry::of(&frozen("x"), id, far);
        assert!(matches!(refused, Err(CodecError::Unwritable(_))), "{refused:?}");
    }

    proptest! {
        #[test]
        fn frames_round_trip_and_chain(
            reasons in prop::collection::vec(".{0,40}", 1..6), seq in 0u64..1 << 40,
            joined in any::<bool>(), noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let drafts: Vec<Draft> = reasons.iter().map(|reason| frozen(reason)).collect();
            let (entries, recorded) = draft_entries(&drafts, time(), u128::from(seq)).unwrap();
            let head = Head { seq, chain: Digest::of(Domain::Chain, &noise) };
            let (bytes, after) = encode(&head, &entries, joined).unwrap();
            let padded: Vec<u8> = noise.iter().chain(&bytes).chain(&noise).copied().collect();
            let frame = decode(&padded[noise.len()..]).unwrap();
            prop_assert_eq!(holds_later_frame(&padded), !joined);
            prop_assert_eq!((frame.before, frame.after), (head, after));
            prop_assert_eq!(frame.recorded().unwrap(), recorded);
        }

        #[test]
        fn noise_never_panics_and_is_never_a_frame(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400), framed in any::<bool>(),
        ) {
            if framed && bytes.len() >= 8 {
                bytes[..8].copy_from_slice(b"GOVF\x01\0\0\0");
            }
            prop_assert!(decode(&bytes).is_err());
            prop_assert!(!holds_later_frame(&bytes));
        }

        #[test]
        fn a_changed_byte_is_noticed(at in 0usize..10_000, change in 1u8..) {
            let (mut bytes, _) = golden();
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
