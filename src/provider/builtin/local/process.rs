//! `local_process`: a long-running command of the environment, which outlives gov.
//!
//! gov writes a specification and starts a supervisor ([`super::supervise`]), which starts the
//! command. Whether it runs is always asked of the kernel, never of a file alone. A process whose
//! command has ended is gone: the next plan shows that it would be created.
//!
//! Labels, environment and marker travel as variables of the command: `GOV_LABEL_<key>`,
//! `GOV_ENVIRONMENT` and `GOV_MARKER`.

use std::io;
use std::io::Read as _;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use cap_std::fs::Dir;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use serde::Deserialize;
use serde::Serialize;

use crate::model::environment::Private;
use crate::model::id::Marker;
use crate::model::schema::Attribute;
use crate::model::schema::Schema;
use crate::model::schema::Type;
use crate::model::value::Value;
use crate::provider::ApplyCall;
use crate::provider::Failure;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::Remark;
use crate::provider::builtin::local::below;
use crate::provider::builtin::local::below::Below;
use crate::provider::builtin::local::below::OWN_FOLDER;
use crate::provider::builtin::local::ground::Ground;
use crate::provider::builtin::local::kin;
use crate::provider::builtin::local::kin::Ending;
use crate::provider::builtin::local::kin::Kin;
use crate::provider::builtin::local::kin::MARKER_VARIABLE;
use crate::provider::builtin::local::kin::Supervisor;
use crate::provider::builtin::local::launcher::SPEC_OPTION;
use crate::provider::builtin::local::launcher::SUPERVISE_COMMAND;
use crate::provider::builtin::local::launcher::boot_clock_ms;
use crate::provider::builtin::local::pidfile;
use crate::provider::builtin::local::pidfile::Look;
use crate::provider::builtin::local::pidfile::PidFile;
use crate::provider::builtin::local::pidfile::Spec;
use crate::provider::builtin::local::program;
use crate::provider::builtin::local::shape;
use crate::provider::builtin::local::shape::refuse;
use crate::provider::builtin::local::supervise::REPORT_BYTES_MAX;
use crate::provider::builtin::local::supervise::Report;

/// What differs here needs a new process.
pub(super) const REPLACING: [&str; 6] =
    ["command", "environment", "labels", "log", "triggers", "working_directory"];

/// Seconds between TERM and KILL where nothing else is said.
const STOP_GRACE_S: u32 = 10;

/// The longest grace: a destroy must come to an end.
const STOP_GRACE_S_MAX: i64 = 300;

/// How long a supervisor has to report: starting takes milliseconds, a machine under load seconds.
const REPORT_MS_MAX: i64 = 10_000;

/// What gov keeps to tell the process from any other, ever.
#[derive(Serialize, Deserialize)]
struct Known {
    stem: String,
    boot_id: String,
    pid: i32,
    started: u64,
    command: Option<i32>,
}

pub(super) fn schema() -> Schema {
    let map = || Type::Map(Box::new(Type::String));
    shape::schema([
        (
            "command",
            Attribute::required(Type::List(Box::new(Type::String)))
                .describe("The program and its arguments, exactly; no shell is involved."),
        ),
        (
            "environment",
            Attribute::optional(map())
                .describe("Variables of the command, beside PATH, HOME, LANG and gov's own."),
        ),
        (
            "labels",
            Attribute::optional(map())
                .describe("Labels, which the command sees as variables GOV_LABEL_<key>."),
        ),
        (
            "triggers",
            Attribute::optional(map()).describe("A change of any of these restarts the process."),
        ),
        (
            "working_directory",
            Attribute::optional(Type::String)
                .or_computed()
                .describe("The folder to run in, below the environment's root."),
        ),
        (
            "log",
            Attribute::optional(Type::String).or_computed().describe(
                "The file for its output, below the root, of at most 32 MiB with one \
                 predecessor. Chosen, and deleted with the process, where not set.",
            ),
        ),
        (
            "stop_grace",
            Attribute::optional(Type::Number)
                .or_computed()
                .describe("Seconds from asking the process to end until it is killed."),
        ),
        ("id", Attribute::computed(Type::String).describe("The marker of the process.")),
        ("pid", Attribute::computed(Type::Number).describe("The supervisor's process id.")),
        (
            "started",
            Attribute::computed(Type::Number).describe("When it started, in ticks since boot."),
        ),
        ("pid_file", Attribute::computed(Type::String).describe("The file that says who runs.")),
    ])
}

