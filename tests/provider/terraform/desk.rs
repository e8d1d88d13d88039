//! Does to a provider what planner and machine do, in their order and with their own functions.

use std::collections::BTreeMap;
use std::path::Path;

use gov::engine::machine::fills;
use gov::model::environment::Facts;
use gov::model::environment::Private;
use gov::model::id::EnvironmentId;
use gov::model::id::Marker;
use gov::model::id::Ulid;
use gov::model::lifetime::Timestamp;
use gov::model::value::Path as ValuePath;
use gov::model::value::Value;
use gov::model::value::differences;
use gov::model::value::same;
use gov::plan::change;
use gov::provider::Answer;
use gov::provider::ApplyCall;
use gov::provider::Call;
use gov::provider::Failure;
use gov::provider::Finding;
use gov::provider::LiveObject;
use gov::provider::Place;
use gov::provider::Proposal;
use gov::provider::Provider as _;
use gov::provider::terraform::TerraformProvider;
use gov::provider::terraform::TypesInUse;
use gov::provider::terraform::governance::GovernanceTable;
use gov::provider::terraform::process;
use gov::provider::terraform::process::Opening;

/// A provider with everything that calls need.
pub struct Desk {
    pub provider: TerraformProvider,
    facts: BTreeMap<String, Value>,
    config: Value,
    /// Whether configurations may set what the schema says only the provider sets.
    pub is_lenient: bool,
}

/// A value from JSON.
pub fn value(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::null(),
        Json::Bool(truth) => Value::bool(truth),
        Json::Number(number) => {
            Value::number(gov::model::number::Number::parse(&number.to_string()).unwrap())
        }
        Json::String(text) => Value::string(text),
        Json::Array(items) => Value::list(items.into_iter().map(value).collect()),
        Json::Object(members) => {
            Value::map(members.into_iter().map(|(name, item)| (name, value(item))).collect())
        }
    }
}

/// An opening with nothing but a program and types.
pub fn opening(program: &Path, resources: &[&str], data: &[&str]) -> Opening {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Opening {
        program: program.to_owned(),
        variables: Vec::new(),
        guard: None,
        log: None,
        in_use: TypesInUse { resources: names(resources), data: names(data) },
        table: GovernanceTable::default().into(),
        cache: None,
    }
}

fn explain(what: &str, failure: &Failure) -> ! {
    panic!("{what}: {failure}")
}

