//! The plan, put together once every question is answered.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Level;
use crate::model::address::Address;
use crate::model::address::Mode as ResourceMode;
use crate::model::address::ResourceName;
use crate::model::environment::Object;
use crate::model::environment::ResourceRecord;
use crate::model::environment::SealedPrivate;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Each;
use crate::model::plan::PLAN_VERSION;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::model::plan::PlannedOutput;
use crate::model::plan::PlannedProvider;
use crate::model::plan::Reason;
use crate::model::sealed::SealedValue;
use crate::model::value::Value;
use crate::model::value::same;
use crate::plan::Mode;
use crate::plan::change;
use crate::plan::planner::Planner;
use crate::plan::planner::Refresh;
use crate::plan::planner::instance::Instance;
use crate::plan::scope::Own;
use crate::plan::steps;
use crate::provider::LiveObject;
use crate::state::seal::SealError;

impl Planner {
    pub(super) fn assemble(&mut self) -> Result<Plan, Diagnostics> {
        self.check_complete()?;
        self.check_replace()?;
        let sealed = |error: SealError| {
            Diagnostics::from(Diagnostic::error(Code::ProviderFailed, error.to_string()))
        };
        let mut changes = self.changes().map_err(sealed)?;
        changes.sort_by(|a, b| (&a.address, &a.deposed).cmp(&(&b.address, &b.deposed)));
        steps::spread_create_before_destroy(&mut changes);
        if let Mode::TakeDown { kind, delete_data } = self.request.mode {
            hold(&mut changes, kind, delete_data, &self.request.resources);
        }
        let recorded = self.request.resources.values();
        let recorded = recorded.map(|r| (r.address.clone(), r.dependencies.clone())).collect();
        let steps = steps::order(&changes, &recorded).map_err(|cycle| {
            let detail = format!("the order of execution runs in a circle: {cycle}");
            Diagnostics::from(Diagnostic::error(Code::ReferenceCycle, detail))
        })?;
        let outputs = self.planned_outputs().map_err(sealed)?;
        let providers = self.planned_providers(&changes).map_err(sealed)?;
        let warnings = self.diagnostics.iter().filter(|d| d.level == Level::Warning);
        // Sorted, for they came up as answers came in. INVARIANT (order is stable)
        let warnings: BTreeSet<String> = warnings.map(|warning| warning.detail.clone()).collect();
        Ok(Plan {
            version: PLAN_VERSION,
            store: self.request.store,
            environment: self.request.environment,
            is_new: self.request.is_new,
            kind: self.request.mode.kind(),
            made: self.request.now,
            made_by: self.request.actor.clone(),
            record: self.request.record.clone(),
            resources_revision: self.request.resources_revision,
            providers,
            changes,
            steps,
            outputs,
            warnings: warnings.into_iter().collect(),
            gone: self.gone(),
        })
    }

    /// Every node has been settled, or something would silently count as unchanged.
    fn check_complete(&self) -> Result<(), Diagnostics> {
        let stuck = self.nodes.iter().find(|(_, state)| **state != super::NodeState::Done);
        stuck.map_or(Ok(()), |(node, _)| {
            let detail = format!("{node} was never settled. This is a bug in gov.");
            Err(Diagnostic::error(Code::ProviderFailed, detail).into())
        })
    }

