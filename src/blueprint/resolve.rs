//! stub
use crate::blueprint::expr::*;
use crate::blueprint::*;
use crate::graph::Dag;
use crate::model::address::*;
use std::collections::{BTreeMap, BTreeSet};
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeId {
    Local(String),
    Provider(String),
    Resource(ResourceName),
    Output(String),
}
impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
#[derive(Clone, Debug)]
pub struct Resolved {
    pub order: Vec<NodeId>,
    pub graph: Dag<NodeId>,
    pub references: BTreeMap<NodeId, BTreeSet<Reference>>,
}
impl Resolved {
    pub fn resource_dependencies(&self, name: &ResourceName) -> BTreeSet<ResourceName> {
        let _ = name;
        BTreeSet::new()
    }
}
pub fn resolve(
    blueprint: &Blueprint,
) -> Result<(Resolved, crate::diagnostic::Diagnostics), crate::diagnostic::Diagnostics> {
    let _ = blueprint;
    Err(crate::diagnostic::Diagnostics::new())
}