impl Desk {
    /// Opens and configures a provider.
    pub async fn open(opening: Opening, config: serde_json::Value) -> Self {
        let provider = process::open(opening).await.unwrap();
        let facts = [
            ("id", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            ("owner", "ann@example.com"),
            ("team", "red"),
            ("project", "apollo"),
            ("purpose", "to see (with care) that tags, in free words, fit"),
        ];
        let facts = facts.map(|(name, fact)| (name.to_owned(), Value::string(fact))).into();
        let conformed = provider.offer().config.block.conform(&value(config.clone())).unwrap();
        let desk = Self { provider, facts, config: conformed, is_lenient: false };
        match desk.configure(config).await {
            Ok(Answer::Accepted { .. }) => desk,
            other => panic!("configure: {other:?}"),
        }
    }

    pub async fn configure(&self, config: serde_json::Value) -> Result<Answer, Failure> {
        let config = self.provider.offer().config.block.conform(&value(config)).unwrap();
        let place = Place {
            environment: EnvironmentId(Ulid::new(Timestamp::from_millis(0), 1)),
            root: "/nowhere".to_owned(),
        };
        self.provider.call(Call::Configure { config, place }).await
    }

    /// Another owner, whose objects are not the first one's.
    pub fn belongs_to(&mut self, owner: &str) {
        self.facts.insert("owner".to_owned(), Value::string(owner));
    }

    /// The configuration of a resource: conformed to its schema and tagged.
    pub fn config(&self, kind: &str, written: serde_json::Value) -> Value {
        let offer = self.provider.offer();
        let offer = &offer.resources[kind];
        let written = value(written);
        let conformed = if self.is_lenient {
            let unset = offer.schema.block.conform(&Value::map(BTreeMap::new())).unwrap();
            let mut members = unset.as_map().unwrap().clone();
            members.extend(written.as_map().unwrap().clone());
            Value::map(members)
        } else {
            offer.schema.block.conform(&written).unwrap()
        };
        match &offer.governance.tags {
            Some(rule) => {
                change::inject_tags(&conformed, rule, &change::reserved_tags(&self.facts)).unwrap()
            }
            None => conformed,
        }
    }

    /// What governance sees of planned values.
    pub fn facts(&self, kind: &str, planned: &Value) -> Facts {
        let offer = self.provider.offer();
        change::facts(&offer.resources[kind].governance, planned, &self.config)
    }

    pub async fn validate(&self, kind: &str, data: bool, config: &Value) -> Result<(), Failure> {
        let (kind, config) = (kind.to_owned(), config.clone());
        match self.provider.call(Call::Validate { kind, data, config }).await {
            Ok(Answer::Accepted { .. }) => Ok(()),
            Ok(other) => panic!("validate: {other:?}"),
            Err(failure) => Err(failure),
        }
    }

    pub async fn propose(
        &self,
        kind: &str,
        prior: Option<&LiveObject>,
        config: &Value,
    ) -> Result<Proposal, Failure> {
        let call =
            Call::Propose { kind: kind.to_owned(), prior: prior.cloned(), config: config.clone() };
        match self.provider.call(call).await? {
            Answer::Proposal(proposal) | Answer::ApproximateProposal(proposal) => Ok(proposal),
            other => panic!("propose: {other:?}"),
        }
    }

    pub async fn apply(
        &self,
        kind: &str,
        prior: Option<&LiveObject>,
        planned: &Value,
        private: &Private,
        config: &Value,
    ) -> Result<Answer, Failure> {
        let call = Call::Apply(ApplyCall {
            kind: kind.to_owned(),
            prior: prior.cloned(),
            planned: planned.clone(),
            planned_private: private.clone(),
            config: config.clone(),
            marker: Marker("marker".to_owned()),
            start_by: Timestamp::from_millis(i64::MAX / 2),
        });
        self.provider.call(call).await
    }

    /// Carries out a proposal and holds the provider to it.
    async fn carry_out(
        &self,
        kind: &str,
        prior: Option<&LiveObject>,
        proposal: &Proposal,
        config: &Value,
    ) -> LiveObject {
        let planned = &proposal.planned;
        let object = match self.apply(kind, prior, planned, &proposal.private, config).await {
            Ok(Answer::Approximate(object)) => object,
            Ok(Answer::Object(Some(object))) => {
                let surprise = fills(planned, &object.value).err();
                assert!(surprise.is_none(), "{kind}: {surprise:?} differs from the plan");
                object
            }
            Ok(other) => panic!("{kind}: apply: {other:?}"),
            Err(failure) => explain(&format!("{kind}: apply"), &failure),
        };
        assert!(object.value.is_wholly_known(), "{kind}: {:?}", object.value.unknown_paths());
        object
    }

    /// Plans and makes an object.
    pub async fn create(&self, kind: &str, written: serde_json::Value) -> LiveObject {
        let config = self.config(kind, written);
        if let Err(failure) = self.validate(kind, false, &config).await {
            explain(&format!("{kind}: validate"), &failure);
        }
        let proposal = match self.propose(kind, None, &config).await {
            Ok(proposal) => proposal,
            Err(failure) => explain(&format!("{kind}: propose"), &failure),
        };
        self.carry_out(kind, None, &proposal, &config).await
    }

    /// What exists, as the next command would see it.
    pub async fn refresh(&self, kind: &str, object: &LiveObject) -> Option<LiveObject> {
        let version = self.provider.offer().resources[kind].schema.version;
        let call = Call::Upgrade { kind: kind.to_owned(), version, value: object.value.clone() };
        let value = match self.provider.call(call).await {
            Ok(Answer::Upgraded(value)) => value,
            other => panic!("{kind}: upgrade: {other:?}"),
        };
        let object = LiveObject { value, private: object.private.clone() };
        match self.provider.call(Call::Read { kind: kind.to_owned(), object }).await {
            Ok(Answer::Object(object)) => object,
            other => panic!("{kind}: read: {other:?}"),
        }
    }

    /// Reads an object again and expects that nothing is to be done.
    pub async fn settled(
        &self,
        kind: &str,
        written: serde_json::Value,
        object: &LiveObject,
    ) -> LiveObject {
        let observed = self.refresh(kind, object).await.unwrap();
        let config = self.config(kind, written);
        let proposal = self.propose(kind, Some(&observed), &config).await.unwrap();
        let differ = differences(&observed.value, &proposal.planned);
        let places: Vec<String> = differ.iter().map(|one| one.path.to_string()).collect();
        assert!(same(&observed.value, &proposal.planned), "{kind}: {places:?} would change");
        observed
    }

    /// Changes an object in place.
    pub async fn update(
        &self,
        kind: &str,
        written: serde_json::Value,
        object: &LiveObject,
    ) -> LiveObject {
        let config = self.config(kind, written);
        self.validate(kind, false, &config).await.unwrap();
        let proposal = self.propose(kind, Some(object), &config).await.unwrap();
        assert!(!same(&object.value, &proposal.planned), "{kind}: nothing would change");
        let forced = forced(object, &proposal);
        assert!(forced.is_empty(), "{kind}: {forced:?} cannot change in place");
        self.carry_out(kind, Some(object), &proposal, &config).await
    }

    /// Deletes an object, and expects that it is gone.
    pub async fn delete(&self, kind: &str, object: &LiveObject) {
        let null = Value::null();
        let private = Private::default();
        match self.apply(kind, Some(object), &null, &private, &null).await {
            Ok(Answer::Object(None)) => {}
            Ok(other) => panic!("{kind}: delete: {other:?}"),
            Err(failure) => explain(&format!("{kind}: delete"), &failure),
        }
    }

    pub async fn find(&self, kind: &str, planned: &Value) -> Finding {
        let marker = Marker("marker".to_owned());
        let (kind, planned) = (kind.to_owned(), planned.clone());
        match self.provider.call(Call::Find { kind, marker, planned }).await {
            Ok(Answer::Found(finding)) => finding,
            other => panic!("find: {other:?}"),
        }
    }

    pub async fn import(&self, kind: &str, id: &str) -> Result<Option<LiveObject>, Failure> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        match self.provider.call(Call::Import { kind, id }).await? {
            Answer::Object(object) => Ok(object),
            other => panic!("import: {other:?}"),
        }
    }

    pub async fn read_data(&self, kind: &str, written: serde_json::Value) -> Value {
        let offer = self.provider.offer();
        let config = offer.data[kind].schema.block.conform(&value(written)).unwrap();
        self.validate(kind, true, &config).await.unwrap();
        match self.provider.call(Call::ReadData { kind: kind.to_owned(), config }).await {
            Ok(Answer::Data(data)) => data,
            other => panic!("{kind}: read data: {other:?}"),
        }
    }
}

/// What a change of an object cannot do in place.
pub fn forced(object: &LiveObject, proposal: &Proposal) -> Vec<ValuePath> {
    change::forced(&object.value, &proposal.planned, &proposal.requires_replace)
}

/// The text of an attribute.
pub fn text<'v>(object: &'v LiveObject, name: &str) -> &'v str {
    object.value.get(name).and_then(Value::as_str).unwrap_or_default()
}