pub(super) fn validate(config: &Value) -> Vec<Remark> {
    let mut remarks = Vec::new();
    shape::check_arguments(config, "command", &mut remarks);
    shape::check_variables(config, "environment", &mut remarks);
    shape::check_labels(config, "labels", &mut remarks);
    shape::check_path(config, "working_directory", Below::parse_folder, &mut remarks);
    shape::check_path(config, "log", Below::parse, &mut remarks);
    shape::check_count(config, "stop_grace", 0..=STOP_GRACE_S_MAX, &mut remarks);
    remarks
}

pub(super) fn propose(prior: Option<&Value>, config: &Value) -> Proposal {
    let mut planned = shape::outline(&schema(), prior, config);
    let is_unset = |name: &str| config.get(name).is_some_and(Value::is_null);
    if is_unset("working_directory") {
        shape::put(&mut planned, "working_directory", Value::string("."));
    }
    if is_unset("stop_grace") {
        shape::put(&mut planned, "stop_grace", Value::number(i64::from(STOP_GRACE_S)));
    }
    if is_unset("log") && !prior.is_some_and(has_own_log) {
        shape::put(&mut planned, "log", Value::unknown());
    }
    if prior.is_some_and(|prior| shape::replaces(prior, &planned, &REPLACING)) {
        for name in ["id", "pid", "started", "pid_file"] {
            shape::put(&mut planned, name, Value::unknown());
        }
        if is_unset("log") {
            shape::put(&mut planned, "log", Value::unknown());
        }
    }
    shape::proposal(planned, &REPLACING)
}

/// Whether gov chose the log.
fn has_own_log(value: &Value) -> bool {
    let own = format!("{OWN_FOLDER}/");
    shape::text_if_any(value, "log").is_some_and(|log| log.starts_with(&own))
}

pub(super) fn create(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    ground.reap_children();
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let stem = shape::stem(&call.marker);
    let spec = spec(ground, &planned, &stem)?;
    let hold = ground.hold();
    let root = ground.make()?;
    let own = ground.make_own(&root)?;
    match look(ground, &own, &stem) {
        Ok(Look::Gone) => {}
        Ok(Look::Running(file)) => return live(&planned, &file, None),
        Ok(Look::Starting) => return Err(still_starting()),
        Err(failure) => return Err(failure),
    }
    Below::parse_folder(&spec.working_directory)
        .map_err(|problem| Failure::rejected(problem).on("working_directory"))?
        .open_folder(&root)
        .map_err(|error| refuse("open the folder to run in", &error).on("working_directory"))?;
    let bytes = serde_json::to_vec(&spec)
        .map_err(|error| Failure::rejected(format!("cannot write what to start: {error}")))?;
    ground.may_start(call.start_by)?;
    let temp = pidfile::temp_name(&stem, "spec");
    below::publish(&own, &temp, &pidfile::spec_name(&stem), &bytes, 0o600)
        .map_err(|error| refuse("write what to start", &error))?;
    drop(hold);
    let report = match launch(ground, &stem) {
        Ok(mut child) => {
            let report = await_report(&mut child);
            ground.adopt(child);
            report
        }
        Err(error) => {
            pidfile::withdraw(&own, &stem).map_err(|e| unknown("take back the start", &e))?;
            return Err(refuse("start gov's supervisor", &error));
        }
    };
    conclude(ground, &own, &planned, &stem, report)
}

fn still_starting() -> Failure {
    Failure::unknown("a supervisor of this process is at work but has not started it yet")
}

fn unknown(step: &str, error: &io::Error) -> Failure {
    Failure::unknown(format!("cannot {step}: {error}"))
}

