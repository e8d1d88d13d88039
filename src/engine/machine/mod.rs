//! The machine: from an open run and what has been answered, the next effects.
//!
//! It performs nothing, reads no clock and keeps everything ordered. Each step goes through
//! preparing (final values), judging, an intent that must be durable, the call, and an outcome
//! that must be durable before anything that depends on it begins. What follows a call whose
//! outcome is unknown is in [`outcome`]; how final values come about is in [`prepare`].

mod outcome;
mod prepare;

pub use crate::engine::machine::prepare::fills;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::blueprint::Blueprint;
use crate::blueprint::resolve::Resolved;
use crate::engine::Run;
use crate::model::address::Address;
use crate::model::environment::Private;
use crate::model::environment::ResourceRecord;
use crate::model::event::Event;
use crate::model::event::Intent;
use crate::model::event::RunOutcome;
use crate::model::id::RunId;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Plan;
use crate::model::plan::Step;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;
use crate::model::sealed::SealedValue;
use crate::model::value::Value;
use crate::plan::scope::Values;
use crate::provider::CallId;
use crate::provider::Offer;
use crate::provider::Place;
use crate::provider::Reply;
use crate::provider::Start;
use crate::state::seal::Sealer;
use crate::state::snapshot::StepState;

/// How often one step is tried. A provider that refuses for a moment does so for seconds; four
/// tries with the waits below span some seven.
pub const ATTEMPTS_MAX: u32 = 4;

/// The first wait before trying again; each further one is twice as long.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// A call begins so soon after its intent is durable, or not at all. A successor of a holder that
/// may still wake up waits this long before it looks.
pub const START_WITHIN: Duration = Duration::from_secs(5);

/// Names a record within one machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RecordId(pub u64);

/// What the machine wants.
#[derive(Debug)]
pub enum Effect {
    /// A call. A mutating one begins before its own `start_by`, or not at all.
    Start(Box<Start>),
    /// A judgement of a step on its final values.
    Judge(StepId, Box<Change>),
    /// These events made durable, in this order.
    Record(RecordId, Vec<Event>),
}

/// What to do after performing the effects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Then {
    /// Come back with an answer.
    Await,
    /// Come back with an answer, or at this time.
    AwaitUntil(Timestamp),
    /// Nothing: it is over.
    Over(Ending),
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// How the run was closed; absent where it stays open, to be resumed.
    pub outcome: Option<RunOutcome>,
    /// Every step that was not left out, with how it went, in order.
    pub steps: Vec<(Address, StepAction, StepEnd)>,
    /// Why no new step was begun, where that was so.
    pub stopped: Option<String>,
}

/// How one step ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepEnd {
    /// As planned.
    Succeeded,
    /// It did not happen, or only in part.
    Failed(String),
    /// Nobody knows.
    Unknown(String),
    /// It was not begun.
    NotBegun,
}

/// Why no new step begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Somebody interrupted: the run stays open, to be resumed.
    Interrupted,
    /// It may not go on: the run is closed as partial.
    Halted(String),
}

/// What is known before a call is made.
#[derive(Clone, Debug)]
struct Prepared {
    config: Value,
    planned: Value,
    private: Private,
    record: Box<ResourceRecord>,
}

/// How far a step has come.
#[derive(Clone, Debug)]
enum Progress {
    /// Steps before it are not through, or there is no room yet.
    Waiting,
    /// Its final proposal is being made.
    Proposing(Prepared),
    /// A data source is being read.
    Reading,
    /// It is being judged.
    Judging(Prepared),
    /// Its intent is being made durable.
    Intending(Prepared),
    /// Its call is under way.
    Calling(Prepared),
    /// Its outcome is being made durable.
    Settling(Outlook),
    /// Nobody knows its outcome, and it is being looked for.
    Looking,
    /// It waits before it is tried, or looked for, again.
    Pausing(Timestamp, bool),
    /// It is over.
    Over(StepEnd),
}

