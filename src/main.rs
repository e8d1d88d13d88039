//! The gov binary: parse, run, exit.
fn main() {}
