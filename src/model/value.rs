//! Values: what expressions yield, providers exchange and plans compare.
//!
//! Every node of a value may be unknown (settled only by applying) and may be sensitive (never
//! shown, stored only sealed). A live [`Value`] deliberately has no `Serialize` and no `Display`:
//! it is stored as a [`SealedValue`](crate::model::sealed::SealedValue) and shown by renderers
//! that know the marks. INVARIANT (secrets have no text).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::model::number::Number;

/// A value with its sensitivity mark. Order and equality see the content and the mark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    kind: Kind,
    sensitive: bool,
}

/// What a value is. Lists keep order; a set is kept sorted and without doubles.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Not set.
    Null,
    /// Known only after apply.
    Unknown,
    /// True or false.
    Bool(bool),
    /// An exact decimal number.
    Number(Number),
    /// Text.
    String(String),
    /// An ordered sequence: a list or a tuple.
    List(Vec<Value>),
    /// A collection without order; make one with [`Value::set`].
    Set(Vec<Value>),
    /// Named members: a map or an object.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// A value of this kind, not sensitive.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, sensitive: false }
    }

    /// The absent value.
    #[must_use]
    pub fn null() -> Self {
        Self::new(Kind::Null)
    }

    /// A value that only applying will settle.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(Kind::Unknown)
    }

    /// Text.
    pub fn string(text: impl Into<String>) -> Self {
        Self::new(Kind::String(text.into()))
    }

    /// True or false.
    #[must_use]
    pub fn bool(value: bool) -> Self {
        Self::new(Kind::Bool(value))
    }

    /// A number.
    pub fn number(value: impl Into<Number>) -> Self {
        Self::new(Kind::Number(value.into()))
    }

    /// An ordered sequence.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::new(Kind::List(items))
    }

    /// A collection without order: items are sorted and doubles dropped. Unknown items stay, each
    /// of them, since two unknowns may turn out to differ.
    #[must_use]
    pub fn set(mut items: Vec<Value>) -> Self {
        items.sort();
        items.dedup_by(|a, b| a == b && a.is_wholly_known());
        Self::new(Kind::Set(items))
    }

    /// Named members.
    #[must_use]
    pub fn map(members: BTreeMap<String, Value>) -> Self {
        Self::new(Kind::Map(members))
    }

    /// Named members from pairs.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::map(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// The same value, marked sensitive.
    #[must_use]
    pub fn into_sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The same value, sensitive if `sensitive` or if it was already.
    #[must_use]
    pub fn with_sensitive(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }

    /// The kind of this node.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The kind of this node, by value. The caller keeps the mark, see [`Value::is_sensitive`].
    #[must_use]
    pub fn into_kind(self) -> Kind {
        self.kind
    }

    /// Whether this very node carries the mark.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether this node or one inside it carries the mark.
    #[must_use]
    pub fn contains_sensitive(&self) -> bool {
        self.sensitive || self.children().any(Value::contains_sensitive)
    }

    /// Whether this very node is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether this very node is unknown.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.kind, Kind::Unknown)
    }

    /// Whether nothing in this value is unknown.
    #[must_use]
    pub fn is_wholly_known(&self) -> bool {
        !self.is_unknown() && self.children().all(Value::is_wholly_known)
    }

    /// The text, where this is a known string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth, where this is a known bool.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, where this is a known one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match &self.kind {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The members, where this is a known map or object.
    #[must_use]
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match &self.kind {
            Kind::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The items, where this is a known list or set.
    #[must_use]
    pub fn as_items(&self) -> Option<&[Value]> {
        match &self.kind {
            Kind::List(items) | Kind::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The member of this name, where this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_map()?.get(name)
    }

    /// The value at a path, where there is one.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<&Value> {
        path.0.iter().try_fold(self, |value, step| match (step, &value.kind) {
            (Step::Attribute(name) | Step::Key(name), Kind::Map(members)) => members.get(name),
            (Step::Index(index), Kind::List(items) | Kind::Set(items)) => items.get(*index),
            _ => None,
        })
    }

    /// What kind of thing this is, for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Unknown => "a value known only after apply",
            Kind::Bool(_) => "a bool",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Set(_) => "a set",
            Kind::Map(_) => "a map",
        }
    }

    /// The same value without any sensitivity mark, for comparing contents.
    #[must_use]
    pub fn unmarked(&self) -> Value {
        self.rebuild(&mut |mut node| {
            node.sensitive = false;
            node
        })
    }

    /// The same value, sensitive wherever `from` is: providers return values without marks.
    #[must_use]
    pub fn with_marks_of(&self, from: &Value) -> Value {
        let kind = match (&self.kind, &from.kind) {
            (Kind::Map(members), Kind::Map(marked)) => Kind::Map(
                members
                    .iter()
                    .map(|(name, member)| {
                        let member = match marked.get(name) {
                            Some(mark) => member.with_marks_of(mark),
                            None => member.clone(),
                        };
                        (name.clone(), member)
                    })
                    .collect(),
            ),
            (Kind::List(items), Kind::List(marked)) if items.len() == marked.len() => {
                let pairs = items.iter().zip(marked);
                Kind::List(pairs.map(|(item, mark)| item.with_marks_of(mark)).collect())
            }
            // Items of a collection cannot be told apart any more: one mark marks the whole.
            (kind @ (Kind::List(_) | Kind::Set(_)), Kind::List(_) | Kind::Set(_)) => {
                let marked = from.contains_sensitive();
                return Value { kind: kind.clone(), sensitive: self.sensitive || marked };
            }
            (kind, _) => kind.clone(),
        };
        Value { kind, sensitive: self.sensitive || from.sensitive }
    }

    /// Builds the value anew from its leaves up, passing every node through `change`.
    pub fn rebuild(&self, change: &mut impl FnMut(Value) -> Value) -> Value {
        let kind = match &self.kind {
            Kind::List(items) => Kind::List(items.iter().map(|v| v.rebuild(change)).collect()),
            Kind::Set(items) => {
                Value::set(items.iter().map(|v| v.rebuild(change)).collect()).into_kind()
            }
            Kind::Map(members) => {
                Kind::Map(members.iter().map(|(k, v)| (k.clone(), v.rebuild(change))).collect())
            }
            leaf => leaf.clone(),
        };
        change(Value { kind, sensitive: self.sensitive })
    }

    /// The direct children: items or members.
    pub fn children(&self) -> impl Iterator<Item = &Value> {
        let (items, members) = match &self.kind {
            Kind::List(items) | Kind::Set(items) => (Some(items), None),
            Kind::Map(members) => (None, Some(members)),
            _ => (None, None),
        };
        items.into_iter().flatten().chain(members.into_iter().flat_map(BTreeMap::values))
    }

    /// The paths of all unknown nodes, in order.
    #[must_use]
    pub fn unknown_paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.visit(&mut Path::root(), &mut |path, node| {
            if node.is_unknown() {
                found.push(path.clone());
            }
        });
        found
    }

    /// Visits every node with its path, parents first.
    pub fn visit(&self, path: &mut Path, seen: &mut impl FnMut(&Path, &Value)) {
        seen(path, self);
        match &self.kind {
            Kind::List(items) | Kind::Set(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.0.push(Step::Index(index));
                    item.visit(path, seen);
                    path.0.pop();
                }
            }
            Kind::Map(members) => {
                for (name, member) in members {
                    path.0.push(Step::Attribute(name.clone()));
                    member.visit(path, seen);
                    path.0.pop();
                }
            }
            _ => {}
        }
    }
}

