//! Final values: what a step really sends, once everything it depends on is there.
//!
//! INVARIANT (no surprise at apply): final values only fill what was unknown in the plan. Anything
//! else fails the step before its call.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::blueprint::body;
use crate::blueprint::expr::Fuel;
use crate::blueprint::expr::Reference;
use crate::blueprint::resolve::NodeId;
use crate::engine::machine::Awaits;
use crate::engine::machine::Configured;
use crate::engine::machine::Effect;
use crate::engine::machine::Machine;
use crate::engine::machine::Prepared;
use crate::engine::machine::Progress;
use crate::engine::machine::START_WITHIN;
use crate::engine::machine::StepEnd;
use crate::model::address::Address;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::event::Event;
use crate::model::event::Intent;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Each;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;
use crate::model::sealed::SealedValue;
use crate::model::value::Kind;
use crate::model::value::Path;
use crate::model::value::Step as PathStep;
use crate::model::value::Value;
use crate::model::value::same;
use crate::plan::change as facts_of;
use crate::plan::scope::Own;
use crate::plan::scope::Shape;
use crate::plan::scope::Values;
use crate::provider::Call;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::TypeOffer;

impl Machine {
    /// What expressions see at the start: the plan's own values, real ones where there are any.
    pub(super) fn take_in_values(&mut self) {
        let record = &self.plan.record;
        self.values = Values {
            inputs: self.tools.inputs.clone(),
            environment: Values::environment_facts(self.plan.environment, record),
            ..Values::default()
        };
        for (name, block) in &self.tools.blueprint.resources {
            let shape = match (&block.count, &block.for_each) {
                (Some(_), _) => Shape::List,
                (_, Some(_)) => Shape::Map,
                _ => Shape::Single,
            };
            self.values.shapes.insert(name.clone(), shape);
            self.values.resources.entry(name.clone()).or_default();
        }
        let plan = Arc::clone(&self.plan);
        for change in plan.changes.iter().filter(|c| c.deposed.is_none()) {
            if change.action != Action::Delete
                && let Ok(value) = self.tools.sealer.open(&change.planned)
            {
                self.set_value(&change.address, value);
            }
        }
        let done: Vec<Address> = self
            .tracks
            .values()
            .filter(|track| matches!(track.progress, Progress::Over(StepEnd::Succeeded)))
            .filter_map(|track| plan.change_of(&track.step))
            .map(|change| change.address.clone())
            .collect();
        for address in done {
            let object = self.resources.get(&address).and_then(|r| r.object.as_ref());
            if let Some(Ok(value)) = object.map(|object| self.tools.sealer.open(&object.value)) {
                self.set_value(&address, value);
            }
        }
    }

    pub(super) fn set_value(&mut self, address: &Address, value: Value) {
        let instances = self.values.resources.entry(address.resource.clone()).or_default();
        instances.insert(address.key.clone(), value);
    }

    fn type_offer(&self, change: &Change) -> Option<Arc<TypeOffer>> {
        let provider = self.plan.providers.get(&change.provider)?;
        let offer = self.tools.offers.get(&provider.source)?;
        let name = &change.address.resource;
        match name.mode {
            crate::model::address::Mode::Managed => offer.resources.get(&name.kind).cloned(),
            crate::model::address::Mode::Data => offer.data.get(&name.kind).cloned(),
        }
    }

    /// A value that a provider returned, with the marks of its schema and of what was planned.
    pub(super) fn marked(&self, change: &Change, value: &Value) -> Value {
        let planned = self.tools.sealer.open(&change.planned).unwrap_or_else(|_| Value::null());
        let marked = value.with_marks_of(&planned);
        match self.type_offer(change) {
            Some(offer) => offer.schema.block.mark_sensitive(&marked),
            None => marked,
        }
    }

    /// Begins a step: final values first, then its judgement.
    pub(super) fn prepare(&mut self, step: StepId) {
        let Some(change) = self.change(step) else { return };
        match self.configured(&change.provider) {
            Some(Configured::Done) => {}
            Some(Configured::Failed(error)) => {
                let error = format!("provider {}: {error}", change.provider);
                return self.finish(step, StepEnd::Failed(error));
            }
            // It comes back when the provider has answered.
            Some(Configured::Running) | None => return,
        }
        let Some(action) = self.tracks.get(&step).map(|track| track.step.action) else { return };
        let prepared = match action {
            StepAction::Delete | StepAction::DeleteDeposed => self.deletion(&change),
            StepAction::Read => return self.read_data(step, &change),
            StepAction::Create | StepAction::CreateBeside | StepAction::Update => {
                self.configuration(&change)
            }
        };
        match prepared {
            Ok(prepared) if change.config.is_wholly_known() || action.deletes() => {
                self.judge(step, &change, prepared);
            }
            Ok(prepared) => self.propose(step, &change, action, prepared),
            Err(error) => self.finish(step, StepEnd::Failed(error)),
        }
    }

