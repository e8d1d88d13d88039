//! The functions of the language: one row of a table each, all total.

use std::ops::RangeInclusive;

use rust_decimal::Decimal;

use super::Answer;
use crate::cost::decimal;
use crate::model::sealed::SealedValue;

/// Arguments of `min`, `max` and the like; a mapping's longest has six.
const ARGUMENTS_MAX: usize = 16;

/// Bytes that a text function may make. Keys and labels are far below.
const TEXT_BYTES_MAX: usize = 10_000;

/// A function by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// `assumed(x)`: x, reported as an assumption.
    Assumed,
    /// `lookup(table, row, default)`.
    Lookup,
    /// The smallest number.
    Min,
    /// The largest number.
    Max,
    /// The smallest whole number not below.
    Ceil,
    /// The largest whole number not above.
    Floor,
    /// In small letters.
    Lower,
    /// In capitals.
    Upper,
    /// Whether text has a part, or a list an item.
    Contains,
    /// Whether text begins so.
    StartsWith,
    /// Whether text ends so.
    EndsWith,
    /// `split(text, separator, index)`: one piece, null where there is none.
    Split,
    /// `replace(text, what, by)`.
    Replace,
    /// Texts in a row.
    Concat,
    /// Items of a list, members of a map, characters of text; zero of null.
    Length,
    /// `sum(list, member)`: of a member of each item, zero of an empty list or null.
    Sum,
    /// Whether it is none of null, empty text and empty list.
    IsSet,
    /// `where(list, member, value)`: the first item whose member has this value, or null.
    Where,
}

const TABLE: [(&str, Function, RangeInclusive<usize>); 18] = [
    ("assumed", Function::Assumed, 1..=1),
    ("lookup", Function::Lookup, 2..=3),
    ("min", Function::Min, 1..=ARGUMENTS_MAX),
    ("max", Function::Max, 1..=ARGUMENTS_MAX),
    ("ceil", Function::Ceil, 1..=1),
    ("floor", Function::Floor, 1..=1),
    ("lower", Function::Lower, 1..=1),
    ("upper", Function::Upper, 1..=1),
    ("contains", Function::Contains, 2..=2),
    ("starts_with", Function::StartsWith, 2..=2),
    ("ends_with", Function::EndsWith, 2..=2),
    ("split", Function::Split, 3..=3),
    ("replace", Function::Replace, 3..=3),
    ("concat", Function::Concat, 1..=ARGUMENTS_MAX),
    ("length", Function::Length, 1..=1),
    ("sum", Function::Sum, 2..=2),
    ("is_set", Function::IsSet, 1..=1),
    ("where", Function::Where, 3..=3),
];

impl Function {
    /// The function of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(known, ..)| *known == name).map(|(_, function, _)| *function)
    }

    /// How many arguments it takes.
    #[must_use]
    pub fn takes(self) -> RangeInclusive<usize> {
        let row = TABLE.iter().find(|(_, function, _)| *function == self);
        row.map_or(0..=0, |(.., takes)| takes.clone())
    }
}

/// Applies a function that needs nothing but its arguments, none of which is open.
pub(super) fn apply<'a>(function: Function, arguments: &[Answer<'a>]) -> Answer<'a> {
    let first = arguments.first().unwrap_or(&Answer::Null);
    let second = arguments.get(1).unwrap_or(&Answer::Null);
    match function {
        Function::Min => extreme(arguments, |best, next| next < best),
        Function::Max => extreme(arguments, |best, next| next > best),
        Function::Ceil => number(first, |n| n.ceil()),
        Function::Floor => number(first, |n| n.floor()),
        Function::Lower => text(first, |t| t.to_lowercase()),
        Function::Upper => text(first, |t| t.to_uppercase()),
        Function::Contains => contains(first, second),
        Function::StartsWith => compare(first, second, |text, part| text.starts_with(part)),
        Function::EndsWith => compare(first, second, |text, part| text.ends_with(part)),
        Function::Split => split(first, second, arguments.get(2)),
        Function::Replace => {
            let by = arguments.get(2).unwrap_or(&Answer::Null).to_string();
            let what = second.to_string();
            let grows = by.len() > what.len();
            if what.is_empty() || (grows && first.to_string().len() > TEXT_BYTES_MAX / 10) {
                return Answer::unknown("replace would make too much text");
            }
            text(first, |t| t.replace(&what, &by))
        }
        Function::Concat => concat(arguments),
        Function::Length => length(first),
        Function::Sum => sum(first, &second.to_string()),
        Function::IsSet => Answer::Bool(is_set(first)),
        Function::Where => find(first, &second.to_string(), arguments.get(2)),
        Function::Assumed | Function::Lookup => first.clone(),
    }
}

fn extreme<'a>(arguments: &[Answer<'a>], better: fn(Decimal, Decimal) -> bool) -> Answer<'a> {
    let mut best: Option<Decimal> = None;
    for argument in arguments.iter().filter(|argument| **argument != Answer::Null) {
        let Some(next) = argument.as_number() else {
            return Answer::unknown(format!("`{argument}` is not a number"));
        };
        best = Some(best.map_or(next, |best| if better(best, next) { next } else { best }));
    }
    best.map_or(Answer::Null, Answer::Number)
}

