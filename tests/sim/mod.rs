//! Simulation: whole worlds from a seed, with several actors, a stormy cloud, crashes and time.
//!
//! A seed decides everything: who does what when, how the cloud behaves, where gov crashes. Each
//! [`play`](world::play) acts until the journal holds [`EVENTS_MIN`] events and gov has crashed at
//! least once, then lets everything come to rest and asks what must hold. [`checks`] says what
//! that is; [`planted`] breaks one safety at a time to show that breaking it is noticed.
//!
//! One seed again: `cargo xtask sim --seed N`; many: `cargo xtask sim --seeds N`.

mod acts;
mod bugs;
mod checks;
mod planted;
mod wire;
mod world;

use self::bugs::Bug;
use self::world::Played;
use self::world::play;

/// The fewest events that a world's journal holds before it is brought to rest.
const EVENTS_MIN: usize = 50;

/// Seeds of an ordinary run of the tests: as many as take some twenty seconds in a debug build.
const SEEDS_DEFAULT: u64 = 80;

#[expect(clippy::disallowed_methods, reason = "IO: which seeds to play is said from outside")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What a failing world tells: its seed, its acts, what does not hold, and how to see it again.
fn story(played: &Played) -> String {
    let acts = played.acts.join("\n  ");
    let wrong = played.wrong.join("\n  ");
    let seed = played.seed;
    format!(
        "seed {seed} does not hold:\n  {wrong}\nafter:\n  {acts}\n\
         again: cargo xtask sim --seed {seed}"
    )
}

/// INVARIANT (recovery is the normal path): whatever happens, everything that exists is accounted
/// for, nothing is made twice, and what has expired goes.
#[test]
fn g13_g14_g16_worlds_hold() {
    let seeds: Vec<u64> = match (number("GOV_SIM_SEED"), number("GOV_SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (1..=count.unwrap_or(SEEDS_DEFAULT)).collect(),
    };
    for seed in seeds {
        let played = play(seed, Bug::None);
        assert!(played.wrong.is_empty(), "{}", story(&played));
        assert!(played.events >= EVENTS_MIN, "seed {seed}: only {} events", played.events);
        assert!(played.crashes > 0, "seed {seed}: no crash");
    }
}

/// The same seed is the same world: a failure can be looked at again.
#[test]
fn a_seed_is_a_world() {
    for seed in [3, 11] {
        let (one, two) = (play(seed, Bug::None), play(seed, Bug::None));
        assert_eq!(one.acts, two.acts, "seed {seed}");
        assert_eq!(one.events, two.events, "seed {seed}");
    }
}
