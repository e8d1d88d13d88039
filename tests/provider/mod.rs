//! Providers of other makers.

mod terraform;
