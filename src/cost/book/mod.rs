//! Price books: dated unit prices with provenance, and the way from a key to a price.
//!
//! A [`Book`] is what one folder holds: `book.toml` says where its figures come from, `prices.csv`
//! lists them, sorted. [`Books`] are several of them in layers, the first that knows a key wins,
//! and every price found says which layer it came from. A zero that nobody declared, two prices
//! for one key and day, and a gap between tiers are errors when a book is read, never choices made
//! later. It deliberately knows nothing of resources; that is the mapping's. Start with
//! [`Book::read`].

mod provenance;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::Serialize;

use crate::model::digest::Digest;
use crate::model::money::Currency;

pub use provenance::Provenance;
pub use provenance::SourceNote;
pub use table::COLUMNS;
pub use table::row_of;
pub use table::write;

/// What a tier counts: the quantity of one resource, of the whole environment, or of the account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierScope {
    /// Each resource begins at the first tier.
    #[default]
    Resource,
    /// All of the account together; what others use of it is not known.
    Account,
    /// All of the environment together.
    Environment,
}

impl TierScope {
    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Account => "account",
            Self::Environment => "environment",
        }
    }
}

/// Why a price of zero is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ZeroReason {
    /// It costs nothing.
    Free,
    /// It was paid for up front.
    Upfront,
}

/// One price of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// What it is a price of: `aws/AmazonEC2/eu-west-1/compute?instance_type=m5.large&os=linux`.
    pub key: String,
    /// The unit, such as `hour` or `GB-month`.
    pub unit: String,
    /// How many units the price is for, such as 1000 requests.
    pub per: Decimal,
    /// The quantity from which it holds.
    pub tier_start: Decimal,
    /// What the tier counts.
    pub tier_scope: TierScope,
    /// The price of `per` units.
    pub price: Decimal,
    /// Its currency.
    pub currency: Currency,
    /// The first day it holds; always, where absent.
    pub from: Option<Date>,
    /// The first day it no longer holds.
    pub to: Option<Date>,
    /// Why it is zero, where it is.
    pub zero: Option<ZeroReason>,
    /// A source of `book.toml`, and behind `#` a place in it.
    pub src: String,
}

impl Row {
    /// The order of the table.
    fn order(&self) -> (&str, Option<Date>, Currency, Decimal) {
        (&self.key, self.from, self.currency, self.tier_start)
    }

    /// Whether it holds on a day.
    #[must_use]
    pub fn holds(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    /// The name of its source in `book.toml`.
    #[must_use]
    pub fn source(&self) -> &str {
        self.src.split_once('#').map_or(self.src.as_str(), |(source, _)| source)
    }
}

/// Why a book cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BookError {
    /// `book.toml` is not what it should be.
    #[error("book.toml: {0}")]
    Provenance(String),
    /// A line of `prices.csv` is not a price.
    #[error("prices.csv, line {line}: {what}")]
    Line {
        /// From 1, the header included.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The table does not hold together.
    #[error("{key}: {what}")]
    Key {
        /// Which price.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

/// A book, checked and ready for lookup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Book {
    provenance: Provenance,
    rows: Vec<Row>,
    digest: Digest,
}

impl Book {
    /// Reads and checks a book from the texts of `book.toml` and `prices.csv`.
    ///
    /// # Errors
    /// [`BookError`] for the first thing that is wrong.
    pub fn read(provenance: &str, prices: &[u8]) -> Result<Self, BookError> {
        let provenance = Provenance::parse(provenance)?;
        Self::new(provenance, table::read(prices)?)
    }

    /// A book of these rows, in any order.
    ///
    /// # Errors
    /// [`BookError::Key`] where the rows do not hold together.
    pub fn new(provenance: Provenance, mut rows: Vec<Row>) -> Result<Self, BookError> {
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        check(&rows, &provenance)?;
        let mut bytes = provenance.text().into_bytes();
        bytes.push(0);
        bytes.extend(write(&rows));
        let digest = Digest::of(crate::model::digest::Domain::PriceBook, &bytes);
        Ok(Self { provenance, rows, digest })
    }

    /// Where its figures come from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Its rows, in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The digest of everything in it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rows of one key.
    fn rows_of(&self, key: &str) -> &[Row] {
        let start = self.rows.partition_point(|row| row.key.as_str() < key);
        let rest = self.rows.get(start..).unwrap_or(&[]);
        let count = rest.partition_point(|row| row.key.as_str() <= key);
        rest.get(..count).unwrap_or(&[])
    }
}

/// One step of a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tier {
    /// The quantity from which it holds.
    pub start: Decimal,
    /// The price of `per` units.
    pub price: Decimal,
}

/// A price found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price<'b> {
    /// Its unit.
    pub unit: &'b str,
    /// How many units each tier's price is for.
    pub per: Decimal,
    /// Its tiers; the first begins at zero.
    pub tiers: Vec<Tier>,
    /// What the tiers count.
    pub scope: TierScope,
    /// Its currency.
    pub currency: Currency,
    /// The id of the book.
    pub layer: &'b str,
    /// Its source, with the place in it.
    pub src: &'b str,
    /// When the source was true.
    pub as_of: Date,
    /// Whether every tier is declared free; what was paid up front is not.
    pub is_free: bool,
}

/// What the books say of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<'b> {
    /// One price.
    Price(Price<'b>),
    /// No book has it for this day.
    Missing,
    /// One book has it in several units, scopes or currencies for this day.
    Ambiguous(String),
}

