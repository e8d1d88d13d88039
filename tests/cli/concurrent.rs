//! Several at once: one acts on an environment at a time, others are told who; the dead give way
//! at once, the stopped when their lease ends.

use rustix::process::Signal;

use super::harness;
use super::harness::HOUR;
use super::harness::Running;
use super::harness::World;
use super::harness::resources;
use super::harness::wait_seldom;
use super::harness::wait_until;

/// Processes on environments of their own.
const PROCESSES: usize = 8;

/// A first step that takes as long as the test wants: until a file is there, and never for ever.
/// What comes after it must not happen once somebody else has taken over.
const GATED: &str = r#"
[blueprint]
name = "gated"
version = "1.0.0"
description = "Waits for a file"

[inputs.gate]
type = "string"
description = "The file that is waited for"

[limits]
ttl = { default = "1h", max = "8h", max_total = "24h", grace = "10m" }
budget = { total = "1.00 USD" }
on_expiry = "delete-data"

[governance]
policies = ["baseline"]

[resource.local_command.wait]
create = [
  "bash", "-c", "for i in {1..450}; do [ -e \"$0\" ] && exit; sleep 0.1; done", "${input.gate}",
]

[resource.local_directory.after]
count = 3
path = "after-${count.index}"
depends_on = ["local_command.wait"]
"#;

struct Gated {
    world: World,
    gate: std::path::PathBuf,
}

impl Gated {
    fn new() -> Self {
        let world = World::with(GATED);
        let gate = world.folder().join("gate");
        Self { world, gate }
    }

    fn apply(&self) -> harness::Gov {
        self.world.make("dev").arg("-i").arg(format!("gate={}", self.gate.display()))
    }

    /// An apply that is in the middle of its first step.
    fn begun(&self) -> Running {
        let mut running = self.apply().spawn();
        wait_until("the first step has begun", || {
            !running.is_running() || self.world.events("dev").iter().any(|e| e == "step-intended")
        });
        assert!(running.is_running(), "{}", running.wait().all());
        running
    }

    fn open(&self) {
        harness::write(&self.gate, "");
    }
}

