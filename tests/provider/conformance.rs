//! The conformance suite: what every provider keeps, checked for every type.
//!
//! A type takes part by one [`Fixture`] in [`every_type`]. Every type that
//! a provider offers must have a fixture.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use gov::model::environment::Private;
use gov::model::id::EnvironmentId;
use gov::model::id::Marker;
use gov::model::id::Ulid;
use gov::model::lifetime::Timestamp;
use gov::model::schema::Attribute;
use gov::model::schema::Block;
use gov::model::schema::NestedBlock;
use gov::model::schema::Nesting;
use gov::model::schema::convert;
use gov::model::value::Kind;
use gov::model::value::Path;
use gov::model::value::Value;
use gov::model::value::differences;
use gov::model::value::same;
use gov::provider::Answer;
use gov::provider::ApplyCall;
use gov::provider::Call;
use gov::provider::Failure;
use gov::provider::FailureClass;
use gov::provider::Finding;
use gov::provider::LiveObject;
use gov::provider::Place;
use gov::provider::PriceRule;
use gov::provider::Proposal;
use gov::provider::Provider;
use gov::provider::RegionRule;
use gov::provider::TypeOffer;
use gov::provider::builtin::Clock;
use gov::provider::builtin::Means;
use gov::provider::builtin::SystemEntropy;
use gov::provider::builtin::local::Launcher;
use gov::provider::builtin::local::SystemClock;

use crate::provider::fixture::Find;
use crate::provider::fixture::Fixture;
use crate::provider::fixture::every_type;
use crate::provider::fixture::sim_types;
use crate::provider::fixture::text;
use crate::provider::fixture::tls_types;

/// The time at which every check begins: 2026-03-01T00:00:00Z.
const NOW_MS: i64 = 1_772_323_200_000;

/// How long after the present a call may begin, where nothing else is said.
const SOON_MS: i64 = 60_000;

/// A provider opened for one check.
struct Bench {
    provider: Arc<dyn Provider>,
    kind: &'static str,
    offer: Arc<TypeOffer>,
    clock: Arc<AtomicI64>,
    place: Place,
    runtime: tokio::runtime::Runtime,
    _root: tempfile::TempDir,
}

