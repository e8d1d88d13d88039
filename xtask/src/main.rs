//! Placeholder for the task runner.
fn main() {}
