//! Blueprints: environments as code, in TOML whose strings are templates.
//!
//! This floor reads text and nothing else: it opens no file and knows no provider. [`parse`] makes
//! a [`Blueprint`] with every place kept, [`resolve`] checks what can be checked without values,
//! [`inputs`] checks what was given, and [`body`] evaluates attributes when their inputs are known.
//! [`fmt`] lays the text out in its normal form. Start with [`load`].

pub mod body;
mod declaration;
pub mod endpoint;
pub mod expr;
pub mod fmt;
pub mod inputs;
mod limits;
mod node;
pub mod parse;
mod provider_source;
pub mod resolve;
mod resource;
mod tree;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::blueprint::expr::Template;
use crate::blueprint::resolve::Resolved;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::address::ResourceName;
use crate::model::limits::Limits;
use crate::model::number::Number;
use crate::model::schema::Type;
use crate::model::value::Value;

/// The most bytes a blueprint may have. The largest real ones have some 200 KB.
pub const BLUEPRINT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The most blocks a blueprint may have; instances are bounded by its limits instead.
pub const BLOCKS_MAX: usize = 20_000;

/// How deep tables and lists may nest. Provider schemas reach some ten levels; the bound keeps
/// every walk over a blueprint far from the end of its stack.
pub const NESTING_MAX: usize = 32;

/// Policies that a blueprint may require by name. `baseline` ships with gov.
pub const POLICIES: &[&str] = &["baseline"];

/// Providers that are part of gov: a type with one of these prefixes needs no declaration.
pub const BUILTIN_PROVIDERS: &[&str] = &["local", "random", "sim", "tls"];

/// Parses and resolves: the entry for everybody who needs a whole blueprint.
///
/// # Errors
/// All that both find wrong, at once.
pub fn load(source: &Source) -> Result<(Blueprint, Resolved, Diagnostics), Diagnostics> {
    let (blueprint, mut problems) = parse::attempt(source);
    let Some(blueprint) = blueprint else { return Err(problems) };
    match resolve::resolve(&blueprint) {
        Ok((resolved, warnings)) => {
            problems.extend(warnings);
            let ((blueprint, resolved), warnings) = problems.into_result((blueprint, resolved))?;
            Ok((blueprint, resolved, warnings))
        }
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Something with its place in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    /// What.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// An environment as code.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The text it was read from.
    pub source: Source,
    /// `blueprint.name`.
    pub name: String,
    /// `blueprint.version`, three numbers.
    pub version: String,
    /// `blueprint.description`.
    pub description: String,
    /// `[inputs.NAME]`.
    pub inputs: BTreeMap<String, InputDeclaration>,
    /// `[limits]`.
    pub limits: Spanned<Limits>,
    /// `[governance]`.
    pub governance: Governance,
    /// `[integrations.NAME]`.
    pub integrations: BTreeMap<String, Integration>,
    /// `[providers.NAME]`, and those implied by resource types with their default source.
    pub providers: BTreeMap<String, ProviderDeclaration>,
    /// `[locals]`.
    pub locals: BTreeMap<String, Spanned<Node>>,
    /// `[resource.TYPE.NAME]` and `[data.TYPE.NAME]`.
    pub resources: BTreeMap<ResourceName, ResourceBlock>,
    /// `[outputs.NAME]`.
    pub outputs: BTreeMap<String, OutputDeclaration>,
}

/// An input's type and bounds.
#[derive(Clone, Debug)]
pub struct InputDeclaration {
    /// Where it is declared.
    pub span: Span,
    /// `string`, `integer`, `number`, `bool`, `list` or `map`.
    pub ty: InputType,
    /// For people.
    pub description: String,
    /// Taken where none is given; without one, the input is required.
    pub default: Option<Value>,
    /// The only values allowed, where there are any.
    pub one_of: Vec<Value>,
    /// The smallest number, or the shortest text or collection.
    pub min: Option<Number>,
    /// The largest number, or the longest text or collection.
    pub max: Option<Number>,
    /// What text must match, from its start to its end.
    pub pattern: Option<String>,
    /// Never shown, stored only sealed.
    pub sensitive: bool,
}

/// The type of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A list of any values.
    List,
    /// A map of any values.
    Map,
}