impl Bench {
    fn open(fixture: &Fixture) -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(NOW_MS));
        let told = clock.clone();
        let tell: Clock = Arc::new(move || Timestamp::from_millis(told.load(Ordering::SeqCst)));
        let launcher = Launcher {
            program: env!("CARGO_BIN_EXE_gov").into(),
            clock: Arc::new(SystemClock::start()),
            home: None,
            lang: None,
        };
        let means = Means { clock: tell, entropy: Arc::new(SystemEntropy), launcher };
        let provider = (fixture.open)(root.path(), &means);
        let offer = provider.offer();
        let offer = offer.resources.get(fixture.kind).expect("the type is offered").clone();
        let ulid = Ulid::new(Timestamp::from_millis(NOW_MS), 7);
        let folder = root.path().to_str().unwrap().to_owned();
        let place = Place { environment: EnvironmentId(ulid), root: folder };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kind = fixture.kind;
        let bench = Self { provider, kind, offer, clock, place, runtime, _root: root };
        bench.configure();
        bench
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    fn call(&self, call: Call) -> Result<Answer, Failure> {
        let is_apply = call.is_mutating();
        let answer = self.wait(self.provider.call(call));
        if let Err(failure) = &answer {
            assert!(!failure.remarks.is_empty(), "{}: a failure without a reason", self.kind);
            if !is_apply {
                assert_ne!(failure.class, FailureClass::Unknown, "{}: {failure}", self.kind);
                assert!(failure.partial.is_none(), "{}: {failure}", self.kind);
            }
        }
        answer
    }

    fn configure(&self) {
        let config = self.provider.offer().config.block.conform(&Value::object::<String>([]));
        let config = config.expect("the provider needs no configuration");
        let answer = self.call(Call::Configure { config, place: self.place.clone() });
        assert!(matches!(answer, Ok(Answer::Accepted { .. })), "{}: {answer:?}", self.kind);
    }

    fn block(&self) -> &Block {
        &self.offer.schema.block
    }

    fn conform(&self, config: &Value) -> Value {
        self.block()
            .conform(config)
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", self.kind))
    }

    fn validate(&self, config: Value) -> Result<Answer, Failure> {
        self.call(Call::Validate { kind: self.kind.into(), data: false, config })
    }

    fn propose(&self, prior: Option<&LiveObject>, config: &Value) -> Proposal {
        let kind = self.kind.to_owned();
        let call = Call::Propose { kind, prior: prior.cloned(), config: config.clone() };
        match self.call(call) {
            Ok(Answer::Proposal(proposal)) => {
                if !proposal.planned.is_null() {
                    assert_conforms(self.kind, self.block(), &proposal.planned);
                }
                proposal
            }
            other => panic!("{}: propose: {other:?}", self.kind),
        }
    }

    fn apply_call(
        &self,
        prior: Option<&LiveObject>,
        config: &Value,
        proposal: Proposal,
    ) -> ApplyCall {
        ApplyCall {
            kind: self.kind.into(),
            prior: prior.cloned(),
            planned: proposal.planned,
            planned_private: proposal.private,
            config: config.clone(),
            marker: marker("first"),
            start_by: Timestamp::from_millis(self.clock.load(Ordering::SeqCst) + SOON_MS),
        }
    }

    /// Applies what was proposed and checks the answer against it.
    fn apply(&self, prior: Option<&LiveObject>, config: &Value) -> LiveObject {
        let proposal = self.propose(prior, config);
        let planned = proposal.planned.clone();
        let answer = self.call(Call::Apply(self.apply_call(prior, config, proposal)));
        let Ok(Answer::Object(Some(object))) = answer else {
            panic!("{}: apply: {answer:?}", self.kind)
        };
        assert_conforms(self.kind, self.block(), &object.value);
        assert!(object.value.is_wholly_known(), "{}: {:?}", self.kind, object.value);
        for difference in differences(&planned, &object.value) {
            let was = &difference.before;
            assert!(was.is_unknown(), "{}: {} was planned otherwise", self.kind, difference.path);
        }
        object
    }

    fn read(&self, object: &LiveObject) -> Option<LiveObject> {
        let answer = self.call(Call::Read { kind: self.kind.into(), object: object.clone() });
        match answer {
            Ok(Answer::Object(found)) => found,
            other => panic!("{}: read: {other:?}", self.kind),
        }
    }

    fn delete(&self, object: &LiveObject) -> Result<Answer, Failure> {
        let proposal = self.propose(Some(object), &Value::null());
        assert!(proposal.planned.is_null(), "{}: a delete plans nothing", self.kind);
        self.call(Call::Apply(self.apply_call(Some(object), &Value::null(), proposal)))
    }

    fn find(&self, marker: Marker, planned: &Value) -> Finding {
        let (kind, planned) = (self.kind.to_owned(), planned.clone());
        match self.call(Call::Find { kind, marker, planned }) {
            Ok(Answer::Found(finding)) => finding,
            other => panic!("{}: find: {other:?}", self.kind),
        }
    }
}

fn marker(name: &str) -> Marker {
    Marker(format!("gov-conformance-{name}"))
}

/// Asserts that a value has the shape, types and marks of the schema, all of it.
fn assert_conforms(kind: &str, block: &Block, value: &Value) {
    let members = value.as_map().unwrap_or_else(|| panic!("{kind}: {value:?} is no object"));
    let present: BTreeSet<&String> = members.keys().collect();
    let wanted: BTreeSet<&String> = block.attributes.keys().chain(block.blocks.keys()).collect();
    assert_eq!(present, wanted, "{kind}: every attribute and block is present, and no other");
    for (name, attribute) in &block.attributes {
        let member = &members[name];
        let converted = convert(member, &attribute.ty);
        let fits = converted.as_ref().is_ok_and(|converted| same(converted, member));
        assert!(fits, "{kind}.{name}: {member:?} is not {}", attribute.ty.name());
        if attribute.sensitive {
            assert!(member.is_sensitive() || member.is_null(), "{kind}.{name} lost its mark");
        } else {
            assert!(!member.contains_sensitive(), "{kind}.{name} is marked against the schema");
        }
        let may_be_unset = !attribute.required;
        assert!(may_be_unset || !member.is_null(), "{kind}.{name} is required and null");
    }
    for (name, nested) in &block.blocks {
        for item in nested_items(nested, &members[name]) {
            assert_conforms(&format!("{kind}.{name}"), &nested.block, item);
        }
    }
}