/// Must show 3: of two applies one works, the other exits 6 and names the holder, the operation
/// and since when.
#[test]
fn of_two_applies_one_is_told_who_holds_it() {
    let gated = Gated::new();
    let world = &gated.world;
    let first = gated.begun();
    let second = gated.apply().run().exits(6);
    let lease = world.ok(&["show", "dev", "--json"]).json()["lease"].clone();
    let id = lease["id"].as_str().unwrap().to_owned();
    for words in ["uid:", "`gov apply`", "as process", "since 20", "--lock-timeout", &id] {
        second.clone().says(words);
    }
    let json = gated.apply().arg("--json").run().exits(6).json();
    assert_eq!(json["error"]["name"], "locked");
    assert_eq!(json["error"]["retryable"], true);
    world.gov(&["destroy", "dev", "-y"]).run().exits(6);
    let wrong = ["unlock", "dev", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--reason", "x"];
    world.gov(&wrong).run().exits(1).says(&id);
    world.ok(&["list"]).says("dev");
    let patient = gated.apply().args(&["--lock-timeout", "50s"]).spawn();
    gated.open();
    first.wait().exits(0).says("4 created");
    patient.wait().exits(0);
    assert_eq!(resources(&world.root("dev")).len(), 3);
    let events = world.events("dev");
    assert_eq!(events.iter().filter(|event| *event == "step-intended").count(), 4, "{events:?}");
}

/// Two that begin at the very same moment, on an environment that neither has seen before.
#[test]
fn two_applies_that_race_make_everything_once() {
    for _ in 0..3 {
        let world = World::of("note");
        let racers = [world.make("dev").spawn(), world.make("dev").spawn()];
        let outs = racers.map(Running::wait);
        let won = outs.iter().filter(|out| out.code == Some(0)).count();
        for out in &outs {
            // Beaten while the other was planning, it is told to plan again.
            assert!(matches!(out.code, Some(0 | 1 | 6)), "{}", out.all());
            assert!(!out.all().contains("bug in gov"), "{}", out.all());
        }
        assert!(won >= 1, "{}\n{}", outs[0].all(), outs[1].all());
        let events = world.events("dev");
        assert_eq!(events.iter().filter(|event| *event == "environment-created").count(), 1);
        assert_eq!(events.iter().filter(|event| *event == "step-intended").count(), 2);
        world.ok(&["drift", "dev"]);
    }
}

/// Must show 3: on environments of their own, all succeed, also while the store itself is made.
#[test]
fn eight_processes_on_eight_environments_all_succeed() {
    let world = World::of("note");
    let names: Vec<String> = (0..PROCESSES).map(|number| format!("env-{number}")).collect();
    let all: Vec<Running> = names.iter().map(|name| world.make(name).spawn()).collect();
    for running in all {
        running.wait().exits(0).says("2 created");
    }
    let list = world.ok(&["list", "--json"]).json();
    assert_eq!(list["environments"].as_array().map(Vec::len), Some(PROCESSES));
    for name in &names {
        assert_eq!(resources(&world.root(name)).len(), 2);
    }
    world.ok(&["drift", "--all"]);
    world.ok(&["state", "verify"]).says("everything agrees");
}

/// Must show 3: a killed holder is taken over at once.
#[test]
fn a_killed_holder_is_taken_over_at_once() {
    let world = World::of("shelves");
    let mut running = world.make("dev").spawn();
    let settled = |bytes: &[u8]| bytes.windows(12).any(|window| window == b"step-settled");
    wait_until("it acts", || settled(&world.journal_bytes()) || !running.is_running());
    running.kill();
    let begun = world.events("dev");
    assert!(!begun.iter().any(|event| event == "run-closed"), "killed too late: {begun:?}");
    // No --lock-timeout: it waits for nobody.
    world.made("dev");
    world.ok(&["history", "dev"]).says("taking it over");
    world.ok(&["drift", "dev"]);
}

/// Must show 3: a stopped holder is taken over when its lease ends, which takes this test half a
/// minute of waiting; awake again, the holder changes nothing more and says so.
#[test]
fn a_stopped_holder_is_taken_over_and_changes_nothing_on_waking() {
    let gated = Gated::new();
    let world = &gated.world;
    let first = gated.begun();
    first.signal(Signal::STOP);
    gated.apply().run().exits(6);
    wait_seldom("the lease has ended", || {
        let forget = ["forget", "dev", "local_command.wait", "--reason", "its holder is stopped"];
        let out = world.gov(&forget).run();
        assert!(matches!(out.code, Some(0 | 6)), "{}", out.all());
        out.code == Some(0)
    });
    let taken = world.events("dev");
    gated.open();
    first.signal(Signal::CONT);
    first.wait().exits(6).says("took dev over").says("Nothing more is written");
    assert_eq!(world.events("dev"), taken, "it wrote on");
    assert_eq!(resources(&world.root("dev")), Vec::<String>::new(), "it made something");
}

/// Two destroys at once: nothing is deleted twice, and neither is taken for a bug.
#[test]
fn two_destroys_that_race_delete_everything_once() {
    for fixture in ["note", "shelves"] {
        let world = World::of(fixture);
        world.made("dev");
        let made = world.events("dev").iter().filter(|event| *event == "step-intended").count();
        let destroy = || world.gov(&["destroy", "dev", "-y"]).spawn();
        let outs = [destroy(), destroy()].map(Running::wait);
        assert!(outs.iter().any(|out| out.code == Some(0)), "{}\n{}", outs[0].all(), outs[1].all());
        for out in outs {
            assert!(matches!(out.code, Some(0 | 1 | 6)), "{}", out.all());
            assert!(!out.all().contains("bug in gov"), "{}", out.all());
        }
        let steps = world.events("dev").iter().filter(|event| *event == "step-intended").count();
        assert_eq!(steps, 2 * made);
        assert!(resources(&world.root("dev")).is_empty());
    }
}

/// Two reaps at once reap everything once, and neither fails.
#[test]
fn g16_two_reaps_at_once_reap_everything_once() {
    let world = World::of("note");
    for name in ["a", "b", "c", "d"] {
        world.made(name);
    }
    let reap = || world.gov(&["reap"]).later(2 * HOUR).spawn();
    let both = [reap(), reap()];
    for out in both.map(Running::wait) {
        assert!(matches!(out.code, Some(0 | 6)), "{}", out.all());
        assert!(!out.stdout.contains("  failed  "), "{}", out.all());
    }
    world.gov(&["reap"]).later(2 * HOUR).run().exits(0).says("nothing is due");
    for name in ["a", "b", "c", "d"] {
        assert!(resources(&world.root(name)).is_empty());
        let events = world.events(name);
        assert_eq!(events.iter().filter(|event| *event == "environment-ended").count(), 1);
        let deletes = events.iter().filter(|event| *event == "step-intended").count();
        assert_eq!(deletes, 4, "{events:?}");
    }
    world.ok(&["state", "verify"]).says("everything agrees");
}
