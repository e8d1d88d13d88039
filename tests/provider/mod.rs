//! Providers, built-in and simulated.

mod conformance;
mod fixture;
mod local;
