//! How carrying out a plan ended, and what exists now.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::environment;
use super::output;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::clean_lines;
use super::time;
use crate::cli::exit;
use crate::engine::machine::Ending;
use crate::engine::machine::StepEnd;
use crate::model::event::RunOutcome;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Action;
use crate::model::plan::StepAction;
use crate::ops::apply::Report;

/// Steps that went as planned, by what they did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Made.
    pub created: usize,
    /// Changed in place.
    pub updated: usize,
    /// Taken away.
    pub deleted: usize,
    /// Read.
    pub read: usize,
    /// Did not happen, or only in part.
    pub failed: usize,
    /// Nobody knows.
    pub unknown: usize,
    /// Were not begun.
    pub not_begun: usize,
}

/// The steps of an ending, counted. A replacement counts as a deletion and a creation.
#[must_use]
pub fn counts(ending: &Ending) -> Counts {
    let mut counts = Counts::default();
    for (_, action, end) in &ending.steps {
        let count = match (end, action) {
            (StepEnd::Succeeded, StepAction::Create | StepAction::CreateBeside) => {
                &mut counts.created
            }
            (StepEnd::Succeeded, StepAction::Update) => &mut counts.updated,
            (StepEnd::Succeeded, StepAction::Delete | StepAction::DeleteDeposed) => {
                &mut counts.deleted
            }
            (StepEnd::Succeeded, StepAction::Read) => &mut counts.read,
            (StepEnd::Failed(_), _) => &mut counts.failed,
            (StepEnd::Unknown(_), _) => &mut counts.unknown,
            (StepEnd::NotBegun, _) => &mut counts.not_begun,
        };
        *count += 1;
    }
    counts
}

/// The line that sums an ending up.
#[must_use]
pub fn summary(ending: &Ending) -> String {
    let counts = counts(ending);
    let mut parts = vec![
        format!("{} created", counts.created),
        format!("{} updated", counts.updated),
        format!("{} deleted", counts.deleted),
    ];
    let rest = [
        (counts.read, "read"),
        (counts.failed, "failed"),
        (counts.unknown, "with an unknown outcome"),
        (counts.not_begun, "not begun"),
    ];
    parts.extend(
        rest.iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}")),
    );
    let head = match ending.outcome {
        Some(RunOutcome::Done) => "Done",
        Some(RunOutcome::Partial) => "Partly done",
        Some(RunOutcome::Abandoned) => "Given up",
        None => "Interrupted",
    };
    format!("{head}: {}.", parts.join(", "))
}

/// How it ended: whatever did not go as planned with its reason, then the counts.
pub fn section(page: &mut Page<'_>, ending: &Ending, name: &str) {
    let begun = |wanted: fn(&StepEnd) -> bool| {
        ending.steps.iter().filter(move |(_, _, end)| wanted(end)).collect::<Vec<_>>()
    };
    let groups = [
        ("Failed", begun(|end| matches!(end, StepEnd::Failed(_))), Hue::Bad),
        (
            "Unknown: nobody can say yet whether it happened",
            begun(|end| matches!(end, StepEnd::Unknown(_))),
            Hue::Bad,
        ),
        ("Not begun", begun(|end| *end == StepEnd::NotBegun), Hue::Warn),
    ];
    for (title, steps, hue) in groups {
        if steps.is_empty() {
            continue;
        }
        page.heading(title);
        for (address, action, end) in steps {
            let what = clean(&format!("{} {address}", action.name()));
            let text = match end {
                StepEnd::Failed(why) | StepEnd::Unknown(why) => {
                    format!("{what}: {}", clean_lines(why))
                }
                StepEnd::Succeeded | StepEnd::NotBegun => what,
            };
            page.item(2, ("·", hue), &text);
        }
    }
    page.gap();
    if let Some(reason) = &ending.stopped {
        page.prose(
            0,
            &format!("No new step was begun: {}.", clean_lines(reason).trim_end_matches('.')),
        );
    }
    let hue = if ending.outcome == Some(RunOutcome::Done) { Hue::Good } else { Hue::Warn };
    page.strong(hue, &summary(ending));
    advise(page, ending, &clean(name));
}

fn advise(page: &mut Page<'_>, ending: &Ending, name: &str) {
    let next = |page: &mut Page<'_>, text: &str| page.item(2, ("→", Hue::Calm), text);
    let unknown = ending.steps.iter().filter(|(_, _, end)| matches!(end, StepEnd::Unknown(_)));
    for (address, _, _) in unknown {
        let address = clean(&address.to_string());
        next(page, &format!("Where {address} exists: gov import {name} '{address}' ID"));
        next(page, &format!("Where it does not: gov forget {name} '{address}' --reason \"…\""));
    }
    match ending.outcome {
        Some(RunOutcome::Done | RunOutcome::Abandoned) => {}
        None => next(page, "The same command goes on where this one stopped."),
        Some(RunOutcome::Partial) => {
            next(page, "What was done stays done; the same command plans the rest.");
        }
    }
}

