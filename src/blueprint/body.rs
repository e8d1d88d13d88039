//! Evaluation of what is written: nodes and bodies to values, `count` and `for_each` to instances.
//!
//! Expressions themselves are evaluated by [`expr`](super::expr); this file puts their values
//! together and repeats blocks. Start with [`evaluate_body`] and [`repetition`].

use std::collections::BTreeMap;

use crate::blueprint::Body;
use crate::blueprint::Node;
use crate::blueprint::Repeated;
use crate::blueprint::ResourceBlock;
use crate::blueprint::Spanned;
use crate::blueprint::expr::Fuel;
use crate::blueprint::expr::Reference;
use crate::blueprint::expr::Scope;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::schema::Type;
use crate::model::schema::convert;
use crate::model::schema::nearest;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The most instances one block may have. An environment has fewer resources by its limits; this
/// bound keeps a typing error from being planned at all.
pub const INSTANCES_MAX: usize = 10_000;

/// What the repeated blocks of one body may come to, nested ones multiplied out: a unit for each
/// value in them, and one for each 16 bytes of text. Expressions pay for themselves, from their
/// fuel; this bounds the literals between them. Real bodies stay below a thousand.
pub const REPEATED_UNITS_MAX: usize = 1_000_000;

/// Bytes of literal text that cost as much as a value.
const UNIT_BYTES: usize = 16;

/// How many instances a block has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Repetition {
    /// One, without an index: neither `count` nor `for_each`.
    Single,
    /// So many, by `count`.
    Count(usize),
    /// One for each key, with its value, by `for_each`. Of a set, key and value are the same.
    Items(BTreeMap<String, Value>),
}

