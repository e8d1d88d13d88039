//! Providers, built-in, simulated and hosted.

mod conformance;
mod fixture;
mod local;
mod terraform;
