//! The one test executable.

#[cfg(test)]
#[path = "provider/terraform.rs"]
mod terraform;
