//! Why an operation did not do what was asked: what, why, and what to do next.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::decision;
use super::diagnostics;
use super::document;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::clean_lines;
use super::time;
use crate::cli::exit;
use crate::model::lifetime::LifeError;
use crate::model::lifetime::Timestamp;
use crate::ops::OpError;
use crate::state::StoreError;
use crate::state::seal::SealError;

/// What stands for the environment's name in a command where the name is not known.
const ENV: &str = "ENV";

/// An error in words. What was found wrong with a source is not among them: that is
/// [`diagnostics::text`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Advice {
    /// What happened, in a sentence.
    pub what: String,
    /// What is behind it.
    pub why: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
}

impl Advice {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    fn why(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }
}

/// An error in words. `about` is the environment that the command was about.
#[must_use]
pub fn advice(error: &OpError, about: Option<&str>) -> Advice {
    let env = about.unwrap_or(ENV);
    match error {
        OpError::Diagnostics(_) => {
            Advice::new("What was asked for is not valid; nothing was done.")
        }
        OpError::Refused(refused) => {
            let act = refused.act.name();
            Advice::new(format!("The gate refused to {act}; nothing was changed."))
                .why("The decision is on record.")
        }
        OpError::NoEnvironment { name, near, ended } => {
            no_environment(name, near.as_deref(), *ended)
        }
        OpError::Store(error) => store(error, env),
        OpError::Seal(error) => seal(error),
        OpError::Life(error) => life(error, env),
        OpError::Money(error) => Advice::new(format!("The costs cannot be added: {error}."))
            .next("State budgets and prices in one currency."),
        OpError::Uncertain { name, addresses } => uncertain(name, addresses.iter()),
        OpError::BrokenOff { message, in_flight } => {
            let mut advice = Advice::new(sentence(message));
            for address in in_flight {
                advice = advice.why(format!("{address} was under way"));
            }
            advice.next(format!(
                "Run the same command for {env} again: it looks for what may exist and goes on."
            ))
        }
        OpError::Interrupted => Advice::new("Interrupted; nothing was changed."),
        OpError::Usage(message) | OpError::Failed(message) => Advice::new(sentence(message)),
        OpError::Bug(_) => Advice::new(error.to_string())
            .why("What is on record is as safe as before: the journal is only added to.")
            .next("Please report it with the command and what `gov doctor` prints."),
    }
}

fn no_environment(name: &str, near: Option<&str>, ended: Option<Timestamp>) -> Advice {
    let advice = match ended {
        Some(ended) => Advice::new(format!("There is no environment {name} any more."))
            .why(format!("The last one of this name ended at {}.", time::instant(ended)))
            .next(format!("`gov history {name}` tells its story.")),
        None => Advice::new(format!("There is no environment {name}.")),
    };
    match near {
        Some(near) => advice.next(format!("Did you mean {near}?")),
        None => advice,
    }
    .next("`gov list` shows every environment and where the store lies.")
}

fn store(error: &StoreError, env: &str) -> Advice {
    match error {
        StoreError::Held { holder, since, lease } => {
            Advice::new(format!("Somebody else is at {env}; nothing was changed."))
                .why(format!("{} holds it with `{}`", holder.actor, holder.operation))
                .why(format!("as process {} on {}", holder.pid, holder.host))
                .why(format!("since {}", time::instant(*since)))
                .next("Wait for it with --lock-timeout 10m, or ask them.")
                .next(format!("Where it is surely dead: gov unlock {env} {lease} --reason \"…\""))
        }
        StoreError::Busy(by) => Advice::new(format!("The store is busy: {by}."))
            .next("Try again, or wait longer with --lock-timeout."),
        StoreError::Fenced { by } => {
            Advice::new(format!("{by} took {env} over; this one stopped."))
                .why("Nothing more is written, so that two never act at once.")
                .next(format!("`gov show {env}` tells how far it came."))
        }
        StoreError::Moved { .. } => Advice::new(sentence(&error.to_string()))
            .why("Nothing was changed: a plan applies only to what it was made from.")
            .next("Plan again."),
        StoreError::Damaged(_) => Advice::new(sentence(&error.to_string()))
            .why("Everything is kept as it is, and nothing is written.")
            .next("`gov state verify` says what is left; restore the store from a copy."),
        StoreError::Unavailable(_) => Advice::new(sentence(&error.to_string()))
            .next("`gov doctor` checks the store's folder."),
        StoreError::Illegal(_) => Advice::new(error.to_string())
            .next("Please report it with the command and what `gov doctor` prints."),
    }
}

fn seal(error: &SealError) -> Advice {
    let advice = Advice::new(sentence(&error.to_string()));
    match error {
        SealError::WrongKey => advice,
        SealError::Damaged => advice.next("`gov state verify` says which, and since when."),
        SealError::NoKey(_) => {
            advice.next("`gov doctor` says where the key is looked for; GOV_KEY can give one.")
        }
    }
}

fn life(error: &LifeError, env: &str) -> Advice {
    let advice = Advice::new(sentence(&error.to_string()));
    match error {
        LifeError::GrantTooLong { max, .. } => advice
            .next(format!("Ask for at most {max} at a time; extend again when it is used up.")),
        LifeError::LifeTooLong { .. } => advice.next(
            "Make a new environment, or have the limit raised in the blueprint and the trust root.",
        ),
        LifeError::NotLater { .. } => {
            advice.next(format!("To end it earlier: gov expire {env} --reason \"…\""))
        }
        LifeError::Over { .. } => advice.next("Make a new environment; this one is the reaper's."),
    }
}

