//! The answer to `GetProviderSchema`, decoded piece by piece.
//!
//! A large provider describes two thousand types in five megabytes, and a run needs five of them.
//! So the bytes are kept as they came and only their top level is read: which type lies where.
//! That takes under a millisecond, where decoding everything takes fifty. The same bytes can be
//! written to a cache and indexed again.

use std::collections::BTreeMap;
use std::ops::Range;

use prost::DecodeError;
use prost::Message;
use prost::bytes::Bytes;

use crate::Class;
use crate::protocol::Protocol;
use crate::wire::Diagnostic;
use crate::wire::Function;
use crate::wire::Schema;
use crate::wire::ServerCapabilities;

/// The field numbers of the answer, the same in both versions.
mod field {
    pub(super) const PROVIDER: u32 = 1;
    pub(super) const RESOURCES: u32 = 2;
    pub(super) const DATA_SOURCES: u32 = 3;
    pub(super) const DIAGNOSTICS: u32 = 4;
    pub(super) const PROVIDER_META: u32 = 5;
    pub(super) const CAPABILITIES: u32 = 6;
    pub(super) const FUNCTIONS: u32 = 7;
    pub(super) const EPHEMERAL_RESOURCES: u32 = 8;
    /// Of an entry of a map.
    pub(super) const KEY: u32 = 1;
    /// Of an entry of a map.
    pub(super) const VALUE: u32 = 2;
}

/// Why a schema cannot be read. The same bytes give the same error, so all are
/// [`Class::Rejected`]; if the bytes came from a cache, ask the plugin for new ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not a protobuf message.
    #[error("the provider's schema is damaged at byte {offset}")]
    Damaged {
        /// Where.
        offset: usize,
    },
    /// A protobuf message, but not of a schema.
    #[error("the provider's schema of {of} cannot be decoded")]
    Decode {
        /// Of what.
        of: String,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl SchemaError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Rejected
    }
}

/// Where the parts of a map lie.
type Index = BTreeMap<String, Range<usize>>;

/// All schemas of a provider.
#[derive(Clone, Debug)]
pub struct SchemaDocument {
    protocol: Protocol,
    bytes: Bytes,
    provider: Option<Range<usize>>,
    provider_meta: Option<Range<usize>>,
    resources: Index,
    data_sources: Index,
    ephemeral_resources: Index,
    functions: Index,
    capabilities: ServerCapabilities,
    diagnostics: Vec<Diagnostic>,
}

impl SchemaDocument {
    /// Indexes the bytes of an answer.
    ///
    /// Where a part that can be there only once is there again, the later one counts.
    pub fn parse(protocol: Protocol, bytes: Bytes) -> Result<Self, SchemaError> {
        let mut document = Self {
            protocol,
            bytes: bytes.clone(),
            provider: None,
            provider_meta: None,
            resources: Index::new(),
            data_sources: Index::new(),
            ephemeral_resources: Index::new(),
            functions: Index::new(),
            capabilities: ServerCapabilities::default(),
            diagnostics: Vec::new(),
        };
        let mut fields = Fields::over(&bytes, 0..bytes.len());
        while let Some((number, content)) = fields.next_content()? {
            document.place(number, content)?;
        }
        Ok(document)
    }

    /// The bytes, to be kept for a later run. Keep the protocol version with them.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The version that the bytes are written in.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What the provider can do.
    #[must_use]
    pub fn capabilities(&self) -> ServerCapabilities {
        self.capabilities
    }

    /// What the provider had to say; with an error among them the schemas are of no use.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The schema of the provider's configuration.
    pub fn provider(&self) -> Result<Option<Schema>, SchemaError> {
        self.schema(self.provider.as_ref(), "its configuration")
    }

    /// The schema of module metadata. If there is one, `provider_meta` must always be sent, as
    /// null where a module has none.
    pub fn provider_meta(&self) -> Result<Option<Schema>, SchemaError> {
        self.schema(self.provider_meta.as_ref(), "module metadata")
    }

