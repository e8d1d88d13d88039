//! One environment, whole: what it was asked to be, what it is, and who is at it.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::cost;
use super::document;
use super::environment;
use super::output;
use super::page::Page;
use super::plan_json;
use super::table;
use super::table::Column;
use super::table::Field;
use super::text::Hue;
use super::text::clean;
use super::time;
use super::value;
use crate::model::cost::Cost;
use crate::model::environment::ResourceRecord;
use crate::model::lifetime::Timestamp;
use crate::state::snapshot::OpenRun;
use crate::state::snapshot::Phase;
use crate::state::snapshot::Snapshot;
use crate::state::snapshot::StepState;

/// Screens from this width on have room for where a resource comes from and lies.
const WIDTH_MEDIUM: usize = 90;

/// An environment with what is known beside it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The environment.
    pub snapshot: &'a Snapshot,
    /// What it costs in a month.
    pub cost: Option<&'a Cost>,
    /// Why it is frozen, where it is.
    pub frozen: Option<&'a str>,
    /// Whether the holder of its lease may still be at work: not surely dead.
    pub may_wake: bool,
    /// Now.
    pub now: Timestamp,
}

/// An environment as text.
#[must_use]
pub fn text(screen: &Screen, shown: &Shown<'_>) -> String {
    let snapshot = shown.snapshot;
    let mut page = Page::new(screen);
    page.heading(&format!("Environment {}", clean(&snapshot.record.name)));
    page.pair("id", &snapshot.id.to_string());
    environment::record(&mut page, &snapshot.record);
    page.pair("recorded", &time::when(shown.now, snapshot.created));
    page.pair("life", &phase(shown));
    page.pair_if("a month", shown.cost.map(cost::text));
    page.pair_if("frozen", shown.frozen.map(|why| format!("since {}", clean(why))));
    resources(&mut page, snapshot);
    troubles(&mut page, shown);
    if !snapshot.outputs.is_empty() {
        page.heading("Outputs");
        page.block(&output::lines(screen, &snapshot.outputs));
    }
    page.finish()
}

fn phase(shown: &Shown<'_>) -> String {
    let now = shown.now;
    match &shown.snapshot.phase {
        Phase::Waiting => match shown.snapshot.record.start {
            Some(start) => format!("starts {}", time::when(now, start)),
            None => "has not begun".to_owned(),
        },
        Phase::Alive(life) => environment::life(now, *life),
        Phase::Ended(time) => format!("ended {}", time::when(now, *time)),
    }
}

/// What is the matter with a resource, in a word or two.
fn condition(snapshot: &Snapshot, record: &ResourceRecord) -> (String, Hue) {
    let mut words = Vec::new();
    let mut hue = Hue::Good;
    if snapshot.uncertain.contains_key(&record.address) {
        words.push("uncertain");
        hue = Hue::Bad;
    }
    if snapshot.held.contains(&record.address) {
        words.push("held");
        hue = Hue::Warn;
    }
    match &record.object {
        None => {
            words.push("absent");
            hue = Hue::Bad;
        }
        Some(object) if object.tainted => {
            words.push("half made");
            hue = Hue::Bad;
        }
        Some(_) => {}
    }
    if !record.deposed.is_empty() {
        words.push("old one left");
        hue = Hue::Warn;
    }
    if words.is_empty() {
        words.push("exists");
    }
    (words.join(", "), hue)
}

fn resources(page: &mut Page<'_>, snapshot: &Snapshot) {
    page.heading("Resources");
    if snapshot.resources.is_empty() {
        page.prose(2, "None.");
        return;
    }
    let columns = [
        Column::words("ADDRESS"),
        Column::words("PROVIDER").from_width(WIDTH_MEDIUM),
        Column::words("REGION").from_width(WIDTH_MEDIUM),
        Column::words("DATA"),
        Column::words("STATE"),
    ];
    let row = |record: &ResourceRecord| {
        let (state, hue) = condition(snapshot, record);
        vec![
            Field::new(clean(&record.address.to_string())),
            Field::new(clean(&record.source)),
            Field::new(clean(record.facts.region.as_deref().unwrap_or("-"))),
            Field::new(if record.facts.bears_data { "yes" } else { "no" }),
            Field::new(state).paint(hue),
        ]
    };
    let rows = snapshot.resources.values().map(row).collect();
    page.block(&table::table(page.screen(), &columns, rows));
}

