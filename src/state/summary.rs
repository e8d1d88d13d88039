//! The small view of everything: one [`Summary`] for each environment and what concerns them all.
//!
//! It holds what listing, reaping and the preconditions of an append need and no resource bodies,
//! so that it stays small among ten thousand environments. It is what the index keeps.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::address::Address;
use crate::model::cost::Cost;
use crate::model::environment::Identity;
use crate::model::event::Event;
use crate::model::event::FreezeScope;
use crate::model::event::Holder;
use crate::model::event::Recorded;
use crate::model::event::Settled;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::id::RunId;
use crate::model::id::StoreId;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Life;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::plan::PlanKind;
use crate::state::Preconditions;
use crate::state::StoreError;
use crate::state::Stream;

/// Who holds an environment, as small as it gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseSummary {
    /// Which lease.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
    /// Who.
    pub holder: Holder,
    /// Since when.
    pub since: Timestamp,
}

/// An environment in a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Which.
    pub id: EnvironmentId,
    /// Its alias.
    pub name: String,
    /// Who and why.
    pub identity: Identity,
    /// Blueprint and version.
    pub blueprint: String,
    /// What it may cost.
    pub budget: Budget,
    /// When it was recorded.
    pub created: Timestamp,
    /// When it is to start, where that was asked for.
    pub start: Option<Timestamp>,
    /// Its life, once started.
    pub life: Option<Life>,
    /// How long it is left alone after its expiry.
    pub grace: Duration,
    /// When it ended, once it has.
    pub ended: Option<Timestamp>,
    /// What exists, or may exist.
    pub addresses: BTreeSet<Address>,
    /// Resources kept past its end.
    pub held: BTreeSet<Address>,
    /// Resources with an outcome that nobody knows.
    pub uncertain: BTreeSet<Address>,
    /// What it costs in a month, by its last admitted plan.
    pub cost: Option<Cost>,
    /// The run under way or interrupted.
    pub run: Option<RunId>,
    /// Whether a reaper has opened a run.
    pub reaping: bool,
    /// Who holds it.
    pub lease: Option<LeaseSummary>,
    /// The largest token ever given.
    pub token_last: u64,
    /// The revision of its resources.
    pub resources_revision: u64,
    /// The revision of its life.
    pub life_revision: u64,
    /// The revision of its lease.
    pub lease_revision: u64,
}

impl Summary {
    /// Whether it has started, not ended, and its expiry has come.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.life.is_some_and(|life| life.is_expired(now))
    }

    /// Whether the reaper should take it: expired, and its grace is over.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let over = |life: Life| now >= life.expiry.plus(self.grace);
        self.ended.is_none() && self.life.is_some_and(over)
    }
}

/// The reaper's last heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When.
    pub time: Timestamp,
    /// Environments with something held.
    pub held: u32,
    /// Environments where something failed.
    pub failed: u32,
}

/// What concerns all environments.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Globals {
    /// The store's identity; absent before its first event.
    pub store: Option<StoreId>,
    /// What is frozen, and why.
    pub frozen: Vec<(FreezeScope, String)>,
    /// The reaper's last heartbeat.
    pub reaper: Option<Heartbeat>,
    /// The time of the newest event.
    pub last: Option<Timestamp>,
    /// Revisions of streams that belong to no environment.
    pub revisions: Vec<(GlobalStream, u64)>,
}

/// A stream that belongs to no environment, in the form the index keeps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlobalStream {
    /// The use of a name.
    Name(String),
    /// What is frozen.
    Freeze,
    /// A budget.
    Budget(String),
    /// An approval.
    Approval(String),
    /// The reaper.
    Reaper,
}

/// The small view of everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// What concerns all.
    pub globals: Globals,
    /// Each environment, ended ones too.
    pub environments: BTreeMap<EnvironmentId, Summary>,
    /// Names in use.
    pub names: BTreeMap<String, EnvironmentId>,
}

