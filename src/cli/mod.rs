//! The command line: words in, words out.
pub mod config;
pub mod context;
