//! `local_file`: a file of the environment, whole in the blueprint.
//!
//! A create writes the file beside its place under a name with the marker and then links it there,
//! which fails where the name is taken. So it never replaces anything, and after a crash the two
//! names tell how far it got. An update replaces the file in one step.

use rustix::fs::FileType;
use rustix::fs::Stat;
use sha2::Digest as _;
use sha2::Sha256;

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
use crate::provider::builtin::local::directory::open_parent;
use crate::provider::builtin::local::directory::path_of;
use crate::provider::builtin::local::directory::refuse_parent;
use crate::provider::builtin::local::directory::refuse_taken;
use crate::provider::builtin::local::directory::temp_name;
use crate::provider::builtin::local::ground::Ground;
use crate::provider::builtin::local::shape;
use crate::provider::builtin::local::shape::refuse;

/// What differs here needs a new file.
pub(super) const REPLACING: [&str; 1] = ["path"];

/// Permissions where nothing else is said.
const MODE: &str = "0644";

/// Permissions where nothing else is said and the content is sensitive.
const MODE_SENSITIVE: &str = "0600";

/// Bytes of a file: it is kept in plans and in the journal, which are no place for more.
const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) fn schema() -> Schema {
    shape::schema([
        (
            "path",
            Attribute::required(Type::String)
                .describe("Where it lies, below the environment's root. Its folder must exist."),
        ),
        ("content", Attribute::required(Type::String).describe("What is in it, at most 16 MiB.")),
        (
            "mode",
            Attribute::optional(Type::String).or_computed().describe(
                "Permissions as octal text; where not set \"0644\", or \"0600\" for sensitive \
                 content.",
            ),
        ),
        ("id", Attribute::computed(Type::String).describe("The path.")),
        (
            "sha256",
            Attribute::computed(Type::String).describe("The SHA-256 of its content, in hex."),
        ),
        ("size", Attribute::computed(Type::Number).describe("The size of its content in bytes.")),
    ])
}

pub(super) fn validate(config: &Value) -> Vec<Remark> {
    let mut remarks = Vec::new();
    shape::check_path(config, "path", Below::parse, &mut remarks);
    shape::check_mode(config, &mut remarks);
    let content = config.get("content").and_then(Value::as_str);
    if content.is_some_and(|text| text.len() > CONTENT_BYTES_MAX) {
        let problem = format!("is longer than {CONTENT_BYTES_MAX} bytes");
        remarks.push(Remark::on("content", problem));
    }
    remarks
}

pub(super) fn propose(prior: Option<&Value>, config: &Value) -> Proposal {
    let mut planned = shape::outline(&schema(), prior, config);
    if config.get("mode").is_some_and(Value::is_null) {
        let secret = config.get("content").is_some_and(Value::is_sensitive);
        let mode = if secret { MODE_SENSITIVE } else { MODE };
        shape::put(&mut planned, "mode", Value::string(mode));
    }
    let path = planned.get("path").cloned().unwrap_or_else(Value::unknown);
    shape::put(&mut planned, "id", path);
    let content = planned.get("content").cloned().unwrap_or_else(Value::unknown);
    let (sha256, size) = match content.as_str() {
        Some(text) => facts(text.as_bytes()),
        None => (Value::unknown(), Value::unknown()),
    };
    shape::put(&mut planned, "sha256", sha256.with_sensitive(content.is_sensitive()));
    shape::put(&mut planned, "size", size.with_sensitive(content.is_sensitive()));
    shape::proposal(planned, &REPLACING)
}

fn facts(bytes: &[u8]) -> (Value, Value) {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (Value::string(hex), Value::number(bytes.len()))
}

/// The object for a file with this content, with members beyond the file's own, and marks, taken
/// from `like`.
fn object(like: &Value, path: &str, bytes: &[u8], mode: u32) -> LiveObject {
    let mut members = like.as_map().cloned().unwrap_or_default();
    let secret = like.get("content").is_some_and(Value::is_sensitive);
    let secret_path = like.get("path").is_some_and(Value::is_sensitive);
    let (sha256, size) = facts(bytes);
    let content = String::from_utf8_lossy(bytes).into_owned();
    let before = shape::text_if_any(like, "mode");
    shape::put(&mut members, "content", Value::string(content).with_sensitive(secret));
    shape::put(&mut members, "sha256", sha256.with_sensitive(secret));
    shape::put(&mut members, "size", size.with_sensitive(secret));
    shape::put(&mut members, "mode", Value::string(shape::mode_text(mode, before.as_deref())));
    shape::put(&mut members, "id", Value::string(path).with_sensitive(secret_path));
    LiveObject { value: Value::map(members), private: Private::default() }
}

/// The object where something that is no file has its name: changed in every way there is.
fn object_displaced(like: &Value) -> LiveObject {
    let mut members = like.as_map().cloned().unwrap_or_default();
    for name in ["content", "sha256", "size", "mode"] {
        shape::put(&mut members, name, Value::null());
    }
    LiveObject { value: Value::map(members), private: Private::default() }
}

fn content_of(planned: &Value) -> Result<String, Failure> {
    let content = shape::text(planned, "content")?;
    if content.len() > CONTENT_BYTES_MAX {
        let problem = format!("is longer than {CONTENT_BYTES_MAX} bytes");
        return Err(Failure::rejected(problem).on("content"));
    }
    Ok(content)
}