impl Ledger {
    /// The environment that a name stands for now.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Summary> {
        self.environments.get(self.names.get(name)?)
    }

    /// Why nothing may start in an environment, where something is frozen.
    #[must_use]
    pub fn frozen(&self, environment: EnvironmentId) -> Option<&str> {
        let covering = |(scope, _): &&(FreezeScope, String)| super::covers(*scope, environment);
        self.globals.frozen.iter().find(covering).map(|(_, reason)| reason.as_str())
    }

    /// The revision of a stream.
    #[must_use]
    pub fn revision(&self, stream: &Stream) -> u64 {
        let of = |id: &EnvironmentId, pick: fn(&Summary) -> u64| {
            self.environments.get(id).map_or(0, pick)
        };
        let global = |wanted: GlobalStream| {
            let found = self.globals.revisions.iter().find(|(stream, _)| *stream == wanted);
            found.map_or(0, |(_, revision)| *revision)
        };
        match stream {
            Stream::Resources(id) => of(id, |summary| summary.resources_revision),
            Stream::Life(id) => of(id, |summary| summary.life_revision),
            Stream::Lease(id) => of(id, |summary| summary.lease_revision),
            Stream::Name(name) => global(GlobalStream::Name(name.clone())),
            Stream::Freeze => global(GlobalStream::Freeze),
            Stream::Budget(budget) => global(GlobalStream::Budget(budget.clone())),
            Stream::Approval(id) => global(GlobalStream::Approval(id.clone())),
            Stream::Reaper => global(GlobalStream::Reaper),
            Stream::Decisions | Stream::Store => 0,
        }
    }

    /// Whether preconditions hold.
    ///
    /// # Errors
    /// [`StoreError::Moved`] or [`StoreError::Fenced`], the first that does not hold.
    pub fn check(&self, preconditions: &Preconditions) -> Result<(), StoreError> {
        // INVARIANT (state moves by compare-and-swap): the fence first, since a fenced writer
        // must stop whatever else has moved.
        if let Some(fence) = preconditions.fence {
            let summary = self.environments.get(&fence.environment);
            let held = summary.and_then(|summary| summary.lease.as_ref());
            if held.is_none_or(|held| held.lease != fence.lease || held.token != fence.token) {
                let by = held.map_or("nobody (it was released)", |held| &held.holder.actor);
                return Err(StoreError::Fenced { by: by.to_owned() });
            }
        }
        for (stream, expected) in &preconditions.revisions {
            let actual = self.revision(stream);
            if actual != *expected {
                let stream = stream.clone();
                return Err(StoreError::Moved { stream, expected: *expected, actual });
            }
        }
        Ok(())
    }

    /// Takes in a batch, moving each stream it touches by one.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] for a batch that may not follow; the ledger must be dropped then.
    pub fn apply(&mut self, batch: &[Recorded]) -> Result<(), StoreError> {
        let mut touched: BTreeSet<Stream> = BTreeSet::new();
        for recorded in batch {
            let environment = recorded.leaf.env;
            let name = environment.and_then(|id| self.environments.get(&id));
            let name = name.map_or(String::new(), |summary| summary.name.clone());
            touched.extend(Stream::moved_by(&recorded.event, environment, &name));
            self.apply_one(recorded)?;
            self.globals.last = self.globals.last.max(Some(recorded.leaf.time));
        }
        for stream in touched {
            self.advance(stream);
        }
        Ok(())
    }

    fn advance(&mut self, stream: Stream) {
        let global = match stream {
            Stream::Resources(id) => {
                return self.summary_mut(id, |summary| &mut summary.resources_revision);
            }
            Stream::Life(id) => return self.summary_mut(id, |summary| &mut summary.life_revision),
            Stream::Lease(id) => {
                return self.summary_mut(id, |summary| &mut summary.lease_revision);
            }
            Stream::Name(name) => GlobalStream::Name(name),
            Stream::Freeze => GlobalStream::Freeze,
            Stream::Budget(budget) => GlobalStream::Budget(budget),
            Stream::Approval(id) => GlobalStream::Approval(id),
            Stream::Reaper => GlobalStream::Reaper,
            Stream::Decisions | Stream::Store => return,
        };
        match self.globals.revisions.iter_mut().find(|(stream, _)| *stream == global) {
            Some((_, revision)) => *revision = revision.saturating_add(1),
            None => self.globals.revisions.push((global, 1)),
        }
    }

    fn summary_mut(&mut self, id: EnvironmentId, pick: fn(&mut Summary) -> &mut u64) {
        if let Some(summary) = self.environments.get_mut(&id) {
            let revision = pick(summary);
            *revision = revision.saturating_add(1);
        }
    }

    fn apply_one(&mut self, recorded: &Recorded) -> Result<(), StoreError> {
        let illegal = |why: &str| {
            let kind = recorded.event.type_name();
            Err(StoreError::Illegal(format!("event {kind} may not follow: {why}")))
        };
        match (&recorded.event, recorded.leaf.env) {
            (Event::StoreCreated { store }, _) => {
                if self.globals.store.is_some() {
                    return illegal("the store exists");
                }
                self.globals.store = Some(*store);
            }
            (Event::Frozen { scope, reason }, _) => {
                self.globals.frozen.retain(|(frozen, _)| frozen != scope);
                self.globals.frozen.push((*scope, reason.clone()));
            }
            (Event::Unfrozen { scope, .. }, _) => {
                self.globals.frozen.retain(|(frozen, _)| frozen != scope);
            }
            (Event::ReaperRan { held, failed, .. }, _) => {
                let time = recorded.leaf.time;
                self.globals.reaper = Some(Heartbeat { time, held: *held, failed: *failed });
            }
            (Event::EnvironmentCreated { record }, Some(id)) => {
                if self.names.contains_key(&record.name) || self.environments.contains_key(&id) {
                    return illegal("the name or the id is taken");
                }
                self.names.insert(record.name.clone(), id);
                self.environments.insert(id, Summary::begin(id, recorded.leaf.time, record));
            }
            (Event::DecisionRecorded { .. }, _) => {}
            (event, Some(id)) => {
                let Some(summary) = self.environments.get_mut(&id) else {
                    return illegal("there is no such environment");
                };
                summary.apply(event, recorded.leaf.time);
                if summary.ended.is_some() && self.names.get(&summary.name) == Some(&id) {
                    self.names.remove(&summary.name);
                }
            }
            (_, None) => return illegal("it belongs to an environment"),
        }
        Ok(())
    }
}

