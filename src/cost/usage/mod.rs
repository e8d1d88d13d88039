//! Usage: what of a resource will be used in a month, as somebody states it.
//!
//! What the trust root states is taken. What anyone else states is a claim: it can raise what a
//! mapping assumes and never lower it, and what rests on it alone stays open at the top.
//! INVARIANT (authority is not in the working folder).

mod file;

use std::collections::BTreeMap;

use crate::model::number::Number;
use crate::model::sealed::SealedValue;

pub use file::read;
pub use file::read_infracost;

/// Levels of nesting in usage: `standard.storage_gb` has two.
pub const DEPTH_MAX: usize = 8;

/// Which of the three figures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bound {
    /// The least.
    Low,
    /// The expected.
    Expected,
    /// The most.
    High,
}

impl Bound {
    /// All three, in order.
    pub const ALL: [Bound; 3] = [Bound::Low, Bound::Expected, Bound::High];
}

/// A stated usage: a tree of keys, three times where the figures differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stated {
    /// What is expected: a map.
    pub expected: SealedValue,
    /// The least and the most, where they differ from the expected.
    pub bounds: Option<Box<(SealedValue, SealedValue)>>,
}

impl Stated {
    /// The tree for a bound.
    #[must_use]
    pub fn at(&self, bound: Bound) -> &SealedValue {
        match (bound, self.bounds.as_deref()) {
            (Bound::Low, Some((low, _))) => low,
            (Bound::High, Some((_, high))) => high,
            _ => &self.expected,
        }
    }
}

/// Usage from one place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// By resource type: what holds where nothing is said of the resource itself.
    pub kinds: BTreeMap<String, Stated>,
    /// By address.
    pub addresses: BTreeMap<String, Stated>,
    /// By address with `*` for any key.
    pub patterns: Vec<(String, Stated)>,
    /// Whether it is a claim.
    pub is_claim: bool,
}

impl Usage {
    /// What is stated of a resource, the most particular first.
    pub fn of<'u>(&'u self, address: &str, kind: &str) -> impl Iterator<Item = &'u Stated> {
        let exact = self.addresses.get(address);
        let patterns = self.patterns.iter().filter(|(pattern, _)| matches(pattern, address));
        let pattern: Vec<&Stated> = patterns.map(|(_, stated)| stated).collect();
        exact.into_iter().chain(pattern).chain(self.kinds.get(kind))
    }

    /// Takes in what is stated of an address, a pattern of addresses, or a type.
    pub fn state(&mut self, whom: &str, stated: Stated) {
        if whom.contains("[*]") {
            self.patterns.push((whom.to_owned(), stated));
        } else {
            self.addresses.insert(whom.to_owned(), stated);
        }
    }
}

/// Whether an address fits a pattern: `[*]` stands for any one key.
fn matches(pattern: &str, address: &str) -> bool {
    let mut rest = address;
    let mut pieces = pattern.split("[*]");
    let Some(first) = pieces.next() else { return false };
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for piece in pieces {
        let Some(inner) = rest.strip_prefix('[') else { return false };
        let Some((_, after)) = inner.split_once(']') else { return false };
        let Some(after) = after.strip_prefix(piece) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// A usage tree from plain JSON, the common form of all that states usage.
#[must_use]
pub fn tree(json: &serde_json::Value) -> SealedValue {
    tree_at(json, 0)
}

fn tree_at(json: &serde_json::Value, depth: usize) -> SealedValue {
    use serde_json::Value as Json;
    match json {
        _ if depth > DEPTH_MAX => SealedValue::Null,
        Json::Null => SealedValue::Null,
        Json::Bool(value) => SealedValue::Bool(*value),
        Json::Number(number) => match Number::parse(&number.to_string()) {
            Ok(number) => SealedValue::Number(number),
            Err(_) => SealedValue::Null,
        },
        Json::String(text) => SealedValue::String(text.clone()),
        Json::Array(items) => {
            SealedValue::List(items.iter().map(|item| tree_at(item, depth + 1)).collect())
        }
        Json::Object(members) => SealedValue::Map(
            members.iter().map(|(name, item)| (name.clone(), tree_at(item, depth + 1))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::Stated;
    use super::Usage;
    use super::matches;
    use super::tree;

    #[test]
    fn the_most_particular_statement_comes_first() {
        assert!(matches("a.b[*]", "a.b[0]"));
        assert!(matches("module.m[*].a.b[*].c", "module.m[\"x\"].a.b[1].c"));
        assert!(!matches("a.b[*]", "a.b"));
        assert!(!matches("a.b[*]", "a.b[0].c"));
        let stated =
            |n: i64| Stated { expected: tree(&serde_json::json!({ "n": n })), bounds: None };
        let mut usage = Usage::default();
        usage.kinds.insert("a".to_owned(), stated(1));
        usage.state("a.b[*]", stated(2));
        usage.state("a.b[0]", stated(3));
        let of = |address: &str| usage.of(address, "a").cloned().collect::<Vec<_>>();
        assert_eq!(of("a.b[0]"), [stated(3), stated(2), stated(1)]);
        assert_eq!(of("a.b[1]"), [stated(2), stated(1)]);
        assert_eq!(of("a.c"), [stated(1)]);
    }
}