    fn deletion(&self, change: &Change) -> Result<Prepared, String> {
        let private = self.tools.sealer.open_private(&change.planned_private);
        Ok(Prepared {
            config: Value::null(),
            planned: Value::null(),
            private: private.map_err(|error| error.to_string())?,
            record: Box::new(self.record_of(change)),
        })
    }

    /// The resource as it will stand in the books, without its object.
    pub(super) fn record_of(&self, change: &Change) -> ResourceRecord {
        let source = self.plan.providers.get(&change.provider).map(|p| p.source.clone());
        ResourceRecord {
            address: change.address.clone(),
            provider: change.provider.clone(),
            source: source.unwrap_or_default(),
            object: None,
            deposed: std::collections::BTreeMap::new(),
            dependencies: change.dependencies.clone(),
            marker: Some(change.marker.clone()),
            facts: change.facts.clone(),
            prevent_destroy: change.prevent_destroy,
            create_before_destroy: change.create_before_destroy,
        }
    }

    fn configuration(&mut self, change: &Change) -> Result<Prepared, String> {
        let open = |value: &SealedValue| self.tools.sealer.open(value).map_err(|e| e.to_string());
        let planned = open(&change.planned)?;
        let admitted = open(&change.config)?;
        let config = if admitted.is_wholly_known() {
            admitted
        } else {
            let config = self.evaluate(change)?;
            fills(&admitted, &config).map_err(|path| {
                format!("its configuration differs at {path} from what was planned")
            })?;
            if !config.is_wholly_known() {
                return Err("its configuration is still unknown".to_owned());
            }
            config
        };
        let record = Box::new(self.record_of(change));
        let private = self.tools.sealer.open_private(&change.planned_private);
        let private = private.map_err(|error| error.to_string())?;
        Ok(Prepared { config, planned, private, record })
    }

    /// The configuration of a change, evaluated on what is known by now.
    fn evaluate(&mut self, change: &Change) -> Result<Value, String> {
        let blueprint = Arc::clone(&self.tools.blueprint);
        let block = blueprint
            .resources
            .get(&change.address.resource)
            .ok_or("its blueprint has no such block. This is a bug in gov.")?;
        self.refresh_locals(&NodeId::Resource(change.address.resource.clone()))?;
        let own = match &change.each {
            Each::Single => Own::Single,
            Each::Count(index) => Own::Count(*index),
            Each::Item { key, value } => {
                let value = self.tools.sealer.open(value).map_err(|e| e.to_string())?;
                Own::Item { key: key.clone(), value }
            }
        };
        let scope = self.values.within(&own);
        let written = body::evaluate_body(&block.body, &scope, &mut Fuel::default())
            .map_err(|diagnostics| first(&diagnostics))?;
        let offer = self.type_offer(change).ok_or("its provider does not know the type")?;
        let conformed =
            offer.schema.block.conform(&written).map_err(|problems| {
                problems.first().map(ToString::to_string).unwrap_or_default()
            })?;
        let tagged = match &offer.governance.tags {
            Some(rule) => {
                let tags = facts_of::reserved_tags(&self.values.environment);
                facts_of::inject_tags(&conformed, rule, &tags).map_err(|e| e.to_string())?
            }
            None => conformed,
        };
        let ignored: Vec<String> = change.ignored.iter().cloned().collect();
        match (&change.prior, change.action) {
            (Some(prior), Action::Update) => {
                let prior = self.tools.sealer.open(&prior.value).map_err(|e| e.to_string())?;
                Ok(facts_of::ignore(&tagged, &prior, &ignored))
            }
            _ => Ok(tagged),
        }
    }