fn nested_items<'v>(nested: &NestedBlock, value: &'v Value) -> Vec<&'v Value> {
    if value.is_null() || value.is_unknown() {
        return Vec::new();
    }
    match nested.nesting {
        Nesting::Single | Nesting::Group => vec![value],
        Nesting::List | Nesting::Set | Nesting::Map => value.children().collect(),
    }
}

fn check(fixture: &Fixture) {
    check_offer(fixture);
    check_validation(fixture);
    check_proposal(fixture);
    check_life(fixture);
    check_update(fixture);
    check_replacement(fixture);
    check_find(fixture);
    check_deadline(fixture);
    check_partly_unknown(fixture);
    check_strangers(fixture);
}

/// The offer is stable, and says of every type what the gate will ask.
fn check_offer(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    assert_eq!(bench.provider.offer(), bench.provider.offer(), "{kind}: the offer changes");
    let block = bench.block();
    for (name, attribute) in &block.attributes {
        let Attribute { required, optional, computed, write_only, .. } = *attribute;
        assert!(required || optional || computed, "{kind}.{name}: nobody may set it");
        assert!(!required || !(optional || computed), "{kind}.{name}: required excludes the rest");
        assert!(!write_only || !computed, "{kind}.{name}: nobody could read it");
        assert!(!attribute.description.is_empty(), "{kind}.{name}: no word for people");
    }
    let facts = &bench.offer.governance;
    let is_there = |name: &String| block.attributes.contains_key(name);
    if let PriceRule::Free { reason } = &facts.price {
        assert!(!reason.trim().is_empty(), "{kind}: free needs a reason");
    }
    match &facts.region {
        RegionRule::Attribute(name) => assert!(is_there(name), "{kind}: no attribute {name}"),
        RegionRule::Provider(name) => {
            let offer = bench.provider.offer();
            let has = offer.config.block.attributes.contains_key(name);
            assert!(has, "{kind}: the provider has no {name}");
        }
        RegionRule::Local | RegionRule::Global => {}
    }
    assert!(facts.endpoints.iter().all(is_there), "{kind}: an endpoint that is no attribute");
    if let Some(rule) = &facts.tags {
        let ty = block.attributes.get(&rule.attribute).map(|attribute| attribute.ty.clone());
        let text_map = gov::model::schema::Type::Map(Box::new(gov::model::schema::Type::String));
        assert_eq!(ty, Some(text_map), "{kind}: tags need a map of text");
    }
}

/// A configuration with the optional parts unknown is right so far; a wrong one says where.
fn check_validation(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let valid = bench.conform(&(fixture.valid)());
    assert!(bench.validate(valid.clone()).is_ok(), "{}", fixture.kind);
    let mut all = valid.as_map().unwrap().clone();
    for (name, attribute) in &bench.block().attributes {
        if attribute.optional {
            let unknown = Value::unknown().with_sensitive(attribute.sensitive);
            let mut one = valid.as_map().unwrap().clone();
            one.insert(name.clone(), unknown.clone());
            all.insert(name.clone(), unknown);
            let answer = bench.validate(Value::map(one));
            assert!(answer.is_ok(), "{}: {name} unknown: {answer:?}", fixture.kind);
        }
    }
    let answer = bench.validate(Value::map(all));
    assert!(answer.is_ok(), "{}: all unknown: {answer:?}", fixture.kind);

    let (invalid, wrong) = fixture.invalid;
    let failure = bench.validate(bench.conform(&invalid())).expect_err("the wrong one is refused");
    assert_eq!(failure.class, FailureClass::Rejected, "{}: {failure}", fixture.kind);
    let names = |path: &Path| path.first_attribute() == Some(wrong);
    let is_named = failure.remarks.iter().any(|remark| names(&remark.path));
    assert!(is_named, "{}: {failure} does not name {wrong}", fixture.kind);
}

