//! The command line: words in, words out.

pub mod exit;
pub mod progress;
pub mod render;
pub mod ui;