/// The value of one node.
///
/// # Errors
/// Everything that is wrong in it, each with its place.
pub fn evaluate(
    node: &Node,
    span: &Span,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Value, Diagnostics> {
    let scope = Frames { base: scope, frames: Vec::new() };
    Evaluation { scope, fuel, left: REPEATED_UNITS_MAX }.node(node, span)
}

/// The value of a body: a map of all its members.
///
/// # Errors
/// Everything that is wrong in any member, each with its place.
pub fn evaluate_body(
    body: &Body,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Value, Diagnostics> {
    let scope = Frames { base: scope, frames: Vec::new() };
    Evaluation { scope, fuel, left: REPEATED_UNITS_MAX }.map(&body.members)
}

/// How many instances a block has, by its `count` or `for_each`.
///
/// # Errors
/// [`Code::UnknownRepetition`] where that is known only after apply, [`Code::SensitiveRepetition`]
/// where addresses would tell a secret, [`Code::InvalidRepetition`] for what cannot be repeated
/// over, and what is wrong with the expression itself.
pub fn repetition(
    block: &ResourceBlock,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Repetition, Diagnostics> {
    match (&block.count, &block.for_each) {
        (None, None) => Ok(Repetition::Single),
        (Some(count), None) => {
            let value = evaluate(&count.value, &count.span, scope, fuel)?;
            Ok(Repetition::Count(counted(&value, &count.span)?))
        }
        (None, Some(for_each)) => {
            let value = evaluate(&for_each.value, &for_each.span, scope, fuel)?;
            keyed(&value, &for_each.span).map(Repetition::Items)
        }
        (Some(_), Some(for_each)) => {
            let detail = format!("`{}` has both `count` and `for_each`", block.name);
            Err(invalid(detail, &for_each.span, "keep one of them"))
        }
    }
}

fn invalid(detail: impl Into<String>, span: &Span, help: &str) -> Diagnostics {
    Diagnostic::error(Code::InvalidRepetition, detail).at(span.clone()).help(help).into()
}

fn unknown(what: &str, span: &Span) -> Diagnostics {
    let detail = format!("{what} known only after apply");
    let problem = Diagnostic::error(Code::UnknownRepetition, detail).at(span.clone());
    let help = "repeat over inputs, locals or `data`; of a map only the keys must be known";
    problem.help(help).into()
}

fn sensitive(what: &str, span: &Span) -> Diagnostics {
    let detail = format!("{what} sensitive, and would show in addresses and plans");
    let problem = Diagnostic::error(Code::SensitiveRepetition, detail).at(span.clone());
    problem.help("repeat over keys that are no secret, and look the secret up by key").into()
}

fn counted(value: &Value, span: &Span) -> Result<usize, Diagnostics> {
    const HELP: &str = "give a whole number, zero or above";
    if value.is_sensitive() {
        return Err(sensitive("`count` is", span));
    }
    if value.is_unknown() {
        return Err(unknown("`count` is", span));
    }
    // Text of digits counts as a number here, as it does for an attribute.
    let converted = convert(value, &Type::Number);
    let Some(number) = converted.as_ref().ok().and_then(Value::as_number) else {
        let detail = format!("`count` needs a number, has {}", value.kind_name());
        return Err(invalid(detail, span, HELP));
    };
    match number.as_usize() {
        Some(count) if count <= INSTANCES_MAX => Ok(count),
        Some(count) => Err(too_many("count", count, span)),
        None => Err(invalid(format!("`count` is {number}, which is no count"), span, HELP)),
    }
}

fn too_many(key: &str, count: usize, span: &Span) -> Diagnostics {
    let detail = format!("`{key}` makes {count} instances, and {INSTANCES_MAX} are allowed");
    invalid(detail, span, "spread them over several environments")
}

/// Keys and values of a resource's `for_each`: a map, or a set or list of different strings.
fn keyed(value: &Value, span: &Span) -> Result<BTreeMap<String, Value>, Diagnostics> {
    if value.is_sensitive() {
        return Err(sensitive("`for_each` is", span));
    }
    let items = match value.kind() {
        Kind::Unknown => return Err(unknown("`for_each` is", span)),
        Kind::Map(members) if members.len() > INSTANCES_MAX => {
            return Err(too_many("for_each", members.len(), span));
        }
        Kind::Map(members) => return Ok(members.clone()),
        Kind::List(items) | Kind::Set(items) => items,
        _ => {
            let detail = format!("`for_each` needs a map or strings, has {}", value.kind_name());
            return Err(invalid(detail, span, "give a map, or a list of different strings"));
        }
    };
    if items.len() > INSTANCES_MAX {
        return Err(too_many("for_each", items.len(), span));
    }
    let mut keys = BTreeMap::new();
    let mut problems = Diagnostics::new();
    for item in items {
        match item.as_str() {
            _ if item.is_sensitive() => {
                problems.extend(sensitive("an item of `for_each` is", span));
            }
            _ if item.is_unknown() => problems.extend(unknown("an item of `for_each` is", span)),
            Some(key) => {
                if keys.insert(key.to_owned(), item.clone()).is_some() {
                    let detail = format!("`for_each` has {key:?} twice");
                    problems.extend(invalid(detail, span, "each item is a key; remove one"));
                }
            }
            None => {
                let detail = format!("`for_each` needs strings, has {} in it", item.kind_name());
                let help = "give a map from a key of your choice to each of these";
                problems.extend(invalid(detail, span, help));
            }
        }
    }
    problems.into_result(keys).map(|(keys, _)| keys)
}

/// A scope with the items of the repeated blocks around, the innermost last.
struct Frames<'a> {
    base: &'a dyn Scope,
    frames: Vec<(String, Value)>,
}

impl Scope for Frames<'_> {
    fn value(&self, reference: &Reference) -> Option<Value> {
        let frames = self.frames.iter().rev();
        match reference {
            Reference::Iterator(name) => frames
                .clone()
                .find(|(iterator, _)| iterator == name)
                .map(|(_, item)| item.clone())
                .or_else(|| self.base.value(reference)),
            // `each` is the instance's; where the block is there once, the innermost item's.
            Reference::Each => {
                let innermost = || self.frames.last().map(|(_, item)| item.clone());
                self.base.value(reference).or_else(innermost)
            }
            _ => self.base.value(reference),
        }
    }

    fn nearest(&self, reference: &Reference) -> Option<String> {
        if let Reference::Iterator(name) = reference {
            let around = self.frames.iter().map(|(iterator, _)| iterator.as_str());
            if let Some(near) = nearest(name, around) {
                return Some(near.to_owned());
            }
        }
        self.base.nearest(reference)
    }
}

/// An evaluation under way.
struct Evaluation<'a> {
    scope: Frames<'a>,
    fuel: &'a mut Fuel,
    /// What repetition may still spend of [`REPEATED_UNITS_MAX`].
    left: usize,
}

