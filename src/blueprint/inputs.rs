//! stub
use crate::blueprint::*;
use crate::diagnostic::*;
use std::collections::BTreeMap;
#[derive(Clone, Debug)]
pub struct Given {
    pub value: Value,
    pub span: Option<Span>,
}
pub fn parse_given(
    name: &str,
    declaration: &InputDeclaration,
    text: &str,
) -> Result<Value, Diagnostic> {
    let _ = (name, declaration, text);
    Ok(Value::null())
}
pub fn settle(
    declared: &BTreeMap<String, InputDeclaration>,
    given: &BTreeMap<String, Given>,
) -> Result<BTreeMap<String, Value>, Diagnostics> {
    let _ = (declared, given);
    Ok(BTreeMap::new())
}
