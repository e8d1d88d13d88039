//! The messages of the protocol, written by hand.
//!
//! Field numbers are those of protocol 5.10 and 6.10. They agree wherever both versions have a
//! message, so one set of types serves both; fields of later minor versions are skipped on reading
//! and never sent. Streams of resource lists, actions and remote state stores are left out.
//!
//! Values, private bytes and raw state may hold secrets, so the `Debug` form of a message that
//! carries them shows how long they are, never what they are.

pub mod ephemeral;
pub mod function;
pub mod plugin;
pub mod provider;
pub mod resource;
pub mod schema;
mod schema_v5;

use std::collections::BTreeMap;
use std::fmt;

pub use ephemeral::*;
pub use function::*;
pub use plugin::*;
pub use provider::*;
pub use resource::*;
pub use schema::*;

/// Gives a message a `Debug` form that shows the named fields and hides the others.
macro_rules! discreet {
    ($message:ident { $($field:ident),* $(,)? }) => {
        impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use discreet;

/// A request or an answer without content.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Empty {}

/// A value in one of two encodings. With both fields empty it stands for null.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct DynamicValue {
    /// The value in MessagePack; what a host sends, and what nearly every provider answers.
    #[prost(bytes = "vec", tag = "1")]
    pub msgpack: Vec<u8>,
    /// The value in JSON, which a provider may answer instead.
    #[prost(bytes = "vec", tag = "2")]
    pub json: Vec<u8>,
}

/// Which encoding a [`DynamicValue`] came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded<'a> {
    /// No bytes at all: null.
    Null,
    /// MessagePack bytes.
    Msgpack(&'a [u8]),
    /// JSON bytes.
    Json(&'a [u8]),
}

impl DynamicValue {
    /// What MessagePack writes for null.
    const MSGPACK_NIL: u8 = 0xc0;

    /// A value already encoded in MessagePack.
    #[must_use]
    pub fn msgpack(bytes: Vec<u8>) -> Self {
        Self { msgpack: bytes, json: Vec::new() }
    }

    /// Null, written out: some providers refuse a value without bytes.
    #[must_use]
    pub fn null() -> Self {
        Self::msgpack(vec![Self::MSGPACK_NIL])
    }

    /// The bytes, with their encoding. MessagePack wins where a provider sends both.
    #[must_use]
    pub fn encoded(&self) -> Encoded<'_> {
        if !self.msgpack.is_empty() {
            Encoded::Msgpack(&self.msgpack)
        } else if !self.json.is_empty() {
            Encoded::Json(&self.json)
        } else {
            Encoded::Null
        }
    }

    /// Whether this is null, in whichever way it is written.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.encoded() {
            Encoded::Null => true,
            Encoded::Msgpack(bytes) => bytes == [Self::MSGPACK_NIL],
            Encoded::Json(bytes) => bytes.trim_ascii() == b"null",
        }
    }
}

impl fmt::Debug for DynamicValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.encoded() {
            Encoded::Null => write!(f, "DynamicValue(null)"),
            Encoded::Msgpack(bytes) => write!(f, "DynamicValue(msgpack, {} bytes)", bytes.len()),
            Encoded::Json(bytes) => write!(f, "DynamicValue(json, {} bytes)", bytes.len()),
        }
    }
}

/// State as it was stored, for the provider to read with whatever schema it had then.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct RawState {
    /// The stored JSON, byte for byte.
    #[prost(bytes = "vec", tag = "1")]
    pub json: Vec<u8>,
    /// The form that states had before Terraform 0.12.
    #[prost(btree_map = "string, string", tag = "2")]
    pub flatmap: BTreeMap<String, String>,
}

impl RawState {
    /// State stored as JSON, not passed through any schema.
    #[must_use]
    pub fn json(bytes: Vec<u8>) -> Self {
        Self { json: bytes, flatmap: BTreeMap::new() }
    }
}

impl fmt::Debug for RawState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (json, flatmap) = (self.json.len(), self.flatmap.len());
        write!(f, "RawState({json} bytes of json, {flatmap} flatmap entries)")
    }
}

/// What a provider has to say about a call.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Diagnostic {
    /// How grave it is; read it through [`Diagnostic::is_error`].
    #[prost(enumeration = "Severity", tag = "1")]
    pub severity: i32,
    /// One line.
    #[prost(string, tag = "2")]
    pub summary: String,
    /// The rest; often empty.
    #[prost(string, tag = "3")]
    pub detail: String,
    /// The attribute it is about. Elements of sets cannot be named: the path ends at the set.
    #[prost(message, optional, tag = "4")]
    pub attribute: Option<AttributePath>,
}

impl Diagnostic {
    /// Whether the call failed. A severity that is missing or not known here counts as an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity() != Severity::Warning
    }
}

/// How grave a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Severity {
    /// Not given.
    Invalid = 0,
    /// The call failed.
    Error = 1,
    /// The call succeeded, yet somebody should read this.
    Warning = 2,
}

/// A way from the top of a value to a part of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttributePath {
    /// The steps, outermost first.
    #[prost(message, repeated, tag = "1")]
    pub steps: Vec<AttributePathStep>,
}

