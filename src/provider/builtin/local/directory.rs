//! `local_directory`: a folder of the environment. What people and commands put into it is data.
//!
//! It is made beside its place under a name with the marker and then moved there in one step, so
//! that a crash leaves either that name or a finished, empty folder.

use std::io;

use cap_std::fs::Dir;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::RenameFlags;

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
use crate::provider::builtin::local::ground::Ground;
use crate::provider::builtin::local::shape;
use crate::provider::builtin::local::shape::refuse;
use crate::provider::builtin::local::tree;

/// What differs here needs a new folder.
pub(super) const REPLACING: [&str; 1] = ["path"];

/// Permissions where nothing else is said.
const MODE: &str = "0755";

pub(super) fn schema() -> Schema {
    shape::schema([
        (
            "path",
            Attribute::required(Type::String)
                .describe("Where it lies, below the environment's root. Its parent must exist."),
        ),
        (
            "mode",
            Attribute::optional(Type::String)
                .or_computed()
                .describe("Permissions as octal text; \"0755\" where not set."),
        ),
        ("id", Attribute::computed(Type::String).describe("The path.")),
    ])
}

pub(super) fn validate(config: &Value) -> Vec<Remark> {
    let mut remarks = Vec::new();
    shape::check_path(config, "path", Below::parse, &mut remarks);
    shape::check_mode(config, &mut remarks);
    remarks
}

pub(super) fn propose(prior: Option<&Value>, config: &Value) -> Proposal {
    let mut planned = shape::outline(&schema(), prior, config);
    if config.get("mode").is_some_and(Value::is_null) {
        shape::put(&mut planned, "mode", Value::string(MODE));
    }
    let path = planned.get("path").cloned().unwrap_or_else(Value::unknown);
    shape::put(&mut planned, "id", path);
    shape::proposal(planned, &REPLACING)
}

/// Parses the path of a value that must be known by now.
pub(super) fn path_of(value: &Value) -> Result<(String, Below), Failure> {
    let text = shape::text(value, "path")?;
    let below = Below::parse(&text)
        .map_err(|problem| Failure::rejected(format!("`{text}` {problem}")).on("path"))?;
    Ok((text, below))
}

/// The failure of a step on the folder that a path lies in.
pub(super) fn refuse_parent(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        let problem = "lies in a folder that does not exist; declare that as a \
                       local_directory and refer to its path";
        return Failure::rejected(problem).on("path");
    }
    refuse("open the folder it lies in", error).on("path")
}

/// The failure of a create whose name is taken.
pub(super) fn refuse_taken() -> Failure {
    let problem = "exists already; take it in with `gov import`, or give another path";
    Failure::rejected(problem).on("path")
}

/// The name under which a create begins.
pub(super) fn temp_name(stem: &str) -> String {
    format!(".gov-{stem}.tmp")
}

/// Opens the folder that a path lies in; none where that, or the root, is gone.
pub(super) fn open_parent(
    ground: &Ground,
    below: &Below,
) -> Result<Option<(Dir, String)>, Failure> {
    let Some(root) = ground.open()? else { return Ok(None) };
    match below.open_parent(&root) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refuse_parent(&error)),
    }
}

pub(super) fn create(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let (text, below) = path_of(&planned)?;
    let mode = shape::mode(&planned)?;
    let _hold = ground.hold();
    ground.may_start(call.start_by)?;
    let root = ground.make()?;
    let (at, name) = below.open_parent(&root).map_err(|error| refuse_parent(&error))?;
    let temp = temp_name(&shape::stem(&call.marker));
    let made = (|| {
        make(&at, &temp, mode)?;
        // Renaming onto a name that is taken fails, even where an empty folder has it.
        Ok(rustix::fs::renameat_with(&at, &temp, &at, &name, RenameFlags::NOREPLACE)?)
    })();
    if let Err(error) = made {
        tree::remove_all(&at, &temp).map_err(|e| refuse("remove the unfinished folder", &e))?;
        return Err(match io::Error::kind(&error) {
            io::ErrorKind::AlreadyExists => refuse_taken(),
            _ => refuse("make the folder", &error).on("path"),
        });
    }
    below::sync(&at)
        .map_err(|error| Failure::unknown(format!("made the folder, then: {error}")))?;
    Ok(object(&planned, &text, mode))
}

fn make(at: &Dir, temp: &str, mode: u32) -> io::Result<()> {
    // One of the same marker is the unfinished work of a create that has died.
    tree::remove_all(at, temp)?;
    rustix::fs::mkdirat(at, temp, Mode::RWXU)?;
    let folder = below::open_folder(at, temp)?;
    below::set_mode(&folder, mode)?;
    below::sync(&folder)
}