/// What becomes of a step once its outcome is durable.
#[derive(Clone, Debug)]
enum Outlook {
    Succeed,
    Fail(String),
    Retry(String),
    Look,
    GiveUp(String),
}

struct Track {
    step: Step,
    progress: Progress,
    attempts: u32,
    /// How often its outcome was looked for.
    looks: u32,
    intent: Option<Intent>,
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Configure,
    Step(StepId),
}

/// What a machine is made of beside its run.
#[derive(Clone)]
pub struct Tools {
    /// The blueprint, parsed from the plan's own text.
    pub blueprint: Arc<Blueprint>,
    /// Its checked references.
    pub resolved: Arc<Resolved>,
    /// Inputs by name, defaults filled in.
    pub inputs: BTreeMap<String, Value>,
    /// Schemas by provider source.
    pub offers: BTreeMap<String, Arc<Offer>>,
    /// Opens what the plan keeps sealed.
    pub sealer: Arc<Sealer>,
    /// How many calls may be under way at once.
    pub parallelism: usize,
    /// Whether whoever left intents behind can still wake up and begin their calls.
    pub predecessor_may_wake: bool,
}

/// The machine. See the module's documentation.
pub struct Machine {
    run: RunId,
    plan: Arc<Plan>,
    tools: Tools,
    resources: BTreeMap<Address, ResourceRecord>,
    values: Values,
    tracks: BTreeMap<StepId, Track>,
    followers: BTreeMap<StepId, Vec<StepId>>,
    /// Steps whose resource has other steps, too.
    twins: BTreeSet<StepId>,
    /// Providers whose configuration is under way or done.
    configuring: BTreeMap<String, Configured>,
    awaited: BTreeMap<CallId, (Awaits, String)>,
    recording: BTreeMap<RecordId, Vec<StepId>>,
    effects: Vec<Effect>,
    counter: u64,
    /// How many steps have come to their end here.
    over: u64,
    stop: Option<Stop>,
    closing: Option<RecordId>,
    ending: Option<Ending>,
}

/// The steps whose resource has other steps, too.
fn twins(plan: &Plan) -> BTreeSet<StepId> {
    let mut by_address: BTreeMap<&Address, Vec<StepId>> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(change) = plan.change_of(step) {
            by_address.entry(&change.address).or_default().push(step.id);
        }
    }
    by_address.into_values().filter(|steps| steps.len() > 1).flatten().collect()
}

/// How far a provider's configuration has come.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Configured {
    Running,
    Done,
    Failed(String),
}

impl Machine {
    /// A machine for a run, as far as the journal says it has come.
    #[must_use]
    pub fn new(run: Run, tools: Tools, now: Timestamp) -> Self {
        let plan = Arc::new(run.plan);
        let mut tracks = BTreeMap::new();
        let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for step in &plan.steps {
            for earlier in &step.after {
                followers.entry(*earlier).or_default().push(step.id);
            }
            let mut track = Track {
                step: step.clone(),
                progress: Progress::Waiting,
                attempts: 0,
                looks: 0,
                intent: None,
            };
            match run.steps.get(&step.id) {
                Some(StepState::Succeeded) => track.progress = Progress::Over(StepEnd::Succeeded),
                // What made something before it failed is not made again: that takes a new plan.
                Some(StepState::Failed { error, touched: true, .. }) => {
                    track.progress = Progress::Over(StepEnd::Failed(error.clone()));
                }
                // A step that changed nothing before the interruption gets its attempts anew.
                Some(StepState::Failed { .. }) | None => {}
                Some(StepState::Intended(intent)) => {
                    let until = if tools.predecessor_may_wake { intent.start_by } else { now };
                    track.attempts = intent.attempt;
                    track.intent = Some(intent.clone());
                    track.progress = Progress::Pausing(until, true);
                }
            }
            tracks.insert(step.id, track);
        }
        let mut machine = Self {
            run: run.id,
            values: Values::default(),
            resources: run.resources,
            tracks,
            followers,
            twins: twins(&plan),
            configuring: BTreeMap::new(),
            awaited: BTreeMap::new(),
            recording: BTreeMap::new(),
            effects: Vec::new(),
            counter: 0,
            over: 0,
            stop: None,
            closing: None,
            ending: None,
            plan,
            tools,
        };
        machine.take_in_values();
        machine
    }

