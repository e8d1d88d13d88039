//! The local provider against a real folder and real processes: what the tests share, and what
//! holds for all types.
#![expect(clippy::disallowed_methods, reason = "IO: tests lay out and look at real files")]

mod commands;
mod files;
mod processes;

use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gov::model::environment::Private;
use gov::model::id::Marker;
use gov::model::lifetime::Timestamp;
use gov::model::value::Value;
use gov::model::value::differences;
use gov::provider::Answer;
use gov::provider::ApplyCall;
use gov::provider::Call;
use gov::provider::Failure;
use gov::provider::FailureClass;
use gov::provider::Finding;
use gov::provider::LiveObject;
use gov::provider::Place;
use gov::provider::PriceRule;
use gov::provider::Proposal;
use gov::provider::Provider as _;
use gov::provider::RegionRule;
use gov::provider::builtin::local::Clock;
use gov::provider::builtin::local::Launcher;
use gov::provider::builtin::local::LocalProvider;
use gov::provider::builtin::local::SystemClock;

const ENVIRONMENT: &str = "01J00000000000000000000000";

/// A clock that stands at 100 s, in this boot or in one of another name.
struct StandingClock {
    boot: Option<&'static str>,
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(100_000)
    }

    fn boot_id(&self) -> io::Result<String> {
        self.boot.map_or_else(|| SystemClock::start().boot_id(), |name| Ok(name.to_owned()))
    }
}

