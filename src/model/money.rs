//! Money: an exact decimal amount in one currency. Currencies are never mixed, and rounding
//! happens once, when an amount is shown.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

/// Hours in the month that prices are compared by: 365 × 24 / 12.
pub const HOURS_PER_MONTH: u32 = 730;

/// Places shown. Budgets are written in cents; amounts between are kept exactly.
const PLACES_SHOWN: u32 = 2;

/// An ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Currency([u8; 3]);

impl Currency {
    /// United States dollars: what gov's own price data are in.
    pub const USD: Self = Self(*b"USD");
}

/// Three capital letters, as `USD`.
impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        let syntax = || MoneyError::Syntax(code.to_owned());
        let letters: [u8; 3] = code.as_bytes().try_into().map_err(|_| syntax())?;
        if !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(syntax());
        }
        Ok(Self(letters))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// Why text is not an amount of money, or two amounts have no sum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not of the form `40.00 USD`.
    #[error("`{0}` is not an amount of money such as \"40.00 USD\"")]
    Syntax(String),
    /// Below zero.
    #[error("`{0}` is negative")]
    Negative(String),
    /// Two currencies.
    #[error("{0} and {1} cannot be compared or added")]
    Currencies(Currency, Currency),
    /// Beyond 28 digits.
    #[error("the amount is too large")]
    TooLarge,
}

/// An exact amount in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// An amount in a currency.
    #[must_use]
    pub fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount: amount.normalize(), currency }
    }

    /// Nothing, in this currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::new(Decimal::ZERO, currency)
    }

    /// The exact amount.
    #[must_use]
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Currencies`], [`MoneyError::TooLarge`].
    pub fn add(&self, other: &Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let sum = self.amount.checked_add(other.amount).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(sum, self.currency))
    }

    /// What remains after taking `other` away; may be negative.
    ///
    /// # Errors
    /// [`MoneyError::Currencies`], [`MoneyError::TooLarge`].
    pub fn subtract(&self, other: &Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let rest = self.amount.checked_sub(other.amount).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(rest, self.currency))
    }

    /// The amount, so many times.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn times(&self, factor: Decimal) -> Result<Self, MoneyError> {
        let product = self.amount.checked_mul(factor).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(product, self.currency))
    }

    /// Whether this amount is above the other.
    ///
    /// # Errors
    /// [`MoneyError::Currencies`].
    pub fn exceeds(&self, other: &Self) -> Result<bool, MoneyError> {
        self.same_currency(other)?;
        Ok(self.amount > other.amount)
    }

    fn same_currency(&self, other: &Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Currencies(self.currency, other.currency))
        }
    }

    /// The amount with two places, rounded half up, and the currency: for people.
    #[must_use]
    pub fn rounded(&self) -> String {
        let rounding = RoundingStrategy::MidpointAwayFromZero;
        let rounded = self.amount.round_dp_with_strategy(PLACES_SHOWN, rounding);
        format!("{rounded:.2} {}", self.currency)
    }
}

/// Exact, as `12.5 USD`; see [`Money::rounded`] for people.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let syntax = || MoneyError::Syntax(text.to_owned());
        let (amount, code) = text.trim().rsplit_once(' ').ok_or_else(syntax)?;
        let currency: Currency = code.parse().map_err(|_| syntax())?;
        let amount = Decimal::from_str_exact(amount.trim()).map_err(|_| syntax())?;
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(MoneyError::Negative(text.to_owned()));
        }
        Ok(Self::new(amount, currency))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Money;
    use super::MoneyError;

    #[test]
    fn money_is_exact_and_never_mixed() {
        let a: Money = "0.005 USD".parse().unwrap();
        assert_eq!(a.rounded(), "0.01 USD");
        assert_eq!(a.to_string(), "0.005 USD");
        let b: Money = "1 EUR".parse().unwrap();
        assert!(matches!(a.add(&b), Err(MoneyError::Currencies(..))));
        for wrong in ["", "40", "40 usd", "forty USD", "-1 USD", "1e3 USD"] {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
    }
}
