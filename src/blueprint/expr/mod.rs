//! Expressions: HCL's syntax, gov's own evaluation.
//!
//! `hcl-edit` parses and keeps the places; everything else is ours, since values may be unknown
//! and sensitive in every node, arithmetic is exact and checked, and every evaluation pays from a
//! bounded fuel. Nothing here reads a clock, a file or a random source. Start with [`Template`],
//! then `evaluate`; the functions of the language are a table in [`functions`].

mod access;
mod ast;
mod convert;
mod evaluate;
mod fuel;
pub mod functions;
mod literal;
mod operator;
mod parse;
#[cfg(test)]
mod properties;
mod repeat;
mod root;
mod scan;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::blueprint::expr::ast::Node;
pub use crate::blueprint::expr::fuel::Fuel;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::address::ResourceName;
use crate::model::value::Value;

/// What an evaluation may spend: about one unit for each node visited and each item produced.
/// Real blueprints spend some hundreds per attribute.
pub const FUEL: u64 = 1_000_000;

/// How deep expressions may nest, in parsing and in evaluation.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// The most bytes of expression in one string, text around and between not counted. The longest
/// expressions in real blueprints have some hundreds.
pub const EXPRESSION_BYTES_MAX: usize = 32 * 1024;

/// The longest text an evaluation may produce, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Text with expressions in it, parsed.
#[derive(Clone, Debug)]
pub struct Template {
    span: Span,
    root: Arc<Node>,
}

/// What an expression refers to outside itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reference {
    /// `input.NAME`.
    Input(String),
    /// `local.NAME`.
    Local(String),
    /// `env.NAME`: `name`, `id`, `owner`, `team`, `project`, `purpose`.
    Env(String),
    /// `TYPE.NAME` or `data.TYPE.NAME`.
    Resource(ResourceName),
    /// `count.index`.
    Count,
    /// `each.key` or `each.value`.
    Each,
    /// The iterator of a repeated block.
    Iterator(String),
}

/// As written in an expression.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(name) => write!(f, "input.{name}"),
            Self::Local(name) => write!(f, "local.{name}"),
            Self::Env(name) => write!(f, "env.{name}"),
            Self::Resource(name) => write!(f, "{name}"),
            Self::Count => f.write_str("count"),
            Self::Each => f.write_str("each"),
            Self::Iterator(name) => f.write_str(name),
        }
    }
}

/// Values of what expressions refer to.
pub trait Scope {
    /// The whole value: of a resource an object, a list of objects under `count`, a map of objects
    /// under `for_each`; of `count` and `each` and iterators an object. `None` where there is no
    /// such thing.
    fn value(&self, reference: &Reference) -> Option<Value>;

    /// What was probably meant by a reference that has no value, as written in an expression.
    fn nearest(&self, reference: &Reference) -> Option<String> {
        let _ = reference;
        None
    }
}

impl Template {
    /// Parses the decoded `text` of the TOML string at `literal` in `source`, quotes included.
    ///
    /// Text without `${` and `%{` is a template too and evaluates to itself.
    ///
    /// # Errors
    /// Everything that is wrong without looking at values, each with its place inside the string.
    pub fn parse(source: &Source, literal: Range<usize>, text: &str) -> Result<Self, Diagnostics> {
        let root = parse::parse(source, literal.clone(), text)?;
        Ok(Self { span: Span::new(source, literal), root: Arc::new(root) })
    }

    /// Where it stands: the whole string with its quotes.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Everything it refers to, with the place of each mention, in the order of the text.
    ///
    /// A root among `iterators` is one; another with a member is a resource. A word that is
    /// neither a resource nor bound by a `for` comes as [`Reference::Iterator`] as well, for that
    /// is all it could be.
    #[must_use]
    pub fn references(&self, iterators: &BTreeSet<String>) -> Vec<(Reference, Span)> {
        let place = |(from, to)| Span::new(&self.span.source, from..to);
        let found = root::references(&self.root, iterators);
        found.into_iter().map(|(reference, at)| (reference, place(at))).collect()
    }

    /// Its value. A template that is one expression and nothing else keeps that expression's type.
    ///
    /// What depends on unknown values is unknown, and what is known stays true whatever they turn
    /// out to be. What depends on sensitive values is sensitive.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place inside the string, without any sensitive
    /// value.
    pub fn evaluate(&self, scope: &dyn Scope, fuel: &mut Fuel) -> Result<Value, Diagnostics> {
        evaluate::evaluate(&self.root, &self.span.source, scope, fuel)
    }
}

/// Whether text has anything in it that a template changes: `${`, `%{` and their escapes `$${`
/// and `%%{`. Other text is a literal.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("${") || text.contains("%{")
}

/// A scope of plain maps, for tests and for evaluations without resources.
#[derive(Clone, Debug, Default)]
pub struct MapScope(pub BTreeMap<Reference, Value>);

impl Scope for MapScope {
    fn value(&self, reference: &Reference) -> Option<Value> {
        self.0.get(reference).cloned()
    }

    fn nearest(&self, reference: &Reference) -> Option<String> {
        let known: Vec<String> = self.0.keys().map(ToString::to_string).collect();
        let wrong = reference.to_string();
        crate::model::schema::nearest(&wrong, known.iter().map(String::as_str)).map(str::to_owned)
    }
}

/// Names that begin a reference and so cannot be resource types.
pub fn reserved_roots() -> BTreeSet<&'static str> {
    ["input", "local", "env", "data", "count", "each", "provider", "self", "path", "var", "module"]
        .into()
}
