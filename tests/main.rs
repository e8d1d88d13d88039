//! The one test executable.