    /// `--replace` names resources that the plan has, or it is a mistake.
    fn check_replace(&self) -> Result<(), Diagnostics> {
        let unknown = |address: &&Address| !self.instances.contains_key(*address);
        let wrong = self.request.replace.iter().filter(unknown).map(|address| {
            let detail = format!("{address} is not a resource of this environment");
            Diagnostic::error(Code::InvalidReplace, detail)
        });
        let wrong: Diagnostics = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Recorded resources whose object is gone in reality.
    fn gone(&self) -> Vec<ResourceRecord> {
        let gone = |record: &&ResourceRecord| {
            let read = self.refresh.get(&record.address);
            record.object.is_some() && matches!(read, Some(Refresh::Done(None)))
        };
        if self.request.mode == Mode::Observe {
            return Vec::new();
        }
        self.request.resources.values().filter(gone).cloned().collect()
    }

    fn changes(&self) -> Result<Vec<Change>, SealError> {
        let mut changes = Vec::new();
        for (address, instance) in &self.instances {
            changes.push(self.instance_change(address, instance)?);
        }
        for record in self.request.resources.values() {
            if !self.instances.contains_key(&record.address) {
                changes.extend(self.leftover_change(record)?);
            }
            if self.request.mode != Mode::Observe {
                for (key, object) in &record.deposed {
                    changes.push(self.deposed_change(record, key, object));
                }
            }
        }
        Ok(changes)
    }

    fn instance_change(&self, address: &Address, instance: &Instance) -> Result<Change, SealError> {
        let sealer = &self.request.sealer;
        let record = self.request.resources.get(address);
        let block = self.request.blueprint.resources.get(&address.resource);
        let lifecycle = block.map(|block| block.lifecycle.clone()).unwrap_or_default();
        let offer = self.type_offer(&instance.provider, &address.resource);
        let provider = self.providers.get(&instance.provider);
        let null = Value::null();
        let provider_config = provider.map_or(&null, |provider| &provider.config);
        let governance = offer.as_ref().map(|offer| offer.governance.clone()).unwrap_or_default();
        let (prior, recorded) = self.prior(record, instance.prior.as_ref())?;
        let each = match &instance.own {
            Own::Single => Each::Single,
            Own::Count(index) => Each::Count(*index),
            Own::Item { key, value } => Each::Item { key: key.clone(), value: sealer.seal(value)? },
        };
        // An object that stays keeps the marker it was made with.
        let stays = matches!(instance.action, Action::NoOp | Action::Update);
        let kept = record.and_then(|record| record.marker.clone()).filter(|_| stays);
        let fresh = || {
            let revision = self.request.resources_revision;
            change::marker(self.request.environment, address, revision)
        };
        let withheld = match &offer {
            Some(offer) => offer.schema.block.withhold_write_only(&instance.config),
            None => instance.config.clone(),
        };
        Ok(Change {
            address: address.clone(),
            provider: instance.provider.clone(),
            action: instance.action,
            reason: instance.reason.clone(),
            prior,
            recorded,
            config: sealer.seal(&withheld)?,
            planned: sealer.seal(&instance.planned)?,
            planned_private: sealer.seal_private(&instance.private)?,
            each,
            marker: kept.unwrap_or_else(fresh),
            dependencies: self.dependencies(&address.resource),
            facts: change::facts(&governance, &instance.planned, provider_config),
            prevent_destroy: lifecycle.prevent_destroy,
            create_before_destroy: lifecycle.create_before_destroy,
            ignored: self.ignored(address).into_iter().collect(),
            deposed: None,
        })
    }

    fn dependencies(&self, name: &ResourceName) -> BTreeSet<ResourceName> {
        self.request.resolved.resource_dependencies(name)
    }

    /// The observed object at rest, and the recorded one where it differs.
    fn prior(
        &self,
        record: Option<&ResourceRecord>,
        observed: Option<&LiveObject>,
    ) -> Result<(Option<Object>, Option<Object>), SealError> {
        let Some(stored) = record.and_then(|record| record.object.as_ref()) else {
            return Ok((None, None));
        };
        let Some(observed) = observed else { return Ok((None, Some(stored.clone()))) };
        let version = record.and_then(|record| {
            let offer = self.type_offer(&record.provider, &record.address.resource)?;
            Some(offer.schema.version)
        });
        let prior = Object {
            value: self.request.sealer.seal(&observed.value)?,
            private: self.request.sealer.seal_private(&observed.private)?,
            schema_version: version.unwrap_or(stored.schema_version),
            tainted: stored.tainted,
        };
        let known = self.request.sealer.open(&stored.value)?;
        let drifted = !same(&known, &observed.value);
        Ok((Some(prior), drifted.then(|| stored.clone())))
    }

    /// A recorded resource that is no instance of this plan: to be deleted, or only looked at.
    fn leftover_change(&self, record: &ResourceRecord) -> Result<Option<Change>, SealError> {
        let Some(Refresh::Done(observed)) = self.refresh.get(&record.address) else {
            return Ok(None);
        };
        let (prior, recorded) = self.prior(Some(record), observed.as_ref())?;
        let (action, reason) = match (self.request.mode, &prior) {
            (Mode::Observe, _) => (Action::NoOp, Reason::Differs),
            // Gone already: nothing to delete, and the books follow.
            (_, None) => return Ok(None),
            (Mode::Converge(_), _) => (Action::Delete, Reason::NotInBlueprint),
            (Mode::TakeDown { .. }, _) => (Action::Delete, Reason::EnvironmentEnds),
        };
        let planned = match (&prior, action) {
            (Some(object), Action::NoOp) => object.value.clone(),
            _ => SealedValue::Null,
        };
        Ok(Some(Change { prior, recorded, planned, ..recorded_change(record, action, reason) }))
    }

    fn deposed_change(&self, record: &ResourceRecord, key: &str, object: &Object) -> Change {
        Change {
            prior: Some(object.clone()),
            deposed: Some(key.to_owned()),
            ..recorded_change(record, Action::Delete, Reason::Deposed)
        }
    }

    fn planned_outputs(&self) -> Result<BTreeMap<String, PlannedOutput>, SealError> {
        let names: BTreeSet<&String> = match self.request.mode {
            Mode::Converge(_) => self.outputs.keys().chain(self.request.outputs.keys()).collect(),
            Mode::TakeDown { .. } => self.request.outputs.keys().collect(),
            Mode::Observe => BTreeSet::new(),
        };
        let converges = matches!(self.request.mode, Mode::Converge(_));
        let output = |name: &String| {
            let before = self.request.outputs.get(name).cloned().unwrap_or(SealedValue::Null);
            let after = match self.outputs.get(name).filter(|_| converges) {
                Some(value) => self.request.sealer.seal(value)?,
                None => SealedValue::Null,
            };
            Ok((name.clone(), PlannedOutput { before, after }))
        };
        names.into_iter().map(output).collect()
    }

    fn planned_providers(
        &self,
        changes: &[Change],
    ) -> Result<BTreeMap<String, PlannedProvider>, SealError> {
        let used: BTreeSet<&String> = changes.iter().map(|change| &change.provider).collect();
        let planned = |(name, provider): (&String, &super::ProviderUse)| {
            let config = self.request.sealer.seal(&provider.config)?;
            Ok((name.clone(), PlannedProvider { source: provider.source.clone(), config }))
        };
        self.providers.iter().filter(|(name, _)| used.contains(name)).map(planned).collect()
    }
}

/// A change of a recorded resource that has no configuration any more.
fn recorded_change(record: &ResourceRecord, action: Action, reason: Reason) -> Change {
    Change {
        address: record.address.clone(),
        provider: record.provider.clone(),
        action,
        reason,
        prior: None,
        recorded: None,
        config: SealedValue::Null,
        planned: SealedValue::Null,
        planned_private: SealedPrivate::default(),
        each: Each::Single,
        marker: record.marker.clone().unwrap_or(crate::model::id::Marker(String::new())),
        dependencies: record.dependencies.clone(),
        facts: record.facts.clone(),
        prevent_destroy: record.prevent_destroy,
        create_before_destroy: record.create_before_destroy,
        ignored: BTreeSet::new(),
        deposed: None,
    }
}

/// Keeps what may not be deleted, and what that was made from: without its folder a file is gone.
fn hold(
    changes: &mut [Change],
    kind: PlanKind,
    delete_data: bool,
    recorded: &BTreeMap<Address, ResourceRecord>,
) {
    // A destroy that somebody asked for is judged by the gate instead: it is refused, or it needs
    // consent, and is not done in part.
    if kind != PlanKind::Reap {
        return;
    }
    let kept = |change: &Change| {
        change.address.resource.mode == ResourceMode::Managed
            && (change.prevent_destroy || (change.facts.bears_data && !delete_data))
    };
    let mut wanted: Vec<ResourceName> =
        changes.iter().filter(|c| kept(c)).map(|c| c.address.resource.clone()).collect();
    let mut held: BTreeSet<Address> =
        changes.iter().filter(|c| kept(c)).map(|c| c.address.clone()).collect();
    let mut seen: BTreeSet<ResourceName> = BTreeSet::new();
    while let Some(block) = wanted.pop() {
        if !seen.insert(block.clone()) {
            continue;
        }
        for record in recorded.values().filter(|record| record.address.resource == block) {
            for earlier in &record.dependencies {
                let instances = recorded.keys().filter(|address| address.resource == *earlier);
                held.extend(instances.cloned());
                wanted.push(earlier.clone());
            }
        }
    }
    for change in changes.iter_mut().filter(|change| held.contains(&change.address)) {
        // What was put aside is in nobody's way: only what bears data itself is kept of it.
        if change.deposed.is_none() || kept(change) {
            change.action = Action::Hold;
        }
    }
}
