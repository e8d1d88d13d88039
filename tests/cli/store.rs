//! What happens to the store: the index is rebuilt, a torn tail is cut, damage is told and kept.

use super::harness;
use super::harness::ASK;
use super::harness::World;

fn made() -> World {
    let world = World::of("note");
    world.made("dev");
    world.ok(&["apply", "dev", "-y", "-i", "greeting=x"]);
    world
}

/// What the books say, index or no index.
fn told(world: &World) -> (String, String) {
    (world.ok(&["show", "dev", "--json"]).stdout, world.ok(&["state", "export"]).stdout)
}

/// Must show 4: without its index, or with noise in its place, nothing is lost, and it is said so.
#[test]
fn a_lost_or_broken_index_is_rebuilt_and_told() {
    let noise: Vec<u8> =
        (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for broken in [false, true] {
        let world = made();
        let before = told(&world);
        let index = world.store().join("index");
        if broken {
            for name in harness::tree(&index).iter().filter(|name| !name.ends_with('/')) {
                harness::write(&index.join(name), &noise);
            }
        } else {
            harness::remove(&index);
        }
        let first = world.ok(&["list"]).says("dev");
        assert!(first.stderr.contains("rebuilt from the"), "{}", first.all());
        assert_eq!(told(&world), before);
        let second = world.ok(&["list"]);
        assert_eq!(second.stderr, "", "said once: {}", second.all());
        world.ok(&["state", "verify"]).says("everything agrees");
        world.ok(&["apply", "dev", "-y", "-i", "greeting=y"]).says("1 updated");
        let kept =
            harness::tree(&world.store()).iter().any(|name| name.starts_with("index.broken-"));
        assert_eq!(kept, broken, "what was broken is kept for a look");
    }
}

/// Also where both the index and its mark are gone, and where only the mark is.
#[test]
fn an_index_is_only_an_index() {
    let world = made();
    let before = told(&world);
    harness::remove(&world.store().join("index.mark"));
    assert_eq!(told(&world), before);
    world.ok(&["state", "rebuild"]);
    harness::remove(&world.store().join("index"));
    harness::remove(&world.store().join("index.mark"));
    assert_eq!(told(&world), before);
    world.ok(&["state", "verify"]);
}

/// Must show 4: what a crash left half written is cut, kept aside and told.
#[test]
fn a_torn_tail_is_cut() {
    let world = made();
    let before = told(&world);
    let whole = world.journal_bytes();
    let mut torn = whole.clone();
    torn.extend_from_slice(&whole[whole.len() - 700..whole.len() - 40]);
    for tail in [&b"\x00\x01\x02"[..], &[0; 64], &torn[whole.len()..]] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(tail);
        harness::write(&world.journal(), &bytes);
        let verified = world.gov(&["state", "verify"]).run().exits(1);
        verified.says("not completely written");
        let said = world.ok(&["list"]).says("dev");
        assert!(said.stderr.contains("cut"), "{}", said.all());
        assert!(world.journal_bytes() == whole);
        assert_eq!(told(&world), before);
    }
    world.ok(&["state", "verify"]).says("everything agrees");
    let kept = harness::tree(&world.store()).iter().filter(|name| name.contains("torn")).count();
    assert!(kept > 0, "{:?}", harness::tree(&world.store()));
}

/// Every way to look at or to change a store that is damaged.
fn refuses_everything(world: &World) {
    let kept = world.journal_bytes();
    let index = harness::tree(&world.store().join("index"));
    for arguments in [
        &["list"][..],
        &["show", "dev"],
        &["apply", "dev", "-y", "-i", "greeting=z"],
        &["destroy", "dev", "-y"],
        &["reap"],
        &["extend", "dev", "--by", "1h", "--reason", "x"],
        &["state", "verify"],
    ] {
        let out = world.gov(arguments).run();
        assert_eq!(out.code, Some(1), "{}", out.all());
        assert!(world.journal_bytes() == kept, "{}", out.all());
    }
    world.gov(&["list"]).run().exits(1).says("gov state verify").says("kept");
    world.gov(&["list", "--json"]).run().exits(1).json();
    world.gov(&["doctor"]).run().exits(1);
    assert!(!index.is_empty());
}

