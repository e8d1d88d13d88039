//! Decimals from number text, exactly, and the two places where a decimal may lose digits.
//!
//! Prices arrive as text in many spellings (`0.0416000000`, `1.59e-07`, `4E+2`). None of them ever
//! passes through a float here. What does not fit 28 digits is refused, not rounded.

use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy;

use crate::model::number::Number;

/// Digits behind the point that a division keeps. Milliseconds to hours divide by 3.6 million; ten
/// further digits are far below any unit that is charged for, and leave room to multiply by prices.
const QUOTIENT_PLACES: u32 = 12;

/// Digits behind the point of an amount of money between quantity and sum. A sum of amounts of so
/// many places is exact and so the same in every order, up to a trillion of any currency.
pub const AMOUNT_PLACES: u32 = 16;

/// Digits of an exponent. `1e-28` is the smallest decimal there is.
const EXPONENT_MAX: i32 = 28;

/// The exact decimal of a number's text, with an optional exponent; nothing where the text is no
/// number or has more digits than a decimal holds.
#[must_use]
pub fn parse(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return plain(text);
    };
    let exponent: i32 = exponent.parse().ok()?;
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let mantissa = plain(digits)?.normalize();
    if exponent >= 0 {
        let factor = 10_i128.checked_pow(exponent.unsigned_abs())?;
        return mantissa.checked_mul(Decimal::try_from_i128_with_scale(factor, 0).ok()?);
    }
    let scale = mantissa.scale().checked_add(exponent.unsigned_abs())?;
    Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok()
}

fn plain(text: &str) -> Option<Decimal> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let first = text.strip_prefix('-').unwrap_or(text).chars().next()?;
    if !(first.is_ascii_digit() || first == '.') || text.contains('_') {
        return None;
    }
    // `0.0416000000` and longer tails of zeros are common; they carry nothing.
    let text = match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
        None => text,
    };
    Decimal::from_str_exact(if text.is_empty() || text == "-" { "0" } else { text }).ok()
}

/// The decimal of a model number, where it fits.
#[must_use]
pub fn of(number: &Number) -> Option<Decimal> {
    match number.as_i64() {
        Some(integer) => Some(Decimal::from(integer)),
        None => parse(&number.to_string()),
    }
}

/// The quotient, to twelve places; nothing for a division by zero.
#[must_use]
pub fn divide(dividend: Decimal, divisor: Decimal) -> Option<Decimal> {
    let quotient = dividend.checked_div(divisor)?;
    let rounding = RoundingStrategy::MidpointAwayFromZero;
    Some(quotient.round_dp_with_strategy(QUOTIENT_PLACES, rounding).normalize())
}

/// What a quantity costs at so much for `per` units, to sixteen places; nothing where it is too
/// large. Multiplied first, so that a price per thousand stays exact.
#[must_use]
pub fn amount(quantity: Decimal, price: Decimal, per: Decimal) -> Option<Decimal> {
    let product = quantity.checked_mul(price)?.checked_div(per)?;
    let rounding = RoundingStrategy::MidpointAwayFromZero;
    Some(product.round_dp_with_strategy(AMOUNT_PLACES, rounding).normalize())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn number_text_is_read_exactly() {
        for (text, want) in [
            ("0.0416000000", "0.0416"),
            ("1.59e-07", "0.000000159"),
            ("4E+2", "400"),
            ("10", "10"),
            ("0", "0"),
            ("0.00", "0"),
            ("-0.5", "-0.5"),
            (".5", "0.5"),
            ("1e-28", "0.0000000000000000000000000001"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in ["", "x", "1e99", "NaN", "1_000", "inf", "--1", "1e-29", "1,5"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
