//! `gov reap`: what was due and what became of it, in words.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::cli::arguments::ReapArgs;
use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::context::files;
use crate::cli::render;
use crate::cli::render::reap::Fate;
use crate::cli::render::reap::Line;
use crate::model::digest::Digest;
use crate::model::id::EnvironmentId;
use crate::ops::OpError;
use crate::ops::reap;
use crate::ops::reap::Options;
use crate::ops::reap::Outcome;

/// The longest reviewed plan: some hundred bytes for each of a hundred thousand environments.
const REVIEW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a reap is reviewed as: which environments, and the digest of what happens to each.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    format: String,
    version: u32,
    environments: Vec<Reviewed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reviewed {
    id: EnvironmentId,
    name: String,
    deleted: usize,
    intent: Digest,
}

/// What the file says of itself.
const FORMAT: &str = "gov-reap";

/// `gov reap`.
pub async fn reap(session: &Session<'_>, arguments: &ReapArgs) -> Result<Answer, OpError> {
    let from = arguments.from.as_deref().map(|path| read(session, path)).transpose()?;
    let options = Options {
        dry_run: arguments.dry_run || arguments.out.is_some(),
        from,
        max: arguments.max,
        max_percent: arguments.max_percent,
    };
    let opened = session.open(false).await?;
    let report = reap::reap(&opened.context, &options).await;
    session.close(&opened);
    session.progress.finish();
    let report = report?;
    if let Some(path) = &arguments.out {
        write(session, path, &report)?;
    }
    let dry_run = report.dry_run;
    let shown =
        render::reap::Report { lines: report.lines.into_iter().map(line).collect(), dry_run };
    let exit = render::reap::exit(&shown);
    // Cron mails whatever is printed, and would do so at every run.
    let text = match session.global.quiet && shown.lines.is_empty() {
        true => String::new(),
        false => render::reap::text(&session.ui.screen(), &shown),
    };
    Ok(Answer::ended(exit, text, render::reap::json(&shown)))
}

fn line(line: reap::Line) -> Line {
    let deleted = line.deleted;
    let fate = match line.outcome {
        Outcome::Reaped | Outcome::Would => Fate::Reaped { deleted },
        Outcome::Held(kept) => {
            Fate::Held { deleted, kept: kept.iter().map(ToString::to_string).collect() }
        }
        Outcome::Failed(error) => Fate::Failed { error, partly: line.intent.is_some() },
        Outcome::Busy(by) => Fate::Locked { by },
        Outcome::NotReviewed => Fate::Skipped { reason: "it is not what was reviewed".to_owned() },
    };
    Line { name: line.name, fate }
}

fn write(session: &Session<'_>, path: &Path, report: &reap::Report) -> Result<(), OpError> {
    let reviewed = |line: &reap::Line| {
        let intent = line.intent?;
        let (id, name, deleted) = (line.id, line.name.clone(), line.deleted);
        Some(Reviewed { id, name, deleted, intent })
    };
    let environments = report.lines.iter().filter_map(reviewed).collect();
    let review = Review { format: FORMAT.to_owned(), version: 1, environments };
    let bytes = serde_json::to_vec_pretty(&review).map_err(|e| OpError::Bug(e.to_string()))?;
    let path = session.config.working.join(path);
    files::write_private(&path, &bytes)
        .map_err(|error| OpError::Failed(format!("{} cannot be written: {error}", path.display())))
}

fn read(session: &Session<'_>, path: &Path) -> Result<BTreeMap<EnvironmentId, Digest>, OpError> {
    let path = session.config.working.join(path);
    let wrong = |why: String| OpError::Usage(format!("{}: {why}", path.display()));
    let bytes = files::read_bytes(&path, REVIEW_BYTES_MAX).map_err(|e| wrong(e.to_string()))?;
    let review: Review = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    if review.format != FORMAT || review.version != 1 {
        return Err(wrong("this is not a reviewed reap of this version".to_owned()));
    }
    Ok(review.environments.into_iter().map(|one| (one.id, one.intent)).collect())
}
