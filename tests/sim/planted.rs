//! Planted bugs: each breaks one safety from outside, and the simulation has to notice.
//!
//! A simulation that finds nothing proves nothing by itself. What is listed here it must find
//! within [`SEEDS_MAX`] seeds; a bug that was found by hand belongs here, too.

use super::bugs::Bug;
use super::bugs::PLANTED;
use super::story;
use super::world::play;

/// So many seeds at most until a planted bug has to be found. Most are found by the first; one
/// that takes a process that is stopped at the wrong moment takes a dozen.
const SEEDS_MAX: u64 = 40;

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in PLANTED {
        let found = (1..=SEEDS_MAX).find(|seed| !play(*seed, bug).wrong.is_empty());
        if found.is_none() {
            missed.push(bug);
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}

/// What is found tells how to see it again.
#[test]
fn a_finding_names_its_seed() {
    let played = play(1, Bug::CallsTwice);
    let story = story(&played);
    assert!(story.contains("cargo xtask sim --seed 1"), "{story}");
    assert!(story.contains("were made under"), "{story}");
}
