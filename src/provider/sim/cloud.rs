//! The simulated cloud: objects, what calls do to them, and what goes wrong on the way.
//!
//! The core is synchronous and deterministic: [`SimCloud::perform`] is a function of the cloud and
//! the call. Time passes in ticks, one with each call and more where the test says so; nothing
//! sleeps. Start with [`SimCloud::perform`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::EnvironmentId;
use crate::model::id::Marker;
use crate::model::lifetime::Timestamp;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::Offer;
use crate::provider::Remark;
use crate::provider::builtin::attribute;
use crate::provider::builtin::draft::settle;
use crate::provider::builtin::in_time;
use crate::provider::builtin::no_such_type;
use crate::provider::builtin::refused;
use crate::provider::sim::client;
use crate::provider::sim::fate::Act;
use crate::provider::sim::fate::Fate;
use crate::provider::sim::fate::Order;
use crate::provider::sim::fate::SimPlan;
use crate::provider::sim::fate::draw;
use crate::provider::sim::kinds;
use crate::provider::sim::kinds::Kind;
use crate::provider::sim::kinds::Search;
use crate::provider::sim::warden::EFFECTS_MAX;
use crate::provider::sim::warden::Effect;
use crate::provider::sim::warden::Tally;

/// Most objects at once; the create beyond is refused, as by a quota.
const OBJECTS_MAX: usize = 100_000;

/// One object of the cloud. It carries no marks: a real cloud knows nothing of sensitivity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SimObject {
    pub(super) kind: &'static str,
    pub(super) environment: Option<EnvironmentId>,
    pub(super) marker: Option<Marker>,
    pub(super) value: Value,
    pub(super) tags_at_create: BTreeMap<String, String>,
    /// Reads that will not see it yet.
    hidden: u32,
}

/// A call with an effect that has been sent and has not arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Underway {
    due: u64,
    environment: Option<EnvironmentId>,
    call: ApplyCall,
}

/// A seeded cloud. See the module's own words.
#[derive(Clone, Debug)]
pub struct SimCloud {
    pub(super) seed: u64,
    plan: SimPlan,
    now: Timestamp,
    pub(super) tick: u64,
    environment: Option<EnvironmentId>,
    offer: Arc<Offer>,
    pub(super) objects: BTreeMap<String, SimObject>,
    underway: Vec<Underway>,
    attempts: BTreeMap<(Act, String), u64>,
    blind_finds: BTreeMap<Marker, u32>,
    pub(super) calls: BTreeMap<Act, u64>,
    pub(super) tallies: BTreeMap<Marker, Tally>,
    pub(super) effects: Vec<Effect>,
}

