//! What must always hold of a store, as numbered rules.
//!
//! Rules below 100 are about the journal and its index, from 100 about one snapshot, from 200 about
//! the ledger, from 300 about both agreeing. Folding keeps them by construction; that they are
//! checked all the same is what `gov state verify` and the tests are for. Start with [`check`].

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::graph::Dag;
use crate::model::address::Address;
use crate::model::address::ResourceName;
use crate::state::snapshot::Phase;
use crate::state::snapshot::Snapshot;
use crate::state::snapshot::StepState;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// A rule: its number, which never changes its meaning, and what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its number.
    pub number: u16,
    /// What holds.
    pub holds: &'static str,
}

/// Frames are intact, complete, and each follows from the one before it.
pub const JOURNAL: Rule = rule(1, "the journal is one unbroken chain of intact frames");
/// Nothing lies behind the last frame.
pub const TAIL: Rule = rule(2, "the journal ends with a frame");
/// The index is what folding the journal gives.
pub const INDEX: Rule = rule(3, "the index is what the journal gives");

const OBJECTS: Rule = rule(101, "a resource has an object, or one put aside");
const UNCERTAIN: Rule = rule(102, "an unknown outcome is one of a step that was begun");
const DEPENDENCIES: Rule = rule(103, "dependencies run in no circle");
const LIFE: Rule = rule(104, "a life starts before it ends");
const KEYS: Rule = rule(105, "what is filed under an address has that address");
const HELD: Rule = rule(106, "what is held exists");
const TOKEN: Rule = rule(107, "a lease has a token");
const ENDED: Rule = rule(108, "an environment that has ended has nothing left");
const RUN: Rule = rule(109, "an open run is the environment's own, and so are its steps");
const MARKERS: Rule = rule(110, "a create is looked for by the marker that it carried");

const NAMES: Rule = rule(201, "a name stands for the one living environment of that name");
const FILED: Rule = rule(202, "a summary is filed under its id");
const PARTS: Rule = rule(203, "what is held, bare or put aside in a summary exists");
const TOKENS: Rule = rule(204, "no token is larger than the largest ever given");
const IDENTITY: Rule = rule(205, "a store with history has an identity");

const SAME_RECORD: Rule = rule(301, "summary and snapshot tell the same of the environment");
const SAME_RESOURCES: Rule = rule(302, "summary and snapshot tell the same resources");
const SAME_RUN: Rule = rule(303, "summary and snapshot tell the same run");
const SAME_LEASE: Rule = rule(304, "summary and snapshot tell the same lease");
const SAME_REVISIONS: Rule = rule(305, "summary and snapshot have counted the same batches");

const fn rule(number: u16, holds: &'static str) -> Rule {
    Rule { number, holds }
}

impl Rule {
    /// This rule, broken.
    pub fn violated(self, about: impl Into<String>, detail: impl Into<String>) -> Violation {
        Violation { rule: self, about: about.into(), detail: detail.into() }
    }
}

/// A rule that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// Of what: an environment, a place in the journal.
    pub about: String,
    /// What is so instead.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, about, detail } = self;
        write!(f, "rule {} ({}) is broken for {about}: {detail}", rule.number, rule.holds)
    }
}

/// Collects violations about one thing.
struct Findings {
    about: String,
    found: Vec<Violation>,
}

impl Findings {
    fn new(about: impl fmt::Display) -> Self {
        Self { about: about.to_string(), found: Vec::new() }
    }

    fn require(&mut self, rule: Rule, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.found.push(rule.violated(self.about.clone(), detail()));
        }
    }
}

