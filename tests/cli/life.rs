//! An environment's life by the real binary: extended, expired, reaped; and what drifts.

use super::harness;
use super::harness::ASK;
use super::harness::HOUR;
use super::harness::World;
use super::harness::resources;

const MINUTE: i64 = HOUR / 60;

fn made() -> World {
    let world = World::of("note");
    world.made("dev");
    world
}

fn expiry(world: &World) -> String {
    let shown = world.ok(&["show", "dev", "--json"]).json();
    shown["life"]["expiry"].as_str().unwrap().to_owned()
}

/// G14, G15: a life grows by grants of at most `max`, never beyond `max_total`, never shrinks, and
/// says old, new and what is left.
#[test]
fn g14_g15_a_life_is_extended_within_its_limits() {
    let world = made();
    let extend = |more: &[&str]| world.gov(&["extend", "dev", "--reason", "work"]).args(more).run();
    let first = expiry(&world);
    let told = extend(&["--by", "2h", "--json"]).exits(0).json();
    assert_eq!(told["from"], first);
    assert_eq!(told["to"], expiry(&world));
    assert_eq!(told["life_left"], "21h");
    extend(&["--by", "1h"]).exits(0).says("before:").says("20h").says("0.00 USD");
    extend(&["--by", "9h"]).exits(3).says("at most 8h").says("extend again");
    extend(&["--until", "2020-01-01T00:00:00Z"]).exits(1).says("gov expire dev");
    extend(&["--until", &first]).exits(1);
    extend(&["--until", "tomorrow"]).exits(1);
    extend(&["--by", "8h"]).exits(0);
    extend(&["--by", "8h"]).exits(0);
    let beyond = extend(&["--by", "8h"]).exits(3);
    beyond.says("ttl.max_total is 1d").says("Make a new environment");
    let refused = extend(&["--by", "8h", "--json"]).exits(3).json();
    assert_eq!(refused["error"]["code"], 3);
    world.ok(&["history", "dev"]).says("extended its life").says("because: work");
    // G14: nothing else moves an expiry.
    let before = expiry(&world);
    world.ok(&["apply", "dev", "-y", "-i", "greeting=x"]);
    world.gov(&["apply", "dev", "-y", "--ttl", "23h"]).run().exits(1).says("gov extend dev");
    assert_eq!(expiry(&world), before);
}

/// G15: what has expired makes nothing, may be extended in its grace, and not after.
#[test]
fn g15_after_its_expiry_only_an_extension_within_the_grace_helps() {
    let world = made();
    let at = |arguments: &[&str], minutes: i64| world.gov(arguments).later(minutes * MINUTE).run();
    at(&["apply", "dev", "-y", "-i", "greeting=x"], 62).exits(3).says("gov extend dev");
    at(&["list"], 62).exits(0).says("dev");
    at(&["reap", "--dry-run"], 62).exits(0).says("nothing is due");
    at(&["extend", "dev", "--by", "1h", "--reason", "late"], 62).exits(0);
    at(&["apply", "dev", "-y", "-i", "greeting=x"], 63).exits(0).says("1 updated");
    at(&["extend", "dev", "--by", "1h", "--reason", "too late"], 240).exits(3);
    at(&["list"], 240).exits(0).says("OVERDUE");
    at(&["doctor"], 240).exits(1).says("OVERDUE");
    at(&["reap"], 240).exits(0).says("2 resources deleted");
    at(&["extend", "dev", "--by", "1h", "--reason", "gone"], 241).exits(1);
}

