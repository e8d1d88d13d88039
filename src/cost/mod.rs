//! Cost before spend: what a plan costs, as an interval with statuses.
//!
//! A price comes from what a type declares of itself; whatever has none stays open at the top.

pub mod book;
pub mod decimal;
pub mod expression;
pub mod mapping;

use std::collections::BTreeMap;

use crate::model::address::Mode;
use crate::model::cost::Cost;
use crate::model::cost::PriceStatus;
use crate::model::cost::PricedChange;
use crate::model::cost::Quote;
use crate::model::environment::PriceFact;
use crate::model::lifetime::Duration;
use crate::model::money::MoneyError;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Plan;

/// Prices a plan. `life` is how long the environment has from now, or from its start.
///
/// # Errors
/// Where amounts are in different currencies or too large to add.
pub fn estimate(plan: &Plan, life: Duration) -> Result<Quote, MoneyError> {
    let mut changes: BTreeMap<_, PricedChange> = BTreeMap::new();
    let mut before = Cost::nothing();
    let mut after = Cost::nothing();
    for change in plan.changes.iter().filter(|c| c.address.resource.mode == Mode::Managed) {
        let priced = price(change);
        before = before.add(&priced.before)?;
        after = after.add(&priced.after)?;
        // An object put aside shares its address with the one that took its place.
        match changes.get_mut(&change.address) {
            Some(sum) => {
                sum.before = sum.before.add(&priced.before)?;
                sum.after = sum.after.add(&priced.after)?;
            }
            None => {
                changes.insert(change.address.clone(), priced);
            }
        }
    }
    let until_expiry = after.over(life)?;
    Ok(Quote { changes, before, after, until_expiry })
}

fn price(change: &Change) -> PricedChange {
    let (cost, note) = match &change.facts.price {
        PriceFact::Free(reason) => (Cost::free(), reason.clone()),
        PriceFact::Declared(cost) => (cost.clone(), "declared by its provider".to_owned()),
        PriceFact::Unmapped => (
            Cost::unpriced(PriceStatus::TypeUnmapped),
            format!("nobody has said what {} costs", change.address.resource.kind),
        ),
    };
    let exists_before = change.prior.is_some();
    let exists_after = match change.action {
        Action::Delete => false,
        Action::NoOp => exists_before,
        _ => true,
    };
    let only_if = |exists: bool| if exists { cost.clone() } else { Cost::nothing() };
    PricedChange { before: only_if(exists_before), after: only_if(exists_after), note }
}
