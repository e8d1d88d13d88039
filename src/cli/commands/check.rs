//! `gov check`, `gov blueprint`, `gov fmt`.

use std::path::Path;
use std::path::PathBuf;

use serde_json::json;

use crate::blueprint::fmt as form;
use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::commands::ask::read_blueprint;
use crate::cli::context;
use crate::cli::context::SystemClock;
use crate::cli::context::files;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::render::text::count;
use crate::diagnostic::Diagnostics;
use crate::ops::OpError;
use crate::ops::check;
use crate::ops::check::Report;

/// How deep folders are searched for blueprints.
const SEARCH_DEPTH_MAX: usize = 8;

fn checked(session: &Session<'_>, path: &Path) -> Result<Report, OpError> {
    let source = read_blueprint(&session.config.working.join(path))?;
    let catalog = context::catalog(&session.config, SystemClock::new())?;
    let report = check::check(&source, &catalog, &session.config.trust()?)?;
    session.ui.warnings(&report.parsed.warnings);
    Ok(report)
}

/// `gov check`.
pub fn check(session: &Session<'_>, path: &Path) -> Result<Answer, OpError> {
    let report = checked(session, path)?;
    let blueprint = &report.parsed.blueprint;
    let mut text = format!(
        "{} {} is sound: {}, {}.\n",
        blueprint.name,
        blueprint.version,
        count(blueprint.resources.len(), "resource"),
        count(blueprint.inputs.len(), "input")
    );
    for (kind, price) in &report.types {
        text.push_str(&format!("  {kind}: {price}\n"));
    }
    let standing = if report.published { "published" } else { "not published: the ceiling holds" };
    text.push_str(&format!("  digest {}, {standing}\n", report.digest));
    let body = json!({
        "name": blueprint.name,
        "version": blueprint.version,
        "digest": report.digest,
        "published": report.published,
        "resources": blueprint.resources.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "types": report.types,
    });
    Ok(Answer::done(text, render::document("checked", body)))
}

/// `gov blueprint show`.
pub fn show(session: &Session<'_>, path: &Path) -> Result<Answer, OpError> {
    let report = checked(session, path)?;
    let blueprint = &report.parsed.blueprint;
    let mut text = format!("{} {}\n", blueprint.name, blueprint.version);
    text.push_str(&format!("{}\n\nInputs\n", blueprint.description));
    let mut inputs = Vec::new();
    for (name, input) in &blueprint.inputs {
        let needed = if input.default.is_some() { "optional" } else { "required" };
        let kind = input.ty.name();
        text.push_str(&format!("  {name}: {kind}, {needed}. {}\n", input.description));
        inputs.push(json!({ "name": name, "type": kind, "required": input.default.is_none() }));
    }
    let limits = serde_json::to_value(&blueprint.limits.value).unwrap_or_default();
    text.push_str("\nLimits\n");
    if let Some(members) = limits.as_object() {
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    text.push_str("\nResources\n");
    for name in blueprint.resources.keys() {
        text.push_str(&format!("  {name}\n"));
    }
    let body = json!({
        "name": blueprint.name,
        "version": blueprint.version,
        "description": blueprint.description,
        "inputs": inputs,
        "limits": limits,
        "resources": blueprint.resources.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "digest": report.digest,
    });
    Ok(Answer::done(text, render::document("blueprint", body)))
}

/// `gov blueprint list`.
pub fn list(session: &Session<'_>, dir: Option<&Path>) -> Result<Answer, OpError> {
    let folder = session.config.working.join(dir.unwrap_or(Path::new("blueprints")));
    let mut text = String::new();
    let mut rows = Vec::new();
    for path in blueprints(&folder)? {
        let source = read_blueprint(&path)?;
        let (name, words) = match crate::ops::ask::read_blueprint(&source) {
            Ok(parsed) => {
                let blueprint = &parsed.blueprint;
                let version = &blueprint.version;
                (blueprint.name.clone(), format!("{version}  {}", blueprint.description))
            }
            Err(wrong) => (path.display().to_string(), format!("{} errors", wrong.len())),
        };
        text.push_str(&format!("{name}  {words}\n"));
        rows.push(json!({ "name": name, "path": path.display().to_string() }));
    }
    if rows.is_empty() {
        text = format!("There are no blueprints in {}.\n", folder.display());
    }
    Ok(Answer::done(text, render::document("blueprints", json!({ "blueprints": rows }))))
}

/// Blueprint files below a folder, in order.
fn blueprints(folder: &Path) -> Result<Vec<PathBuf>, OpError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let names = files::names(&folder).map_err(|error| {
            OpError::Failed(format!("{} cannot be read: {error}", folder.display()))
        })?;
        for name in names {
            let path = folder.join(&name);
            if name == "blueprint.toml" {
                found.push(path);
            } else if path.is_dir() && !name.starts_with('.') && depth < SEARCH_DEPTH_MAX {
                open.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `gov fmt`.
pub fn fmt(session: &Session<'_>, path: Option<&Path>, check: bool) -> Result<Answer, OpError> {
    let path = session.config.working.join(path.unwrap_or(Path::new(".")));
    let paths = if path.is_dir() { blueprints(&path)? } else { vec![path] };
    let mut changed = Vec::new();
    let mut problems = Diagnostics::new();
    for path in &paths {
        let source = read_blueprint(path)?;
        match form::format(&source) {
            Ok(text) if text == *source.text => {}
            Ok(text) => {
                changed.push(path.display().to_string());
                if !check {
                    files::replace(path, text.as_bytes())
                        .map_err(|error| OpError::Failed(format!("{}: {error}", path.display())))?;
                }
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.has_errors() {
        return Err(problems.into());
    }
    let text: String = changed.iter().map(|path| format!("{path}\n")).collect();
    let exit = if check && !changed.is_empty() { Exit::Error } else { Exit::Done };
    let body = json!({ "looked_at": paths.len(), "changed": changed });
    Ok(Answer::ended(exit, text, render::document("formatted", body)))
}
