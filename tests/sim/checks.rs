//! What must hold, watched from outside: the journal batch by batch, calls as they are made, and
//! the cloud's objects against the books.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use gov::model::event::Event;
use gov::model::event::Recorded;
use gov::model::id::EnvironmentId;
use gov::model::id::Marker;
use gov::model::lifetime::Clock;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Life;
use gov::model::plan::PlanKind;
use gov::model::plan::StepAction;
use gov::provider::ApplyCall;
use gov::provider::sim::Act;
use gov::provider::sim::SharedCloud;
use gov::state::Fence;
use gov::state::Preconditions;
use gov::state::integrity;
use gov::state::seal::Sealer;
use gov::state::snapshot::Snapshot;
use gov::state::summary::Ledger;

use super::wire::SimClock;

/// The tags that every taggable object carries from its create call on.
const TAGS: [&str; 5] = ["gov:environment", "gov:owner", "gov:team", "gov:project", "gov:purpose"];

/// What a `sim_database` costs in a month, and what an environment of a world may cost.
const DATABASES_MAX: usize = 2;

/// The journal as a stranger reads it, and what is wrong with it.
#[derive(Clone)]
pub struct Books(Arc<Mutex<Page>>);

struct Page {
    clock: Arc<SimClock>,
    ledger: Ledger,
    snapshots: BTreeMap<EnvironmentId, Option<Snapshot>>,
    /// Intents that no call has used yet.
    licences: BTreeMap<(Marker, Act), i64>,
    events: usize,
    wrong: Vec<String>,
}

impl Books {
    pub fn new(clock: Arc<SimClock>) -> Self {
        Self(Arc::new(Mutex::new(Page {
            clock,
            ledger: Ledger::default(),
            snapshots: BTreeMap::new(),
            licences: BTreeMap::new(),
            events: 0,
            wrong: Vec::new(),
        })))
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.0.lock().unwrap()
    }

    pub fn events(&self) -> usize {
        self.page().events
    }

    pub fn wrong(&self) -> Vec<String> {
        self.page().wrong.clone()
    }

    pub fn accuse(&self, what: impl Into<String>) {
        self.page().wrong.push(what.into());
    }

    pub fn ledger(&self) -> Ledger {
        self.page().ledger.clone()
    }

    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.page().snapshots.values().flatten().cloned().collect()
    }

    /// Reads everything anew, after history was lost.
    pub fn read_anew(&self, batches: &[Vec<Recorded>]) {
        let mut page = self.page();
        page.ledger = Ledger::default();
        page.snapshots.clear();
        for batch in batches {
            page.fold(batch);
        }
    }

    /// Takes in a batch that became durable.
    pub fn recorded(&self, batch: &[Recorded]) {
        self.page().take_in(batch);
    }

    /// INVARIANT (intent before effect): a call uses up an intent that was durable before.
    pub fn called(&self, apply: &ApplyCall, act: Act) {
        let mut page = self.page();
        let left = page.licences.entry((apply.marker.clone(), act)).or_insert(0);
        *left -= 1;
        if *left < 0 {
            page.wrong.push(format!("{act:?} of a {} was not intended", apply.kind));
        }
    }

    /// INVARIANT (state moves by compare-and-swap): nothing is written under a lease that is not
    /// the newest. Asked before the write.
    pub fn is_current(&self, fence: Fence) -> bool {
        let preconditions = Preconditions { fence: Some(fence), ..Preconditions::default() };
        self.page().ledger.check(&preconditions).is_ok()
    }

    /// Everything that exists is in the books, or an intent says that it may.
    pub fn account(&self, cloud: &SharedCloud, sealer: &Sealer) {
        let report = cloud.warden();
        let mut page = self.page();
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut looked_for: BTreeSet<Marker> = BTreeSet::new();
        for snapshot in page.snapshots.values().flatten() {
            for record in snapshot.resources.values() {
                for object in record.object.iter().chain(record.deposed.values()) {
                    let value = sealer.open(&object.value).unwrap();
                    known.extend(value.get("id").and_then(|id| id.as_str()).map(str::to_owned));
                }
            }
            looked_for.extend(snapshot.uncertain.values().map(|intent| intent.marker.clone()));
        }
        for witness in report.live.iter().filter(|witness| witness.marker.is_some()) {
            let marker = witness.marker.clone().unwrap();
            if !known.contains(&witness.id) && !looked_for.contains(&marker) {
                let text = format!("{} {} is in no book", witness.kind, witness.name);
                page.wrong.push(text);
            }
        }
        page.wrong.extend(report.untagged(&TAGS));
        for (marker, tally) in &report.markers {
            if tally.creates > tally.deletes + tally.vanished + 1 {
                page.wrong.push(format!("{} were made under {marker}", tally.creates));
            }
        }
    }

    /// What holds of environments that have come to what was asked of them.
    pub fn at_rest(&self, cloud: &SharedCloud, settled: &BTreeSet<EnvironmentId>) {
        let mut report = cloud.warden();
        report.live.retain(|witness| witness.environment.is_some_and(|id| settled.contains(&id)));
        let mut databases: BTreeMap<EnvironmentId, usize> = BTreeMap::new();
        for witness in report.live.iter().filter(|witness| witness.kind == "sim_database") {
            let Some(environment) = witness.environment else { continue };
            *databases.entry(environment).or_insert(0) += 1;
        }
        let mut page = self.page();
        page.wrong.extend(report.doubles());
        let over = databases.iter().filter(|(_, count)| **count > DATABASES_MAX);
        let over: Vec<String> =
            over.map(|(id, count)| format!("{id} is over budget with {count}")).collect();
        page.wrong.extend(over);
    }
}