/// What applying or destroying did.
#[must_use]
pub fn report(screen: &Screen, report: &Report, now: Timestamp) -> String {
    let mut page = Page::new(screen);
    let name = clean(&report.name);
    if report.declined {
        page.prose(0, "Nothing was changed: the answer was no.");
        return page.finish();
    }
    if report.scheduled {
        let start = report.plan.as_ref().and_then(|(plan, _, _)| plan.record.start);
        let when = start.map_or(String::new(), |start| format!(" at {}", time::when(now, start)));
        page.prose(0, &format!("{name} is recorded and begins{when}; nothing exists yet."));
        page.item(
            2,
            ("→", Hue::Calm),
            "`gov start --due`, run by cron, judges it again and creates it.",
        );
        return page.finish();
    }
    if report.resumed {
        page.prose(0, "Went on with an interrupted run.");
    }
    match &report.ending {
        None => page.prose(0, &format!("Nothing to do: {name} is what its blueprint says.")),
        Some(ending) => section(&mut page, ending, &report.name),
    }
    for (address, data) in held(report) {
        let why = if data { "it bears data" } else { "it is protected" };
        page.item(2, ("!", Hue::Warn), &format!("{address} is held, since {why}. It still costs."));
    }
    match report.life {
        Some(life) => page.prose(0, &format!("{name} {}.", environment::life(now, life))),
        None if is_gone(report) => page.prose(0, &format!("{name} is gone; its name is free.")),
        None => {}
    }
    if !report.outputs.is_empty() && !is_gone(report) {
        page.heading("Outputs");
        page.block(&output::lines(screen, &report.outputs));
    }
    page.finish()
}

/// Whether everything was taken down.
fn is_gone(report: &Report) -> bool {
    let down = report.plan.as_ref().is_some_and(|(plan, _, _)| plan.kind.takes_down());
    let done = report.ending.as_ref().is_some_and(|end| end.outcome == Some(RunOutcome::Done));
    down && done && held(report).is_empty()
}

/// What was kept of what was to go, and whether for its data.
fn held(report: &Report) -> Vec<(String, bool)> {
    let Some((plan, _, _)) = &report.plan else { return Vec::new() };
    let kept = plan.changes.iter().filter(|change| change.action == Action::Hold);
    kept.map(|change| (clean(&change.address.to_string()), change.facts.bears_data)).collect()
}

/// What applying or destroying did, as a document.
#[must_use]
pub fn report_json(report: &Report) -> Json {
    let held: Vec<String> = held(report).into_iter().map(|(address, _)| address).collect();
    let body = json!({
        "environment": { "id": report.environment.to_string(), "name": report.name },
        "resumed": report.resumed,
        "scheduled": report.scheduled,
        "declined": report.declined,
        "ending": report.ending.as_ref().map(|ending| json(ending, !held.is_empty())),
        "held": held,
        "life": environment::life_json(report.life),
        "outputs": super::value::named(&report.outputs),
    });
    document("report", body)
}

/// An ending as JSON.
#[must_use]
pub fn json(ending: &Ending, held: bool) -> Json {
    let counts = counts(ending);
    let steps = ending.steps.iter().map(|(address, action, end)| {
        let (name, error) = match end {
            StepEnd::Succeeded => ("succeeded", None),
            StepEnd::Failed(why) => ("failed", Some(why)),
            StepEnd::Unknown(why) => ("unknown", Some(why)),
            StepEnd::NotBegun => ("not_begun", None),
        };
        json!({
            "address": address.to_string(),
            "action": action.name(),
            "end": name,
            "error": error,
        })
    });
    json!({
        "outcome": ending.outcome.map(outcome_name),
        "code": exit::of_ending(ending, held).code(),
        "stopped": ending.stopped,
        "steps": steps.collect::<Vec<_>>(),
        "counts": {
            "created": counts.created,
            "updated": counts.updated,
            "deleted": counts.deleted,
            "read": counts.read,
            "failed": counts.failed,
            "unknown": counts.unknown,
            "not_begun": counts.not_begun,
        },
    })
}

/// The outcome's name in JSON.
#[must_use]
pub fn outcome_name(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Partial => "partial",
        RunOutcome::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use super::json;
    use super::section;
    use crate::cli::render::Screen;
    use crate::cli::render::page::Page;
    use crate::engine::machine::Ending;
    use crate::engine::machine::StepEnd;
    use crate::model::event::RunOutcome;
    use crate::model::plan::StepAction;

    #[test]
    fn an_ending_says_what_failed_what_is_unknown_and_what_to_do() {
        let step = |address: &str, end| (address.parse().unwrap(), StepAction::Create, end);
        let ending = Ending {
            outcome: Some(RunOutcome::Partial),
            steps: vec![
                step("a.b", StepEnd::Succeeded),
                step("a.c", StepEnd::Failed("disk\u{1b} full".into())),
                step("a.d", StepEnd::Unknown("connection lost".into())),
                step("a.e", StepEnd::NotBegun),
            ],
            stopped: None,
        };
        let screen = Screen::plain(160);
        let mut page = Page::new(&screen);
        section(&mut page, &ending, "dev");
        let text = page.finish();
        for part in [
            "create a.c: disk\\u{1b} full",
            "create a.d: connection lost",
            "gov import dev 'a.d' ID",
            "Partly done: 1 created, 0 updated, 0 deleted, 1 failed,",
            "1 with an unknown outcome, 1 not begun.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(json(&ending, false)["code"], 8);
    }
}
