//! Whether gov can work here: one line for each thing looked at.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::clean_lines;
use crate::cli::exit::Exit;

/// How one thing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, and somebody should look.
    Doubtful,
    /// It does not work.
    Bad,
}

impl Health {
    fn word(self) -> (&'static str, Hue) {
        match self {
            Self::Good => ("ok  ", Hue::Good),
            Self::Doubtful => ("look", Hue::Warn),
            Self::Bad => ("bad ", Hue::Bad),
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How the command ends.
#[must_use]
pub fn exit(checks: &[Check]) -> Exit {
    let bad = checks.iter().any(|check| check.health == Health::Bad);
    if bad { Exit::Error } else { Exit::Done }
}

/// What was found, as text.
#[must_use]
pub fn text(screen: &Screen, checks: &[Check]) -> String {
    let mut page = Page::new(screen);
    for check in checks {
        let text = format!("{}: {}", clean(&check.name), clean_lines(&check.message));
        page.item(0, check.health.word(), &text);
        if let Some(fix) = &check.fix {
            page.item(5, ("→", Hue::Calm), &clean_lines(fix));
        }
    }
    page.finish()
}

/// What was found, as a document.
#[must_use]
pub fn json(checks: &[Check]) -> Json {
    let one = |check: &Check| {
        json!({
            "name": check.name,
            "health": match check.health {
                Health::Good => "good",
                Health::Doubtful => "doubtful",
                Health::Bad => "bad",
            },
            "message": check.message,
            "fix": check.fix,
        })
    };
    let checks_json: Vec<Json> = checks.iter().map(one).collect();
    document("doctor", json!({ "code": exit(checks).code(), "checks": checks_json }))
}

#[cfg(test)]
mod tests {
    use super::Check;
    use super::Health;
    use super::exit;
    use super::text;
    use crate::cli::exit::Exit;
    use crate::cli::render::Screen;

    #[test]
    fn only_what_does_not_work_is_an_error() {
        let mut checks = vec![Check {
            name: "reaper".into(),
            health: Health::Doubtful,
            message: "it has never run".into(),
            fix: Some("run `gov reap` from cron".into()),
        }];
        assert_eq!(exit(&checks), Exit::Done);
        let out = text(&Screen::plain(80), &checks);
        assert_eq!(out, "look reaper: it has never run\n     → run `gov reap` from cron\n");
        checks.push(Check {
            name: "store".into(),
            health: Health::Bad,
            message: "x".into(),
            fix: None,
        });
        assert_eq!(exit(&checks), Exit::Error);
    }
}
