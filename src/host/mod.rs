//! The machine: time, files, identity, keys. Beside the floors, and named by the composition root
//! alone; everything below it is given what it needs.

pub mod clock;
pub mod files;
pub mod identity;
pub mod key;
