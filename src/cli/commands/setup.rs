//! `gov init`, `gov doctor`, `gov completions`.

use std::path::Path;

use clap::CommandFactory as _;
use serde_json::json;

use crate::cli::arguments::Cli;
use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::config::Config;
use crate::cli::context::files;
use crate::cli::context::key;
use crate::cli::render;
use crate::cli::render::doctor::Check;
use crate::cli::render::doctor::Health;
use crate::cli::render::text::count;
use crate::ops::OpError;
use crate::state::StoreError;
use crate::state::summary::Summary;

/// A first blueprint: one folder and one file on this machine, free, for a working day.
const BLUEPRINT: &str = include_str!("first/blueprint.toml");

/// An environment file for it.
const ENVIRONMENT: &str = include_str!("first/environment.toml");

/// `gov init`.
pub fn init(session: &Session<'_>, dir: Option<&Path>) -> Result<Answer, OpError> {
    let folder = session.config.working.join(dir.unwrap_or(Path::new(".")));
    let owner = crate::cli::context::own_name().unwrap_or_else(|| "me".to_owned());
    let environment = ENVIRONMENT.replace("OWNER", &owner);
    let wanted = [
        ("blueprints/first/blueprint.toml", BLUEPRINT.to_owned()),
        ("environments/first.toml", environment),
    ];
    let mut text = String::new();
    let mut made = Vec::new();
    for (name, content) in wanted {
        let path = folder.join(name);
        match files::create_shared(&path, content.as_bytes()) {
            Ok(()) => {
                made.push(name);
                text.push_str(&format!("made {name}\n"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                text.push_str(&format!("left {name} as it is\n"));
            }
            Err(error) => {
                return Err(OpError::Failed(format!("{}: {error}", path.display())));
            }
        }
    }
    text.push_str("Next: gov plan first, then gov apply first.\n");
    Ok(Answer::done(text, render::document("initialised", json!({ "made": made }))))
}

/// `gov doctor`.
pub async fn doctor(session: &Session<'_>) -> Result<Answer, OpError> {
    let mut checks = vec![trust(&session.config), key_check(&session.config)];
    checks.extend(store(session).await);
    let exit = render::doctor::exit(&checks);
    let text = render::doctor::text(&session.ui.screen(), &checks);
    Ok(Answer::ended(exit, text, render::doctor::json(&checks)))
}

fn check(name: &str, health: Health, message: String, fix: Option<&str>) -> Check {
    Check { name: name.to_owned(), health, message, fix: fix.map(str::to_owned) }
}

fn trust(config: &Config) -> Check {
    let path = config.trust_path();
    match config.trust() {
        Ok(_) if path.exists() => {
            let message = format!("{} is in force", path.display());
            check("trust root", Health::Good, message, None)
        }
        Ok(_) => {
            let message = format!("none at {}: the built-in ceiling holds", path.display());
            check("trust root", Health::Good, message, None)
        }
        Err(error) => {
            let message = match error {
                OpError::Diagnostics(wrong) => {
                    let details: Vec<&str> = wrong.iter().map(|one| one.detail.as_str()).collect();
                    format!("{}: {}", path.display(), details.join("; "))
                }
                other => other.to_string(),
            };
            let fix = "mend the file; until then nothing is admitted";
            check("trust root", Health::Bad, message, Some(fix))
        }
    }
}

fn key_check(config: &Config) -> Check {
    match key::sealer(&config.key(false)) {
        Ok(sealer) => {
            let message = format!("key {} is at hand; keep a copy of it", sealer.key_id());
            check("key", Health::Good, message, None)
        }
        Err(error) => {
            let fix = "a new store makes a key; an old one needs the key it was used with";
            check("key", Health::Doubtful, error.to_string(), Some(fix))
        }
    }
}

async fn store(session: &Session<'_>) -> Vec<Check> {
    let opened = match session.open(false).await {
        Ok(opened) => opened,
        Err(error) => {
            let damaged = matches!(error, OpError::Store(StoreError::Damaged(_)));
            let health = if damaged { Health::Bad } else { Health::Doubtful };
            return vec![check("store", health, error.to_string(), None)];
        }
    };
    let now = session.now();
    let ledger = match opened.context.ledger().await {
        Ok(ledger) => ledger,
        Err(error) => return vec![check("store", Health::Bad, error.to_string(), None)],
    };
    let living = ledger.environments.values().filter(|s| s.ended.is_none()).count();
    let folder = session.config.data_dir.display();
    let message = format!("{folder} with {}", count(living, "environment"));
    let mut checks = vec![check("store", Health::Good, message, None)];
    let fix = "run `gov reap` from cron, every few minutes";
    // What is held waits for a human, not for a reaper.
    let is_due = |summary: &&Summary| summary.is_due(now) && summary.held.is_empty();
    let due = ledger.environments.values().filter(is_due).count();
    let words = render::list::reaper(&ledger, now).replacen("Reaper: ", "", 1);
    checks.push(match (due, ledger.globals.reaper) {
        (0, Some(_)) => check("reaper", Health::Good, words, None),
        (0, None) => check("reaper", Health::Doubtful, words, Some(fix)),
        (due, _) => {
            let message = format!("{} OVERDUE. {words}", count(due, "environment"));
            check("reaper", Health::Bad, message, Some(fix))
        }
    });
    if let Some(last) = ledger.globals.last
        && now < last
    {
        let message = format!("the clock says {now}, the newest event is of {last}");
        checks.push(check("clock", Health::Bad, message, Some("set the clock right")));
    }
    session.close(&opened);
    checks
}

/// `gov completions`.
pub fn completions(shell: clap_complete::Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gov", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let document = render::document("completions", json!({ "script": text }));
    Answer::done(text, document).raw()
}
