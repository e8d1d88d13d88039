//! Types whose objects lie in gov's books alone: a key, a password, a certificate.
//!
//! Making one yields a value and changes nothing outside, so reading gives back what is known,
//! deleting forgets it, and a create whose reply was lost left nothing behind: looking for it
//! answers [`Finding::Absent`], and making it again is safe. Start with [`Kept`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::lifetime::Timestamp;
use crate::model::schema::Schema;
use crate::model::value::Path;
use crate::model::value::Value;
use crate::model::value::same;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::Finding;
use crate::provider::LiveObject;
use crate::provider::Offer;
use crate::provider::Pending;
use crate::provider::Proposal;
use crate::provider::Provider;
use crate::provider::Remark;
use crate::provider::TypeOffer;
use crate::provider::builtin::Clock;
use crate::provider::builtin::attribute;
use crate::provider::builtin::draft::configured;
use crate::provider::builtin::draft::draft;
use crate::provider::builtin::draft::settle;
use crate::provider::builtin::in_time;
use crate::provider::builtin::no_such_type;
use crate::provider::builtin::refused;

/// One type whose objects lie in gov's books alone.
pub(crate) trait Kept: Send + Sync {
    /// Schema and facts.
    fn offer(&self) -> TypeOffer;

    /// What the configuration leaves open and gov fills in; may depend on the configuration.
    fn defaults(&self, config: &Value) -> Vec<(&'static str, Value)>;

    /// The attributes that change in place; any other forces a new object.
    fn in_place(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is wrong with a configuration beyond its schema; unknown parts are right so far.
    fn check(&self, config: &Value) -> Vec<Remark>;

    /// Makes what only the provider sets from a settled configuration. May take seconds.
    ///
    /// # Errors
    /// A failure after which nothing exists.
    fn make(&self, settled: &Value, now: Timestamp) -> Result<BTreeMap<String, Value>, Failure>;

    /// Whether the object has to be made anew although nothing differs: the attribute that says
    /// so, and the reason for people.
    fn renewal(&self, _object: &Value, _now: Timestamp) -> Option<(&'static str, String)> {
        None
    }
}

/// A provider made of such types.
pub(crate) struct KeptProvider {
    types: BTreeMap<&'static str, Arc<dyn Kept>>,
    offer: Arc<Offer>,
    clock: Clock,
}

impl KeptProvider {
    /// A provider of these types.
    pub(crate) fn new(types: BTreeMap<&'static str, Arc<dyn Kept>>, clock: Clock) -> Self {
        let offered = |(name, kept): (&&'static str, &Arc<dyn Kept>)| {
            ((*name).to_owned(), Arc::new(kept.offer()))
        };
        let resources = types.iter().map(offered).collect();
        let offer = Arc::new(Offer { resources, ..Offer::default() });
        Self { types, offer, clock }
    }

    fn find_type(&self, kind: &str) -> Result<(&Arc<dyn Kept>, &Schema), Failure> {
        let found = self.types.get(kind).zip(self.offer.resources.get(kind));
        let (kept, offered) =
            found.ok_or_else(|| no_such_type(kind, self.types.keys().copied()))?;
        Ok((kept, &offered.schema))
    }

    async fn perform(&self, call: Call) -> Result<Answer, Failure> {
        match call {
            Call::Configure { .. } => Ok(Answer::Accepted { warnings: Vec::new() }),
            Call::Validate { kind, data: false, config } => {
                let problems = self.find_type(&kind)?.0.check(&config);
                if problems.is_empty() {
                    Ok(Answer::Accepted { warnings: Vec::new() })
                } else {
                    Err(refused(problems))
                }
            }
            Call::Validate { kind, data: true, .. } | Call::ReadData { kind, .. } => {
                Err(Failure::rejected(format!("this provider has no data source `{kind}`")))
            }
            Call::Upgrade { kind, version, value } => {
                let present = self.find_type(&kind)?.1.version;
                if version == present {
                    return Ok(Answer::Upgraded(value));
                }
                Err(Failure::rejected(format!(
                    "the stored object follows version {version} of `{kind}` and this gov knows \
                     version {present}; use the gov that wrote it"
                )))
            }
            Call::Read { kind, object } => {
                self.find_type(&kind)?;
                Ok(Answer::Object(Some(object)))
            }
            Call::Propose { kind, prior, config } => {
                let (kept, schema) = self.find_type(&kind)?;
                propose(kept.as_ref(), schema, prior, &config, (self.clock)()).map(Answer::Proposal)
            }
            Call::Apply(call) => self.apply(call).await,
            Call::Find { kind, .. } => {
                self.find_type(&kind)?;
                Ok(Answer::Found(Finding::Absent))
            }
            Call::Import { kind, .. } => {
                self.find_type(&kind)?;
                Err(Failure::rejected(format!(
                    "`{kind}` exists in gov's books alone, so there is nothing to import; declare \
                     it and apply"
                )))
            }
        }
    }

    /// Making a large key takes seconds of computing. Where there is a runtime it happens on a
    /// thread of its own, so that heartbeats and other calls go on; it is awaited here, and were
    /// the wait given up, the thread would end without an effect.
    async fn apply(&self, call: ApplyCall) -> Result<Answer, Failure> {
        let (kept, schema) = self.find_type(&call.kind)?;
        let (kept, schema, clock) = (kept.clone(), schema.clone(), self.clock.clone());
        let work = move || apply(kept.as_ref(), &schema, call, (clock)()).map(Answer::Object);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|_| {
                Err(Failure::rejected("making the value was broken off; nothing exists"))
            }),
            Err(_) => work(),
        }
    }
}

