//! `local_command`: a command run once when the resource is made, and one when it is deleted.
//!
//! A record in gov's folder is written before the create command starts and completed when its end
//! has been seen. So after a crash it is known to have ended well, or not to have begun; what
//! began and was not seen to end stays unknown, for a command may do anything.

use cap_std::fs::Dir;
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
use crate::provider::builtin::local::below::Content;
use crate::provider::builtin::local::ground::Ground;
use crate::provider::builtin::local::pidfile;
use crate::provider::builtin::local::program;
use crate::provider::builtin::local::program::Program;
use crate::provider::builtin::local::run;
use crate::provider::builtin::local::run::Bounds;
use crate::provider::builtin::local::run::End;
use crate::provider::builtin::local::run::Outcome;
use crate::provider::builtin::local::shape;
use crate::provider::builtin::local::shape::refuse;

/// What differs here runs the command again.
pub(super) const REPLACING: [&str; 2] = ["create", "triggers"];

/// Seconds for a command where nothing else is said.
const TIMEOUT_S: u32 = 60;

/// The longest a command may take: what takes longer is a process.
const TIMEOUT_S_MAX: i64 = 3600;

/// Bytes of output kept where nothing else is said.
const OUTPUT_BYTES: u32 = 64 * 1024;

/// The most output kept: it goes into plans and the journal.
const OUTPUT_BYTES_MAX: i64 = 1024 * 1024;

/// The largest record: the output as JSON, where one byte can take six.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The version of the record.
const FORMAT: u32 = 1;

/// What is known of a create.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    stem: String,
    state: State,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It may have begun, and its end has not been seen.
    Started,
    /// Its end was seen.
    Ended {
        /// Its exit code; none where a signal ended it.
        code: Option<i32>,
        /// What it printed; none where that is sensitive.
        stdout: Option<String>,
        /// Whether not all is there.
        truncated: String,
    },
}

/// What gov keeps to find the record.
#[derive(Serialize, Deserialize)]
struct Known {
    stem: String,
}

fn record_name(stem: &str) -> String {
    format!("command-{stem}.json")
}

fn temp_name(stem: &str) -> String {
    format!("command-{stem}.tmp")
}

pub(super) fn schema() -> Schema {
    let map = || Type::Map(Box::new(Type::String));
    let list = || Type::List(Box::new(Type::String));
    shape::schema([
        (
            "create",
            Attribute::required(list())
                .describe("The program to run once and its arguments, exactly; no shell."),
        ),
        (
            "delete",
            Attribute::optional(list()).describe(
                "The program to run when the resource is deleted. It must bear being run twice.",
            ),
        ),
        (
            "triggers",
            Attribute::optional(map()).describe("A change of any of these runs the command again."),
        ),
        (
            "environment",
            Attribute::optional(map())
                .describe("Variables of both programs, beside PATH, HOME, LANG and gov's own."),
        ),
        (
            "working_directory",
            Attribute::optional(Type::String)
                .or_computed()
                .describe("The folder to run in, below the environment's root."),
        ),
        (
            "timeout",
            Attribute::optional(Type::Number)
                .or_computed()
                .describe("Seconds until the program is killed, at most 3600."),
        ),
        (
            "output_max",
            Attribute::optional(Type::Number)
                .or_computed()
                .describe("Bytes of output that are kept, at most 1048576."),
        ),
        ("id", Attribute::computed(Type::String).describe("The marker of the run.")),
        (
            "stdout",
            Attribute::computed(Type::String)
                .describe("What it printed, sensitive where its arguments or variables are."),
        ),
        (
            "truncated",
            Attribute::computed(Type::String)
                .describe("A note where not all of the output is kept, else empty."),
        ),
        ("exit_code", Attribute::computed(Type::Number).describe("The code it ended with: 0.")),
    ])
}

pub(super) fn validate(config: &Value) -> Vec<Remark> {
    let mut remarks = Vec::new();
    shape::check_arguments(config, "create", &mut remarks);
    shape::check_arguments(config, "delete", &mut remarks);
    shape::check_variables(config, "environment", &mut remarks);
    shape::check_path(config, "working_directory", Below::parse_folder, &mut remarks);
    shape::check_count(config, "timeout", 1..=TIMEOUT_S_MAX, &mut remarks);
    shape::check_count(config, "output_max", 0..=OUTPUT_BYTES_MAX, &mut remarks);
    remarks
}

pub(super) fn propose(prior: Option<&Value>, config: &Value) -> Proposal {
    let mut planned = shape::outline(&schema(), prior, config);
    let defaults = [
        ("working_directory", Value::string(".")),
        ("timeout", Value::number(i64::from(TIMEOUT_S))),
        ("output_max", Value::number(i64::from(OUTPUT_BYTES))),
    ];
    for (name, default) in defaults {
        if config.get(name).is_some_and(Value::is_null) {
            shape::put(&mut planned, name, default);
        }
    }
    if prior.is_none_or(|prior| shape::replaces(prior, &planned, &REPLACING)) {
        for name in ["id", "stdout", "truncated", "exit_code"] {
            let secret = name == "stdout" && is_secret(&Value::map(planned.clone()));
            shape::put(&mut planned, name, Value::unknown().with_sensitive(secret));
        }
    }
    shape::proposal(planned, &REPLACING)
}

