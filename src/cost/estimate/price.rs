//! From lines to parts: prices, tiers, currencies, and the cost of each bound.
//!
//! A tier may count what the whole environment or account uses. Such lines are priced together: the
//! quantities are laid end to end in the order of addresses and each pays for its own stretch, so
//! that the sum of all is exactly the price of the whole.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Pricing;
use super::line::Amounts;
use super::line::Line;
use super::line::Open;
use crate::cost::book::Found;
use crate::cost::book::Price;
use crate::cost::book::Tier;
use crate::cost::book::TierScope;
use crate::cost::decimal;
use crate::model::cost::Cost;
use crate::model::cost::Part;
use crate::model::cost::PriceStatus;
use crate::model::cost::Quantities;
use crate::model::cost::Quantity;
use crate::model::cost::Slice;
use crate::model::money::Money;

/// A line and where its price stands.
enum Stage<'b> {
    /// No price, and why.
    Open(Open, Option<Price<'b>>),
    /// Free, and why.
    Free(String),
    /// A price in the quote's currency.
    Priced(Price<'b>),
}

/// Three costs, of the three quantities.
#[derive(Clone, Copy, Default)]
struct Costs {
    lower: Decimal,
    expected: Decimal,
    upper: Option<Decimal>,
}

/// The parts of lines, in the order of the lines.
pub fn parts(lines: &[Line], pricing: &Pricing<'_>) -> Vec<Part> {
    let stages: Vec<Stage<'_>> = lines.iter().map(|line| stage(line, pricing)).collect();
    let mut shared: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut costs: Vec<Option<(Costs, Vec<Slice>)>> = vec![None; lines.len()];
    for (place, (line, stage)) in lines.iter().zip(&stages).enumerate() {
        let (Stage::Priced(price), Ok(amounts)) = (stage, &line.amounts) else { continue };
        match (price.scope, price.tiers.len(), &line.key) {
            (TierScope::Resource, ..) | (_, 1, _) | (.., Err(_)) => {
                if let Some(slot) = costs.get_mut(place) {
                    *slot = bounds(price, *amounts, [Decimal::ZERO; 3]);
                }
            }
            (_, _, Ok(key)) => shared.entry(key).or_default().push(place),
        }
    }
    for places in shared.values() {
        together(places, lines, &stages, &mut costs);
    }
    let staged = lines.iter().zip(stages).zip(costs);
    staged.map(|((line, stage), costs)| part(line, stage, costs, pricing)).collect()
}

fn stage<'b>(line: &Line, pricing: &'b Pricing<'_>) -> Stage<'b> {
    if let Some(reason) = &line.free {
        return Stage::Free(reason.clone());
    }
    let key = match &line.key {
        Ok(key) => key,
        Err(open) => return Stage::Open(open.clone(), None),
    };
    let open = |status, note| Stage::Open(Open { status, note }, None);
    let found = pricing.books.find(key, pricing.day);
    // Without a quantity no price would help; where there is one it is shown beside.
    if let Err(unknown) = &line.amounts {
        let price = match found {
            Found::Price(price) => converted(price, pricing),
            _ => None,
        };
        return match price {
            Some(price) if price.is_free => free(&price),
            price => Stage::Open(unknown.clone(), price),
        };
    }
    let price = match found {
        Found::Missing => {
            return open(PriceStatus::PriceMissing, format!("no book has {key}"));
        }
        Found::Ambiguous(note) => return open(PriceStatus::PriceAmbiguous, note),
        Found::Price(price) => price,
    };
    if price.unit != line.unit {
        let note = format!("{} has it per {}, not per {}", price.layer, price.unit, line.unit);
        return open(PriceStatus::PriceAmbiguous, note);
    }
    let Some(price) = converted(price, pricing) else {
        let note = format!("no book says what the price is in {}", pricing.currency);
        return open(PriceStatus::CurrencyUnconvertible, note);
    };
    if price.is_free {
        return free(&price);
    }
    if let Some(days) = pricing.stale_after_days
        && pricing.day.since(price.as_of).is_ok_and(|age| age.get_days() > days)
    {
        let note = format!("{} has it as of {}", price.layer, price.as_of);
        return Stage::Open(Open { status: PriceStatus::PriceStale, note }, Some(price));
    }
    Stage::Priced(price)
}

fn free<'b>(price: &Price<'_>) -> Stage<'b> {
    Stage::Free(format!("{} declares it free ({})", price.layer, price.src))
}