impl Summary {
    fn begin(
        id: EnvironmentId,
        created: Timestamp,
        record: &crate::model::environment::EnvironmentRecord,
    ) -> Self {
        Self {
            id,
            name: record.name.clone(),
            identity: record.identity.clone(),
            blueprint: format!("{} {}", record.blueprint.name, record.blueprint.version),
            budget: record.budget,
            created,
            start: record.start,
            life: None,
            grace: record.limits.ttl.grace.unwrap_or(Duration::ZERO),
            ended: None,
            addresses: BTreeSet::new(),
            held: BTreeSet::new(),
            uncertain: BTreeSet::new(),
            cost: None,
            run: None,
            reaping: false,
            lease: None,
            token_last: 0,
            resources_revision: 0,
            life_revision: 0,
            lease_revision: 0,
        }
    }

    /// Takes in an event that [`Snapshot`](crate::state::snapshot::Snapshot) has found legal.
    fn apply(&mut self, event: &Event, time: Timestamp) {
        match event {
            Event::EnvironmentChanged { record } => {
                let fresh = Self::begin(self.id, self.created, record);
                self.identity = fresh.identity;
                self.blueprint = fresh.blueprint;
                self.budget = fresh.budget;
                self.grace = fresh.grace;
                self.start = fresh.start;
            }
            Event::LifeStarted { life } => self.life = Some(*life),
            Event::LifeExtended { to, .. } | Event::LifeExpired { to, .. } => self.life = Some(*to),
            Event::EnvironmentEnded { .. } => self.ended = Some(time),
            Event::LeaseTaken { lease, token, holder, .. } => {
                let holder = holder.clone();
                self.lease =
                    Some(LeaseSummary { lease: *lease, token: *token, holder, since: time });
                self.token_last = self.token_last.max(*token);
            }
            Event::LeaseReleased { .. } => self.lease = None,
            Event::RunOpened { run, plan, quote, .. } => {
                self.run = Some(*run);
                self.reaping |= plan.kind == PlanKind::Reap;
                self.cost = Some(quote.after.clone());
                for record in &plan.gone {
                    self.drop_resource(&record.address);
                }
            }
            Event::RunClosed { .. } => self.run = None,
            Event::StepIntended(intent) => {
                self.uncertain.insert(intent.address.clone());
            }
            Event::StepSettled { address, settled, .. } => self.settle(address, settled),
            Event::ResourceObserved { address, object: None } => self.drop_resource(address),
            Event::ResourceImported { record, .. } => {
                self.addresses.insert(record.address.clone());
                self.uncertain.remove(&record.address);
            }
            Event::ResourceForgotten { address, .. } => self.drop_resource(address),
            Event::ResourceMoved { from, to, .. } => {
                self.drop_resource(from);
                self.addresses.insert(to.clone());
            }
            Event::ResourcesHeld { addresses, .. } => self.held.extend(addresses.iter().cloned()),
            _ => {}
        }
    }

    fn settle(&mut self, address: &Address, settled: &Settled) {
        match settled {
            Settled::Present { .. } => {
                self.uncertain.remove(address);
                self.addresses.insert(address.clone());
            }
            // Refused: nothing changed. An object put aside is gone: the current one stays.
            Settled::Refused { .. } | Settled::Absent { deposed: Some(_) } => {
                self.uncertain.remove(address);
            }
            Settled::Absent { deposed: None } => self.drop_resource(address),
            Settled::Unknown { .. } => {}
        }
    }

    fn drop_resource(&mut self, address: &Address) {
        self.addresses.remove(address);
        self.held.remove(address);
        self.uncertain.remove(address);
    }
}
