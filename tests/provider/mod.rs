//! Providers, driven through their contract.

mod local;