impl SimCloud {
    /// An empty cloud.
    #[must_use]
    pub fn new(seed: u64, plan: SimPlan) -> Self {
        Self {
            seed,
            plan,
            now: Timestamp::from_millis(0),
            tick: 0,
            environment: None,
            offer: Arc::new(kinds::offer()),
            objects: BTreeMap::new(),
            underway: Vec::new(),
            attempts: BTreeMap::new(),
            blind_finds: BTreeMap::new(),
            calls: BTreeMap::new(),
            tallies: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    /// What it offers.
    #[must_use]
    pub fn offer(&self) -> Arc<Offer> {
        self.offer.clone()
    }

    /// Sets the time that `start_by` is judged by.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Says on whose behalf the next calls come. [`Call::Configure`] says it too.
    pub fn set_environment(&mut self, environment: Option<EnvironmentId>) {
        self.environment = environment;
    }

    /// Orders one more fate.
    pub fn order(&mut self, order: Order) {
        self.plan.script.push(order);
    }

    /// Lets ticks pass: late calls that are due arrive.
    pub fn advance(&mut self, ticks: u64) {
        self.tick = self.tick.saturating_add(ticks);
        let (due, rest) = std::mem::take(&mut self.underway)
            .into_iter()
            .partition::<Vec<_>, _>(|underway| underway.due <= self.tick);
        self.underway = rest;
        let present = self.environment;
        for underway in due {
            self.environment = underway.environment;
            // Nobody waits for the answer any more.
            let _ = self.apply(&underway.call);
        }
        self.environment = present;
    }

    /// How many ticks the next such call takes, for a driver that delivers answers in its own time.
    #[must_use]
    pub fn latency(&self, call: &Call) -> u64 {
        let act = Act::of(call);
        let subject = subject(call);
        let attempt = self.attempts.get(&(act, subject.clone())).copied().unwrap_or(0);
        match self.plan.latency_max {
            0 => 0,
            most => {
                draw(self.seed, &["latency", &format!("{act:?}"), &subject], attempt) % (most + 1)
            }
        }
    }

    /// Performs one call.
    ///
    /// # Errors
    /// What a provider may fail with, by fate or because the call is wrong.
    pub fn perform(&mut self, call: &Call) -> Result<Answer, Failure> {
        self.advance(1);
        let act = Act::of(call);
        let calls = self.calls.entry(act).or_insert(0);
        *calls = calls.saturating_add(1);
        self.check_kind(call)?;
        if let Call::Apply(apply) = call {
            in_time(self.now, apply.start_by)?;
        }
        let fate = self.fate(act, call);
        let Call::Apply(apply) = call else {
            return match fate {
                Fate::Fine | Fate::Partial => self.answer(call),
                Fate::Rejected => Err(Failure::rejected("the cloud refuses this")),
                _ => Err(Failure::transient("the cloud cannot be reached")),
            };
        };
        match fate {
            Fate::Fine => self.apply(apply).map(Answer::Object),
            Fate::Rejected => Err(Failure::rejected("the cloud refuses this")),
            Fate::Transient => Err(Failure::transient("the cloud is too busy")),
            Fate::ReplyLost => {
                // Whether it worked is in the reply that nobody gets.
                let _ = self.apply(apply);
                Err(Failure::unknown("the connection was lost while waiting for the reply"))
            }
            Fate::CallLost => Err(Failure::unknown("the connection was lost; nobody knows when")),
            Fate::Late(ticks) => {
                let due = self.tick.saturating_add(ticks);
                let environment = self.environment;
                self.underway.push(Underway { due, environment, call: apply.clone() });
                Err(Failure::unknown("the cloud did not answer in time"))
            }
            Fate::Partial => self.apply_half(apply),
        }
    }

    fn check_kind(&self, call: &Call) -> Result<(), Failure> {
        let (kind, is_data) = match call {
            Call::Configure { .. } => return Ok(()),
            Call::Validate { kind, data, .. } => (kind, *data),
            Call::ReadData { kind, .. } => (kind, true),
            Call::Apply(apply) => (&apply.kind, false),
            Call::Upgrade { kind, .. }
            | Call::Read { kind, .. }
            | Call::Propose { kind, .. }
            | Call::Find { kind, .. }
            | Call::Import { kind, .. } => (kind, false),
        };
        let known = if is_data { &self.offer.data } else { &self.offer.resources };
        if known.contains_key(kind) {
            return Ok(());
        }
        Err(no_such_type(kind, known.keys().map(String::as_str)))
    }

    fn fate(&mut self, act: Act, call: &Call) -> Fate {
        let (kind, name) = kind_and_name(call);
        let ordered = self.plan.script.iter_mut().find_map(|order| order.take(act, kind, &name));
        let subject = subject(call);
        let attempts = self.attempts.entry((act, subject.clone())).or_insert(0);
        let attempt = *attempts;
        *attempts = attempts.saturating_add(1);
        let drawn = draw(self.seed, &["fate", &format!("{act:?}"), &subject], attempt);
        ordered.unwrap_or_else(|| self.plan.odds.fate(act, drawn, self.plan.latency_max))
    }

    /// Answers a call that has no effect.
    fn answer(&mut self, call: &Call) -> Result<Answer, Failure> {
        match call {
            Call::Configure { place, .. } => {
                self.environment = Some(place.environment);
                Ok(Answer::Accepted { warnings: Vec::new() })
            }
            Call::Validate { kind, config, .. } => {
                let problems = kinds::find(kind).map_or(Vec::new(), |k| client::check(k, config));
                if problems.is_empty() {
                    Ok(Answer::Accepted { warnings: Vec::new() })
                } else {
                    Err(refused(problems))
                }
            }
            Call::Upgrade { kind, version, value } => {
                client::upgrade(resource(kind)?, *version, value).map(Answer::Upgraded)
            }
            Call::Read { kind, object } => self.read(resource(kind)?, object).map(Answer::Object),
            Call::ReadData { config, .. } => Ok(Answer::Data(self.list(config))),
            Call::Propose { kind, prior, config } => {
                client::propose(resource(kind)?, prior.as_ref(), config).map(Answer::Proposal)
            }
            Call::Find { kind, marker, planned } => {
                Ok(Answer::Found(self.find(resource(kind)?, marker, planned)))
            }
            Call::Import { id, kind } => {
                let found = self.objects.get(id).filter(|object| object.kind == kind);
                Ok(Answer::Object(found.map(|object| live(resource(kind)?, object)).transpose()?))
            }
            Call::Apply(apply) => self.apply(apply).map(Answer::Object),
        }
    }

    fn read(&mut self, kind: &Kind, known: &LiveObject) -> Result<Option<LiveObject>, Failure> {
        let id = attribute(&known.value, "id");
        let id = id.as_str().ok_or_else(|| Failure::rejected("the object has no id").on("id"))?;
        match self.objects.get_mut(id) {
            Some(object) if object.hidden > 0 => {
                object.hidden -= 1;
                Err(Failure::transient("the object was made just now and cannot be read yet"))
            }
            Some(object) if object.kind == kind.name => Ok(Some(live(kind, object)?)),
            _ => Ok(None),
        }
    }

    fn list(&self, config: &Value) -> Value {
        let prefix = attribute(config, "prefix");
        let begins = prefix.as_str().unwrap_or_default();
        let seen = self
            .objects
            .iter()
            .filter(|(_, object)| object.kind == "sim_object" && object.hidden == 0);
        let mut rows: Vec<(String, &String)> =
            seen.map(|(id, object)| (client::label(&object.value), id)).collect();
        rows.retain(|(name, _)| name.starts_with(begins));
        rows.sort();
        let column = |of: &dyn Fn(&(String, &String)) -> String| {
            Value::list(rows.iter().map(|row| Value::string(of(row))).collect())
        };
        let names = column(&|row| row.0.clone());
        let ids = column(&|row| row.1.clone());
        Value::object([("prefix", prefix), ("names", names), ("ids", ids)])
    }

    fn find(&mut self, kind: &Kind, marker: &Marker, planned: &Value) -> Finding {
        let is_underway =
            |underway: &Underway| underway.call.marker == *marker && underway.call.prior.is_none();
        let matches: Vec<String> = match kind.search {
            Search::None => return Finding::CannotTell(format!("{} has no search", kind.name)),
            _ if self.underway.iter().any(is_underway) => {
                return Finding::CannotTell("the create may still arrive".to_owned());
            }
            Search::Name => match client::link_id(planned) {
                None => return Finding::CannotTell("its name is not known".to_owned()),
                Some(id) => self.objects.contains_key(&id).then_some(id).into_iter().collect(),
            },
            Search::Marker => {
                let carries = |(_, object): &(&String, &SimObject)| {
                    object.kind == kind.name && object.marker.as_ref() == Some(marker)
                };
                self.objects.iter().filter(carries).map(|(id, _)| id.clone()).collect()
            }
        };
        let [id] = matches.as_slice() else {
            return match matches.len() {
                0 => self.find_nothing(marker),
                count => Finding::CannotTell(format!("{count} objects carry the marker")),
            };
        };
        match self.objects.get_mut(id) {
            Some(object) if object.hidden == 0 => live(kind, object)
                .map_or_else(|failure| Finding::CannotTell(failure.to_string()), Finding::Found),
            Some(object) => {
                object.hidden -= 1;
                Finding::CannotTell("the listing may lag behind".to_owned())
            }
            None => self.find_nothing(marker),
        }
    }

    /// A listing without the object proves nothing until it cannot lag behind any more.
    fn find_nothing(&mut self, marker: &Marker) -> Finding {
        let blind = self.blind_finds.entry(marker.clone()).or_insert(0);
        if *blind < self.plan.lag_max {
            *blind += 1;
            return Finding::CannotTell("the listing may lag behind".to_owned());
        }
        Finding::Absent
    }

    fn apply(&mut self, call: &ApplyCall) -> Result<Option<LiveObject>, Failure> {
        let kind = resource(&call.kind)?;
        match &call.prior {
            None if call.planned.is_null() => Ok(None),
            None => self.create(kind, call).map(Some),
            Some(prior) if call.planned.is_null() => self.delete(prior).map(|()| None),
            Some(prior) => self.update(kind, prior, call, false).map(Some),
        }
    }

    fn apply_half(&mut self, call: &ApplyCall) -> Result<Answer, Failure> {
        let kind = resource(&call.kind)?;
        let exists = match &call.prior {
            None => Some(self.create(kind, call)?),
            Some(prior) if !call.planned.is_null() => Some(self.update(kind, prior, call, true)?),
            Some(prior) => self.read(kind, prior)?,
        };
        Err(Failure {
            class: FailureClass::Rejected,
            remarks: vec![Remark::new("the cloud gave up half-way")],
            partial: exists,
        })
    }

    fn create(&mut self, kind: &'static Kind, call: &ApplyCall) -> Result<LiveObject, Failure> {
        let members = self.settled(kind, call)?;
        let settled = Value::map(members.clone());
        if self.objects.len() >= OBJECTS_MAX {
            return Err(Failure::rejected(format!(
                "the quota of {OBJECTS_MAX} objects is used up"
            )));
        }
        let id = match client::link_id(&settled) {
            Some(id) if kind.search == Search::Name => id,
            _ => self.draw_id(&call.marker),
        };
        if self.objects.contains_key(&id) {
            return Err(Failure::rejected(format!("`{id}` exists already")));
        }
        let marker = Some(call.marker.clone());
        let object = self.insert(kind, id, members, marker);
        self.count(Act::Create, &object);
        live(kind, &object)
    }

    pub(super) fn insert(
        &mut self,
        kind: &'static Kind,
        id: String,
        mut members: BTreeMap<String, Value>,
        marker: Option<Marker>,
    ) -> SimObject {
        let serial = draw(self.seed, &["serial", &id], 0) % 1_000_000;
        for name in kind.block().attributes.into_keys() {
            let made = match name.as_str() {
                "id" => Value::string(id.clone()),
                "endpoint" => Value::string(format!("https://{id}.sim.invalid")),
                "serial" => Value::number(serial),
                "revision" => Value::number(1_u64),
                _ => Value::null(),
            };
            members.entry(name).or_insert(made);
        }
        let value = Value::map(members).unmarked();
        let most = u64::from(self.plan.lag_max) + 1;
        let lag = draw(self.seed, &["lag", &id], 0) % most;
        let object = SimObject {
            kind: kind.name,
            environment: self.environment,
            tags_at_create: client::tags(kind, &value),
            marker,
            value,
            hidden: u32::try_from(lag).unwrap_or(0),
        };
        self.objects.insert(id, object.clone());
        object
    }

    fn update(
        &mut self,
        kind: &Kind,
        prior: &LiveObject,
        call: &ApplyCall,
        is_half: bool,
    ) -> Result<LiveObject, Failure> {
        let members = self.settled(kind, call)?;
        let id = self.owned_id(prior)?;
        let gone = || Failure::rejected(format!("`{id}` does not exist any more"));
        let object = self.objects.get_mut(&id).ok_or_else(gone)?;
        let mut value = object.value.clone();
        let changed = members
            .into_iter()
            .filter(|(name, wanted)| !same(&attribute(&object.value, name), wanted));
        for (name, wanted) in changed {
            if !kind.in_place.contains(&name.as_str()) {
                return Err(Failure::rejected("cannot change in place").on(&name));
            }
            value = client::with(&value, &name, wanted.unmarked());
            if is_half {
                break;
            }
        }
        if let Some(revision) = attribute(&value, "revision").as_number() {
            let next = revision.add(&1_i64.into()).map_err(|e| Failure::rejected(e.to_string()))?;
            value = client::with(&value, "revision", Value::number(next));
        }
        object.value = value;
        let object = object.clone();
        self.count(Act::Update, &object);
        live(kind, &object)
    }

    fn delete(&mut self, prior: &LiveObject) -> Result<(), Failure> {
        let id = self.owned_id(prior)?;
        if let Some(object) = self.objects.remove(&id) {
            self.count(Act::Delete, &object);
        }
        Ok(())
    }

    /// The id of an object whose caller still has its private bytes.
    fn owned_id(&self, prior: &LiveObject) -> Result<String, Failure> {
        let id = attribute(&prior.value, "id");
        let id = id.as_str().ok_or_else(|| Failure::rejected("the object has no id").on("id"))?;
        if self.plan.checks_private && prior.private != client::object_private(id) {
            return Err(Failure::rejected("the object's private bytes are lost or another's"));
        }
        Ok(id.to_owned())
    }

    /// The configured side of what is to be made, checked and wholly known.
    fn settled(&self, kind: &Kind, call: &ApplyCall) -> Result<BTreeMap<String, Value>, Failure> {
        let wanted = client::proposal_private(kind, call.prior.as_ref());
        if self.plan.checks_private && call.planned_private != wanted {
            return Err(Failure::rejected("the private bytes are not those of this proposal"));
        }
        let members = settle(&kind.block(), &call.planned, &call.config, &(kind.defaults)());
        let mut problems = client::check(kind, &Value::map(members.clone()));
        for (name, _) in members.iter().filter(|(_, value)| !value.is_wholly_known()) {
            problems.push(Remark::on(name, "is still unknown, and nothing is made from a guess"));
        }
        if problems.is_empty() { Ok(members) } else { Err(refused(problems)) }
    }

    /// An id that depends on the marker and not on what else was made before.
    pub(super) fn draw_id(&self, marker: &Marker) -> String {
        let made = self.tallies.get(marker).map_or(0, |tally| tally.creates);
        let id = |attempt| format!("obj-{:016x}", draw(self.seed, &["id", &marker.0], attempt));
        let mut attempt = made;
        while self.objects.contains_key(&id(attempt)) {
            attempt = attempt.wrapping_add(1);
        }
        id(attempt)
    }

    fn count(&mut self, act: Act, object: &SimObject) {
        if let Some(marker) = &object.marker {
            let tally = self.tallies.entry(marker.clone()).or_default();
            match act {
                Act::Create => tally.creates += 1,
                Act::Delete => tally.deletes += 1,
                _ => {}
            }
        }
        if self.effects.len() >= EFFECTS_MAX {
            self.effects.remove(0);
        }
        self.effects.push(Effect {
            tick: self.tick,
            act,
            kind: object.kind.to_owned(),
            name: client::label(&object.value),
            id: attribute(&object.value, "id").as_str().unwrap_or_default().to_owned(),
        });
    }
}

fn resource(kind: &str) -> Result<&'static Kind, Failure> {
    kinds::find(kind).ok_or_else(|| no_such_type(kind, kinds::KINDS.iter().map(|k| k.name)))
}

fn live(kind: &Kind, object: &SimObject) -> Result<LiveObject, Failure> {
    let id = attribute(&object.value, "id");
    let id = id.as_str().ok_or_else(|| Failure::rejected("the object has lost its id").on("id"))?;
    let private = client::object_private(id);
    Ok(LiveObject { value: kind.block().mark_sensitive(&object.value), private })
}

/// The type that a call is about and the name of its object, for scripts.
fn kind_and_name(call: &Call) -> (&str, String) {
    match call {
        Call::Configure { .. } => ("", String::new()),
        Call::Validate { kind, config, .. } | Call::ReadData { kind, config } => {
            (kind, client::label(config))
        }
        Call::Upgrade { kind, value, .. } => (kind, client::label(value)),
        Call::Read { kind, object } => (kind, client::label(&object.value)),
        Call::Propose { kind, prior, config } => match prior {
            Some(prior) if config.is_null() => (kind, client::label(&prior.value)),
            _ => (kind, client::label(config)),
        },
        Call::Apply(apply) => {
            let prior = apply.prior.as_ref().map(|prior| &prior.value);
            (&apply.kind, client::label(prior.unwrap_or(&apply.config)))
        }
        Call::Find { kind, planned, .. } => (kind, client::label(planned)),
        Call::Import { kind, id } => (kind, id.clone()),
    }
}

/// What a call is about, for draws: the marker of a create, the id of an object, else its name.
fn subject(call: &Call) -> String {
    let id = |object: &LiveObject| attribute(&object.value, "id").as_str().map(str::to_owned);
    let known = match call {
        Call::Apply(apply) => match &apply.prior {
            Some(prior) => id(prior),
            None => Some(apply.marker.0.clone()),
        },
        Call::Find { marker, .. } => Some(marker.0.clone()),
        Call::Read { object, .. } => id(object),
        _ => None,
    };
    known.unwrap_or_else(|| {
        let (kind, name) = kind_and_name(call);
        format!("{kind} {name}")
    })
}
