//! Environments, plans and events small enough to read, and stores to put them in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use gov::model::actor::Actor;
use gov::model::actor::ActorKind;
use gov::model::actor::Door;
use gov::model::actor::Proof;
use gov::model::address::Address;
use gov::model::cost::Cost;
use gov::model::cost::Quote;
use gov::model::decision::Act;
use gov::model::decision::Decision;
use gov::model::decision::Outcome;
use gov::model::decision::Rationale;
use gov::model::digest::Digest;
use gov::model::environment::BlueprintRecord;
use gov::model::environment::EnvironmentRecord;
use gov::model::environment::Facts;
use gov::model::environment::Identity;
use gov::model::environment::Object;
use gov::model::environment::ResourceRecord;
use gov::model::environment::SealedPrivate;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::FreezeScope;
use gov::model::event::Holder;
use gov::model::event::Intent;
use gov::model::event::RunOutcome;
use gov::model::event::Settled;
use gov::model::id::EnvironmentId;
use gov::model::id::Marker;
use gov::model::id::RunId;
use gov::model::id::StoreId;
use gov::model::id::Ulid;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Life;
use gov::model::lifetime::Term;
use gov::model::lifetime::Timestamp;
use gov::model::limits::Budget;
use gov::model::limits::Limits;
use gov::model::limits::OnExpiry;
use gov::model::plan::Action;
use gov::model::plan::Change;
use gov::model::plan::Each;
use gov::model::plan::Plan;
use gov::model::plan::PlanKind;
use gov::model::plan::Reason;
use gov::model::plan::Step;
use gov::model::plan::StepAction;
use gov::model::plan::StepId;
use gov::model::sealed::SealedValue;
use gov::state::Batch;
use gov::state::LeaseRequest;
use gov::state::Preconditions;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::local::LocalOptions;
use gov::state::local::LocalStore;
use gov::state::local::machine::Machine as _;
use gov::state::local::machine::ThisMachine;

/// The time of everything, unless a test says otherwise.
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000)
}

pub fn later(seconds: u32) -> Timestamp {
    now().plus(Duration::from_secs(seconds))
}

pub fn actor() -> Actor {
    let (kind, proof, door) = (ActorKind::User, Proof::OsUser, Door::Script);
    Actor { kind, name: "uid:1000(ann)".to_owned(), proof, door }
}

fn ulid(number: u128) -> Ulid {
    Ulid::new(now(), number)
}

pub fn store_id() -> StoreId {
    StoreId(ulid(1))
}

pub fn environment(number: u32) -> EnvironmentId {
    EnvironmentId(ulid(1000 + u128::from(number)))
}

pub fn run(number: u32) -> RunId {
    RunId(ulid(2000 + u128::from(number)))
}

pub fn address(number: u32) -> Address {
    format!("sim_thing.r{number}").parse().unwrap()
}

pub fn record(name: &str) -> EnvironmentRecord {
    let identity =
        Identity { owner: "ann".to_owned(), team: "core".to_owned(), ..Identity::default() };
    let blueprint = BlueprintRecord {
        name: "sandbox".to_owned(),
        version: "1.0.0".to_owned(),
        digest: Digest::from_bytes([7; 32]),
        published: false,
        origin: "sandbox/blueprint.toml".to_owned(),
        text: "[blueprint]\n".to_owned(),
    };
    EnvironmentRecord {
        name: name.to_owned(),
        identity,
        budget: Budget::default(),
        limits: Limits::default(),
        blueprint,
        inputs: BTreeMap::new(),
        root: "/srv/sandbox".to_owned(),
        term: Term::For(Duration::from_hours(8)),
        start: None,
        on_expiry: OnExpiry::KeepData,
    }
}

pub fn resource(number: u32, object: Option<&str>) -> ResourceRecord {
    ResourceRecord {
        address: address(number),
        provider: "sim".to_owned(),
        source: "builtin/sim".to_owned(),
        object: object.map(object_of),
        deposed: BTreeMap::new(),
        dependencies: BTreeSet::new(),
        marker: Some(marker(number)),
        facts: Facts::default(),
        prevent_destroy: false,
        create_before_destroy: false,
    }
}

pub fn object_of(text: &str) -> Object {
    Object {
        value: SealedValue::String(text.to_owned()),
        private: SealedPrivate::default(),
        schema_version: 0,
        tainted: false,
    }
}

fn marker(number: u32) -> Marker {
    Marker(format!("gov-{number}"))
}

pub fn decision() -> Decision {
    Decision {
        subject: gov::model::decision::Subject::default(),
        act: Act::Apply,
        outcome: Outcome::Allow,
        findings: Vec::new(),
        policy: Digest::from_bytes([1; 32]),
        rationale: Rationale::default(),
        consents: BTreeSet::new(),
    }
}

pub fn quote() -> Quote {
    Quote {
        changes: BTreeMap::new(),
        before: Cost::nothing(),
        after: Cost::nothing(),
        until_expiry: Cost::nothing(),
    }
}

