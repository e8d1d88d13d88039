//! The command line: what it says.

mod fixture;
mod render;
