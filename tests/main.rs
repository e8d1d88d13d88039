//! The one test executable.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod golden;
mod provider;