impl Evaluation<'_> {
    fn node(&mut self, node: &Node, span: &Span) -> Result<Value, Diagnostics> {
        if !self.scope.frames.is_empty() {
            let bytes = match node {
                Node::Literal(value) => value.as_str().map_or(0, str::len),
                _ => 0,
            };
            self.left = self.left.saturating_sub(1 + bytes / UNIT_BYTES);
        }
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Template(template) => template.evaluate(&self.scope, self.fuel),
            Node::List(items) => self.list(items),
            Node::Map(members) => self.map(members),
            Node::Repeated(repeated) => {
                let mut values = Vec::new();
                let known = self.repeat(repeated, span, &mut values)?;
                Ok(if known { Value::list(values) } else { Value::unknown() })
            }
        }
    }

    fn map(&mut self, members: &BTreeMap<String, Spanned<Node>>) -> Result<Value, Diagnostics> {
        let mut problems = Diagnostics::new();
        let mut values = BTreeMap::new();
        for (name, member) in members {
            match self.node(&member.value, &member.span) {
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        problems.into_result(Value::map(values)).map(|(value, _)| value)
    }

    /// A list; the blocks that one in it stands for take its place. Where nobody knows how many
    /// they are, nobody knows the list.
    fn list(&mut self, items: &[Spanned<Node>]) -> Result<Value, Diagnostics> {
        let mut problems = Diagnostics::new();
        let mut values = Vec::new();
        let mut known = true;
        for item in items {
            let done = match &item.value {
                Node::Repeated(repeated) => {
                    self.repeat(repeated, &item.span, &mut values).map(|all| known &= all)
                }
                node => self.node(node, &item.span).map(|value| values.push(value)),
            };
            if let Err(wrong) = done {
                problems.extend(wrong);
            }
        }
        let value = if known { Value::list(values) } else { Value::unknown() };
        problems.into_result(value).map(|(value, _)| value)
    }

    /// Adds one value for each item; false where the items are unknown as a whole.
    fn repeat(
        &mut self,
        repeated: &Repeated,
        span: &Span,
        values: &mut Vec<Value>,
    ) -> Result<bool, Diagnostics> {
        let place = &repeated.for_each.span;
        let over = self.node(&repeated.for_each.value, place)?;
        if over.is_sensitive() {
            return Err(sensitive("the `for_each` of this block is", place));
        }
        if over.is_unknown() {
            return Ok(false);
        }
        let items = items_of(&over, place)?;
        let mut problems = Diagnostics::new();
        for (key, value) in items {
            if self.left == 0 {
                let detail = "the repeated blocks here come to more than gov evaluates";
                let problem = Diagnostic::error(Code::TooExpensive, detail).at(span.clone());
                problems.push(problem.help("repeat over fewer items, or write less in each"));
                break;
            }
            let item = Value::object([("key", key), ("value", value)]);
            self.scope.frames.push((repeated.iterator.clone(), item));
            match self.node(&repeated.content.value, &repeated.content.span) {
                Ok(value) => values.push(value),
                Err(wrong) => problems.extend(wrong),
            }
            self.scope.frames.pop();
        }
        problems.into_result(true).map(|(known, _)| known)
    }
}

/// Keys and values of what a block repeats over: positions of a list, keys of a map, and the items
/// of a set as both.
fn items_of(over: &Value, span: &Span) -> Result<Vec<(Value, Value)>, Diagnostics> {
    match over.kind() {
        Kind::List(items) => {
            let pair = |(index, item): (usize, &Value)| (Value::number(index), item.clone());
            Ok(items.iter().enumerate().map(pair).collect())
        }
        Kind::Map(members) => {
            let pair = |(key, value): (&String, &Value)| (Value::string(key), value.clone());
            Ok(members.iter().map(pair).collect())
        }
        // An unknown item may turn out to be one of the others, so the number is not known; a
        // sensitive one would show in the order.
        Kind::Set(items) => {
            if items.iter().any(Value::contains_sensitive) {
                return Err(sensitive("an item of this set is", span));
            }
            if !items.iter().all(Value::is_wholly_known) {
                return Err(unknown("an item of this set is", span));
            }
            Ok(items.iter().map(|item| (item.clone(), item.clone())).collect())
        }
        _ => {
            let detail = format!("a block cannot repeat over {}", over.kind_name());
            Err(invalid(detail, span, "give a list, a set or a map"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Repetition;
    use super::evaluate_body;
    use super::repetition;
    use crate::blueprint::ResourceBlock;
    use crate::blueprint::expr::Fuel;
    use crate::blueprint::expr::MapScope;
    use crate::blueprint::expr::Reference;
    use crate::blueprint::parse::parse;
    use crate::diagnostic::Code;
    use crate::diagnostic::Diagnostics;
    use crate::diagnostic::Source;
    use crate::model::number::Number;
    use crate::model::value::Value;

    const HEAD: &str = "[blueprint]\nname = \"t\"\nversion = \"1.0.0\"\ndescription = \"d\"\n";

    fn block(body: &str) -> ResourceBlock {
        let text = format!("{HEAD}[resource.sim_thing.a]\n{body}\n");
        let (blueprint, _) = parse(&Source::new("t", text)).unwrap();
        blueprint.resources.into_values().next().unwrap()
    }

    fn scope(x: Value) -> MapScope {
        MapScope(BTreeMap::from([(Reference::Local("x".into()), x)]))
    }

    fn body(text: &str, x: Value) -> Result<Value, Diagnostics> {
        evaluate_body(&block(text).body, &scope(x), &mut Fuel::default())
    }

    fn repeated(text: &str, x: Value) -> Result<Repetition, Vec<Code>> {
        repetition(&block(text), &scope(x), &mut Fuel::default())
            .map_err(|problems| problems.iter().map(|p| p.code).collect())
    }

    fn strings(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| Value::string(*text)).collect()
    }

    #[test]
    fn blocks_repeat_in_place_and_nest() {
        let text = r#"
            rule = [
              { port = 0 },
              { for_each = "${local.x}", port = "${rule.key}", to = [
                { for_each = "${rule.value}", iterator = "host", at = "${host.value}:${rule.key}" },
              ] },
            ]
        "#;
        let x = Value::object([("a", Value::list(strings(&["h", "i"])))]);
        let at = |text: &str| Value::object([("at", Value::string(text))]);
        let want = Value::list(vec![
            Value::object([("port", Value::number(0_i64))]),
            Value::object([
                ("port", Value::string("a")),
                ("to", Value::list(vec![at("h:a"), at("i:a")])),
            ]),
        ]);
        assert_eq!(body(text, x).unwrap().get("rule"), Some(&want));
    }

    #[test]
    fn a_single_block_repeats_into_a_list_and_takes_each_for_its_own() {
        let text = "port = { for_each = \"${local.x}\", from = \"${each.value}\" }";
        let x = Value::set(strings(&["b", "a"]));
        let from = |text: &str| Value::object([("from", Value::string(text))]);
        let want = Value::list(vec![from("a"), from("b")]);
        assert_eq!(body(text, x).unwrap().get("port"), Some(&want));
    }

    #[test]
    fn unknown_items_make_an_unknown_list_and_secret_ones_an_error() {
        let text = "port = [{ for_each = \"${local.x}\", from = \"${port.value}\" }]";
        let unknown = body(text, Value::unknown()).unwrap();
        assert!(unknown.get("port").unwrap().is_unknown());
        let inner = body(text, Value::list(vec![Value::unknown()])).unwrap();
        assert_eq!(inner.get("port").unwrap().as_items().unwrap().len(), 1);
        let code = |x: Value| body(text, x).unwrap_err().iter().next().unwrap().code;
        let secret = Value::list(strings(&["a"])).into_sensitive();
        assert_eq!(code(secret), Code::SensitiveRepetition);
        assert_eq!(code(Value::set(vec![Value::unknown()])), Code::UnknownRepetition);
        let hidden = Value::set(vec![Value::string("a").into_sensitive()]);
        assert_eq!(code(hidden), Code::SensitiveRepetition);
        assert_eq!(code(Value::null()), Code::InvalidRepetition);
    }

    #[test]
    fn all_errors_of_all_attributes_are_collected() {
        let text = "a = \"${local.y}\"\nb = [\"${local.z}\"]\nc = { d = \"${local.x.e}\" }";
        let problems = body(text, Value::object([("f", Value::null())])).unwrap_err();
        assert_eq!(problems.len(), 3);
    }

    #[test]
    fn what_blocks_multiply_to_is_bounded() {
        let text = "a = { for_each = \"${local.x}\", b = { for_each = \"${local.x}\", c = 1 } }";
        let x = Value::list(vec![Value::null(); 1_000]);
        let problems = body(text, x.clone()).unwrap_err();
        assert!(problems.iter().all(|p| p.code == Code::TooExpensive));
        let long =
            format!("a = {{ for_each = \"${{local.x}}\", b = \"{}\" }}", "x".repeat(100_000));
        let problems = body(&long, x).unwrap_err();
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn count_is_known_whole_and_bounded() {
        let count = |x: Value| repeated("count = \"${local.x}\"", x);
        assert_eq!(repeated("", Value::null()), Ok(Repetition::Single));
        assert_eq!(repeated("count = 2", Value::null()), Ok(Repetition::Count(2)));
        assert_eq!(count(Value::number(0_i64)), Ok(Repetition::Count(0)));
        assert_eq!(count(Value::string("3")), Ok(Repetition::Count(3)));
        assert_eq!(count(Value::unknown()), Err(vec![Code::UnknownRepetition]));
        let secret = Value::number(1_i64).into_sensitive();
        assert_eq!(count(secret), Err(vec![Code::SensitiveRepetition]));
        let half = Value::number(Number::parse("1.5").unwrap());
        for wrong in [
            half,
            Value::number(-1_i64),
            Value::number(10_001_i64),
            Value::bool(true),
            Value::null(),
        ] {
            assert_eq!(count(wrong), Err(vec![Code::InvalidRepetition]));
        }
    }

    #[test]
    fn for_each_has_known_keys_that_are_no_secret() {
        let each = |x: Value| repeated("for_each = \"${local.x}\"", x);
        let map = BTreeMap::from([("k".to_owned(), Value::unknown().into_sensitive())]);
        assert_eq!(each(Value::map(map.clone())), Ok(Repetition::Items(map)));
        let keys = BTreeMap::from([("a".to_owned(), Value::string("a"))]);
        assert_eq!(each(Value::set(strings(&["a"]))), Ok(Repetition::Items(keys.clone())));
        assert_eq!(repeated("for_each = [\"a\"]", Value::null()), Ok(Repetition::Items(keys)));
        assert_eq!(each(Value::unknown()), Err(vec![Code::UnknownRepetition]));
        let mixed = Value::list(vec![
            Value::unknown(),
            Value::string("a").into_sensitive(),
            Value::number(1_i64),
            Value::string("b"),
            Value::string("b"),
        ]);
        let want = vec![
            Code::UnknownRepetition,
            Code::SensitiveRepetition,
            Code::InvalidRepetition,
            Code::InvalidRepetition,
        ];
        assert_eq!(each(mixed), Err(want));
        let secret = Value::object([("k", Value::null())]).into_sensitive();
        assert_eq!(each(secret), Err(vec![Code::SensitiveRepetition]));
        assert_eq!(each(Value::string("a")), Err(vec![Code::InvalidRepetition]));
        assert_eq!(each(Value::null()), Err(vec![Code::InvalidRepetition]));
        let many = Value::list((0_i64..10_001).map(Value::number).collect());
        assert_eq!(each(many), Err(vec![Code::InvalidRepetition]));
    }
}
