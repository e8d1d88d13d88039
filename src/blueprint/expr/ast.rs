//! Expressions as gov evaluates them: roots resolved, parentheses gone, every node with its place.
//!
//! The tree holds no value but literals and knows nothing of scopes. Chains of operators are flat
//! and traversals are lists, so that its depth is the nesting somebody wrote and no more.

use crate::blueprint::expr::Reference;
use crate::model::value::Value;

/// Bytes of the source: from the first to behind the last.
pub type Place = (usize, usize);

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What.
    pub kind: NodeKind,
    /// Where.
    pub place: Place,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A value as written.
    Literal(Value),
    /// Text with parts.
    Template(Vec<Part>),
    /// Something of the scope.
    Reference(Reference),
    /// The iterator of a repeated block, or else the resource `root.member`: which of both is
    /// known only where iterators are.
    Open {
        /// The first word.
        root: String,
        /// The word behind the point.
        member: Option<String>,
    },
    /// A name bound by a `for`.
    Variable(String),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{ a = b }`.
    Object(Vec<(Node, Node)>),
    /// `a.b[c]`.
    Access(Box<Node>, Vec<Access>),
    /// `name(arguments)`.
    Call(Call),
    /// `c ? a : b`.
    Conditional(Box<Conditional>),
    /// `-a` and `!a`.
    Unary(Unary, Box<Node>),
    /// `a + b - c`: operators of a left-leaning chain, applied in order.
    Chain(Box<Node>, Vec<Link>),
    /// `[for …]` and `{for …}`.
    For(Box<For>),
}

/// One step of a traversal.
#[derive(Clone, Debug)]
pub enum Access {
    /// `.name`.
    Attribute(String, Place),
    /// `[key]` and `.0`.
    Index(Box<Node>),
    /// `[*]` and `.*`, with the steps taken in each item.
    Splat(Vec<Access>, Place),
}

/// A function call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Without its namespace.
    pub name: String,
    /// `provider::NAME` of a provider's function.
    pub namespace: Vec<String>,
    /// In order.
    pub arguments: Vec<Node>,
    /// The last argument is a list of arguments: `f(list...)`.
    pub expand: bool,
    /// The place of the name.
    pub name_place: Place,
}

/// `condition ? yes : no`.
#[derive(Clone, Debug)]
pub struct Conditional {
    /// What decides.
    pub condition: Node,
    /// If true.
    pub yes: Node,
    /// If false.
    pub no: Node,
}

/// Operators before an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    /// `-`.
    Negate,
    /// `!`.
    Not,
}

/// An operator and its right side.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub operator: Binary,
    /// The right side.
    pub right: Node,
}

/// Operators between expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `==`.
    Equal,
    /// `!=`.
    Unequal,
    /// `<`, `<=`, `>`, `>=`.
    Compare(Comparison),
    /// `+`, `-`, `*`, `/`, `%`.
    Calculate(Calculation),
}

/// Orders of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// Operations on numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calculation {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Remainder,
}

/// A `for` over a collection, in brackets or braces.
#[derive(Clone, Debug)]
pub struct For {
    /// What names are bound.
    pub names: Names,
    /// What it runs over.
    pub collection: Node,
    /// The key of each member: makes an object.
    pub key: Option<Node>,
    /// The value of each item or member.
    pub value: Node,
    /// Which items count.
    pub condition: Option<Node>,
    /// `...`: members of one key become a list.
    pub group: bool,
}

/// The names that a `for` binds.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of the key or position.
    pub key: Option<String>,
    /// Of the item.
    pub value: String,
}

/// A piece of text.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// `${…}`.
    Value(Node),
    /// `%{if}`.
    If(Box<If>),
    /// `%{for}`.
    For(Box<Repeat>),
}

/// `%{if condition}yes%{else}no%{endif}`.
#[derive(Clone, Debug)]
pub struct If {
    /// What decides.
    pub condition: Node,
    /// If true.
    pub yes: Vec<Part>,
    /// If false.
    pub no: Vec<Part>,
}

/// `%{for name in collection}body%{endfor}`.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// What names are bound.
    pub names: Names,
    /// What it runs over.
    pub collection: Node,
    /// Once for each item.
    pub body: Vec<Part>,
}
