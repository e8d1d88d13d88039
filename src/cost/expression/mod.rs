//! The language of mappings: what a component's key and quantity are, as text.
//!
//! It is total. There is no recursion, no loop, no assignment and no access to anything but the
//! names it is given, so every evaluation ends within the size of its text, and none fails: what
//! has no answer is [`Answer::Unknown`] with the reason, what nobody has stated of usage is
//! [`Answer::Unset`]. Both win over every operation, so that nothing unknown becomes a number.
//!
//! ```text
//! storage_type ?? assumed('gp2')                    a default, reported as an assumption
//! usage.monthly_requests * ceil(size_kb / 64)       usage, exact decimal arithmetic
//! engine == 'mysql' && multi_az ? 'Multi-AZ' : 'Single-AZ'
//! lookup('edition', engine, 'NA')                   a table of the mapping
//! ```
//!
//! `hours` is the month's 730 hours. A member of a list is the member of its first item, for a
//! block that may appear once arrives as a list of one. Start with [`Expression::parse`].

mod evaluate;
mod function;
mod parse;

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

use crate::cost::decimal;
use crate::model::sealed::SealedValue;

pub use function::Function;

/// A parsed expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expression {
    root: Node,
}

/// Text with expressions in braces: `Instance usage ({os}, {instance_type})`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    pieces: Vec<(String, Option<Expression>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Name(String),
    Usage(Vec<String>),
    Member(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Default(Box<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Why text is not an expression.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The byte of the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

/// What an expression yields.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer<'a> {
    /// Not set.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Decimal),
    /// Text.
    Text(Cow<'a, str>),
    /// A list or a map.
    Node(&'a SealedValue),
    /// Another resource, by its place among all.
    Resource(usize),
    /// Known only after apply, or without an answer; the reason.
    Unknown(Cow<'a, str>),
    /// A usage that nobody has stated; its key.
    Unset(Cow<'a, str>),
}

impl<'a> Answer<'a> {
    /// Text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// No answer, and why.
    pub fn unknown(why: impl Into<Cow<'a, str>>) -> Self {
        Self::Unknown(why.into())
    }

    /// A node of a resource's attributes; its path says what is unknown.
    #[must_use]
    pub fn of(value: &'a SealedValue, path: &str) -> Self {
        match value {
            SealedValue::Null => Self::Null,
            SealedValue::Unknown | SealedValue::UnknownSensitive => {
                Self::unknown(format!("{path} is known only after apply"))
            }
            SealedValue::Sealed(_) => Self::unknown(format!("{path} is sensitive")),
            SealedValue::Bool(value) => Self::Bool(*value),
            SealedValue::Number(number) => match decimal::of(number) {
                Some(number) => Self::Number(number),
                None => Self::unknown(format!("{path} has more digits than money")),
            },
            SealedValue::String(text) => Self::text(text.as_str()),
            SealedValue::List(_) | SealedValue::Set(_) | SealedValue::Map(_) => Self::Node(value),
        }
    }

    /// Whether there is no answer to go on with.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Unset(_))
    }

    /// Whether it counts as true: everything but null, `false`, zero and empty text.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Null | Self::Unknown(_) | Self::Unset(_) => false,
            Self::Bool(value) => *value,
            Self::Number(number) => !number.is_zero(),
            Self::Text(text) => !matches!(text.as_ref(), "" | "false"),
            Self::Node(_) | Self::Resource(_) => true,
        }
    }

    /// The number, where it is one or text that reads as one.
    #[must_use]
    pub fn as_number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => decimal::parse(text),
            _ => None,
        }
    }
}

/// As it stands in a key: numbers without trailing zeros, null as nothing.
impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{}", number.normalize()),
            Self::Text(text) => f.write_str(text),
            Self::Node(_) => f.write_str("(several values)"),
            Self::Resource(_) => f.write_str("(a resource)"),
            Self::Unknown(_) | Self::Unset(_) => f.write_str("?"),
        }
    }
}

/// What an expression may name.
pub trait Scope<'a> {
    /// A name without a dot before it: a definition of the mapping, a reference, an attribute.
    fn name(&self, name: &str) -> Answer<'a>;

    /// A usage by its path, such as `standard` and `storage_gb`.
    fn usage(&self, path: &[String]) -> Answer<'a>;

    /// An attribute or reference of another resource.
    fn member(&self, resource: usize, name: &str) -> Answer<'a>;

    /// A row of a table of the mapping.
    fn lookup(&self, table: &str, row: &str) -> Option<Answer<'a>>;

    /// Says that a default stood in for something nobody stated.
    fn assume(&self, value: &Answer<'a>);

    /// Whether what is stated of a usage is only a claim.
    fn is_claim(&self, path: &[String]) -> bool;

    /// Says that the answer rests on a claim which no assumption bounds.
    fn rest_on_claim(&self, path: &[String]);
}

/// The operators of a text, by the longest first.
const SYMBOLS: [(&str, Operator); 10] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("+", Operator::Add),
    ("-", Operator::Subtract),
    ("*", Operator::Multiply),
    ("/", Operator::Divide),
];

#[cfg(test)]
mod tests;
