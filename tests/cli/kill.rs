//! `kill -9` at any moment, then the same command again: nothing twice, nothing unknown.
//!
//! `GOV_KILLS` sets how often an apply is killed (200 is the documented run), `GOV_KILL_SEED` the
//! moments.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use rustix::process::Signal;

use super::harness;
use super::harness::HOUR;
use super::harness::Out;
use super::harness::World;
use super::harness::resources;
use super::harness::wait_until;

/// How often an apply is killed in CI.
const KILLS: u64 = 25;

/// How often a destroy and a reap are killed.
const KILLS_DOWN: u64 = 6;

/// Kills under way at once.
const WORKERS: u64 = 3;

/// The share of kills, in percent, that must hit between the first intent and the last outcome.
const INSIDE_PERCENT: u64 = 60;

/// The resources of the fixture, and those of them that lie on the disk or run.
const RESOURCES: u64 = 50;
const SHELVES: usize = 6;
const BOOKS: usize = 40;
const CLERKS: usize = 2;

/// A small generator of pseudo-random numbers: a failing seed can be run again.
struct Chance(u64);

impl Chance {
    fn of(seed: u64, number: u64) -> Self {
        let mut chance = Self(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            chance.below(1);
        }
        chance
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

/// Runs `work` once for each number, on some threads.
fn spread(count: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= count {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// How long the journal is when a measured command intends its first step, and when it is done
/// with its last.
#[derive(Clone, Copy)]
struct Measure {
    begin: u64,
    end: u64,
}

impl Measure {
    /// Of a journal whose last command began at `from`. A little of what comes before the first
    /// intent and after the last outcome is in it, too.
    fn of(world: &World, from: u64) -> Self {
        let journal = world.journal_bytes();
        let last = journal.get(usize::try_from(from).unwrap()..).unwrap();
        let first = position(last, INTENT).unwrap() as u64;
        Self { begin: from + first * 9 / 10, end: journal.len() as u64 }
    }
}

/// How the journal writes the type of an intent.
const INTENT: &[u8] = b"step-intended";

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Kills a command when the journal has grown to a random length, a random moment later: progress
/// is a better clock than time on a machine that others use. Answers what it said if it was faster.
fn kill_at_random(
    world: &World,
    arguments: &[&str],
    shift: i64,
    measure: Measure,
    chance: &mut Chance,
) -> Option<Out> {
    let mut running = world.gov(arguments).later(shift).spawn();
    let at = measure.begin + chance.below(measure.end - measure.begin + 1);
    let after = chance.below(4_000);
    wait_until("the journal has grown", || world.journal_len() >= at || !running.is_running());
    harness::pause(after);
    let done = !running.is_running();
    let out = running.kill();
    done.then_some(out)
}

/// How far a run had come: its intents, and its outcomes.
fn progress(world: &World) -> (u64, u64) {
    let events = world.events("dev");
    let last_opened = events.iter().rposition(|kind| kind == "run-opened").unwrap_or(0);
    let of = |kind: &str| events.iter().skip(last_opened).filter(|found| *found == kind).count();
    (of("step-intended") as u64, of("step-settled") as u64)
}

/// Exactly what the blueprint declares is there: each folder, each file with its text, each
/// process once; the books know the same and nothing is unknown.
fn check_whole(world: &World) {
    let root = world.root("dev");
    let mut wanted = BTreeSet::new();
    for shelf in 0..SHELVES {
        wanted.insert(format!("shelf-{shelf}/"));
    }
    for book in 0..BOOKS {
        let name = format!("shelf-{}/book-{book}.txt", book % SHELVES);
        assert_eq!(harness::read(&root.join(&name)), format!("book {book} of dev\n"));
        wanted.insert(name);
    }
    let found: BTreeSet<String> = resources(&root).into_iter().collect();
    assert_eq!(found, wanted);
    let processes = world.processes();
    assert_eq!(processes.len(), CLERKS, "{processes:?}");
    assert!(processes.values().all(|pids| pids.len() == 1), "{processes:?}");
    let shown = world.ok(&["show", "dev", "--json"]).json();
    assert_eq!(shown["resources"].as_array().map(Vec::len), Some(RESOURCES as usize), "{shown:#}");
    let listed = world.ok(&["list", "--json"]).json();
    assert_eq!(listed["environments"][0]["uncertain"], serde_json::json!([]), "{listed:#}");
    world.ok(&["drift", "dev"]).says("0 changed, 0 deleted, 0 unreachable");
    world.ok(&["state", "verify"]).says("everything agrees");
}

/// Nothing is left of an environment: no file, no process, and the books are closed.
fn check_gone(world: &World) {
    assert_eq!(resources(&world.root("dev")), Vec::<String>::new());
    assert_eq!(world.processes(), BTreeMap::new());
    world.ok(&["list"]).keeps_quiet_of("dev ");
    world.ok(&["state", "verify"]).says("everything agrees");
}

fn seed() -> u64 {
    harness::number_wanted("GOV_KILL_SEED").unwrap_or(20_260_101)
}

/// Must show 2: 200 kills of a real apply of 50 local resources leave nothing twice and nothing
/// unknown.
#[test]
fn an_apply_killed_at_any_moment_goes_on() {
    let kills = harness::number_wanted("GOV_KILLS").unwrap_or(KILLS);
    let measured = World::of("shelves");
    measured.made("dev");
    check_whole(&measured);
    let measure = Measure::of(&measured, 0);
    let histogram: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let inside = AtomicU64::new(0);
    spread(kills, |number| {
        let mut chance = Chance::of(seed(), number);
        let world = World::of("shelves");
        let mut arguments = vec!["apply", "dev", "-y"];
        arguments.extend(harness::ASK);
        let _ = kill_at_random(&world, &arguments, 0, measure, &mut chance);
        let (intents, outcomes) = progress(&world);
        if intents > 0 && outcomes < RESOURCES {
            inside.fetch_add(1, Ordering::SeqCst);
        }
        let bucket = match (intents, outcomes) {
            (0, _) => "-- before the first intent".to_owned(),
            (_, RESOURCES..) => "99 after the last outcome".to_owned(),
            (_, outcomes) => {
                let from = outcomes / 10 * 10;
                format!("{from:02} to {:02} outcomes", from + 9)
            }
        };
        *histogram.lock().unwrap().entry(bucket).or_default() += 1;
        let again = world.made("dev");
        assert!(!again.all().contains("bug in gov"), "{}", again.all());
        check_whole(&world);
    });
    let inside = inside.into_inner();
    println!("{kills} kills, {inside} between the first intent and the last outcome");
    for (bucket, count) in histogram.into_inner().unwrap() {
        println!("{count:4} {bucket} {}", "#".repeat(count as usize));
    }
    assert!(inside * 100 >= kills * INSIDE_PERCENT, "{inside} of {kills} hit");
}

/// Kills a command that takes an environment down, then runs it again until nothing is left.
fn killed_while_taken_down(arguments: &[&str], shift: i64) {
    let measured = World::of("shelves");
    measured.made("dev");
    let begin = measured.journal_len();
    measured.gov(arguments).later(shift).run().exits(0);
    check_gone(&measured);
    let measure = Measure::of(&measured, begin);
    let hit = AtomicU64::new(0);
    spread(KILLS_DOWN, |number| {
        let mut chance = Chance::of(seed(), number + 1000);
        let world = World::of("shelves");
        world.made("dev");
        let done = kill_at_random(&world, arguments, shift, measure, &mut chance);
        if done.is_none() {
            hit.fetch_add(1, Ordering::SeqCst);
            let again = world.gov(arguments).later(shift).run();
            let ended =
                again.code == Some(1) && again.stderr.contains("no environment dev any more");
            assert!(again.code == Some(0) || ended, "{}", again.all());
        }
        check_gone(&world);
    });
    assert!(hit.into_inner() > 0, "no kill came in time");
}

#[test]
fn a_destroy_killed_at_any_moment_goes_on() {
    killed_while_taken_down(&["destroy", "dev", "-y"], 0);
}

#[test]
fn a_reap_killed_at_any_moment_goes_on() {
    killed_while_taken_down(&["reap"], 2 * HOUR);
}

/// The first interrupt sees to its end what is under way; the next apply goes on.
#[test]
fn one_interrupt_stops_cleanly_and_is_resumed() {
    let world = World::of("shelves");
    let mut running = world.make("dev").args(&["--parallelism", "2"]).spawn();
    wait_until("something is made", || {
        position(&world.journal_bytes(), INTENT).is_some() || !running.is_running()
    });
    running.signal(Signal::INT);
    let out = running.wait().exits(130);
    let (intents, outcomes) = progress(&world);
    assert_eq!(intents, outcomes, "what was begun was seen to its end: {}", out.all());
    assert!((1..RESOURCES).contains(&outcomes), "{outcomes} outcomes: {}", out.all());
    world.made("dev");
    check_whole(&world);
    let opened = world.events("dev").iter().filter(|kind| *kind == "run-opened").count();
    assert_eq!(opened, 1, "the same run is gone on with");
}

/// The second interrupt stops at once: what was under way may exist, and is found.
#[test]
fn two_interrupts_stop_at_once_and_the_journal_says_what_may_exist() {
    let world = World::with(SLOW);
    let mut running = world.make("dev").spawn();
    wait_until("the command runs", || progress_is(&world, 1) || !running.is_running());
    running.signal(Signal::INT);
    wait_until("the first was heard", || running.stderr().contains("Once more"));
    assert!(running.is_running(), "it sees to its end what is under way");
    running.signal(Signal::INT);
    let out = running.wait().exits(8);
    assert!(out.all().contains("local_command.slow"), "{}", out.all());
    assert_eq!(progress(&world), (1, 0));
}

fn progress_is(world: &World, intents: u64) -> bool {
    world.journal_len() > 0 && progress(world).0 >= intents
}

/// A step that takes far longer than a test waits.
const SLOW: &str = r#"
[blueprint]
name = "slow"
version = "1.0.0"
description = "Waits"

[limits]
ttl = { default = "1h", max = "8h", max_total = "24h", grace = "10m" }
budget = { total = "1.00 USD" }
on_expiry = "delete-data"

[governance]
policies = ["baseline"]

[resource.local_command.slow]
create = ["sleep", "45"]
"#;
