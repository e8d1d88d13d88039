//! Units and prices of rows, and the book made of them.

use std::collections::BTreeMap;

use gov::cost::book::Book;
use gov::cost::book::Provenance;
use gov::cost::book::Row as Price;
use gov::cost::book::TierScope;
use gov::cost::book::ZeroReason;
use gov::cost::decimal;
use gov::model::money::Currency;
use rust_decimal::Decimal;

use crate::case::Row;

const PROVENANCE: &str = r#"
id = "supplied"
provider = "any"
description = "the unit prices that the peer printed"
[source.rows]
origin = "the file of cases"
as_of = "2026-01-01"
licence = "as the file"
"#;

/// What a unit measures, as far as two of them can be compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    Hours,
    Bytes,
    Count,
}

/// `10k requests` is ten thousand counts, `GB-months` one of bytes.
pub fn unit(text: &str) -> (Decimal, Measure) {
    let (front, rest) = text.split_once(' ').unwrap_or(("", text));
    let digits = front.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match front.get(digits.len()..).unwrap_or("") {
        "k" | "K" => Some(1_000),
        "M" => Some(1_000_000),
        "B" => Some(1_000_000_000),
        "" => Some(1),
        _ => None,
    };
    let block = digits.parse::<u64>().ok().zip(factor).map(|(n, factor)| n * factor);
    let noun = if block.is_some() { rest } else { text }.to_lowercase();
    let measure = if noun.contains("hour") {
        Measure::Hours
    } else if ["gb", "tb", "mb", "gib"].iter().any(|unit| noun.starts_with(unit))
        && !noun.contains("second")
        && !noun.contains("ps")
    {
        Measure::Bytes
    } else {
        Measure::Count
    };
    (Decimal::from(block.unwrap_or(1)), measure)
}

/// How many of our unit a row's quantity of one is, where the two can be compared.
pub fn ratio(theirs: &str, ours: &str) -> Option<Decimal> {
    let (block, their_measure) = unit(theirs);
    let (_, our_measure) = unit(&ours.replace('-', " "));
    let our_measure = if ours.contains("hour") { Measure::Hours } else { our_measure };
    match (their_measure, our_measure) {
        (a, b) if a == b => Some(block),
        // So much of something all month is so many hours of it.
        (_, Measure::Hours) => block.checked_mul(Decimal::from(730)),
        _ => None,
    }
}

fn number(text: Option<&String>) -> Option<Decimal> {
    text.and_then(|text| decimal::parse(text))
}

/// The price of a row for one of our unit: what it can be at least and at most, given that costs
/// are printed in cents, and what it most likely is.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub low: Decimal,
    pub high: Decimal,
    pub likely: Decimal,
}

/// The price of a row, by our unit.
pub fn span(row: &Row, ratio: Decimal) -> Option<Span> {
    let likely = number(row.snapped_unit_price.as_ref())
        .or_else(|| number(row.stated_unit_price.as_ref()))?;
    let (low, high) = match &row.stated_unit_price {
        // Printed with at least two places: the figure itself may be rounded in the last one.
        Some(text) => {
            let places = text.split_once('.').map_or(0, |(_, tail)| tail.len());
            let half = Decimal::try_new(5, u32::try_from(places).ok()?.saturating_add(1)).ok()?;
            (likely.checked_sub(half)?, likely.checked_add(half)?)
        }
        None => (
            number(row.implied_unit_price_lo.as_ref())?,
            number(row.implied_unit_price_hi.as_ref())?,
        ),
    };
    let by = |value: Decimal| value.checked_div(ratio);
    Some(Span { low: by(low.max(Decimal::ZERO))?, high: by(high)?, likely: by(likely)? })
}

/// Prices by key, tier by tier.
#[derive(Debug, Default)]
pub struct Supply {
    keys: BTreeMap<String, (String, BTreeMap<Decimal, Option<Span>>)>,
}

impl Supply {
    /// Takes a price in; two that cannot be the same leave none.
    pub fn add(&mut self, key: &str, unit: &str, start: Decimal, span: Span) {
        let tiers = &mut self.keys.entry(key.to_owned()).or_default();
        tiers.0 = unit.to_owned();
        let known = tiers.1.entry(start).or_insert(Some(span));
        *known = known.and_then(|known| {
            let (low, high) = (known.low.max(span.low), known.high.min(span.high));
            let fits = |likely: &Decimal| (low..=high).contains(likely);
            let likely = [known.likely, span.likely].into_iter().find(fits);
            let likely = likely.or_else(|| low.checked_add(high)?.checked_div(Decimal::TWO))?;
            (low <= high).then_some(Span { low, high, likely })
        });
    }

    /// The keys with two prices.
    pub fn conflicts(&self) -> impl Iterator<Item = &str> {
        let torn = self.keys.iter().filter(|(_, (_, tiers))| tiers.values().any(Option::is_none));
        torn.map(|(key, _)| key.as_str())
    }

    /// The book.
    pub fn book(&self) -> Result<Book, String> {
        let provenance = Provenance::parse(PROVENANCE).map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        for (key, (unit, tiers)) in &self.keys {
            if tiers.values().any(Option::is_none) || !tiers.contains_key(&Decimal::ZERO) {
                continue;
            }
            for (start, span) in tiers {
                let price = span.map_or(Decimal::ZERO, |span| span.likely);
                rows.push(Price {
                    key: key.clone(),
                    unit: unit.clone(),
                    per: Decimal::ONE,
                    tier_start: *start,
                    tier_scope: TierScope::Resource,
                    price,
                    currency: Currency::USD,
                    from: None,
                    to: None,
                    zero: price.is_zero().then_some(ZeroReason::Upfront),
                    src: "rows".to_owned(),
                });
            }
        }
        Book::new(provenance, rows).map_err(|error| error.to_string())
    }
}