    /// What to do now. Call again after every answer, and when a wait is over.
    pub fn poll(&mut self, now: Timestamp) -> (Vec<Effect>, Then) {
        loop {
            let before = (self.effects.len(), self.over);
            self.skip_unreachable();
            self.advance_all(now);
            self.close_when_over();
            // A step may end without an effect, and what waits for it has to hear of it now.
            if (self.effects.len(), self.over) == before {
                break;
            }
        }
        let effects = std::mem::take(&mut self.effects);
        let then = match (&self.ending, self.next_time(now)) {
            (Some(ending), _) if self.closing.is_none() => Then::Over(ending.clone()),
            (_, Some(time)) => Then::AwaitUntil(time),
            _ => Then::Await,
        };
        (effects, then)
    }

    /// Begins no new step any more. What is under way is seen to its end.
    pub fn stop(&mut self, stop: Stop) {
        // The first reason stands: neither an interrupt nor a refusal is lost to a later one.
        self.stop.get_or_insert(stop);
    }

    /// Addresses with a mutating call under way.
    pub fn in_flight(&self) -> Vec<Address> {
        let calling = |track: &&Track| {
            matches!(track.progress, Progress::Calling(_) | Progress::Intending(_))
        };
        let change = |track: &Track| self.plan.change_of(&track.step);
        self.tracks.values().filter(calling).filter_map(change).map(|c| c.address.clone()).collect()
    }

    /// Takes the reply to a call.
    pub fn answer(&mut self, id: CallId, reply: Reply, now: Timestamp) {
        match self.awaited.remove(&id) {
            Some((Awaits::Configure, provider)) => {
                let state = match reply {
                    Ok(_) => Configured::Done,
                    Err(failure) => Configured::Failed(failure.to_string()),
                };
                self.configuring.insert(provider, state);
            }
            Some((Awaits::Step(step), _)) => self.step_answered(step, reply, now),
            None => {}
        }
    }

