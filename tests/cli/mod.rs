//! The command line: what it says, and what the real binary does.

mod authority;
mod commands;
mod concurrent;
mod fixture;
mod harness;
mod kill;
mod life;
mod render;
mod secrets;
mod store;
mod wrong;
