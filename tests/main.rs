//! The one test executable.
mod state;
