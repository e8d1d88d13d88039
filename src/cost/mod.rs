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
    assemble(plan, life, &BTreeMap::new(), &BTreeMap::new())
}

/// Prices a plan by what its types declare, and what declares nothing by mappings and books.
///
/// # Errors
/// Where amounts are in different currencies or too large to add.
pub fn quote(plan: &Plan, life: Duration, pricing: &Pricing<'_>) -> Result<Quote, MoneyError> {
    let managed =
        || plan.changes.iter().filter(|change| change.address.resource.mode == Mode::Managed);
    let before = managed().filter(|change| change.prior.is_some());
    let before: Vec<Resource<'_>> = before.map(before_of).collect();
    let after = managed().filter(|change| exists_after(change));
    let after: Vec<Resource<'_>> = after.map(after_of).collect();
    let price = |resources| estimate::price_all(&World::new(resources, pricing.mappings), pricing);
    assemble(plan, life, &price(before)?, &price(after)?)
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
    plan: &Plan,
    life: Duration,
    prices_before: &BTreeMap<String, Priced>,
    prices_after: &BTreeMap<String, Priced>,
) -> Result<Quote, MoneyError> {
    let mut changes: BTreeMap<_, PricedChange> = BTreeMap::new();
    let mut before = Cost::nothing();
    let mut after = Cost::nothing();
    for change in plan.changes.iter().filter(|c| c.address.resource.mode == Mode::Managed) {
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
