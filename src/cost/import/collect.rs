//! What becomes of each price of a list, and how a new book differs from the one before.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::cost::book::Book;
use crate::cost::book::Row;
use crate::cost::decimal;

/// Rows kept. Every on-demand price of one provider in one region is about 60,000.
const ROWS_MAX: usize = 2_000_000;

/// Quarantined rows that are listed; beyond, they are counted. Nobody reads further.
const LISTED_MAX: usize = 1_000;

/// Why a price was not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Zero, and nobody declares it free.
    Zero,
    /// Below zero.
    Negative,
    /// Not a number, or more digits than a decimal holds.
    NotANumber,
    /// Another price of the list has the same key, tier and day.
    Ambiguous,
    /// Tiers that do not begin at zero, or leave a gap.
    Gap,
    /// A price under conditions that a key cannot tell apart.
    Conditional,
}

impl Reason {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero, and not declared free",
            Self::Negative => "below zero",
            Self::NotANumber => "not a price",
            Self::Ambiguous => "two prices for one key",
            Self::Gap => "tiers with a gap",
            Self::Conditional => "holds under a condition only",
        }
    }
}

/// A price that was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantine {
    /// Its key, or as much of it as there is.
    pub key: String,
    /// Its price as written.
    pub price: String,
    /// Why.
    pub reason: Reason,
}

/// What an import gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// The rows of a book, in order.
    pub rows: Vec<Row>,
    /// How many prices were read.
    pub read: u64,
    /// How many were not asked for by any mapping.
    pub skipped: u64,
    /// How many were quarantined, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
    /// The first of them.
    pub listed: Vec<Quarantine>,
}

/// Takes prices in, one by one.
#[derive(Debug, Default)]
pub struct Collector {
    prices: BTreeMap<(String, Option<jiff::civil::Date>, Decimal), (Row, bool)>,
    result: Imported,
    is_full: bool,
}

impl Collector {
    /// An empty collector.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a price that no mapping asks for.
    pub fn skip(&mut self) {
        self.result.read = self.result.read.saturating_add(1);
        self.result.skipped = self.result.skipped.saturating_add(1);
    }

    /// Quarantines a price.
    pub fn refuse(&mut self, key: &str, price: &str, reason: Reason) {
        self.result.read = self.result.read.saturating_add(1);
        self.list(key, price, reason);
    }

    fn list(&mut self, key: &str, price: &str, reason: Reason) {
        let count = self.result.quarantined.entry(reason).or_insert(0);
        *count = count.saturating_add(1);
        if self.result.listed.len() < LISTED_MAX {
            let (key, price) = (key.to_owned(), price.to_owned());
            self.result.listed.push(Quarantine { key, price, reason });
        }
    }

    /// Takes a row in. Its price is checked here; a second one for the same key, tier and day is
    /// welcome where it is equal, and spoils both where it is not.
    pub fn take(&mut self, row: Row) {
        self.result.read = self.result.read.saturating_add(1);
        let price = row.price.to_string();
        if row.price.is_sign_negative() && !row.price.is_zero() {
            return self.list(&row.key, &price, Reason::Negative);
        }
        if self.prices.len() >= ROWS_MAX {
            self.is_full = true;
            return;
        }
        let place = (row.key.clone(), row.from, row.tier_start);
        match self.prices.get_mut(&place) {
            Some((known, is_torn)) => {
                let same = known.price == row.price
                    && known.unit == row.unit
                    && known.per == row.per
                    && known.currency == row.currency;
                *is_torn |= !same;
            }
            None => {
                self.prices.insert(place, (row, false));
            }
        }
    }

