//! What the reaper did: one line for each environment, fit for a mail from cron.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::columns;
use super::text::count;
use super::text::pad;
use crate::cli::exit;
use crate::cli::exit::Exit;

/// What became of an environment that was due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is gone; so many resources with it.
    Reaped {
        /// Resources deleted.
        deleted: usize,
    },
    /// Some of it is kept, since nobody authorised deleting its data.
    Held {
        /// Resources deleted.
        deleted: usize,
        /// Addresses kept.
        kept: Vec<String>,
    },
    /// Something failed; what is left is on record.
    Failed {
        /// Why.
        error: String,
        /// Whether an outcome is unknown or a part is done; else nothing was begun.
        partly: bool,
    },
    /// It was left alone.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Somebody else is at it.
    Locked {
        /// Who.
        by: String,
    },
}

/// One environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
}

/// What the reaper did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Each environment that was due, in order.
    pub lines: Vec<Line>,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// How the command ends.
#[must_use]
pub fn exit(report: &Report) -> Exit {
    exit::worst(report.lines.iter().map(|line| match &line.fate {
        Fate::Reaped { .. } | Fate::Skipped { .. } => Exit::Done,
        Fate::Held { .. } => Exit::Pending,
        Fate::Failed { partly: true, .. } => Exit::Partial,
        Fate::Failed { partly: false, .. } => Exit::Error,
        Fate::Locked { .. } => Exit::Locked,
    }))
}

fn word(fate: &Fate) -> (&'static str, Hue) {
    match fate {
        Fate::Reaped { .. } => ("reaped", Hue::Good),
        Fate::Held { .. } => ("held", Hue::Warn),
        Fate::Failed { .. } => ("failed", Hue::Bad),
        Fate::Skipped { .. } => ("skipped", Hue::Calm),
        Fate::Locked { .. } => ("locked", Hue::Warn),
    }
}

fn detail(fate: &Fate, dry_run: bool) -> String {
    let gone = |deleted: usize| {
        let resources = count(deleted, "resource");
        if dry_run {
            format!("{resources} would be deleted")
        } else {
            format!("{resources} deleted")
        }
    };
    match fate {
        Fate::Reaped { deleted } => gone(*deleted),
        Fate::Held { deleted, kept } => {
            let names: Vec<String> = kept.iter().map(|name| clean(name)).collect();
            format!("{}, kept for their data: {}", gone(*deleted), names.join(", "))
        }
        Fate::Failed { error, .. } => clean(error),
        Fate::Skipped { reason } => clean(reason),
        Fate::Locked { by } => format!("by {}", clean(by)),
    }
}

/// What the reaper did, as text. Environments take one line each, however long.
#[must_use]
pub fn text(screen: &Screen, report: &Report) -> String {
    let mut page = Page::new(screen);
    let names = report.lines.iter().map(|line| columns(&clean(&line.name)));
    let width = names.max().unwrap_or(0);
    for line in &report.lines {
        let (word, hue) = word(&line.fate);
        let word = page.screen().paint(hue, &pad(word, 7));
        let name = pad(&clean(&line.name), width);
        page.line(&format!("{name}  {word}  {}", detail(&line.fate, report.dry_run)));
    }
    let summary = summary(report);
    page.line(&summary);
    page.finish()
}

/// The line that sums it up.
#[must_use]
pub fn summary(report: &Report) -> String {
    if report.lines.is_empty() {
        return "Reaper: nothing is due.".to_owned();
    }
    let of = |wanted: &str| report.lines.iter().filter(|line| word(&line.fate).0 == wanted).count();
    let dry = if report.dry_run { "would have, of" } else { "of" };
    format!(
        "Reaper: {dry} {} due: {} reaped, {} held, {} failed, {} skipped, {} locked.",
        report.lines.len(),
        of("reaped"),
        of("held"),
        of("failed"),
        of("skipped"),
        of("locked"),
    )
}

/// What the reaper did, as a document.
#[must_use]
pub fn json(report: &Report) -> Json {
    let one = |line: &Line| {
        let (deleted, kept) = match &line.fate {
            Fate::Reaped { deleted } => (*deleted, Vec::new()),
            Fate::Held { deleted, kept } => (*deleted, kept.clone()),
            Fate::Failed { .. } | Fate::Skipped { .. } | Fate::Locked { .. } => (0, Vec::new()),
        };
        json!({
            "name": line.name,
            "fate": word(&line.fate).0,
            "deleted": deleted,
            "kept": kept,
            "detail": detail(&line.fate, report.dry_run),
        })
    };
    let body = json!({
        "dry_run": report.dry_run,
        "code": exit(report).code(),
        "lines": report.lines.iter().map(one).collect::<Vec<_>>(),
    });
    document("reap", body)
}

#[cfg(test)]
mod tests {
    use super::Fate;
    use super::Line;
    use super::Report;
    use super::exit;
    use super::text;
    use crate::cli::exit::Exit;
    use crate::cli::render::Screen;

    #[test]
    fn each_environment_has_one_line_and_the_worst_counts() {
        let line = |name: &str, fate| Line { name: name.into(), fate };
        let mut report = Report {
            lines: vec![
                line("dev", Fate::Reaped { deleted: 2 }),
                line("staging", Fate::Held { deleted: 1, kept: vec!["a.b".into()] }),
            ],
            dry_run: false,
        };
        assert_eq!(exit(&report), Exit::Pending);
        let out = text(&Screen::plain(60), &report);
        assert_eq!(
            out,
            "dev      reaped   2 resources deleted\n\
             staging  held     1 resource deleted, kept for their data: a.b\n\
             Reaper: of 2 due: 1 reaped, 1 held, 0 failed, 0 skipped, 0 locked.\n"
        );
        let failed = Fate::Failed { error: "x\ny".into(), partly: true };
        report.lines.push(line("old", failed));
        assert_eq!(exit(&report), Exit::Partial);
        assert_eq!(text(&Screen::plain(60), &report).lines().count(), 4);
        assert_eq!(text(&Screen::plain(60), &Report::default()), "Reaper: nothing is due.\n");
    }
}
