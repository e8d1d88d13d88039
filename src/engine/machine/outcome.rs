//! What becomes of a step after its call.
//!
//! INVARIANT (unknown is not failed): after an outcome that nobody knows the next call on the
//! resource is a look, and what a look cannot tell stays unknown. It is never created again.

use crate::engine::machine::ATTEMPTS_MAX;
use crate::engine::machine::Awaits;
use crate::engine::machine::BACKOFF_FIRST;
use crate::engine::machine::Machine;
use crate::engine::machine::Outlook;
use crate::engine::machine::Prepared;
use crate::engine::machine::Progress;
use crate::engine::machine::StepEnd;
use crate::engine::machine::prepare::deposed_key;
use crate::engine::machine::prepare::fills;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::event::Event;
use crate::model::event::Intent;
use crate::model::event::Settled;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Change;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::Reply;
use crate::state::snapshot;

/// How often an outcome is looked for before a human has to say. A provider whose reads lag
/// behind its writes catches up within seconds.
const LOOKS_MAX: u32 = 4;

impl Machine {
    pub(super) fn step_recorded(&mut self, step: StepId, now: Timestamp) {
        let Some(track) = self.tracks.get(&step) else { return };
        match track.progress.clone() {
            Progress::Intending(prepared) => self.call(step, prepared),
            Progress::Settling(outlook) => self.settled(step, outlook, now),
            _ => {}
        }
    }

    /// The call itself. Its intent is durable.
    fn call(&mut self, step: StepId, prepared: Prepared) {
        let Some(change) = self.change(step) else { return };
        let Some(intent) = self.tracks.get(&step).and_then(|t| t.intent.clone()) else { return };
        let prior = self.object_before(&intent, &change);
        if prior.is_none() && !intent.action.creates() {
            let error = "the books have no object to act on".to_owned();
            return self.settle(
                step,
                Settled::Refused { error: error.clone() },
                Outlook::Fail(error),
            );
        }
        let call = Call::Apply(ApplyCall {
            kind: change.address.resource.kind.clone(),
            prior,
            planned: prepared.planned.clone(),
            planned_private: prepared.private.clone(),
            config: prepared.config.clone(),
            marker: intent.marker,
            start_by: intent.start_by,
        });
        self.set_progress(step, Progress::Calling(prepared));
        self.start(&change.provider, Awaits::Step(step), call);
    }

    /// The object that a step changes or deletes.
    fn object_before(&self, intent: &Intent, change: &Change) -> Option<LiveObject> {
        match intent.action {
            StepAction::Create | StepAction::CreateBeside | StepAction::Read => None,
            StepAction::Update | StepAction::Delete => self.live(&change.address),
            StepAction::DeleteDeposed => {
                let key = intent.deposed.clone().or_else(|| deposed_key(intent.action, change))?;
                self.live_deposed(&change.address, &key)
            }
        }
    }

    pub(super) fn step_answered(&mut self, step: StepId, reply: Reply, now: Timestamp) {
        let Some(track) = self.tracks.get(&step) else { return };
        match (track.progress.clone(), reply) {
            (
                Progress::Proposing(prepared),
                Ok(Answer::Proposal(proposal) | Answer::ApproximateProposal(proposal)),
            ) => {
                self.proposed(step, prepared, proposal);
            }
            (Progress::Reading, Ok(Answer::Data(value))) => {
                if let Some(change) = self.change(step) {
                    let value = self.marked(&change, &value);
                    self.set_value(&change.address, value);
                }
                self.finish(step, StepEnd::Succeeded);
            }
            // Nothing has been intended yet: refusals are final, and a moment's failure may pass.
            (Progress::Proposing(_) | Progress::Reading, Err(failure)) => {
                if failure.class == FailureClass::Transient {
                    self.count_and_pause(step, failure.to_string(), now);
                } else {
                    self.finish(step, StepEnd::Failed(failure.to_string()));
                }
            }
            (Progress::Calling(prepared), reply) => self.applied(step, &prepared, reply),
            (Progress::Looking, reply) => self.looked(step, reply, now),
            (_, Ok(_)) => {
                let error = "the provider's answer does not fit the call".to_owned();
                self.finish(step, StepEnd::Failed(error));
            }
            (_, Err(failure)) => self.finish(step, StepEnd::Failed(failure.to_string())),
        }
    }

