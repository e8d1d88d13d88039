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
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::Identity;
use crate::model::environment::ResourceRecord;
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
    /// What exists.
    pub addresses: BTreeSet<Address>,
    /// Of these, the ones without a current object: only objects put aside are left of them.
    pub bare: BTreeSet<Address>,
    /// The keys of objects put aside, by resource.
    pub deposed: BTreeMap<Address, BTreeSet<String>>,
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
    /// Revisions of streams that belong to no environment. There is one for every name and every
    /// approval ever used, so an index keeps them one by one and not in this record.
    #[serde(skip)]
    pub revisions: BTreeMap<GlobalStream, u64>,
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
        match stream {
            Stream::Resources(id) => of(id, |summary| summary.resources_revision),
            Stream::Life(id) => of(id, |summary| summary.life_revision),
            Stream::Lease(id) => of(id, |summary| summary.lease_revision),
            other => {
                let global = GlobalStream::of(other);
                global.and_then(|g| self.globals.revisions.get(&g).copied()).unwrap_or(0)
            }
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

    /// Whether a batch may follow. Costs what the batch is long, however large the ledger is.
    ///
    /// # Errors
    /// [`StoreError::Illegal`].
    pub fn validate(&self, batch: &[Recorded]) -> Result<(), StoreError> {
        let mut trial = Trial::new(self);
        batch.iter().try_for_each(|recorded| trial.follow(recorded))
    }

    /// Takes in a batch, moving each stream it touches by one; answers with these streams.
    ///
    /// # Errors
    /// [`StoreError::Illegal`] for a batch that may not follow; the ledger is unchanged then.
    pub fn apply(&mut self, batch: &[Recorded]) -> Result<BTreeSet<Stream>, StoreError> {
        self.validate(batch)?;
        let mut touched: BTreeSet<Stream> = BTreeSet::new();
        for recorded in batch {
            let environment = recorded.leaf.env;
            let name = environment.and_then(|id| self.environments.get(&id));
            let name = name.map_or("", |summary| summary.name.as_str());
            touched.extend(Stream::moved_by(&recorded.event, environment, name));
            self.take_in(recorded);
            self.globals.last = self.globals.last.max(Some(recorded.leaf.time));
        }
        for stream in &touched {
            self.advance(stream);
        }
        Ok(touched)
    }

    fn advance(&mut self, stream: &Stream) {
        match stream {
            Stream::Resources(id) => self.advance_in(id, |summary| &mut summary.resources_revision),
            Stream::Life(id) => self.advance_in(id, |summary| &mut summary.life_revision),
            Stream::Lease(id) => self.advance_in(id, |summary| &mut summary.lease_revision),
            other => {
                if let Some(global) = GlobalStream::of(other) {
                    let revision = self.globals.revisions.entry(global).or_insert(0);
                    *revision = revision.saturating_add(1);
                }
            }
        }
    }

    fn advance_in(&mut self, id: &EnvironmentId, pick: fn(&mut Summary) -> &mut u64) {
        if let Some(summary) = self.environments.get_mut(id) {
            let revision = pick(summary);
            *revision = revision.saturating_add(1);
        }
    }

    /// Takes in an event that has been found legal.
    fn take_in(&mut self, recorded: &Recorded) {
        let time = recorded.leaf.time;
        match (&recorded.event, recorded.leaf.env) {
            (Event::StoreCreated { store }, _) => self.globals.store = Some(*store),
            (Event::Frozen { scope, reason }, _) => {
                self.globals.frozen.retain(|(frozen, _)| frozen != scope);
                self.globals.frozen.push((*scope, reason.clone()));
            }
            (Event::Unfrozen { scope, .. }, _) => {
                self.globals.frozen.retain(|(frozen, _)| frozen != scope);
            }
            (Event::ReaperRan { held, failed, .. }, _) => {
                self.globals.reaper = Some(Heartbeat { time, held: *held, failed: *failed });
            }
            (Event::EnvironmentCreated { record }, Some(id)) => {
                self.names.insert(record.name.clone(), id);
                self.environments.insert(id, Summary::begin(id, time, record));
            }
            (event, Some(id)) => {
                let Some(summary) = self.environments.get_mut(&id) else { return };
                summary.apply(event, time);
                if summary.ended.is_some() && self.names.get(&summary.name) == Some(&id) {
                    self.names.remove(&summary.name);
                }
            }
            (_, None) => {}
        }
    }
}

/// What a batch has changed so far of what decides whether its next event may follow. The rest is
/// looked up in the ledger, which stays as it is.
struct Trial<'a> {
    ledger: &'a Ledger,
    store: bool,
    created: BTreeMap<EnvironmentId, &'a str>,
    names: BTreeMap<&'a str, bool>,
    tokens: BTreeMap<EnvironmentId, u64>,
}