impl InputType {
    /// The type that values are converted to.
    #[must_use]
    pub fn value_type(self) -> Type {
        match self {
            Self::String => Type::String,
            Self::Integer | Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::List => Type::List(Box::new(Type::Dynamic)),
            Self::Map => Type::Map(Box::new(Type::Dynamic)),
        }
    }

    /// As written in a blueprint.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

/// What governs environments of this blueprint beside its limits.
#[derive(Clone, Debug, Default)]
pub struct Governance {
    /// Names of policies that must be in force.
    pub policies: Vec<Spanned<String>>,
    /// The compliance scope, such as `gdpr`.
    pub compliance: BTreeSet<String>,
}

/// A declared third-party endpoint.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Where it is declared.
    pub span: Span,
    /// Scheme and host, and a port where it is not the scheme's own.
    pub endpoint: String,
    /// What data may go there.
    pub data_class: Option<String>,
}

/// A provider configuration.
#[derive(Clone, Debug)]
pub struct ProviderDeclaration {
    /// Where it is declared, or first implied.
    pub span: Span,
    /// `builtin/local`, `hashicorp/aws`, `registry.example/acme/thing`.
    pub source: String,
    /// A version constraint, for providers that have versions.
    pub version: Option<String>,
    /// `[providers.NAME.config]`: its configuration.
    pub config: Body,
}

/// A resource that is made, or read.
#[derive(Clone, Debug)]
pub struct ResourceBlock {
    /// Type and name.
    pub name: ResourceName,
    /// Where it is declared: the header.
    pub span: Span,
    /// How many.
    pub count: Option<Spanned<Node>>,
    /// One for each of these.
    pub for_each: Option<Spanned<Node>>,
    /// The name of its provider configuration.
    pub provider: Spanned<String>,
    /// What it comes after beside what it refers to.
    pub depends_on: Vec<Spanned<ResourceName>>,
    /// How it is replaced and protected.
    pub lifecycle: Lifecycle,
    /// Its attributes and blocks.
    pub body: Body,
}

/// How a resource is replaced and protected.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// Deleting it is refused.
    pub prevent_destroy: bool,
    /// Its replacement is made before it goes.
    pub create_before_destroy: bool,
    /// Attributes whose difference from the configuration is left alone.
    pub ignore_changes: Vec<Spanned<String>>,
}

/// An output.
#[derive(Clone, Debug)]
pub struct OutputDeclaration {
    /// Where it is declared.
    pub span: Span,
    /// For people.
    pub description: String,
    /// Never shown.
    pub sensitive: bool,
    /// Its value.
    pub value: Spanned<Node>,
}

/// Attributes and nested blocks, as written.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// By name.
    pub members: BTreeMap<String, Spanned<Node>>,
}

/// A value as written: literals, templates, and collections of them.
#[derive(Clone, Debug)]
pub enum Node {
    /// A number, a bool, or text without `${` and `%{`.
    Literal(Value),
    /// Text with expressions in it.
    Template(Template),
    /// A list, or an array of tables.
    List(Vec<Spanned<Node>>),
    /// A table.
    Map(BTreeMap<String, Spanned<Node>>),
    /// A block that stands for as many as `for_each` has items; alone or in a list, it yields items
    /// of a list.
    Repeated(Box<Repeated>),
}

/// A block with `for_each`.
#[derive(Clone, Debug)]
pub struct Repeated {
    /// What it repeats over.
    pub for_each: Spanned<Node>,
    /// The name under which `key` and `value` of an item are reached: the block's own unless given.
    pub iterator: String,
    /// One of the blocks.
    pub content: Spanned<Node>,
}