/// Must show 4: a damaged middle is an integrity error that keeps everything.
#[test]
fn a_damaged_middle_keeps_everything() {
    let world = made();
    let whole = world.journal_bytes();
    for at in [whole.len() / 4, whole.len() / 2, whole.len() * 3 / 4] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        harness::write(&world.journal(), &bytes);
        // What the index has read already is not read again by a look; a walk finds it.
        world.gov(&["state", "verify"]).run().exits(1).says("NOT SOUND");
        harness::remove(&world.store().join("index"));
        let out = world.gov(&["list"]).run().exits(1);
        assert!(world.journal_bytes() == bytes, "{}", out.all());
        world.gov(&["apply", "dev", "-y", "-i", "greeting=z"]).run().exits(1);
        assert!(world.journal_bytes() == bytes);
        harness::write(&world.journal(), &whole);
        world.ok(&["list"]).says("dev");
    }
    assert_eq!(harness::read(&world.root("dev").join("home/note.txt")), "x from ann\n");
}

/// Must show 4: a journal that is shorter than what the index knows has lost history.
#[test]
fn a_journal_shorter_than_known_is_an_error() {
    let world = made();
    let early = world.journal_bytes();
    world.ok(&["apply", "dev", "-y", "-i", "greeting=y"]);
    let whole = world.journal_bytes();
    harness::write(&world.journal(), &early);
    world.gov(&["list"]).run().exits(1).says("history was lost or replaced");
    refuses_everything(&world);
    harness::remove(&world.journal());
    world.gov(&["list"]).run().exits(1);
    world.make("qa").run().exits(1);
    assert!(!world.journal().exists(), "no new journal hides that the old one is gone");
    harness::write(&world.journal(), &whole);
    world.ok(&["list"]).says("dev");
    world.ok(&["state", "verify"]).says("everything agrees");
}

/// A plan of another store says nothing here, also where both have an environment of that name.
#[test]
fn a_plan_of_another_store_is_refused() {
    let world = made();
    let plan = ["plan", "dev", "-o", "dev.plan", "-i", "greeting=z", "--data-dir", "elsewhere"];
    world.gov(&plan).args(ASK).run().exits(0);
    let out = world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(1);
    out.says("another store");
    // A copy of the store is the same store; its journal has gone another way, and that counts.
    harness::copy_folder(&world.store(), &world.folder().join("copy"));
    world.ok(&["plan", "dev", "-o", "next.plan", "-i", "greeting=z"]);
    world.ok(&["apply", "--plan", "next.plan", "-y"]);
    world.gov(&["apply", "--plan", "next.plan", "-y"]).run().exits(1).says("plan again");
}

/// Whoever may read a store and not write to it may look, and is told why nothing more.
#[test]
fn a_store_that_may_not_be_written_can_be_looked_at() {
    let world = made();
    let before = world.journal_bytes();
    // Root may write anywhere, so root looks as somebody else.
    let nobody = rustix::process::getuid().is_root().then_some(65534);
    harness::forbid_writing(world.folder());
    let look = |arguments: &[&str]| match nobody {
        Some(id) => world.gov(arguments).user(id).run(),
        None => world.gov(arguments).run(),
    };
    for arguments in [
        &["list"][..],
        &["show", "dev"],
        &["history", "dev"],
        &["why", "dev"],
        &["state", "verify"],
        &["state", "export"],
        &["output", "dev"],
    ] {
        let out = look(arguments);
        assert_eq!(out.code, Some(0), "{}", out.all());
    }
    look(&["state", "verify"]).says("the index was not looked at");
    let refused = look(&["expire", "dev", "--reason", "x"]);
    assert_eq!(refused.code, Some(1), "{}", refused.all());
    refused.says("writable");
    harness::allow_writing(world.folder());
    assert!(world.journal_bytes() == before);
    world.ok(&["state", "verify"]);
}