    fn count_and_pause(&mut self, step: StepId, error: String, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&step) else { return };
        track.attempts += 1;
        if track.attempts >= ATTEMPTS_MAX {
            self.finish(step, StepEnd::Failed(error));
        } else {
            track.progress = Progress::Pausing(now.plus(backoff(track.attempts)), false);
        }
    }

    // ---- after the call --------------------------------------------------------------------

    fn applied(&mut self, step: StepId, prepared: &Prepared, reply: Reply) {
        let Some(intent) = self.tracks.get(&step).and_then(|t| t.intent.clone()) else { return };
        match reply {
            Ok(Answer::Object(object)) => self.made(step, &intent, &prepared.planned, object),
            Ok(Answer::Approximate(object)) => {
                self.made_roughly(step, &intent, &prepared.planned, object);
            }
            Ok(_) => {
                let error = "the provider's answer does not fit the call".to_owned();
                self.settle(step, Settled::Unknown { error }, Outlook::Look);
            }
            Err(failure) => self.failed(step, &intent, failure),
        }
    }

    /// The call succeeded, or a look has found that it did.
    fn made(&mut self, step: StepId, intent: &Intent, planned: &Value, object: Option<LiveObject>) {
        let deletes = intent.action.deletes();
        match object {
            None if deletes => {
                let deposed = intent.deposed.clone();
                self.settle(step, Settled::Absent { deposed }, Outlook::Succeed);
            }
            Some(object) if !deletes => {
                let error = match fills(planned, &object.value) {
                    Err(path) => Some(format!("what was made differs at {path} from the plan")),
                    Ok(()) if !object.value.is_wholly_known() => {
                        Some("the provider left values unknown after making it".to_owned())
                    }
                    Ok(()) => None,
                };
                self.present(step, intent, planned, object, error, false);
            }
            Some(object) => {
                let error = "the provider says that it still exists".to_owned();
                self.present(step, intent, planned, object, Some(error), false);
            }
            None => {
                let error = "the provider says that nothing was made".to_owned();
                self.settle(step, Settled::Refused { error: error.clone() }, Outlook::Fail(error));
            }
        }
    }

    /// The same, where the object's values may differ in form from what was planned.
    fn made_roughly(&mut self, step: StepId, intent: &Intent, planned: &Value, object: LiveObject) {
        if intent.action.deletes() || !object.value.is_wholly_known() {
            return self.made(step, intent, planned, Some(object));
        }
        self.present(step, intent, planned, object, None, false);
    }

    fn failed(&mut self, step: StepId, intent: &Intent, failure: Failure) {
        let error = failure.to_string();
        if let Some(object) = failure.partial {
            let tainted = intent.action.creates();
            let planned = match self.tools.sealer.open(&intent.planned) {
                Ok(planned) => planned,
                Err(error) => return self.finish(step, StepEnd::Unknown(error.to_string())),
            };
            return self.present(step, intent, &planned, object, Some(error), tainted);
        }
        match failure.class {
            FailureClass::Rejected => {
                self.settle(step, Settled::Refused { error: error.clone() }, Outlook::Fail(error));
            }
            FailureClass::Transient => {
                self.settle(step, Settled::Refused { error: error.clone() }, Outlook::Retry(error));
            }
            FailureClass::Unknown => {
                self.settle(step, Settled::Unknown { error }, Outlook::Look);
            }
        }
    }

    fn present(
        &mut self,
        step: StepId,
        intent: &Intent,
        planned: &Value,
        object: LiveObject,
        error: Option<String>,
        tainted: bool,
    ) {
        let record = match self.recorded_with(intent, planned, object, tainted) {
            Ok(record) => Box::new(record),
            // It exists and cannot be written down: the one thing to do is to say so.
            Err(error) => {
                let error = format!("it exists and cannot be recorded: {error}");
                return self.settle(
                    step,
                    Settled::Unknown { error: error.clone() },
                    Outlook::GiveUp(error),
                );
            }
        };
        let beside = intent.action == StepAction::CreateBeside;
        let deposed = intent.deposed.clone().filter(|_| beside);
        let outlook = error.clone().map_or(Outlook::Succeed, Outlook::Fail);
        self.settle(step, Settled::Present { record, deposed, error }, outlook);
    }

    fn recorded_with(
        &self,
        intent: &Intent,
        planned: &Value,
        object: LiveObject,
        tainted: bool,
    ) -> Result<ResourceRecord, String> {
        // What a provider leaves unknown after apply is kept as null: the books hold no unknowns.
        let known = object.value.rebuild(&mut |node| {
            if node.is_unknown() { Value::null() } else { node }
        });
        let offer = self
            .tools
            .offers
            .get(&intent.record.source)
            .and_then(|offer| offer.resources.get(&intent.address.resource.kind).cloned());
        let marked = known.with_marks_of(planned);
        let (marked, schema_version) = match &offer {
            Some(offer) => (offer.schema.block.mark_sensitive(&marked), offer.schema.version),
            None => (marked, 0),
        };
        let value = self.tools.sealer.seal(&marked).map_err(|error| error.to_string())?;
        let private = self.tools.sealer.seal_private(&object.private);
        let private = private.map_err(|error| error.to_string())?;
        let object = Object { value, private, schema_version, tainted };
        Ok(ResourceRecord { object: Some(object), ..(*intent.record).clone() })
    }

    fn settle(&mut self, step: StepId, settled: Settled, outlook: Outlook) {
        let Some(intent) = self.tracks.get(&step).and_then(|t| t.intent.clone()) else { return };
        match &settled {
            Settled::Present { record, deposed, .. } => {
                snapshot::put(&mut self.resources, record, deposed.as_ref());
            }
            Settled::Absent { deposed } => {
                snapshot::remove(&mut self.resources, &intent.address, deposed.as_ref());
            }
            Settled::Refused { .. } | Settled::Unknown { .. } => {}
        }
        self.set_progress(step, Progress::Settling(outlook));
        let event = Event::StepSettled { run: self.run, step, address: intent.address, settled };
        self.record(step, vec![event]);
    }

    /// The outcome is durable.
    fn settled(&mut self, step: StepId, outlook: Outlook, now: Timestamp) {
        match outlook {
            Outlook::Succeed => {
                if let Some(change) = self.change(step)
                    && let Some(object) = self.live(&change.address)
                {
                    self.set_value(&change.address, object.value);
                }
                self.finish(step, StepEnd::Succeeded);
            }
            Outlook::Fail(error) => self.finish(step, StepEnd::Failed(error)),
            Outlook::GiveUp(error) => self.finish(step, StepEnd::Unknown(error)),
            Outlook::Retry(error) => {
                let Some(track) = self.tracks.get_mut(&step) else { return };
                if track.attempts >= ATTEMPTS_MAX || self.stop.is_some() {
                    self.finish(step, StepEnd::Failed(error));
                } else {
                    track.progress = Progress::Pausing(now.plus(backoff(track.attempts)), false);
                }
            }
            Outlook::Look => {
                self.set_looks(step, 0);
                self.look(step);
            }
        }
    }

    // ---- looking for what happened ---------------------------------------------------------

    fn set_looks(&mut self, step: StepId, looks: u32) {
        if let Some(track) = self.tracks.get_mut(&step) {
            track.looks = looks;
        }
    }

    pub(super) fn look(&mut self, step: StepId) {
        let Some(change) = self.change(step) else { return };
        let Some(intent) = self.tracks.get(&step).and_then(|t| t.intent.clone()) else { return };
        match self.configured(&change.provider) {
            Some(crate::engine::machine::Configured::Done) => {}
            Some(crate::engine::machine::Configured::Failed(error)) => {
                return self.finish(step, StepEnd::Unknown(error));
            }
            // It comes back when the provider has answered.
            Some(crate::engine::machine::Configured::Running) | None => return,
        }
        let kind = change.address.resource.kind.clone();
        let call = if intent.action.creates() {
            let planned = match self.tools.sealer.open(&intent.planned) {
                Ok(planned) => planned,
                Err(error) => return self.finish(step, StepEnd::Unknown(error.to_string())),
            };
            Call::Find { kind, marker: intent.marker, planned }
        } else {
            match self.object_before(&intent, &change) {
                Some(object) => Call::Read { kind, object },
                None => {
                    let error = "the books have no object to look for".to_owned();
                    return self.finish(step, StepEnd::Unknown(error));
                }
            }
        };
        self.set_progress(step, Progress::Looking);
        self.start(&change.provider, Awaits::Step(step), call);
    }

    fn looked(&mut self, step: StepId, reply: Reply, now: Timestamp) {
        let Some(intent) = self.tracks.get(&step).and_then(|t| t.intent.clone()) else { return };
        let planned = match self.tools.sealer.open(&intent.planned) {
            Ok(planned) => planned,
            Err(error) => return self.finish(step, StepEnd::Unknown(error.to_string())),
        };
        match reply {
            Ok(Answer::Found(Finding::Found(object))) => {
                self.made(step, &intent, &planned, Some(object));
            }
            Ok(Answer::Found(Finding::Approximate(object))) => {
                self.made_roughly(step, &intent, &planned, object);
            }
            Ok(Answer::Found(Finding::Absent)) => self.did_not_happen(step),
            Ok(Answer::Found(Finding::CannotTell(why))) => self.look_again(step, why, now),
            Ok(Answer::Object(None)) if intent.action.deletes() => {
                self.made(step, &intent, &planned, None);
            }
            Ok(Answer::Object(Some(_))) if intent.action.deletes() => self.did_not_happen(step),
            Ok(Answer::Object(None)) => {
                let error = "it was deleted meanwhile".to_owned();
                self.settle(step, Settled::Absent { deposed: None }, Outlook::Fail(error));
            }
            Ok(Answer::Object(Some(object))) => self.update_looked(step, &intent, &planned, object),
            Ok(_) => self.look_again(step, "the provider's answer does not fit".to_owned(), now),
            Err(failure) => self.look_again(step, failure.to_string(), now),
        }
    }

    fn did_not_happen(&mut self, step: StepId) {
        let error = "it did not happen".to_owned();
        self.settle(step, Settled::Refused { error: error.clone() }, Outlook::Retry(error));
    }

    fn update_looked(
        &mut self,
        step: StepId,
        intent: &Intent,
        planned: &Value,
        object: LiveObject,
    ) {
        if fills(planned, &object.value).is_ok() {
            return self.made(step, intent, planned, Some(object));
        }
        let before = self.live(&intent.address);
        if before.is_some_and(|before| same(&before.value, &object.value)) {
            return self.did_not_happen(step);
        }
        let error = "it was changed in part".to_owned();
        self.present(step, intent, planned, object, Some(error), false);
    }

    fn look_again(&mut self, step: StepId, why: String, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(&step) else { return };
        track.looks += 1;
        if track.looks < LOOKS_MAX {
            track.progress = Progress::Pausing(now.plus(backoff(track.looks)), true);
            return;
        }
        let error = format!("nobody can tell whether it happened: {why}");
        self.settle(step, Settled::Unknown { error: error.clone() }, Outlook::GiveUp(error));
    }
}

fn backoff(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(8);
    let seconds = BACKOFF_FIRST.as_secs() << doublings;
    Duration::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX))
}