/// Whether what the command prints may show something sensitive.
fn is_secret(planned: &Value) -> bool {
    let inputs = ["create", "environment", "triggers"];
    inputs.iter().filter_map(|name| planned.get(name)).any(Value::contains_sensitive)
}

fn run_program(
    ground: &Ground,
    value: &Value,
    arguments: &[String],
    stem: &str,
    folder: &Dir,
) -> Result<std::io::Result<Outcome>, Failure> {
    let given = shape::text_map(value, "environment")?;
    let none = std::collections::BTreeMap::new();
    let variables = program::variables(&ground.launcher, ground.environment, stem, given, &none);
    let output = shape::count(value, "output_max", OUTPUT_BYTES)?;
    let bounds = Bounds {
        time_ms_max: i64::from(shape::count(value, "timeout", TIMEOUT_S)?).saturating_mul(1000),
        output_bytes_max: usize::try_from(output).unwrap_or(usize::MAX),
    };
    let program = Program { arguments, variables: &variables, folder };
    Ok(run::run(&program, bounds, &|| ground.is_stopping()))
}

fn open_folder(root: &Dir, value: &Value) -> Result<Dir, Failure> {
    let text = shape::text(value, "working_directory")?;
    Below::parse_folder(&text)
        .map_err(|problem| Failure::rejected(problem).on("working_directory"))?
        .open_folder(root)
        .map_err(|error| refuse("open the folder to run in", &error).on("working_directory"))
}

pub(super) fn create(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let arguments = shape::texts(&planned, "create")?;
    let stem = shape::stem(&call.marker);
    let hold = ground.hold();
    let root = ground.make()?;
    let own = ground.make_own(&root)?;
    let folder = open_folder(&root, &planned)?;
    match settle(&own, &stem, &planned)? {
        Finding::Found(object) | Finding::Approximate(object) => return Ok(object),
        Finding::CannotTell(why) => return Err(Failure::unknown(why)),
        Finding::Absent => {}
    }
    ground.may_start(call.start_by)?;
    let started = Record { version: FORMAT, stem: stem.clone(), state: State::Started };
    let bytes = encode(&started)?;
    below::publish(&own, &temp_name(&stem), &record_name(&stem), &bytes, 0o600)
        .map_err(|error| refuse("write that the command starts", &error))?;
    drop(hold);
    let ran = run_program(ground, &planned, &arguments, &stem, &folder);
    let outcome = match ran {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            forget(&own, &stem)?;
            return Err(refuse("start the command", &error).on("create"));
        }
        Err(failure) => {
            forget(&own, &stem)?;
            return Err(failure);
        }
    };
    let secret = is_secret(&planned);
    let code = match outcome.end {
        End::Code(code) => Some(code),
        End::Signal(_) => None,
        End::TimedOut | End::Interrupted => {
            return Err(Failure::unknown(describe(&outcome, secret)).on("create"));
        }
    };
    if code != Some(0) {
        // Its end was seen and was no success, which the reply says; the record has no more use.
        forget(&own, &stem)?;
        return Err(Failure::rejected(describe(&outcome, secret)).on("create"));
    }
    let stdout = outcome.output.text();
    let truncated = outcome.output.note();
    let state = State::Ended {
        code,
        stdout: (!secret).then(|| stdout.clone()),
        truncated: truncated.clone(),
    };
    let ended = encode(&Record { state, ..started })?;
    below::replace(&own, &temp_name(&stem), &record_name(&stem), &ended, 0o600)
        .map_err(|error| Failure::unknown(format!("the command ended well, then: {error}")))?;
    object(&planned, &stem, &stdout, &truncated)
}

fn encode(record: &Record) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(record)
        .map_err(|error| Failure::unknown(format!("cannot write the record: {error}")))
}

fn forget(own: &Dir, stem: &str) -> Result<(), Failure> {
    below::remove(own, &record_name(stem))
        .and_then(|_| below::remove(own, &temp_name(stem)))
        .and_then(|_| below::sync(own))
        .map_err(|error| Failure::unknown(format!("cannot remove the command's record: {error}")))
}