impl Page {
    fn fold(&mut self, batch: &[Recorded]) {
        if let Err(error) = self.ledger.apply(batch) {
            self.wrong.push(format!("the ledger does not follow: {error}"));
        }
        let ids: BTreeSet<EnvironmentId> =
            batch.iter().filter_map(|recorded| recorded.leaf.env).collect();
        for id in ids {
            let snapshot = self.snapshots.entry(id).or_default();
            if let Err(error) = Snapshot::follow(snapshot, id, batch) {
                self.wrong.push(format!("the snapshot does not follow: {error}"));
            }
            let Some(snapshot) = snapshot else { continue };
            let mut violations = integrity::check(snapshot);
            if let Some(summary) = self.ledger.environments.get(&id) {
                violations.extend(integrity::compare(snapshot, summary));
            }
            self.wrong.extend(violations.iter().map(ToString::to_string));
        }
        let violations = integrity::check_ledger(&self.ledger);
        self.wrong.extend(violations.iter().map(ToString::to_string));
    }

    fn take_in(&mut self, batch: &[Recorded]) {
        for recorded in batch {
            self.judge(recorded, batch.len());
        }
        self.fold(batch);
        self.events += batch.len();
    }

    fn judge(&mut self, recorded: &Recorded, batched: usize) {
        let now = self.clock.now();
        match &recorded.event {
            Event::StepIntended(intent) => {
                let act = match intent.action {
                    StepAction::Create | StepAction::CreateBeside => Act::Create,
                    StepAction::Update => Act::Update,
                    StepAction::Delete | StepAction::DeleteDeposed => Act::Delete,
                    StepAction::Read => Act::ReadData,
                };
                *self.licences.entry((intent.marker.clone(), act)).or_insert(0) += 1;
                let Some(id) = recorded.leaf.env else { return };
                if let Some(reason) = self.ledger.frozen(id) {
                    self.wrong.push(format!("{} was begun while frozen: {reason}", intent.address));
                }
                let Some(Some(snapshot)) = self.snapshots.get(&id) else { return };
                let kind = snapshot.run.as_ref().map(|open| open.plan.kind);
                let makes = matches!(kind, Some(PlanKind::Apply | PlanKind::Remediate));
                if makes && snapshot.is_expired(now) {
                    self.wrong.push(format!("{} was begun after the expiry", intent.address));
                }
            }
            Event::LifeStarted { life } => self.judge_life(*life, life.start, 24),
            Event::LifeExtended { from, to, .. } => {
                self.judge_life(*to, from.expiry.max(now), 24);
                if to.expiry <= from.expiry || batched != 1 {
                    self.wrong.push("an expiry was moved by the way".to_owned());
                }
            }
            _ => {}
        }
    }

    /// G12 G14: a grant and the whole life are within their limits.
    fn judge_life(&mut self, life: Life, base: gov::model::lifetime::Timestamp, hours: u32) {
        let grant = life.expiry.since(base);
        let whole = life.expiry.since(life.start);
        if grant > Duration::from_hours(hours) || whole > Duration::from_hours(72) {
            self.wrong.push(format!("a life of {whole} was granted, {grant} at once"));
        }
    }
}
