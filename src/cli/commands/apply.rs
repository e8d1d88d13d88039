//! `gov plan`, `gov apply`, `gov destroy`, `gov start`.

use std::path::Path;

use serde_json::json;

use crate::cli::arguments::ApplyArgs;
use crate::cli::arguments::PlanArgs;
use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::commands::ask::ask;
use crate::cli::commands::prompt::Prompt;
use crate::cli::context::Opened;
use crate::cli::context::files;
use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::render::plan::Proposed;
use crate::model::cost::Quote;
use crate::model::plan::Plan;
use crate::ops::OpError;
use crate::ops::apply as operation;
use crate::ops::apply::Options;
use crate::ops::apply::Report;
use crate::ops::ask::Ask;
use crate::ops::lifetime;
use crate::ops::proposal::Proposal;
use crate::plan::file;

/// `gov plan`.
pub async fn plan(session: &Session<'_>, arguments: &PlanArgs) -> Result<Answer, OpError> {
    let options = Options {
        ask: ask(session, &arguments.env, &arguments.ask)?,
        replace: arguments.ask.replace.iter().cloned().collect(),
        destroy: arguments.destroy,
    };
    let opened = session.open(true).await?;
    let proposal = operation::plan(&opened.context, &options).await?;
    session.close(&opened);
    let changes = !proposal.is_empty();
    if let Some(path) = &arguments.out {
        let bytes = file::write(&proposal.plan, &proposal.quote)?;
        let path = session.config.working.join(path);
        files::write_private(&path, &bytes).map_err(|error| {
            OpError::Failed(format!("the plan cannot be saved to {}: {error}", path.display()))
        })?;
        session.ui.talk(&format!("Saved to {}.", path.display()));
    }
    let allowed = exit::of_decision(&proposal.decision);
    let exit = match (allowed, arguments.detailed_exitcode && changes) {
        (Exit::Done, true) => Exit::Changes,
        (other, _) => other,
    };
    let proposed = proposed(&proposal);
    let text = render::plan::text(&session.ui.screen(), &proposed);
    Ok(Answer::ended(exit, text, render::plan::json(&proposed)))
}

fn proposed(proposal: &Proposal) -> Proposed<'_> {
    Proposed {
        plan: &proposal.plan,
        quote: &proposal.quote,
        decision: Some(&proposal.decision),
        life: Some(proposal.life),
        before: proposal.snapshot.as_ref().map(|snapshot| &snapshot.record),
        now: proposal.plan.made,
    }
}

/// `gov apply`.
pub async fn apply(session: &Session<'_>, arguments: &ApplyArgs) -> Result<Answer, OpError> {
    let prompt = Prompt { session, yes: arguments.yes, show: true };
    if let Some(path) = &arguments.plan {
        let (plan, _) = read_plan(session, path)?;
        let opened = session.open(true).await?;
        let report = operation::apply_plan(&opened.context, &plan, &prompt).await;
        session.close(&opened);
        return Ok(told(session, &report?));
    }
    let name = arguments.env.clone().unwrap_or_default();
    let options = Options {
        ask: ask(session, &name, &arguments.ask)?,
        replace: arguments.ask.replace.iter().cloned().collect(),
        destroy: false,
    };
    let opened = session.open(true).await?;
    let report = operation::apply(&opened.context, &options, &prompt).await;
    overdue(session, &opened).await;
    session.close(&opened);
    Ok(told(session, &report?))
}

/// Says when the reaper last ran, and what is overdue.
async fn overdue(session: &Session<'_>, opened: &Opened) {
    let Ok(ledger) = opened.context.ledger().await else { return };
    let now = session.now();
    let due = ledger.environments.values().filter(|summary| summary.is_due(now));
    let names: Vec<&str> = due.map(|summary| summary.name.as_str()).collect();
    let reaper = render::list::reaper(&ledger, now);
    if names.is_empty() {
        session.ui.talk(&reaper);
    } else {
        session.ui.warn(&format!("OVERDUE: {}. {reaper}", names.join(", ")));
    }
}

/// `gov destroy`.
pub async fn destroy(session: &Session<'_>, name: &str, yes: bool) -> Result<Answer, OpError> {
    let prompt = Prompt { session, yes, show: true };
    let ask = Ask { name: name.to_owned(), ..Ask::default() };
    let options = Options { ask, replace: std::collections::BTreeSet::new(), destroy: true };
    let opened = session.open(false).await?;
    let report = operation::apply(&opened.context, &options, &prompt).await;
    session.close(&opened);
    Ok(told(session, &report?))
}

/// `gov start --due`.
pub async fn start_due(session: &Session<'_>) -> Result<Answer, OpError> {
    // Its start was consented to when it was scheduled; the gate judges it again all the same.
    let prompt = Prompt { session, yes: true, show: false };
    let opened = session.open(false).await?;
    let results = lifetime::start_due(&opened.context, &prompt).await;
    session.close(&opened);
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut exits = vec![Exit::Done];
    for (name, result) in results? {
        let (exit, words, json) = match &result {
            Ok(report) => {
                let answer = told(session, report);
                (answer.exit, "started".to_owned(), answer.json)
            }
            Err(error) => {
                let json = render::error::json(error, Some(&name));
                (exit::of_error(error), format!("not started: {error}"), json)
            }
        };
        text.push_str(&format!("{name}: {words}\n"));
        rows.push(json!({ "environment": name, "result": json }));
        exits.push(exit);
    }
    let json = render::document("started", json!({ "environments": rows }));
    Ok(Answer::ended(exit::worst(exits), text, json))
}

/// A report in words.
pub fn told(session: &Session<'_>, report: &Report) -> Answer {
    session.progress.finish();
    let exit = match &report.ending {
        Some(ending) => exit::of_ending(ending, false),
        None if report.declined => Exit::Error,
        None => Exit::Done,
    };
    let text = render::ending::report(&session.ui.screen(), report, session.now());
    Answer::ended(exit, text, render::ending::report_json(report))
}

/// Reads a saved plan.
///
/// # Errors
/// Where it cannot be read or is not what was written.
pub fn read_plan(session: &Session<'_>, path: &Path) -> Result<(Plan, Quote), OpError> {
    let path = session.config.working.join(path);
    let bytes = files::read_bytes(&path, file::PLAN_FILE_BYTES_MAX)
        .map_err(|error| OpError::Failed(format!("{} cannot be read: {error}", path.display())))?;
    file::read(&bytes).map_err(|error| OpError::Usage(format!("{}: {error}", path.display())))
}