    /// Evaluates the locals that a node needs, in order, on what is known by now.
    fn refresh_locals(&mut self, node: &NodeId) -> Result<(), String> {
        let resolved = Arc::clone(&self.tools.resolved);
        let blueprint = Arc::clone(&self.tools.blueprint);
        let mut wanted: BTreeSet<NodeId> = BTreeSet::new();
        let mut open = vec![node.clone()];
        while let Some(next) = open.pop() {
            for reference in resolved.references.get(&next).into_iter().flatten() {
                if let Reference::Local(name) = reference {
                    let local = NodeId::Local(name.clone());
                    if wanted.insert(local.clone()) {
                        open.push(local);
                    }
                }
            }
        }
        for node in resolved.order.iter().filter(|node| wanted.contains(node)) {
            let NodeId::Local(name) = node else { continue };
            let Some(local) = blueprint.locals.get(name) else { continue };
            let scope = self.values.within(&Own::Single);
            let value = body::evaluate(&local.value, &local.span, &scope, &mut Fuel::default())
                .map_err(|diagnostics| first(&diagnostics))?;
            self.values.locals.insert(name.clone(), value);
        }
        Ok(())
    }

    pub(super) fn provider_config(&mut self, name: &str) -> Result<Value, String> {
        let plan = Arc::clone(&self.plan);
        let planned = plan.providers.get(name).ok_or("it is not part of the plan")?;
        let admitted = self.tools.sealer.open(&planned.config).map_err(|e| e.to_string())?;
        if admitted.is_wholly_known() {
            return Ok(admitted);
        }
        let blueprint = Arc::clone(&self.tools.blueprint);
        let declared = blueprint.providers.get(name).ok_or("the blueprint does not declare it")?;
        self.refresh_locals(&NodeId::Provider(name.to_owned()))?;
        let scope = self.values.within(&Own::Single);
        let written = body::evaluate_body(&declared.config, &scope, &mut Fuel::default())
            .map_err(|diagnostics| first(&diagnostics))?;
        let offer = self.tools.offers.get(&planned.source).ok_or("it was not opened")?;
        let config =
            offer.config.block.conform(&written).map_err(|problems| {
                problems.first().map(ToString::to_string).unwrap_or_default()
            })?;
        fills(&admitted, &config)
            .map_err(|path| format!("its configuration differs at {path} from what was planned"))?;
        Ok(config)
    }

    pub(super) fn output_value(&mut self, name: &str) -> SealedValue {
        let blueprint = Arc::clone(&self.tools.blueprint);
        let Some(output) = blueprint.outputs.get(name) else { return SealedValue::Null };
        if self.refresh_locals(&NodeId::Output(name.to_owned())).is_err() {
            return SealedValue::Unknown;
        }
        let scope = self.values.within(&Own::Single);
        let span = &output.value.span;
        let value = body::evaluate(&output.value.value, span, &scope, &mut Fuel::default());
        let value = value.unwrap_or_else(|_| Value::unknown()).with_sensitive(output.sensitive);
        self.tools.sealer.seal(&value).unwrap_or(SealedValue::Unknown)
    }

    fn read_data(&mut self, step: StepId, change: &Change) {
        match self.evaluate(change) {
            Ok(config) if config.is_wholly_known() => {
                let call = Call::ReadData { kind: change.address.resource.kind.clone(), config };
                self.set_progress(step, Progress::Reading);
                self.start(&change.provider, Awaits::Step(step), call);
            }
            Ok(_) => {
                let error = "its configuration is still unknown".to_owned();
                self.finish(step, StepEnd::Failed(error));
            }
            Err(error) => self.finish(step, StepEnd::Failed(error)),
        }
    }

    fn propose(&mut self, step: StepId, change: &Change, action: StepAction, prepared: Prepared) {
        let prior = if action == StepAction::Update { self.live(&change.address) } else { None };
        let kind = change.address.resource.kind.clone();
        let call = Call::Propose { kind, prior, config: prepared.config.clone() };
        self.set_progress(step, Progress::Proposing(prepared));
        self.start(&change.provider, Awaits::Step(step), call);
    }

    pub(super) fn proposed(&mut self, step: StepId, mut prepared: Prepared, made: Proposal) {
        let Some(change) = self.change(step) else { return };
        if let Err(path) = fills(&prepared.planned, &made.planned) {
            let error = format!("what the provider would make differs at {path} from the plan");
            return self.finish(step, StepEnd::Failed(error));
        }
        if change.action == Action::Update
            && let Some(prior) = self.live(&change.address)
        {
            let forced = facts_of::forced(&prior.value, &made.planned, &made.requires_replace);
            if let Some(path) = forced.first() {
                let error = format!("{path} cannot change in place, which the plan did not know");
                return self.finish(step, StepEnd::Failed(error));
            }
        }
        let marked = made.planned.with_marks_of(&prepared.config);
        prepared.planned = match self.type_offer(&change) {
            Some(offer) => offer.schema.block.mark_sensitive(&marked),
            None => marked,
        };
        prepared.private = made.private;
        self.judge(step, &change, prepared);
    }

