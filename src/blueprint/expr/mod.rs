//! Expressions: HCL's syntax, gov's own evaluation.
//!
//! `hcl-edit` parses and keeps the places; everything else is ours, since values may be unknown
//! and sensitive in every node, arithmetic is exact and checked, and every evaluation pays from a
//! bounded fuel. Nothing here reads a clock, a file or a random source. Start with [`Template`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::address::ResourceName;
use crate::model::value::Value;

/// What an evaluation may spend: about one unit for each node visited and each item produced.
/// Real blueprints spend some hundreds per attribute.
pub const FUEL: u64 = 1_000_000;

/// How deep expressions may nest, in parsing and in evaluation.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// The longest text an evaluation may produce, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Text with expressions in it, parsed.
#[derive(Clone, Debug)]
pub struct Template {
    span: Span,
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

/// Values of what expressions refer to.
pub trait Scope {
    /// The whole value: of a resource an object, a list of objects under `count`, a map of objects
    /// under `for_each`; of `count` and `each` and iterators an object. `None` where there is no such thing.
    fn value(&self, reference: &Reference) -> Option<Value>;
}

impl Template {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Everything it refers to, with the place of each mention.
    #[must_use]
    pub fn references(&self) -> Vec<(Reference, Span)> {
        Vec::new()
    }

    /// Its value. A template that is one expression and nothing else keeps that expression's type.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place inside the string.
    pub fn evaluate(&self, scope: &dyn Scope, fuel: &mut Fuel) -> Result<Value, Diagnostics> {
        let _ = (scope, fuel);
        Err(Diagnostics::new())
    }
}

/// What is left to spend.
#[derive(Clone, Debug)]
pub struct Fuel(u64);

impl Default for Fuel {
    fn default() -> Self {
        Self(FUEL)
    }
}

/// A scope of plain maps, for tests and for evaluations without resources.
#[derive(Clone, Debug, Default)]
pub struct MapScope(pub BTreeMap<Reference, Value>);

impl Scope for MapScope {
    fn value(&self, reference: &Reference) -> Option<Value> {
        self.0.get(reference).cloned()
    }
}

/// Names that begin a reference and so cannot be resource types.
pub fn reserved_roots() -> BTreeSet<&'static str> {
    ["input", "local", "env", "data", "count", "each", "provider", "self", "path", "var", "module"]
        .into()
}