/// The rules about one snapshot.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Vec<Violation> {
    let mut findings = Findings::new(snapshot.id);
    for (address, record) in &snapshot.resources {
        let some = record.object.is_some() || !record.deposed.is_empty();
        findings.require(OBJECTS, some, || format!("{address} has none"));
        findings.require(KEYS, record.address == *address, || format!("{address}"));
    }
    check_uncertain(snapshot, &mut findings);
    if let Some(address) = circular(snapshot) {
        findings.require(DEPENDENCIES, false, || format!("{address} comes after itself"));
    }
    if let Phase::Alive(life) = &snapshot.phase {
        let (start, expiry) = (life.start, life.expiry);
        findings.require(LIFE, start <= expiry, || format!("from {start} to {expiry}"));
    }
    for address in &snapshot.held {
        let exists = snapshot.resources.contains_key(address);
        findings.require(HELD, exists, || format!("{address} is gone"));
    }
    if let Some(lease) = &snapshot.lease {
        findings.require(TOKEN, lease.token > 0, || format!("{} has none", lease.lease));
    }
    if let Phase::Ended(time) = snapshot.phase {
        let nothing = snapshot.resources.is_empty()
            && snapshot.uncertain.is_empty()
            && snapshot.run.is_none();
        findings.require(ENDED, nothing, || format!("ended at {time}"));
    }
    check_run(snapshot, &mut findings);
    findings.found
}

fn check_uncertain(snapshot: &Snapshot, findings: &mut Findings) {
    for (address, intent) in &snapshot.uncertain {
        let filed = intent.address == *address && intent.record.address == *address;
        findings.require(KEYS, filed, || format!("the intent of {address}"));
        if let Some(open) = snapshot.run.as_ref().filter(|open| open.run == intent.run) {
            let begun = matches!(
                open.steps.get(&intent.step), Some(StepState::Intended(kept)) if kept == intent
            );
            let step = intent.step.0;
            findings.require(UNCERTAIN, begun, || format!("{address}, step {step}"));
        }
        if let (true, Some(marker)) = (intent.action.creates(), &intent.record.marker) {
            findings.require(MARKERS, *marker == intent.marker, || format!("{address}"));
        }
    }
}

fn check_run(snapshot: &Snapshot, findings: &mut Findings) {
    let Some(open) = &snapshot.run else { return };
    let own = open.plan.environment == snapshot.id;
    findings.require(RUN, own, || format!("run {} is another's", open.run));
    let planned: BTreeSet<_> = open.plan.steps.iter().map(|step| step.id).collect();
    for (step, state) in &open.steps {
        findings.require(RUN, planned.contains(step), || format!("step {} is in no plan", step.0));
        if let StepState::Intended(intent) = state {
            let waits = snapshot.uncertain.get(&intent.address) == Some(intent);
            findings.require(UNCERTAIN, waits, || format!("step {} is not awaited", step.0));
        }
    }
}

/// The path along which blocks were made from each other in a circle, where there is one.
fn circular(snapshot: &Snapshot) -> Option<String> {
    let known: BTreeSet<&ResourceName> =
        snapshot.resources.keys().map(|address| &address.resource).collect();
    let mut made_from: Dag<&ResourceName> = Dag::new();
    for record in snapshot.resources.values() {
        // What was dropped from the books orders nothing any more.
        for earlier in record.dependencies.iter().filter(|name| known.contains(name)) {
            made_from.edge(&record.address.resource, earlier);
        }
    }
    made_from.order().err().map(|cycle| cycle.to_string())
}

/// The rules about a ledger.
#[must_use]
pub fn check_ledger(ledger: &Ledger) -> Vec<Violation> {
    let mut findings = Findings::new("the ledger");
    for (name, id) in &ledger.names {
        let living = ledger.environments.get(id).filter(|summary| summary.ended.is_none());
        let same = living.is_some_and(|summary| summary.name == *name);
        findings.require(NAMES, same, || format!("{name} stands for {id}"));
    }
    let identified = ledger.globals.store.is_some() || ledger.environments.is_empty();
    findings.require(IDENTITY, identified, || "it has environments and none".to_owned());
    for (id, summary) in &ledger.environments {
        findings.about = id.to_string();
        findings.require(FILED, summary.id == *id, || format!("it is {}", summary.id));
        let named = summary.ended.is_some() || ledger.names.get(&summary.name) == Some(id);
        findings.require(NAMES, named, || format!("{} is not its name", summary.name));
        let parts = summary.held.iter().chain(&summary.bare).chain(summary.deposed.keys());
        for address in parts {
            let exists = summary.addresses.contains(address);
            findings.require(PARTS, exists, || format!("{address} is gone"));
        }
        if let Some(lease) = &summary.lease {
            let (token, last) = (lease.token, summary.token_last);
            findings.require(TOKENS, token <= last, || format!("{token} is above {last}"));
        }
        if let Some(life) = &summary.life {
            let (start, expiry) = (life.start, life.expiry);
            findings.require(LIFE, start <= expiry, || format!("from {start} to {expiry}"));
        }
    }
    findings.found
}

