//! What expressions answer, what they refuse, and what they report on the way.

use std::cell::RefCell;

use rust_decimal::Decimal;

use super::Answer;
use super::Expression;
use super::Scope;
use super::Template;
use crate::model::sealed::SealedValue;

struct Fixture {
    attributes: SealedValue,
    claims: bool,
    assumed: RefCell<Vec<String>>,
}

impl<'a> Scope<'a> for &'a Fixture {
    fn name(&self, name: &str) -> Answer<'a> {
        self.attributes.get(name).map_or(Answer::Null, |value| Answer::of(value, name))
    }

    fn usage(&self, path: &[String]) -> Answer<'a> {
        match path.join(".").as_str() {
            "requests" => Answer::Number(Decimal::from(10)),
            other => Answer::Unset(other.to_owned().into()),
        }
    }

    fn member(&self, _: usize, _: &str) -> Answer<'a> {
        Answer::Null
    }

    fn lookup(&self, table: &str, row: &str) -> Option<Answer<'a>> {
        (table == "t" && row == "a").then(|| Answer::text("found"))
    }

    fn assume(&self, value: &Answer<'a>) {
        self.assumed.borrow_mut().push(value.to_string());
    }

    fn is_claim(&self, _: &[String]) -> bool {
        self.claims
    }

    fn rest_on_claim(&self, path: &[String]) {
        self.assumed.borrow_mut().push(format!("claim {}", path.join(".")));
    }
}

fn fixture() -> Fixture {
    let text = r#"{"map":{
        "size": {"number":"8"}, "type": {"string":"db.r5.large"}, "later": "unknown",
        "block": {"list":[{"map":{"gb":{"number":"2"}}},{"map":{"gb":{"string":"3"}}}]},
        "names": {"list":[{"string":"a"},{"string":"b"}]}, "on": {"bool":true}
    }}"#;
    let attributes = serde_json::from_str(text).unwrap();
    Fixture { attributes, claims: false, assumed: RefCell::default() }
}

fn answer(text: &str) -> String {
    let fixture = fixture();
    let expression = Expression::parse(text).unwrap();
    match expression.evaluate(&&fixture) {
        Answer::Unknown(why) => format!("unknown: {why}"),
        Answer::Unset(key) => format!("unset: {key}"),
        Answer::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn expressions_have_their_answers() {
    for (text, want) in [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3 - -1", "10"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("10 / 4", "2.5"),
        ("hours * 2", "1460"),
        ("hours * missing ?? 2", "1460"),
        ("size >= 8 && type != 'x' ? 'big' : 'small'", "big"),
        ("missing", "null"),
        ("missing == null", "true"),
        ("missing == 'a' || on", "true"),
        ("block.gb + block[1].gb", "5"),
        ("block[2].gb", "null"),
        ("sum(block, 'gb')", "5"),
        ("where(block, 'gb', 3).gb", "3"),
        ("length(names) + length(missing)", "2"),
        ("contains(names, 'b') && !contains(names, 'c')", "true"),
        ("split(type, '.', 1)", "r5"),
        ("upper(replace(type, 'db.', ''))", "R5.LARGE"),
        ("max(1, missing, size)", "8"),
        ("ceil(65 / 64)", "2"),
        ("lookup('t', 'a') == 'found'", "true"),
        ("lookup('t', 'b', 'other')", "other"),
        ("lookup('t', 'b')", "unknown: `b` is not in the table t"),
        ("usage.requests * 2", "20"),
        ("usage.gb * 2", "unset: gb"),
        ("usage.a.b ?? 3", "3"),
        ("1 / 0", "unknown: a division has no answer"),
        ("type * 2", "unknown: `db.r5.large` is not a number"),
        ("missing * 2", "unknown: a value that is needed is not set"),
    ] {
        assert_eq!(answer(text), want, "{text}");
    }
}

/// G4: what is known only after apply never becomes a number or a choice.
#[test]
fn g4_unknown_wins_over_every_operation() {
    for text in [
        "later",
        "later * 0",
        "later ?? 1",
        "later == 'a'",
        "later ? 1 : 2",
        "min(1, later)",
        "on && later",
        "lower(later)",
        "!later",
        "-later",
    ] {
        assert_eq!(answer(text), "unknown: later is known only after apply", "{text}");
    }
    assert_eq!(answer("later && false"), "false");
    assert_eq!(answer("on || later"), "true");
}

#[test]
fn a_claim_raises_an_assumption_and_never_lowers_it() {
    let claimed = Fixture { claims: true, ..fixture() };
    let answer = |text: &str| {
        Expression::parse(text).unwrap().evaluate(&&claimed).as_number().unwrap().to_string()
    };
    assert_eq!(answer("usage.requests ?? 25"), "25");
    assert_eq!(answer("usage.requests ?? 5"), "10");
    assert!(claimed.assumed.borrow().is_empty());
    assert_eq!(answer("usage.requests * 2"), "20");
    assert_eq!(*claimed.assumed.borrow(), ["claim requests"]);
}

#[test]
fn assumptions_are_reported_and_templates_filled() {
    let fixture = fixture();
    let expression = Expression::parse("missing ?? assumed('gp2')").unwrap();
    assert_eq!(expression.evaluate(&&fixture), Answer::text("gp2"));
    assert_eq!(*fixture.assumed.borrow(), ["gp2"]);
    let template = Template::parse("Storage ({size} GB, {missing ?? 'gp2'}), {later}").unwrap();
    assert_eq!(template.evaluate(&&fixture), "Storage (8 GB, gp2), ?");
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    for (text, at) in [
        ("", 0),
        ("1 +", 3),
        ("(1", 2),
        ("'a", 0),
        ("1 2", 2),
        ("nothing(1)", 0),
        ("min()", 0),
        ("a.", 2),
        ("a ? b", 5),
        ("1.2.3", 0),
        ("é", 0),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(60), ")".repeat(60));
    assert!(Expression::parse(&deep).is_err());
    assert!(Expression::parse(&"!".repeat(1_000)).is_err());
    assert!(Template::parse("a {b").is_err());
}