/// G12, G13, G16, first of "must show": after its expiry nothing is left, wherever the reaper
/// runs, and the history tells the whole story.
#[test]
fn g12_g13_g16_what_has_expired_is_reaped_from_any_folder() {
    let world = made();
    world.ok(&["expire", "dev", "--reason", "the project is over"]).says("gov reap");
    world.gov(&["expire", "dev", "--reason", "again"]).run().exits(1).says("already");
    world.ok(&["reap"]).says("nothing is due");
    world.ok(&["list"]).says("Reaper:").keeps_quiet_of("has never run");
    harness::remove(&world.work().join("blueprint.toml"));
    let elsewhere = world.home();
    let dry = world.gov(&["reap", "--dry-run"]).within(&elsewhere).later(20 * MINUTE).run();
    dry.exits(0).says("2 resources would be deleted");
    assert_eq!(resources(&world.root("dev")).len(), 2, "a dry run deletes nothing");
    let reaped = world.gov(&["reap"]).within(&elsewhere).later(20 * MINUTE).run();
    reaped.exits(0).says("dev  reaped   2 resources deleted");
    assert_eq!(harness::tree(&world.root("dev")), Vec::<String>::new());
    let again = world.gov(&["reap", "--json"]).within(&elsewhere).later(20 * MINUTE).run();
    assert_eq!(again.exits(0).json()["lines"], serde_json::json!([]));
    let story = world.ok(&["history", "dev"]);
    for words in [
        "recorded environment dev",
        "begins to create local_file.note",
        "local_file.note is there",
        "ended its life early",
        "the project is over",
        "begins to delete local_file.note",
        "ended the environment",
    ] {
        story.clone().says(words);
    }
    world.ok(&["list"]).keeps_quiet_of("dev ");
    world.ok(&["list", "--all"]).says("dev");
    world.write("blueprint.toml", &harness::read(&crate::golden::folder("cli/fixtures/note.toml")));
    world.made("dev");
}

/// Data that nobody consented to delete is held, listed and priced; the rest goes.
#[test]
fn g16_data_without_consent_is_held() {
    let world = World::of("kept");
    world.made("dev");
    world.gov(&["destroy", "dev", "-y"]).run().exits(4).says("[data]").says("typing dev");
    let reap = || world.gov(&["reap"]).later(2 * HOUR).run();
    reap().exits(4).says("held").says("local_directory.home");
    assert_eq!(resources(&world.root("dev")), ["home/"]);
    reap().exits(4).says("held");
    let list = world.gov(&["list", "--json"]).later(2 * HOUR).run().exits(0).json();
    assert_eq!(list["environments"][0]["held"], serde_json::json!(["local_directory.home"]));
}

#[test]
fn a_reviewed_reap_does_what_was_reviewed_and_nothing_else() {
    let world = made();
    world.made("qa");
    let reap = |more: &[&str]| world.gov(&["reap"]).args(more).later(2 * HOUR).run();
    reap(&["--out", "reap.json"]).exits(0).says("would be deleted");
    assert_eq!(resources(&world.root("dev")).len(), 2);
    // One of the two changes after the review.
    world.ok(&["forget", "qa", "local_file.note", "--reason", "changed"]);
    let done = reap(&["--from", "reap.json"]).exits(0);
    done.says("dev reaped 2 resources deleted").says("qa skipped").says("not what was reviewed");
    assert_eq!(resources(&world.root("dev")).len(), 0);
    assert_eq!(resources(&world.root("qa")).len(), 2);
    reap(&["--from", "nowhere.json"]).exits(1);
    world.write("other.json", "{}");
    reap(&["--from", "other.json"]).exits(1);
}

/// A clock or a number that looks wrong stops the reaper before the first deletion.
#[test]
fn the_reaper_stops_before_the_first_deletion_where_something_looks_wrong() {
    let world = World::new();
    world.gov(&["reap"]).run().exits(1).says("There is no store");
    let world = made();
    world.made("qa");
    let reap = |more: &[&str], shift: i64| world.gov(&["reap"]).args(more).later(shift).run();
    reap(&["--max", "1"], 2 * HOUR).exits(1).says("--max 2");
    reap(&["--max-percent", "50"], 2 * HOUR).exits(1).says("--max-percent 100");
    world.ok(&["reap"]);
    reap(&[], 9 * 24 * HOUR).exits(1).says("--dry-run");
    world.ok(&["expire", "dev", "--reason", "x"]);
    assert_eq!(resources(&world.root("dev")).len(), 2);
    // The newest event is an hour ahead of this clock.
    world.gov(&["expire", "qa", "--reason", "x"]).later(HOUR / 2).run().exits(0);
    reap(&[], HOUR / 4).exits(1).says("the clock says");
    assert_eq!(resources(&world.root("dev")).len(), 2);
    reap(&["--max", "2", "--max-percent", "100"], 2 * HOUR).exits(0).says("2 reaped");
}

