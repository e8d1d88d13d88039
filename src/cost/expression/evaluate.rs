//! From tree to answer.

use std::borrow::Cow;

use super::Answer;
use super::Expression;
use super::Function;
use super::Node;
use super::Operator;
use super::Scope;
use super::Template;
use super::function;
use crate::model::sealed::SealedValue;

impl Expression {
    /// The answer in a scope.
    pub fn evaluate<'a>(&'a self, scope: &dyn Scope<'a>) -> Answer<'a> {
        evaluate(&self.root, scope)
    }

    /// Whether it is a literal, the same in every scope.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self.root, Node::Text(_) | Node::Number(_) | Node::Bool(_) | Node::Null)
    }
}

impl Template {
    /// The text in a scope, where every piece of it has an answer.
    ///
    /// # Errors
    /// The first answer that is open; an unset attribute is unknown here, for a text with a hole in
    /// it would be another text.
    pub fn fill<'a>(&'a self, scope: &dyn Scope<'a>) -> Result<String, Answer<'a>> {
        let mut text = String::new();
        for (before, expression) in self.pieces() {
            text.push_str(before);
            let Some(expression) = expression else { continue };
            match expression.evaluate(scope) {
                open if open.is_open() => return Err(open),
                Answer::Null => {
                    let names = expression.names().join(", ");
                    return Err(Answer::unknown(format!("{names} is not set")));
                }
                Answer::Node(_) | Answer::Resource(_) => {
                    return Err(Answer::unknown("a list or map is no text"));
                }
                piece => text.push_str(&piece.to_string()),
            }
        }
        Ok(text)
    }

    /// The text in a scope; `?` stands where there is no answer.
    pub fn evaluate<'a>(&'a self, scope: &dyn Scope<'a>) -> String {
        let mut text = String::new();
        for (before, expression) in self.pieces() {
            text.push_str(before);
            if let Some(expression) = expression {
                text.push_str(&expression.evaluate(scope).to_string());
            }
        }
        text
    }
}

fn evaluate<'a>(node: &'a Node, scope: &dyn Scope<'a>) -> Answer<'a> {
    match node {
        Node::Null => Answer::Null,
        Node::Bool(value) => Answer::Bool(*value),
        Node::Number(number) => Answer::Number(*number),
        Node::Text(text) => Answer::text(text.as_str()),
        Node::Name(name) => scope.name(name),
        Node::Usage(path) => {
            let stated = scope.usage(path);
            if !stated.is_open() && scope.is_claim(path) {
                scope.rest_on_claim(path);
            }
            stated
        }
        Node::Member(inner, name) => member(evaluate(inner, scope), name, scope),
        Node::Index(inner, index) => {
            let index = evaluate(index, scope);
            at(evaluate(inner, scope), &index)
        }
        Node::Not(inner) => match evaluate(inner, scope) {
            open if open.is_open() => open,
            value => Answer::Bool(!value.is_true()),
        },
        Node::Negate(inner) => match evaluate(inner, scope) {
            open if open.is_open() => open,
            value => match value.as_number() {
                Some(number) => Answer::Number(-number),
                None => Answer::unknown(format!("`{value}` is not a number")),
            },
        },
        Node::Binary(operator, left, right) => binary(*operator, left, right, scope),
        Node::Default(left, right) => fallback(left, right, scope),
        Node::Choose(condition, yes, no) => match evaluate(condition, scope) {
            open if open.is_open() => open,
            value if value.is_true() => evaluate(yes, scope),
            _ => evaluate(no, scope),
        },
        Node::Call(called, arguments) => call(*called, arguments, scope),
    }
}

/// The left, unless nobody stated it. What is unknown was stated and is waited for.
fn fallback<'a>(left: &'a Node, right: &'a Node, scope: &dyn Scope<'a>) -> Answer<'a> {
    if let Node::Usage(path) = left
        && scope.is_claim(path)
    {
        return raised(scope.usage(path), path, right, scope);
    }
    let stated = evaluate(left, scope);
    if matches!(stated, Answer::Null | Answer::Unset(_)) {
        return evaluate(right, scope);
    }
    stated
}

/// A claim raises what would be assumed, and never lowers it. Where the two are no numbers to
/// compare, the claim stands, and it is said that the answer rests on it.
fn raised<'a>(
    claim: Answer<'a>,
    path: &[String],
    assumption: &'a Node,
    scope: &dyn Scope<'a>,
) -> Answer<'a> {
    if matches!(claim, Answer::Null | Answer::Unset(_)) {
        return evaluate(assumption, scope);
    }
    let assumed = evaluate(assumption, scope);
    match (claim.as_number(), assumed.as_number()) {
        (Some(claim), Some(assumed)) => return Answer::Number(claim.max(assumed)),
        _ if function::same(&claim, &assumed) => {}
        _ => scope.rest_on_claim(path),
    }
    claim
}

