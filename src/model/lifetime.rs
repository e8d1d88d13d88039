//! Time, lifetimes and the one arithmetic of expiry. `now` is always an argument.
//!
//! Durations are whole seconds; a day is 24 hours. Instants are milliseconds since 1970 in UTC.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

/// The longest duration gov takes: a century. Longer ones are typing errors.
const SECONDS_MAX: i64 = 100 * 366 * 86_400;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why text is not a time or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a duration.
    #[error("`{0}` is not a duration such as 8h, 7d12h or PT8H")]
    Duration(String),
    /// Not an instant.
    #[error("`{0}` is not a time such as 2026-11-21T18:00:00Z or 2026-11-21 18:00")]
    Instant(String),
}

impl Timestamp {
    /// From milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time so much later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0.saturating_mul(1000)))
    }

    /// The time so much earlier.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0.saturating_mul(1000)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let seconds = self.0.saturating_sub(earlier.0) / 1000;
        Duration(if seconds > 0 { seconds } else { 0 })
    }

    /// Parses RFC 3339, or local time such as `2026-11-21 18:00`.
    ///
    /// # Errors
    /// [`TimeError::Instant`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::Instant(text.to_owned());
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(instant.as_millisecond()));
        }
        let local: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
        let zoned = local.to_zoned(jiff::tz::TimeZone::system()).map_err(|_| wrong())?;
        Ok(Self(zoned.timestamp().as_millisecond()))
    }
}

/// RFC 3339 in UTC, whole seconds where it is whole, else milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant = text.parse::<jiff::Timestamp>().map_err(serde::de::Error::custom)?;
        Ok(Self(instant.as_millisecond()))
    }
}

/// A length of time in whole seconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as i64)
    }

    /// So many hours.
    #[must_use]
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours as i64 * 3600)
    }

    /// In whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// For timers.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::try_from(self.0).unwrap_or(0))
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl FromStr for Duration {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::Duration(text.to_owned());
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        if span.get_years() != 0 || span.get_months() != 0 || span.is_negative() {
            return Err(wrong());
        }
        let length =
            span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        if length.subsec_nanos() != 0 || length.as_secs() > SECONDS_MAX {
            return Err(wrong());
        }
        Ok(Self(length.as_secs()))
    }
}

/// Largest units first: `7d12h`, `15m`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Tells the time. Only machines' drivers and operations hold one; whatever decides is told `now`.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Milliseconds since the machine booted, time asleep included: for deadlines that a step of
    /// the time of day, or a suspended machine, must not move.
    fn uptime_ms(&self) -> u64;
}

/// How long an environment may live: each grant, the whole, and the grace before reaping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TtlLimits {
    /// The first grant where none is asked for.
    pub default: Duration,
    /// The longest single grant.
    pub max: Duration,
    /// The longest whole life, from start to the last expiry.
    pub max_total: Duration,
    /// How long after the expiry an environment is left alone before it is reaped.
    pub grace: Duration,
}

/// The life of an environment that has started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Life {
    /// When its first run opened.
    pub start: Timestamp,
    /// When it ends.
    pub expiry: Timestamp,
}

/// How far a life is asked to reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// So long from now, or from the expiry where that is later.
    For(Duration),
    /// To this instant.
    Until(Timestamp),
}

/// Why a life cannot be granted or extended as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// A single grant is longer than allowed.
    #[error("a grant of {asked} is longer than ttl.max, which is {max}")]
    GrantTooLong {
        /// What was asked for.
        asked: Duration,
        /// What is allowed.
        max: Duration,
    },
    /// The whole life would be longer than allowed.
    #[error("the whole life would be {asked}, and ttl.max_total is {max}")]
    LifeTooLong {
        /// What the whole would come to.
        asked: Duration,
        /// What is allowed.
        max: Duration,
    },
    /// The new end is not after the old one, or not after now.
    #[error("the new expiry {asked} is not after {bound}")]
    NotLater {
        /// What was asked for.
        asked: Timestamp,
        /// What it must lie after.
        bound: Timestamp,
    },
    /// Expiry and grace are over.
    #[error("expired at {expiry}, and the grace of {grace} is over")]
    Over {
        /// When it expired.
        expiry: Timestamp,
        /// How long it could still have been extended.
        grace: Duration,
    },
}

