//! The full view of one environment: what folding its events gives.
//!
//! [`Snapshot::apply`] is the one place that says which events may follow which. An event that may
//! not follow is refused before it is written and reported as damage when it is read.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::address::Address;
use crate::model::cost::Quote;
use crate::model::decision::Decision;
use crate::model::digest::Digest;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::ResourceRecord;
use crate::model::event::Event;
use crate::model::event::Holder;
use crate::model::event::Intent;
use crate::model::event::Recorded;
use crate::model::event::RunOutcome;
use crate::model::event::Settled;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::id::RunId;
use crate::model::lifetime::Life;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::model::plan::StepId;
use crate::model::sealed::SealedValue;
use crate::state::Stream;

/// Where an environment is in its life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Recorded, not started: `--start` lies ahead, or its first run has not opened.
    Waiting,
    /// Living; past its expiry it is still this until it has ended.
    Alive(Life),
    /// Over.
    Ended(Timestamp),
}

/// A lease as the journal knows it. Liveness is not here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Which.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
    /// Who.
    pub holder: Holder,
    /// Since when.
    pub since: Timestamp,
}

/// How far a step of an open run has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepState {
    /// Its intent is durable and its outcome is not known.
    Intended(Intent),
    /// It succeeded.
    Succeeded,
    /// It failed, and whatever exists all the same is in the books.
    Failed {
        /// Why.
        error: String,
        /// How often it was attempted.
        attempts: u32,
        /// Whether something was made or changed all the same: it is not tried again as it was.
        touched: bool,
    },
}

/// A run that was opened and not closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenRun {
    /// Which.
    pub run: RunId,
    /// Since when.
    pub opened: Timestamp,
    /// What it executes.
    pub plan: Plan,
    /// What it costs.
    pub quote: Quote,
    /// The digest of every byte of the plan.
    pub plan_digest: Digest,
    /// The digest of what was asked for; the same one resumes.
    pub desired: Digest,
    /// On what decision.
    pub decision: Decision,
    /// How far each step has come; steps not begun are absent.
    pub steps: BTreeMap<StepId, StepState>,
}

/// Everything about one environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Which.
    pub id: EnvironmentId,
    /// What it was asked to be.
    pub record: EnvironmentRecord,
    /// When it was recorded.
    pub created: Timestamp,
    /// Where it is in its life.
    pub phase: Phase,
    /// Set once a reaper has opened a run: no extension any more.
    pub reaping: bool,
    /// Its resources.
    pub resources: BTreeMap<Address, ResourceRecord>,
    /// Effects that were begun and whose outcome nobody knows, by resource.
    pub uncertain: BTreeMap<Address, Intent>,
    /// Resources kept past its end.
    pub held: BTreeSet<Address>,
    /// Its outputs.
    pub outputs: BTreeMap<String, SealedValue>,
    /// The run under way or interrupted.
    pub run: Option<OpenRun>,
    /// Runs that were closed.
    pub runs_closed: u32,
    /// Who holds it.
    pub lease: Option<Lease>,
    /// What drift was taken as intended, by resource.
    pub accepted: BTreeMap<Address, BTreeSet<String>>,
    /// The revision of its resources.
    pub resources_revision: u64,
    /// The revision of its life.
    pub life_revision: u64,
}

/// An event that may not follow what came before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("event {event} may not follow: {why}")]
pub struct TransitionError {
    /// The event's type.
    pub event: &'static str,
    /// What is against it.
    pub why: String,
}

fn refuse<T>(event: &Event, why: impl Into<String>) -> Result<T, TransitionError> {
    Err(TransitionError { event: event.type_name(), why: why.into() })
}

impl Snapshot {
    /// The environment as its first event makes it.
    ///
    /// # Errors
    /// Where the event is not an environment's first.
    pub fn begin(id: EnvironmentId, recorded: &Recorded) -> Result<Self, TransitionError> {
        let Event::EnvironmentCreated { record } = &recorded.event else {
            return refuse(&recorded.event, "the environment was never created");
        };
        Ok(Self {
            id,
            record: (**record).clone(),
            created: recorded.leaf.time,
            phase: Phase::Waiting,
            reaping: false,
            resources: BTreeMap::new(),
            uncertain: BTreeMap::new(),
            held: BTreeSet::new(),
            outputs: BTreeMap::new(),
            run: None,
            runs_closed: 0,
            lease: None,
            accepted: BTreeMap::new(),
            resources_revision: 0,
            life_revision: 0,
        })
    }

