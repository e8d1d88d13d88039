//! stub
use crate::blueprint::*;
use crate::diagnostic::*;
pub fn parse(source: &Source) -> Result<(Blueprint, Diagnostics), Diagnostics> {
    let _ = source;
    Err(Diagnostics::new())
}