    /// The schema of a resource type.
    pub fn resource(&self, type_name: &str) -> Result<Option<Schema>, SchemaError> {
        self.schema(self.resources.get(type_name), type_name)
    }

    /// The schema of a data source.
    pub fn data_source(&self, type_name: &str) -> Result<Option<Schema>, SchemaError> {
        self.schema(self.data_sources.get(type_name), type_name)
    }

    /// The schema of an ephemeral resource type.
    pub fn ephemeral_resource(&self, type_name: &str) -> Result<Option<Schema>, SchemaError> {
        self.schema(self.ephemeral_resources.get(type_name), type_name)
    }

    /// The signature of a function.
    pub fn function(&self, name: &str) -> Result<Option<Function>, SchemaError> {
        let Some(content) = self.content(self.functions.get(name)) else {
            return Ok(None);
        };
        match Function::decode(content) {
            Ok(function) => Ok(Some(function)),
            Err(source) => Err(SchemaError::Decode { of: name.to_owned(), source }),
        }
    }

    /// The resource types, in order.
    pub fn resource_types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// The data sources, in order.
    pub fn data_source_types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.data_sources.keys().map(String::as_str)
    }

    /// The ephemeral resource types, in order.
    pub fn ephemeral_resource_types(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ephemeral_resources.keys().map(String::as_str)
    }

    /// The functions, in order.
    pub fn function_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    fn place(&mut self, number: u32, content: Range<usize>) -> Result<(), SchemaError> {
        match number {
            field::PROVIDER => self.provider = Some(content),
            field::PROVIDER_META => self.provider_meta = Some(content),
            field::CAPABILITIES => {
                self.capabilities = self.decode(&content, "its capabilities")?;
            }
            field::DIAGNOSTICS => {
                let diagnostic = self.decode(&content, "its diagnostics")?;
                self.diagnostics.push(diagnostic);
            }
            field::RESOURCES => self.resources.extend(entry(&self.bytes, content)?),
            field::DATA_SOURCES => self.data_sources.extend(entry(&self.bytes, content)?),
            field::FUNCTIONS => self.functions.extend(entry(&self.bytes, content)?),
            field::EPHEMERAL_RESOURCES => {
                self.ephemeral_resources.extend(entry(&self.bytes, content)?);
            }
            // Lists, actions and state stores are not spoken here, and later versions add more.
            _ => {}
        }
        Ok(())
    }

    fn decode<M: Message + Default>(
        &self,
        content: &Range<usize>,
        of: &str,
    ) -> Result<M, SchemaError> {
        M::decode(self.content(Some(content)).unwrap_or_default())
            .map_err(|source| SchemaError::Decode { of: of.to_owned(), source })
    }

    fn schema(
        &self,
        range: Option<&Range<usize>>,
        of: &str,
    ) -> Result<Option<Schema>, SchemaError> {
        let Some(content) = self.content(range) else {
            return Ok(None);
        };
        match Schema::decode_as(self.protocol, content) {
            Ok(schema) => Ok(Some(schema)),
            Err(source) => Err(SchemaError::Decode { of: of.to_owned(), source }),
        }
    }

    fn content(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        self.bytes.get(range?.clone())
    }
}

/// Reads one entry of a map. An entry without a value has the empty message for one, and an entry
/// without a key is of no use to anybody.
fn entry(
    bytes: &[u8],
    within: Range<usize>,
) -> Result<Option<(String, Range<usize>)>, SchemaError> {
    let offset = within.start;
    let mut key = None;
    let mut value = within.end..within.end;
    let mut fields = Fields::over(bytes, within);
    while let Some((number, content)) = fields.next_content()? {
        match number {
            field::KEY => key = bytes.get(content),
            field::VALUE => value = content,
            _ => {}
        }
    }
    let Some(key) = key else {
        return Ok(None);
    };
    let key = std::str::from_utf8(key).map_err(|_| SchemaError::Damaged { offset })?;
    Ok(Some((key.to_owned(), value)))
}

