//! The one test executable: linking several costs seconds on every edit.

#[cfg(test)]
mod provider;