    /// The rows and the report.
    ///
    /// # Errors
    /// Where there were more prices than a book holds.
    pub fn finish(mut self) -> Result<Imported, super::ImportError> {
        if self.is_full {
            return Err(super::ImportError::TooLarge(format!("more than {ROWS_MAX} prices")));
        }
        let mut prices: Vec<(Row, bool)> = std::mem::take(&mut self.prices).into_values().collect();
        let mut rows = Vec::new();
        while !prices.is_empty() {
            let count = prices.first().map_or(0, |(first, _)| {
                let same = |(row, _): &&(Row, bool)| row.key == first.key && row.from == first.from;
                prices.iter().take_while(same).count()
            });
            let rest = prices.split_off(count.max(1));
            let tiers = std::mem::replace(&mut prices, rest);
            match whole(&tiers) {
                Ok(()) => rows.extend(tiers.into_iter().map(|(row, _)| row)),
                Err(reason) => {
                    for (row, _) in tiers {
                        self.list(&row.key, &row.price.to_string(), reason);
                    }
                }
            }
        }
        for row in &mut rows {
            if row.price.is_zero() && row.zero.is_none() {
                row.zero = Some(crate::cost::book::ZeroReason::Free);
            }
        }
        self.result.rows = rows;
        Ok(self.result)
    }
}

/// Whether the tiers of a key are one price.
fn whole(tiers: &[(Row, bool)]) -> Result<(), Reason> {
    if tiers.iter().any(|(_, is_torn)| *is_torn) {
        return Err(Reason::Ambiguous);
    }
    if tiers.first().is_some_and(|(row, _)| !row.tier_start.is_zero()) {
        return Err(Reason::Gap);
    }
    // A free allowance below a paid tier is meant; a price of zero alone is mostly a row whose
    // figure stands elsewhere.
    let undeclared = |(row, _): &(Row, bool)| row.price.is_zero() && row.zero.is_none();
    if tiers.iter().all(undeclared) || tiers.iter().skip(1).any(undeclared) {
        return Err(Reason::Zero);
    }
    Ok(())
}

/// A price that moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its key.
    pub key: String,
    /// Its tier.
    pub tier_start: Decimal,
    /// Before.
    pub before: Decimal,
    /// After.
    pub after: Decimal,
    /// By how many percent of the price before; nothing where that was zero.
    pub percent: Option<Decimal>,
}

/// How a new list differs from the book before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comparison {
    /// Keys that are new.
    pub added: Vec<String>,
    /// Keys that are gone.
    pub removed: Vec<String>,
    /// Prices that moved.
    pub changed: Vec<Change>,
    /// Those that moved further than allowed, as many as there are.
    pub beyond: usize,
}

impl Comparison {
    /// Whether somebody has to accept it first: a price moved too far, or went to or from zero.
    #[must_use]
    pub fn needs_acceptance(&self) -> bool {
        self.beyond > 0
    }
}

/// What one price of a book is known by: key, first day and tier.
type Place<'r> = (&'r str, Option<jiff::civil::Date>, Decimal);

fn by_place(rows: &[Row]) -> BTreeMap<Place<'_>, &Row> {
    rows.iter().map(|row| ((row.key.as_str(), row.from, row.tier_start), row)).collect()
}

/// Compares rows with a book; `percent_max` is how far a price may move unseen.
#[must_use]
pub fn compare(before: &Book, after: &[Row], percent_max: Decimal) -> Comparison {
    let (old, new) = (by_place(before.rows()), by_place(after));
    let unit = |row: &Row| decimal::divide(row.price, row.per).unwrap_or(row.price);
    let mut comparison = Comparison::default();
    for (place, row) in &new {
        let Some(known) = old.get(place) else {
            comparison.added.push(place.0.to_owned());
            continue;
        };
        let (from, to) = (unit(known), unit(row));
        if from == to {
            continue;
        }
        let percent = to
            .checked_sub(from)
            .and_then(|moved| moved.checked_mul(Decimal::ONE_HUNDRED))
            .and_then(|moved| decimal::divide(moved, from));
        if percent.is_none_or(|percent| percent.abs() > percent_max) {
            comparison.beyond = comparison.beyond.saturating_add(1);
        }
        comparison.changed.push(Change {
            key: place.0.to_owned(),
            tier_start: place.2,
            before: from,
            after: to,
            percent,
        });
    }
    let gone = old.keys().filter(|place| !new.contains_key(*place));
    comparison.removed = gone.map(|(key, ..)| (*key).to_owned()).collect();
    comparison.added.dedup();
    comparison.removed.dedup();
    comparison
}
