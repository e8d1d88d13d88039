//! The one test executable.

// The attribute tells clippy that helpers are test code too, which may unwrap and panic.
#[cfg(test)]
mod provider;