    fn judge(&mut self, step: StepId, change: &Change, mut prepared: Prepared) {
        let mut last = change.clone();
        if !prepared.planned.is_null() {
            let config = self.provider_value(&change.provider);
            if let Some(offer) = self.type_offer(change) {
                last.facts = facts_of::facts(&offer.governance, &prepared.planned, &config);
                prepared.record.facts = last.facts.clone();
            }
        }
        self.set_progress(step, Progress::Judging(prepared));
        self.effects.push(Effect::Judge(step, Box::new(last)));
    }

    fn provider_value(&self, name: &str) -> Value {
        let planned = self.plan.providers.get(name);
        let value = planned.and_then(|p| self.tools.sealer.open(&p.config).ok());
        value.unwrap_or_else(Value::null)
    }

    /// INVARIANT (intent before effect): the call is made when this record is durable.
    pub(super) fn intend(&mut self, step: StepId, prepared: Prepared, now: Timestamp) {
        let Some(change) = self.change(step) else { return };
        let planned = match self.tools.sealer.seal(&prepared.planned) {
            Ok(planned) => planned,
            Err(error) => return self.finish(step, StepEnd::Failed(error.to_string())),
        };
        let Some(track) = self.tracks.get_mut(&step) else { return };
        track.attempts += 1;
        let action = track.step.action;
        let intent = Intent {
            run: self.run,
            step,
            attempt: track.attempts,
            address: change.address.clone(),
            action,
            marker: change.marker.clone(),
            record: prepared.record.clone(),
            planned,
            deposed: deposed_key(action, &change),
            start_by: now.plus(START_WITHIN),
        };
        track.intent = Some(intent.clone());
        track.progress = Progress::Intending(prepared);
        self.record(step, vec![Event::StepIntended(intent)]);
    }

    pub(super) fn set_progress(&mut self, step: StepId, progress: Progress) {
        if let Some(track) = self.tracks.get_mut(&step) {
            track.progress = progress;
        }
    }

    /// The current object of a resource, live.
    pub(super) fn live(&self, address: &Address) -> Option<LiveObject> {
        self.opened(self.resources.get(address)?.object.as_ref()?)
    }

    /// The object put aside under a key, live.
    pub(super) fn live_deposed(&self, address: &Address, key: &str) -> Option<LiveObject> {
        self.opened(self.resources.get(address)?.deposed.get(key)?)
    }

    fn opened(&self, object: &Object) -> Option<LiveObject> {
        let value = self.tools.sealer.open(&object.value).ok()?;
        let private = self.tools.sealer.open_private(&object.private).ok()?;
        Some(LiveObject { value, private })
    }
}

/// Under which key the object that a step deletes was put aside, or a step's create puts it.
pub(super) fn deposed_key(action: StepAction, change: &Change) -> Option<String> {
    match action {
        StepAction::DeleteDeposed | StepAction::CreateBeside => {
            Some(change.deposed.clone().unwrap_or_else(|| change.marker.0.clone()))
        }
        _ => None,
    }
}

fn first(diagnostics: &crate::diagnostic::Diagnostics) -> String {
    diagnostics.iter().next().map(|d| d.detail.clone()).unwrap_or_default()
}

/// Whether `actual` only fills what is unknown in `planned`.
///
/// # Errors
/// The first place where it does not.
pub fn fills(planned: &Value, actual: &Value) -> Result<(), Path> {
    fills_at(&Path::root(), planned, actual)
}

fn fills_at(path: &Path, planned: &Value, actual: &Value) -> Result<(), Path> {
    if planned.is_unknown() {
        return Ok(());
    }
    match (planned.kind(), actual.kind()) {
        (Kind::Map(wanted), Kind::Map(got)) if wanted.len() == got.len() => {
            for (name, member) in wanted {
                let at = path.join(PathStep::Attribute(name.clone()));
                let Some(other) = got.get(name) else { return Err(at) };
                fills_at(&at, member, other)?;
            }
            Ok(())
        }
        (Kind::List(wanted), Kind::List(got)) if wanted.len() == got.len() => {
            for (index, (item, other)) in wanted.iter().zip(got).enumerate() {
                fills_at(&path.join(PathStep::Index(index)), item, other)?;
            }
            Ok(())
        }
        // The items of a set that has unknown ones cannot be matched one by one.
        (Kind::Set(_), Kind::Set(_)) if !planned.is_wholly_known() => Ok(()),
        _ if same(planned, actual) => Ok(()),
        _ => Err(path.clone()),
    }
}
