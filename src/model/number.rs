//! Exact decimal numbers of bounded size.
//!
//! Terraform numbers may carry hundreds of digits, so a machine word will not do, and floats would
//! lose what a user wrote. Every operation is checked: what does not fit is an error, never a wrap.

use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use bigdecimal::ToPrimitive;
use bigdecimal::Zero;
use bigdecimal::num_bigint::BigInt;

/// Digits before or after the point. A 64-bit float needs 309 before and 324 after; above that,
/// text made of digits is an attack on memory, not a number anyone provisions with.
const DIGITS_MAX: i64 = 400;

/// Characters of text that are looked at: every number within the bound is written in fewer.
const TEXT_CHARS_MAX: usize = 1000;

/// Digits kept by a division whose result does not end.
const DIVISION_DIGITS: i64 = 40;

/// Why an operation on numbers has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a decimal number.
    #[error("not a number")]
    Syntax,
    /// The result has more digits than gov keeps.
    #[error("a number of more than {DIGITS_MAX} digits")]
    TooLarge,
    /// Division, or remainder, by zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// An exact decimal number. Equality is by value: `1.0` and `1` are the same number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(BigDecimal);

impl Number {
    /// Parses decimal text, with an optional exponent.
    ///
    /// # Errors
    /// [`NumberError::Syntax`] for anything else, [`NumberError::TooLarge`] beyond the digit bound.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let trimmed = text.trim();
        if trimmed.len() > TEXT_CHARS_MAX {
            return Err(NumberError::TooLarge);
        }
        let mantissa_chars =
            |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        if trimmed.is_empty() || !trimmed.chars().all(mantissa_chars) {
            return Err(NumberError::Syntax);
        }
        // The exponent is bounded before parsing: `1e999999999` must not be expanded.
        if let Some((_, exponent)) = trimmed.split_once(['e', 'E']) {
            let exponent: i64 = exponent.parse().map_err(|_| NumberError::Syntax)?;
            if exponent.abs() > DIGITS_MAX {
                return Err(NumberError::TooLarge);
            }
        }
        Self::bounded(BigDecimal::from_str(trimmed).map_err(|_| NumberError::Syntax)?)
    }

    fn bounded(raw: BigDecimal) -> Result<Self, NumberError> {
        let normal = raw.normalized();
        let (integer, scale) = normal.as_bigint_and_exponent();
        let digits = i64::try_from(integer.to_string().len()).unwrap_or(i64::MAX);
        if scale > DIGITS_MAX
            || digits.saturating_sub(scale) > DIGITS_MAX
            || digits > 2 * DIGITS_MAX
        {
            return Err(NumberError::TooLarge);
        }
        Ok(Self(normal))
    }

    /// The sum.
    ///
    /// # Errors
    /// [`NumberError::TooLarge`].
    pub fn add(&self, other: &Self) -> Result<Self, NumberError> {
        Self::bounded(&self.0 + &other.0)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`NumberError::TooLarge`].
    pub fn subtract(&self, other: &Self) -> Result<Self, NumberError> {
        Self::bounded(&self.0 - &other.0)
    }

    /// The product.
    ///
    /// # Errors
    /// [`NumberError::TooLarge`].
    pub fn multiply(&self, other: &Self) -> Result<Self, NumberError> {
        Self::bounded(&self.0 * &other.0)
    }

    /// The quotient, exact where it ends, else to 40 significant digits.
    ///
    /// # Errors
    /// [`NumberError::DivisionByZero`], [`NumberError::TooLarge`].
    pub fn divide(&self, other: &Self) -> Result<Self, NumberError> {
        if other.0.is_zero() {
            return Err(NumberError::DivisionByZero);
        }
        let quotient = &self.0 / &other.0;
        let digits = u64::try_from(DIVISION_DIGITS).unwrap_or(u64::MAX);
        Self::bounded(quotient.with_prec(digits))
    }

    /// The remainder, with the sign of the dividend.
    ///
    /// # Errors
    /// [`NumberError::DivisionByZero`], [`NumberError::TooLarge`].
    pub fn remainder(&self, other: &Self) -> Result<Self, NumberError> {
        if other.0.is_zero() {
            return Err(NumberError::DivisionByZero);
        }
        Self::bounded(&self.0 % &other.0)
    }

    /// The number with its sign turned.
    #[must_use]
    pub fn negate(&self) -> Self {
        Self(-&self.0)
    }

    /// The number without its sign.
    #[must_use]
    pub fn absolute(&self) -> Self {
        Self(self.0.abs())
    }

    /// The largest whole number not above this one.
    #[must_use]
    pub fn floor(&self) -> Self {
        Self(self.0.with_scale_round(0, bigdecimal::RoundingMode::Floor).normalized())
    }

    /// The smallest whole number not below this one.
    #[must_use]
    pub fn ceiling(&self) -> Self {
        Self(self.0.with_scale_round(0, bigdecimal::RoundingMode::Ceiling).normalized())
    }

    /// Whether there is nothing behind the point.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.0.is_integer()
    }

    /// The number as a machine integer, where it is one and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.is_integer().then(|| self.0.to_i64()).flatten()
    }

    /// The number as an index or count, where it is one and fits.
    #[must_use]
    pub fn as_usize(&self) -> Option<usize> {
        self.is_integer().then(|| self.0.to_usize()).flatten()
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(BigDecimal::from(value).normalized())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(BigDecimal::from(BigInt::from(value)).normalized())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self(BigDecimal::from(BigInt::from(value)).normalized())
    }
}

/// Plain digits, no exponent: the canonical text of the number.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use super::NumberError;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn text_is_canonical() {
        for (text, want) in
            [("1.50", "1.5"), ("1e3", "1000"), ("-0", "0"), ("0.10", "0.1"), ("100", "100")]
        {
            assert_eq!(number(text).to_string(), want);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(Number::parse("1e999999999"), Err(NumberError::TooLarge));
        assert_eq!(Number::parse("0x10"), Err(NumberError::Syntax));
        assert_eq!(Number::parse("NaN"), Err(NumberError::Syntax));
        assert_eq!(number("1").remainder(&number("0")), Err(NumberError::DivisionByZero));
        let huge = number("1e300");
        assert_eq!(huge.multiply(&huge), Err(NumberError::TooLarge));
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(number("0.1").add(&number("0.2")).unwrap(), number("0.3"));
        assert_eq!(number("10").divide(&number("4")).unwrap(), number("2.5"));
        assert_eq!(number("-7").remainder(&number("3")).unwrap(), number("-1"));
        assert_eq!(number("-1.5").floor(), number("-2"));
    }
}