impl Life {
    /// The life after an extension. `For` adds to the later of now and the expiry; `Until` sets.
    ///
    /// # Errors
    /// [`LifeError`]; the life never becomes shorter.
    pub fn extend(
        &self,
        now: Timestamp,
        term: Term,
        limits: &TtlLimits,
    ) -> Result<Self, LifeError> {
        if now > self.expiry.plus(limits.grace) {
            return Err(LifeError::Over { expiry: self.expiry, grace: limits.grace });
        }
        let base = now.max(self.expiry);
        let expiry = match term {
            Term::For(duration) => base.plus(duration),
            Term::Until(instant) => instant,
        };
        let life = Self { start: self.start, expiry };
        life.check(base, limits)?;
        Ok(life)
    }

    fn check(&self, base: Timestamp, limits: &TtlLimits) -> Result<(), LifeError> {
        if self.expiry <= base {
            return Err(LifeError::NotLater { asked: self.expiry, bound: base });
        }
        let grant = self.expiry.since(base);
        if grant > limits.max {
            return Err(LifeError::GrantTooLong { asked: grant, max: limits.max });
        }
        let whole = self.expiry.since(self.start);
        if whole > limits.max_total {
            return Err(LifeError::LifeTooLong { asked: whole, max: limits.max_total });
        }
        Ok(())
    }

    /// Whether the expiry has come.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expiry
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;
    use super::Life;
    use super::LifeError;
    use super::Term;
    use super::Timestamp;
    use super::TtlLimits;

    fn hours(count: u32) -> Duration {
        Duration::from_hours(count)
    }

    fn limits() -> TtlLimits {
        TtlLimits { default: hours(8), max: hours(24), max_total: hours(72), grace: hours(1) }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [("8h", 28_800), ("7d12h", 648_000), ("PT8H", 28_800), ("15m", 900)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().as_secs(), seconds, "{text}");
        }
        for wrong in ["", "8", "-1h", "1y", "h", "1.5ms", "never"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
        assert_eq!("7d12h".parse::<Duration>().unwrap().to_string(), "7d12h");
    }

    /// G14: an extension adds to the later of now and the expiry, and stays within both limits.
    #[test]
    fn g14_extension_arithmetic() {
        let start = Timestamp::from_millis(0);
        let life = Life { start, expiry: start.plus(hours(8)) };
        let longer = life.extend(start.plus(hours(2)), Term::For(hours(4)), &limits()).unwrap();
        assert_eq!(longer.expiry, start.plus(hours(12)));
        let in_grace = start.plus(Duration::from_secs(8 * 3600 + 1800));
        let rescued = life.extend(in_grace, Term::For(hours(4)), &limits()).unwrap();
        assert_eq!(rescued.expiry, in_grace.plus(hours(4)));
        let late = life.extend(start.plus(hours(10)), Term::For(hours(1)), &limits());
        assert!(matches!(late, Err(LifeError::Over { .. })));
        let shorter = life.extend(start, Term::Until(start.plus(hours(4))), &limits());
        assert!(matches!(shorter, Err(LifeError::NotLater { .. })));
        let long = life.extend(start, Term::For(hours(25)), &limits());
        assert!(matches!(long, Err(LifeError::GrantTooLong { .. })));
        let mut whole = life;
        for _ in 0..2 {
            whole = whole.extend(whole.expiry, Term::For(hours(24)), &limits()).unwrap();
        }
        let beyond = whole.extend(whole.expiry, Term::For(hours(24)), &limits());
        assert!(matches!(beyond, Err(LifeError::LifeTooLong { .. })));
    }
}