/// G17, G18: drift is told per attribute and changes nothing; remediation goes through the gate.
#[test]
fn g17_drift_is_told_and_undone_only_when_asked() {
    let world = made();
    let file = world.root("dev").join("home/note.txt");
    world.ok(&["drift", "dev"]).says("0 changed");
    harness::write(&file, "spoilt\n");
    let before = world.journal_bytes();
    let told = world.gov(&["drift", "dev", "--json"]).run().exits(5).json();
    assert_eq!(told["lines"][0]["address"], "local_file.note");
    assert_eq!(told["lines"][0]["path"], "content");
    assert_eq!(told["lines"][0]["action"], "alert");
    assert!(world.journal_bytes() == before, "looking writes nothing");
    assert_eq!(harness::read(&file), "spoilt\n");
    world.gov(&["drift", "dev", "--remediate"]).run().says("--yes");
    assert_eq!(harness::read(&file), "spoilt\n");
    world.ok(&["freeze", "dev", "--reason", "stop"]);
    world.gov(&["drift", "dev", "--remediate", "-y"]).run().exits(3).says("stop");
    world.ok(&["unfreeze", "dev", "--reason", "go"]);
    world.ok(&["drift", "dev", "--remediate", "-y"]).says("1 updated");
    assert_eq!(harness::read(&file), "hello from ann\n");
    harness::remove(&file);
    world.gov(&["drift", "--all"]).run().exits(5).says("deleted outside gov");
    world.ok(&["drift", "dev", "--remediate", "-y"]).says("1 created");
    world.ok(&["drift", "dev"]).says("0 changed, 0 deleted");
    world.gov(&["drift"]).run().exits(1);
}

/// G18: the trust root says what each kind of drift means, and `--auto` does that.
#[test]
fn g18_policy_reverts_accepts_or_only_tells() {
    let world = made();
    let file = world.root("dev").join("home/note.txt");
    let spoil = || harness::write(&file, "spoilt\n");
    let policy = |action: &str| {
        world.trust(&format!(
            "[drift]\nrules = [{{ type = \"local_file\", action = \"{action}\" }}]\n"
        ));
    };
    policy("alert");
    spoil();
    world.gov(&["drift", "dev", "--auto"]).run().exits(5).says("alert");
    assert_eq!(harness::read(&file), "spoilt\n");
    policy("revert");
    world.ok(&["drift", "dev", "--auto"]).says("1 updated");
    assert_eq!(harness::read(&file), "hello from ann\n");
    policy("accept");
    spoil();
    world.ok(&["drift", "dev", "--auto"]).says("taken as intended");
    world.ok(&["drift", "dev"]).says("0 changed");
    world.ok(&["history", "dev"]).says("took drift of local_file.note as intended");
    assert_eq!(harness::read(&file), "spoilt\n");
}

/// Noise has an owner and an end.
#[test]
fn g17_noise_is_quiet_until_its_end() {
    let world = made();
    let mut rows = String::new();
    let until = world.gov(&["plan", "x", "--json"]).args(ASK).later(HOUR / 2).run().exits(0).json();
    let until = until["made"].as_str().unwrap().to_owned();
    for attribute in ["content", "sha256", "size"] {
        rows.push_str(&format!(
            "[[drift.noise]]\ntype = \"local_file\"\nattribute = \"{attribute}\"\nowner = \"ann\"\n\
             reason = \"rotates\"\nuntil = \"{until}\"\n"
        ));
    }
    world.trust(&rows);
    harness::write(&world.root("dev").join("home/note.txt"), "spoilt\n");
    world.ok(&["drift", "dev"]).says("noise, listed by ann");
    world.gov(&["drift", "dev"]).later(HOUR * 3 / 4).run().exits(5);
}