fn number<'a>(argument: &Answer<'a>, change: fn(Decimal) -> Decimal) -> Answer<'a> {
    match argument.as_number() {
        Some(number) => Answer::Number(change(number)),
        None if *argument == Answer::Null => Answer::Null,
        None => Answer::unknown(format!("`{argument}` is not a number")),
    }
}

fn text<'a>(argument: &Answer<'a>, change: impl Fn(&str) -> String) -> Answer<'a> {
    match argument {
        Answer::Null => Answer::Null,
        other => Answer::text(change(&other.to_string())),
    }
}

fn compare<'a>(
    text: &Answer<'a>,
    part: &Answer<'a>,
    holds: impl Fn(&str, &str) -> bool,
) -> Answer<'a> {
    let is_text = *text != Answer::Null && *part != Answer::Null;
    Answer::Bool(is_text && holds(&text.to_string(), &part.to_string()))
}

fn contains<'a>(whole: &Answer<'a>, part: &Answer<'a>) -> Answer<'a> {
    let Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) = whole else {
        return compare(whole, part, |text, part| text.contains(part));
    };
    let wanted = part.to_string();
    let mut unknown = false;
    for item in items {
        match Answer::of(item, "an item") {
            Answer::Unknown(_) => unknown = true,
            item if item.to_string() == wanted => return Answer::Bool(true),
            _ => {}
        }
    }
    if unknown { Answer::unknown("an item is known only after apply") } else { Answer::Bool(false) }
}

fn split<'a>(text: &Answer<'a>, by: &Answer<'a>, index: Option<&Answer<'a>>) -> Answer<'a> {
    let index = index.and_then(Answer::as_number).and_then(|n| usize::try_from(n).ok());
    let (text, by) = (text.to_string(), by.to_string());
    let piece = index.and_then(|index| text.split(by.as_str()).nth(index).map(str::to_owned));
    piece.map_or(Answer::Null, Answer::text)
}

fn concat<'a>(arguments: &[Answer<'a>]) -> Answer<'a> {
    let mut whole = String::new();
    for argument in arguments {
        whole.push_str(&argument.to_string());
        if whole.len() > TEXT_BYTES_MAX {
            return Answer::unknown("concat would make too much text");
        }
    }
    Answer::text(whole)
}

fn length<'a>(argument: &Answer<'a>) -> Answer<'a> {
    let count = match argument {
        Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) => items.len(),
        Answer::Node(SealedValue::Map(members)) => members.len(),
        Answer::Text(text) => text.chars().count(),
        _ => 0,
    };
    Answer::Number(Decimal::from(count))
}

fn sum<'a>(list: &Answer<'a>, member: &str) -> Answer<'a> {
    let Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) = list else {
        return Answer::Number(Decimal::ZERO);
    };
    let mut total = Decimal::ZERO;
    for item in items {
        let value = item.get(member).map_or(Answer::Null, |value| Answer::of(value, member));
        let next = match value {
            Answer::Null => Decimal::ZERO,
            Answer::Unknown(why) => return Answer::Unknown(why),
            value => match value.as_number() {
                Some(number) => number,
                None => return Answer::unknown(format!("`{value}` is not a number")),
            },
        };
        match total.checked_add(next) {
            Some(sum) => total = sum,
            None => return Answer::unknown("the sum is too large"),
        }
    }
    Answer::Number(total.normalize())
}

fn is_set(argument: &Answer<'_>) -> bool {
    match argument {
        Answer::Null => false,
        Answer::Text(text) => !text.is_empty(),
        Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) => !items.is_empty(),
        _ => true,
    }
}

fn find<'a>(list: &Answer<'a>, member: &str, wanted: Option<&Answer<'a>>) -> Answer<'a> {
    let Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) = list else {
        return Answer::Null;
    };
    let wanted = wanted.map(Answer::to_string).unwrap_or_default();
    for item in items {
        let value = item.get(member).map_or(Answer::Null, |value| Answer::of(value, member));
        match value {
            Answer::Unknown(why) => return Answer::Unknown(why),
            value if value.to_string() == wanted => return Answer::of(item, "an item"),
            _ => {}
        }
    }
    Answer::Null
}

/// Whether two answers are the same: numbers by value, also where one of them is text.
pub(super) fn same(one: &Answer<'_>, other: &Answer<'_>) -> bool {
    match (one, other) {
        (Answer::Null, other) | (other, Answer::Null) => *other == Answer::Null,
        (Answer::Bool(a), Answer::Bool(b)) => a == b,
        (Answer::Number(_), _) | (_, Answer::Number(_)) => {
            matches!((one.as_number(), other.as_number()), (Some(a), Some(b)) if a == b)
        }
        _ => one.to_string() == other.to_string(),
    }
}

/// The quotient, or why there is none.
pub(super) fn quotient<'a>(dividend: Decimal, divisor: Decimal) -> Answer<'a> {
    decimal::divide(dividend, divisor)
        .map_or_else(|| Answer::unknown("a division has no answer"), Answer::Number)
}
