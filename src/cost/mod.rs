//! Cost before spend: what a plan costs, as an interval with statuses.
//!
//! A price comes from what a type declares of itself, or from a mapping and a price book; whatever
//! has none stays open at the top. Everything here is pure: files are given as text and bytes, the
//! day is an argument, and nothing is fetched. INVARIANT (words do nothing).
//!
//! | module | what it is for |
//! |---|---|
//! | [`book`] | dated prices with provenance, in layers |
//! | [`mapping`] | how a type is priced, as data |
//! | [`expression`] | the language of mappings |
//! | [`import`] | from providers' lists to books |
//! | [`shipped`] | the mappings and the small book that come with gov |
//! | [`terraform_plan`] | the plan of another tool, priced |
//! | [`usage`] | what will be used, as somebody states it |
//! | [`estimate`](mod@estimate) | resources to parts and costs |
//!
//! Start with [`quote`].

pub mod book;
pub mod decimal;
pub mod estimate;
pub mod expression;
pub mod import;
pub mod mapping;
pub mod shipped;
pub mod terraform_plan;
pub mod usage;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::cost::estimate::Priced;
use crate::cost::estimate::Pricing;
use crate::cost::estimate::Region;
use crate::cost::estimate::Resource;
use crate::cost::estimate::World;
use crate::cost::estimate::settled;
use crate::model::address::Mode;
use crate::model::cost::Cost;
use crate::model::cost::Part;
use crate::model::cost::PriceStatus;
use crate::model::cost::PricedChange;
use crate::model::cost::Quote;
use crate::model::environment::PriceFact;
use crate::model::environment::UNKNOWN_TEXT;
use crate::model::lifetime::Duration;
use crate::model::money::MoneyError;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Plan;
use crate::model::sealed::SealedValue;

/// Prices a plan by what its types declare of themselves alone. `life` is how long the environment
/// has from now, or from its start.
///
/// # Errors
/// Where amounts are in different currencies or too large to add.
pub fn estimate(plan: &Plan, life: Duration) -> Result<Quote, MoneyError> {
    assemble(&plan.changes, life, &BTreeMap::new(), &BTreeMap::new())
}

/// Prices a plan by what its types declare, and what declares nothing by mappings and books.
///
/// # Errors
/// Where amounts are in different currencies or too large to add.
pub fn quote(plan: &Plan, life: Duration, pricing: &Pricing<'_>) -> Result<Quote, MoneyError> {
    quote_changes(&plan.changes, life, pricing)
}

/// Prices changes, of a plan or not yet of one.
///
/// # Errors
/// Where amounts are in different currencies or too large to add.
pub fn quote_changes(
    changes: &[Change],
    life: Duration,
    pricing: &Pricing<'_>,
) -> Result<Quote, MoneyError> {
    let managed = || changes.iter().filter(|c| c.address.resource.mode == Mode::Managed);
    let before = managed().filter(|change| change.prior.is_some());
    let before: Vec<Resource<'_>> = before.map(before_of).collect();
    let after = managed().filter(|change| exists_after(change));
    let after: Vec<Resource<'_>> = after.map(after_of).collect();
    let price = |resources| estimate::price_all(&World::new(resources, pricing.mappings), pricing);
    assemble(changes, life, &price(before)?, &price(after)?)
}

fn exists_after(change: &Change) -> bool {
    match change.action {
        Action::Delete => false,
        Action::NoOp => change.prior.is_some(),
        _ => true,
    }
}

fn before_of(change: &Change) -> Resource<'_> {
    let value = change.prior.as_ref().map_or(&SealedValue::Null, |object| &object.value);
    resource(change, value, None)
}

fn after_of(change: &Change) -> Resource<'_> {
    match (&change.planned, &change.prior) {
        // Kept as it is.
        (SealedValue::Null, Some(prior)) => resource(change, &prior.value, None),
        (planned, _) => resource(change, planned, Some(&change.config)),
    }
}

fn resource<'p>(
    change: &'p Change,
    value: &'p SealedValue,
    written: Option<&'p SealedValue>,
) -> Resource<'p> {
    let origins: BTreeSet<String> = change.dependencies.iter().map(ToString::to_string).collect();
    Resource {
        address: label(change),
        kind: change.address.resource.kind.clone(),
        values: settled(value, written),
        region: match change.facts.region.as_deref() {
            Some(region) if region != UNKNOWN_TEXT => Region::Known(region.to_owned()),
            _ => Region::Unknown,
        },
        made_from: [(String::new(), origins)].into(),
    }
}

/// The address; an object put aside is told apart from the one that took its place.
fn label(change: &Change) -> String {
    match &change.deposed {
        Some(by) => format!("{} (put aside by {by})", change.address),
        None => change.address.to_string(),
    }
}

fn assemble(
    planned: &[Change],
    life: Duration,
    prices_before: &BTreeMap<String, Priced>,
    prices_after: &BTreeMap<String, Priced>,
) -> Result<Quote, MoneyError> {
    let mut changes: BTreeMap<_, PricedChange> = BTreeMap::new();
    let mut before = Cost::nothing();
    let mut after = Cost::nothing();
    for change in planned.iter().filter(|c| c.address.resource.mode == Mode::Managed) {
        let priced = price(change, prices_before, prices_after);
        before = before.add(&priced.before)?;
        after = after.add(&priced.after)?;
        // An object put aside shares its address with the one that took its place.
        match changes.get_mut(&change.address) {
            Some(sum) => {
                sum.before = sum.before.add(&priced.before)?;
                sum.after = sum.after.add(&priced.after)?;
                sum.before_parts.extend(priced.before_parts);
                sum.after_parts.extend(priced.after_parts);
            }
            None => {
                changes.insert(change.address.clone(), priced);
            }
        }
    }
    let until_expiry = after.over(life)?;
    Ok(Quote { changes, before, after, until_expiry })
}

