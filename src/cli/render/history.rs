//! What happened, one line for each event, in words.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::decision;
use super::document;
use super::ending;
use super::environment;
use super::plan;
use super::text::Hue;
use super::text::clean;
use super::text::count;
use super::text::pad;
use super::time;
use crate::model::event::Event;
use crate::model::event::FreezeScope;
use crate::model::event::Recorded;
use crate::model::event::Settled;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Life;

/// Columns of an actor, so that what they did stands below each other.
const ACTOR_COLUMNS: usize = 18;

/// A history as text. `names` are put in front where it is of more than one environment.
#[must_use]
pub fn text(
    screen: &Screen,
    events: &[Recorded],
    names: Option<&BTreeMap<EnvironmentId, String>>,
) -> String {
    if events.is_empty() {
        return "Nothing has happened yet.\n".to_owned();
    }
    let mut text = String::new();
    for recorded in events {
        let leaf = &recorded.leaf;
        let time = screen.paint(Hue::Faint, &time::instant(leaf.time));
        let actor = pad(&clean(&leaf.actor.name), ACTOR_COLUMNS);
        let name = names
            .zip(leaf.env)
            .map(|(names, id)| names.get(&id).map_or_else(|| id.to_string(), |name| clean(name)));
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        text.push_str(&format!("{time}  {actor}  {name}{}\n", words(&recorded.event)));
    }
    text
}

/// An event in words, without a full stop.
#[must_use]
pub fn words(event: &Event) -> String {
    match event {
        Event::StoreCreated { .. } => "made the store".to_owned(),
        Event::EnvironmentCreated { record } => clean(&format!(
            "recorded environment {} from {} {}, owned by {}, because: {}",
            record.name,
            record.blueprint.name,
            record.blueprint.version,
            record.identity.owner,
            record.identity.purpose
        )),
        Event::EnvironmentChanged { record } => clean(&format!(
            "asked for it as {} {}, owned by {}, because: {}",
            record.blueprint.name,
            record.blueprint.version,
            record.identity.owner,
            record.identity.purpose
        )),
        Event::LifeStarted { life } => {
            format!("began its life, which ends {}", time::instant(life.expiry))
        }
        Event::LifeExtended { from, to, reason, .. } => {
            format!("extended its life {}, because: {}", turn(from, to), clean(reason))
        }
        Event::LifeExpired { from, to, reason, .. } => {
            format!("ended its life early {}, because: {}", turn(from, to), clean(reason))
        }
        Event::EnvironmentEnded { reason } => {
            format!("ended the environment, because {}", clean(reason))
        }
        Event::LeaseTaken { holder, from, .. } => {
            let over = if from.is_some() { ", taking it over" } else { "" };
            clean(&format!("took the lease for `{}` on {}{over}", holder.operation, holder.host))
        }
        Event::LeaseReleased { broken: None, .. } => "gave the lease back".to_owned(),
        Event::LeaseReleased { broken: Some(reason), .. } => {
            format!("broke the lease, because: {}", clean(reason))
        }
        Event::Frozen { scope, reason } => {
            format!("froze {}, because: {}", scope_words(*scope), clean(reason))
        }
        Event::Unfrozen { scope, reason } => {
            format!("unfroze {}, because: {}", scope_words(*scope), clean(reason))
        }
        Event::DecisionRecorded { decision } => refusal(decision),
        Event::ReaperRan { due, reaped, held, failed } => {
            format!("ran the reaper: {due} due, {reaped} reaped, {held} held, {failed} failed")
        }
        Event::RunOpened { .. }
        | Event::StepIntended(_)
        | Event::StepSettled { .. }
        | Event::RunClosed { .. } => run_words(event),
        Event::ResourceObserved { .. }
        | Event::ResourceRevised { .. }
        | Event::ResourceImported { .. }
        | Event::ResourceForgotten { .. }
        | Event::ResourceMoved { .. }
        | Event::ResourcesHeld { .. }
        | Event::DriftAccepted { .. } => resource_words(event),
    }
}

fn turn(from: &Life, to: &Life) -> String {
    format!("from {} to {}", time::instant(from.expiry), time::instant(to.expiry))
}

fn scope_words(scope: FreezeScope) -> &'static str {
    match scope {
        FreezeScope::All => "everything",
        FreezeScope::Environment(_) => "the environment",
    }
}

