//! gov: a governed provisioner. Nothing exists without an owner, a purpose, a budget and an
//! expiry; nothing acts without a decision on record.
//!
//! A blueprint becomes an environment: it is read, resolved and planned against what exists, the
//! plan is priced and judged, what is admitted becomes a run, and every step of it is in an
//! append-only journal. The modules are floors: an import only ever points down, and siblings on
//! one floor do not know each other (`cargo xtask tidy` checks it). In reading order:
//!
//! - words: [`model`], [`graph`], [`diagnostic`]
//! - sources: [`blueprint`], [`state`], [`provider`]
//! - proposal: [`plan`]
//! - judgement: [`cost`], [`policy`], [`decision`]
//! - action: [`engine`]
//! - operations: [`ops`]
//! - doors: [`cli`]; beside them the machine: [`host`]
//!
//! `docs/architecture.md` tells the whole story, with the invariants that the code cites by name.

pub mod model;

pub mod diagnostic;
pub mod graph;

pub mod blueprint;
pub mod provider;
pub mod state;

pub mod plan;

pub mod cost;
pub mod decision;
pub mod policy;

pub mod engine;

pub mod ops;

pub mod cli;
pub mod host;
