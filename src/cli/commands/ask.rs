//! What somebody says of an environment: its file, then flags, then the convenience file's words.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use crate::blueprint::BLUEPRINT_BYTES_MAX;
use crate::blueprint::inputs;
use crate::cli::arguments::AskArgs;
use crate::cli::commands::Session;
use crate::cli::context::files;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::money::Money;
use crate::model::schema::nearest;
use crate::ops::OpError;
use crate::ops::ask::Ask;

/// The file of a blueprint in its folder.
const BLUEPRINT_FILE: &str = "blueprint.toml";

/// What an environment file may say.
const FILE_KEYS: &[&str] = &[
    "blueprint",
    "owner",
    "team",
    "project",
    "purpose",
    "value",
    "ttl",
    "until",
    "start",
    "budget",
    "root",
    "inputs",
];

/// Reads a blueprint: a file, or the one in a folder.
///
/// # Errors
/// Where it cannot be read.
pub fn read_blueprint(path: &Path) -> Result<Source, OpError> {
    let file = if path.is_dir() { path.join(BLUEPRINT_FILE) } else { path.to_path_buf() };
    let text = files::read_text(&file, BLUEPRINT_BYTES_MAX).map_err(|error| {
        OpError::Failed(format!("the blueprint {} cannot be read: {error}", file.display()))
    })?;
    // The name is recorded and shown; it is to mean the same from every folder.
    let name = files::real(&file).unwrap_or(file);
    Ok(Source::new(name.display().to_string(), text))
}

/// Puts an ask together.
///
/// # Errors
/// Where a file cannot be read or is wrong.
pub fn ask(session: &Session<'_>, name: &str, arguments: &AskArgs) -> Result<Ask, OpError> {
    let mut ask = match environment_file(session, name, arguments)? {
        Some(source) => from_file(&source, session)?,
        None => Ask::default(),
    };
    name.clone_into(&mut ask.name);
    if let Some(path) = &arguments.blueprint {
        ask.blueprint = Some(read_blueprint(&session.config.working.join(path))?);
    }
    let defaults = &session.config.convenience.defaults;
    let said = |flag: &Option<String>, file: Option<String>| flag.clone().or(file);
    ask.owner = said(&arguments.owner, ask.owner);
    ask.team = said(&arguments.team, ask.team);
    ask.project = said(&arguments.project, ask.project);
    ask.purpose = said(&arguments.purpose, ask.purpose);
    // Words of the convenience file are for new environments: what is recorded is kept.
    ask.defaults.owner.clone_from(&defaults.owner);
    ask.defaults.team.clone_from(&defaults.team);
    ask.defaults.project.clone_from(&defaults.project);
    ask.defaults.root = Some(session.config.root_of(name).display().to_string());
    let flag_term = arguments.ttl.map(Term::For).or(arguments.until.map(Term::Until));
    ask.term = flag_term.or(ask.term);
    ask.start = arguments.start.or(ask.start);
    if let Some(total) = arguments.budget {
        ask.budget = Some(Budget { monthly: None, total: Some(total) });
    }
    if let Some(root) = &arguments.root {
        ask.root = Some(absolute(&session.config.working, root));
    }
    ask.reset_inputs.clone_from(&arguments.reset_input);
    for (key, value) in &arguments.input {
        ask.inputs_text.insert(key.clone(), value.clone());
    }
    Ok(ask)
}

fn absolute(base: &Path, path: &Path) -> String {
    base.join(path).display().to_string()
}

/// The environment's file: the one named, or the usual one where there is one.
fn environment_file(
    session: &Session<'_>,
    name: &str,
    arguments: &AskArgs,
) -> Result<Option<Source>, OpError> {
    let (path, named) = match &arguments.env_file {
        Some(path) => (session.config.working.join(path), true),
        None => (session.config.environments().join(format!("{name}.toml")), false),
    };
    match files::read_text(&path, BLUEPRINT_BYTES_MAX) {
        Ok(text) => Ok(Some(Source::new(path.display().to_string(), text))),
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message =
                format!("the environment file {} cannot be read: {error}", path.display());
            Err(OpError::Failed(message))
        }
    }
}