fn converted<'b>(mut price: Price<'b>, pricing: &Pricing<'_>) -> Option<Price<'b>> {
    if price.currency == pricing.currency {
        return Some(price);
    }
    let rate = pricing.books.rate(price.currency, pricing.currency, pricing.day)?;
    for tier in &mut price.tiers {
        tier.price = tier.price.checked_mul(rate)?;
    }
    price.currency = pricing.currency;
    Some(price)
}

/// What a stretch of the quantity costs, tier by tier; nothing where it is too large to say.
fn stretch(price: &Price<'_>, from: Decimal, to: Decimal) -> Option<Vec<(Decimal, Tier)>> {
    let mut slices = Vec::new();
    for (place, tier) in price.tiers.iter().enumerate() {
        let end = price.tiers.get(place.saturating_add(1)).map(|next| next.start);
        let (start, end) = (tier.start.max(from), end.map_or(to, |end| end.min(to)));
        if start < end {
            slices.push((end.checked_sub(start)?, *tier));
        }
    }
    Some(slices)
}

fn cost(price: &Price<'_>, from: Decimal, quantity: Decimal) -> Option<Decimal> {
    let to = from.checked_add(quantity)?;
    stretch(price, from, to)?.into_iter().try_fold(Decimal::ZERO, |sum, (quantity, tier)| {
        sum.checked_add(decimal::amount(quantity, tier.price, price.per)?)
    })
}

fn slices(price: &Price<'_>, from: Decimal, quantity: Decimal) -> Option<Vec<Slice>> {
    let to = from.checked_add(quantity)?;
    let of = |(quantity, tier): (Decimal, Tier)| Slice {
        quantity: Quantity(quantity),
        price: Money::new(tier.price, price.currency),
    };
    Some(stretch(price, from, to)?.into_iter().map(of).collect())
}

/// The costs of three quantities, each from its own place in the tiers.
fn bounds(
    price: &Price<'_>,
    (least, expected, most): Amounts,
    [low, middle, high]: [Decimal; 3],
) -> Option<(Costs, Vec<Slice>)> {
    let upper = match most {
        Some(most) => Some(cost(price, high, most)?),
        None => None,
    };
    let (lower, cost) = (cost(price, low, least)?, cost(price, middle, expected)?);
    let costs = Costs { lower, expected: cost, upper };
    Some((costs, slices(price, middle, expected)?))
}

