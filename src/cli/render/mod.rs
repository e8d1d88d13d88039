//! From data to text and to JSON: pure functions that know a width, a colour and a time, and no
//! terminal.
//!
//! Each module renders one thing that a command prints, as text for people and as JSON for
//! scripts. Nothing here prints, reads a clock or decides anything. What users wrote is cleaned of
//! control characters on its way into text; what is sensitive arrives sealed and is named, never
//! shown. Start with [`plan`]; the words that all share are in [`text`] and [`page`].

pub mod cost;
pub mod decision;
pub mod diagnostics;
pub mod doctor;
pub mod drift;
pub mod ending;
pub mod environment;
pub mod error;
pub mod history;
pub mod list;
pub mod output;
pub mod page;
pub mod plan;
pub mod plan_change;
pub mod plan_json;
pub mod reap;
pub mod show;
pub mod table;
pub mod text;
pub mod time;
pub mod timings;
pub mod value;
pub mod why;

use serde_json::Value as Json;

/// The version of every JSON document. Minor versions only add members.
/// INVARIANT (formats are versioned).
pub const FORMAT_VERSION: &str = "1.0";

/// The narrowest text. Below, a table is nothing but broken words.
pub const WIDTH_MIN: usize = 60;

/// The widest text. Beyond, the eye loses the line.
pub const WIDTH_MAX: usize = 160;

/// The width where there is no terminal to ask.
pub const WIDTH_DEFAULT: usize = 100;

/// What the text is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Screen {
    /// Columns, between [`WIDTH_MIN`] and [`WIDTH_MAX`].
    pub width: usize,
    /// Whether colour is wanted. Without it the text says the same.
    pub color: bool,
    /// Whether long values are shown whole.
    pub unfold: bool,
}

impl Screen {
    /// A screen of this width, cut to what is readable, without colour.
    #[must_use]
    pub fn plain(width: usize) -> Self {
        Self { width: width.clamp(WIDTH_MIN, WIDTH_MAX), color: false, unfold: false }
    }
}

/// A JSON document of this kind. Members of `body` stand beside the version and the kind.
#[must_use]
pub fn document(kind: &str, body: Json) -> Json {
    let mut members = serde_json::Map::new();
    members.insert("format_version".to_owned(), Json::from(FORMAT_VERSION));
    members.insert("kind".to_owned(), Json::from(kind));
    match body {
        Json::Object(more) => members.extend(more),
        Json::Null => {}
        other => {
            members.insert("items".to_owned(), other);
        }
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::FORMAT_VERSION;
    use super::document;

    #[test]
    fn every_document_has_its_version() {
        let json = document("x", serde_json::json!({ "a": 1 }));
        assert_eq!(json["format_version"], FORMAT_VERSION);
        assert_eq!((json["kind"].as_str(), json["a"].as_i64()), (Some("x"), Some(1)));
    }
}