/// What a resource of this type costs in a month, by what its type says.
#[must_use]
pub fn of_fact(price: &PriceFact, kind: &str) -> PricedChange {
    let (cost, note) = match price {
        PriceFact::Free(reason) => (Cost::free(), reason.clone()),
        PriceFact::Declared(cost) => (cost.clone(), "declared by its provider".to_owned()),
        PriceFact::Unmapped => (
            Cost::unpriced(PriceStatus::TypeUnmapped),
            format!("nobody has said what {kind} costs"),
        ),
    };
    PricedChange {
        before: cost.clone(),
        after: cost,
        note,
        before_parts: Vec::new(),
        after_parts: Vec::new(),
    }
}

fn price(
    change: &Change,
    prices_before: &BTreeMap<String, Priced>,
    prices_after: &BTreeMap<String, Priced>,
) -> PricedChange {
    let unmapped = format!("nobody has said what {} costs", change.address.resource.kind);
    let declared = match &change.facts.price {
        PriceFact::Free(reason) => Some((Cost::free(), reason.clone())),
        PriceFact::Declared(cost) => Some((cost.clone(), "declared by its provider".to_owned())),
        PriceFact::Unmapped => None,
    };
    let of = |exists: bool, prices: &BTreeMap<String, Priced>| -> (Cost, Vec<Part>, String) {
        match (exists, &declared, prices.get(&label(change))) {
            (false, ..) => (Cost::nothing(), Vec::new(), String::new()),
            (true, Some((cost, note)), _) => (cost.clone(), Vec::new(), note.clone()),
            (true, None, Some(found)) => {
                (found.cost.clone(), found.parts.clone(), found.note.clone())
            }
            (true, None, None) => {
                (Cost::unpriced(PriceStatus::TypeUnmapped), Vec::new(), unmapped.clone())
            }
        }
    };
    let (before, before_parts, note_before) = of(change.prior.is_some(), prices_before);
    let (after, after_parts, note_after) = of(exists_after(change), prices_after);
    let note = if note_after.is_empty() { note_before } else { note_after };
    PricedChange { before, after, note, before_parts, after_parts }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::book::Books;
    use super::estimate::Mappings;
    use super::estimate::Pricing;
    use super::quote_changes;
    use super::shipped;
    use super::usage::tree;
    use crate::model::environment::Facts;
    use crate::model::environment::Object;
    use crate::model::environment::SealedPrivate;
    use crate::model::id::Marker;
    use crate::model::money::Currency;
    use crate::model::plan::Action;
    use crate::model::plan::Change;
    use crate::model::plan::Each;
    use crate::model::plan::Reason;
    use crate::model::sealed::SealedValue;

    fn change(address: &str, action: Action, size: i64) -> Change {
        let value = |size: i64| tree(&json!({ "size": size, "type": "gp3" }));
        let object = Object {
            value: value(10),
            private: SealedPrivate::default(),
            schema_version: 0,
            tainted: false,
        };
        let region = Some("eu-west-1".to_owned());
        Change {
            address: address.parse().unwrap(),
            provider: "aws".to_owned(),
            action,
            reason: Reason::Differs,
            prior: (action != Action::Create).then_some(object),
            recorded: None,
            config: value(size),
            planned: if action == Action::Delete { SealedValue::Null } else { value(size) },
            planned_private: SealedPrivate::default(),
            each: Each::Single,
            marker: Marker("m".to_owned()),
            dependencies: [].into(),
            facts: Facts { region, ..Facts::default() },
            prevent_destroy: false,
            create_before_destroy: false,
            ignored: std::collections::BTreeSet::new(),
            deposed: None,
        }
    }

    /// G4: a plan's changes are priced before and after, in parts, and until the life ends.
    #[test]
    fn g4_changes_are_quoted_before_and_after() {
        let mappings = shipped::mappings().unwrap();
        let books = Books::new(shipped::books().unwrap());
        let pricing = Pricing {
            mappings: Mappings(&mappings),
            books: &books,
            usage: &[],
            day: "2026-08-01".parse().unwrap(),
            stale_after_days: None,
            currency: Currency::USD,
        };
        let changes = [
            change("aws_ebs_volume.new", Action::Create, 100),
            change("aws_ebs_volume.more", Action::Update, 20),
            change("aws_ebs_volume.gone", Action::Delete, 0),
            change("aws_ebs_volume.same", Action::NoOp, 10),
        ];
        let quote = quote_changes(&changes, "73h".parse().unwrap(), &pricing).unwrap();
        let costs: BTreeMap<String, String> = quote
            .changes
            .iter()
            .map(|(address, one)| {
                let both = format!("{} to {}", one.before.summary(), one.after.summary());
                (address.resource.name.clone(), both)
            })
            .collect();
        assert_eq!(costs["new"], "0.00 USD to 8.80 USD");
        assert_eq!(costs["more"], "0.88 USD to 1.76 USD");
        assert_eq!(costs["gone"], "0.88 USD to 0.00 USD");
        assert_eq!(costs["same"], "0.88 USD to 0.88 USD");
        assert_eq!(quote.after.summary(), "11.44 USD");
        assert_eq!(quote.until_expiry.summary(), "1.14 USD");
        let (_, new) = quote.changes.last_key_value().unwrap();
        let part = new.after_parts.first().unwrap();
        assert_eq!(part.layer.as_deref(), Some("gov-aws"));
        let json = serde_json::to_string(&quote).unwrap();
        assert_eq!(serde_json::from_str::<super::Quote>(&json).unwrap(), quote);
    }
}
