//! Values and their differences, as people read them. Sensitive nodes are named, never shown.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::text::clean;
use super::text::columns;
use super::text::count;
use super::text::cut;
use crate::model::address::is_identifier;
use crate::model::sealed::SealedValue;
use crate::model::value::Path;
use crate::model::value::Step;

/// Columns of a value before it is folded, at least: less says nothing.
const FOLDED_MIN: usize = 20;

/// A place where two values differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference<'a> {
    /// Where.
    pub path: Path,
    /// What stood there.
    pub before: &'a SealedValue,
    /// What stands there now.
    pub after: &'a SealedValue,
}

const NULL: &SealedValue = &SealedValue::Null;

/// The places where two values differ, in order, each as deep as both have the same shape. Null and
/// absent members are the same.
#[must_use]
pub fn differences<'a>(before: &'a SealedValue, after: &'a SealedValue) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    compare(&mut Path::root(), before, after, &mut found);
    found
}

fn compare<'a>(
    path: &mut Path,
    before: &'a SealedValue,
    after: &'a SealedValue,
    found: &mut Vec<Difference<'a>>,
) {
    match (before, after) {
        (SealedValue::Map(old), SealedValue::Map(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                path.0.push(Step::Attribute(name.clone()));
                compare(path, old.get(name).unwrap_or(NULL), new.get(name).unwrap_or(NULL), found);
                path.0.pop();
            }
        }
        (SealedValue::List(old), SealedValue::List(new)) if old.len() == new.len() => {
            for (index, (old_item, new_item)) in old.iter().zip(new).enumerate() {
                path.0.push(Step::Index(index));
                compare(path, old_item, new_item, found);
                path.0.pop();
            }
        }
        _ if before == after => {}
        _ => found.push(Difference { path: path.clone(), before, after }),
    }
}

/// A value in one line of at most `room` columns, unless the screen unfolds.
#[must_use]
pub fn text(screen: &Screen, value: &SealedValue, room: usize) -> String {
    let whole = whole(value);
    let room = room.max(FOLDED_MIN);
    if screen.unfold || columns(&whole) <= room {
        return whole;
    }
    let size = match value {
        SealedValue::String(text) => count(text.chars().count(), "character"),
        SealedValue::List(items) | SealedValue::Set(items) => count(items.len(), "item"),
        SealedValue::Map(members) => count(members.len(), "member"),
        _ => count(whole.chars().count(), "character"),
    };
    let tail = format!(" ({size})");
    format!("{}{tail}", cut(&whole, room.saturating_sub(columns(&tail))))
}

/// `name: "before" → "after"`, folded to the screen: both sides share what `indent` leaves of the
/// line, and a short one leaves its room to the other. What only came or went stands alone.
#[must_use]
pub fn change(screen: &Screen, difference: &Difference<'_>, indent: usize) -> String {
    let path = clean(&difference.path.to_string());
    let room = screen.width.saturating_sub(indent).saturating_sub(columns(&path) + 2);
    let (before, after) = (difference.before, difference.after);
    if *before == SealedValue::Null {
        return format!("{path}: {}", text(screen, after, room));
    }
    if *after == SealedValue::Null {
        return format!("{path}: {}", text(screen, before, room));
    }
    let room = room.saturating_sub(columns(" → "));
    let old = text(screen, before, (room / 2).max(room.saturating_sub(columns(&whole(after)))));
    let new = text(screen, after, room.saturating_sub(columns(&old)));
    if old == new {
        // Sealed on both sides, or folded before the first character that differs.
        return format!("{path}: {old} → {new}, changed");
    }
    format!("{path}: {old} → {new}")
}

fn whole(value: &SealedValue) -> String {
    match value {
        SealedValue::Null => "null".to_owned(),
        SealedValue::Unknown => "(known after apply)".to_owned(),
        SealedValue::UnknownSensitive => "(sensitive, known after apply)".to_owned(),
        SealedValue::Sealed(_) => "(sensitive)".to_owned(),
        SealedValue::Bool(value) => value.to_string(),
        SealedValue::Number(number) => number.to_string(),
        SealedValue::String(text) => quoted(text),
        SealedValue::List(items) | SealedValue::Set(items) => {
            let items: Vec<String> = items.iter().map(whole).collect();
            format!("[{}]", items.join(", "))
        }
        SealedValue::Map(members) => {
            let member = |(name, value): (&String, &SealedValue)| {
                let name = if is_identifier(name) { name.clone() } else { quoted(name) };
                format!("{name} = {}", whole(value))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            if members.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", members.join(", "))
            }
        }
    }
}

/// Text in quotes, so that where it ends is seen, and cleaned.
#[must_use]
pub fn quoted(text: &str) -> String {
    clean(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Named values as JSON.
#[must_use]
pub fn named(values: &BTreeMap<String, SealedValue>) -> Json {
    let member = |(name, value): (&String, &SealedValue)| (name.clone(), value.to_plain_json());
    Json::Object(values.iter().map(member).collect())
}

/// Differences as JSON.
#[must_use]
pub fn differences_json(before: &SealedValue, after: &SealedValue) -> Vec<Json> {
    let one = |difference: &Difference<'_>| {
        json!({
            "path": difference.path.to_string(),
            "before": difference.before.to_plain_json(),
            "after": difference.after.to_plain_json(),
        })
    };
    differences(before, after).iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::change;
    use super::differences;
    use super::text;
    use crate::cli::render::Screen;
    use crate::model::sealed::Ciphertext;
    use crate::model::sealed::SealedValue;

    fn map(members: &[(&str, SealedValue)]) -> SealedValue {
        SealedValue::Map(members.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }

    fn string(text: &str) -> SealedValue {
        SealedValue::String(text.to_owned())
    }

    #[test]
    fn differences_are_deep_and_name_secrets_without_showing_them() {
        let sealed = |text: &str| SealedValue::Sealed(Ciphertext(text.to_owned()));
        let before = map(&[("a", map(&[("b", string("x"))])), ("s", sealed("s1:AAA"))]);
        let after = map(&[("a", map(&[("b", string("y"))])), ("s", sealed("s1:BBB"))]);
        let screen = Screen::plain(80);
        let lines: Vec<String> =
            differences(&before, &after).iter().map(|d| change(&screen, d, 4)).collect();
        let secret = "s: (sensitive) → (sensitive), changed";
        assert_eq!(lines, ["a.b: \"x\" → \"y\"", secret]);
        let same = map(&[("a", SealedValue::Null)]);
        assert!(differences(&same, &map(&[])).is_empty());
    }

    #[test]
    fn long_values_fold_and_unfold() {
        let screen = Screen::plain(80);
        let long = string(&"x".repeat(500));
        let folded = text(&screen, &long, 40);
        assert!(folded.ends_with("… (500 characters)") && folded.chars().count() <= 40, "{folded}");
        let unfolded = text(&Screen { unfold: true, ..screen }, &long, 40);
        assert_eq!(unfolded.len(), 502);
        assert_eq!(text(&screen, &string("a\"\n\u{1b}"), 40), r#""a\"\n\u{1b}""#);
        assert_eq!(
            text(&screen, &map(&[("a b", SealedValue::Unknown)]), 40),
            "{ \"a b\" = (known after apply) }"
        );
    }
}
