//! `local_directory` and `local_file`.
#![expect(clippy::disallowed_methods, reason = "IO: tests lay out and look at real files")]

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use super::World;
use super::number;
use super::string;
use super::text;
use gov::model::value::Value;
use gov::provider::FailureClass;
use gov::provider::Finding;
use gov::provider::LiveObject;

#[test]
fn a_directory_lives_its_life() {
    let world = World::new();
    let members = [("path", text("work"))];
    let made = world.create("local_directory", "m", &members).unwrap();
    assert_eq!(std::fs::metadata(world.root()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(world.at("work")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(string(&made, "id"), "work");
    world.assert_settled("local_directory", &made, &members);
    let again = world.create("local_directory", "m2", &members).unwrap_err();
    assert_eq!(again.class, FailureClass::Rejected);
    assert!(again.to_string().contains("gov import"), "{again}");

    let narrow = world.config("local_directory", &[("path", text("work")), ("mode", text("700"))]);
    let call = world.apply_call("local_directory", "u", Some(&made), &narrow);
    let changed = world.apply(call).unwrap().unwrap();
    assert_eq!(std::fs::metadata(world.at("work")).unwrap().mode() & 0o777, 0o700);
    let moved = world.config("local_directory", &[("path", text("other"))]);
    let proposal = world.propose("local_directory", Some(&changed), &moved);
    assert_eq!(proposal.requires_replace[0].to_string(), "path");
    assert_eq!(proposal.planned.get("id").unwrap(), &text("other"));

    std::fs::set_permissions(world.at("work"), PermissionsExt::from_mode(0o711)).unwrap();
    let drifted = world.read("local_directory", &changed).unwrap().unwrap();
    assert_eq!(string(&drifted, "mode"), "0711");
    std::fs::write(world.at("work/data"), "x").unwrap();
    world.delete("local_directory", &changed).unwrap();
    world.delete("local_directory", &changed).unwrap();
    assert!(!world.root().exists(), "gov made the root and nothing is left in it");
    assert_eq!(world.read("local_directory", &changed).unwrap(), None);
}

#[test]
fn a_root_that_gov_did_not_make_stays() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let made = world.create("local_directory", "m", &[("path", text("work"))]).unwrap();
    world.delete("local_directory", &made).unwrap();
    assert_eq!(std::fs::read_dir(world.root()).unwrap().count(), 0);
}

#[test]
fn a_file_lives_its_life() {
    let world = World::new();
    let members = [("path", text("f")), ("content", text("one"))];
    let planned = world.propose("local_file", None, &world.config("local_file", &members)).planned;
    assert!(planned.is_wholly_known(), "{planned:?}");
    let made = world.create("local_file", "m", &members).unwrap();
    assert_eq!(std::fs::read_to_string(world.at("f")).unwrap(), "one");
    assert_eq!(std::fs::metadata(world.at("f")).unwrap().mode() & 0o777, 0o644);
    assert_eq!(number(&made, "size"), 3);
    world.assert_settled("local_file", &made, &members);
    let taken = world.create("local_file", "m", &members).unwrap_err();
    assert_eq!(taken.class, FailureClass::Rejected);

    let two = [("path", text("f")), ("content", text("two!")), ("mode", text("0600"))];
    let call = world.apply_call("local_file", "u", Some(&made), &world.config("local_file", &two));
    let changed = world.apply(call).unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(world.at("f")).unwrap(), "two!");
    assert_eq!(std::fs::metadata(world.at("f")).unwrap().mode() & 0o777, 0o600);
    world.assert_settled("local_file", &changed, &two);
    assert_eq!(std::fs::read_dir(world.root()).unwrap().count(), 2, "the file and .gov");

    std::fs::write(world.at("f"), b"other\xff").unwrap();
    let drifted = world.read("local_file", &changed).unwrap().unwrap();
    assert_ne!(drifted.value.get("sha256"), changed.value.get("sha256"));
    assert_eq!(number(&drifted, "size"), 6);
    let imported = world.import("local_file", "f").unwrap().unwrap();
    assert_eq!(imported.value.get("sha256"), drifted.value.get("sha256"));
    assert!(world.import("local_file", "../f").is_err());
    assert_eq!(world.import("local_file", "no").unwrap(), None);

    world.delete("local_file", &changed).unwrap();
    world.delete("local_file", &changed).unwrap();
    assert!(!world.root().exists());
    assert_eq!(world.read("local_file", &changed).unwrap(), None);
}

#[test]
fn what_is_unknown_or_sensitive_stays_so() {
    let world = World::new();
    let unknown = [("path", text("f")), ("content", Value::unknown())];
    let planned = world.propose("local_file", None, &world.config("local_file", &unknown)).planned;
    let paths: Vec<String> = planned.unknown_paths().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["content", "sha256", "size"]);
    let secret = [("path", text("s")), ("content", text("hunter2").into_sensitive())];
    let made = world.create("local_file", "m", &secret).unwrap();
    assert_eq!(std::fs::metadata(world.at("s")).unwrap().mode() & 0o777, 0o600);
    for name in ["content", "sha256", "size"] {
        assert!(made.value.get(name).unwrap().is_sensitive(), "{name}");
    }
    world.assert_settled("local_file", &made, &secret);
}