fn troubles(page: &mut Page<'_>, shown: &Shown<'_>) {
    let snapshot = shown.snapshot;
    let name = clean(&snapshot.record.name);
    if let Some(lease) = &snapshot.lease {
        page.heading("Lease");
        let holder = &lease.holder;
        page.pair("holder", &clean(&format!("{} with `{}`", holder.actor, holder.operation)));
        page.pair("process", &clean(&format!("{} on {}", holder.pid, holder.host)));
        page.pair("since", &time::when(shown.now, lease.since));
        page.pair("lease", &lease.lease.to_string());
        if !shown.may_wake {
            page.prose(2, "Its holder is dead; whoever comes next takes over at once.");
        }
    }
    if let Some(run) = &snapshot.run {
        let at_work = snapshot.lease.is_some() && shown.may_wake;
        page.heading(if at_work { "Run under way" } else { "Interrupted run" });
        page.pair("opened", &time::when(shown.now, run.opened));
        page.pair("steps", &progress(run));
        if !at_work {
            page.item(2, ("→", Hue::Calm), &format!("`gov apply {name}` goes on with it."));
        }
    }
    if !snapshot.uncertain.is_empty() && snapshot.run.is_none() {
        page.heading("Unknown outcomes");
        for (address, intent) in &snapshot.uncertain {
            let address = clean(&address.to_string());
            page.item(2, ("?", Hue::Bad), &format!("{} {address}", intent.action.name()));
            page.prose(6, &format!("Where it exists: gov import {name} '{address}' ID"));
            page.prose(
                6,
                &format!("Where it does not: gov forget {name} '{address}' --reason \"…\""),
            );
        }
    }
    if !snapshot.held.is_empty() {
        page.heading("Held past the end");
        for address in &snapshot.held {
            page.item(2, ("!", Hue::Warn), &clean(&address.to_string()));
        }
        page.item(
            2,
            ("→", Hue::Calm),
            &format!("`gov destroy {name}`, confirmed by a human, lets them go."),
        );
    }
    if !snapshot.accepted.is_empty() {
        page.heading("Drift taken as intended");
        for (address, attributes) in &snapshot.accepted {
            let names: Vec<String> = attributes.iter().map(|name| clean(name)).collect();
            let address = clean(&address.to_string());
            page.item(2, ("·", Hue::Faint), &format!("{address}: {}", names.join(", ")));
        }
    }
}

/// How far an open run has come, in words.
fn progress(run: &OpenRun) -> String {
    let (mut done, mut failed, mut open) = (0_usize, 0_usize, 0_usize);
    for state in run.steps.values() {
        match state {
            StepState::Succeeded => done += 1,
            StepState::Failed { .. } => failed += 1,
            StepState::Intended(_) => open += 1,
        }
    }
    let all = run.plan.steps.len();
    format!("{done} of {all} done, {failed} failed, {open} begun and not known to have ended")
}

/// An environment as a document.
#[must_use]
pub fn json(shown: &Shown<'_>) -> Json {
    let snapshot = shown.snapshot;
    let (phase, life, ended) = match &snapshot.phase {
        Phase::Waiting => ("waiting", None, None),
        Phase::Alive(life) => ("alive", Some(*life), None),
        Phase::Ended(time) => ("ended", None, Some(time.to_string())),
    };
    let uncertain = snapshot.uncertain.iter().map(|(address, intent)| {
        json!({
            "address": address.to_string(),
            "action": intent.action.name(),
            "attempt": intent.attempt,
            "marker": intent.marker.to_string(),
        })
    });
    let texts = |set: &std::collections::BTreeSet<crate::model::address::Address>| {
        set.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let resources = snapshot.resources.values().map(|record| resource(snapshot, record));
    let body = json!({
        "id": snapshot.id.to_string(),
        "record": environment::json(&snapshot.record),
        "created": snapshot.created.to_string(),
        "phase": phase,
        "life": environment::life_json(life),
        "ended": ended,
        "reaping": snapshot.reaping,
        "cost_monthly": shown.cost.map(cost::json),
        "frozen": shown.frozen,
        "resources": resources.collect::<Vec<_>>(),
        "uncertain": uncertain.collect::<Vec<_>>(),
        "held": texts(&snapshot.held),
        "outputs": value::named(&snapshot.outputs),
        "lease": snapshot.lease.as_ref().map(|lease| json!({
            "id": lease.lease.to_string(),
            "actor": lease.holder.actor,
            "operation": lease.holder.operation,
            "host": lease.holder.host,
            "pid": lease.holder.pid,
            "since": lease.since.to_string(),
        })),
        "run": snapshot.run.as_ref().map(|run| json!({
            "id": run.run.to_string(),
            "opened": run.opened.to_string(),
            "plan_kind": plan_json::kind_name(run.plan.kind),
            "steps": run.plan.steps.len(),
            "steps_begun": run.steps.len(),
        })),
    });
    document("environment", body)
}

fn resource(snapshot: &Snapshot, record: &ResourceRecord) -> Json {
    json!({
        "address": record.address.to_string(),
        "provider": record.source,
        "region": record.facts.region,
        "bears_data": record.facts.bears_data,
        "state": condition(snapshot, record).0,
        "attributes": record.object.as_ref().map(|object| object.value.to_plain_json()),
    })
}
