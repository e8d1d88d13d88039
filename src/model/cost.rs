//! Cost: an interval with named statuses, never a bare number.
//!
//! What has no price makes the upper end open. An open end is above every budget, so that nothing
//! unpriced is ever taken for free. INVARIANT (unknown is never free or allowed).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::Serialize;

use crate::model::address::Address;
use crate::model::lifetime::Duration;
use crate::model::money::HOURS_PER_MONTH;
use crate::model::money::Money;
use crate::model::money::MoneyError;

/// How the price of one part came about, or why there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceStatus {
    /// One price, from a book or a declaration.
    Priced,
    /// Between two prices.
    Range,
    /// Free, and declared so with a reason.
    FreeDeclared,
    /// Priced by usage, and no usage is stated.
    UsageUnset,
    /// The book has no such price.
    PriceMissing,
    /// The book has several.
    PriceAmbiguous,
    /// The book is older than allowed.
    PriceStale,
    /// Depends on an attribute known only after apply.
    AttributeUnknown,
    /// Nobody has said how this type is priced.
    TypeUnmapped,
    /// In another currency, without a rate.
    CurrencyUnconvertible,
}

impl PriceStatus {
    /// The name used in JSON and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Priced => "priced",
            Self::Range => "range",
            Self::FreeDeclared => "free_declared",
            Self::UsageUnset => "usage_unset",
            Self::PriceMissing => "price_missing",
            Self::PriceAmbiguous => "price_ambiguous",
            Self::PriceStale => "price_stale",
            Self::AttributeUnknown => "attribute_unknown",
            Self::TypeUnmapped => "type_unmapped",
            Self::CurrencyUnconvertible => "currency_unconvertible",
        }
    }

    /// Whether the part counts with a known upper end.
    #[must_use]
    pub fn is_bounded(self) -> bool {
        matches!(self, Self::Priced | Self::Range | Self::FreeDeclared)
    }
}

/// What something costs in a month of running.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// At least this much.
    pub lower: Money,
    /// At most this much; open where a part has no price.
    pub upper: Option<Money>,
    /// How many parts have which status.
    pub parts: BTreeMap<PriceStatus, u32>,
}

impl Cost {
    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        let zero = Money::zero(crate::model::money::Currency::USD);
        Self { lower: zero, upper: Some(zero), parts: BTreeMap::new() }
    }

    /// One part with a known monthly price.
    #[must_use]
    pub fn priced(monthly: Money) -> Self {
        Self { lower: monthly, upper: Some(monthly), parts: [(PriceStatus::Priced, 1)].into() }
    }

    /// One part that is declared free.
    #[must_use]
    pub fn free() -> Self {
        Self { parts: [(PriceStatus::FreeDeclared, 1)].into(), ..Self::nothing() }
    }

    /// One part without a price.
    #[must_use]
    pub fn unpriced(status: PriceStatus) -> Self {
        Self { upper: None, parts: [(status, 1)].into(), ..Self::nothing() }
    }

    /// The sum. Nothing takes on the other's currency.
    ///
    /// # Errors
    /// Where both are priced in different currencies.
    pub fn add(&self, other: &Self) -> Result<Self, MoneyError> {
        let mut parts = self.parts.clone();
        for (status, count) in &other.parts {
            let sum = parts.entry(*status).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
        let upper = match (self.upper, other.upper) {
            (Some(a), Some(b)) => Some(sum(a, b)?),
            _ => None,
        };
        Ok(Self { lower: sum(self.lower, other.lower)?, upper, parts })
    }

    /// What so long a life costs: the monthly price by the hour.
    ///
    /// # Errors
    /// Where the amount is too large to hold.
    pub fn over(&self, life: Duration) -> Result<Self, MoneyError> {
        let seconds = Decimal::from(life.as_secs());
        let month = Decimal::from(HOURS_PER_MONTH) * Decimal::from(3600);
        let share = |money: Money| {
            let product = money.times(seconds)?;
            let amount = product.amount().checked_div(month).ok_or(MoneyError::TooLarge)?;
            Ok::<_, MoneyError>(Money::new(amount, money.currency()))
        };
        Ok(Self {
            lower: share(self.lower)?,
            upper: self.upper.map(share).transpose()?,
            parts: self.parts.clone(),
        })
    }

    /// Whether every part has a price or is declared free.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.upper.is_some()
    }

    /// Short text for people: `12.00 USD`, `3.00–5.00 USD`, `at least 3.00 USD`.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.upper {
            Some(upper) if upper == self.lower => upper.rounded(),
            Some(upper) => format!("{} to {}", self.lower.rounded(), upper.rounded()),
            None if self.lower.amount().is_zero() => "unpriced".to_owned(),
            None => format!("at least {}", self.lower.rounded()),
        }
    }
}