impl<'a> Trial<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            store: ledger.globals.store.is_some(),
            created: BTreeMap::new(),
            names: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    fn follow(&mut self, recorded: &'a Recorded) -> Result<(), StoreError> {
        let kind = recorded.event.type_name();
        let illegal =
            |why: &str| Err(StoreError::Illegal(format!("event {kind} may not follow: {why}")));
        let creates = matches!(recorded.event, Event::StoreCreated { .. });
        if creates == self.store {
            return illegal(if creates { "the store exists" } else { "there is no store yet" });
        }
        self.store = true;
        let known = |trial: &Self, id: &EnvironmentId| {
            trial.created.contains_key(id) || trial.ledger.environments.contains_key(id)
        };
        match (&recorded.event, recorded.leaf.env) {
            (
                Event::StoreCreated { .. }
                | Event::Frozen { .. }
                | Event::Unfrozen { .. }
                | Event::ReaperRan { .. }
                | Event::DecisionRecorded { .. },
                _,
            ) => Ok(()),
            (_, None) => illegal("it belongs to an environment"),
            (Event::EnvironmentCreated { record }, Some(id)) => {
                if self.is_taken(&record.name) || known(self, &id) {
                    return illegal("the name or the id is taken");
                }
                self.names.insert(&record.name, true);
                self.created.insert(id, &record.name);
                Ok(())
            }
            (_, Some(id)) if !known(self, &id) => illegal("there is no such environment"),
            (Event::EnvironmentEnded { .. }, Some(id)) => {
                let summary = self.ledger.environments.get(&id);
                let name = self.created.get(&id).copied();
                if let Some(name) = name.or(summary.map(|summary| summary.name.as_str())) {
                    self.names.insert(name, false);
                }
                Ok(())
            }
            (Event::LeaseTaken { token, .. }, Some(id)) => {
                let summary = self.ledger.environments.get(&id);
                let last = summary.map_or(0, |summary| summary.token_last);
                let last = self.tokens.get(&id).copied().unwrap_or(last);
                if *token <= last {
                    return illegal("a token must be larger than any before");
                }
                self.tokens.insert(id, *token);
                Ok(())
            }
            (_, Some(_)) => Ok(()),
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.names.get(name).copied().unwrap_or_else(|| self.ledger.names.contains_key(name))
    }
}

impl GlobalStream {
    /// The form the index keeps of a stream, where it belongs to no environment and is counted.
    #[must_use]
    pub fn of(stream: &Stream) -> Option<Self> {
        Some(match stream {
            Stream::Name(name) => Self::Name(name.clone()),
            Stream::Freeze => Self::Freeze,
            Stream::Budget(budget) => Self::Budget(budget.clone()),
            Stream::Approval(id) => Self::Approval(id.clone()),
            Stream::Reaper => Self::Reaper,
            Stream::Resources(_)
            | Stream::Life(_)
            | Stream::Lease(_)
            | Stream::Decisions
            | Stream::Store => return None,
        })
    }
}

impl Summary {
    fn begin(id: EnvironmentId, created: Timestamp, record: &EnvironmentRecord) -> Self {
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
            bare: BTreeSet::new(),
            deposed: BTreeMap::new(),
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
                    self.remove(&record.address, None);
                }
            }
            Event::RunClosed { .. } => self.run = None,
            Event::StepIntended(intent) => {
                self.uncertain.insert(intent.address.clone());
            }
            Event::StepSettled { address, settled, .. } => self.settle(address, settled),
            Event::ResourceObserved { address, object: None } => self.remove(address, None),
            Event::ResourceObserved { address, object: Some(_) } => {
                self.bare.remove(address);
            }
            Event::ResourceImported { record, .. } => {
                self.uncertain.remove(&record.address);
                self.put(record, None);
            }
            Event::ResourceForgotten { address, .. } => {
                self.uncertain.remove(address);
                self.drop_resource(address);
            }
            Event::ResourceMoved { from, to, .. } => self.rename(from, to),
            Event::ResourcesHeld { addresses, .. } => {
                self.held.extend(addresses.intersection(&self.addresses).cloned());
            }
            _ => {}
        }
    }

    fn settle(&mut self, address: &Address, settled: &Settled) {
        match settled {
            Settled::Present { record, deposed, .. } => self.put(record, deposed.as_ref()),
            Settled::Absent { deposed } => self.remove(address, deposed.as_ref()),
            Settled::Refused { .. } => {}
            Settled::Unknown { .. } => return,
        }
        self.uncertain.remove(address);
    }

    fn put(&mut self, record: &ResourceRecord, deposed: Option<&String>) {
        let address = &record.address;
        let keys: BTreeSet<String> = if self.addresses.insert(address.clone()) {
            record.deposed.keys().cloned().collect()
        } else if self.bare.remove(address) {
            BTreeSet::new()
        } else {
            deposed.cloned().into_iter().collect()
        };
        if !keys.is_empty() {
            self.deposed.entry(address.clone()).or_default().extend(keys);
        }
    }

    fn remove(&mut self, address: &Address, deposed: Option<&String>) {
        if !self.addresses.contains(address) {
            return;
        }
        match deposed {
            Some(key) => {
                if let Some(keys) = self.deposed.get_mut(address) {
                    keys.remove(key);
                }
                self.deposed.retain(|_, keys| !keys.is_empty());
            }
            None => {
                self.bare.insert(address.clone());
            }
        }
        if self.bare.contains(address) && !self.deposed.contains_key(address) {
            self.drop_resource(address);
        }
    }

    fn rename(&mut self, from: &Address, to: &Address) {
        for set in [&mut self.addresses, &mut self.bare, &mut self.held] {
            if set.remove(from) {
                set.insert(to.clone());
            }
        }
        if let Some(keys) = self.deposed.remove(from) {
            self.deposed.insert(to.clone(), keys);
        }
    }

    fn drop_resource(&mut self, address: &Address) {
        self.addresses.remove(address);
        self.bare.remove(address);
        self.deposed.remove(address);
        self.held.remove(address);
    }
}
