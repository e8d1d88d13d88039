//! The words of gov: data that every floor above speaks and that imports nothing of gov.
//!
//! Behaviour lives elsewhere. What a planner, a gate or an engine produces is *data* here, so that
//! the journal, which sits below them, can hold it. Nothing in this folder reads a clock, a file
//! or an environment variable. Start with [`value`], then [`plan`], then [`event`].

pub mod actor;
pub mod address;
pub mod cost;
pub mod decision;
pub mod digest;
pub mod environment;
pub mod event;
pub mod id;
pub mod lifetime;
pub mod limits;
pub mod money;
pub mod number;
pub mod plan;
pub mod schema;
pub mod sealed;
pub mod value;
