//! Commands, driven through the contract: their time, their output and their environment.
#![expect(clippy::disallowed_methods, reason = "IO: tests lay out and look at real files")]

use super::World;
use super::is_alive;
use super::number;
use super::pid_in;
use super::shell;
use super::string;
use super::text;
use super::texts;
use gov::model::value::Value;
use gov::provider::Call;
use gov::provider::FailureClass;
use gov::provider::Finding;
use gov::provider::Provider as _;

#[test]
fn a_command_lives_its_life() {
    let world = World::new();
    let members = [
        ("create", shell("echo run >> runs; printf 12345; env > vars")),
        ("delete", shell("echo gone >> ../gone")),
        ("environment", Value::object([("COLOUR", text("blue"))])),
        ("output_max", Value::number(3_i64)),
    ];
    let made = world.create("local_command", "m", &members).unwrap();
    assert_eq!(string(&made, "stdout"), "123");
    assert_eq!(string(&made, "truncated"), "the first 3 of 5 bytes are kept");
    assert_eq!(number(&made, "exit_code"), 0);
    let variables = std::fs::read_to_string(world.at("vars")).unwrap();
    assert!(variables.contains("COLOUR=blue") && variables.contains("GOV_MARKER=m"), "{variables}");
    assert!(!variables.contains("CARGO"), "{variables}");
    world.assert_settled("local_command", &made, &members);
    // The same marker runs it no second time.
    let again = world.create("local_command", "m", &members).unwrap();
    assert_eq!(again, made);
    assert!(matches!(world.find("local_command", "m", &members), Finding::Found(o) if o == made));
    assert_eq!(std::fs::read_to_string(world.at("runs")).unwrap(), "run\n");

    let longer = [&members[..3], &[("timeout", Value::number(5_i64))]].concat();
    let config = world.config("local_command", &longer);
    let call = world.apply_call("local_command", "u", Some(&made), &config);
    let changed = world.apply(call).unwrap().unwrap();
    assert_eq!(string(&changed, "stdout"), "123", "nothing ran again");
    let triggered = [&members[..], &[("triggers", Value::object([("a", text("b"))]))]].concat();
    let config = world.config("local_command", &triggered);
    let replacing = world.propose("local_command", Some(&changed), &config);
    assert!(replacing.planned.get("stdout").unwrap().is_unknown());
    assert!(replacing.requires_replace.iter().any(|path| path.to_string() == "triggers"));

    world.delete("local_command", &changed).unwrap();
    assert_eq!(std::fs::read_to_string(world.home.path().join("gone")).unwrap(), "gone\n");
    assert_eq!(std::fs::read_dir(world.at(".gov")).unwrap().count(), 1, "the stamp alone");
}

#[test]
fn a_command_that_fails_says_why_and_can_run_again() {
    let world = World::new();
    let members = [("create", shell("echo run >> runs; echo because >&2; exit 3"))];
    for runs in 1..=2 {
        let failed = world.create("local_command", "m", &members).unwrap_err();
        assert_eq!(failed.class, FailureClass::Rejected);
        assert!(failed.to_string().contains("code 3 and said: because"), "{failed}");
        let seen = std::fs::read_to_string(world.at("runs")).unwrap().lines().count();
        assert_eq!(seen, runs);
    }
    assert_eq!(world.find("local_command", "m", &members), Finding::Absent);
    let missing = world.create("local_command", "n", &[("create", texts(&["/no/such"]))]);
    assert_eq!(missing.unwrap_err().class, FailureClass::Rejected);
    assert_eq!(world.find("local_command", "n", &members), Finding::Absent);
}

#[test]
fn p3_a_command_out_of_time_is_unknown_and_never_runs_again() {
    let world = World::new();
    let members =
        [("create", shell("echo $$ > pid; sleep 60 & wait")), ("timeout", Value::number(1_i64))];
    let late = world.create("local_command", "m", &members).unwrap_err();
    assert_eq!(late.class, FailureClass::Unknown);
    assert!(!is_alive(pid_in(&world, "pid")));
    assert!(matches!(world.find("local_command", "m", &members), Finding::CannotTell(_)));
    let again = world.create("local_command", "m", &members).unwrap_err();
    assert_eq!(again.class, FailureClass::Unknown);
}

#[test]
fn what_a_secret_command_says_is_not_repeated() {
    let world = World::new();
    let secret = ("environment", Value::object([("KEY", text("hunter2").into_sensitive())]));
    let failing = [("create", shell("echo $KEY; exit 1")), secret.clone()];
    let failed = world.create("local_command", "m", &failing).unwrap_err();
    assert!(!failed.to_string().contains("hunter2"), "{failed}");
    let good = [("create", shell("echo $KEY")), secret];
    let made = world.create("local_command", "n", &good).unwrap();
    assert!(made.value.get("stdout").unwrap().is_sensitive());
    let record = std::fs::read_to_string(world.at(".gov/command-n.json")).unwrap();
    assert!(!record.contains("hunter2"), "{record}");
    assert!(matches!(world.find("local_command", "n", &good), Finding::CannotTell(_)));
}

#[test]
fn a_delete_that_fails_keeps_the_object() {
    let world = World::new();
    let members = [("create", shell("true")), ("delete", shell("exit 4"))];
    let made = world.create("local_command", "m", &members).unwrap();
    let failed = world.delete("local_command", &made).unwrap_err();
    assert_eq!(failed.class, FailureClass::Rejected);
    assert_eq!(failed.partial, Some(made));
}

#[test]
fn a_stopping_gov_ends_commands_and_begins_none() {
    let world = World::new();
    let config = world.config("local_command", &[("create", shell("echo $$ > pid; sleep 60"))]);
    let call = world.apply_call("local_command", "m", None, &config);
    let ended = std::thread::scope(|scope| {
        let running = scope.spawn(|| world.ask(Call::Apply(call)));
        pid_in(&world, "pid");
        world.runtime.block_on(world.provider.stop());
        running.join().unwrap()
    });
    assert_eq!(ended.unwrap_err().class, FailureClass::Unknown);
    let later = world.create("local_command", "n", &[("create", shell("true"))]).unwrap_err();
    assert_eq!(later.class, FailureClass::Transient);
}
