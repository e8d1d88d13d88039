//! Which part answers which row, and what came of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use gov::cost::book::Books;
use gov::cost::decimal;
use gov::cost::estimate::Mappings;
use gov::cost::estimate::Priced;
use gov::cost::estimate::Pricing;
use gov::cost::estimate::World;
use gov::cost::estimate::price_all;
use gov::cost::mapping::Mapping;
use gov::model::cost::Part;
use gov::model::cost::PriceStatus;
use gov::model::money::Currency;
use rust_decimal::Decimal;

use crate::case::Case;
use crate::case::File;
use crate::case::Row;
use crate::supply::Supply;
use crate::supply::ratio;
use crate::supply::span;

/// Costs are printed in cents; half of one is lost in each of the two figures compared.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// What came of a row.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub found: bool,
    pub reached: bool,
    pub lie: bool,
    pub why: String,
}

/// Rows of one component: the tiers that it reaches into.
struct Group<'f> {
    rows: Vec<usize>,
    first: &'f Row,
    quantity: Option<Decimal>,
    cost: Option<Decimal>,
    name: BTreeSet<String>,
}

/// Judges every row of a file, in its order.
pub fn judge(file: &File, mappings: &[Mapping]) -> Result<Vec<Verdict>, String> {
    let mut verdicts = vec![Verdict::default(); file.rows.len()];
    for (name, case) in &file.cases {
        let places: Vec<usize> = (0..file.rows.len())
            .filter(|place| file.rows.get(*place).is_some_and(|row| row.case == *name))
            .collect();
        judge_case(file, case, &places, mappings, &mut verdicts)?;
    }
    Ok(verdicts)
}

fn judge_case(
    file: &File,
    case: &Case,
    places: &[usize],
    mappings: &[Mapping],
    verdicts: &mut [Verdict],
) -> Result<(), String> {
    let rows = || places.iter().filter_map(|place| Some((*place, file.rows.get(*place)?)));
    let printed: BTreeSet<&str> = rows().map(|(_, row)| row.resource_address.as_str()).collect();
    let usage = [case.usage()];
    let price = |books: &Books| -> Result<BTreeMap<String, Priced>, String> {
        let pricing = Pricing {
            mappings: Mappings(mappings),
            books,
            usage: &usage,
            day: "2026-01-01".parse().map_err(|_| "no day")?,
            stale_after_days: None,
            currency: Currency::USD,
        };
        let world = World::new(case.resources(&printed), pricing.mappings);
        price_all(&world, &pricing).map_err(|error| error.to_string())
    };
    let bare = price(&Books::default())?;
    let mut supply = Supply::default();
    let mut pairs: Vec<(Group<'_>, Option<usize>)> = Vec::new();
    for address in &printed {
        let of: Vec<(usize, &Row)> =
            rows().filter(|(_, row)| row.resource_address == *address).collect();
        let parts = bare.get(*address).map_or(&[][..], |priced| &priced.parts);
        for (group, part) in assign(groups(&of), parts) {
            if let Some(part) = part.and_then(|part| parts.get(part)) {
                supply_prices(file, &group, part, &mut supply);
            }
            pairs.push((group, part));
        }
    }
    let torn: BTreeSet<String> = supply.conflicts().map(str::to_owned).collect();
    let supplied = price(&Books::new(vec![Arc::new(supply.book()?)]))?;
    for (group, part) in pairs {
        let priced = supplied.get(&group.first.resource_address);
        let verdict = verdict(&group, part, priced, &torn);
        for row in group.rows {
            if let Some(slot) = verdicts.get_mut(row) {
                *slot = verdict.clone();
            }
        }
    }
    Ok(())
}

/// The name without what tells tiers apart: `Storage (first 50TB)`.
fn base(row: &Row) -> String {
    let name = row.component.as_str();
    let Some((front, rest)) = name.rsplit_once('(') else { return name.to_owned() };
    let inner = rest.trim_end_matches(')');
    // The tier may share its brackets: `(us-east-1, first 10TB)`.
    let kept: Vec<&str> = inner
        .split(", ")
        .filter(|part| {
            !["first ", "next ", "over ", "up to "].iter().any(|word| part.starts_with(word))
        })
        .collect();
    format!("{front}({})", kept.join(", ")).replace("()", "").trim().to_owned()
}

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_end_matches('s').to_owned())
        .collect()
}

