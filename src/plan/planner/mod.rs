//! The planner: a machine that walks the blueprint's graph and proposes a change for each resource.
//!
//! `poll` says which calls to make; `answer` takes their replies, in any order. It does no I/O,
//! reads no clock and holds every intermediate value in ordered maps, so that the plan depends on
//! the answers alone. What it does to one resource is in [`instance`]; how a plan is put together
//! at the end is in [`assemble`].

mod assemble;
mod instance;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::blueprint::body;
use crate::blueprint::expr::Fuel;
use crate::blueprint::resolve::NodeId;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::address::Address;
use crate::model::address::Mode as ResourceMode;
use crate::model::address::ResourceName;
use crate::model::plan::Plan;
use crate::model::value::Value;
use crate::plan::Mode;
use crate::plan::Request;
use crate::plan::planner::instance::Instance;
use crate::plan::scope::Own;
use crate::plan::scope::Values;
use crate::provider::Answer;
use crate::provider::Call;
use crate::provider::CallId;
use crate::provider::Failure;
use crate::provider::LiveObject;
use crate::provider::Offer;
use crate::provider::Place;
use crate::provider::Remark;
use crate::provider::Reply;
use crate::provider::Start;
use crate::provider::TypeOffer;

/// What the planner wants next.
#[derive(Debug)]
pub enum Next {
    /// These calls, at once if possible.
    Calls(Vec<Start>),
    /// Answers to calls already asked for.
    Waiting,
    /// Nothing: the plan is made.
    Done(Box<Plan>),
    /// Nothing: this is wrong.
    Failed(Diagnostics),
}

/// Whom an answer is for.
#[derive(Clone, Debug)]
enum Awaits {
    Configure(String),
    Refresh(Address),
    Instance(Address),
}

/// How far reading a recorded resource has come.
#[derive(Clone, Debug)]
enum Refresh {
    /// Its provider is not configured yet.
    Waiting,
    /// Being brought to the present schema, then read.
    Running,
    /// As it is; absent where it is gone.
    Done(Option<LiveObject>),
    /// It cannot be read.
    Failed,
}

/// How far a node of the graph has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NodeState {
    Waiting,
    Running,
    Done,
    /// It, or something it needs, is wrong.
    Failed,
}

/// A provider configuration in use.
#[derive(Clone, Debug)]
struct ProviderUse {
    source: String,
    offer: Arc<Offer>,
    config: Value,
}

/// The machine. See the module's documentation.
pub struct Planner {
    request: Request,
    values: Values,
    providers: BTreeMap<String, ProviderUse>,
    nodes: BTreeMap<NodeId, NodeState>,
    /// For each node, how many it still waits for.
    missing: BTreeMap<NodeId, usize>,
    followers: BTreeMap<NodeId, Vec<NodeId>>,
    ready: VecDeque<NodeId>,
    refresh: BTreeMap<Address, Refresh>,
    instances: BTreeMap<Address, Instance>,
    /// Instances of each block that are not settled yet.
    open: BTreeMap<ResourceName, usize>,
    outputs: BTreeMap<String, Value>,
    unreachable: BTreeMap<Address, String>,
    awaited: BTreeMap<CallId, Awaits>,
    starts: Vec<Start>,
    calls_made: u64,
    diagnostics: Diagnostics,
    finished: bool,
}

impl Planner {
    /// A planner for a request.
    #[must_use]
    pub fn new(request: Request) -> Self {
        let mut planner = Self {
            values: Values {
                inputs: request.inputs.clone(),
                environment: Values::environment_facts(request.environment, &request.record),
                ..Values::default()
            },
            providers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            missing: BTreeMap::new(),
            followers: BTreeMap::new(),
            ready: VecDeque::new(),
            refresh: BTreeMap::new(),
            instances: BTreeMap::new(),
            open: BTreeMap::new(),
            outputs: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            awaited: BTreeMap::new(),
            starts: Vec::new(),
            calls_made: 0,
            diagnostics: Diagnostics::new(),
            finished: false,
            request,
        };
        planner.take_in_providers();
        planner.take_in_graph();
        planner
    }

