//! Versions and what may be asked of them, in Terraform's syntax: `~> 5.100, != 5.101.0`.
//!
//! A version with a suffix such as `-beta1` is taken only where it is named exactly.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The text is no version, or asks for nothing that a version can be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VersionError {
    /// No version.
    #[error("`{0}` is not a version such as 5.100.0")]
    Version(String),
    /// No constraint.
    #[error("`{0}` is not a version constraint such as `~> 5.100` or `>= 1.2, < 2.0`")]
    Constraint(String),
}

/// A version. Its order is that of semantic versioning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    numbers: [u64; 3],
    /// What comes after `-`; empty where it is a release.
    prerelease: String,
    /// What comes after `+`, which has no order.
    metadata: String,
}

impl Version {
    /// Whether it is not a release yet.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

/// A version as written, with how many of its numbers were.
fn parse(text: &str) -> Option<(Version, usize)> {
    let (rest, metadata) = text.split_once('+').unwrap_or((text, ""));
    let (numbers, prerelease) = rest.split_once('-').unwrap_or((rest, ""));
    let words = |text: &str, given: bool| {
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        !given || text.split('.').all(word)
    };
    if !words(prerelease, rest.contains('-')) || !words(metadata, text.contains('+')) {
        return None;
    }
    let mut parsed = [0; 3];
    let mut count = 0;
    for part in numbers.split('.') {
        let digits = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
        *parsed.get_mut(count)? = part.parse().ok().filter(|_| digits)?;
        count += 1;
    }
    let (prerelease, metadata) = (prerelease.to_owned(), metadata.to_owned());
    Some((Version { numbers: parsed, prerelease, metadata }, count))
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match parse(text) {
            Some((version, 3)) => Ok(version),
            _ => Err(VersionError::Version(text.to_owned())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.is_prerelease() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let release = |version: &Self| !version.is_prerelease();
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| release(self).cmp(&release(other)))
            .then_with(|| compare_words(&self.prerelease, &other.prerelease))
            // Only so that equal and not different agree.
            .then_with(|| self.metadata.cmp(&other.metadata))
    }
}

fn compare_words(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let order = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// At least this, and below the next of the number before the last one written.
    Pessimistic,
}

/// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("~>", Operator::Pessimistic),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// What may be asked of a version: all of its parts. Without parts, any release.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Constraint {
    parts: Vec<Part>,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Part {
    operator: Operator,
    version: Version,
    /// How many of its numbers were written.
    written: usize,
}

impl FromStr for Constraint {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError::Constraint(text.to_owned());
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let part = |part: &str| {
            let part = part.trim();
            let found = OPERATORS.iter().find_map(|(sign, operator)| {
                part.strip_prefix(sign).map(|rest| (*operator, rest.trim_start()))
            });
            let (operator, rest) = found.unwrap_or((Operator::Equal, part));
            let (version, written) = parse(rest).ok_or_else(wrong)?;
            Ok(Part { operator, version, written })
        };
        let parts = text.split(',').map(part).collect::<Result<_, VersionError>>()?;
        Ok(Self { parts, text: text.trim().to_owned() })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "any version" } else { &self.text })
    }
}

impl Constraint {
    /// Whether a version may be taken.
    #[must_use]
    pub fn allows(&self, version: &Version) -> bool {
        let named = |part: &Part| part.operator == Operator::Equal && part.version == *version;
        if version.is_prerelease() && !self.parts.iter().any(named) {
            return false;
        }
        self.parts.iter().all(|part| part.allows(version))
    }

    /// The highest version that may be taken.
    #[must_use]
    pub fn choose<'v>(
        &self,
        versions: impl IntoIterator<Item = &'v Version>,
    ) -> Option<&'v Version> {
        versions.into_iter().filter(|version| self.allows(version)).max()
    }
}

impl Part {
    fn allows(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Pessimistic => {
                // All numbers but the last one written stay; of a single one, that one.
                let fixed = self.written.saturating_sub(1).max(1);
                let same = version.numbers.iter().zip(&self.version.numbers).take(fixed);
                order != Ordering::Less && same.into_iter().all(|(a, b)| a == b)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Constraint;
    use super::Version;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_have_the_order_of_semantic_versioning() {
        let ordered = [
            "0.9.12",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for text in ordered.into_iter().chain(["1.2.3+build.5", "1.2.3-x+y"]) {
            assert_eq!(version(text).to_string(), text);
        }
        for text in ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.x", "1.2.3-", "1.2.3+", "1.+2.3"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_take_what_terraform_takes() {
        let cases = [
            ("~> 5.100", "5.100.0", true),
            ("~> 5.100", "5.101.7", true),
            ("~> 5.100", "5.99.0", false),
            ("~> 5.100", "6.0.0", false),
            ("~> 5.100.1", "5.100.9", true),
            ("~> 5.100.1", "5.100.0", false),
            ("~> 5.100.1", "5.101.0", false),
            ("~> 5", "5.9.0", true),
            ("~> 5", "6.0.0", false),
            (">= 1.2, < 2.0", "1.9.9", true),
            (">= 1.2, < 2.0", "2.0.0", false),
            (">= 1.2, != 1.3.0", "1.3.0", false),
            ("1.2.3", "1.2.3", true),
            ("=1.2.3", "1.2.4", false),
            ("> 1.0", "1.0.0", false),
            ("<= 1.0.0", "1.0.0", true),
            ("", "9.9.9", true),
            ("", "9.9.9-beta1", false),
            (">= 1.0", "2.0.0-rc1", false),
            ("2.0.0-rc1", "2.0.0-rc1", true),
            ("!= 2.0.0-rc1", "2.0.0-rc2", false),
        ];
        for (constraint, text, allows) in cases {
            let constraint: Constraint = constraint.parse().unwrap();
            assert_eq!(constraint.allows(&version(text)), allows, "{constraint} {text}");
        }
        for text in ["~>", ">= x", "1.2.3 4", ",", ">= 1,", "=> 1.0", "~> 1.2.3.4"] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_highest_allowed_version_is_chosen() {
        let versions: Vec<Version> =
            ["5.9.0", "5.100.0", "6.0.0", "5.101.0-beta1"].map(version).to_vec();
        let chosen = |text: &str| {
            text.parse::<Constraint>().unwrap().choose(&versions).map(ToString::to_string)
        };
        assert_eq!(chosen("~> 5.0").as_deref(), Some("5.100.0"));
        assert_eq!(chosen("").as_deref(), Some("6.0.0"));
        assert_eq!(chosen("> 6"), None);
    }
}
