//! Times and durations for people. `now` is always an argument.

use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;

/// An instant in UTC, to the second.
#[must_use]
pub fn instant(time: Timestamp) -> String {
    let millis = time.as_millis();
    Timestamp::from_millis(millis.saturating_sub(millis.rem_euclid(1000))).to_string()
}

/// A duration by its two largest units: `7h 42m`, `2d`, `15s`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    let mut units_left = 2;
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if units_left == 0 {
            break;
        }
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
        // Units are neighbours: `2d` and not `2d 5s`.
        if !parts.is_empty() {
            units_left -= 1;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Where a time lies from now: `in 7h 42m`, `2d ago`, `now`.
#[must_use]
pub fn relative(now: Timestamp, time: Timestamp) -> String {
    let (ahead, behind) = (time.since(now), now.since(time));
    if ahead > Duration::ZERO {
        format!("in {}", span(ahead))
    } else if behind > Duration::ZERO {
        format!("{} ago", span(behind))
    } else {
        "now".to_owned()
    }
}

/// Both: `2026-11-21T18:00:00Z (in 7h 42m)`.
#[must_use]
pub fn when(now: Timestamp, time: Timestamp) -> String {
    format!("{} ({})", instant(time), relative(now, time))
}

/// How long something took: `0.3s`, `12s`, `2m 5s`.
#[must_use]
pub fn took(duration: std::time::Duration) -> String {
    let millis = duration.as_millis();
    if millis < 10_000 {
        return format!("{}.{}s", millis / 1000, millis % 1000 / 100);
    }
    span(Duration::from_secs(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::instant;
    use super::relative;
    use super::span;
    use super::took;
    use crate::model::lifetime::Timestamp;

    #[test]
    fn spans_have_two_neighbouring_units() {
        let rows = [
            ("0s", "0s"),
            ("15s", "15s"),
            ("7h42m10s", "7h 42m"),
            ("48h", "2d"),
            ("48h5s", "2d"),
            ("49h", "2d 1h"),
            ("60m1s", "1h"),
        ];
        for (duration, text) in rows {
            assert_eq!(span(duration.parse().unwrap()), text);
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp::from_millis(1_000_000_400);
        let later = now.plus("7h42m".parse().unwrap());
        assert_eq!(relative(now, later), "in 7h 42m");
        assert_eq!(relative(later, now), "7h 42m ago");
        assert_eq!(relative(now, Timestamp::from_millis(1_000_000_000)), "now");
        assert_eq!(instant(now), "1970-01-12T13:46:40Z");
        assert_eq!(took(std::time::Duration::from_millis(345)), "0.3s");
        assert_eq!(took(std::time::Duration::from_secs(125)), "2m 5s");
    }
}
