//! Providers that are part of gov: they need no plugin, no network and no price book.
//!
//! Each is a module that implements the contract of [`crate::provider`]; the catalog names them.

pub mod local;
