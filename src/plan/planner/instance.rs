//! What the planner does to one block and to each of its instances.

use std::collections::BTreeMap;

use crate::blueprint::Body;
use crate::blueprint::ResourceBlock;
use crate::blueprint::body;
use crate::blueprint::body::Repetition;
use crate::blueprint::expr::Fuel;
use crate::blueprint::resolve::NodeId;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::address::Address;
use crate::model::address::InstanceKey;
use crate::model::address::Mode as ResourceMode;
use crate::model::address::ResourceName;
use crate::model::plan::Action;
use crate::model::plan::Reason;
use crate::model::schema::ConvertError;
use crate::model::schema::nearest;
use crate::model::value::Path;
use crate::model::value::Value;
use crate::model::value::same;
use crate::plan::Mode;
use crate::plan::change;
use crate::plan::planner::Awaits;
use crate::plan::planner::NodeState;
use crate::plan::planner::Planner;
use crate::plan::planner::Refresh;
use crate::plan::planner::odd_answer;
use crate::plan::scope::Own;
use crate::plan::scope::Shape;
use crate::provider::Answer;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::Reply;

/// How far one instance has come.
#[derive(Clone, Debug)]
enum Stage {
    /// What exists of it is being read.
    Observing,
    /// Its configuration is being checked.
    Validating,
    /// A proposal on top of what exists, or from nothing, is being made.
    Proposing,
    /// What exists cannot become what is wanted: a proposal from nothing is being made.
    ProposingAnew(Reason),
    /// A data source is being read.
    Reading,
    /// Settled.
    Done,
}

/// One instance of a block of the blueprint.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    stage: Stage,
    pub(super) own: Own,
    pub(super) provider: String,
    /// The conformed configuration with the environment's tags in it.
    pub(super) config: Value,
    pub(super) action: Action,
    pub(super) reason: Reason,
    pub(super) prior: Option<LiveObject>,
    /// Whether proposals may differ in form from the configuration.
    approximate: bool,
    /// What the object will be, and the provider's bytes for it.
    pub(super) planned: Value,
    pub(super) private: crate::model::environment::Private,
}

/// Places a problem with an attribute where the attribute is written.
pub(super) fn attribute_error(
    problem: &ConvertError,
    members: Option<&Body>,
    block: Option<&Span>,
) -> Diagnostic {
    let written = problem.path.first_attribute().and_then(|name| members?.members.get(name));
    let diagnostic = Diagnostic::error(Code::InvalidAttribute, problem.to_string());
    match written.map(|member| &member.span).or(block) {
        Some(span) => diagnostic.at(span.clone()),
        None => diagnostic,
    }
}