    /// Takes in what a batch holds of one environment, moving its revisions once.
    ///
    /// # Errors
    /// [`TransitionError`] where an event may not follow; whatever was begun must be dropped.
    pub fn follow(
        current: &mut Option<Self>,
        id: EnvironmentId,
        batch: &[Recorded],
    ) -> Result<(), TransitionError> {
        let (mut resources, mut life) = (false, false);
        for recorded in batch.iter().filter(|recorded| recorded.leaf.env == Some(id)) {
            for stream in Stream::moved_by(&recorded.event, Some(id), "") {
                resources |= matches!(stream, Stream::Resources(_));
                life |= matches!(stream, Stream::Life(_));
            }
            match current.as_mut() {
                Some(snapshot) => snapshot.apply(recorded)?,
                // A request may be refused before the environment it is for exists.
                None if matches!(recorded.event, Event::DecisionRecorded { .. }) => {}
                None => *current = Some(Self::begin(id, recorded)?),
            }
        }
        if let Some(snapshot) = current {
            let moved = |revision: u64, by: bool| revision.saturating_add(u64::from(by));
            snapshot.resources_revision = moved(snapshot.resources_revision, resources);
            snapshot.life_revision = moved(snapshot.life_revision, life);
        }
        Ok(())
    }

    /// Whether its life has an end that has passed.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        matches!(&self.phase, Phase::Alive(life) if life.is_expired(now))
    }

    /// Its life, where it has started and not ended.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        match &self.phase {
            Phase::Alive(life) => Some(*life),
            _ => None,
        }
    }

    /// Takes one more event in. Revisions are moved by the caller, once for each batch.
    ///
    /// # Errors
    /// [`TransitionError`] where the event may not follow; the snapshot is unchanged then, or
    /// must be dropped.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), TransitionError> {
        let event = &recorded.event;
        if let Phase::Ended(_) = self.phase {
            let after_end = matches!(
                event,
                Event::LeaseReleased { .. }
                    | Event::LeaseTaken { .. }
                    | Event::DecisionRecorded { .. }
            );
            if !after_end {
                return refuse(event, "the environment has ended");
            }
        }
        match event {
            Event::EnvironmentCreated { .. } => refuse(event, "the environment exists"),
            Event::EnvironmentChanged { record } => {
                if record.name != self.record.name {
                    return refuse(event, "an environment keeps its name");
                }
                self.record = (**record).clone();
                Ok(())
            }
            Event::LifeStarted { .. }
            | Event::LifeExtended { .. }
            | Event::LifeExpired { .. }
            | Event::EnvironmentEnded { .. } => self.apply_life(recorded),
            Event::LeaseTaken { .. } | Event::LeaseReleased { .. } => self.apply_lease(recorded),
            Event::RunOpened { .. }
            | Event::StepIntended(_)
            | Event::StepSettled { .. }
            | Event::RunClosed { .. } => self.apply_run(recorded),
            _ => self.apply_resource(event),
        }
    }

    fn apply_life(&mut self, recorded: &Recorded) -> Result<(), TransitionError> {
        let event = &recorded.event;
        match (event, &self.phase) {
            (Event::LifeStarted { life }, Phase::Waiting) => {
                self.phase = Phase::Alive(*life);
            }
            (Event::LifeExtended { from, to, .. }, Phase::Alive(life)) if life == from => {
                if self.reaping {
                    return refuse(event, "a reaper has opened a run");
                }
                self.phase = Phase::Alive(*to);
            }
            (Event::LifeExpired { from, to, .. }, Phase::Alive(life)) if life == from => {
                self.phase = Phase::Alive(*to);
            }
            (Event::EnvironmentEnded { .. }, _) => {
                if !self.resources.is_empty() || !self.uncertain.is_empty() {
                    return refuse(event, "it still has resources");
                }
                // Nothing but a lease may follow an end, so a run still open could never close.
                if self.run.is_some() {
                    return refuse(event, "a run is open");
                }
                self.phase = Phase::Ended(recorded.leaf.time);
            }
            _ => return refuse(event, "the life is not what the event says"),
        }
        Ok(())
    }

    fn apply_lease(&mut self, recorded: &Recorded) -> Result<(), TransitionError> {
        match &recorded.event {
            Event::LeaseTaken { lease, token, holder, from } => {
                let held = self.lease.as_ref().map(|lease| lease.lease);
                if held != *from {
                    return refuse(&recorded.event, "the lease is not held by whom the event says");
                }
                self.lease = Some(Lease {
                    lease: *lease,
                    token: *token,
                    holder: holder.clone(),
                    since: recorded.leaf.time,
                });
            }
            Event::LeaseReleased { lease, .. } => {
                if self.lease.as_ref().map(|held| held.lease) != Some(*lease) {
                    return refuse(&recorded.event, "that lease is not held");
                }
                self.lease = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_run(&mut self, recorded: &Recorded) -> Result<(), TransitionError> {
        let event = &recorded.event;
        match event {
            Event::RunOpened { run, plan_digest, desired, plan, quote, decision, .. } => {
                if self.run.is_some() {
                    return refuse(event, "another run is open");
                }
                if self.uncertain.values().any(|intent| intent.run == *run) {
                    return refuse(event, "that run was opened before");
                }
                if plan.environment != self.id {
                    return refuse(event, "the plan is another environment's");
                }
                self.reaping |= plan.kind == PlanKind::Reap;
                for record in &plan.gone {
                    self.remove(&record.address, None);
                }
                self.run = Some(OpenRun {
                    run: *run,
                    opened: recorded.leaf.time,
                    plan: (**plan).clone(),
                    quote: (**quote).clone(),
                    plan_digest: *plan_digest,
                    desired: *desired,
                    decision: (**decision).clone(),
                    steps: BTreeMap::new(),
                });
                Ok(())
            }
            Event::StepIntended(intent) => self.intend(event, intent),
            Event::StepSettled { run, step, address, settled } => {
                self.settle(event, *run, *step, address, settled)
            }
            Event::RunClosed { run, outcome, outputs, .. } => {
                if self.run.as_ref().map(|open| open.run) != Some(*run) {
                    return refuse(event, "that run is not open");
                }
                self.run = None;
                self.runs_closed = self.runs_closed.saturating_add(1);
                if *outcome != RunOutcome::Abandoned {
                    self.outputs = outputs.clone();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// INVARIANT (intent before effect): an intent is only legal for a step of the open run that
    /// is not under way and has not succeeded, on a resource with nothing uncertain.
    fn intend(&mut self, event: &Event, intent: &Intent) -> Result<(), TransitionError> {
        if self.uncertain.contains_key(&intent.address) {
            return refuse(event, "the resource has an outcome that nobody knows");
        }
        let Some(open) = self.run.as_mut().filter(|open| open.run == intent.run) else {
            return refuse(event, "that run is not open");
        };
        let index = usize::try_from(intent.step.0).unwrap_or(usize::MAX);
        let step = open.plan.steps.get(index).filter(|step| step.id == intent.step);
        let change = step.and_then(|step| open.plan.change_of(step));
        if change.is_none_or(|change| change.address != intent.address) {
            return refuse(event, "the plan has no such step for that resource");
        }
        match open.steps.get(&intent.step) {
            Some(StepState::Intended(_)) => return refuse(event, "the step is under way"),
            Some(StepState::Succeeded) => return refuse(event, "the step has succeeded"),
            Some(StepState::Failed { .. }) | None => {}
        }
        open.steps.insert(intent.step, StepState::Intended(intent.clone()));
        self.uncertain.insert(intent.address.clone(), intent.clone());
        Ok(())
    }

    fn settle(
        &mut self,
        event: &Event,
        run: RunId,
        step: StepId,
        address: &Address,
        settled: &Settled,
    ) -> Result<(), TransitionError> {
        let Some(intent) = self.uncertain.get(address).cloned() else {
            return refuse(event, "nothing was intended for the resource");
        };
        if intent.run != run || intent.step != step {
            return refuse(event, "something else was intended for the resource");
        }
        let failed = |error: &str, touched: bool| StepState::Failed {
            error: error.to_owned(),
            attempts: intent.attempt,
            touched,
        };
        let state = match settled {
            Settled::Present { record, deposed, error } => {
                if record.address != *address || record.object.is_none() {
                    return refuse(event, "what is present has an object and its own address");
                }
                put(&mut self.resources, record, deposed.as_ref());
                error.as_ref().map_or(StepState::Succeeded, |error| failed(error, true))
            }
            Settled::Absent { deposed } => {
                self.remove(address, deposed.as_ref());
                if intent.action.deletes() {
                    StepState::Succeeded
                } else {
                    failed("it was deleted meanwhile", true)
                }
            }
            Settled::Refused { error } => failed(error, false),
            // The outcome is recorded as unknown and stays so until a look settles it.
            Settled::Unknown { .. } => return Ok(()),
        };
        self.uncertain.remove(address);
        if let Some(open) = self.run.as_mut().filter(|open| open.run == run) {
            open.steps.insert(step, state);
        }
        Ok(())
    }

    /// A human has settled what nobody knew: the step that waits for it goes on from there. Says
    /// whether there was anything to settle.
    fn resolve(&mut self, address: &Address, state: impl FnOnce(&Intent) -> StepState) -> bool {
        let Some(intent) = self.uncertain.remove(address) else { return false };
        if let Some(open) = self.run.as_mut().filter(|open| open.run == intent.run) {
            open.steps.insert(intent.step, state(&intent));
        }
        true
    }

    fn remove(&mut self, address: &Address, deposed: Option<&String>) {
        remove(&mut self.resources, address, deposed);
        if !self.resources.contains_key(address) {
            self.drop_resource(address);
        }
    }

    fn drop_resource(&mut self, address: &Address) -> bool {
        self.held.remove(address);
        self.accepted.remove(address);
        self.resources.remove(address).is_some()
    }

    fn apply_resource(&mut self, event: &Event) -> Result<(), TransitionError> {
        match event {
            Event::ResourceObserved { address, object } => match object {
                None => self.remove(address, None),
                Some(object) => match self.resources.get_mut(address) {
                    Some(record) => record.object = Some(object.clone()),
                    None => return refuse(event, "there is no such resource"),
                },
            },
            Event::ResourceRevised { record } => {
                let Some(known) = self.resources.get_mut(&record.address) else {
                    return refuse(event, "there is no such resource");
                };
                let (object, deposed) = (known.object.take(), std::mem::take(&mut known.deposed));
                *known = ResourceRecord { object, deposed, ..(**record).clone() };
            }
            Event::ResourceImported { record, .. } => {
                self.not_during_a_run(event, &record.address)?;
                let exists =
                    self.resources.get(&record.address).is_some_and(|old| old.object.is_some());
                if exists {
                    return refuse(event, "the resource exists");
                }
                if record.object.is_none() {
                    return refuse(event, "what is imported has an object");
                }
                self.resolve(&record.address, |_| StepState::Succeeded);
                put(&mut self.resources, record, None);
            }
            Event::ResourceForgotten { address, reason, .. } => {
                self.not_during_a_run(event, address)?;
                let known = self.drop_resource(address);
                let uncertain = self.resolve(address, |intent| StepState::Failed {
                    error: format!("forgotten: {reason}"),
                    attempts: intent.attempt,
                    touched: true,
                });
                if !known && !uncertain {
                    return refuse(event, "there is no such resource");
                }
            }
            Event::ResourceMoved { from, to, .. } => return self.rename(event, from, to),
            Event::ResourcesHeld { addresses, .. } => {
                let known = |address: &&Address| self.resources.contains_key(*address);
                let held: Vec<Address> = addresses.iter().filter(known).cloned().collect();
                self.held.extend(held);
            }
            Event::DriftAccepted { address, attributes, .. } => {
                let accepted = self.accepted.entry(address.clone()).or_default();
                accepted.extend(attributes.iter().cloned());
            }
            _ => {}
        }
        Ok(())
    }

    /// The books of a resource that a run still counts on change only to settle what nobody knows.
    fn not_during_a_run(&self, event: &Event, address: &Address) -> Result<(), TransitionError> {
        if self.run.is_some() && !self.uncertain.contains_key(address) {
            return refuse(event, "a run is open");
        }
        Ok(())
    }

    fn rename(
        &mut self,
        event: &Event,
        from: &Address,
        to: &Address,
    ) -> Result<(), TransitionError> {
        if self.resources.contains_key(to) || self.uncertain.contains_key(to) {
            return refuse(event, "the new address is taken");
        }
        if self.run.is_some() {
            return refuse(event, "a run is open");
        }
        if self.uncertain.contains_key(from) {
            return refuse(event, "the resource has an outcome that nobody knows");
        }
        let Some(mut record) = self.resources.remove(from) else {
            return refuse(event, "there is no such resource");
        };
        record.address = to.clone();
        self.resources.insert(to.clone(), record);
        for other in self.resources.values_mut() {
            if other.dependencies.contains(&from.resource) {
                other.dependencies.insert(to.resource.clone());
            }
        }
        if self.held.remove(from) {
            self.held.insert(to.clone());
        }
        if let Some(attributes) = self.accepted.remove(from) {
            self.accepted.insert(to.clone(), attributes);
        }
        Ok(())
    }
}

/// Takes a resource in; the object it replaces is put aside under `deposed` where one is named.
pub fn put(
    resources: &mut BTreeMap<Address, ResourceRecord>,
    record: &ResourceRecord,
    deposed: Option<&String>,
) {
    let mut record = record.clone();
    if let Some(old) = resources.remove(&record.address) {
        record.deposed = old.deposed;
        if let (Some(key), Some(object)) = (deposed, old.object) {
            record.deposed.insert(key.clone(), object);
        }
    }
    resources.insert(record.address.clone(), record);
}

/// Takes an object out: the one put aside under `deposed`, else the current one. A resource
/// without any object is no more.
pub fn remove(
    resources: &mut BTreeMap<Address, ResourceRecord>,
    address: &Address,
    deposed: Option<&String>,
) {
    let Some(record) = resources.get_mut(address) else { return };
    match deposed {
        Some(key) => {
            record.deposed.remove(key);
        }
        None => record.object = None,
    }
    if record.object.is_none() && record.deposed.is_empty() {
        resources.remove(address);
    }
}