/// What came of a start. Without a clear report the kernel and the files are asked.
fn conclude(
    ground: &Ground,
    own: &Dir,
    planned: &Value,
    stem: &str,
    report: Option<Report>,
) -> Result<LiveObject, Failure> {
    match report {
        Some(Report::Running(file)) => live(planned, &file, file.command),
        report => match look(ground, own, stem) {
            Ok(Look::Running(file)) => live(planned, &file, None),
            Ok(Look::Starting) => Err(still_starting()),
            Ok(Look::Gone) => match report {
                Some(Report::Failed(why)) => {
                    below::remove(own, &pidfile::log_name(stem))
                        .map_err(|error| refuse("remove the log", &error))?;
                    Err(Failure::rejected(format!("the process was not started: {why}")))
                }
                _ => Err(Failure::transient("the supervisor ended without starting the process")),
            },
            Err(failure) => {
                Err(Failure { class: crate::provider::FailureClass::Unknown, ..failure })
            }
        },
    }
}

fn look(ground: &Ground, own: &Dir, stem: &str) -> Result<Look, Failure> {
    let boot_id = boot_id(ground)?;
    pidfile::look(own, stem, &boot_id).map_err(|error| refuse("look for the process", &error))
}

fn boot_id(ground: &Ground) -> Result<String, Failure> {
    ground.launcher.clock.boot_id().map_err(|error| refuse("read the boot's name", &error))
}

fn spec(ground: &Ground, planned: &Value, stem: &str) -> Result<Spec, Failure> {
    let given = shape::text_map(planned, "environment")?;
    let labels = shape::text_map(planned, "labels")?;
    let named = shape::text_if_any(planned, "log");
    Ok(Spec {
        version: pidfile::FORMAT,
        stem: stem.to_owned(),
        environment: ground.environment.to_string(),
        command: shape::texts(planned, "command")?,
        variables: program::variables(&ground.launcher, ground.environment, stem, given, &labels),
        working_directory: shape::text(planned, "working_directory")?,
        log: named.unwrap_or_else(|| format!("{OWN_FOLDER}/{}", pidfile::log_name(stem))),
        stop_grace: shape::count(planned, "stop_grace", STOP_GRACE_S)?,
    })
}

fn launch(ground: &Ground, stem: &str) -> io::Result<Child> {
    let spec = ground.root().join(OWN_FOLDER).join(pidfile::spec_name(stem));
    Command::new(&ground.launcher.program)
        .arg(SUPERVISE_COMMAND)
        .arg(SPEC_OPTION)
        .arg(spec)
        .env_clear()
        .env(MARKER_VARIABLE, stem)
        // A supervisor may live for weeks and must not keep anybody's folder busy.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// The supervisor's report; none where it ends or dawdles without one.
fn await_report(child: &mut Child) -> Option<Report> {
    let mut output = child.stdout.take()?;
    let begun = boot_clock_ms();
    let mut line = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let left_ms = REPORT_MS_MAX.saturating_sub(boot_clock_ms().saturating_sub(begun));
        if left_ms <= 0 || line.len() > REPORT_BYTES_MAX {
            return None;
        }
        let wait = rustix::time::Timespec {
            tv_sec: left_ms / 1000,
            tv_nsec: (left_ms % 1000).saturating_mul(1_000_000),
        };
        match rustix::event::poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        match output.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if line.ends_with(b"\n") {
            break;
        }
    }
    serde_json::from_slice(&line).ok()
}

