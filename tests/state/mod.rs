//! The stores: one conformance suite for all, and what only the local one can suffer.
#![expect(clippy::disallowed_methods, reason = "IO: damages files and starts processes")]
mod conformance;
mod damage;
mod fixture;
mod folding;
mod process;