/// How a run ended, for people, with what it said unless that may show a secret.
fn describe(outcome: &Outcome, secret: bool) -> String {
    let how = match outcome.end {
        End::Code(code) => format!("the command ended with code {code}"),
        End::Signal(signal) => format!("the command was ended by signal {signal}"),
        End::TimedOut => "the command was killed, for its time was up".to_owned(),
        End::Interrupted => "the command was killed, for gov was stopping".to_owned(),
    };
    let (errors, output) = (outcome.errors.text(), outcome.output.text());
    let said = if errors.trim().is_empty() { output } else { errors };
    if said.trim().is_empty() {
        return format!("{how}; it said nothing");
    }
    if secret {
        return format!("{how}; what it said may hold secrets and is not shown");
    }
    /// Enough for the reason, too little to flood a terminal.
    const SAID_CHARS_MAX: usize = 2000;
    let said: String = said.trim().chars().take(SAID_CHARS_MAX).collect();
    format!("{how} and said: {said}")
}

fn object(
    planned: &Value,
    stem: &str,
    stdout: &str,
    truncated: &str,
) -> Result<LiveObject, Failure> {
    let mut members = planned.as_map().cloned().unwrap_or_default();
    let secret = is_secret(planned);
    shape::put(&mut members, "id", Value::string(stem));
    shape::put(&mut members, "stdout", Value::string(stdout).with_sensitive(secret));
    shape::put(&mut members, "truncated", Value::string(truncated));
    shape::put(&mut members, "exit_code", Value::number(0_i64));
    let private = serde_json::to_vec(&Known { stem: stem.to_owned() })
        .map_err(|error| Failure::unknown(format!("cannot keep the marker: {error}")))?;
    Ok(LiveObject { value: Value::map(members), private: Private(private) })
}

/// What the record says of a create. One that failed leaves nothing.
fn settle(own: &Dir, stem: &str, planned: &Value) -> Result<Finding, Failure> {
    let look = |error: std::io::Error| refuse("read the command's record", &error);
    let bytes = match below::read(own, &record_name(stem), RECORD_BYTES_MAX).map_err(look)? {
        Content::Missing => return Ok(Finding::Absent),
        Content::Whole(bytes, _) => bytes,
        Content::TooLarge(_) | Content::Other => Vec::new(),
    };
    let record = serde_json::from_slice::<Record>(&bytes).ok();
    let state = record.filter(|r| r.version == FORMAT && r.stem == stem).map(|r| r.state);
    Ok(match state {
        None => Finding::CannotTell(pidfile::not_ours("record of the command").to_string()),
        Some(State::Started) => Finding::CannotTell(
            "the command was started and nobody saw how it ended; look at what it has done, then \
             forget this resource"
                .into(),
        ),
        Some(State::Ended { code: Some(0), stdout: Some(stdout), truncated }) => {
            Finding::Found(object(planned, stem, &stdout, &truncated)?)
        }
        Some(State::Ended { code: Some(0), stdout: None, .. }) => Finding::CannotTell(
            "the command ended well, but what it printed was sensitive and was not kept".into(),
        ),
        Some(State::Ended { .. }) => {
            forget(own, stem)?;
            Finding::Absent
        }
    })
}

pub(super) fn find(ground: &Ground, marker: &Marker, planned: &Value) -> Result<Finding, Failure> {
    match ground.open_own()? {
        None => Ok(Finding::Absent),
        Some(own) => settle(&own, &shape::stem(marker), planned),
    }
}

/// Changes what the next run will see; nothing runs.
pub(super) fn update(call: &ApplyCall, prior: LiveObject) -> LiveObject {
    let value = Value::map(shape::settled(&call.planned, &call.config));
    LiveObject { value, private: prior.private }
}

pub(super) fn delete(ground: &Ground, call: &ApplyCall, prior: &LiveObject) -> Result<(), Failure> {
    let arguments = shape::texts(&prior.value, "delete")?;
    let known = serde_json::from_slice::<Known>(&prior.private.0).ok();
    if !arguments.is_empty() {
        let gone = || Failure::rejected("the environment's root is gone, where `delete` would run");
        let root = ground.open()?.ok_or_else(gone)?;
        let folder = open_folder(&root, &prior.value)?;
        let marker = shape::stem(&call.marker);
        let stem = known.as_ref().map_or(marker.as_str(), |known| known.stem.as_str());
        ground.may_start(call.start_by)?;
        let outcome = run_program(ground, &prior.value, &arguments, stem, &folder)?
            .map_err(|error| refuse("start the command", &error).on("delete"))?;
        let secret = is_secret(&prior.value)
            || prior.value.get("delete").is_some_and(Value::contains_sensitive);
        let partial = Some(prior.clone());
        match outcome.end {
            End::Code(0) => {}
            End::Code(_) | End::Signal(_) => {
                let failure = Failure::rejected(describe(&outcome, secret)).on("delete");
                return Err(Failure { partial, ..failure });
            }
            End::TimedOut | End::Interrupted => {
                let failure = Failure::unknown(describe(&outcome, secret)).on("delete");
                return Err(Failure { partial, ..failure });
            }
        }
    }
    match (known, ground.open_own()?) {
        (Some(known), Some(own)) => forget(&own, &known.stem),
        _ => Ok(()),
    }
}
