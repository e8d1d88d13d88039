//! Properties of the evaluator over generated text, trees and values.

use std::collections::BTreeMap;

use proptest::prelude::Just;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::strategy::BoxedStrategy;

use crate::blueprint::expr::FUEL;
use crate::blueprint::expr::Fuel;
use crate::blueprint::expr::MapScope;
use crate::blueprint::expr::Reference;
use crate::blueprint::expr::functions::reference;
use crate::blueprint::expr::tests::parse;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostics;
use crate::model::value::Kind;
use crate::model::value::Value;
use crate::model::value::same;

/// Generated cases for each property: some seconds of work in all.
const CASES: u32 = 1_500;

/// Names of inputs that may be unknown; values of several kinds stand behind each.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Expressions without parts; `x` is bound around every generated expression.
const WORDS: [&str; 9] = ["null", "true", "false", "\"\"", "\"a\"", "[]", "{}", "x", "x"];

/// Pieces that the parser and the scan before it must survive in any order.
const TOKENS: [&str; 46] = [
    "${", "}", "%{", "if ", "for ", "endif", "endfor", "else", "in ", "~", "\"", "(", ")", "[",
    "]", "{", "=>", "=", ":", "...", ".", "*", "?", "<<A\n", "\nA\n", "\\", "$", "%", "input", "a",
    "é", "1", "1e9", "-", "!", "==", "&&", ",", " ", "\n", "#", "/*", "*/", "::", "<<-A\n", "x",
];

fn scope(values: &[Value]) -> MapScope {
    let pair =
        |(name, value): (&&str, &Value)| (Reference::Input((*name).to_owned()), value.clone());
    MapScope(NAMES.iter().zip(values).map(pair).collect::<BTreeMap<_, _>>())
}

fn run(text: &str, scope: &MapScope) -> Result<Value, Diagnostics> {
    parse(text)?.evaluate(scope, &mut Fuel::new(FUEL / 20))
}

fn leaf_value() -> BoxedStrategy<Value> {
    prop_oneof![
        (-3_i64..9).prop_map(Value::number),
        Just(Value::string("")),
        Just(Value::string("a")),
        Just(Value::string("k")),
        Just(Value::string("2")),
        any::<bool>().prop_map(Value::bool),
        Just(Value::null()),
    ]
    .boxed()
}

fn any_value() -> BoxedStrategy<Value> {
    leaf_value()
        .prop_recursive(3, 12, 3, |inner| {
            let items = proptest::collection::vec(inner.clone(), 0..3);
            let members = proptest::collection::btree_map("[ak]", inner, 0..3);
            prop_oneof![
                items.clone().prop_map(Value::list),
                items.prop_map(Value::set),
                members.prop_map(Value::map),
            ]
        })
        .boxed()
}

/// A value with some of its nodes made unknown, and some sensitive in the first alone or in both.
fn forget(value: &Value, chances: &mut impl Iterator<Item = u8>) -> (Value, Value) {
    let chance = chances.next().unwrap_or(255);
    let (partly, whole) = match value.kind() {
        _ if chance < 40 => (Value::unknown(), value.clone()),
        Kind::List(items) => {
            let (a, b) = items.iter().map(|item| forget(item, chances)).unzip();
            (Value::list(a), Value::list(b))
        }
        Kind::Set(items) => {
            let (a, b) = items.iter().map(|item| forget(item, chances)).unzip();
            (Value::set(a), Value::set(b))
        }
        Kind::Map(members) => {
            let mut a = BTreeMap::new();
            let mut b = BTreeMap::new();
            for (key, member) in members {
                let (x, y) = forget(member, chances);
                a.insert(key.clone(), x);
                b.insert(key.clone(), y);
            }
            (Value::map(a), Value::map(b))
        }
        _ => (value.clone(), value.clone()),
    };
    let sensitive = chance % 8 == 1;
    (partly.with_sensitive(sensitive), whole.with_sensitive(sensitive))
}

/// Text of expressions, well formed more often than not.
fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(&NAMES[..]).prop_map(|name| format!("input.{name}")),
        1 => (-2_i64..9).prop_map(|number| number.to_string()),
        1 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
    ];
    let names: Vec<&'static str> = reference().map(|doc| doc.name).collect();
    leaf.prop_recursive(4, 24, 3, move |e| {
        let operators = &["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||"][..];
        let two = (e.clone(), e.clone());
        let three = (e.clone(), e.clone(), e.clone());
        let call =
            (proptest::sample::select(names.clone()), proptest::collection::vec(e.clone(), 0..4));
        prop_oneof![
            3 => (two.clone(), proptest::sample::select(operators))
                .prop_map(|((a, b), operator)| format!("({a} {operator} {b})")),
            2 => three.clone().prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            6 => call.prop_map(|(name, list)| format!("{name}({})", list.join(", "))),
            1 => e.clone().prop_map(|a| format!("!{a}")),
            2 => two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => two.clone().prop_map(|(a, b)| format!("{{a = {a}, k = {b}}}")),
            1 => two.clone().prop_map(|(a, b)| format!("{{({a}) = {b}}}")),
            2 => two.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            1 => e.clone().prop_map(|a| format!("{a}.a")),
            1 => e.clone().prop_map(|a| format!("{a}[*]")),
            1 => e.clone().prop_map(|a| format!("{a}[*].k[0]")),
            2 => two.clone().prop_map(|(a, b)| format!("[for x in {a} : {b}]")),
            2 => three.clone().prop_map(|(a, b, c)| format!("[for k, x in {a} : {b} if {c}]")),
            1 => three.clone().prop_map(|(a, b, c)| format!("{{for x in {a} : {b} => {c}}}")),
            1 => three.clone().prop_map(|(a, b, c)| format!("{{for x in {a} : {b} => {c}...}}")),
            1 => two.clone().prop_map(|(a, b)| format!("\"a${{{a}}}%{{if {b}}}b%{{endif}}\"")),
            1 => two.prop_map(|(a, b)| format!("\"%{{for x in {a}}}${{{b}}}%{{endfor}}\"")),
            1 => three.prop_map(|(a, b, c)| format!("try({a}, can({b}), {c})")),
        ]
    })
    .boxed()
}