impl Planner {
    pub(super) fn begin_block(&mut self, name: &ResourceName) {
        if !matches!(self.request.mode, Mode::Converge(_)) {
            return self.settle_one(name);
        }
        let blueprint = self.request.blueprint.clone();
        let Some(block) = blueprint.resources.get(name) else { return };
        let node = NodeId::Resource(name.clone());
        if self.type_offer(&block.provider.value, name).is_none() {
            self.unknown_type(block);
            return self.finish(&node, NodeState::Failed);
        }
        let scope = self.values.within(&Own::Single);
        let instances = match body::repetition(block, &scope, &mut Fuel::default()) {
            Ok(repetition) => self.expand(name, repetition),
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                return self.finish(&node, NodeState::Failed);
            }
        };
        let mut begun = Vec::new();
        let mut failed = false;
        for (key, own) in instances {
            let address = name.instance(key);
            match self.configuration(block, &own, &address) {
                Ok(config) => {
                    let instance = Instance {
                        stage: Stage::Observing,
                        own,
                        provider: block.provider.value.clone(),
                        config,
                        action: Action::NoOp,
                        reason: Reason::Differs,
                        prior: None,
                        approximate: false,
                        planned: Value::null(),
                        private: crate::model::environment::Private::default(),
                    };
                    begun.push((address, instance));
                }
                Err(diagnostics) => {
                    failed = true;
                    self.diagnostics.extend(diagnostics);
                }
            }
        }
        if failed {
            return self.finish(&node, NodeState::Failed);
        }
        self.values.resources.insert(name.clone(), BTreeMap::new());
        self.open.insert(name.clone(), begun.len());
        if begun.is_empty() {
            return self.finish(&node, NodeState::Done);
        }
        let addresses: Vec<Address> = begun.iter().map(|(address, _)| address.clone()).collect();
        self.instances.extend(begun);
        for address in addresses {
            self.resume_instance(&address);
        }
    }

    fn expand(&mut self, name: &ResourceName, repetition: Repetition) -> Vec<(InstanceKey, Own)> {
        let (shape, instances) = match repetition {
            Repetition::Single => (Shape::Single, vec![(InstanceKey::Single, Own::Single)]),
            Repetition::Count(count) => {
                let each = |index| (InstanceKey::Index(index), Own::Count(index));
                (Shape::List, (0..count).map(each).collect())
            }
            Repetition::Items(items) => {
                let each = |(key, value): (String, Value)| {
                    (InstanceKey::Key(key.clone()), Own::Item { key, value })
                };
                (Shape::Map, items.into_iter().map(each).collect())
            }
        };
        self.values.shapes.insert(name.clone(), shape);
        instances
    }

    /// The configuration of an instance: evaluated, conformed to the schema, tagged.
    fn configuration(
        &self,
        block: &ResourceBlock,
        own: &Own,
        address: &Address,
    ) -> Result<Value, Diagnostics> {
        let scope = self.values.within(own);
        let written = body::evaluate_body(&block.body, &scope, &mut Fuel::default())?;
        let Some(offer) = self.type_offer(&block.provider.value, &block.name) else {
            return Err(Diagnostics::new());
        };
        let error = |problem: &ConvertError| {
            let mut diagnostic = attribute_error(problem, Some(&block.body), Some(&block.span));
            diagnostic.detail = format!("{address}: {}", diagnostic.detail);
            diagnostic
        };
        let all = |problems: Vec<ConvertError>| problems.iter().map(error).collect::<Diagnostics>();
        let conformed = offer.schema.block.conform(&written).map_err(all)?;
        match &offer.governance.tags {
            Some(rule) if block.name.mode == ResourceMode::Managed => {
                let tags = change::reserved_tags(&self.values.environment);
                change::inject_tags(&conformed, rule, &tags).map_err(|problem| {
                    let mut diagnostic = error(&problem);
                    diagnostic.code = Code::ReservedTag;
                    Diagnostics::from(diagnostic)
                })
            }
            _ => Ok(conformed),
        }
    }

    fn unknown_type(&mut self, block: &ResourceBlock) {
        let name = &block.name;
        let Some(provider) = self.providers.get(&block.provider.value) else { return };
        let types = match name.mode {
            ResourceMode::Managed => &provider.offer.resources,
            ResourceMode::Data => &provider.offer.data,
        };
        let detail = format!("the provider {} has no type `{}`", provider.source, name.kind);
        let diagnostic = Diagnostic::error(Code::UnknownType, detail).at(block.span.clone());
        let near = nearest(&name.kind, types.keys().map(String::as_str));
        let diagnostic = match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        };
        self.diagnostics.push(diagnostic);
    }

    /// Goes on with an instance once what exists of it is known.
    pub(super) fn resume_instance(&mut self, address: &Address) {
        if matches!(self.refresh.get(address), Some(Refresh::Failed)) {
            return self.fail_instance(address);
        }
        let Some(observed) = self.observed(address).map(|found| found.cloned()) else { return };
        let Some(instance) = self.instances.get_mut(address) else { return };
        if !matches!(instance.stage, Stage::Observing) {
            return;
        }
        instance.prior = observed;
        let data = address.resource.mode == ResourceMode::Data;
        let provider = instance.provider.clone();
        let config = match (&instance.prior, data) {
            (Some(prior), false) => {
                let config = instance.config.clone();
                let prior = prior.value.clone();
                change::ignore(&config, &prior, &self.ignored(address))
            }
            _ => instance.config.clone(),
        };
        let kind = address.resource.kind.clone();
        let call = Call::Validate { kind, data, config: config.clone() };
        if let Some(instance) = self.instances.get_mut(address) {
            instance.config = config;
            instance.stage = Stage::Validating;
        }
        self.start(&provider, Awaits::Instance(address.clone()), call);
    }

    pub(super) fn ignored(&self, address: &Address) -> Vec<String> {
        let block = self.request.blueprint.resources.get(&address.resource);
        let written = block.into_iter().flat_map(|block| &block.lifecycle.ignore_changes);
        let accepted = self.request.accepted.get(address).into_iter().flatten();
        written.map(|name| name.value.clone()).chain(accepted.cloned()).collect()
    }

    pub(super) fn advance_instance(&mut self, address: &Address, reply: Reply) {
        let Some(stage) = self.instances.get(address).map(|instance| instance.stage.clone()) else {
            return;
        };
        match (stage, reply) {
            (Stage::Validating, Ok(Answer::Accepted { warnings })) => {
                self.warn(&address.to_string(), &warnings);
                self.propose(address);
            }
            (
                stage @ (Stage::Proposing | Stage::ProposingAnew(_)),
                Ok(Answer::ApproximateProposal(proposal)),
            ) => {
                if let Some(instance) = self.instances.get_mut(address) {
                    instance.approximate = true;
                    instance.stage = stage;
                }
                self.advance_instance(address, Ok(Answer::Proposal(proposal)));
            }
            (Stage::Proposing, Ok(Answer::Proposal(proposal))) => self.proposed(address, proposal),
            (Stage::ProposingAnew(reason), Ok(Answer::Proposal(proposal))) => {
                self.warn(&address.to_string(), &proposal.warnings);
                self.settle_instance(address, Action::Replace, reason, proposal);
            }
            (Stage::Reading, Ok(Answer::Data(value))) => {
                let proposal = Proposal {
                    planned: value,
                    requires_replace: Vec::new(),
                    private: crate::model::environment::Private::default(),
                    warnings: Vec::new(),
                };
                self.settle_instance(address, Action::NoOp, Reason::Differs, proposal);
            }
            (_, Ok(_)) => self.refuse_instance(address, &odd_answer()),
            (_, Err(failure)) => self.refuse_instance(address, &failure),
        }
    }

    fn refuse_instance(&mut self, address: &Address, failure: &Failure) {
        let blueprint = self.request.blueprint.clone();
        let block = blueprint.resources.get(&address.resource);
        for remark in &failure.remarks {
            let problem = ConvertError { path: remark.path.clone(), problem: remark.to_string() };
            let members = block.map(|block| &block.body);
            let mut diagnostic = attribute_error(&problem, members, block.map(|b| &b.span));
            diagnostic.code = Code::ProviderRefused;
            diagnostic.detail = format!("{address}: {remark}");
            self.diagnostics.push(diagnostic);
        }
        self.fail_instance(address);
    }

    fn fail_instance(&mut self, address: &Address) {
        if let Some(instance) = self.instances.get_mut(address) {
            instance.stage = Stage::Done;
            self.close_one(&address.resource, NodeState::Failed);
        }
    }

    fn propose(&mut self, address: &Address) {
        let Some(instance) = self.instances.get_mut(address) else { return };
        let kind = address.resource.kind.clone();
        let config = instance.config.clone();
        let provider = instance.provider.clone();
        if address.resource.mode == ResourceMode::Data {
            if !config.is_wholly_known() || self.waits_for_changes(&address.resource) {
                return self.defer_reading(address);
            }
            if let Some(instance) = self.instances.get_mut(address) {
                instance.stage = Stage::Reading;
            }
            let call = Call::ReadData { kind, config };
            return self.start(&provider, Awaits::Instance(address.clone()), call);
        }
        instance.stage = Stage::Proposing;
        let prior = instance.prior.clone();
        let call = Call::Propose { kind, prior, config };
        self.start(&provider, Awaits::Instance(address.clone()), call);
    }

    /// Whether a data source says that it comes after something that this plan changes.
    fn waits_for_changes(&self, name: &ResourceName) -> bool {
        let block = self.request.blueprint.resources.get(name);
        let targets = block.into_iter().flat_map(|block| &block.depends_on);
        targets.into_iter().any(|target| {
            let changes = |(address, instance): (&Address, &Instance)| {
                address.resource == target.value && instance.action != Action::NoOp
            };
            self.instances.iter().any(changes)
        })
    }

    /// A data source that can only be read during apply: what its configuration does not say is
    /// unknown until then.
    fn defer_reading(&mut self, address: &Address) {
        let Some(instance) = self.instances.get(address) else { return };
        let offer = self.type_offer(&instance.provider, &address.resource);
        let fill = |(name, value): (&String, &Value)| {
            let computed = offer
                .as_ref()
                .and_then(|offer| offer.schema.block.attributes.get(name))
                .is_some_and(|attribute| attribute.computed);
            let value = if value.is_null() && computed { Value::unknown() } else { value.clone() };
            (name.clone(), value)
        };
        let members = instance.config.as_map().cloned().unwrap_or_default();
        let proposal = Proposal {
            planned: Value::map(members.iter().map(fill).collect()),
            requires_replace: Vec::new(),
            private: crate::model::environment::Private::default(),
            warnings: Vec::new(),
        };
        self.settle_instance(address, Action::Read, Reason::DependsOnChange, proposal);
    }

    fn proposed(&mut self, address: &Address, proposal: Proposal) {
        self.warn(&address.to_string(), &proposal.warnings);
        let Some(instance) = self.instances.get(address) else { return };
        let recorded = self.request.resources.get(address);
        let Some(prior) = instance.prior.clone() else {
            let missing = recorded.is_some_and(|record| record.object.is_some());
            let reason = if missing { Reason::Missing } else { Reason::Differs };
            return self.settle_instance(address, Action::Create, reason, proposal);
        };
        let object = recorded.and_then(|record| record.object.as_ref());
        let forced = change::forced(&prior.value, &proposal.planned, &proposal.requires_replace);
        let anew = if object.is_some_and(|object| object.tainted) {
            Some(Reason::Tainted)
        } else if self.request.replace.contains(address) {
            Some(Reason::Requested)
        } else if forced.is_empty() {
            None
        } else {
            Some(Reason::Forced(forced))
        };
        let Some(reason) = anew else {
            let unchanged = same(&prior.value, &proposal.planned);
            let action = if unchanged { Action::NoOp } else { Action::Update };
            return self.settle_instance(address, action, Reason::Differs, proposal);
        };
        let blueprint = self.request.blueprint.clone();
        let Some(block) = blueprint.resources.get(&address.resource) else { return };
        let own = instance.own.clone();
        let provider = instance.provider.clone();
        // What was ignored belongs to the old object; the new one follows the blueprint.
        match self.configuration(block, &own, address) {
            Ok(config) => {
                if let Some(instance) = self.instances.get_mut(address) {
                    instance.config = config.clone();
                    instance.stage = Stage::ProposingAnew(reason);
                }
                let kind = address.resource.kind.clone();
                let call = Call::Propose { kind, prior: None, config };
                self.start(&provider, Awaits::Instance(address.clone()), call);
            }
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                self.fail_instance(address);
            }
        }
    }

    fn settle_instance(
        &mut self,
        address: &Address,
        action: Action,
        reason: Reason,
        proposal: Proposal,
    ) {
        let Some(instance) = self.instances.get(address) else { return };
        let offer = self.type_offer(&instance.provider, &address.resource);
        let planned = match offer {
            Some(offer) => offer.schema.block.mark_sensitive(&proposal.planned),
            None => proposal.planned,
        };
        let planned = planned.with_marks_of(&instance.config);
        let prior = instance.prior.as_ref().map(|prior| &prior.value);
        let found = contradiction(&instance.config, prior, &planned);
        if let Some(problem) = found.filter(|_| !instance.approximate) {
            let failure = Failure::rejected(format!(
                "the provider's proposal contradicts the configuration at {problem}"
            ));
            return self.refuse_instance(address, &failure);
        }
        if let Some(instance) = self.instances.get_mut(address) {
            instance.stage = Stage::Done;
            instance.action = action;
            instance.reason = reason;
            instance.private = proposal.private;
            instance.planned = planned.clone();
        }
        let instances = self.values.resources.entry(address.resource.clone()).or_default();
        instances.insert(address.key.clone(), planned);
        self.close_one(&address.resource, NodeState::Done);
    }

    fn close_one(&mut self, name: &ResourceName, state: NodeState) {
        let node = NodeId::Resource(name.clone());
        if state == NodeState::Failed {
            self.nodes.insert(node.clone(), NodeState::Failed);
        }
        let Some(open) = self.open.get_mut(name) else { return };
        *open = open.saturating_sub(1);
        if *open == 0 {
            let failed = self.nodes.get(&node) == Some(&NodeState::Failed);
            self.finish(&node, if failed { NodeState::Failed } else { NodeState::Done });
        }
    }

    /// When nothing is proposed, a block is what is recorded of it, as observed.
    pub(super) fn settle_one(&mut self, name: &ResourceName) {
        let node = NodeId::Resource(name.clone());
        if self.nodes.get(&node) != Some(&NodeState::Running) {
            return;
        }
        let mut instances = BTreeMap::new();
        for address in self.request.resources.keys().filter(|a| a.resource == *name) {
            match self.refresh.get(address) {
                Some(Refresh::Done(Some(object))) => {
                    instances.insert(address.key.clone(), object.value.clone());
                }
                Some(Refresh::Done(None)) | None => {}
                Some(Refresh::Failed) => return self.finish(&node, NodeState::Failed),
                Some(Refresh::Waiting | Refresh::Running) => return,
            }
        }
        let shape = match instances.keys().next() {
            Some(InstanceKey::Index(_)) => Shape::List,
            Some(InstanceKey::Key(_)) => Shape::Map,
            Some(InstanceKey::Single) => Shape::Single,
            None => {
                instances.insert(InstanceKey::Single, Value::unknown());
                Shape::Single
            }
        };
        self.values.shapes.insert(name.clone(), shape);
        self.values.resources.insert(name.clone(), instances);
        self.finish(&node, NodeState::Done);
    }
}

/// Where a proposal does not keep what the configuration says, if anywhere. A null in the
/// configuration leaves the provider free, and a provider may take a change for none and keep what
/// is there.
fn contradiction(config: &Value, prior: Option<&Value>, planned: &Value) -> Option<Path> {
    let members = config.as_map()?;
    let differs = |(name, wanted): (&String, &Value)| {
        let got = planned.get(name)?;
        let free = wanted.is_null() || !wanted.is_wholly_known() || !got.is_wholly_known();
        let kept = prior.and_then(|prior| prior.get(name)).is_some_and(|prior| same(prior, got));
        (!free
            && !kept
            && wanted.kind_name() == got.kind_name()
            && got.as_map().is_none()
            && !same(wanted, got))
        .then(|| Path::attribute(name))
    };
    members.iter().find_map(differs)
}
