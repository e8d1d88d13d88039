//! gov: a governed provisioner.
pub mod blueprint;
pub mod diagnostic;
pub mod graph;
pub mod model;
pub mod provider;
pub mod state;