fn uncertain<'a>(name: &str, addresses: impl Iterator<Item = &'a String>) -> Advice {
    let mut advice = Advice::new(format!("Nobody knows what became of a part of {name}."))
        .why("A call was made and its answer is lost, so that nothing is made a second time.");
    for address in addresses {
        advice = advice
            .why(format!("{address} may exist"))
            .next(format!("Where it exists: gov import {name} '{address}' ID"))
            .next(format!("Where it does not: gov forget {name} '{address}' --reason \"…\""));
    }
    advice
}

/// A message as a sentence: a capital first, a full stop last.
fn sentence(message: &str) -> String {
    let trimmed = message.trim();
    let mut chars = trimmed.chars();
    let head: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let stop = if trimmed.ends_with(['.', '?', '!', ':']) { "" } else { "." };
    format!("{head}{}{stop}", chars.as_str())
}

/// An error as text.
#[must_use]
pub fn text(screen: &Screen, error: &OpError, about: Option<&str>, drawn: bool) -> String {
    let mut page = Page::new(screen);
    if let OpError::Diagnostics(found) = error {
        page.block(&diagnostics::text(screen, found, drawn));
        return page.finish();
    }
    let advice = advice(error, about);
    page.item(0, ("error:", Hue::Bad), &clean_lines(&advice.what));
    if let OpError::Refused(refused) = error {
        decision::findings(&mut page, refused);
    }
    for why in &advice.why {
        page.item(2, ("·", Hue::Faint), &clean(why));
    }
    for next in &advice.next {
        page.item(2, ("→", Hue::Calm), &clean(next));
    }
    page.finish()
}

/// An error as a document.
#[must_use]
pub fn json(error: &OpError, about: Option<&str>) -> Json {
    let exit = exit::of_error(error);
    let advice = advice(error, about);
    let found = match error {
        OpError::Diagnostics(found) => diagnostics::list(&found.clone().into_sorted()),
        _ => Vec::new(),
    };
    let refused = match error {
        OpError::Refused(refused) => Some(decision::json(refused)),
        _ => None,
    };
    let body = json!({
        "error": {
            "code": exit.code(),
            "name": exit.name(),
            "what": advice.what,
            "why": advice.why,
            "fix": advice.next,
            "retryable": is_retryable(error),
            "diagnostics": found,
            "decision": refused,
        },
    });
    document("error", body)
}

/// Whether the same command may do better later, without anything being changed for it.
fn is_retryable(error: &OpError) -> bool {
    match error {
        OpError::Refused(refused) => refused
            .findings
            .iter()
            .filter(|finding| finding.severity == crate::model::decision::Severity::Deny)
            .all(|finding| finding.retryable),
        OpError::Store(error) => matches!(
            error,
            StoreError::Held { .. } | StoreError::Busy(_) | StoreError::Moved { .. }
        ),
        OpError::BrokenOff { .. } | OpError::Interrupted => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::advice;
    use super::json;
    use super::text;
    use crate::cli::render::Screen;
    use crate::model::event::Holder;
    use crate::model::id::LeaseId;
    use crate::model::id::Ulid;
    use crate::model::lifetime::Timestamp;
    use crate::ops::OpError;
    use crate::state::StoreError;

    #[test]
    fn a_lock_names_its_holder_and_the_way_out() {
        let holder = Holder {
            actor: "uid:1000(ann)\u{1b}[2J".into(),
            operation: "gov apply".into(),
            host: "mill".into(),
            boot: String::new(),
            pid: 4711,
            pid_start: 1,
        };
        let lease = LeaseId(Ulid::new(Timestamp::from_millis(0), 7));
        let since = Timestamp::from_millis(0);
        let error = OpError::Store(StoreError::Held { holder: Box::new(holder), since, lease });
        let text = text(&Screen::plain(120), &error, Some("dev"), true);
        let unlock = format!("gov unlock dev {lease} --reason");
        for part in ["ann", "gov apply", "4711", "mill", "1970-01-01T00:00:00Z", unlock.as_str()] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(json(&error, Some("dev"))["error"]["code"], 6);
        assert_eq!(json(&error, None)["error"]["retryable"], true);
    }

    #[test]
    fn every_way_out_of_an_unknown_outcome_is_named() {
        let addresses = BTreeSet::from(["sim_server.a[\"k\"]".to_owned()]);
        let error = OpError::Uncertain { name: "dev".into(), addresses };
        let advice = advice(&error, None);
        assert_eq!(
            advice.next,
            [
                "Where it exists: gov import dev 'sim_server.a[\"k\"]' ID",
                "Where it does not: gov forget dev 'sim_server.a[\"k\"]' --reason \"…\"",
            ]
        );
    }

    #[test]
    fn a_missing_environment_offers_the_nearest() {
        let near = Some("dev".to_owned());
        let error = OpError::NoEnvironment { name: "dve".into(), near, ended: None };
        let text = text(&Screen::plain(80), &error, None, false);
        assert!(text.starts_with("error: There is no environment dve."), "{text}");
        assert!(text.contains("Did you mean dev?"), "{text}");
    }
}
