//! gov: a governed provisioner.
pub mod blueprint;
pub mod cli;
pub mod cost;
pub mod decision;
pub mod diagnostic;
pub mod engine;
pub mod graph;
pub mod model;
pub mod ops;
pub mod plan;
pub mod policy;
pub mod provider;
pub mod state;
