//! Expressions: HCL's syntax, gov's own evaluation.
//!
//! `hcl-edit` parses and keeps the places; everything else is ours, since values may be unknown
//! and sensitive in every node, arithmetic is exact and checked, and every evaluation pays from a
//! bounded fuel. Nothing here reads a clock, a file or a random source. Start with [`Template`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use std::ops::Range;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::address::ResourceName;
use crate::model::address::is_identifier;
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
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Path(Vec<String>, Span),
}

/// Whether text has expressions or escapes in it.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("${") || text.contains("%{")
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

    /// What was probably meant by a reference that has no value, as written in an expression.
    fn nearest(&self, reference: &Reference) -> Option<String> {
        let _ = reference;
        None
    }
}

impl Template {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Parses the text of a string literal.
    ///
    /// # Errors
    /// [`Code::ExpressionSyntax`].
    pub fn parse(source: &Source, literal: Range<usize>, text: &str) -> Result<Self, Diagnostics> {
        let span = Span::new(source, literal.clone());
        let token = source.text.get(literal.clone()).unwrap_or("");
        let mut parts = Vec::new();
        let mut rest = text;
        let mut from = 0;
        while let Some((front, tail)) = rest.split_once("${") {
            if let Some(escaped) = front.strip_suffix('$') {
                parts.push(Part::Text(format!("{escaped}${{")));
                rest = tail;
                continue;
            }
            parts.push(Part::Text(front.to_owned()));
            let wrong = || {
                Diagnostic::error(Code::ExpressionSyntax, "expected a path and `}`")
                    .at(span.clone())
            };
            let (path, tail) = tail.split_once('}').ok_or_else(wrong)?;
            let steps: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
            if !steps.iter().all(|step| is_identifier(step)) {
                return Err(wrong().into());
            }
            let start = token.get(from..).and_then(|t| t.find(path)).map_or(0, |at| from + at);
            from = start + path.len();
            let place = literal.start + start..literal.start + from;
            parts.push(Part::Path(steps, Span::new(source, place)));
            rest = tail;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { span, parts })
    }

    /// Everything it refers to, with the place of each mention.
    #[must_use]
    pub fn references(&self, iterators: &BTreeSet<String>) -> Vec<(Reference, Span)> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Path(steps, span) => {
                    let is_iterator = |name: &str| iterators.contains(name);
                    reference(steps, &is_iterator).map(|(found, _)| (found, span.clone()))
                }
                Part::Text(_) => None,
            })
            .collect()
    }

    /// Its value. A template that is one expression and nothing else keeps that expression's type.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place inside the string.
    pub fn evaluate(&self, scope: &dyn Scope, fuel: &mut Fuel) -> Result<Value, Diagnostics> {
        let is_iterator = |name: &str| scope.value(&Reference::Iterator(name.into())).is_some();
        let mut values = Vec::new();
        for part in &self.parts {
            fuel.0 = fuel.0.saturating_sub(1);
            match part {
                Part::Text(text) => values.push(Value::string(text.clone())),
                Part::Path(steps, span) => {
                    let undeclared = || {
                        Diagnostic::error(Code::UnknownReference, steps.join(".")).at(span.clone())
                    };
                    let (reference, taken) =
                        reference(steps, &is_iterator).ok_or_else(undeclared)?;
                    let mut value = scope.value(&reference).ok_or_else(undeclared)?;
                    for step in steps.iter().skip(taken) {
                        if value.is_unknown() {
                            break;
                        }
                        let missing = || {
                            Diagnostic::error(Code::MissingMember, step.clone()).at(span.clone())
                        };
                        value = value.get(step).cloned().ok_or_else(missing)?;
                    }
                    values.push(value);
                }
            }
        }
        let sensitive = values.iter().any(Value::contains_sensitive);
        if let [only] = values.as_slice() {
            return Ok(only.clone());
        }
        if values.iter().any(Value::is_unknown) {
            return Ok(Value::unknown().with_sensitive(sensitive));
        }
        let text = |value: &Value| match value.as_number() {
            Some(number) => number.to_string(),
            None => value.as_str().unwrap_or_default().to_owned(),
        };
        Ok(Value::string(values.iter().map(text).collect::<String>()).with_sensitive(sensitive))
    }
}

fn reference(steps: &[String], is_iterator: &dyn Fn(&str) -> bool) -> Option<(Reference, usize)> {
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    Some(match steps.as_slice() {
        [root, ..] if is_iterator(root) => (Reference::Iterator((*root).into()), 1),
        ["input", name, ..] => (Reference::Input((*name).into()), 2),
        ["local", name, ..] => (Reference::Local((*name).into()), 2),
        ["env", name, ..] => (Reference::Env((*name).into()), 2),
        ["count", ..] => (Reference::Count, 1),
        ["each", ..] => (Reference::Each, 1),
        ["data", kind, name, ..] => (Reference::Resource(ResourceName::data(*kind, *name)), 3),
        [kind, name, ..] => (Reference::Resource(ResourceName::managed(*kind, *name)), 2),
        [word] => (Reference::Iterator((*word).into()), 1),
        [] => return None,
    })
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
