//! Estimates: resources, mappings, books and usage in; parts with statuses and an interval out.
//!
//! Pure and ordered: the same resources in any order give the same parts. What cannot be priced has
//! its own status and leaves the upper end open; nothing here decides what that means. Start with
//! [`price_all`].

mod line;
mod price;
mod scope;
mod world;

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::cost::book::Books;
use crate::cost::usage::Usage;
use crate::model::cost::Cost;
use crate::model::cost::Part;
use crate::model::cost::PriceStatus;
use crate::model::money::Currency;
use crate::model::money::MoneyError;

use line::Line;
use line::Lines;
pub use world::Mappings;
pub use world::Region;
pub use world::Resource;
pub use world::World;
pub use world::settled;

/// Everything that prices depend on beside the resources.
#[derive(Clone, Copy, Debug)]
pub struct Pricing<'p> {
    /// How types are priced.
    pub mappings: Mappings<'p>,
    /// The prices.
    pub books: &'p Books,
    /// What is stated of usage, the trusted before the claimed.
    pub usage: &'p [Usage],
    /// The day prices are wanted for.
    pub day: Date,
    /// After how many days a price is stale; never, where absent.
    pub stale_after_days: Option<i32>,
    /// The currency of the result.
    pub currency: Currency,
}

/// What one resource costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Priced {
    /// In a month.
    pub cost: Cost,
    /// What that is made of.
    pub parts: Vec<Part>,
    /// Why it is free, or has no price.
    pub note: String,
}

/// What every resource costs, by address.
///
/// # Errors
/// Where the amounts are too large to add.
pub fn price_all(
    world: &World<'_>,
    pricing: &Pricing<'_>,
) -> Result<BTreeMap<String, Priced>, MoneyError> {
    let mut priced: BTreeMap<String, Priced> = BTreeMap::new();
    let mut all: Vec<Line> = Vec::new();
    for (place, resource) in world.resources().iter().enumerate() {
        let (cost, note) = match line::lines(world, pricing, place) {
            Lines::Charged(lines) => {
                let note = if lines.is_empty() { "nothing of it is charged for" } else { "" };
                let cost = if lines.is_empty() { Cost::free() } else { Cost::nothing() };
                all.extend(lines);
                (cost, note.to_owned())
            }
            Lines::Free(reason) => (Cost::free(), reason),
            Lines::Unmapped => (
                Cost::unpriced(PriceStatus::TypeUnmapped),
                format!("nobody has said what {} costs", resource.kind),
            ),
            Lines::Open(open) => (Cost::unpriced(open.status), open.note),
        };
        let one = Priced { cost, parts: Vec::new(), note };
        match priced.get_mut(&resource.address) {
            // An object put aside shares its address with the one that took its place.
            Some(sum) => sum.cost = sum.cost.add(&one.cost)?,
            None => {
                priced.insert(resource.address.clone(), one);
            }
        }
    }
    for (line, part) in all.iter().zip(price::parts(&all, pricing)) {
        let Some(resource) = world.get(line.resource) else { continue };
        let Some(sum) = priced.get_mut(&resource.address) else { continue };
        sum.cost = sum.cost.add(&part.monthly)?;
        if !part.monthly.is_bounded() && sum.note.is_empty() {
            let why = part.notes.last().map_or("", String::as_str);
            sum.note = format!("{}: {} ({why})", part.name, part.status.name());
        }
        sum.parts.push(part);
    }
    for one in priced.values_mut().filter(|one| one.note.is_empty()) {
        one.note = sources(&one.parts);
    }
    Ok(priced)
}

/// The layers that prices came from, in a sentence.
fn sources(parts: &[Part]) -> String {
    let mut layers: Vec<&str> = parts.iter().filter_map(|part| part.layer.as_deref()).collect();
    layers.sort_unstable();
    layers.dedup();
    match layers.as_slice() {
        [] => "declared free by its mapping".to_owned(),
        layers => format!("priced by {}", layers.join(", ")),
    }
}

#[cfg(test)]
mod tests;
