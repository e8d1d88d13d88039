//! Costs of small made-up types, and the properties that hold for any of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use serde_json::json;

use super::Mappings;
use super::Priced;
use super::Pricing;
use super::Region;
use super::Resource;
use super::World;
use super::price_all;
use super::settled;
use crate::cost::book::Book;
use crate::cost::book::Books;
use crate::cost::book::COLUMNS;
use crate::cost::mapping::Mapping;
use crate::cost::usage::Stated;
use crate::cost::usage::Usage;
use crate::cost::usage::tree;
use crate::diagnostic::Source;
use crate::model::cost::Cost;
use crate::model::cost::PriceStatus;
use crate::model::money::Currency;
use crate::model::sealed::SealedValue;

const MAPPING: &str = r#"
provider = "t"

[free]
role = "no charge"

[[resource]]
type = "machine"
service = "S"
free_when = "off"
free_reason = "it is off"
ref.image = { attribute = "image_id", types = ["image"] }
component = [
  { id = "run", family = "run", key = { size = "{size}" }, unit = "hour", quantity = "hours" },
  { id = "disk", each = "disk", when = "each.gb", key = { usagetype = "disk" }, unit = "GB", quantity = "each.gb" },
  { id = "copy", when = "image_id", key = { usagetype = "disk" }, unit = "GB", quantity = "image.gb ?? assumed(8)" },
]

[[resource]]
type = "image"
template = "an image is free"

[[resource]]
type = "group"
service = "S"
scale = ["max"]
ref.machine = { attribute = "machine", types = ["machine"] }
include = [{ of = "machine", times = "wanted ?? min", least = "min", most = "max" }]

[[resource]]
type = "store"
service = "S"
component = [
  { id = "store", key = { usagetype = "{class}" }, unit = "GB", quantity = "usage.gb" },
  { id = "base", when = "size", key = { usagetype = "disk" }, unit = "GB", quantity = "usage.size ?? size" },
]
"#;

const PRICES: &str = "\
t/S/here/run?size=small,hour,,,,0.1,USD,,,,s
t/S/here/run?size=big,hour,,,,0.3,USD,,,,s
t/S/here/run?size=euro,hour,,,,0.3,EUR,,,,s
t/S/here/run?size=old,hour,,,,0.3,USD,,,,old
t/S/here/run?size=minutes,minute,,,,0.3,USD,,,,s
t/S/here/usage?usagetype=disk,GB,,,,0.05,USD,,,,s
t/S/here/usage?usagetype=own,GB,,,,3,USD,,,,s
t/S/here/usage?usagetype=own,GB,,10,,2,USD,,,,s
t/S/here/usage?usagetype=shared,GB,,,account,3,USD,,,,s
t/S/here/usage?usagetype=shared,GB,,10,account,2,USD,,,,s
t/S/here/usage?usagetype=first,GB,,,account,0,USD,,,free,s
t/S/here/usage?usagetype=first,GB,,10,account,2,USD,,,,s
";

struct Fixture {
    mapping: Vec<Mapping>,
    books: Books,
    usage: Vec<Usage>,
}

fn fixture() -> Fixture {
    let mapping = Mapping::parse(&Source::new("cost.toml", MAPPING)).unwrap();
    let source = |as_of: &str| format!("origin = \"o\"\nas_of = \"{as_of}\"\nlicence = \"l\"\n");
    let provenance = format!(
        "id = \"b\"\nprovider = \"t\"\ndescription = \"d\"\n[source.s]\n{}[source.old]\n{}",
        source("2026-07-01"),
        source("2023-01-01")
    );
    let mut rows: Vec<&str> = PRICES.lines().collect();
    rows.reverse();
    let table = format!("{}\n{}", COLUMNS.join(","), rows.join("\n"));
    let book = Book::read(&provenance, table.as_bytes());
    let zero = "t/S/here/usage?usagetype=first,GB,,,account,0,USD,,,free,s";
    let book = book.unwrap_or_else(|error| panic!("{error} {zero}"));
    Fixture { mapping: vec![mapping], books: Books::new(vec![Arc::new(book)]), usage: vec![] }
}

impl Fixture {
    fn pricing(&self) -> Pricing<'_> {
        Pricing {
            mappings: Mappings(&self.mapping),
            books: &self.books,
            usage: &self.usage,
            day: "2026-08-01".parse().unwrap(),
            stale_after_days: Some(365),
            currency: Currency::USD,
        }
    }

    fn price(&self, resources: Vec<Resource<'_>>) -> BTreeMap<String, Priced> {
        let pricing = self.pricing();
        price_all(&World::new(resources, pricing.mappings), &pricing).unwrap()
    }

    fn one(&self, resource: Resource<'_>) -> Priced {
        self.price(vec![resource]).into_values().next().unwrap()
    }

    /// `usage.gb` of a store, low, expected and high.
    fn uses(mut self, gb: [i64; 3], is_claim: bool) -> Self {
        let [low, expected, high] = gb.map(|gb| tree(&json!({ "gb": gb, "size": gb })));
        let bounds = (gb[0] != gb[2]).then(|| Box::new((low, high)));
        let kinds = [("store".to_owned(), Stated { expected, bounds })].into();
        self.usage.push(Usage { kinds, is_claim, ..Usage::default() });
        self
    }
}

