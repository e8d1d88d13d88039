//! Policy: what may be done. Built-in checks so far; authorities come from the trust root.

pub mod checks;
pub mod trust;
