//! Values at rest: the same tree as a live [`Value`](crate::model::value::Value), with every
//! sensitive node replaced by its ciphertext.
//!
//! This is the only form of a value that journal, plan file and JSON output know. Sealing and
//! opening need a key and live in `state::seal`; here is the shape alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::model::number::Number;
use crate::model::value::Path;
use crate::model::value::Step;

/// A value as it may be stored and shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealedValue {
    /// Not set.
    Null,
    /// Known only after apply.
    Unknown,
    /// Known only after apply, and sensitive then.
    UnknownSensitive,
    /// True or false.
    Bool(bool),
    /// An exact decimal number, as canonical text.
    #[serde(with = "number_text")]
    Number(Number),
    /// Text.
    String(String),
    /// An ordered sequence.
    List(Vec<SealedValue>),
    /// A collection without order.
    Set(Vec<SealedValue>),
    /// Named members.
    Map(BTreeMap<String, SealedValue>),
    /// A sensitive node, sealed whole.
    Sealed(Ciphertext),
}

/// A sealed node. The same plaintext under the same key gives the same bytes, so that equal
/// secrets compare and digest as equal without being opened: it is its own keyed commitment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ciphertext(pub String);

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}

impl SealedValue {
    /// Whether nothing in this value is unknown.
    #[must_use]
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown | Self::UnknownSensitive => false,
            Self::List(items) | Self::Set(items) => items.iter().all(Self::is_wholly_known),
            Self::Map(members) => members.values().all(Self::is_wholly_known),
            _ => true,
        }
    }

    /// Whether this very node is unknown.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::UnknownSensitive)
    }

    /// The text, where this is a string that is not sensitive.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member of this name, where this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SealedValue> {
        match self {
            Self::Map(members) => members.get(name),
            _ => None,
        }
    }

    /// The node at a path, where there is one.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<&SealedValue> {
        path.0.iter().try_fold(self, |node, step| match (step, node) {
            (Step::Attribute(name) | Step::Key(name), Self::Map(members)) => members.get(name),
            (Step::Index(index), Self::List(items) | Self::Set(items)) => items.get(*index),
            _ => None,
        })
    }

    /// The value as plain JSON for people and scripts: sensitive nodes and unknowns are objects
    /// that say so, numbers are numbers where JSON holds them exactly, else text.
    #[must_use]
    pub fn to_plain_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Unknown => serde_json::json!({ "unknown": true }),
            Self::UnknownSensitive => serde_json::json!({ "unknown": true, "sensitive": true }),
            Self::Sealed(_) => serde_json::json!({ "sensitive": true }),
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => match number.as_i64() {
                Some(integer) => Json::from(integer),
                None => Json::String(number.to_string()),
            },
            Self::String(text) => Json::String(text.clone()),
            Self::List(items) | Self::Set(items) => {
                Json::Array(items.iter().map(Self::to_plain_json).collect())
            }
            Self::Map(members) => {
                Json::Object(members.iter().map(|(k, v)| (k.clone(), v.to_plain_json())).collect())
            }
        }
    }
}

mod number_text {
    use serde::Deserialize;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error;

    use crate::model::number::Number;

    pub fn serialize<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        let text = String::deserialize(deserializer)?;
        Number::parse(&text).map_err(D::Error::custom)
    }
}
