//! `local_process` and its supervisor.
#![expect(clippy::disallowed_methods, reason = "IO: tests lay out and look at real files")]

use std::path::PathBuf;
use std::time::Duration;

use super::ENVIRONMENT;
use super::World;
use super::eventually;
use super::is_alive;
use super::kill;
use super::number;
use super::pid_in;
use super::shell;
use super::string;
use super::text;
use super::texts;
use gov::model::value::Value;
use gov::provider::FailureClass;
use gov::provider::Finding;
use gov::provider::builtin::local::supervise;

#[test]
fn g10_a_process_lives_its_life_and_carries_its_labels() {
    let mut world = World::new();
    let script = "env > vars; echo $$ > pid; echo hello; sleep 60 & wait";
    let members = [
        ("command", shell(script)),
        ("environment", Value::object([("COLOUR", text("blue"))])),
        ("labels", Value::object([("gov_owner", text("ada"))])),
    ];
    let made = world.create("local_process", &world.marker(), &members).unwrap();
    let command = pid_in(&world, "pid");
    let variables = std::fs::read_to_string(world.at("vars")).unwrap();
    for wanted in [
        "COLOUR=blue",
        "GOV_LABEL_gov_owner=ada",
        &format!("GOV_MARKER={}", world.marker()),
        "HOME=/nonexistent/home",
        &format!("GOV_ENVIRONMENT={ENVIRONMENT}"),
    ] {
        assert!(variables.lines().any(|line| line == wanted), "{wanted} in {variables}");
    }
    assert!(!variables.contains("CARGO"), "{variables}");
    assert_eq!(string(&made, "pid_file"), format!(".gov/process-{}.json", world.marker()));
    assert!(
        !world.at(&format!(".gov/process-{}.spec", world.marker())).exists(),
        "it may hold secrets"
    );
    eventually("output in the log", || {
        let log = std::fs::read_to_string(world.at(string(&made, "log"))).ok()?;
        log.contains("hello").then_some(())
    });
    world.assert_settled("local_process", &made, &members);

    let slower = [&members[..], &[("stop_grace", Value::number(20_i64))]].concat();
    let config = world.config("local_process", &slower);
    let call = world.apply_call("local_process", "u", Some(&made), &config);
    let changed = world.apply(call).unwrap().unwrap();
    assert_eq!(number(&changed, "pid"), number(&made, "pid"));
    let other = world.config("local_process", &[("command", texts(&["sleep", "1"]))]);
    let replacing = world.propose("local_process", Some(&changed), &other);
    assert!(replacing.requires_replace.iter().any(|path| path.to_string() == "command"));
    assert!(replacing.planned.get("pid").unwrap().is_unknown());

    // Another gov finds it, and it has no parent that could take it along.
    world.restart(None);
    assert!(world.read("local_process", &changed).unwrap().is_some());
    world.delete("local_process", &changed).unwrap();
    assert!(!is_alive(command) && !is_alive(number(&made, "pid")));
    assert_eq!(world.read("local_process", &changed).unwrap(), None);
    world.delete("local_process", &changed).unwrap();
    assert!(!world.at(&format!(".gov/process-{}.log", world.marker())).exists());
}

#[test]
fn a_process_that_resists_is_killed_with_all_its_kin() {
    let world = World::new();
    // One that ignores TERM, one in another session, and one that has cleared its variables.
    let script = "trap '' TERM; echo $$ > stubborn; \
                  setsid sh -c 'trap \"\" TERM; echo $$ > strayed; while :; do sleep 1; done' & \
                  env -i sh -c 'trap \"\" TERM; echo $$ > bare; while :; do sleep 1; done' & \
                  while :; do sleep 1; done";
    let members = [("command", shell(script)), ("stop_grace", Value::number(0_i64))];
    let made = world.create("local_process", &world.marker(), &members).unwrap();
    let pids = ["stubborn", "strayed", "bare"].map(|name| pid_in(&world, name));
    world.delete("local_process", &made).unwrap();
    assert_eq!(pids.map(is_alive), [false; 3]);
}

