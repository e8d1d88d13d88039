//! `gov drift`: what is, compared with what the books say, in words.

use serde_json::json;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::commands::apply::told;
use crate::cli::commands::prompt::Prompt;
use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::render::drift::Found;
use crate::cli::render::drift::Line;
use crate::model::value::Path;
use crate::ops::OpError;
use crate::ops::drift;
use crate::ops::drift::Remedy;
use crate::ops::drift::Status;
use crate::policy::trust::DriftAction;

/// `gov drift`.
pub async fn drift(
    session: &Session<'_>,
    name: Option<&str>,
    remediate: bool,
    auto: bool,
    yes: bool,
) -> Result<Answer, OpError> {
    let remedy = match (remediate, auto) {
        (true, _) => Remedy::Revert,
        (false, true) => Remedy::Policy,
        (false, false) => Remedy::None,
    };
    // `--auto` is what policy says: asking for it is the answer.
    let prompt = Prompt { session, yes: yes || auto, show: true };
    let opened = session.open(false).await?;
    let reports = drift::drift(&opened.context, name, remedy, &prompt).await;
    session.close(&opened);
    let reports = reports?;
    let mut shown = render::drift::Report { environments: reports.len(), ..Default::default() };
    let mut text = String::new();
    let mut exits = Vec::new();
    let mut remedies = Vec::new();
    for report in &reports {
        shown.resources = shown.resources.saturating_add(report.looked_at);
        shown.lines.extend(report.lines.iter().map(|found| line(&report.name, found)));
        if let Some(error) = &report.error {
            let advice =
                render::error::text(&session.ui.screen(), error, Some(&report.name), false);
            text.push_str(&format!("{}: {advice}\n", report.name));
            exits.push(exit::of_error(error));
            remedies.push(render::error::json(error, Some(&report.name)));
        }
        if let Some(remedy) = &report.remedy {
            let answer = told(session, remedy);
            text.push_str(&answer.text);
            exits.push(answer.exit);
            remedies.push(answer.json);
        }
        for (address, attributes) in &report.accepted {
            let list: Vec<&str> = attributes.iter().map(String::as_str).collect();
            text.push_str(&format!("{address}: taken as intended: {}\n", list.join(", ")));
        }
    }
    if reports.iter().any(|report| report.loud().any(|line| is_open(report, line, remedy))) {
        exits.push(Exit::Drift);
    }
    exits.push(Exit::Done);
    let mut whole = render::drift::text(&session.ui.screen(), &shown);
    whole.push_str(&text);
    let mut document = render::drift::json(&shown);
    if let Some(members) = document.as_object_mut() {
        members.insert("remedies".to_owned(), json!(remedies));
    }
    Ok(Answer::ended(exit::worst(exits), whole, document))
}

/// Whether it is drift still: neither taken as intended nor undone. What undoing did not come to
/// is told by the remedy's own end.
fn is_open(report: &drift::Report, line: &drift::Line, remedy: Remedy) -> bool {
    let accepted = report.accepted.get(&line.address);
    let accepted = accepted.is_some_and(|attributes| attributes.contains(&line.attribute));
    let reverts = remedy == Remedy::Revert || line.action == DriftAction::Revert;
    let undone = reverts && report.remedy.is_some();
    !(accepted || undone)
}

fn line(environment: &str, found: &drift::Line) -> Line {
    let path = Path::attribute(&found.attribute);
    let shown = match (&found.status, &found.noise) {
        (Status::Unreachable(error), _) => Found::Unreachable { error: error.clone() },
        (_, Some(owner)) => Found::Noise { path, listed: format!("listed by {owner}") },
        (Status::Deleted, None) => Found::Deleted { action: found.action },
        (Status::Changed { before, after }, None) => Found::Changed {
            path,
            recorded: before.clone(),
            found: after.clone(),
            action: found.action,
        },
    };
    Line { environment: environment.to_owned(), address: found.address.clone(), found: shown }
}
