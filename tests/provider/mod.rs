//! Providers, built-in and simulated.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the exception for tests covers test functions alone"
)]

mod conformance;
mod fixture;
mod local;