/// Whether the second value is what the first may turn out to be. Where the first is sensitive
/// the second may be either; where the first is known its parts must be the same.
fn refines(before: &Value, after: &Value) -> bool {
    match (before.kind(), after.kind()) {
        (Kind::Unknown, _) => true,
        (Kind::List(x), Kind::List(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(p, q)| refines(p, q))
        }
        (Kind::Map(x), Kind::Map(y)) => {
            x.keys().eq(y.keys()) && x.values().zip(y.values()).all(|(p, q)| refines(p, q))
        }
        (Kind::Set(_), Kind::Set(_)) if !before.is_wholly_known() => true,
        _ => same(before, after),
    }
}

/// Whether whatever is sensitive in the second value lies at or inside something sensitive in the
/// first: knowing more never uncovers a secret that was not announced.
fn covers(before: &Value, after: &Value) -> bool {
    if before.is_sensitive() {
        return true;
    }
    if after.is_sensitive() {
        return false;
    }
    match (before.kind(), after.kind()) {
        (Kind::List(x), Kind::List(y)) => x.iter().zip(y).all(|(p, q)| covers(p, q)),
        (Kind::Map(x), Kind::Map(y)) => x.values().zip(y.values()).all(|(p, q)| covers(p, q)),
        (Kind::Set(_), Kind::Set(_)) => true,
        // What an unknown input turns out to hold inside is its own matter.
        _ => true,
    }
}

fn is_too_expensive(problems: &Diagnostics) -> bool {
    problems.iter().any(|problem| problem.code == Code::TooExpensive)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,60}") {
        let _ = run(&text, &scope(&[]));
        let _ = run(&format!("${{{text}}}"), &scope(&[]));
    }

    #[test]
    fn arbitrary_tokens_never_panic(
        tokens in proptest::collection::vec(proptest::sample::select(&TOKENS[..]), 0..24),
    ) {
        let _ = run(&tokens.concat(), &scope(&[]));
        let _ = run(&format!("${{{}}}", tokens.concat()), &scope(&[]));
    }

    /// The soundness that planning rests on: what is known while something is unknown stays true,
    /// what fails goes on to fail, and what will be sensitive is already.
    #[test]
    fn knowing_more_never_contradicts(
        text in expression(),
        values in proptest::collection::vec(any_value(), NAMES.len()),
        chances in proptest::collection::vec(any::<u8>(), 40),
    ) {
        let mut chances = chances.into_iter();
        let (partly, whole): (Vec<Value>, Vec<Value>) =
            values.iter().map(|value| forget(value, &mut chances)).unzip();
        let text = format!("${{[for x in [input.a] : {text}][0]}}");
        let before = run(&text, &scope(&partly));
        let after = run(&text, &scope(&whole));
        match (before, after) {
            (Ok(before), Ok(after)) => {
                let story = format!("{text}\n{partly:?}\n{whole:?}\n{before:?}\n{after:?}");
                prop_assert!(refines(&before, &after), "{story}");
                let plain = partly.iter().chain(&whole).all(|value| !hides(value));
                prop_assert!(!plain || covers(&before, &after), "{story}");
            }
            (Err(before), Ok(after)) => {
                let story = format!("{text}\n{partly:?}\n{whole:?}\n{before:?}\n{after:?}");
                prop_assert!(is_too_expensive(&before), "{story}");
            }
            _ => {}
        }
    }

    #[test]
    fn the_same_evaluation_costs_the_same(
        text in expression(),
        values in proptest::collection::vec(any_value(), NAMES.len()),
    ) {
        let text = format!("${{{text}}}");
        let Ok(template) = parse(&text) else { return Ok(()) };
        let cost = || {
            let mut fuel = Fuel::default();
            let outcome = template.evaluate(&scope(&values), &mut fuel);
            (fuel.left(), outcome)
        };
        prop_assert!(cost() == cost());
    }
}

/// Whether an unknown stands where the known value has marks inside, which nobody could announce.
fn hides(value: &Value) -> bool {
    value.children().any(Value::contains_sensitive)
}