/// Books in layers: the first that knows a key wins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Books {
    layers: Vec<Arc<Book>>,
}

impl Books {
    /// Layers, the one that wins first.
    #[must_use]
    pub fn new(layers: Vec<Arc<Book>>) -> Self {
        Self { layers }
    }

    /// The layers, the one that wins first.
    #[must_use]
    pub fn layers(&self) -> &[Arc<Book>] {
        &self.layers
    }

    /// What is known of a key on a day.
    #[must_use]
    pub fn find(&self, key: &str, day: Date) -> Found<'_> {
        for book in &self.layers {
            let rows: Vec<&Row> = book.rows_of(key).iter().filter(|row| row.holds(day)).collect();
            if let Some(first) = rows.first() {
                return book.price(first, &rows);
            }
        }
        Found::Missing
    }

    /// How much of one currency another is worth, where a book says so for this day: the price of
    /// the key `currency?from=EUR&to=USD`.
    #[must_use]
    pub fn rate(&self, from: Currency, to: Currency, day: Date) -> Option<Decimal> {
        if from == to {
            return Some(Decimal::ONE);
        }
        match self.find(&format!("currency?from={from}&to={to}"), day) {
            Found::Price(price) if price.currency == to && price.tiers.len() == 1 => {
                crate::cost::decimal::divide(price.tiers.first()?.price, price.per)
            }
            _ => None,
        }
    }

    /// The digests of all layers, by which a quote says what it was priced with.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, Digest> {
        let digest = |book: &Arc<Book>| (book.provenance.id.clone(), book.digest);
        self.layers.iter().map(digest).collect()
    }
}

impl Book {
    fn price<'b>(&'b self, first: &'b Row, rows: &[&'b Row]) -> Found<'b> {
        let alike = |row: &&&Row| {
            row.unit == first.unit
                && row.per == first.per
                && row.currency == first.currency
                && row.tier_scope == first.tier_scope
        };
        if rows.iter().filter(alike).count() < rows.len() {
            return Found::Ambiguous(format!(
                "{} has this price in several units, scopes or currencies",
                self.provenance.id
            ));
        }
        let tiers = rows.iter().map(|row| Tier { start: row.tier_start, price: row.price });
        Found::Price(Price {
            unit: &first.unit,
            per: first.per,
            tiers: tiers.collect(),
            scope: first.tier_scope,
            currency: first.currency,
            layer: &self.provenance.id,
            src: &first.src,
            as_of: self.provenance.as_of(first.source()),
            is_free: rows.iter().all(|row| row.zero == Some(ZeroReason::Free)),
        })
    }
}

/// Checks rows that are in order: sources known, prices sane, tiers from zero upwards, and no two
/// prices for one key, tier and day.
fn check(rows: &[Row], provenance: &Provenance) -> Result<(), BookError> {
    let wrong = |row: &Row, what: String| Err(BookError::Key { key: row.key.clone(), what });
    for row in rows {
        if !provenance.sources.contains_key(row.source()) {
            return wrong(row, format!("book.toml has no source `{}`", row.source()));
        }
        if row.price.is_sign_negative() && !row.price.is_zero() {
            return wrong(row, format!("the price {} is below zero", row.price));
        }
        if row.price.is_zero() && row.zero.is_none() {
            return wrong(row, "a price of zero says neither `free` nor `upfront`".to_owned());
        }
        if !row.price.is_zero() && row.zero.is_some() {
            return wrong(row, format!("{} is not zero", row.price));
        }
        if row.per <= Decimal::ZERO || row.tier_start.is_sign_negative() {
            return wrong(row, "`per` and `tier_start` are not below zero".to_owned());
        }
        if let (Some(from), Some(to)) = (row.from, row.to)
            && from >= to
        {
            return wrong(row, format!("it ends on {to}, before it begins"));
        }
    }
    for same in rows.chunk_by(|a, b| a.key == b.key) {
        check_key(same)?;
    }
    Ok(())
}

/// Rows of one key: those of one span of days and one currency form the tiers of one price, and the
/// spans do not overlap.
fn check_key(rows: &[Row]) -> Result<(), BookError> {
    let wrong = |row: &Row, what: String| Err(BookError::Key { key: row.key.clone(), what });
    let mut spans: Vec<(&Row, usize)> = Vec::new();
    for price in rows.chunk_by(|a, b| (a.from, a.currency) == (b.from, b.currency)) {
        let Some(first) = price.first() else { continue };
        if !first.tier_start.is_zero() {
            return wrong(first, "its first tier does not begin at zero".to_owned());
        }
        for pair in price.windows(2) {
            let [a, b] = pair else { continue };
            if a.tier_start == b.tier_start {
                return wrong(a, format!("two prices, {} and {}", a.price, b.price));
            }
            if a.to != b.to || a.unit != b.unit || a.per != b.per || a.tier_scope != b.tier_scope {
                return wrong(a, "its tiers differ in days, unit, block or scope".to_owned());
            }
        }
        spans.push((first, price.len()));
    }
    for (place, (a, _)) in spans.iter().enumerate() {
        for (b, _) in spans.iter().skip(place + 1) {
            let ends = |to: Option<Date>, from: Option<Date>| {
                to.zip(from).is_some_and(|(to, from)| to <= from)
            };
            if !ends(a.to, b.from) && !ends(b.to, a.from) {
                return wrong(a, format!("two prices for one day, {} and {}", a.price, b.price));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
