//! The one test executable: linking several costs seconds on every edit.

#[cfg(test)]
mod blueprint;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod state;
