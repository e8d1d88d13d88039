//! Installed plugins: which are there, which one fits, and whether it is what was locked.
//!
//! [`mirror`] looks into folders laid out as Terraform lays them out, [`cli_config`] learns from
//! Terraform's own configuration which folders those are, [`constraint`] chooses versions and
//! [`hash`] tells what a plugin's files are. It downloads nothing.

pub mod cli_config;
pub mod constraint;
pub mod hash;
pub mod mirror;

use std::fmt;
use std::str::FromStr;

/// The registry that a source without a host means.
pub const DEFAULT_HOST: &str = "registry.terraform.io";

/// The namespace that a source without one means.
const DEFAULT_NAMESPACE: &str = "hashicorp";

/// The full source of a provider: `registry.terraform.io/hashicorp/aws`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SourceAddress {
    /// The registry.
    pub host: String,
    /// Whose it is.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

/// The text is no source.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a provider source such as hashicorp/aws")]
pub struct SourceError(String);

impl FromStr for SourceAddress {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (host, namespace, name) = match parts.as_slice() {
            [name] => (DEFAULT_HOST, DEFAULT_NAMESPACE, *name),
            [namespace, name] => (DEFAULT_HOST, *namespace, *name),
            [host, namespace, name] => (*host, *namespace, *name),
            _ => return Err(SourceError(text.to_owned())),
        };
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['-', '.'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        let is_host = host.split('.').all(|label| plain(label.split(':').next().unwrap_or(label)));
        // The parts become folders: nothing may lead elsewhere.
        if !is_host || !plain(namespace) || !plain(name) {
            return Err(SourceError(text.to_owned()));
        }
        let lower = str::to_ascii_lowercase;
        Ok(Self { host: lower(host), namespace: lower(namespace), name: lower(name) })
    }
}

impl fmt::Display for SourceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.namespace, self.name)
    }
}

/// A pattern of sources: any part may be `*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcePattern {
    host: String,
    namespace: String,
    name: String,
}

impl SourcePattern {
    /// Reads a pattern; a host left out is the usual one.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let parts: Vec<String> = text.split('/').map(str::to_ascii_lowercase).collect();
        let (host, namespace, name) = match parts.as_slice() {
            [namespace, name] => (DEFAULT_HOST.to_owned(), namespace.clone(), name.clone()),
            [host, namespace, name] => (host.clone(), namespace.clone(), name.clone()),
            _ => return Err(SourceError(text.to_owned())),
        };
        if host.is_empty() || namespace.is_empty() || name.is_empty() {
            return Err(SourceError(text.to_owned()));
        }
        Ok(Self { host, namespace, name })
    }

    /// Whether a source is one of those that it means.
    #[must_use]
    pub fn matches(&self, source: &SourceAddress) -> bool {
        let fits = |pattern: &str, part: &str| pattern == "*" || pattern == part;
        fits(&self.host, &source.host)
            && fits(&self.namespace, &source.namespace)
            && fits(&self.name, &source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::SourceAddress;
    use super::SourcePattern;

    #[test]
    fn sources_are_completed_and_lead_nowhere_else() {
        let full = |text: &str| text.parse::<SourceAddress>().map(|source| source.to_string());
        assert_eq!(full("aws").unwrap(), "registry.terraform.io/hashicorp/aws");
        assert_eq!(full("Hashicorp/AWS").unwrap(), "registry.terraform.io/hashicorp/aws");
        assert_eq!(full("example.com:8443/a/b").unwrap(), "example.com:8443/a/b");
        for text in ["", "a/b/c/d", "../x", "a//b", "./a/b", "h/../b", "a/b c", "a/.b"] {
            assert!(full(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_may_leave_parts_open() {
        let source: SourceAddress = "hashicorp/aws".parse().unwrap();
        for (pattern, matches) in [
            ("hashicorp/*", true),
            ("*/*", true),
            ("registry.terraform.io/hashicorp/aws", true),
            ("example.com/*/*", false),
            ("*/*/aws", true),
            ("hashicorp/null", false),
        ] {
            assert_eq!(
                SourcePattern::parse(pattern).unwrap().matches(&source),
                matches,
                "{pattern}"
            );
        }
        SourcePattern::parse("aws").unwrap_err();
    }
}