    /// Takes a judgement: `Ok` to go on, else why not. A refusal on final values stops the run.
    pub fn judged(&mut self, step: StepId, verdict: Result<(), String>, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&step) else { return };
        let Progress::Judging(prepared) = track.progress.clone() else { return };
        match verdict {
            Ok(()) => self.intend(step, prepared, now),
            Err(reason) => {
                track.progress = Progress::Waiting;
                self.stop(Stop::Halted(reason));
            }
        }
    }

    /// Takes word that a record is durable.
    pub fn recorded(&mut self, id: RecordId, now: Timestamp) {
        if self.closing == Some(id) {
            self.closing = None;
        }
        for step in self.recording.remove(&id).unwrap_or_default() {
            self.step_recorded(step, now);
        }
    }

    // ---- walking the steps -----------------------------------------------------------------

    /// Steps behind one that did not succeed are not begun.
    fn skip_unreachable(&mut self) {
        let mut open: Vec<StepId> = self
            .tracks
            .values()
            .filter(|track| match &track.progress {
                Progress::Over(end) => *end != StepEnd::Succeeded,
                _ => false,
            })
            .map(|track| track.step.id)
            .collect();
        // Behind an outcome that nobody knows, nothing else begins on the same resource.
        let unknown: BTreeSet<Address> = self
            .tracks
            .values()
            .filter(|track| matches!(track.progress, Progress::Over(StepEnd::Unknown(_))))
            .filter_map(|track| self.address(track).cloned())
            .collect();
        for step in self.twins.clone() {
            let blocked = self.tracks.get(&step).is_some_and(|track| {
                matches!(track.progress, Progress::Waiting)
                    && self.address(track).is_some_and(|address| unknown.contains(address))
            });
            if blocked {
                self.finish(step, StepEnd::NotBegun);
                open.push(step);
            }
        }
        while let Some(step) = open.pop() {
            let followers = self.followers.get(&step).cloned().unwrap_or_default();
            for follower in followers {
                if let Some(track) = self.tracks.get_mut(&follower)
                    && matches!(track.progress, Progress::Waiting)
                {
                    track.progress = Progress::Over(StepEnd::NotBegun);
                    open.push(follower);
                }
            }
        }
    }

    fn advance_all(&mut self, now: Timestamp) {
        let busy = |track: &&Track| {
            !matches!(track.progress, Progress::Waiting | Progress::Over(_) | Progress::Pausing(..))
        };
        let mut room =
            self.tools.parallelism.saturating_sub(self.tracks.values().filter(busy).count());
        let ids: Vec<StepId> = self.tracks.keys().copied().collect();
        for id in ids {
            let Some(track) = self.tracks.get(&id) else { continue };
            match &track.progress {
                Progress::Pausing(until, looking) if *until <= now => {
                    let looking = *looking;
                    if looking {
                        self.look(id);
                    } else if self.stop.is_none() {
                        self.prepare(id);
                    }
                }
                Progress::Waiting if room > 0 && self.stop.is_none() && self.is_free(track) => {
                    room -= 1;
                    self.prepare(id);
                }
                _ => {}
            }
        }
    }

    /// The address of a step's resource.
    fn address(&self, track: &Track) -> Option<&Address> {
        self.plan.change_of(&track.step).map(|change| &change.address)
    }

    /// Whether a step may begin: those before it have succeeded, and nothing else is going on with
    /// its resource. A replacement and the deletion of what it put aside share an address, and the
    /// books know one effect for each address at a time.
    fn is_free(&self, track: &Track) -> bool {
        let own = self.address(track);
        let at_it = |other: &Track| {
            !matches!(other.progress, Progress::Waiting | Progress::Over(_))
                && other.step.id != track.step.id
                && self.address(other) == own
        };
        if self.twins.contains(&track.step.id) && self.tracks.values().any(at_it) {
            return false;
        }
        track.step.after.iter().all(|before| {
            self.tracks
                .get(before)
                .is_some_and(|t| matches!(t.progress, Progress::Over(StepEnd::Succeeded)))
        })
    }

    /// When to come back without an answer. A pause that is over waits for a provider instead.
    fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        let pause = |track: &Track| match &track.progress {
            Progress::Pausing(until, _) if *until <= now => None,
            Progress::Pausing(until, looking) if *looking || self.stop.is_none() => Some(*until),
            _ => None,
        };
        self.tracks.values().filter_map(pause).min()
    }

    /// Whether a provider's configuration is through; asks for it where it was not yet.
    fn configured(&mut self, provider: &str) -> Option<Configured> {
        if let Some(state) = self.configuring.get(provider) {
            return Some(state.clone());
        }
        let state = match self.provider_config(provider) {
            Ok(config) => {
                let place = Place {
                    environment: self.plan.environment,
                    root: self.plan.record.root.clone(),
                };
                let call = crate::provider::Call::Configure { config, place };
                self.start(provider, Awaits::Configure, call);
                Configured::Running
            }
            Err(error) => Configured::Failed(error),
        };
        self.configuring.insert(provider.to_owned(), state.clone());
        Some(state)
    }

    fn start(&mut self, provider: &str, awaits: Awaits, call: crate::provider::Call) {
        self.counter += 1;
        let id = CallId(self.counter);
        self.awaited.insert(id, (awaits, provider.to_owned()));
        let start = Start { id, provider: provider.to_owned(), call };
        self.effects.push(Effect::Start(Box::new(start)));
    }

    fn record(&mut self, step: StepId, events: Vec<Event>) {
        self.counter += 1;
        let id = RecordId(self.counter);
        self.recording.insert(id, vec![step]);
        self.effects.push(Effect::Record(id, events));
    }

    fn change(&self, step: StepId) -> Option<Change> {
        let track = self.tracks.get(&step)?;
        self.plan.change_of(&track.step).cloned()
    }

    fn finish(&mut self, step: StepId, end: StepEnd) {
        if let Some(track) = self.tracks.get_mut(&step) {
            track.progress = Progress::Over(end);
            self.over += 1;
        }
    }

    // ---- the end ---------------------------------------------------------------------------

    fn close_when_over(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let running = |track: &Track| match track.progress {
            Progress::Over(_) => false,
            Progress::Waiting => self.stop.is_none(),
            Progress::Pausing(_, looking) => looking || self.stop.is_none(),
            _ => true,
        };
        if self.tracks.values().any(running) {
            return;
        }
        let end = |track: &Track| match &track.progress {
            Progress::Over(end) => end.clone(),
            _ => StepEnd::NotBegun,
        };
        let steps: Vec<(Address, StepAction, StepEnd)> = self
            .tracks
            .values()
            .filter_map(|track| {
                let change = self.plan.change_of(&track.step)?;
                Some((change.address.clone(), track.step.action, end(track)))
            })
            .collect();
        let complete = steps.iter().all(|(_, _, end)| *end == StepEnd::Succeeded);
        let unknown = steps.iter().any(|(_, _, end)| matches!(end, StepEnd::Unknown(_)));
        let (outcome, stopped) = match &self.stop {
            // Whoever comes next looks again: what cannot be reached now may tell later.
            _ if unknown => (None, Some("an outcome is not known".to_owned())),
            _ if complete => (Some(RunOutcome::Done), None),
            Some(Stop::Interrupted) => (None, Some("interrupted".to_owned())),
            Some(Stop::Halted(reason)) => (Some(RunOutcome::Partial), Some(reason.clone())),
            None => (Some(RunOutcome::Partial), None),
        };
        if let Some(outcome) = outcome {
            let events = self.closing_events(outcome, stopped.clone());
            self.counter += 1;
            let id = RecordId(self.counter);
            self.closing = Some(id);
            self.effects.push(Effect::Record(id, events));
        }
        self.ending = Some(Ending { outcome, steps, stopped });
    }

    fn closing_events(&mut self, outcome: RunOutcome, reason: Option<String>) -> Vec<Event> {
        let takes_down = self.plan.kind.takes_down();
        let outputs = if takes_down { BTreeMap::new() } else { self.final_outputs() };
        let mut events = vec![Event::RunClosed { run: self.run, outcome, reason, outputs }];
        if !takes_down {
            return events;
        }
        let holds = self.plan.changes.iter().filter(|change| change.action == Action::Hold);
        let held: BTreeSet<Address> = holds.map(|change| change.address.clone()).collect();
        let settled = outcome == RunOutcome::Done;
        if !held.is_empty() {
            let reason = "deleting its data was not authorised".to_owned();
            events.push(Event::ResourcesHeld { addresses: held, reason });
        } else if settled && self.resources.is_empty() {
            let reason = match self.plan.kind {
                crate::model::plan::PlanKind::Reap => "its life was over",
                _ => "it was destroyed",
            };
            events.push(Event::EnvironmentEnded { reason: reason.to_owned() });
        }
        events
    }

    fn final_outputs(&mut self) -> BTreeMap<String, SealedValue> {
        let names: Vec<String> = self.plan.outputs.keys().cloned().collect();
        let mut outputs = BTreeMap::new();
        for name in names {
            let planned = self.plan.outputs.get(&name).map(|output| output.after.clone());
            let value = match planned {
                Some(SealedValue::Null) | None => continue,
                Some(known) if known.is_wholly_known() => known,
                Some(_) => self.output_value(&name),
            };
            outputs.insert(name, value);
        }
        outputs
    }
}