/// Redacted: a sensitive node prints as `(sensitive)`, in logs and in failing tests alike.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            return f.write_str("(sensitive)");
        }
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Unknown => f.write_str("(known after apply)"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Number(number) => write!(f, "{number}"),
            Kind::String(text) => write!(f, "{text:?}"),
            Kind::List(items) => f.debug_list().entries(items).finish(),
            Kind::Set(items) => f.debug_set().entries(items).finish(),
            Kind::Map(members) => f.debug_map().entries(members).finish(),
        }
    }
}

/// One step into a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A named attribute of an object or block.
    Attribute(String),
    /// A position in a list, or in the order of a set.
    Index(usize),
    /// A key of a map.
    Key(String),
}

/// A place inside a value, printed as `ingress[0].from_port` or `tags["gov:owner"]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The place of the whole value.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The place of a top-level attribute.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self(vec![Step::Attribute(name.into())])
    }

    /// One step further in.
    #[must_use]
    pub fn join(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The first attribute on the way, by which governance data name attributes.
    #[must_use]
    pub fn first_attribute(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Attribute(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether this place lies at `other` or inside it.
    #[must_use]
    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => f.write_str(name)?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// One place where two values differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// What stood there; null where nothing did.
    pub before: Value,
    /// What stands there now; null where nothing does.
    pub after: Value,
}

/// The places where two values differ, in order, each as deep as both sides have the same shape.
///
/// Sensitivity alone is no difference. Null and absent members are the same.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Path::root(), before, after, &mut found);
    found
}

fn compare(path: &mut Path, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    match (&before.kind, &after.kind) {
        (Kind::Map(old), Kind::Map(new)) => {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            let null = Value::null();
            for name in names {
                path.0.push(Step::Attribute(name.clone()));
                let old_member = old.get(name).unwrap_or(&null);
                compare(path, old_member, new.get(name).unwrap_or(&null), found);
                path.0.pop();
            }
        }
        (Kind::List(old), Kind::List(new)) if old.len() == new.len() => {
            for (index, (old_item, new_item)) in old.iter().zip(new).enumerate() {
                path.0.push(Step::Index(index));
                compare(path, old_item, new_item, found);
                path.0.pop();
            }
        }
        _ if same(before, after) => {}
        _ => found.push(Difference {
            path: path.clone(),
            before: before.clone(),
            after: after.clone(),
        }),
    }
}

/// Whether two values hold the same content, whatever their marks.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::List(x), Kind::List(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(p, q)| same(p, q))
        }
        (Kind::Map(x), Kind::Map(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|((k, p), (l, q))| k == l && same(p, q))
        }
        // Marks take part in the order of a set, so both sides are brought to one order first.
        (Kind::Set(_), Kind::Set(_)) => a.unmarked() == b.unmarked(),
        (x, y) => x == y,
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use super::Path;
    use super::Value;
    use super::differences;

    #[test]
    fn debug_never_shows_a_secret() {
        let value = Value::object([("a", Value::string("hunter2").into_sensitive())]);
        assert_eq!(format!("{value:?}"), "{\"a\": (sensitive)}");
    }

    #[test]
    fn sets_have_no_order_and_no_doubles() {
        let set =
            Value::set(vec![Value::number(2_i64), Value::number(1_i64), Value::number(2_i64)]);
        assert_eq!(set, Value::set(vec![Value::number(1_i64), Value::number(2_i64)]));
        let unknowns = Value::set(vec![Value::unknown(), Value::unknown()]);
        assert!(matches!(unknowns.kind(), Kind::Set(items) if items.len() == 2));
    }

    #[test]
    fn differences_are_deep_and_ignore_marks() {
        let before = Value::object([("a", Value::object([("b", Value::string("x"))]))]);
        let after = Value::object([("a", Value::object([("b", Value::string("y"))]))]);
        let found = differences(&before, &after);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.to_string(), "a.b");
        let marked = Value::object([("a", before.get("a").unwrap().clone().into_sensitive())]);
        assert!(differences(&before, &marked).is_empty());
        assert_eq!(Path::attribute("a").to_string(), "a");
    }
}
