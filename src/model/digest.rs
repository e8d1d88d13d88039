//! Digests: domain-separated SHA-256 over canonical bytes.
//!
//! Canonical bytes are the compact JSON of a type whose fields are written in their declared order,
//! whose maps are ordered, whose decimals are text and which holds no floats. The same data gives
//! the same bytes on every machine; parsing and writing again gives the bytes back.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use sha2::Digest as _;
use sha2::Sha256;

/// What a digest is over. Two domains never share a digest, whatever the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// What a plan would do: addresses, actions, known values, paths of unknowns, bounds.
    PlanIntent,
    /// Every byte of a plan.
    PlanFile,
    /// The bytes of a blueprint with everything it is made of.
    Blueprint,
    /// The payload that lies beside a leaf of the journal.
    Payload,
    /// A leaf of the journal.
    Leaf,
    /// The chain over the frames of the journal.
    Chain,
    /// A policy bundle.
    Policy,
    /// What an environment is asked to be.
    Desired,
    /// A marker sent with a create.
    Marker,
    /// A price book, or a mapping to its prices.
    PriceBook,
}

impl Domain {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::PlanIntent => b"gov:plan-intent:v1",
            Self::PlanFile => b"gov:plan-file:v1",
            Self::Blueprint => b"gov:blueprint:v1",
            Self::Payload => b"gov:payload:v1",
            Self::Leaf => b"gov:leaf:v1",
            Self::Chain => b"gov:chain:v1",
            Self::Policy => b"gov:policy:v1",
            Self::Desired => b"gov:desired:v1",
            Self::Marker => b"gov:marker:v1",
            Self::PriceBook => b"gov:price-book:v1",
        }
    }
}

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes in a domain.
    #[must_use]
    pub fn of(domain: Domain, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.tag());
        hasher.update([0]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// The digest of a value's canonical bytes in a domain.
    ///
    /// # Errors
    /// Where the value has no canonical bytes; see [`canonical`].
    pub fn of_canonical<T: Serialize>(domain: Domain, value: &T) -> Result<Self, CanonicalError> {
        Ok(Self::of(domain, &canonical(value)?))
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From raw bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first twelve hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

/// A value has no canonical bytes. This is a bug in gov: model types always have.
#[derive(Debug, thiserror::Error)]
#[error("no canonical form: {0}. This is a bug in gov.")]
pub struct CanonicalError(#[from] serde_json::Error);

/// The canonical bytes of a value.
///
/// # Errors
/// [`CanonicalError`], which no type of the model causes.
pub fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    Ok(serde_json::to_vec(value)?)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of 64 hex digits")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() != 64
            || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            *slot = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;
    use super::Domain;

    #[test]
    fn domains_are_apart_and_text_round_trips() {
        let a = Digest::of(Domain::PlanFile, b"x");
        assert_ne!(a, Digest::of(Domain::PlanIntent, b"x"));
        assert_eq!(a.to_string().parse::<Digest>().unwrap(), a);
        assert!("00".parse::<Digest>().is_err());
    }
}
