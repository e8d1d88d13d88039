//! Operations against a simulated cloud and a store in memory: planning, applying, life, drift and
//! reaping, with every step failing, repeating and crashing once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the exception for tests covers test functions alone"
)]

mod applying;
mod drift;
mod freeze;
mod life;
mod limits;
mod matrix;
mod reap;
mod world;