struct World {
    home: tempfile::TempDir,
    provider: LocalProvider,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        let provider = provider(None);
        let world = Self { home, provider, runtime: runtime.unwrap() };
        world.configure();
        world
    }

    fn configure(&self) {
        let root = self.root().to_str().unwrap().to_owned();
        let place = Place { environment: ENVIRONMENT.parse().unwrap(), root };
        self.ask(Call::Configure { config: Value::null(), place }).unwrap();
    }

    /// Another gov in the same place, as after a crash, perhaps in another boot.
    fn restart(&mut self, boot: Option<&'static str>) {
        self.provider = provider(boot);
        self.configure();
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    /// A marker like no other on this machine, as real ones are: by it processes are found.
    fn marker(&self) -> String {
        self.home.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn ask(&self, call: Call) -> Result<Answer, Failure> {
        self.runtime.block_on(self.provider.call(call))
    }

    fn config(&self, kind: &str, members: &[(&str, Value)]) -> Value {
        let config = Value::object(members.iter().map(|(k, v)| (*k, v.clone())));
        self.provider.offer().resources[kind].schema.block.conform(&config).unwrap()
    }

    fn propose(&self, kind: &str, prior: Option<&LiveObject>, config: &Value) -> Proposal {
        let (kind, prior, config) = (kind.to_owned(), prior.cloned(), config.clone());
        match self.ask(Call::Propose { kind, prior, config }).unwrap() {
            Answer::Proposal(proposal) => proposal,
            other => panic!("{other:?}"),
        }
    }

    fn apply_call(
        &self,
        kind: &str,
        marker: &str,
        prior: Option<&LiveObject>,
        config: &Value,
    ) -> ApplyCall {
        let proposal = self.propose(kind, prior, config);
        ApplyCall {
            kind: kind.to_owned(),
            prior: prior.cloned(),
            planned: proposal.planned,
            planned_private: proposal.private,
            config: config.clone(),
            marker: Marker(marker.to_owned()),
            start_by: Timestamp::from_millis(200_000),
        }
    }

    /// Applies, and checks that only what was unknown has been filled in.
    fn apply(&self, call: ApplyCall) -> Result<Option<LiveObject>, Failure> {
        let planned = call.planned.clone();
        match self.ask(Call::Apply(call))? {
            Answer::Object(object) => {
                let surprises = object.iter().flat_map(|o| differences(&planned, &o.value));
                let surprises: Vec<_> = surprises.filter(|d| !d.before.is_unknown()).collect();
                assert!(surprises.is_empty(), "{surprises:?}");
                assert!(object.iter().all(|o| o.value.is_wholly_known()), "{object:?}");
                Ok(object)
            }
            other => panic!("{other:?}"),
        }
    }

    fn create(
        &self,
        kind: &str,
        marker: &str,
        members: &[(&str, Value)],
    ) -> Result<LiveObject, Failure> {
        let config = self.config(kind, members);
        Ok(self.apply(self.apply_call(kind, marker, None, &config))?.unwrap())
    }

    fn delete(&self, kind: &str, prior: &LiveObject) -> Result<(), Failure> {
        let gone = self.apply(self.apply_call(kind, "delete", Some(prior), &Value::null()))?;
        assert_eq!(gone, None);
        Ok(())
    }

    fn read(&self, kind: &str, object: &LiveObject) -> Result<Option<LiveObject>, Failure> {
        match self.ask(Call::Read { kind: kind.to_owned(), object: object.clone() })? {
            Answer::Object(object) => Ok(object),
            other => panic!("{other:?}"),
        }
    }

    fn find(&self, kind: &str, marker: &str, members: &[(&str, Value)]) -> Finding {
        let planned = self.propose(kind, None, &self.config(kind, members)).planned;
        let (kind, marker) = (kind.to_owned(), Marker(marker.to_owned()));
        match self.ask(Call::Find { kind, marker, planned }).unwrap() {
            Answer::Found(finding) => finding,
            other => panic!("{other:?}"),
        }
    }

    fn import(&self, kind: &str, id: &str) -> Result<Option<LiveObject>, Failure> {
        match self.ask(Call::Import { kind: kind.to_owned(), id: id.to_owned() })? {
            Answer::Object(object) => Ok(object),
            other => panic!("{other:?}"),
        }
    }

    fn problems(&self, kind: &str, members: &[(&str, Value)]) -> Vec<String> {
        let config = self.config(kind, members);
        match self.ask(Call::Validate { kind: kind.to_owned(), data: false, config }) {
            Ok(_) => Vec::new(),
            Err(failure) => failure.remarks.iter().map(ToString::to_string).collect(),
        }
    }

    /// Nothing that is in force changes when the same configuration is proposed again.
    fn assert_settled(&self, kind: &str, object: &LiveObject, members: &[(&str, Value)]) {
        let live = self.read(kind, object).unwrap().unwrap();
        let planned = self.propose(kind, Some(&live), &self.config(kind, members)).planned;
        assert!(differences(&live.value, &planned).is_empty(), "{live:?} -> {planned:?}");
    }
}

fn provider(boot: Option<&'static str>) -> LocalProvider {
    LocalProvider::new(Launcher {
        program: env!("CARGO_BIN_EXE_gov").into(),
        clock: Arc::new(StandingClock { boot }),
        home: Some("/nonexistent/home".into()),
        lang: None,
    })
}

fn text(text: &str) -> Value {
    Value::string(text)
}

fn texts(items: &[&str]) -> Value {
    Value::list(items.iter().map(|item| text(item)).collect())
}

fn shell(script: &str) -> Value {
    texts(&["/bin/sh", "-c", script])
}

fn number(object: &LiveObject, name: &str) -> i32 {
    let number = object.value.get(name).and_then(Value::as_number).unwrap();
    number.as_i64().unwrap().try_into().unwrap()
}

fn string<'a>(object: &'a LiveObject, name: &str) -> &'a str {
    object.value.get(name).and_then(Value::as_str).unwrap()
}

/// Waits, within bounds, for something another process is about to do.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never seen: {what}");
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the end of a killed process", || (!is_alive(pid.as_raw_pid())).then_some(()));
}

fn pid_in(world: &World, path: &str) -> i32 {
    eventually(path, || std::fs::read_to_string(world.at(path)).ok()?.trim().parse().ok())
}

