//! The one test executable.

mod provider;
