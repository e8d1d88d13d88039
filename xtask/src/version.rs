//! Versions, and the requirements that advisories state.
//!
//! Only what RustSec's `patched` and `unaffected` lists use: comparisons and carets, joined by
//! commas. Build metadata after `+` is dropped, as it never orders versions.

use std::cmp::Ordering;

/// A version: three numbers and, before the release itself, a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    numbers: [u64; 3],
    pre: Option<String>,
}

impl Version {
    /// Reads `1.2.3`, `1.2` or `1.2.3-alpha.1+build`.
    ///
    /// # Errors
    ///
    /// Where a part is no number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a version");
        let plain = text.trim().split('+').next().unwrap_or_default();
        let (core, pre) = match plain.split_once('-') {
            Some((core, pre)) => (core, Some(pre.to_owned())),
            None => (plain, None),
        };
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for (position, number) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) => *number = part.parse().map_err(|_| bad())?,
                None if position == 0 => return Err(bad()),
                None => break,
            }
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self { numbers, pre }) }
    }

    /// Whether this version meets a requirement such as `>= 1.2.3, < 2`.
    ///
    /// # Errors
    ///
    /// Where the requirement has another shape.
    pub fn meets(&self, requirement: &str) -> Result<bool, String> {
        for part in requirement.split(',').map(str::trim) {
            if !self.meets_one(part)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn meets_one(&self, part: &str) -> Result<bool, String> {
        for operator in [">=", "<=", ">", "<", "=", "^"] {
            if let Some(rest) = part.strip_prefix(operator) {
                let other = Self::parse(rest)?;
                let order = self.cmp(&other);
                return Ok(match operator {
                    ">=" => order != Ordering::Less,
                    "<=" => order != Ordering::Greater,
                    ">" => order == Ordering::Greater,
                    "<" => order == Ordering::Less,
                    "=" => order == Ordering::Equal,
                    _ => order != Ordering::Less && self.line() == other.line(),
                });
            }
        }
        Err(format!("`{part}` is not a requirement; begin it with >=, <=, >, <, = or ^"))
    }

    /// The numbers that compatible versions share: up to the first that is not zero.
    fn line(&self) -> Vec<u64> {
        let zeros = self.numbers.iter().take_while(|number| **number == 0).count();
        self.numbers.iter().take(zeros + 1).copied().collect()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.pre, &other.pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(own), Some(their)) => own.cmp(their),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(version: &str, requirement: &str) -> bool {
        Version::parse(version).unwrap().meets(requirement).unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers() {
        assert!(meets("0.10.0", ">= 0.9.3"));
        assert!(!meets("1.9.0", ">= 1.10"));
        assert!(meets("0.9.12+spec-1.1.0", ">= 0.9.12"));
    }

    #[test]
    fn a_range_needs_both_ends() {
        assert!(meets("0.9.5", "< 0.10.0, >= 0.9.3"));
        assert!(!meets("0.9.2", "< 0.10.0, >= 0.9.3"));
        assert!(!meets("0.10.0", "< 0.10.0, >= 0.9.3"));
    }

    #[test]
    fn carets_stay_on_their_line() {
        assert!(meets("0.10.5", "^0.10.4"));
        assert!(!meets("0.11.0", "^0.10.4"));
        assert!(!meets("0.10.3", "^0.10.4"));
        assert!(meets("1.9.0", "^1.2"));
    }

    #[test]
    fn before_a_release_is_less_than_the_release() {
        assert!(!meets("1.0.0-alpha.1", ">= 1.0.0"));
        assert!(meets("1.0.0", "> 1.0.0-alpha.1"));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let version = Version::parse("1.0.0").unwrap();
        assert!(version.meets("~1.0").is_err());
        assert!(version.meets("").is_err());
        assert!(Version::parse("one").is_err());
        assert!(Version::parse("1.2.3.4").is_err());
    }
}