/// A plan with one step of each action, on the resource of the same number as the step.
pub fn plan(environment: EnvironmentId, name: &str, actions: &[StepAction]) -> Plan {
    let change = |number: u32| Change {
        address: address(number),
        provider: "sim".to_owned(),
        action: Action::Create,
        reason: Reason::Differs,
        prior: None,
        recorded: None,
        config: SealedValue::Null,
        planned: SealedValue::Null,
        planned_private: SealedPrivate::default(),
        each: Each::Single,
        marker: marker(number),
        dependencies: BTreeSet::new(),
        facts: Facts::default(),
        prevent_destroy: false,
        create_before_destroy: false,
        ignored: BTreeSet::new(),
        deposed: None,
    };
    let step = |(number, action): (u32, &StepAction)| Step {
        id: StepId(number),
        action: *action,
        change: number,
        after: BTreeSet::new(),
    };
    Plan {
        version: gov::model::plan::PLAN_VERSION,
        store: store_id(),
        environment,
        is_new: false,
        kind: PlanKind::Apply,
        made: now(),
        made_by: actor(),
        record: record(name),
        resources_revision: 0,
        providers: BTreeMap::new(),
        changes: (0..).take(actions.len()).map(change).collect(),
        steps: (0..).zip(actions).map(step).collect(),
        outputs: BTreeMap::new(),
        warnings: Vec::new(),
        gone: Vec::new(),
    }
}

pub fn created(name: &str) -> Event {
    Event::EnvironmentCreated { record: Box::new(record(name)) }
}

pub fn started() -> Event {
    Event::LifeStarted { life: Life { start: now(), expiry: later(28_800) } }
}

pub fn opened(number: u32, plan: Plan) -> Event {
    Event::RunOpened {
        run: run(number),
        plan_digest: plan.file_digest().unwrap(),
        intent_digest: plan.intent_digest().unwrap(),
        desired: Digest::from_bytes([2; 32]),
        plan: Box::new(plan),
        quote: Box::new(quote()),
        decision: Box::new(decision()),
        approvals: BTreeSet::new(),
        reservations: BTreeMap::new(),
    }
}

pub fn intended(run_number: u32, number: u32, action: StepAction) -> Event {
    Event::StepIntended(Intent {
        run: run(run_number),
        step: StepId(number),
        attempt: 1,
        address: address(number),
        action,
        marker: marker(number),
        record: Box::new(resource(number, None)),
        planned: SealedValue::Unknown,
        deposed: None,
        start_by: later(60),
    })
}

pub fn settled(run_number: u32, number: u32, settled: Settled) -> Event {
    let (run, step, address) = (run(run_number), StepId(number), address(number));
    Event::StepSettled { run, step, address, settled }
}

pub fn present(number: u32, text: &str) -> Settled {
    let record = Box::new(resource(number, Some(text)));
    Settled::Present { record, deposed: None, error: None }
}

pub fn closed(number: u32) -> Event {
    let outputs = BTreeMap::from([("n".to_owned(), SealedValue::String(number.to_string()))]);
    Event::RunClosed { run: run(number), outcome: RunOutcome::Done, reason: None, outputs }
}

pub fn frozen(reason: &str) -> Event {
    Event::Frozen { scope: FreezeScope::All, reason: reason.to_owned() }
}

/// A batch of events of one environment, or of none.
pub fn batch(environment: Option<EnvironmentId>, events: Vec<Event>) -> Batch {
    let draft = |event| Draft { environment, actor: actor(), event };
    let drafts = events.into_iter().map(draft).collect();
    Batch { now: now(), drafts, preconditions: Preconditions::default() }
}

/// The first event of every store.
pub fn store_created() -> Batch {
    batch(None, vec![Event::StoreCreated { store: store_id() }])
}

/// Appends one batch that must go through.
pub async fn put(store: &dyn Store, environment: Option<EnvironmentId>, events: Vec<Event>) {
    store.append(batch(environment, events)).await.unwrap();
}

/// An environment with one finished run that has made so many resources.
pub async fn furnish(store: &dyn Store, number: u32, resources: u32) {
    let (id, name) = (environment(number), format!("env-{number}"));
    put(store, Some(id), vec![created(&name)]).await;
    let actions = vec![StepAction::Create; usize::try_from(resources).unwrap()];
    put(store, Some(id), vec![opened(number, plan(id, &name, &actions)), started()]).await;
    for resource in 0..resources {
        put(store, Some(id), vec![intended(number, resource, StepAction::Create)]).await;
        let made = settled(number, resource, present(resource, "made"));
        put(store, Some(id), vec![made]).await;
    }
    put(store, Some(id), vec![closed(number)]).await;
}

pub fn holder() -> Holder {
    let machine = ThisMachine;
    Holder {
        actor: "uid:1000(ann)".to_owned(),
        operation: "gov apply".to_owned(),
        host: machine.hostname(),
        boot: machine.boot_id(),
        pid: machine.pid(),
        pid_start: machine.pid_start(machine.pid()).unwrap(),
    }
}

pub fn lease_request(number: u32, at: Timestamp) -> LeaseRequest {
    LeaseRequest { environment: environment(number), actor: actor(), holder: holder(), now: at }
}

pub fn options() -> LocalOptions {
    LocalOptions::new("gov test", now())
}

/// A local store in a folder, made where there is none.
pub fn local(dir: &Path) -> LocalStore {
    LocalStore::open_or_create(dir, options(), store_id(), now(), actor()).unwrap()
}

pub fn open(dir: &Path) -> Result<LocalStore, StoreError> {
    LocalStore::open(dir, options())
}

/// A runtime for one test.
pub fn block_on<F: Future>(work: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(work)
}

pub fn shared(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(store)
}