fn from_file(source: &Source, session: &Session<'_>) -> Result<Ask, OpError> {
    let mut problems = Diagnostics::new();
    let file: toml_edit::Document<String> = toml_edit::Document::parse(source.text.to_string())
        .map_err(|error| {
            let wrong = Diagnostic::error(Code::TomlSyntax, error.message().to_owned());
            OpError::from(Diagnostics::from(placed(wrong, source, error.span())))
        })?;
    for (key, item) in file.iter().filter(|(key, _)| !FILE_KEYS.contains(key)) {
        let wrong = Diagnostic::error(Code::UnknownKey, format!("`{key}` says nothing here"));
        let wrong = placed(wrong, source, item.span());
        problems.push(match nearest(key, FILE_KEYS.iter().copied()) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help(format!("it may say: {}", FILE_KEYS.join(", "))),
        });
    }
    let mut words = Words { source, table: file.as_table(), problems };
    let folder = PathBuf::from(source.name.as_ref());
    let folder = folder.parent().map_or_else(|| session.config.working.clone(), Path::to_path_buf);
    let mut ask = Ask {
        owner: words.text("owner"),
        team: words.text("team"),
        project: words.text("project"),
        purpose: words.text("purpose"),
        value: words.text("value"),
        term: words.parsed::<Duration>("ttl", |t| t.parse().map_err(say)).map(Term::For),
        start: words.parsed("start", |text| Timestamp::parse(text).map_err(say)),
        budget: words.budget(),
        root: words.text("root").map(|root| absolute(&folder, Path::new(&root))),
        ..Ask::default()
    };
    if let Some(until) = words.parsed("until", |text| Timestamp::parse(text).map_err(say)) {
        ask.term = Some(Term::Until(until));
    }
    let blueprint = words.text("blueprint");
    let given = words.table.get("inputs").map(|item| inputs::read_given(source, item));
    match given.transpose() {
        Ok(given) => ask.inputs = given.unwrap_or_default(),
        Err(wrong) => words.problems.extend(wrong),
    }
    if words.problems.has_errors() {
        return Err(words.problems.into());
    }
    if let Some(path) = blueprint {
        ask.blueprint = Some(read_blueprint(&folder.join(path))?);
    }
    Ok(ask)
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn placed(
    diagnostic: Diagnostic,
    source: &Source,
    range: Option<std::ops::Range<usize>>,
) -> Diagnostic {
    match range {
        Some(range) => diagnostic.at(crate::diagnostic::Span::new(source, range)),
        None => diagnostic,
    }
}

/// Words of an environment file, with what is wrong with them.
struct Words<'a> {
    source: &'a Source,
    table: &'a toml_edit::Table,
    problems: Diagnostics,
}

impl Words<'_> {
    fn text(&mut self, key: &str) -> Option<String> {
        let item = self.table.get(key)?;
        match item.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong(item.span(), format!("`{key}` is text in quotes"));
                None
            }
        }
    }

    fn parsed<T>(&mut self, key: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                let span = self.table.get(key).and_then(toml_edit::Item::span);
                self.wrong(span, error);
                None
            }
        }
    }

    fn budget(&mut self) -> Option<Budget> {
        let item = self.table.get("budget")?;
        if item.as_str().is_some() {
            let total = self.parsed("budget", |text| text.parse::<Money>().map_err(say));
            return total.map(|total| Budget { monthly: None, total: Some(total) });
        }
        let Some(parts) = item.as_table_like() else {
            self.wrong(item.span(), "`budget` is an amount, or { monthly, total }".to_owned());
            return None;
        };
        let mut amounts = BTreeMap::new();
        for (key, item) in parts.iter() {
            let amount = item.as_str().map(str::parse::<Money>);
            match (key, amount) {
                ("monthly" | "total", Some(Ok(amount))) => {
                    amounts.insert(key.to_owned(), amount);
                }
                ("monthly" | "total", Some(Err(error))) => {
                    self.wrong(item.span(), error.to_string());
                }
                _ => self.wrong(item.span(), format!("`budget.{key}` is no amount of money")),
            }
        }
        Some(Budget {
            monthly: amounts.get("monthly").copied(),
            total: amounts.get("total").copied(),
        })
    }

    fn wrong(&mut self, range: Option<std::ops::Range<usize>>, detail: String) {
        let wrong = Diagnostic::error(Code::InvalidIdentity, detail);
        self.problems.push(placed(wrong, self.source, range));
    }
}

#[cfg(test)]
mod tests {
    use super::read_blueprint;
    use crate::cli::context::files;

    #[test]
    fn a_blueprint_is_known_by_its_plain_path() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a");
        files::create_shared(&inner.join("note"), b"x").unwrap();
        files::create_shared(&folder.path().join("blueprint.toml"), b"x").unwrap();
        let source = read_blueprint(&inner.join("../.")).unwrap();
        let plain = folder.path().canonicalize().unwrap().join("blueprint.toml");
        assert_eq!(source.name.as_ref(), plain.display().to_string());
        assert!(read_blueprint(&inner).is_err());
    }
}