/// Proposing has no effect and is a function of its arguments.
fn check_proposal(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let config = bench.conform(&(fixture.valid)());
    let first = bench.propose(None, &config);
    assert_eq!(first, bench.propose(None, &config), "{}: not deterministic", fixture.kind);
    assert!(first.requires_replace.is_empty(), "{}: a create replaces nothing", fixture.kind);
    for (name, value) in config.as_map().unwrap() {
        let planned = first.planned.get(name).unwrap();
        assert!(value.is_null() || same(value, planned), "{}: {name} is overruled", fixture.kind);
    }
    let found = bench.find(marker("first"), &first.planned);
    assert!(!matches!(found, Finding::Found(_)), "{}: proposing made it", fixture.kind);
}

/// Create, read, nothing to do, delete, gone, delete again.
fn check_life(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let config = bench.conform(&(fixture.valid)());
    let object = bench.apply(None, &config);

    let read = bench.read(&object).expect("it is there");
    assert_conforms(kind, bench.block(), &read.value);
    assert_eq!(differences(&object.value, &read.value), [], "{kind}: read differs from apply");
    assert_eq!(read.private, object.private, "{kind}: reading loses the private bytes");

    let version = bench.offer.schema.version;
    let value = read.value.clone();
    let upgraded = bench.call(Call::Upgrade { kind: kind.into(), version, value });
    assert_eq!(upgraded, Ok(Answer::Upgraded(read.value.clone())), "{kind}");

    let again = bench.propose(Some(&read), &config);
    assert_eq!(differences(&read.value, &again.planned), [], "{kind}: something left to do");

    assert_eq!(bench.delete(&read), Ok(Answer::Object(None)), "{kind}");
    if fixture.find == Find::InReplyAlone {
        // There is no place to look: the books alone say that it is gone.
        assert_eq!(bench.read(&read).as_ref(), Some(&read), "{kind}");
    } else {
        assert_eq!(bench.read(&read), None, "{kind}: read after delete");
        let found = bench.find(marker("first"), &again.planned);
        assert!(!matches!(found, Finding::Found(_)), "{kind}: found after delete");
    }
    match bench.delete(&read) {
        Ok(Answer::Object(None)) => {}
        Err(failure) => assert_eq!(failure.class, FailureClass::Rejected, "{kind}: {failure}"),
        other => panic!("{kind}: deleting twice: {other:?}"),
    }
}

/// An update keeps the object and leaves nothing to do.
fn check_update(fixture: &Fixture) {
    let Some(update) = fixture.update else { return };
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let object = bench.apply(None, &bench.conform(&(fixture.valid)()));
    let config = bench.conform(&update());
    let proposal = bench.propose(Some(&object), &config);
    let changes = differences(&object.value, &proposal.planned);
    assert!(!changes.is_empty(), "{kind}: the update changes nothing");
    for path in &proposal.requires_replace {
        let forces = changes.iter().any(|change| change.path.starts_with(path));
        assert!(!forces, "{kind}: {path} forces a new object");
    }
    let updated = bench.apply(Some(&object), &config);
    assert_eq!(updated.value.get("id"), object.value.get("id"), "{kind}: another object");
    let read = bench.read(&updated).expect("it is there");
    assert_eq!(differences(&updated.value, &read.value), [], "{kind}");
    let again = bench.propose(Some(&read), &config);
    assert_eq!(differences(&read.value, &again.planned), [], "{kind}: something left to do");
    assert!(bench.delete(&read).is_ok(), "{kind}: private bytes are lost on the way");
}

/// A change that needs a new object says so, and cannot be forced through in place.
fn check_replacement(fixture: &Fixture) {
    let Some((replacement, forcing)) = fixture.replacement else { return };
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let object = bench.apply(None, &bench.conform(&(fixture.valid)()));
    let config = bench.conform(&replacement());
    let proposal = bench.propose(Some(&object), &config);
    let changes = differences(&object.value, &proposal.planned);
    let counts = |path: &&Path| changes.iter().any(|change| change.path.starts_with(path));
    let found: BTreeSet<&str> = proposal
        .requires_replace
        .iter()
        .filter(counts)
        .filter_map(|path| path.first_attribute())
        .collect();
    assert_eq!(found, forcing.iter().copied().collect(), "{kind}");

    let forced = bench.apply_call(Some(&object), &config, proposal);
    let failure = bench.call(Call::Apply(forced)).expect_err("it cannot change in place");
    assert_eq!(failure.class, FailureClass::Rejected, "{kind}: {failure}");
    let read = bench.read(&object).expect("it is still there");
    assert_eq!(differences(&object.value, &read.value), [], "{kind}: a refusal had an effect");

    assert!(bench.delete(&object).is_ok(), "{kind}");
    let new = bench.apply(None, &config);
    assert!(bench.read(&new).is_some(), "{kind}: the replacement");
}