fn groups<'f>(rows: &[(usize, &'f Row)]) -> Vec<Group<'f>> {
    let mut groups: Vec<(Vec<String>, String, Group<'f>)> = Vec::new();
    for (place, row) in rows {
        let (path, name) = (row.subresource_path.clone(), base(row));
        let quantity = row.monthly_qty.as_ref().and_then(|text| decimal::parse(text));
        let cost = row.monthly_cost.as_ref().and_then(|text| decimal::parse(text));
        let tiered = name != row.component;
        let open = groups.last_mut().filter(|(p, n, _)| tiered && *p == path && *n == name);
        if let Some((.., group)) = open {
            group.rows.push(*place);
            group.quantity = group.quantity.zip(quantity).and_then(|(a, b)| a.checked_add(b));
            group.cost = group.cost.zip(cost).and_then(|(a, b)| a.checked_add(b));
            continue;
        }
        let named = words(&format!("{} {name}", path.join(" ")));
        let group = Group { rows: vec![*place], first: row, quantity, cost, name: named };
        groups.push((path, name, group));
    }
    groups.into_iter().map(|(.., group)| group).collect()
}

/// Pairs each group with a part that fits, the surest pairs first.
fn assign<'f>(groups: Vec<Group<'f>>, parts: &[Part]) -> Vec<(Group<'f>, Option<usize>)> {
    let mut scores: Vec<(usize, usize, usize)> = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        for (p, part) in parts.iter().enumerate() {
            if fits(group, part) {
                let ours = words(&format!("{} {}", part.group, part.name));
                let shared = ours.intersection(&group.name).count();
                let all = ours.union(&group.name).count().max(1);
                scores.push((shared.saturating_mul(1000) / all, g, p));
            }
        }
    }
    scores.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for (_, g, p) in scores {
        if !taken.contains_key(&g) && !used.contains(&p) {
            taken.insert(g, p);
            used.insert(p);
        }
    }
    let paired = groups.into_iter().enumerate();
    paired.map(|(g, group)| (group, taken.get(&g).copied())).collect()
}

/// Whether a part has the quantity of a group, or is as open as it.
fn fits(group: &Group<'_>, part: &Part) -> bool {
    let Some(ratio) = ratio(&group.first.unit, &part.unit) else { return false };
    match (group.quantity, &part.quantity) {
        (Some(theirs), Some(ours)) => {
            let theirs = theirs.checked_mul(ratio).unwrap_or(Decimal::MAX);
            let apart = (ours.expected.0 - theirs).abs();
            // Quantities are printed with four places of their own unit.
            let printed = ratio.checked_mul(Decimal::new(1, 4)).unwrap_or(Decimal::MAX);
            apart <= printed
        }
        (None, None) => part.status == PriceStatus::UsageUnset,
        // Without a price the peer prints no quantity either.
        (None, Some(_)) => group.first.class == "not_found",
        _ => false,
    }
}

fn supply_prices(file: &File, group: &Group<'_>, part: &Part, supply: &mut Supply) {
    let Some(ratio) = ratio(&group.first.unit, &part.unit) else { return };
    let Some(key) = &part.key else { return };
    let mut start = Decimal::ZERO;
    for place in &group.rows {
        let Some(row) = file.rows.get(*place) else { continue };
        if let Some(span) = span(row, ratio) {
            supply.add(key, &part.unit, start, span);
        }
        let quantity = row.monthly_qty.as_ref().and_then(|text| decimal::parse(text));
        let quantity = quantity.and_then(|quantity| quantity.checked_mul(ratio));
        start = start.saturating_add(quantity.unwrap_or_default());
    }
}

fn verdict(
    group: &Group<'_>,
    part: Option<usize>,
    priced: Option<&Priced>,
    torn: &BTreeSet<String>,
) -> Verdict {
    let Some(priced) = priced else {
        return Verdict { why: "no such resource in the case".to_owned(), ..Verdict::default() };
    };
    let is_open = group.cost.is_none();
    let Some(part) = part.and_then(|part| priced.parts.get(part)) else {
        let ours: Vec<String> = priced
            .parts
            .iter()
            .map(|part| {
                let quantity = part.quantity.map(|q| q.expected.0.to_string());
                let quantity = quantity.unwrap_or_else(|| part.status.name().to_owned());
                format!("{} {quantity} {}", part.name, part.unit)
            })
            .collect();
        // Nothing at all where the peer has something is a lie as well.
        let lie = is_open && priced.cost.upper.is_some_and(|upper| upper.amount().is_zero());
        let why = format!("{} [{}]", priced.note, ours.join("; "));
        return Verdict { lie, why, ..Verdict::default() };
    };
    if is_open {
        let lie = part.monthly.upper.is_some();
        let why = part.status.name().to_owned();
        return Verdict { found: true, reached: !lie, lie, why };
    }
    let key = part.key.clone().unwrap_or_default();
    if torn.contains(&key) {
        let why = format!("one key with two prices: {key}");
        return Verdict { found: true, why, ..Verdict::default() };
    }
    let ours = part.expected.map(|money| money.amount());
    let tolerance = CENT.checked_mul(Decimal::from(group.rows.len())).unwrap_or(CENT);
    let reached = ours.zip(group.cost).is_some_and(|(a, b)| (a - b).abs() <= tolerance);
    let why = format!("{} costs {ours:?}: {}", part.name, part.notes.join(", "));
    Verdict { found: true, reached, lie: false, why }
}