    /// What to do next. Call again after every answer.
    pub fn poll(&mut self) -> Next {
        while let Some(node) = self.ready.pop_front() {
            self.begin(&node);
        }
        if !self.starts.is_empty() {
            return Next::Calls(std::mem::take(&mut self.starts));
        }
        if !self.awaited.is_empty() {
            return Next::Waiting;
        }
        if self.finished {
            return Next::Waiting;
        }
        self.finished = true;
        if self.diagnostics.has_errors() {
            return Next::Failed(std::mem::take(&mut self.diagnostics));
        }
        match self.assemble() {
            Ok(plan) => Next::Done(Box::new(plan)),
            Err(diagnostics) => Next::Failed(diagnostics),
        }
    }

    /// Takes the reply to a call. A reply to a call never asked for is ignored.
    pub fn answer(&mut self, id: CallId, reply: Reply) {
        match self.awaited.remove(&id) {
            Some(Awaits::Configure(name)) => self.configured(&name, reply),
            Some(Awaits::Refresh(address)) => self.refreshed(&address, reply),
            Some(Awaits::Instance(address)) => self.advance_instance(&address, reply),
            None => {}
        }
    }

    /// Recorded resources that could not be read, with why. Only observing goes on without them.
    #[must_use]
    pub fn unreachable(&self) -> &BTreeMap<Address, String> {
        &self.unreachable
    }

    fn start(&mut self, provider: &str, awaits: Awaits, call: Call) {
        self.calls_made += 1;
        let id = CallId(self.calls_made);
        self.awaited.insert(id, awaits);
        self.starts.push(Start { id, provider: provider.to_owned(), call });
    }

    /// Provider configurations of the blueprint, and of recorded resources whose configuration
    /// the blueprint no longer has.
    fn take_in_providers(&mut self) {
        let blueprint = self.request.blueprint.clone();
        let declared = blueprint.providers.iter().map(|(n, p)| (n.clone(), p.source.clone()));
        let recorded =
            self.request.resources.values().map(|r| (r.provider.clone(), r.source.clone()));
        let mut sources: BTreeMap<String, String> = recorded.collect();
        sources.extend(declared);
        for (name, source) in sources {
            let Some(offer) = self.request.offers.get(&source).cloned() else {
                let detail = format!("the provider {source} was not opened. This is a bug in gov.");
                self.diagnostics.push(Diagnostic::error(Code::ProviderFailed, detail));
                continue;
            };
            let config = Value::null();
            let provider = ProviderUse { source, offer, config };
            self.providers.insert(name, provider);
        }
        for address in self.request.resources.keys() {
            self.refresh.insert(address.clone(), Refresh::Waiting);
        }
    }

    fn take_in_graph(&mut self) {
        let resolved = self.request.resolved.clone();
        for node in &resolved.order {
            // A provider that nothing uses is not configured: it may need what is not there.
            let before: BTreeSet<&NodeId> = resolved.graph.before(node).collect();
            self.missing.insert(node.clone(), before.len());
            for earlier in before {
                self.followers.entry(earlier.clone()).or_default().push(node.clone());
            }
            self.nodes.insert(node.clone(), NodeState::Waiting);
        }
        let free = |(_, count): &(&NodeId, &usize)| **count == 0;
        let roots: Vec<NodeId> = self.missing.iter().filter(free).map(|(n, _)| n.clone()).collect();
        self.ready.extend(roots);
        let undeclared = self
            .providers
            .keys()
            .filter(|name| !self.request.blueprint.providers.contains_key(*name));
        for name in undeclared.cloned().collect::<Vec<_>>() {
            self.configure(&name);
        }
        self.check_sources();
    }

    /// Resources are read by the provider that made them, configured as it was: another one would
    /// not find them, and what is not found would be taken for gone.
    fn check_sources(&mut self) {
        let mut wrong = BTreeSet::new();
        for record in self.request.resources.values() {
            let Some(provider) = self.providers.get(&record.provider) else { continue };
            let name = &record.provider;
            if provider.source != record.source {
                let (old, new) = (&record.source, &provider.source);
                wrong.insert(format!(
                    "[providers.{name}] was {old} and is {new} now, and {} was made by {old}; give \
                     the new one another name until that is gone",
                    record.address
                ));
            } else if !self.request.blueprint.providers.contains_key(name)
                && !provider.offer.config.block.attributes.is_empty()
            {
                wrong.insert(format!(
                    "[providers.{name}] is gone, and {} needs its configuration; keep it until \
                     that is gone",
                    record.address
                ));
            }
        }
        for detail in wrong {
            self.diagnostics.push(Diagnostic::error(Code::UnknownProvider, detail));
        }
    }

