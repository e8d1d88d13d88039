//! One change of a plan: its sign, its reason, its attributes.

use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::value;
use super::value::Difference;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Reason;
use crate::model::sealed::SealedValue;
use crate::model::value::Path;

/// Where the lines of a change's attributes begin.
const INDENT: usize = 6;

/// The sign in front of an address.
#[must_use]
pub fn sign(change: &Change) -> (&'static str, Hue) {
    match change.action {
        Action::NoOp => ("=", Hue::Faint),
        Action::Create => ("+", Hue::Good),
        Action::Update => ("~", Hue::Warn),
        Action::Replace if change.create_before_destroy => ("+/-", Hue::Bad),
        Action::Replace => ("-/+", Hue::Bad),
        Action::Delete => ("-", Hue::Bad),
        Action::Read => ("<=", Hue::Calm),
        Action::Hold => ("!", Hue::Warn),
    }
}

/// What happens, in a word that follows the address.
fn verb(action: Action) -> &'static str {
    match action {
        Action::NoOp => "stays as it is",
        Action::Create => "is created",
        Action::Update => "is updated in place",
        Action::Replace => "is replaced",
        Action::Delete => "is deleted",
        Action::Read => "is read during apply",
        Action::Hold => "is held",
    }
}

/// Why, where the difference alone does not say it.
#[must_use]
pub fn reason(reason: &Reason) -> Option<String> {
    Some(match reason {
        Reason::Differs => return None,
        Reason::Forced(paths) => {
            let names: Vec<String> = paths.iter().map(|path| clean(&path.to_string())).collect();
            format!("{} cannot change in place", names.join(" and "))
        }
        Reason::Requested => "somebody asked for it".to_owned(),
        Reason::Tainted => "its creation had failed half-way".to_owned(),
        Reason::NotInBlueprint => "the blueprint no longer has it".to_owned(),
        Reason::EnvironmentEnds => "the environment ends".to_owned(),
        Reason::Missing => "it was deleted outside gov".to_owned(),
        Reason::Deposed => "an earlier replacement put it aside".to_owned(),
        Reason::DependsOnChange => "what it depends on changes first".to_owned(),
    })
}

/// The reason's name in JSON.
#[must_use]
pub fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Differs => "differs",
        Reason::Forced(_) => "forced",
        Reason::Requested => "requested",
        Reason::Tainted => "tainted",
        Reason::NotInBlueprint => "not_in_blueprint",
        Reason::EnvironmentEnds => "environment_ends",
        Reason::Missing => "missing",
        Reason::Deposed => "deposed",
        Reason::DependsOnChange => "depends_on_change",
    }
}

/// What makes a change matter beyond its attributes.
fn remarks(change: &Change) -> Vec<String> {
    let mut remarks: Vec<String> = Vec::new();
    let data = change.facts.bears_data;
    match change.action {
        Action::Replace | Action::Delete if data => {
            remarks.push("It bears data, which goes for good.".to_owned());
        }
        Action::Hold if data => {
            remarks.push("It bears data, and nobody has let that go. It still costs.".to_owned());
        }
        Action::Hold if change.prevent_destroy => {
            remarks.push("The blueprint protects it. It still costs.".to_owned());
        }
        _ => {}
    }
    if change.action.deletes() && change.prevent_destroy {
        remarks.push("The blueprint protects it.".to_owned());
    }
    if change.action.creates() || change.action == Action::Update {
        let classes: Vec<String> = change.facts.classes.iter().map(|class| clean(class)).collect();
        if !classes.is_empty() {
            remarks.push(format!("Judged as {}.", classes.join(", ")));
        }
        let endpoints: Vec<String> = change.facts.endpoints.iter().map(|it| clean(it)).collect();
        if !endpoints.is_empty() {
            remarks.push(format!("Talks to {}.", endpoints.join(", ")));
        }
    }
    remarks
}

/// A change, whole.
pub fn write(page: &mut Page<'_>, change: &Change) {
    let address = clean(&change.address.to_string());
    let mut head = format!("{address} {}", verb(change.action));
    if let Some(why) = reason(&change.reason) {
        head.push_str(", since ");
        head.push_str(&why);
    }
    page.item(2, sign(change), &head);
    for remark in remarks(change) {
        page.prose(INDENT, &remark);
    }
    match change.action {
        Action::Create => members(page, created(page, change)),
        Action::Update | Action::Replace => {
            let before = change.prior.as_ref().map_or(&SealedValue::Null, |prior| &prior.value);
            let forced: &[Path] = match &change.reason {
                Reason::Forced(paths) => paths,
                _ => &[],
            };
            attributes(page, before, &change.planned, forced);
        }
        Action::NoOp | Action::Delete | Action::Read | Action::Hold => {}
    }
}

/// Of a new object, what the blueprint says of it; unfolded, everything that it will be.
fn created<'c>(page: &Page<'_>, change: &'c Change) -> &'c SealedValue {
    if page.screen().unfold { &change.planned } else { &change.config }
}

/// The members of a value that are set, a line each.
fn members(page: &mut Page<'_>, value: &SealedValue) {
    let SealedValue::Map(members) = value else { return };
    for (name, member) in members.iter().filter(|(_, member)| **member != SealedValue::Null) {
        let name = clean(name);
        let room = page.screen().width.saturating_sub(INDENT + 4 + name.len());
        let text = format!("{name}: {}", value::text(page.screen(), member, room));
        attribute(page, ("+", Hue::Good), &text);
    }
}

/// The attributes that differ, a line each.
pub fn attributes(page: &mut Page<'_>, before: &SealedValue, after: &SealedValue, forced: &[Path]) {
    for difference in value::differences(before, after) {
        let forces = forced.iter().any(|path| difference.path.starts_with(path));
        let tail = if forces { " (forces replacement)" } else { "" };
        let text = value::change(page.screen(), &difference, INDENT + 2 + tail.len());
        let sign = difference_sign(&difference);
        attribute(page, sign, &format!("{text}{tail}"));
    }
}

fn difference_sign(difference: &Difference<'_>) -> (&'static str, Hue) {
    match (difference.before, difference.after) {
        (SealedValue::Null, _) => ("+", Hue::Good),
        (_, SealedValue::Null) => ("-", Hue::Bad),
        _ => ("~", Hue::Warn),
    }
}

/// An attribute's line. It is not wrapped: values were folded, and blanks inside them count.
fn attribute(page: &mut Page<'_>, sign: (&str, Hue), text: &str) {
    let line = format!("{}{} {text}", " ".repeat(INDENT), page.screen().paint(sign.1, sign.0));
    page.line(&line);
}