fn refusal(decision: &crate::model::decision::Decision) -> String {
    let rules: Vec<String> = decision.findings.iter().map(|it| clean(&it.rule)).collect();
    let by = if rules.is_empty() { String::new() } else { format!(" ({})", rules.join(", ")) };
    format!("asked to {}: {}{by}", decision.act.name(), decision::outcome(decision))
}

fn run_words(event: &Event) -> String {
    match event {
        Event::RunOpened { plan, decision, .. } => {
            let counts = plan::summary(plan);
            let counts = counts.trim_start_matches("Plan: ").trim_end_matches('.');
            format!("was allowed to {} and began: {counts}", decision.act.name())
        }
        Event::StepIntended(intent) => {
            let again = if intent.attempt > 1 {
                format!(", attempt {}", intent.attempt)
            } else {
                String::new()
            };
            clean(&format!("begins to {} {}{again}", intent.action.name(), intent.address))
        }
        Event::StepSettled { address, settled, .. } => {
            let address = clean(&address.to_string());
            match settled {
                Settled::Present { error: None, .. } => format!("{address} is there"),
                Settled::Present { error: Some(error), .. } => {
                    format!("{address} is there in part: {}", clean(error))
                }
                Settled::Absent { deposed: None } => format!("{address} is gone"),
                Settled::Absent { deposed: Some(_) } => format!("the old {address} is gone"),
                Settled::Refused { error } => format!("{address} was refused: {}", clean(error)),
                Settled::Unknown { error } => {
                    format!("nobody knows what became of {address}: {}", clean(error))
                }
            }
        }
        Event::RunClosed { outcome, reason, .. } => {
            let why = reason.as_deref().map(|why| format!(", since {}", clean(why)));
            format!(
                "closed the run as {}{}",
                ending::outcome_name(*outcome),
                why.unwrap_or_default()
            )
        }
        other => other.type_name().to_owned(),
    }
}

fn resource_words(event: &Event) -> String {
    let text = match event {
        Event::ResourceObserved { address, object: Some(_) } => {
            format!("found {address} changed outside gov")
        }
        Event::ResourceObserved { address, object: None } => {
            format!("found {address} deleted outside gov")
        }
        Event::ResourceRevised { record } => {
            format!("noted what the blueprint says of {} now", record.address)
        }
        Event::ResourceImported { record, .. } => format!("took {} in", record.address),
        Event::ResourceForgotten { address, reason, .. } => {
            format!("dropped {address} from the books, because: {reason}")
        }
        Event::ResourceMoved { from, to, .. } => format!("renamed {from} to {to} in the books"),
        Event::ResourcesHeld { addresses, reason } => {
            let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("kept {}, since {reason}: {}", count(names.len(), "resource"), names.join(", "))
        }
        Event::DriftAccepted { address, attributes, .. } => {
            let names: Vec<&str> = attributes.iter().map(String::as_str).collect();
            format!("took drift of {address} as intended: {}", names.join(", "))
        }
        other => other.type_name().to_owned(),
    };
    clean(&text)
}

/// A history as a document.
#[must_use]
pub fn json(events: &[Recorded]) -> Json {
    let one = |recorded: &Recorded| {
        let leaf = &recorded.leaf;
        json!({
            "id": leaf.id.to_string(),
            "time": leaf.time.to_string(),
            "type": recorded.event.type_name(),
            "environment": leaf.env.map(|id| id.to_string()),
            "actor": environment::actor_json(&leaf.actor),
            "words": words(&recorded.event),
            "payload_digest": leaf.payload.to_string(),
            "decision": decision_of(&recorded.event).map(decision::json),
        })
    };
    document("history", json!({ "events": events.iter().map(one).collect::<Vec<_>>() }))
}

/// The decision that an event rests on, where it carries one.
#[must_use]
pub fn decision_of(event: &Event) -> Option<&crate::model::decision::Decision> {
    match event {
        Event::LifeExtended { decision, .. }
        | Event::LifeExpired { decision, .. }
        | Event::RunOpened { decision, .. }
        | Event::ResourceImported { decision, .. }
        | Event::ResourceForgotten { decision, .. }
        | Event::ResourceMoved { decision, .. }
        | Event::DriftAccepted { decision, .. }
        | Event::DecisionRecorded { decision } => Some(decision),
        _ => None,
    }
}