#[test]
fn a_process_whose_command_ends_leaves_nothing_running() {
    let world = World::new();
    let script = "sh -c 'echo $$ > left; exec sleep 60' & while [ ! -s left ]; do sleep 0.01; done";
    let members = [("command", shell(script)), ("log", text("out.log"))];
    let made = world.create("local_process", &world.marker(), &members).unwrap();
    let left = pid_in(&world, "left");
    eventually("its end", || world.read("local_process", &made).unwrap().is_none().then_some(()));
    assert!(!is_alive(left));
    let log = std::fs::read_to_string(world.at("out.log")).unwrap();
    assert!(log.contains("gov: the command ended with code 0"), "{log}");
    assert_eq!(world.find("local_process", &world.marker(), &members), Finding::Absent);
}

#[test]
fn a_killed_supervisor_hides_no_command() {
    let world = World::new();
    // Without variables nothing but the session and the group tell whose it is.
    let bare = [("command", shell("echo $$ > bare; exec env -i sleep 60"))];
    let made = world.create("local_process", &format!("bare-{}", world.marker()), &bare).unwrap();
    let command = pid_in(&world, "bare");
    kill(number(&made, "pid"));
    assert!(world.read("local_process", &made).unwrap().is_some());
    world.delete("local_process", &made).unwrap();
    assert!(!is_alive(command));

    let members = [("command", shell("echo $$ > pid; exec sleep 60"))];
    let made = world.create("local_process", &world.marker(), &members).unwrap();
    let command = pid_in(&world, "pid");
    kill(number(&made, "pid"));
    assert!(world.read("local_process", &made).unwrap().is_some(), "the command still runs");
    assert!(matches!(world.find("local_process", &world.marker(), &members), Finding::Found(_)));
    world.delete("local_process", &made).unwrap();
    assert!(!is_alive(command));
}

#[test]
fn one_marker_starts_one_process() {
    let mut world = World::new();
    let members = [("command", shell("echo $$ >> starts; exec sleep 60"))];
    let first = world.create("local_process", &world.marker(), &members).unwrap();
    pid_in(&world, "starts");
    world.restart(None);
    let second = world.create("local_process", &world.marker(), &members).unwrap();
    assert_eq!(number(&first, "pid"), number(&second, "pid"));
    assert!(matches!(world.find("local_process", &world.marker(), &members),
        Finding::Found(object) if object.value == first.value));
    let starts = std::fs::read_to_string(world.at("starts")).unwrap();
    assert_eq!(starts.lines().count(), 1);
    world.delete("local_process", &first).unwrap();
    assert_eq!(world.find("local_process", &world.marker(), &members), Finding::Absent);
}

#[test]
fn no_process_of_another_boot_is_alive() {
    let mut world = World::new();
    let members = [("command", texts(&["sleep", "60"]))];
    let made = world.create("local_process", &world.marker(), &members).unwrap();
    world.restart(Some("another-boot"));
    assert_eq!(world.read("local_process", &made).unwrap(), None);
    assert_eq!(world.find("local_process", &world.marker(), &members), Finding::Absent);
    kill(number(&made, "pid"));
    world.restart(None);
    world.delete("local_process", &made).unwrap();
}

#[test]
fn a_forged_pid_file_reaches_no_stranger() {
    let world = World::new();
    let members = [("command", texts(&["sleep", "60"]))];
    let victim =
        world.create("local_process", &format!("victim-{}", world.marker()), &members).unwrap();
    let own = std::fs::read_to_string(world.at(string(&victim, "pid_file"))).unwrap();
    let forged = own.replace("victim-", "");
    std::fs::write(world.at(&format!(".gov/process-{}.json", world.marker())), forged).unwrap();
    assert_eq!(world.find("local_process", &world.marker(), &members), Finding::Absent);
    assert!(world.read("local_process", &victim).unwrap().is_some());
    world.delete("local_process", &victim).unwrap();
}

#[test]
fn what_cannot_start_is_rejected_and_leaves_nothing() {
    let world = World::new();
    let missing = [("command", texts(&["/no/such/program"]))];
    let refused = world.create("local_process", &world.marker(), &missing).unwrap_err();
    assert_eq!(refused.class, FailureClass::Rejected);
    assert!(refused.to_string().contains("No such file"), "{refused}");
    let nowhere = [("command", texts(&["sleep", "1"])), ("working_directory", text("no"))];
    let refused = world.create("local_process", &world.marker(), &nowhere).unwrap_err();
    assert!(refused.to_string().starts_with("working_directory: "), "{refused}");
    assert!(!world.root().exists());
    assert!(world.import("local_process", "1").is_err());
}