pub(super) fn create(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let (text, below) = path_of(&planned)?;
    let content = content_of(&planned)?;
    let mode = shape::mode(&planned)?;
    let _hold = ground.hold();
    ground.may_start(call.start_by)?;
    let root = ground.make()?;
    let (at, name) = below.open_parent(&root).map_err(|error| refuse_parent(&error))?;
    let temp = temp_name(&shape::stem(&call.marker));
    match below::publish(&at, &temp, &name, content.as_bytes(), mode) {
        Ok(()) => Ok(object(&planned, &text, content.as_bytes(), mode)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(refuse_taken()),
        // It may have failed after the file got its name, so that is looked at.
        Err(error) => match below::stat(&at, &name) {
            Ok(None) => Err(refuse("write the file", &error).on("path")),
            _ => Err(Failure::unknown(format!("cannot finish the file: {error}")).on("path")),
        },
    }
}

pub(super) fn read(ground: &Ground, object: &LiveObject) -> Result<Option<LiveObject>, Failure> {
    let (text, below) = path_of(&object.value)?;
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(None) };
    let content = below::read(&at, &name, CONTENT_BYTES_MAX)
        .map_err(|error| refuse("read the file", &error).on("path"))?;
    match content {
        Content::Missing => Ok(None),
        Content::Whole(bytes, stat) => {
            let mode = below::permissions(&stat);
            Ok(Some(self::object(&object.value, &text, &bytes, mode)))
        }
        Content::Other => Ok(Some(object_displaced(&object.value))),
        Content::TooLarge(bytes) => {
            let problem = format!("holds {bytes} bytes, more than gov reads");
            Err(Failure::rejected(problem).on("path"))
        }
    }
}

pub(super) fn update(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let (text, below) = path_of(&planned)?;
    let content = content_of(&planned)?;
    let mode = shape::mode(&planned)?;
    ground.may_start(call.start_by)?;
    let gone = || Failure::rejected("the file is gone; plan again").on("path");
    let (at, name) = open_parent(ground, &below)?.ok_or_else(gone)?;
    let look = |error| refuse("look at the file", &error).on("path");
    below::stat(&at, &name).map_err(look)?.ok_or_else(gone)?;
    let temp = temp_name(&shape::stem(&call.marker));
    match below::replace(&at, &temp, &name, content.as_bytes(), mode) {
        Ok(()) => Ok(object(&planned, &text, content.as_bytes(), mode)),
        Err(error) if is_content(&at, &name, content.as_bytes()) => {
            Err(Failure::unknown(format!("replaced the file, then: {error}")).on("path"))
        }
        Err(error) => Err(refuse("replace the file", &error).on("path")),
    }
}

fn is_content(at: &cap_std::fs::Dir, name: &str, wanted: &[u8]) -> bool {
    matches!(below::read(at, name, wanted.len()), Ok(Content::Whole(bytes, _)) if bytes == wanted)
}

pub(super) fn delete(ground: &Ground, call: &ApplyCall, prior: &LiveObject) -> Result<(), Failure> {
    let (_, below) = path_of(&prior.value)?;
    ground.may_start(call.start_by)?;
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(()) };
    let look = |error| refuse("look at the file", &error).on("path");
    let Some(stat) = below::stat(&at, &name).map_err(look)? else { return Ok(()) };
    if below::file_type(&stat) == FileType::Directory {
        let problem = "is a folder now; remove it by hand, or forget this resource";
        return Err(Failure::rejected(problem).on("path"));
    }
    below::remove(&at, &name).map_err(|error| refuse("remove the file", &error).on("path"))?;
    below::sync(&at).map_err(|error| Failure::unknown(format!("removed the file, then: {error}")))
}

pub(super) fn find(ground: &Ground, marker: &Marker, planned: &Value) -> Result<Finding, Failure> {
    let Ok((text, below)) = path_of(planned) else {
        return Ok(Finding::CannotTell("where it was to lie is not known".into()));
    };
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(Finding::Absent) };
    let look = |error| refuse("look at the file", &error);
    let temp = temp_name(&shape::stem(marker));
    let unfinished = below::stat(&at, &temp).map_err(look)?;
    // With its temporary name gone, a create that is still at work cannot finish any more.
    let withdrawn = below::remove(&at, &temp).and_then(|_| below::sync(&at));
    withdrawn.map_err(look)?;
    let linked = below::stat(&at, &name).map_err(look)?;
    let Some(linked) = linked else { return Ok(Finding::Absent) };
    let same = unfinished.is_some_and(|stat| same_file(&stat, &linked));
    let wanted = planned.get("content").and_then(Value::as_str);
    match below::read(&at, &name, CONTENT_BYTES_MAX).map_err(look)? {
        Content::Missing => Ok(Finding::Absent),
        Content::Whole(bytes, stat)
            if same || wanted.is_some_and(|text| text.as_bytes() == bytes) =>
        {
            let mode = below::permissions(&stat);
            Ok(Finding::Found(object(planned, &text, &bytes, mode)))
        }
        _ => Ok(Finding::CannotTell(format!(
            "`{text}` exists with another content; nobody can say whose it is"
        ))),
    }
}

fn same_file(a: &Stat, b: &Stat) -> bool {
    a.st_ino == b.st_ino && a.st_dev == b.st_dev
}

pub(super) fn import(ground: &Ground, id: &str) -> Result<Option<LiveObject>, Failure> {
    let mut members = shape::outline(&schema(), None, &Value::null());
    shape::put(&mut members, "path", Value::string(id));
    let value = Value::map(members);
    let found = read(ground, &LiveObject { value, private: Private::default() })?;
    match found {
        Some(found) if found.value.get("content").is_some_and(Value::is_null) => {
            Err(Failure::rejected(format!("`{id}` is no plain file")))
        }
        found => Ok(found),
    }
}
