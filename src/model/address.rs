//! Addresses of resources: `local_file.config`, `local_file.config[0]`, `data.aws_vpc.main["a"]`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

/// Whether gov owns a resource or only reads it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Created, changed and deleted by gov.
    Managed,
    /// Read only: `data.TYPE.NAME`.
    Data,
}

/// A resource block of a blueprint, before `count` and `for_each` make instances of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName {
    /// Owned or read.
    pub mode: Mode,
    /// The resource type, such as `local_file`.
    pub kind: String,
    /// The block's own name.
    pub name: String,
}

impl ResourceName {
    /// A block that gov owns.
    pub fn managed(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { mode: Mode::Managed, kind: kind.into(), name: name.into() }
    }

    /// A block that gov reads.
    pub fn data(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { mode: Mode::Data, kind: kind.into(), name: name.into() }
    }

    /// The instance under this key.
    #[must_use]
    pub fn instance(&self, key: InstanceKey) -> Address {
        Address { resource: self.clone(), key }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mode == Mode::Data {
            f.write_str("data.")?;
        }
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which of a block's instances.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InstanceKey {
    /// The only one: neither `count` nor `for_each`.
    Single,
    /// By `count`.
    Index(usize),
    /// By `for_each`.
    Key(String),
}

/// One resource of an environment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The block.
    pub resource: ResourceName,
    /// Which instance of it.
    pub key: InstanceKey,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.resource, f)?;
        match &self.key {
            InstanceKey::Single => Ok(()),
            InstanceKey::Index(index) => write!(f, "[{index}]"),
            // JSON's quoting, so that any key survives the round trip through text.
            InstanceKey::Key(key) => write!(f, "[{}]", serde_json::Value::String(key.clone())),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a resource address such as local_file.config or local_file.config[0]")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let (front, key) = match text.split_once('[') {
            None => (text, InstanceKey::Single),
            Some((front, rest)) => {
                let inner = rest.strip_suffix(']').ok_or_else(wrong)?;
                let key = match inner.parse::<usize>() {
                    Ok(index) => InstanceKey::Index(index),
                    Err(_) => InstanceKey::Key(serde_json::from_str(inner).map_err(|_| wrong())?),
                };
                (front, key)
            }
        };
        let parts: Vec<&str> = front.split('.').collect();
        let resource = match parts.as_slice() {
            ["data", kind, name] => ResourceName::data(*kind, *name),
            [kind, name] => ResourceName::managed(*kind, *name),
            _ => return Err(wrong()),
        };
        // `data` begins a data source; no resource type is called so.
        if resource.kind == "data"
            || !is_identifier(&resource.kind)
            || !is_identifier(&resource.name)
        {
            return Err(wrong());
        }
        Ok(Self { resource, key })
    }
}

/// Whether text may name a block, an input or an output: a letter or `_`, then letters, digits,
/// `_` and `-`.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

macro_rules! serialize_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

impl FromStr for ResourceName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address: Address = text.parse()?;
        match address.key {
            InstanceKey::Single => Ok(address.resource),
            _ => Err(AddressError(text.to_owned())),
        }
    }
}

serialize_as_text!(Address);
serialize_as_text!(ResourceName);

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_round_trip_through_text() {
        let texts =
            ["local_file.a", "local_file.a[0]", r#"x.y["k.]\"[z"]"#, r#"data.aws_vpc.main["a"]"#];
        for text in texts {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "a", "a.b.c", "a.b[", "a.b[x]", "data.a", "1a.b", "a.b[0]x"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
