//! stub
use crate::blueprint::expr::*;
use crate::blueprint::*;
use crate::diagnostic::*;
use std::collections::BTreeMap;
pub enum Repetition {
    Single,
    Count(usize),
    Items(BTreeMap<String, Value>),
}
pub fn evaluate(
    node: &Node,
    span: &Span,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Value, Diagnostics> {
    let _ = (node, span, scope, fuel);
    Ok(Value::null())
}
pub fn evaluate_body(
    body: &Body,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Value, Diagnostics> {
    let _ = (body, scope, fuel);
    Ok(Value::null())
}
pub fn repetition(
    block: &ResourceBlock,
    scope: &dyn Scope,
    fuel: &mut Fuel,
) -> Result<Repetition, Diagnostics> {
    let _ = (block, scope, fuel);
    Ok(Repetition::Single)
}