/// The object, with members beyond the folder's own taken from `like`.
fn object(like: &Value, path: &str, mode: u32) -> LiveObject {
    let mut members = like.as_map().cloned().unwrap_or_default();
    let before = shape::text_if_any(like, "mode");
    let sensitive = like.get("path").is_some_and(Value::is_sensitive);
    shape::put(&mut members, "mode", Value::string(shape::mode_text(mode, before.as_deref())));
    shape::put(&mut members, "id", Value::string(path).with_sensitive(sensitive));
    LiveObject { value: Value::map(members), private: Private::default() }
}

pub(super) fn read(ground: &Ground, object: &LiveObject) -> Result<Option<LiveObject>, Failure> {
    let (text, below) = path_of(&object.value)?;
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(None) };
    let stat = below::stat(&at, &name).map_err(|error| refuse("look at the folder", &error))?;
    let Some(stat) = stat else { return Ok(None) };
    let mut live = self::object(&object.value, &text, below::permissions(&stat));
    if below::file_type(&stat) != FileType::Directory {
        // Something else has the name. It is shown as changed, never as unchanged.
        let mut members = live.value.as_map().cloned().unwrap_or_default();
        shape::put(&mut members, "mode", Value::null());
        live.value = Value::map(members);
    }
    Ok(Some(live))
}

pub(super) fn update(ground: &Ground, call: &ApplyCall) -> Result<LiveObject, Failure> {
    let planned = Value::map(shape::settled(&call.planned, &call.config));
    let (text, below) = path_of(&planned)?;
    let mode = shape::mode(&planned)?;
    ground.may_start(call.start_by)?;
    let opened = open_parent(ground, &below)?;
    let (at, name) = opened.ok_or_else(|| Failure::rejected("the folder is gone").on("path"))?;
    let changed = (|| -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&at, &name, flags, Mode::empty())?;
        let through = std::os::fd::AsRawFd::as_raw_fd(&folder);
        // A handle can be had to a folder without any permission, but changed only by this path.
        rustix::fs::chmod(format!("/proc/self/fd/{through}"), Mode::from_raw_mode(mode))?;
        below::sync(&at)
    })();
    changed.map_err(|error| refuse("change the folder's permissions", &error).on("mode"))?;
    Ok(object(&planned, &text, mode))
}

pub(super) fn delete(ground: &Ground, call: &ApplyCall, prior: &LiveObject) -> Result<(), Failure> {
    let (_, below) = path_of(&prior.value)?;
    ground.may_start(call.start_by)?;
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(()) };
    tree::remove_all(&at, &name).and_then(|_| below::sync(&at)).map_err(|error| {
        let problem = format!("cannot remove the whole folder: {error}");
        Failure { partial: Some(prior.clone()), ..Failure::rejected(problem) }
    })
}

pub(super) fn find(ground: &Ground, marker: &Marker, planned: &Value) -> Result<Finding, Failure> {
    let Ok((text, below)) = path_of(planned) else {
        return Ok(Finding::CannotTell("where it was to lie is not known".into()));
    };
    let Some((at, name)) = open_parent(ground, &below)? else { return Ok(Finding::Absent) };
    let look = |error: io::Error| refuse("look at the folder", &error);
    let temp = temp_name(&shape::stem(marker));
    if tree::remove_all(&at, &temp).map_err(look)? {
        // The one move of the create takes this name away, so it had not been made.
        below::sync(&at).map_err(look)?;
        return Ok(Finding::Absent);
    }
    let Some(stat) = below::stat(&at, &name).map_err(look)? else { return Ok(Finding::Absent) };
    let is_empty = below::file_type(&stat) == FileType::Directory
        && below::open_folder(&at, &name)
            .and_then(|folder| Ok(folder.entries()?.next().is_none()))
            .map_err(look)?;
    if !is_empty {
        let doubt = format!("`{text}` exists and is no empty folder; nobody can say whose it is");
        return Ok(Finding::CannotTell(doubt));
    }
    Ok(Finding::Found(object(planned, &text, below::permissions(&stat))))
}

pub(super) fn import(ground: &Ground, id: &str) -> Result<Option<LiveObject>, Failure> {
    let mut members = shape::outline(&schema(), None, &Value::null());
    shape::put(&mut members, "path", Value::string(id));
    let value = Value::map(members);
    let found = read(ground, &LiveObject { value, private: Private::default() })?;
    match found {
        Some(found) if found.value.get("mode").is_some_and(Value::is_null) => {
            Err(Failure::rejected(format!("`{id}` is no folder")))
        }
        found => Ok(found),
    }
}
