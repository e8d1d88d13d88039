//! The stores: one conformance suite for all, and what only the local one can suffer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly, and these work on real files"
)]

mod conformance;
mod damage;
mod fixture;
mod folding;
mod process;
