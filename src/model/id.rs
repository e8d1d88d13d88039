//! Identifiers: ULIDs as newtypes, made from a time and random bits that the caller supplies.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

use crate::model::lifetime::Timestamp;

/// Crockford base 32, as the ULID specification orders it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a ULID: 128 bits in groups of five.
const ULID_CHARS: usize = 26;

/// 48 bits of milliseconds and 80 bits of chance; its text sorts by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(u128);

impl Ulid {
    /// Makes one from the time and 80 random bits (the lowest of `random`).
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        let millis = u128::from(u64::try_from(now.as_millis()).unwrap_or(0)) & ((1 << 48) - 1);
        Self((millis << 80) | (random & ((1 << 80) - 1)))
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for position in (0..ULID_CHARS).rev() {
            let digit = usize::try_from((self.0 >> (5 * position)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of 26 letters and digits")]
pub struct UlidError;

impl FromStr for Ulid {
    type Err = UlidError;

    fn from_str(text: &str) -> Result<Self, UlidError> {
        if text.len() != ULID_CHARS {
            return Err(UlidError);
        }
        let mut bits: u128 = 0;
        for (position, letter) in text.bytes().enumerate() {
            let upper = letter.to_ascii_uppercase();
            let digit = ALPHABET.iter().position(|a| *a == upper).ok_or(UlidError)?;
            if position == 0 && digit > 7 {
                return Err(UlidError);
            }
            bits = (bits << 5) | u128::try_from(digit).map_err(|_| UlidError)?;
        }
        Ok(Self(bits))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Ulid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = UlidError;

            fn from_str(text: &str) -> Result<Self, UlidError> {
                text.parse().map(Self)
            }
        }

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

id!(
    /// An environment, for ever; its name is a reusable alias.
    EnvironmentId
);
id!(
    /// A run: one admitted execution of a plan.
    RunId
);
id!(
    /// An event of the journal.
    EventId
);
id!(
    /// A lease on an environment.
    LeaseId
);
id!(
    /// A store: a checkpoint or a plan of another store is refused.
    StoreId
);

/// What a create sends along so that a lost reply can be settled by looking for it. Derived from
/// environment, address and revision, so that a plan fixes it before anything runs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marker(pub String);

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Ulid;
    use crate::model::lifetime::Timestamp;

    #[test]
    fn ulid_text_round_trips_and_sorts_by_time() {
        let early = Ulid::new(Timestamp::from_millis(1_000), u128::MAX);
        let late = Ulid::new(Timestamp::from_millis(1_001), 0);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<Ulid>().unwrap(), early);
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<Ulid>().is_err());
    }
}
