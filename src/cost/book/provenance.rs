//! `book.toml`: where the figures of a book come from, and of which day they are.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;

use super::BookError;

/// Bytes of `book.toml`.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// What `book.toml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provenance {
    /// The book's name: what a price says it came from.
    pub id: String,
    /// The provider it is about.
    pub provider: String,
    /// In a sentence.
    pub description: String,
    /// Its sources by name.
    pub sources: BTreeMap<String, SourceNote>,
    text: String,
}

/// One source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceNote {
    /// Where it was found.
    pub origin: String,
    /// The day it was true.
    pub as_of: Date,
    /// Under which licence, or why none is needed.
    pub licence: String,
    /// The digest of the file it was read from, where there was one.
    pub digest: Option<String>,
    /// What it was checked against, and what came of that.
    pub checked: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvenance {
    id: String,
    provider: String,
    description: String,
    #[serde(rename = "source")]
    sources: BTreeMap<String, RawSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    origin: String,
    as_of: String,
    licence: String,
    digest: Option<String>,
    checked: Option<String>,
}

impl Provenance {
    /// Reads `book.toml`.
    ///
    /// # Errors
    /// [`BookError::Provenance`].
    pub fn parse(text: &str) -> Result<Self, BookError> {
        let wrong = |what: String| BookError::Provenance(what);
        if text.len() > TEXT_BYTES_MAX {
            return Err(wrong(format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        let raw: RawProvenance = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if raw.id.is_empty() || !raw.id.chars().all(fits) {
            return Err(wrong(format!("`{}` is no name for a book", raw.id)));
        }
        let mut sources = BTreeMap::new();
        for (name, source) in raw.sources {
            let as_of = source
                .as_of
                .parse()
                .map_err(|_| wrong(format!("source {name}: `{}` is not a day", source.as_of)))?;
            let note = SourceNote {
                origin: source.origin,
                as_of,
                licence: source.licence,
                digest: source.digest,
                checked: source.checked,
            };
            sources.insert(name, note);
        }
        let (id, provider) = (raw.id, raw.provider);
        let text = text.to_owned();
        Ok(Self { id, provider, description: raw.description, sources, text })
    }

    /// Its text, as read.
    pub(super) fn text(&self) -> String {
        self.text.clone()
    }

    /// The day a source was true; the first of all days for one that is not there, so that it is
    /// as old as can be.
    #[must_use]
    pub fn as_of(&self, source: &str) -> Date {
        self.sources.get(source).map_or(Date::MIN, |source| source.as_of)
    }

    /// The day of its oldest source.
    #[must_use]
    pub fn oldest(&self) -> Option<Date> {
        self.sources.values().map(|source| source.as_of).min()
    }
}