#[test]
fn a_create_fills_what_planning_left_unknown() {
    let world = World::new();
    let early = world.config("local_file", &[("path", text("f")), ("content", Value::unknown())]);
    let mut call = world.apply_call("local_file", "m", None, &early);
    call.config = world.config("local_file", &[("path", text("f")), ("content", text("late"))]);
    world.apply(call).unwrap();
    assert_eq!(std::fs::read_to_string(world.at("f")).unwrap(), "late");
}

#[test]
fn a_missing_folder_names_the_way_out() {
    let world = World::new();
    let members = [("path", text("no/f")), ("content", text(""))];
    let refused = world.create("local_file", "m", &members).unwrap_err();
    assert!(refused.to_string().contains("local_directory"), "{refused}");
    assert!(!world.root().exists(), "a refused create leaves nothing");
}

#[test]
fn planted_links_lead_nowhere() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("f"), "theirs").unwrap();
    let folder = world.create("local_directory", "d", &[("path", text("d"))]).unwrap();
    let members = [("path", text("d/f")), ("content", text("ours"))];
    let file = world.create("local_file", "f", &members).unwrap();

    // The last name becomes a link: shown as changed, replaced by an update, removed by a delete.
    std::fs::remove_file(world.at("d/f")).unwrap();
    symlink(outside.path().join("f"), world.at("d/f")).unwrap();
    let drifted = world.read("local_file", &file).unwrap().unwrap();
    assert!(drifted.value.get("content").unwrap().is_null());
    let config = world.config("local_file", &members);
    world.apply(world.apply_call("local_file", "u", Some(&file), &config)).unwrap();
    assert!(!world.at("d/f").is_symlink());
    std::fs::remove_file(world.at("d/f")).unwrap();
    symlink(outside.path().join("f"), world.at("d/f")).unwrap();
    world.delete("local_file", &file).unwrap();
    assert!(!world.at("d/f").is_symlink());

    // A folder on the way becomes a link: everything is refused, nothing is called gone.
    std::fs::remove_dir(world.at("d")).unwrap();
    symlink(outside.path(), world.at("d")).unwrap();
    assert_eq!(world.read("local_file", &file).unwrap_err().class, FailureClass::Rejected);
    assert!(world.delete("local_file", &file).is_err());
    assert!(world.apply(world.apply_call("local_file", "u", Some(&file), &config)).is_err());
    assert!(world.create("local_file", "f2", &members).is_err());
    let drifted = world.read("local_directory", &folder).unwrap().unwrap();
    assert!(drifted.value.get("mode").unwrap().is_null());
    world.delete("local_directory", &folder).unwrap();
    assert_eq!(std::fs::read_to_string(outside.path().join("f")).unwrap(), "theirs");
}

#[test]
fn a_pipe_in_place_of_a_file_holds_nobody() {
    let world = World::new();
    let members = [("path", text("f")), ("content", text("ours"))];
    let file = world.create("local_file", "m", &members).unwrap();
    std::fs::remove_file(world.at("f")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("f"), mode).unwrap();
    let drifted = world.read("local_file", &file).unwrap().unwrap();
    assert!(drifted.value.get("content").unwrap().is_null());
    world.delete("local_file", &file).unwrap();
}

#[test]
fn a_crash_in_creating_a_file_is_settled_at_each_point() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let members = [("path", text("f")), ("content", text("ours"))];
    let temp = world.at(".gov-m.tmp");
    let find = || world.find("local_file", "m", &members);
    assert_eq!(find(), Finding::Absent);
    std::fs::write(&temp, "ou").unwrap();
    assert_eq!(find(), Finding::Absent);
    assert!(!temp.exists(), "a create still at work cannot finish any more");
    std::fs::write(&temp, "ours").unwrap();
    std::fs::hard_link(&temp, world.at("f")).unwrap();
    assert!(matches!(find(), Finding::Found(_)));
    assert!(!temp.exists());
    assert!(matches!(find(), Finding::Found(object) if string(&object, "content") == "ours"));
    std::fs::write(world.at("f"), "theirs").unwrap();
    assert!(matches!(find(), Finding::CannotTell(_)));
}

#[test]
fn a_crash_in_creating_a_directory_is_settled_at_each_point() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let find = || world.find("local_directory", "m", &[("path", text("d"))]);
    assert_eq!(find(), Finding::Absent);
    std::fs::create_dir(world.at(".gov-m.tmp")).unwrap();
    assert_eq!(find(), Finding::Absent);
    assert!(!world.at(".gov-m.tmp").exists());
    std::fs::create_dir(world.at("d")).unwrap();
    assert!(matches!(find(), Finding::Found(_)));
    std::fs::write(world.at("d/f"), "theirs").unwrap();
    assert!(matches!(find(), Finding::CannotTell(_)));
}

#[test]
fn many_creates_and_deletes_at_once_share_one_root() {
    let world = World::new();
    let files: Vec<LiveObject> = std::thread::scope(|scope| {
        let world = &world;
        let create = |n: u32| {
            scope.spawn(move || {
                let members = [("path", text(&format!("f{n}"))), ("content", text("x"))];
                let made = world.create("local_file", &format!("m{n}"), &members).unwrap();
                if n.is_multiple_of(2) {
                    world.delete("local_file", &made).unwrap();
                }
                made
            })
        };
        let running: Vec<_> = (0..12).map(create).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let left: Vec<_> =
        files.iter().filter(|f| world.read("local_file", f).unwrap().is_some()).collect();
    assert_eq!(left.len(), 6);
    for file in left {
        world.delete("local_file", file).unwrap();
    }
    assert!(!world.root().exists());
}