/// Walks over the fields of one protobuf message without decoding them.
struct Fields<'a> {
    bytes: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    /// The lowest bits of a field's tag say how it is written.
    const WIRE_TYPE_BITS: u32 = 3;

    /// A 64-bit number takes at most ten bytes of seven bits each.
    const VARINT_BYTES_MAX: u32 = 10;

    fn over(bytes: &'a [u8], within: Range<usize>) -> Self {
        Self { bytes, position: within.start, end: within.end }
    }

    /// The number and the place of the next field that has content; others are passed over.
    fn next_content(&mut self) -> Result<Option<(u32, Range<usize>)>, SchemaError> {
        while self.position < self.end {
            let offset = self.position;
            let tag = self.varint()?;
            let number = u32::try_from(tag >> Self::WIRE_TYPE_BITS)
                .map_err(|_| SchemaError::Damaged { offset })?;
            match tag & ((1 << Self::WIRE_TYPE_BITS) - 1) {
                0 => {
                    self.varint()?;
                }
                1 => {
                    self.advance(8)?;
                }
                2 => {
                    let length = self.varint()?;
                    return Ok(Some((number, self.advance(length)?)));
                }
                5 => {
                    self.advance(4)?;
                }
                _ => return Err(SchemaError::Damaged { offset }),
            }
        }
        Ok(None)
    }

    fn advance(&mut self, length: u64) -> Result<Range<usize>, SchemaError> {
        let start = self.position;
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| start.checked_add(length))
            .filter(|end| *end <= self.end)
            .ok_or(SchemaError::Damaged { offset: start })?;
        self.position = end;
        Ok(start..end)
    }

    fn varint(&mut self) -> Result<u64, SchemaError> {
        let start = self.position;
        let damaged = SchemaError::Damaged { offset: start };
        let mut value: u64 = 0;
        for group in 0..Self::VARINT_BYTES_MAX {
            let Some(byte) = self.bytes.get(self.position).filter(|_| self.position < self.end)
            else {
                return Err(damaged);
            };
            self.position += 1;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if group + 1 == Self::VARINT_BYTES_MAX && bits > 1 {
                return Err(damaged);
            }
            value |= bits << (7 * group);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Attribute;
    use crate::wire::Block;
    use crate::wire::Severity;

    /// The answer as a whole, to compare with.
    #[derive(Clone, PartialEq, Message)]
    struct Whole {
        #[prost(message, optional, tag = "1")]
        provider: Option<Schema>,
        #[prost(btree_map = "string, message", tag = "2")]
        resources: BTreeMap<String, Schema>,
        #[prost(btree_map = "string, message", tag = "3")]
        data_sources: BTreeMap<String, Schema>,
        #[prost(message, repeated, tag = "4")]
        diagnostics: Vec<Diagnostic>,
        #[prost(message, optional, tag = "6")]
        capabilities: Option<ServerCapabilities>,
        #[prost(btree_map = "string, message", tag = "7")]
        functions: BTreeMap<String, Function>,
        #[prost(fixed64, tag = "30")]
        later: u64,
        #[prost(fixed32, tag = "31")]
        later_still: u32,
        #[prost(uint64, tag = "32")]
        latest: u64,
    }

    fn schema(version: i64) -> Schema {
        let attribute = Attribute { name: format!("a{version}"), ..Default::default() };
        Schema { version, block: Some(Block { attributes: vec![attribute], ..Default::default() }) }
    }

    fn whole() -> Whole {
        Whole {
            provider: Some(schema(7)),
            resources: (1..200).map(|n| (format!("r_{n}"), schema(n))).collect(),
            data_sources: BTreeMap::from([("d".to_owned(), schema(300))]),
            diagnostics: vec![Diagnostic {
                severity: Severity::Warning as i32,
                summary: "careful".to_owned(),
                ..Default::default()
            }],
            capabilities: Some(ServerCapabilities { plan_destroy: true, ..Default::default() }),
            functions: BTreeMap::from([(
                "f".to_owned(),
                Function { summary: "sums".to_owned(), ..Default::default() },
            )]),
            later: u64::MAX,
            later_still: 9,
            latest: u64::MAX,
        }
    }

    fn parse(bytes: Vec<u8>) -> Result<SchemaDocument, SchemaError> {
        SchemaDocument::parse(Protocol::V6, Bytes::from(bytes))
    }

    #[test]
    fn pieces_equal_the_whole() {
        let whole = whole();
        let document = parse(whole.encode_to_vec()).unwrap();
        assert_eq!(document.provider().unwrap(), whole.provider);
        assert_eq!(document.provider_meta().unwrap(), None);
        assert_eq!(document.resource_types().len(), 199);
        for (name, schema) in &whole.resources {
            assert_eq!(document.resource(name).unwrap().as_ref(), Some(schema));
        }
        assert_eq!(document.data_source("d").unwrap(), Some(schema(300)));
        assert_eq!(document.data_source_types().collect::<Vec<_>>(), ["d"]);
        assert_eq!(document.function("f").unwrap().unwrap().summary, "sums");
        assert_eq!(document.diagnostics(), whole.diagnostics);
        assert_eq!(Some(document.capabilities()), whole.capabilities);
        assert_eq!(document.resource("absent").unwrap(), None);
        assert_eq!(document.ephemeral_resource_types().len(), 0);
    }

    #[test]
    fn nothing_is_a_valid_answer() {
        let document = parse(Vec::new()).unwrap();
        assert_eq!(document.provider().unwrap(), None);
        assert_eq!(document.capabilities(), ServerCapabilities::default());
    }

    #[test]
    fn an_entry_may_lack_its_value() {
        // Field 2, three bytes: field 1 with "x" and nothing else.
        let document = parse(vec![0x12, 3, 0x0a, 1, b'x']).unwrap();
        assert_eq!(document.resource("x").unwrap(), Some(Schema::default()));
        let document = parse(vec![0x12, 0]).unwrap();
        assert_eq!(document.resource_types().len(), 0);
    }

    #[test]
    fn cutting_the_answer_anywhere_is_noticed_or_harmless() {
        let bytes = whole().encode_to_vec();
        for length in 0..bytes.len().min(2_000) {
            // Either an error or fewer schemas; never a panic.
            let _ = parse(bytes[..length].to_vec());
        }
    }

    #[test]
    fn damage_is_reported_with_its_place() {
        for (bytes, offset) in [
            (vec![0x0a, 5, 1], 2),
            (vec![0x0a], 1),
            (vec![0x0b], 0),
            (vec![0x08, 0xff], 1),
            (vec![0xff; 11], 0),
            (vec![0x12, 3, 0x0a, 1, 0xff], 2),
            (vec![0x12, 2, 0x0a, 9], 4),
        ] {
            match parse(bytes.clone()).unwrap_err() {
                SchemaError::Damaged { offset: found } => assert_eq!(found, offset, "{bytes:?}"),
                error => panic!("{bytes:?}: {error}"),
            }
        }
    }

    #[test]
    fn a_damaged_type_spoils_only_itself() {
        let mut bytes = whole().encode_to_vec();
        bytes.extend([0x12, 6, 0x0a, 1, b'x', 0x12, 1, 0xff]);
        let document = parse(bytes).unwrap();
        let error = document.resource("x").unwrap_err();
        assert!(matches!(error, SchemaError::Decode { .. }), "{error}");
        assert_eq!(error.class(), Class::Rejected);
        assert!(document.resource("r_1").unwrap().is_some());
    }
}
