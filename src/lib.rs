//! gov: a governed provisioner.
pub mod model;
pub mod graph;
pub mod diagnostic;
pub mod blueprint;
pub mod state;
pub mod provider;