fn specification(world: &World, stem: &str, script: &str) -> PathBuf {
    let own = world.at(".gov");
    std::fs::create_dir_all(&own).unwrap();
    let spec = own.join(format!("process-{stem}.spec"));
    let text = format!(
        r#"{{"version":1,"stem":"{stem}","environment":"e","command":["/bin/sh","-c","{script}"],
        "variables":{{"GOV_MARKER":"{stem}"}},"working_directory":".",
        "log":".gov/process-{stem}.log","stop_grace":0}}"#
    );
    std::fs::write(&spec, text).unwrap();
    spec
}

fn supervisor(spec: &std::path::Path, stem: &str) -> std::process::Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_gov"))
        .args(["__supervise", "--spec"])
        .arg(spec)
        .env("GOV_MARKER", stem)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_outlives_who_started_it() {
    let world = World::new();
    let spec = specification(&world, &world.marker(), "echo $$ > pid; exec sleep 60");
    let script = "\"$0\" __supervise --spec \"$1\" > /dev/null &";
    let mut parent = std::process::Command::new("/bin/sh");
    parent.args(["-c", script, env!("CARGO_BIN_EXE_gov")]).arg(spec);
    assert!(parent.env("GOV_MARKER", world.marker()).status().unwrap().success());
    let command = pid_in(&world, "pid");
    let members = [("command", texts(&["sleep", "60"]))];
    let Finding::Found(object) = world.find("local_process", &world.marker(), &members) else {
        panic!("it runs and is not found");
    };
    let session = rustix::process::getsid(rustix::process::Pid::from_raw(command)).unwrap();
    assert_eq!(session.as_raw_pid(), number(&object, "pid"), "a session of its own");
    world.delete("local_process", &object).unwrap();
    assert!(!is_alive(command));
}

#[test]
fn a_withdrawn_start_never_happens() {
    let world = World::new();
    let spec = specification(&world, &world.marker(), "touch started");
    let members = [("command", texts(&["sleep", "60"]))];
    assert_eq!(world.find("local_process", &world.marker(), &members), Finding::Absent);
    let code = supervisor(&spec, &world.marker()).wait().unwrap().code();
    assert_ne!(code, Some(i32::from(supervise::EXIT_ENDED)));
    assert!(!world.at("started").exists());
}

/// A gov that was killed just after starting a supervisor races with the next one, which looks for
/// what the first has made. Whatever wins, the answer is true: found and running, or absent for
/// good.
#[test]
fn a_look_and_a_claim_cannot_both_win() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let mut found = 0;
    for round in 0..24_u32 {
        let stem = format!("{}-{round}", world.marker());
        let spec = specification(&world, &stem, &format!("echo > started{round}; exec sleep 60"));
        let mut child = supervisor(&spec, &stem);
        std::thread::sleep(Duration::from_micros(u64::from(round) * 400));
        let members = [("command", texts(&["sleep", "60"]))];
        match world.find("local_process", &stem, &members) {
            Finding::Found(object) | Finding::Approximate(object) => {
                found += 1;
                assert_eq!(number(&object, "pid"), i32::try_from(child.id()).unwrap());
                pid_started(&world, round);
                world.delete("local_process", &object).unwrap();
                child.wait().unwrap();
            }
            Finding::Absent => {
                let code = child.wait().unwrap().code();
                assert_ne!(code, Some(i32::from(supervise::EXIT_ENDED)), "round {round}");
                assert!(!world.at(&format!("started{round}")).exists(), "round {round}");
            }
            Finding::CannotTell(why) => panic!("round {round}: {why}"),
        }
    }
    assert!(found < 24, "no round was early enough to withdraw");
}

fn pid_started(world: &World, round: u32) {
    let path = world.at(&format!("started{round}"));
    eventually("the command's start", || path.exists().then_some(()));
}