#[test]
fn governance_facts_are_stated() {
    let world = World::new();
    for (name, offer) in &world.provider.offer().resources {
        let facts = &offer.governance;
        assert!(matches!(&facts.price, PriceRule::Free { reason } if !reason.is_empty()), "{name}");
        assert_eq!(facts.region, RegionRule::Local);
        assert_eq!(facts.bears_data, name == "local_directory");
        let runs = ["local_process", "local_command"].contains(&name.as_str());
        assert_eq!(facts.classes.contains("run-command"), runs, "{name}");
        assert_eq!(facts.tags.is_some(), name == "local_process");
    }
}

#[test]
fn wrong_configurations_are_refused_with_their_attribute() {
    let world = World::new();
    let directory = |path: &str| world.problems("local_directory", &[("path", text(path))]);
    for path in ["/etc", "../x", "a/../../b", "", ".", ".gov", ".gov/x"] {
        let problems = directory(path);
        assert!(problems.len() == 1 && problems[0].starts_with("path: "), "{path} {problems:?}");
    }
    assert!(directory("work/a").is_empty());
    assert!(world.problems("local_directory", &[("path", Value::unknown())]).is_empty());
    let file = [("path", text("f")), ("content", text("")), ("mode", text("4755"))];
    assert!(world.problems("local_file", &file)[0].starts_with("mode: "));
    let large = [("path", text("f")), ("content", text(&"x".repeat(17 << 20)))];
    assert!(world.problems("local_file", &large)[0].starts_with("content: "));
    let process = [
        ("command", texts(&["./run"])),
        ("environment", Value::object([("GOV_X", text("y")), ("1", text("z"))])),
        ("working_directory", text("..")),
        ("stop_grace", Value::number(1000_i64)),
    ];
    assert_eq!(world.problems("local_process", &process).len(), 5);
    assert_eq!(world.problems("local_command", &[("create", texts(&[]))]).len(), 1);
    let unknown = [("command", Value::unknown()), ("environment", Value::unknown())];
    assert!(world.problems("local_process", &unknown).is_empty());
}

#[test]
fn a_link_in_place_of_govs_folder_is_refused() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(world.root()).unwrap();
    symlink(outside.path(), world.at(".gov")).unwrap();
    let process = world.create("local_process", "m", &[("command", texts(&["sleep", "60"]))]);
    assert_eq!(process.unwrap_err().class, FailureClass::Rejected);
    let command = world.create("local_command", "m", &[("create", shell("touch made"))]);
    assert_eq!(command.unwrap_err().class, FailureClass::Rejected);
    assert!(!world.at("made").exists());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn nothing_begins_after_its_deadline() {
    let world = World::new();
    let file = [("path", text("f")), ("content", text(""))];
    let kinds: [(&str, &[(&str, Value)]); 4] = [
        ("local_directory", &[("path", text("d"))]),
        ("local_file", &file),
        ("local_process", &[("command", texts(&["sleep", "60"]))]),
        ("local_command", &[("create", shell("touch made"))]),
    ];
    for (kind, members) in kinds {
        let mut call = world.apply_call(kind, "m", None, &world.config(kind, members));
        call.start_by = Timestamp::from_millis(100_000);
        assert_eq!(world.apply(call).unwrap_err().class, FailureClass::Transient, "{kind}");
        assert!(!world.root().exists(), "{kind}");
    }
}

#[test]
fn objects_of_another_schema_are_refused() {
    let world = World::new();
    let upgrade = |version| {
        let (kind, value) = ("local_file".to_owned(), Value::null());
        world.ask(Call::Upgrade { kind, version, value })
    };
    assert_eq!(upgrade(0).unwrap(), Answer::Upgraded(Value::null()));
    assert!(upgrade(7).is_err());
    let lost = LiveObject { value: Value::null(), private: Private::default() };
    assert!(world.read("local_process", &lost).is_err());
    let data = Call::ReadData { kind: "local_file".into(), config: Value::null() };
    assert!(world.ask(data).is_err());
}