/// Lines that fill the same tiers, end to end. How far others have filled an account's is unknown:
/// its bounds are those of the cheapest and of the dearest place to begin.
fn together(
    places: &[usize],
    lines: &[Line],
    stages: &[Stage<'_>],
    costs: &mut [Option<(Costs, Vec<Slice>)>],
) {
    let members: Vec<(usize, Amounts, &Price<'_>)> = places
        .iter()
        .filter_map(|place| match (lines.get(*place), stages.get(*place)) {
            (Some(line), Some(Stage::Priced(price))) => {
                Some((*place, line.amounts.clone().ok()?, price))
            }
            _ => None,
        })
        .collect();
    let Some((_, _, price)) = members.first() else { return };
    let total = |of: fn(&Amounts) -> Decimal| {
        members.iter().try_fold(Decimal::ZERO, |sum, (_, amounts, _)| sum.checked_add(of(amounts)))
    };
    let most = |amounts: &Amounts| amounts.2.unwrap_or(amounts.1);
    let (Some(least), Some(all)) = (total(|amounts| amounts.0), total(most)) else { return };
    let (mut low, mut high) = (Decimal::ZERO, Decimal::ZERO);
    if price.scope == TierScope::Account {
        low = place_of(price, least, |best, next| next < best);
        high = place_of(price, all, |best, next| next > best);
    }
    let mut middle = Decimal::ZERO;
    for (place, amounts, price) in &members {
        if let Some(slot) = costs.get_mut(*place) {
            *slot = bounds(price, *amounts, [low, middle, high]);
        }
        low = low.saturating_add(amounts.0);
        middle = middle.saturating_add(amounts.1);
        high = high.saturating_add(most(amounts));
    }
}

/// Where a stretch of this length costs the least or the most: at an edge of some tier, for between
/// two edges its cost changes steadily.
fn place_of(price: &Price<'_>, length: Decimal, better: fn(Decimal, Decimal) -> bool) -> Decimal {
    let mut best: Option<(Decimal, Decimal)> = None;
    for tier in &price.tiers {
        for from in [tier.start, tier.start.saturating_sub(length).max(Decimal::ZERO)] {
            let Some(next) = cost(price, from, length) else { continue };
            if best.is_none_or(|(_, best)| better(best, next)) {
                best = Some((from, next));
            }
        }
    }
    best.map_or(Decimal::ZERO, |(from, _)| from)
}

fn part(
    line: &Line,
    stage: Stage<'_>,
    costs: Option<(Costs, Vec<Slice>)>,
    pricing: &Pricing<'_>,
) -> Part {
    let quantity = line.amounts.as_ref().ok().map(|(least, expected, most)| Quantities {
        lower: Quantity(least.normalize()),
        expected: Quantity(expected.normalize()),
        upper: most.map(|most| Quantity(most.normalize())),
    });
    let mut part = Part {
        id: line.id.clone(),
        name: line.name.clone(),
        group: line.group.clone(),
        key: line.key.as_ref().ok().cloned(),
        unit: line.unit.clone(),
        quantity,
        per: Quantity(Decimal::ONE),
        slices: Vec::new(),
        layer: None,
        source: None,
        expected: None,
        monthly: Cost::nothing(),
        status: PriceStatus::PriceMissing,
        notes: line.notes.clone(),
    };
    match stage {
        Stage::Free(reason) => {
            part.status = PriceStatus::FreeDeclared;
            part.monthly = Cost::free();
            part.notes.push(reason);
        }
        Stage::Open(open, price) => {
            if let Some(price) = &price {
                label(&mut part, price);
                if let Ok((_, expected, _)) = &line.amounts {
                    let worth = cost(price, Decimal::ZERO, *expected);
                    part.expected = worth.map(|worth| Money::new(worth, price.currency));
                }
            }
            unpriced(&mut part, open);
        }
        Stage::Priced(price) => {
            label(&mut part, &price);
            match costs {
                Some((costs, slices)) => bounded(&mut part, line, costs, slices, pricing),
                None => {
                    let note = "the cost is too large to say".to_owned();
                    unpriced(&mut part, Open { status: PriceStatus::PriceMissing, note });
                }
            }
        }
    }
    part
}

fn label(part: &mut Part, price: &Price<'_>) {
    part.per = Quantity(price.per.normalize());
    part.layer = Some(price.layer.to_owned());
    part.source = Some(format!("{} of {}", price.src, price.as_of));
    let first = price.tiers.first();
    part.slices = first
        .map(|tier| Slice {
            quantity: Quantity(Decimal::ZERO),
            price: Money::new(tier.price, price.currency),
        })
        .into_iter()
        .collect();
}

fn unpriced(part: &mut Part, open: Open) {
    part.status = open.status;
    part.monthly = Cost::unpriced(open.status);
    part.notes.push(open.note);
}

fn bounded(part: &mut Part, line: &Line, costs: Costs, slices: Vec<Slice>, pricing: &Pricing<'_>) {
    let money = |amount: Decimal| Money::new(amount, pricing.currency);
    part.expected = Some(money(costs.expected));
    if !slices.is_empty() {
        part.slices = slices;
    }
    // Where lines share tiers, the stretch of a smaller quantity may lie in a dearer tier.
    let lower = costs.upper.map_or(costs.lower, |upper| upper.min(costs.lower));
    let upper = costs.upper.map(|upper| upper.max(costs.lower));
    let (status, upper) = match (upper, &line.claim) {
        (_, Some(claim)) => {
            part.notes.push(claim.note.clone());
            (claim.status, None)
        }
        (None, None) => {
            part.notes.push("nothing bounds how much there may be".to_owned());
            (PriceStatus::Range, None)
        }
        (Some(upper), None) if upper == lower => (PriceStatus::Priced, Some(upper)),
        (Some(upper), None) => (PriceStatus::Range, Some(upper)),
    };
    part.status = status;
    part.monthly =
        Cost { lower: money(lower), upper: upper.map(money), parts: [(status, 1)].into() };
}