/// A create is found by what it carried, or it is documented why not.
fn check_find(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let config = bench.conform(&(fixture.valid)());
    let planned = bench.propose(None, &config).planned;
    let before = bench.find(marker("first"), &planned);
    assert!(!matches!(before, Finding::Found(_)), "{kind}: found before it was made");
    let object = bench.apply(None, &config);

    if fixture.find != Find::ByName {
        let other = bench.find(marker("second"), &planned);
        let is_found = matches!(other, Finding::Found(_));
        assert!(!is_found, "{kind}: found by another's marker: {other:?}");
    }
    let found = bench.find(marker("first"), &planned);
    match (fixture.find, found) {
        (Find::ByMarker | Find::ByName, Finding::Found(found)) => {
            assert_conforms(kind, bench.block(), &found.value);
            assert_eq!(differences(&object.value, &found.value), [], "{kind}");
            assert_eq!(found.private, object.private, "{kind}: found without its private bytes");
            assert!(bench.delete(&found).is_ok(), "{kind}");
        }
        (Find::InReplyAlone, Finding::Absent) => {}
        (Find::Never, Finding::CannotTell(reason)) => assert!(!reason.is_empty(), "{kind}"),
        (wanted, found) => panic!("{kind}: {found:?}, where it is {wanted:?}"),
    }
}

/// A call whose time to begin has passed does nothing.
fn check_deadline(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let config = bench.conform(&(fixture.valid)());
    let mut late = bench.apply_call(None, &config, bench.propose(None, &config));
    let planned = late.planned.clone();
    bench.clock.store(late.start_by.as_millis(), Ordering::SeqCst);
    let failure = bench.call(Call::Apply(late.clone())).expect_err("too late");
    assert_ne!(failure.class, FailureClass::Unknown, "{kind}: {failure}");
    assert!(failure.partial.is_none(), "{kind}: {failure}");
    let found = bench.find(marker("first"), &planned);
    assert!(!matches!(found, Finding::Found(_)), "{kind}: made too late");

    late.start_by = Timestamp::from_millis(bench.clock.load(Ordering::SeqCst) + 1);
    let Ok(Answer::Object(Some(object))) = bench.call(Call::Apply(late)) else {
        panic!("{kind}: not too late any more")
    };
    let mut delete = bench.apply_call(
        Some(&object),
        &Value::null(),
        bench.propose(Some(&object), &Value::null()),
    );
    delete.start_by = Timestamp::from_millis(0);
    assert!(bench.call(Call::Apply(delete)).is_err(), "{kind}: deleted too late");
    assert!(bench.read(&object).is_some(), "{kind}: deleted too late");
}

/// A proposal from a partly unknown configuration holds when the rest is known.
fn check_partly_unknown(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let kind = fixture.kind;
    let config = bench.conform(&(fixture.valid)());
    let is_set = |name: &&String| {
        !config.get(name).unwrap().is_null() && !bench.block().attributes[*name].sensitive
    };
    for name in config.as_map().unwrap().keys().filter(is_set) {
        let bench = Bench::open(fixture);
        let mut open = config.as_map().unwrap().clone();
        open.insert(name.clone(), Value::unknown());
        let early = bench.propose(None, &Value::map(open));
        let planned = early.planned.get(name).unwrap();
        assert!(planned.is_unknown(), "{kind}: {name} is guessed");
        let call = bench.apply_call(None, &config, early.clone());
        let Ok(Answer::Object(Some(object))) = bench.call(Call::Apply(call)) else {
            panic!("{kind}: {name} unknown while planning")
        };
        assert!(same(object.value.get(name).unwrap(), config.get(name).unwrap()), "{kind}: {name}");
        for difference in differences(&early.planned, &object.value) {
            assert!(difference.before.is_unknown(), "{kind}: {}", difference.path);
        }
    }
}

