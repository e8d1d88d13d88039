//! What an environment is asked to be, and what of it a plan would change.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::cost;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::time;
use super::value;
use crate::model::actor::Actor;
use crate::model::actor::ActorKind;
use crate::model::actor::Door;
use crate::model::actor::Proof;
use crate::model::environment::EnvironmentRecord;
use crate::model::lifetime::Life;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::limits::OnExpiry;
use crate::model::sealed::SealedValue;

/// The record, one line for each word.
pub fn record(page: &mut Page<'_>, record: &EnvironmentRecord) {
    page.pair("blueprint", &blueprint(record));
    page.pair("owner", &owner(record));
    page.pair("purpose", &clean(&record.identity.purpose));
    page.pair_if("value", record.identity.value.as_deref().map(clean));
    page.pair_if("budget", cost::budget(&record.budget));
    page.pair("root", &clean(&record.root));
    page.pair("at expiry", on_expiry(record.on_expiry));
    for (name, input) in &record.inputs {
        let shown = value::text(page.screen(), input, page.screen().width.saturating_sub(30));
        page.pair("input", &format!("{} = {shown}", clean(name)));
    }
}

/// Owner, team and project in a line.
#[must_use]
pub fn owner(record: &EnvironmentRecord) -> String {
    let identity = &record.identity;
    clean(&format!("{}, team {}, project {}", identity.owner, identity.team, identity.project))
}

/// Name and version of a blueprint, and whether anybody stands behind it.
#[must_use]
pub fn blueprint(record: &EnvironmentRecord) -> String {
    let of = &record.blueprint;
    let standing = if of.published { "published" } else { "not published" };
    clean(&format!("{} {} ({standing}), from {}", of.name, of.version, of.origin))
}

/// What becomes of data when the life is over.
#[must_use]
pub fn on_expiry(on_expiry: OnExpiry) -> &'static str {
    match on_expiry {
        OnExpiry::KeepData => "what bears data is held until a human lets it go",
        OnExpiry::DeleteData => "everything is deleted, data too",
    }
}

/// From when to when, with what is left.
#[must_use]
pub fn life(now: Timestamp, life: Life) -> String {
    let length = time::span(life.expiry.since(life.start));
    if life.start > now {
        let start = time::when(now, life.start);
        return format!("starts {start}, expires {}, {length} in all", time::instant(life.expiry));
    }
    let verb = if life.is_expired(now) { "expired" } else { "expires" };
    format!("{verb} {}, {length} in all", time::when(now, life.expiry))
}

/// A word of the record that would be another one.
struct Turn {
    name: String,
    before: String,
    after: String,
}

fn turns(screen: &Screen, before: &EnvironmentRecord, after: &EnvironmentRecord) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut turn = |name: &str, before: String, after: String| {
        if before != after {
            turns.push(Turn { name: name.to_owned(), before, after });
        }
    };
    let none = || "none".to_owned();
    let optional = |text: &Option<String>| text.as_deref().map_or_else(none, value::quoted);
    let of = |record: &EnvironmentRecord| {
        let blueprint = &record.blueprint;
        let digest = blueprint.digest.short();
        clean(&format!("{} {} {digest}", blueprint.name, blueprint.version))
    };
    turn("owner", value::quoted(&before.identity.owner), value::quoted(&after.identity.owner));
    turn("team", value::quoted(&before.identity.team), value::quoted(&after.identity.team));
    turn(
        "project",
        value::quoted(&before.identity.project),
        value::quoted(&after.identity.project),
    );
    turn(
        "purpose",
        value::quoted(&before.identity.purpose),
        value::quoted(&after.identity.purpose),
    );
    turn("value", optional(&before.identity.value), optional(&after.identity.value));
    turn("blueprint", of(before), of(after));
    let amount = |record: &EnvironmentRecord| cost::budget(&record.budget).unwrap_or_else(none);
    turn("budget", amount(before), amount(after));
    let end = |record: &EnvironmentRecord| on_expiry(record.on_expiry).to_owned();
    turn("at expiry", end(before), end(after));
    let names: BTreeSet<&String> = before.inputs.keys().chain(after.inputs.keys()).collect();
    for name in names {
        let (old, new) = (before.inputs.get(name), after.inputs.get(name));
        if old != new {
            let room = screen.width.saturating_sub(40) / 2;
            let text = |value: Option<&SealedValue>| match value {
                None => "(default)".to_owned(),
                Some(value) => value::text(screen, value, room),
            };
            let name = format!("input {}", clean(name));
            turns.push(Turn { name, before: text(old), after: text(new) });
        }
    }
    turns
}

/// The words of the record that would change; nothing where none would.
pub fn changes(page: &mut Page<'_>, before: &EnvironmentRecord, after: &EnvironmentRecord) {
    let turns = turns(page.screen(), before, after);
    if turns.is_empty() {
        return;
    }
    page.heading("Environment");
    for turn in turns {
        let text = format!("{}: {} → {}", turn.name, turn.before, turn.after);
        page.item(2, ("~", Hue::Warn), &text);
    }
}

/// The record as JSON, without the blueprint's text.
#[must_use]
pub fn json(record: &EnvironmentRecord) -> Json {
    let (ttl, until) = match record.term {
        Term::For(duration) => (Some(duration.to_string()), None),
        Term::Until(instant) => (None, Some(instant.to_string())),
    };
    json!({
        "name": record.name,
        "owner": record.identity.owner,
        "team": record.identity.team,
        "project": record.identity.project,
        "purpose": record.identity.purpose,
        "value": record.identity.value,
        "budget": cost::budget_json(&record.budget),
        "blueprint": {
            "name": record.blueprint.name,
            "version": record.blueprint.version,
            "digest": record.blueprint.digest.to_string(),
            "published": record.blueprint.published,
            "origin": record.blueprint.origin,
        },
        "inputs": value::named(&record.inputs),
        "root": record.root,
        "ttl": ttl,
        "until": until,
        "start": record.start.map(|start| start.to_string()),
        "on_expiry": match record.on_expiry {
            OnExpiry::KeepData => "keep-data",
            OnExpiry::DeleteData => "delete-data",
        },
    })
}

/// A life as JSON.
#[must_use]
pub fn life_json(life: Option<Life>) -> Json {
    match life {
        None => Json::Null,
        Some(life) => {
            json!({ "start": life.start.to_string(), "expiry": life.expiry.to_string() })
        }
    }
}

/// Who acted, as JSON.
#[must_use]
pub fn actor_json(actor: &Actor) -> Json {
    json!({
        "name": actor.name,
        "kind": match actor.kind {
            ActorKind::Human => "human",
            ActorKind::Agent => "agent",
            ActorKind::Service => "service",
            ActorKind::User => "user",
        },
        "proof": match actor.proof {
            Proof::OsUser => "os_user",
            Proof::SshKey => "ssh_key",
            Proof::Oidc => "oidc",
        },
        "door": match actor.door {
            Door::Terminal => "terminal",
            Door::Script => "script",
            Door::Cron => "cron",
            Door::Ci => "ci",
            Door::Mcp => "mcp",
        },
    })
}
