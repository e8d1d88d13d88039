//! gov: a governed provisioner.
pub mod blueprint;
pub mod diagnostic;
pub mod graph;
pub mod model;
pub mod provider;
pub mod plan;
pub mod state;
pub mod cost; pub mod policy; pub mod decision;