/// The rules about a snapshot and the summary of the same environment.
#[must_use]
pub fn compare(snapshot: &Snapshot, summary: &Summary) -> Vec<Violation> {
    let mut findings = Findings::new(snapshot.id);
    let record = &snapshot.record;
    let same = snapshot.id == summary.id
        && record.name == summary.name
        && record.identity == summary.identity
        && record.budget == summary.budget
        && record.start == summary.start
        && snapshot.created == summary.created;
    findings.require(SAME_RECORD, same, || "name, identity, budget or start".to_owned());
    let (life, ended) = match snapshot.phase {
        Phase::Waiting => (None, None),
        Phase::Alive(life) => (Some(life), None),
        // What its life was is not kept beyond its end.
        Phase::Ended(time) => (summary.life, Some(time)),
    };
    findings.require(SAME_RECORD, (life, ended) == (summary.life, summary.ended), || {
        format!("life {life:?} and end {ended:?}, or {:?} and {:?}", summary.life, summary.ended)
    });
    compare_resources(snapshot, summary, &mut findings);
    let run = snapshot.run.as_ref().map(|open| open.run);
    findings.require(SAME_RUN, (run, snapshot.reaping) == (summary.run, summary.reaping), || {
        format!("{run:?} or {:?}", summary.run)
    });
    let lease = snapshot.lease.as_ref().map(|l| (l.lease, l.token, &l.holder, l.since));
    let other = summary.lease.as_ref().map(|l| (l.lease, l.token, &l.holder, l.since));
    findings.require(SAME_LEASE, lease == other, || format!("{lease:?} or {other:?}"));
    let counted = (snapshot.resources_revision, snapshot.life_revision);
    let other = (summary.resources_revision, summary.life_revision);
    findings.require(SAME_REVISIONS, counted == other, || format!("{counted:?} or {other:?}"));
    findings.found
}

fn compare_resources(snapshot: &Snapshot, summary: &Summary, findings: &mut Findings) {
    let addresses: BTreeSet<&Address> = snapshot.resources.keys().collect();
    let bare = snapshot.resources.iter().filter(|(_, record)| record.object.is_none());
    let bare: BTreeSet<&Address> = bare.map(|(address, _)| address).collect();
    let deposed = snapshot.resources.iter().filter(|(_, record)| !record.deposed.is_empty());
    let deposed: BTreeMap<&Address, BTreeSet<&String>> =
        deposed.map(|(address, record)| (address, record.deposed.keys().collect())).collect();
    let other: BTreeMap<&Address, BTreeSet<&String>> =
        summary.deposed.iter().map(|(address, keys)| (address, keys.iter().collect())).collect();
    let sets = [
        ("resources", addresses, &summary.addresses),
        ("resources without an object", bare, &summary.bare),
        ("held", snapshot.held.iter().collect(), &summary.held),
        ("uncertain", snapshot.uncertain.keys().collect(), &summary.uncertain),
    ];
    for (what, ours, theirs) in sets {
        let same = ours.iter().copied().eq(theirs.iter());
        findings.require(SAME_RESOURCES, same, || format!("{what}: {ours:?} or {theirs:?}"));
    }
    findings.require(SAME_RESOURCES, deposed == other, || {
        format!("objects put aside: {deposed:?} or {other:?}")
    });
}