fn binary<'a>(
    operator: Operator,
    left: &'a Node,
    right: &'a Node,
    scope: &dyn Scope<'a>,
) -> Answer<'a> {
    let one = evaluate(left, scope);
    match operator {
        Operator::And | Operator::Or => {
            let settles = operator == Operator::Or;
            if !one.is_open() && one.is_true() == settles {
                return Answer::Bool(settles);
            }
            let other = evaluate(right, scope);
            match (one.is_open(), other.is_open()) {
                (_, false) if other.is_true() == settles => Answer::Bool(settles),
                (true, _) => one,
                (_, true) => other,
                _ => Answer::Bool(!settles),
            }
        }
        _ => {
            let other = evaluate(right, scope);
            match (one, other) {
                (open, _) | (_, open) if open.is_open() => open,
                (one, other) => known(operator, &one, &other),
            }
        }
    }
}

fn known<'a>(operator: Operator, one: &Answer<'a>, other: &Answer<'a>) -> Answer<'a> {
    match operator {
        Operator::Equal => return Answer::Bool(function::same(one, other)),
        Operator::NotEqual => return Answer::Bool(!function::same(one, other)),
        _ => {}
    }
    let (Some(a), Some(b)) = (one.as_number(), other.as_number()) else {
        let wrong = if one.as_number().is_none() { one } else { other };
        return match wrong {
            Answer::Null => Answer::unknown("a value that is needed is not set"),
            wrong => Answer::unknown(format!("`{wrong}` is not a number")),
        };
    };
    let number = match operator {
        Operator::Less => return Answer::Bool(a < b),
        Operator::LessOrEqual => return Answer::Bool(a <= b),
        Operator::Greater => return Answer::Bool(a > b),
        Operator::GreaterOrEqual => return Answer::Bool(a >= b),
        Operator::Divide => return function::quotient(a, b),
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        _ => a.checked_mul(b),
    };
    match number {
        Some(number) => Answer::Number(number.normalize()),
        None => Answer::unknown("a number is too large"),
    }
}

fn call<'a>(called: Function, arguments: &'a [Node], scope: &dyn Scope<'a>) -> Answer<'a> {
    let answers: Vec<Answer<'a>> = arguments.iter().map(|node| evaluate(node, scope)).collect();
    if let Some(open) = answers.iter().find(|answer| answer.is_open()) {
        return open.clone();
    }
    match (called, answers.as_slice()) {
        (Function::Assumed, [value]) => {
            scope.assume(value);
            value.clone()
        }
        (Function::Lookup, [table, row, rest @ ..]) => {
            let found = scope.lookup(&table.to_string(), &row.to_string());
            found.or_else(|| rest.first().cloned()).unwrap_or_else(|| {
                Answer::Unknown(Cow::Owned(format!("`{row}` is not in the table {table}")))
            })
        }
        _ => function::apply(called, &answers),
    }
}

fn member<'a>(whole: Answer<'a>, name: &str, scope: &dyn Scope<'a>) -> Answer<'a> {
    match whole {
        Answer::Resource(resource) => scope.member(resource, name),
        Answer::Node(SealedValue::Map(members)) => {
            members.get(name).map_or(Answer::Null, |value| Answer::of(value, name))
        }
        Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) => match items.first() {
            Some(first) => member(Answer::of(first, name), name, scope),
            None => Answer::Null,
        },
        open if open.is_open() => open,
        _ => Answer::Null,
    }
}

fn at<'a>(whole: Answer<'a>, index: &Answer<'a>) -> Answer<'a> {
    if index.is_open() {
        return index.clone();
    }
    match whole {
        Answer::Node(SealedValue::List(items) | SealedValue::Set(items)) => {
            let place = index.as_number().and_then(|number| usize::try_from(number).ok());
            let item = place.and_then(|place| items.get(place));
            item.map_or(Answer::Null, |value| Answer::of(value, "an item"))
        }
        Answer::Node(SealedValue::Map(members)) => {
            let name = index.to_string();
            members.get(&name).map_or(Answer::Null, |value| Answer::of(value, &name))
        }
        open if open.is_open() => open,
        _ => Answer::Null,
    }
}
