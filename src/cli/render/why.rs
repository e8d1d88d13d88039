//! Why an environment exists: purpose, owner, decisions, cost and life in one record.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::cost;
use super::decision;
use super::document;
use super::environment;
use super::history;
use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::time;
use super::value;
use crate::model::cost::Cost;
use crate::model::event::Event;
use crate::model::event::Recorded;
use crate::model::lifetime::Timestamp;
use crate::state::snapshot::Phase;
use crate::state::snapshot::Snapshot;

/// What the record is made from.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The environment.
    pub snapshot: &'a Snapshot,
    /// What it costs in a month, by its last admitted plan.
    pub cost: Option<&'a Cost>,
    /// Its history, in order.
    pub events: &'a [Recorded],
    /// Who answers for cost, compliance, security and engineering, where the trust root says.
    pub answerable: &'a BTreeMap<String, String>,
    /// Now.
    pub now: Timestamp,
}

/// The record as text.
#[must_use]
pub fn text(screen: &Screen, asked: &Asked<'_>) -> String {
    let snapshot = asked.snapshot;
    let record = &snapshot.record;
    let mut page = Page::new(screen);
    page.heading(&format!("Why {} exists", clean(&record.name)));
    for sentence in sentences(asked) {
        page.prose(2, &sentence);
    }
    page.heading("Decisions");
    let mut any = false;
    for recorded in asked.events {
        let Some(decided) = history::decision_of(&recorded.event) else { continue };
        any = true;
        let text = format!(
            "{} {} {}",
            time::instant(recorded.leaf.time),
            clean(&recorded.leaf.actor.name),
            history::words(&recorded.event)
        );
        page.item(2, ("·", Hue::Faint), &text);
        decision::rationale(&mut page, decided);
    }
    if !any {
        page.prose(2, "None yet.");
    }
    page.finish()
}

fn sentences(asked: &Asked<'_>) -> Vec<String> {
    let snapshot = asked.snapshot;
    let record = &snapshot.record;
    let identity = &record.identity;
    let mut sentences = vec![format!("It exists because: {}", value::quoted(&identity.purpose))];
    if let Some(worth) = &identity.value {
        sentences.push(format!("Its value was declared as {}.", value::quoted(worth)));
    }
    sentences.push(clean(&format!(
        "{} answers for it, in team {}, for project {}.",
        identity.owner, identity.team, identity.project
    )));
    for (function, name) in asked.answerable {
        sentences.push(clean(&format!("{name} answers for {function}.")));
    }
    let by = asked.events.iter().find_map(|recorded| match &recorded.event {
        Event::EnvironmentCreated { .. } => Some(recorded.leaf.actor.name.as_str()),
        _ => None,
    });
    let recorded = time::when(asked.now, snapshot.created);
    sentences.push(match by {
        Some(by) => format!("{} recorded it {recorded}.", clean(by)),
        None => format!("It was recorded {recorded}."),
    });
    sentences.push(format!("It is made from {}.", environment::blueprint(record)));
    let budget = match cost::budget(&record.budget) {
        Some(budget) => format!("its budget is {budget}"),
        None => "no budget is stated".to_owned(),
    };
    sentences.push(match asked.cost {
        Some(cost) => format!("It costs {} a month; {budget}.", cost::text(cost)),
        None => format!("What it costs is not known before its first run; {budget}."),
    });
    sentences.push(match &snapshot.phase {
        Phase::Waiting => "Its life has not begun.".to_owned(),
        Phase::Alive(life) => format!("It {}.", environment::life(asked.now, *life)),
        Phase::Ended(ended) => format!("It ended {}.", time::when(asked.now, *ended)),
    });
    let resources = super::text::count(snapshot.resources.len(), "resource");
    sentences.push(format!("It has {resources}; `gov show {}` lists them.", clean(&record.name)));
    sentences
}

/// The record as a document.
#[must_use]
pub fn json(asked: &Asked<'_>) -> Json {
    let snapshot = asked.snapshot;
    let decisions = asked.events.iter().filter_map(|recorded| {
        let decided = history::decision_of(&recorded.event)?;
        Some(json!({
            "time": recorded.leaf.time.to_string(),
            "actor": environment::actor_json(&recorded.leaf.actor),
            "words": history::words(&recorded.event),
            "decision": decision::json(decided),
        }))
    });
    let body = json!({
        "id": snapshot.id.to_string(),
        "record": environment::json(&snapshot.record),
        "created": snapshot.created.to_string(),
        "life": environment::life_json(snapshot.life()),
        "cost_monthly": asked.cost.map(cost::json),
        "resources": snapshot.resources.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "decisions": decisions.collect::<Vec<_>>(),
    });
    document("why", body)
}