fn propose(
    kept: &dyn Kept,
    schema: &Schema,
    prior: Option<LiveObject>,
    config: &Value,
    now: Timestamp,
) -> Result<Proposal, Failure> {
    let private = prior.as_ref().map(|object| object.private.clone()).unwrap_or_default();
    let mut warnings = Vec::new();
    if config.is_null() {
        let requires_replace = Vec::new();
        return Ok(Proposal { planned: Value::null(), requires_replace, private, warnings });
    }
    let problems = kept.check(config);
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let block = &schema.block;
    let sides = configured(block, config, &kept.defaults(config));
    let value = prior.as_ref().map(|object| &object.value);
    let mut drafted = draft(block, value, sides.clone(), kept.in_place());
    if value.is_some()
        && drafted.replace.is_empty()
        && let Some((name, reason)) = kept.renewal(&drafted.planned, now)
    {
        drafted.planned = draft(block, None, sides, kept.in_place()).planned;
        drafted.replace = vec![Path::attribute(name)];
        warnings.push(Remark::on(name, reason));
    }
    Ok(Proposal { planned: drafted.planned, requires_replace: drafted.replace, private, warnings })
}

fn apply(
    kept: &dyn Kept,
    schema: &Schema,
    call: ApplyCall,
    now: Timestamp,
) -> Result<Option<LiveObject>, Failure> {
    in_time(now, call.start_by)?;
    if call.planned.is_null() {
        return Ok(None);
    }
    let block = &schema.block;
    let mut members = settle(block, &call.planned, &call.config, &kept.defaults(&call.config));
    let settled = Value::map(members.clone());
    let mut problems = kept.check(&settled);
    for (name, _) in members.iter().filter(|(_, value)| !value.is_wholly_known()) {
        problems.push(Remark::on(name, "is still unknown, and nothing is made from a guess"));
    }
    if let Some(prior) = &call.prior {
        let fixed = |name: &&String| !kept.in_place().contains(&name.as_str());
        for name in members.keys().filter(fixed) {
            if !same(&attribute(&prior.value, name), &attribute(&settled, name)) {
                problems.push(Remark::on(name, "cannot change in place; it needs a new object"));
            }
        }
    }
    if !problems.is_empty() {
        return Err(refused(problems));
    }
    let made = match &call.prior {
        None => kept.make(&settled, now)?,
        Some(prior) => prior.value.as_map().cloned().unwrap_or_default(),
    };
    for (name, value) in made {
        members.entry(name).or_insert(value);
    }
    let value = block.mark_sensitive(&Value::map(members));
    Ok(Some(LiveObject { value, private: call.planned_private }))
}

impl Provider for KeptProvider {
    fn offer(&self) -> Arc<Offer> {
        self.offer.clone()
    }

    fn call<'a>(&'a self, call: Call) -> Pending<'a, Result<Answer, Failure>> {
        Box::pin(self.perform(call))
    }

    fn stop<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