fn resource(address: &str, values: Json) -> Resource<'static> {
    let values = unknowns(&tree(&values));
    Resource {
        address: address.to_owned(),
        kind: address.split('.').next().unwrap().to_owned(),
        values: Cow::Owned(values),
        region: Region::Known("here".to_owned()),
        made_from: BTreeMap::new(),
    }
}

/// `"?"` stands for what is known only after apply.
fn unknowns(value: &SealedValue) -> SealedValue {
    match value {
        SealedValue::String(text) if text == "?" => SealedValue::Unknown,
        SealedValue::Map(members) => {
            SealedValue::Map(members.iter().map(|(k, v)| (k.clone(), unknowns(v))).collect())
        }
        SealedValue::List(items) => SealedValue::List(items.iter().map(unknowns).collect()),
        other => other.clone(),
    }
}

fn summary(priced: &Priced) -> String {
    let parts: Vec<String> = priced
        .parts
        .iter()
        .map(|part| format!("{} {} {}", part.id, part.status.name(), part.monthly.summary()))
        .collect();
    format!("{} [{}]", priced.cost.summary(), parts.join(", "))
}

#[test]
fn fixed_parts_blocks_and_references_are_priced() {
    let image = resource("image.i", json!({ "id": "i-1", "gb": 20 }));
    let machine = resource(
        "machine.a",
        json!({ "size": "small", "disk": [{ "gb": 10 }, { "gb": "30" }], "image_id": "i-1" }),
    );
    let priced = fixture().price(vec![machine, image]);
    assert_eq!(
        summary(&priced["machine.a"]),
        "76.00 USD [run priced 73.00 USD, disk priced 0.50 USD, disk priced 1.50 USD, \
         copy priced 1.00 USD]"
    );
    assert_eq!(priced["image.i"].note, "an image is free");
    let off = fixture().one(resource("machine.a", json!({ "off": true, "size": "small" })));
    assert_eq!((off.cost, off.note.as_str()), (Cost::free(), "it is off"));
}

/// K12, G4: every way of having no price has its own status and an open end.
#[test]
fn g4_what_cannot_be_priced_is_named_and_never_zero() {
    for (address, values, status) in [
        ("machine.a", json!({ "size": "other" }), PriceStatus::PriceMissing),
        ("machine.a", json!({ "size": "?" }), PriceStatus::AttributeUnknown),
        ("machine.a", json!({}), PriceStatus::AttributeUnknown),
        ("machine.a", json!({ "size": "small", "disk": "?" }), PriceStatus::AttributeUnknown),
        ("machine.a", json!({ "size": "small", "off": "?" }), PriceStatus::AttributeUnknown),
        ("machine.a", json!({ "size": "euro" }), PriceStatus::CurrencyUnconvertible),
        ("machine.a", json!({ "size": "old" }), PriceStatus::PriceStale),
        ("machine.a", json!({ "size": "minutes" }), PriceStatus::PriceAmbiguous),
        ("store.a", json!({ "class": "own" }), PriceStatus::UsageUnset),
        ("nothing.a", json!({}), PriceStatus::TypeUnmapped),
    ] {
        let priced = fixture().one(resource(address, values.clone()));
        assert!(priced.cost.upper.is_none(), "{values}");
        assert!(priced.cost.parts.contains_key(&status), "{values}: {:?}", priced.cost.parts);
        assert!(!priced.note.is_empty());
    }
    let lost = Resource { region: Region::Unknown, ..resource("machine.a", json!({"size":"big"})) };
    assert!(fixture().one(lost).cost.upper.is_none());
}

#[test]
fn what_scales_counts_at_its_most_and_is_open_without_one() {
    let machine = resource("machine.m", json!({ "id": "m", "size": "small", "off": true }));
    let group = |values: Json| resource("group.g", values);
    let price =
        |values: Json| summary(&fixture().price(vec![machine.clone(), group(values)])["group.g"]);
    assert_eq!(
        price(json!({ "machine": "m", "min": 1, "max": 4, "wanted": 2 })),
        "73.00 USD to 292.00 USD [run range 73.00 USD to 292.00 USD]"
    );
    assert_eq!(
        price(json!({ "machine": "m", "min": 2 })),
        "at least 146.00 USD [run range at least 146.00 USD]"
    );
    assert_eq!(
        price(json!({ "machine": "elsewhere", "min": 2, "max": 2 })),
        "unpriced [machine attribute_unknown unpriced]"
    );
}