    fn begin(&mut self, node: &NodeId) {
        let failed = |before: &NodeId| self.nodes.get(before) == Some(&NodeState::Failed);
        if self.request.resolved.graph.before(node).any(failed) {
            return self.finish(node, NodeState::Failed);
        }
        self.nodes.insert(node.clone(), NodeState::Running);
        let blueprint = self.request.blueprint.clone();
        match node {
            NodeId::Local(name) => {
                if let Some(local) = blueprint.locals.get(name) {
                    let value = self.evaluate(&local.value, &local.span, &Own::Single);
                    let state = self.settle_value(value, |this, value| {
                        this.values.locals.insert(name.clone(), value);
                    });
                    self.finish(node, state);
                }
            }
            NodeId::Output(name) => {
                if let Some(output) = blueprint.outputs.get(name) {
                    let span = &output.value.span;
                    let value = self.evaluate(&output.value.value, span, &Own::Single);
                    let state = self.settle_value(value, |this, value| {
                        let value = value.with_sensitive(output.sensitive);
                        this.outputs.insert(name.clone(), value);
                    });
                    self.finish(node, state);
                }
            }
            NodeId::Provider(name) => self.configure(name),
            NodeId::Resource(name) => self.begin_block(name),
        }
    }

    fn finish(&mut self, node: &NodeId, state: NodeState) {
        self.nodes.insert(node.clone(), state);
        for follower in self.followers.get(node).cloned().unwrap_or_default() {
            if let Some(missing) = self.missing.get_mut(&follower) {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    self.ready.push_back(follower);
                }
            }
        }
    }

    fn settle_value(
        &mut self,
        value: Result<Value, Diagnostics>,
        keep: impl FnOnce(&mut Self, Value),
    ) -> NodeState {
        match value {
            Ok(value) => {
                keep(self, value);
                NodeState::Done
            }
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                NodeState::Failed
            }
        }
    }

    fn evaluate(
        &self,
        node: &crate::blueprint::Node,
        span: &Span,
        own: &Own,
    ) -> Result<Value, Diagnostics> {
        body::evaluate(node, span, &self.values.within(own), &mut Fuel::default())
    }

    // ---- providers -------------------------------------------------------------------------

    fn configure(&mut self, name: &str) {
        let blueprint = self.request.blueprint.clone();
        let declaration = blueprint.providers.get(name);
        let Some(provider) = self.providers.get(name) else { return };
        let offer = provider.offer.clone();
        let written = match declaration {
            Some(declaration) => {
                let scope = self.values.within(&Own::Single);
                body::evaluate_body(&declaration.config, &scope, &mut Fuel::default())
            }
            None => Ok(Value::object(Vec::<(String, Value)>::new())),
        };
        let conformed = written.and_then(|written| {
            offer.config.block.conform(&written).map_err(|problems| {
                let span = declaration.map(|declaration| &declaration.span);
                let members = declaration.map(|declaration| &declaration.config);
                problems.iter().map(|p| instance::attribute_error(p, members, span)).collect()
            })
        });
        match conformed {
            Ok(config) => {
                if let Some(provider) = self.providers.get_mut(name) {
                    provider.config = config.clone();
                }
                let place = Place {
                    environment: self.request.environment,
                    root: self.request.record.root.clone(),
                };
                let awaits = Awaits::Configure(name.to_owned());
                self.start(name, awaits, Call::Configure { config, place });
            }
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                self.finish(&NodeId::Provider(name.to_owned()), NodeState::Failed);
            }
        }
    }

    fn configured(&mut self, name: &str, reply: Reply) {
        let node = NodeId::Provider(name.to_owned());
        match reply {
            Ok(Answer::Accepted { warnings }) => {
                self.warn(&format!("provider {name}"), &warnings);
                self.start_refreshes(name);
                self.finish(&node, NodeState::Done);
            }
            Ok(_) => self.refused(&format!("provider {name}"), &odd_answer(), &node),
            Err(failure) => self.refused(&format!("provider {name}"), &failure, &node),
        }
    }

    fn refused(&mut self, what: &str, failure: &Failure, node: &NodeId) {
        let diagnostic = Diagnostic::error(Code::ProviderFailed, format!("{what}: {failure}"));
        self.diagnostics.push(diagnostic);
        self.finish(node, NodeState::Failed);
    }

    fn warn(&mut self, what: &str, warnings: &[Remark]) {
        for warning in warnings {
            let detail = format!("{what}: {warning}");
            self.diagnostics.push(Diagnostic::warning(Code::ProviderRefused, detail));
        }
    }

    // ---- reading what exists ---------------------------------------------------------------

    fn start_refreshes(&mut self, provider: &str) {
        let resources = self.request.resources.clone();
        for record in resources.values().filter(|record| record.provider == provider) {
            let Some(object) = &record.object else {
                self.refresh.insert(record.address.clone(), Refresh::Done(None));
                continue;
            };
            match self.request.sealer.open(&object.value) {
                Ok(value) => {
                    self.refresh.insert(record.address.clone(), Refresh::Running);
                    let kind = record.address.resource.kind.clone();
                    let call = Call::Upgrade { kind, version: object.schema_version, value };
                    self.start(provider, Awaits::Refresh(record.address.clone()), call);
                }
                Err(error) => {
                    let detail = format!("{}: {error}", record.address);
                    self.diagnostics.push(Diagnostic::error(Code::ProviderFailed, detail));
                    self.refresh.insert(record.address.clone(), Refresh::Failed);
                }
            }
        }
    }

    fn refreshed(&mut self, address: &Address, reply: Reply) {
        let Some(record) = self.request.resources.get(address).cloned() else { return };
        let state = match reply {
            Ok(Answer::Upgraded(value)) => {
                let sealed = record.object.map(|object| object.private).unwrap_or_default();
                let private = match self.request.sealer.open_private(&sealed) {
                    Ok(private) => private,
                    Err(error) => return self.unreadable(address, &error.to_string()),
                };
                let object = LiveObject { value, private };
                let kind = address.resource.kind.clone();
                let call = Call::Read { kind, object };
                self.start(&record.provider, Awaits::Refresh(address.clone()), call);
                return;
            }
            Ok(Answer::Object(observed)) => {
                let stored = record.object.and_then(|o| self.request.sealer.open(&o.value).ok());
                let marked = observed.map(|object| {
                    let value = match &stored {
                        Some(stored) => object.value.with_marks_of(stored),
                        None => object.value,
                    };
                    let offer = self.type_offer(&record.provider, &address.resource);
                    let value = match offer {
                        Some(offer) => offer.schema.block.mark_sensitive(&value),
                        None => value,
                    };
                    LiveObject { value, private: object.private }
                });
                Refresh::Done(marked)
            }
            other => {
                let failure = other.err().unwrap_or_else(odd_answer);
                return self.unreadable(address, &failure.to_string());
            }
        };
        self.refresh.insert(address.clone(), state);
        if matches!(self.request.mode, Mode::Converge(_)) {
            self.resume_instance(address);
        } else {
            self.settle_one(&address.resource);
        }
    }

    /// What cannot be read is never taken as unchanged. Only observing goes on without it.
    fn unreadable(&mut self, address: &Address, why: &str) {
        if self.request.mode == Mode::Observe {
            self.unreachable.insert(address.clone(), why.to_owned());
            self.refresh.insert(address.clone(), Refresh::Done(None));
            return self.settle_one(&address.resource);
        }
        let detail = format!("{address} cannot be read: {why}");
        let help = "what cannot be read is never taken as unchanged; try again when the provider \
                    answers";
        self.diagnostics.push(Diagnostic::error(Code::ProviderFailed, detail).help(help));
        self.refresh.insert(address.clone(), Refresh::Failed);
        if matches!(self.request.mode, Mode::Converge(_)) {
            self.resume_instance(address);
        } else {
            self.settle_one(&address.resource);
        }
    }

    /// What a recorded resource looks like now, once that is known.
    fn observed(&self, address: &Address) -> Option<Option<&LiveObject>> {
        match self.refresh.get(address) {
            None => Some(None),
            Some(Refresh::Done(object)) => Some(object.as_ref()),
            Some(_) => None,
        }
    }

    fn type_offer(&self, provider: &str, name: &ResourceName) -> Option<Arc<TypeOffer>> {
        let offer = &self.providers.get(provider)?.offer;
        let types = match name.mode {
            ResourceMode::Managed => &offer.resources,
            ResourceMode::Data => &offer.data,
        };
        types.get(&name.kind).cloned()
    }
}

/// A provider answered something that its call does not ask for.
fn odd_answer() -> Failure {
    Failure::rejected("the provider's answer does not fit the call. This is a bug in the provider.")
}