/// What the provider does not know, it refuses and survives.
fn check_strangers(fixture: &Fixture) {
    let bench = Bench::open(fixture);
    let stranger = || "no_such_type".to_owned();
    let config = bench.conform(&(fixture.valid)());
    let object = LiveObject { value: config.clone(), private: Private::default() };
    let proposal = bench.propose(None, &config);
    let mut apply = bench.apply_call(None, &config, proposal.clone());
    apply.kind = stranger();
    let planned = proposal.planned;
    let calls = [
        Call::Validate { kind: stranger(), data: false, config: config.clone() },
        Call::Validate { kind: stranger(), data: true, config: config.clone() },
        Call::Upgrade { kind: stranger(), version: 1, value: config.clone() },
        Call::Read { kind: stranger(), object },
        Call::ReadData { kind: stranger(), config: config.clone() },
        Call::Propose { kind: stranger(), prior: None, config: config.clone() },
        Call::Apply(apply),
        Call::Find { kind: stranger(), marker: marker("first"), planned },
        Call::Import { kind: stranger(), id: "x".into() },
    ];
    for call in calls {
        let name = call.name();
        let failure = bench.call(call).expect_err("an unknown type");
        assert_eq!(failure.class, FailureClass::Rejected, "{}: {name}: {failure}", fixture.kind);
    }
    let version = bench.offer.schema.version + 1;
    let newer = Call::Upgrade { kind: fixture.kind.into(), version, value: config };
    assert!(bench.call(newer).is_err(), "{}: an object from the future", fixture.kind);
    let import = bench.call(Call::Import { kind: fixture.kind.into(), id: "no-such-id".into() });
    assert!(!matches!(import, Ok(Answer::Object(Some(_)))), "{}: {import:?}", fixture.kind);
    bench.wait(bench.provider.stop());
}

#[test]
fn every_type_of_every_provider_conforms() {
    for fixture in every_type() {
        check(&fixture);
    }
}

/// A type without a fixture would be a type without a check.
#[test]
fn every_offered_type_has_a_fixture() {
    let fixtures = every_type();
    let tested: BTreeSet<&str> = fixtures.iter().map(|fixture| fixture.kind).collect();
    for fixture in &fixtures {
        let offer = Bench::open(fixture).provider.offer();
        for offered in offer.resources.keys() {
            assert!(tested.contains(offered.as_str()), "{offered} has no fixture");
        }
    }
}

/// The certificate that nears its end is proposed anew, although nothing differs.
#[test]
fn a_certificate_near_its_end_is_replaced() {
    let fixtures = tls_types();
    let fixture = fixtures.iter().find(|f| f.kind == "tls_self_signed_cert").unwrap();
    let bench = Bench::open(fixture);
    let config = bench.conform(&fixture.update.unwrap()());
    let object = bench.apply(None, &config);
    let hour = 3_600_000;
    bench.clock.store(NOW_MS + 40 * hour - 1000, Ordering::SeqCst);
    let calm = bench.propose(Some(&object), &config);
    assert_eq!(differences(&object.value, &calm.planned), []);
    bench.clock.store(NOW_MS + 40 * hour, Ordering::SeqCst);
    let due = bench.propose(Some(&object), &config);
    assert_eq!(due.requires_replace, [Path::attribute("cert_pem")]);
    assert!(due.planned.get("cert_pem").unwrap().is_unknown());
    assert_eq!(due.warnings.len(), 1);
}

/// The data source of the simulated cloud answers in the shape of its schema.
#[test]
fn data_conforms_too() {
    let fixtures = sim_types();
    let bench = Bench::open(&fixtures[0]);
    bench.apply(None, &bench.conform(&(fixtures[0].valid)()));
    let block = bench.provider.offer().data["sim_objects"].schema.block.clone();
    let config = block.conform(&Value::object([("prefix", text("a"))])).unwrap();
    let answer = bench.call(Call::ReadData { kind: "sim_objects".into(), config });
    let Ok(Answer::Data(value)) = answer else { panic!("{answer:?}") };
    assert_conforms("sim_objects", &block, &value);
    let Kind::List(names) = value.get("names").unwrap().kind() else { panic!("{value:?}") };
    assert_eq!(names, &[text("a")]);
}
