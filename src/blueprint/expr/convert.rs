//! Conversions between kinds, where nothing is lost: text, numbers and bools.
//!
//! Only known, non-null values convert; whoever calls has settled what unknown and null mean.
//! Marks are the caller's too.

use crate::model::number::Number;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The longest text that is read as a number: all the digits a number may have, its sign, its
/// point and an exponent. Reading digits takes time that grows with their square.
const NUMBER_BYTES_MAX: usize = 1_000;

/// The text of a string, a number or a bool.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value.kind() {
        Kind::String(text) => Some(text.clone()),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A number, or text that is one.
#[must_use]
pub fn number(value: &Value) -> Option<Number> {
    match value.kind() {
        Kind::Number(number) => Some(number.clone()),
        Kind::String(text) => parse_number(text),
        _ => None,
    }
}

/// The number that text is, without space around it.
#[must_use]
pub fn parse_number(text: &str) -> Option<Number> {
    let plain = text.len() <= NUMBER_BYTES_MAX && text.trim().len() == text.len();
    plain.then(|| Number::parse(text).ok()).flatten()
}

/// A bool, or the text `true` or `false`.
#[must_use]
pub fn truth(value: &Value) -> Option<bool> {
    match value.kind() {
        Kind::Bool(truth) => Some(*truth),
        Kind::String(text) if text == "true" => Some(true),
        Kind::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// A set of these items. Marks inside would decide whether two items are one, so a set with a
/// sensitive item is sensitive as a whole.
#[must_use]
pub fn set(items: Vec<Value>) -> Value {
    if items.iter().any(Value::contains_sensitive) {
        let items = items.iter().map(Value::unmarked).collect();
        return Value::set(items).into_sensitive();
    }
    Value::set(items)
}

/// Whether two values hold the same, whatever their marks; `None` where only applying can tell.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a.kind(), b.kind()) {
        (Kind::Unknown, _) | (_, Kind::Unknown) => None,
        (Kind::List(x), Kind::List(y)) if x.len() == y.len() => {
            all_equal(x.iter().zip(y).map(|(p, q)| equal(p, q)))
        }
        (Kind::Map(x), Kind::Map(y)) if x.len() == y.len() && x.keys().eq(y.keys()) => {
            all_equal(x.values().zip(y.values()).map(|(p, q)| equal(p, q)))
        }
        (Kind::Set(x), Kind::Set(y)) => {
            if a.is_wholly_known() && b.is_wholly_known() {
                return Some(convert_same(a, b));
            }
            if x.is_empty() != y.is_empty() { Some(false) } else { None }
        }
        (Kind::List(_), Kind::List(_)) | (Kind::Map(_), Kind::Map(_)) => Some(false),
        (x, y) => Some(x == y),
    }
}

fn convert_same(a: &Value, b: &Value) -> bool {
    a.unmarked() == b.unmarked()
}

fn all_equal(mut pairs: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    pairs
        .try_fold(Some(true), |so_far, pair| match pair {
            Some(false) => Err(()),
            Some(true) => Ok(so_far),
            None => Ok(None),
        })
        .unwrap_or(Some(false))
}

#[cfg(test)]
mod tests {
    use super::equal;
    use super::parse_number;
    use super::set;
    use crate::model::value::Value;

    #[test]
    fn equality_knows_what_it_does_not_know() {
        let (one, unknown) = (Value::number(1_i64), Value::unknown());
        assert_eq!(equal(&one, &unknown), None);
        assert_eq!(equal(&one, &Value::string("1")), Some(false));
        assert_eq!(equal(&one, &one.clone().into_sensitive()), Some(true));
        let pair = |a: &Value, b: &Value| Value::list(vec![a.clone(), b.clone()]);
        let two = Value::number(2_i64);
        assert_eq!(equal(&pair(&one, &unknown), &pair(&two, &one)), Some(false));
        assert_eq!(equal(&pair(&unknown, &one), &pair(&one, &one)), None);
        assert_eq!(equal(&Value::null(), &pair(&unknown, &one)), Some(false));
    }

    #[test]
    fn sets_are_sensitive_as_a_whole() {
        let made = set(vec![Value::string("a").into_sensitive(), Value::string("a")]);
        assert!(made.is_sensitive());
        assert_eq!(made.as_items().map(<[Value]>::len), Some(1));
    }

    #[test]
    fn a_flood_of_digits_is_not_read() {
        assert_eq!(parse_number(&"9".repeat(1_000_000)), None);
        assert_eq!(parse_number(" 1"), None);
    }
}