/// One step of an [`AttributePath`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttributePathStep {
    /// What is chosen; `None` is malformed and matches nothing.
    #[prost(oneof = "Selector", tags = "1, 2, 3")]
    pub selector: Option<Selector>,
}

/// What one step of a path chooses.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Selector {
    /// An attribute or block of an object.
    #[prost(string, tag = "1")]
    AttributeName(String),
    /// An element of a map.
    #[prost(string, tag = "2")]
    ElementKeyString(String),
    /// An element of a list or tuple.
    #[prost(int64, tag = "3")]
    ElementKeyInt(i64),
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            match &step.selector {
                Some(Selector::AttributeName(name)) if position == 0 => write!(f, "{name}")?,
                Some(Selector::AttributeName(name)) => write!(f, ".{name}")?,
                Some(Selector::ElementKeyString(key)) => write!(f, "[{key:?}]")?,
                Some(Selector::ElementKeyInt(index)) => write!(f, "[{index}]")?,
                None => write!(f, "[?]")?,
            }
        }
        Ok(())
    }
}

/// The data that identify a resource for good.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResourceIdentityData {
    /// The data, read with the identity schema.
    #[prost(message, optional, tag = "1")]
    pub identity_data: Option<DynamicValue>,
}

/// What a provider can do beyond the bare protocol.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ServerCapabilities {
    /// It wants to be asked for a plan before a deletion.
    #[prost(bool, tag = "1")]
    pub plan_destroy: bool,
    /// It works without having been asked for its schema in this process, so that a cached copy
    /// will do.
    #[prost(bool, tag = "2")]
    pub get_provider_schema_optional: bool,
    /// It answers `MoveResourceState`.
    #[prost(bool, tag = "3")]
    pub move_resource_state: bool,
    /// It answers `GenerateResourceConfig`.
    #[prost(bool, tag = "4")]
    pub generate_resource_config: bool,
}

/// What a host can do beyond the bare protocol.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ClientCapabilities {
    /// It can put a change off until more is known.
    #[prost(bool, tag = "1")]
    pub deferral_allowed: bool,
    /// It keeps write-only attributes out of plan and state.
    #[prost(bool, tag = "2")]
    pub write_only_attributes_allowed: bool,
}

impl ClientCapabilities {
    /// What a host may claim that uses this crate: [`crate::client::Client`] refuses deferred
    /// answers, and write-only values are the caller's to keep out of what it stores.
    pub const SUPPORTED: Self =
        Self { deferral_allowed: false, write_only_attributes_allowed: true };
}

/// A provider's wish to put something off until more is known.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Deferred {
    /// Why.
    #[prost(enumeration = "DeferredReason", tag = "1")]
    pub reason: i32,
}

/// Why something is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum DeferredReason {
    /// Not given.
    Unknown = 0,
    /// The configuration of the resource is not wholly known.
    ResourceConfigUnknown = 1,
    /// The configuration of the provider is not wholly known.
    ProviderConfigUnknown = 2,
    /// Something it depends on does not exist yet.
    AbsentPrereq = 3,
}

impl fmt::Display for DeferredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it gave no reason",
            Self::ResourceConfigUnknown => "the resource's configuration is not wholly known",
            Self::ProviderConfigUnknown => "the provider's configuration is not wholly known",
            Self::AbsentPrereq => "something it depends on does not exist yet",
        })
    }
}

/// A moment, as protobuf writes it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after that second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn null_has_four_spellings() {
        assert!(DynamicValue::default().is_null());
        assert!(DynamicValue::null().is_null());
        assert!(DynamicValue { msgpack: Vec::new(), json: b" null\n".to_vec() }.is_null());
        assert!(!DynamicValue::msgpack(vec![0x80]).is_null());
    }

    #[test]
    fn values_do_not_appear_in_debug_text() {
        let value = DynamicValue::msgpack(b"\xa6hunter".to_vec());
        assert_eq!(format!("{value:?}"), "DynamicValue(msgpack, 7 bytes)");
        let state = RawState::json(br#"{"password":"hunter2"}"#.to_vec());
        assert!(!format!("{state:?}").contains("hunter2"));
        let request = ApplyResourceChangeRequest {
            type_name: "x".to_owned(),
            planned_private: b"hunter2".to_vec(),
            config: Some(value),
            ..Default::default()
        };
        assert!(!format!("{request:?}").contains("104"), "{request:?}");
    }

    #[test]
    fn a_path_reads_like_an_expression() {
        let step = |selector| AttributePathStep { selector: Some(selector) };
        let path = AttributePath {
            steps: vec![
                step(Selector::AttributeName("tags".to_owned())),
                step(Selector::ElementKeyString("a b".to_owned())),
                step(Selector::ElementKeyInt(3)),
                step(Selector::AttributeName("name".to_owned())),
                AttributePathStep { selector: None },
            ],
        };
        assert_eq!(path.to_string(), r#"tags["a b"][3].name[?]"#);
        let bytes = path.encode_to_vec();
        assert_eq!(AttributePath::decode(bytes.as_slice()).unwrap(), path);
    }

    #[test]
    fn an_unknown_severity_is_an_error() {
        for (severity, is_error) in [(0, true), (1, true), (2, false), (77, true)] {
            let diagnostic = Diagnostic { severity, ..Default::default() };
            assert_eq!(diagnostic.is_error(), is_error, "{severity}");
        }
    }
}