/// An exact quantity, as decimal text wherever it is stored or shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Quantity(
    /// The decimal.
    pub Decimal,
);

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.normalize())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Decimal::from_str_exact(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// How much of something there is in a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quantities {
    /// At least.
    pub lower: Quantity,
    /// As expected.
    pub expected: Quantity,
    /// At most; open where nothing bounds it.
    pub upper: Option<Quantity>,
}

/// So much at one price: a part has one, or one for each tier that it reaches into.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// How much.
    pub quantity: Quantity,
    /// What `per` units of the part cost here.
    pub price: Money,
}

/// One thing that a resource is charged for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its name within the resource, for scripts.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it belongs to within the resource, such as a storage class; empty for the resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The key of its price, where one could be made.
    pub key: Option<String>,
    /// The unit of its quantity.
    pub unit: String,
    /// How much a month, where that is known.
    pub quantity: Option<Quantities>,
    /// How many units its prices are for.
    pub per: Quantity,
    /// The expected quantity by price. Where no quantity is known, the first price alone.
    pub slices: Vec<Slice>,
    /// The book that its price is from.
    pub layer: Option<String>,
    /// The source within the book, and its day.
    pub source: Option<String>,
    /// What it is expected to cost in a month.
    pub expected: Option<Money>,
    /// What it costs in a month.
    pub monthly: Cost,
    /// How the price came about, or why there is none.
    pub status: PriceStatus,
    /// What was assumed or claimed, and what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one resource costs in a month, before and after a plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PricedChange {
    /// Before.
    pub before: Cost,
    /// After.
    pub after: Cost,
    /// The reason for being free, or the source of the price, or what is missing.
    pub note: String,
    /// What the cost before is made of, where a mapping says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_parts: Vec<Part>,
    /// What the cost after is made of, where a mapping says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_parts: Vec<Part>,
}

/// What a plan costs: priced apart from the plan, so that a change of prices is seen as one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quote {
    /// Each resource that has, had or will have a cost.
    pub changes: BTreeMap<Address, PricedChange>,
    /// The environment in a month, before.
    pub before: Cost,
    /// The environment in a month, after.
    pub after: Cost,
    /// From now, or its start, to its expiry.
    pub until_expiry: Cost,
}

fn sum(a: Money, b: Money) -> Result<Money, MoneyError> {
    if a.amount().is_zero() {
        return Ok(b);
    }
    if b.amount().is_zero() {
        return Ok(a);
    }
    a.add(&b)
}

#[cfg(test)]
mod tests {
    use super::Cost;
    use super::PriceStatus;

    /// G4: a part without a price leaves the upper end open, so that no budget covers it.
    #[test]
    fn g4_unpriced_is_never_zero() {
        let priced = Cost::priced("10 USD".parse().unwrap());
        let whole = priced.add(&Cost::unpriced(PriceStatus::TypeUnmapped)).unwrap();
        assert!(whole.upper.is_none());
        assert_eq!(whole.summary(), "at least 10.00 USD");
        assert_eq!(priced.add(&Cost::free()).unwrap().summary(), "10.00 USD");
        let day = Cost::priced("730 USD".parse().unwrap()).over("24h".parse().unwrap()).unwrap();
        assert_eq!(day.summary(), "24.00 USD");
    }
}