#[test]
fn tiers_count_what_their_scope_says() {
    let stores = |class: &str| {
        ["store.a", "store.b"].map(|a| resource(a, json!({ "class": class }))).to_vec()
    };
    let price = |class: &str, gb: [i64; 3]| {
        let priced = fixture().uses(gb, false).price(stores(class));
        let of = |address: &str| priced[address].cost.summary();
        format!("{} + {}", of("store.a"), of("store.b"))
    };
    assert_eq!(price("own", [12, 12, 12]), "34.00 USD + 34.00 USD");
    // Together 24: ten at 3 and fourteen at 2, of which the account may have used the dear ones.
    assert_eq!(price("shared", [12, 12, 12]), "24.00 USD to 34.00 USD + 24.00 USD");
    // The free ones may be gone.
    assert_eq!(price("first", [12, 12, 12]), "4.00 USD to 24.00 USD + 24.00 USD");
    assert_eq!(price("own", [5, 12, 20]), "15.00 USD to 50.00 USD + 15.00 USD to 50.00 USD");
}

/// A claim outside the trust root raises what is assumed, and what rests on it alone stays open.
#[test]
fn a_claim_never_lowers_a_cost() {
    let store = || resource("store.a", json!({ "class": "own", "size": 100 }));
    let claimed = |gb: i64| summary(&fixture().uses([gb; 3], true).one(store()));
    assert_eq!(
        claimed(4),
        "at least 17.00 USD [store usage_unset at least 12.00 USD, base priced 5.00 USD]"
    );
    assert!(claimed(200).ends_with("base priced 10.00 USD]"));
    let stated = summary(&fixture().uses([4; 3], false).one(store()));
    assert_eq!(stated, "12.20 USD [store priced 12.00 USD, base priced 0.20 USD]");
}

#[test]
fn what_is_left_to_the_provider_is_not_set_and_what_is_written_waits() {
    let values = unknowns(&tree(&json!({ "a": "?", "b": [{ "c": "?", "d": 1 }], "e": "?" })));
    let written = unknowns(&tree(&json!({ "b": [{ "d": 1 }], "e": "?" })));
    let want = unknowns(&tree(&json!({ "a": null, "b": [{ "c": null, "d": 1 }], "e": "?" })));
    assert_eq!(*settled(&values, Some(&written)), want);
    assert_eq!(*settled(&values, None), values);
}

fn machines() -> impl Strategy<Value = Vec<Resource<'static>>> {
    let size = proptest::sample::select(vec!["small", "big", "other", "?"]);
    let class = proptest::sample::select(vec!["own", "shared", "first"]);
    let one = (size, class, any::<bool>(), 0_u32..2_000);
    proptest::collection::vec(one, 0..12).prop_map(|all| {
        let named = all.into_iter().enumerate().map(|(n, (size, class, is_store, gb))| {
            if is_store {
                return resource(&format!("store.s{n:02}"), json!({ "class": class }));
            }
            let disk = json!([{ "gb": f64::from(gb) / 8.0 }]);
            resource(&format!("machine.m{n:02}"), json!({ "size": size, "disk": disk }))
        });
        named.collect()
    })
}

fn total(priced: &BTreeMap<String, Priced>) -> Cost {
    priced.values().fold(Cost::nothing(), |sum, one| sum.add(&one.cost).unwrap())
}

fn amount(money: Option<crate::model::money::Money>) -> Option<Decimal> {
    money.map(|money| money.amount())
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Exact, ordered and order-free: the sum of the parts is the cost, the lower end is never
    /// above the upper, and the order in which resources are given changes nothing.
    #[test]
    fn k12_costs_are_exact_and_free_of_order(all in machines(), gb in 0_i64..40, more in 0_i64..9) {
        let fixture = fixture().uses([gb, gb + more, gb + 3 * more], false);
        let priced = fixture.price(all.clone());
        for one in priced.values() {
            let base = if one.parts.is_empty() { one.cost.clone() } else { Cost::nothing() };
            let sum = one.parts.iter().fold(base, |sum, part| sum.add(&part.monthly).unwrap());
            prop_assert_eq!(&sum, &one.cost);
            if let Some(upper) = amount(one.cost.upper) {
                prop_assert!(one.cost.lower.amount() <= upper);
            }
        }
        let mut turned = all;
        turned.reverse();
        prop_assert_eq!(fixture.price(turned), priced);
    }

    /// Monotone: with one resource more, nothing gets cheaper.
    #[test]
    fn k12_more_never_costs_less(all in machines(), gb in 0_i64..40) {
        let fixture = fixture().uses([gb; 3], false);
        let mut before = total(&fixture.price(Vec::new()));
        for count in 1..=all.len() {
            let after = total(&fixture.price(all[..count].to_vec()));
            prop_assert!(before.lower.amount() <= after.lower.amount());
            match (amount(before.upper), amount(after.upper)) {
                (Some(a), Some(b)) => prop_assert!(a <= b),
                (None, Some(_)) => prop_assert!(false, "an open end closed"),
                _ => {}
            }
            before = after;
        }
    }

    /// Additive: what shares no tier costs together what it costs apart.
    #[test]
    fn k12_what_shares_no_tier_adds_up(all in machines()) {
        let fixture = fixture();
        let alone = all.iter().filter(|resource| resource.kind == "machine");
        let sum = alone.clone().fold(Cost::nothing(), |sum, one| {
            sum.add(&fixture.one(one.clone()).cost).unwrap()
        });
        prop_assert_eq!(total(&fixture.price(alone.cloned().collect())), sum);
    }
}