/// The object for a process that runs, with the command's pid where the supervisor itself told it.
fn live(planned: &Value, file: &PidFile, command: Option<i32>) -> Result<LiveObject, Failure> {
    let mut members = planned.as_map().cloned().unwrap_or_default();
    let stem = &file.stem;
    if shape::text_if_any(planned, "log").is_none() {
        let log = format!("{OWN_FOLDER}/{}", pidfile::log_name(stem));
        shape::put(&mut members, "log", Value::string(log));
    }
    shape::put(&mut members, "id", Value::string(stem));
    shape::put(&mut members, "pid", Value::number(i64::from(file.pid)));
    shape::put(&mut members, "started", Value::number(file.started));
    let pid_file = format!("{OWN_FOLDER}/{}", pidfile::pid_name(stem));
    shape::put(&mut members, "pid_file", Value::string(pid_file));
    let known = Known {
        stem: stem.clone(),
        boot_id: file.boot_id.clone(),
        pid: file.pid,
        started: file.started,
        command,
    };
    let private = serde_json::to_vec(&known)
        .map_err(|error| Failure::unknown(format!("cannot keep what tells it apart: {error}")))?;
    Ok(LiveObject { value: Value::map(members), private: Private(private) })
}

fn known(object: &LiveObject) -> Result<Known, Failure> {
    serde_json::from_slice(&object.private.0).map_err(|_| {
        Failure::rejected(
            "what tells this process apart from others is lost; end it by hand, then forget it",
        )
    })
}

impl Known {
    fn supervisor(&self) -> Supervisor {
        let Self { pid, started, command, .. } = *self;
        Supervisor { pid, started, command, stem: self.stem.clone() }
    }
}

pub(super) fn read(ground: &Ground, object: LiveObject) -> Result<Option<LiveObject>, Failure> {
    ground.reap_children();
    let known = known(&object)?;
    if known.boot_id != boot_id(ground)? {
        return Ok(None);
    }
    let kin =
        Kin::scan(&known.supervisor()).map_err(|error| refuse("look for the process", &error))?;
    Ok((!kin.is_empty()).then_some(object))
}

/// Only what gov itself uses later can change in place.
pub(super) fn update(call: &ApplyCall, prior: LiveObject) -> LiveObject {
    let value = Value::map(shape::settled(&call.planned, &call.config));
    LiveObject { value, private: prior.private }
}

pub(super) fn delete(ground: &Ground, call: &ApplyCall, prior: &LiveObject) -> Result<(), Failure> {
    let known = known(prior)?;
    let grace = shape::count(&prior.value, "stop_grace", STOP_GRACE_S)?;
    ground.may_start(call.start_by)?;
    if known.boot_id == boot_id(ground)? {
        let stop = || {
            // A zombie is no member, but noting its end here keeps the table of processes short.
            ground.reap_children();
            ground.is_stopping()
        };
        let grace_ms = i64::from(grace).saturating_mul(1000);
        let ending = kin::end(&known.supervisor(), grace_ms, None, &stop)
            .map_err(|error| Failure::unknown(format!("cannot end the process: {error}")))?;
        match ending {
            Ending::WasGone | Ending::Asked | Ending::Killed => {}
            Ending::Interrupted => {
                return Err(Failure::unknown("asked the process to end and did not wait for it"));
            }
            Ending::Left(count) => {
                let problem =
                    format!("{count} processes cannot be killed; they hang in the kernel");
                return Err(Failure { partial: Some(prior.clone()), ..Failure::unknown(problem) });
            }
        }
    }
    ground.reap_children();
    if let Some(own) = ground.open_own()? {
        pidfile::remove_files(&own, &known.stem)
            .map_err(|error| Failure::unknown(format!("cannot remove its files: {error}")))?;
    }
    Ok(())
}

pub(super) fn find(ground: &Ground, marker: &Marker, planned: &Value) -> Result<Finding, Failure> {
    ground.reap_children();
    let Some(own) = ground.open_own()? else { return Ok(Finding::Absent) };
    let stem = shape::stem(marker);
    match look(ground, &own, &stem) {
        Ok(Look::Running(file)) => Ok(Finding::Found(live(planned, &file, None)?)),
        Ok(Look::Gone) => {
            // A log without its process would keep gov's folder alive.
            below::remove(&own, &pidfile::log_name(&stem))
                .map_err(|error| refuse("remove the log", &error))?;
            Ok(Finding::Absent)
        }
        Ok(Look::Starting) => Ok(Finding::CannotTell(still_starting().to_string())),
        Err(failure) => Ok(Finding::CannotTell(failure.to_string())),
    }
}
