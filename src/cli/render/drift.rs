//! Drift: where reality is not as recorded, by environment, resource and attribute.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::clean_lines;
use super::text::count;
use super::value;
use super::value::Difference;
use crate::cli::exit::Exit;
use crate::model::address::Address;
use crate::model::sealed::SealedValue;
use crate::model::value::Path;
use crate::policy::trust::DriftAction;

/// What was found at one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// An attribute is another one.
    Changed {
        /// Which.
        path: Path,
        /// As recorded.
        recorded: SealedValue,
        /// As found.
        found: SealedValue,
        /// What policy wants done about it.
        action: DriftAction,
    },
    /// The object is gone.
    Deleted {
        /// What policy wants done about it.
        action: DriftAction,
    },
    /// It could not be read. Never the same as clean.
    Unreachable {
        /// Why.
        error: String,
    },
    /// An attribute changes by itself and is on a list of such.
    Noise {
        /// Which.
        path: Path,
        /// Who put it there and until when, in words.
        listed: String,
    },
}

/// One thing found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The environment's name.
    pub environment: String,
    /// The resource.
    pub address: Address,
    /// What was found.
    pub found: Found,
}

/// What looking gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Everything found, ordered by environment and address.
    pub lines: Vec<Line>,
    /// Environments looked at.
    pub environments: usize,
    /// Resources looked at.
    pub resources: usize,
}

/// How a command ends that found this: what could not be read may have drifted.
#[must_use]
pub fn exit(report: &Report) -> Exit {
    let quiet = |line: &Line| matches!(line.found, Found::Noise { .. });
    if report.lines.iter().all(quiet) { Exit::Done } else { Exit::Drift }
}

/// What is done about drift, in a word.
fn action_word(action: DriftAction) -> &'static str {
    match action {
        DriftAction::Alert => "alert",
        DriftAction::Revert => "revert",
        DriftAction::Accept => "accept",
    }
}

/// Drift as text.
#[must_use]
pub fn text(screen: &Screen, report: &Report) -> String {
    let mut page = Page::new(screen);
    let mut last: Option<(&str, &Address)> = None;
    for line in &report.lines {
        if last.is_none_or(|(environment, _)| environment != line.environment) {
            page.heading(&clean(&line.environment));
        }
        if last != Some((&line.environment, &line.address)) {
            page.prose(2, &clean(&line.address.to_string()));
        }
        last = Some((&line.environment, &line.address));
        found(&mut page, &line.found);
    }
    page.gap();
    page.prose(0, &summary(report));
    if report.lines.iter().any(|line| matches!(action_of(&line.found), Some(DriftAction::Revert))) {
        page.item(
            2,
            ("→", Hue::Calm),
            "`gov drift --remediate` plans what undoes it, through the gate.",
        );
    }
    page.finish()
}

fn found(page: &mut Page<'_>, found: &Found) {
    match found {
        Found::Changed { path, recorded, found, action } => {
            let difference = Difference { path: path.clone(), before: recorded, after: found };
            let word = action_word(*action);
            let text = value::change(page.screen(), &difference, 6 + word.len() + 3);
            let sign = page.screen().paint(Hue::Warn, "~");
            page.line(&format!("      {sign} {text} [{word}]"));
        }
        Found::Deleted { action } => {
            let text = format!("it was deleted outside gov [{}]", action_word(*action));
            page.item(6, ("-", Hue::Bad), &text);
        }
        Found::Unreachable { error } => {
            page.item(6, ("?", Hue::Bad), &format!("cannot be read: {}", clean_lines(error)));
        }
        Found::Noise { path, listed } => {
            let path = clean(&path.to_string());
            page.item(6, ("·", Hue::Faint), &format!("{path}: noise, {}", clean(listed)));
        }
    }
}

fn action_of(found: &Found) -> Option<DriftAction> {
    match found {
        Found::Changed { action, .. } | Found::Deleted { action } => Some(*action),
        Found::Unreachable { .. } | Found::Noise { .. } => None,
    }
}

fn kind(found: &Found) -> &'static str {
    match found {
        Found::Changed { .. } => "changed",
        Found::Deleted { .. } => "deleted",
        Found::Unreachable { .. } => "unreachable",
        Found::Noise { .. } => "noise",
    }
}

/// The line that sums it up. Resources are counted, not attributes.
#[must_use]
pub fn summary(report: &Report) -> String {
    let of = |wanted: &str| {
        let lines = report.lines.iter().filter(|line| kind(&line.found) == wanted);
        lines.map(|line| (&line.environment, &line.address)).collect::<BTreeSet<_>>().len()
    };
    format!(
        "Drift: {} changed, {} deleted, {} unreachable, {} with noise, of {} in {}.",
        of("changed"),
        of("deleted"),
        of("unreachable"),
        of("noise"),
        count(report.resources, "resource"),
        count(report.environments, "environment"),
    )
}

/// Drift as a document.
#[must_use]
pub fn json(report: &Report) -> Json {
    let one = |line: &Line| {
        let (path, recorded, found, why) = match &line.found {
            Found::Changed { path, recorded, found, .. } => {
                (Some(path), Some(recorded.to_plain_json()), Some(found.to_plain_json()), None)
            }
            Found::Deleted { .. } => (None, None, None, None),
            Found::Unreachable { error } => (None, None, None, Some(error)),
            Found::Noise { path, listed } => (Some(path), None, None, Some(listed)),
        };
        json!({
            "environment": line.environment,
            "address": line.address.to_string(),
            "found": kind(&line.found),
            "path": path.map(ToString::to_string),
            "recorded": recorded,
            "value": found,
            "why": why,
            "action": action_of(&line.found).map(action_word),
        })
    };
    let body = json!({
        "code": exit(report).code(),
        "environments": report.environments,
        "resources": report.resources,
        "lines": report.lines.iter().map(one).collect::<Vec<_>>(),
    });
    document("drift", body)
}

#[cfg(test)]
mod tests {
    use super::Found;
    use super::Line;
    use super::Report;
    use super::exit;
    use super::json;
    use super::text;
    use crate::cli::exit::Exit;
    use crate::cli::render::Screen;
    use crate::model::sealed::SealedValue;
    use crate::model::value::Path;
    use crate::policy::trust::DriftAction;

    fn line(found: Found) -> Line {
        Line { environment: "dev".into(), address: "a.b".parse().unwrap(), found }
    }

    #[test]
    fn unreachable_is_never_clean_and_noise_is() {
        let noise = line(Found::Noise { path: Path::attribute("x"), listed: "ann".into() });
        let mut report = Report { lines: vec![noise], environments: 1, resources: 1 };
        assert_eq!(exit(&report), Exit::Done);
        report.lines.push(line(Found::Unreachable { error: "refused\u{1b}".into() }));
        assert_eq!(exit(&report), Exit::Drift);
        let text = text(&Screen::plain(80), &report);
        assert!(text.contains("cannot be read: refused\\u{1b}"), "{text}");
        assert!(text.contains("1 unreachable, 1 with noise, of 1 resource"), "{text}");
    }

    #[test]
    fn an_attribute_shows_both_sides_and_what_is_done() {
        let found = Found::Changed {
            path: Path::attribute("mode"),
            recorded: SealedValue::String("0600".into()),
            found: SealedValue::String("0777".into()),
            action: DriftAction::Revert,
        };
        let report = Report { lines: vec![line(found)], environments: 1, resources: 1 };
        let text = text(&Screen::plain(80), &report);
        assert!(text.contains("~ mode: \"0600\" → \"0777\" [revert]"), "{text}");
        assert_eq!(json(&report)["lines"][0]["action"], "revert");
    }
}
