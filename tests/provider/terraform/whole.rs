//! A real provider below gov's own planner and machine: only the books and the gate are missing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use gov::blueprint::Blueprint;
use gov::blueprint::Body;
use gov::blueprint::Governance;
use gov::blueprint::Lifecycle;
use gov::blueprint::ProviderDeclaration;
use gov::blueprint::ResourceBlock;
use gov::blueprint::Spanned;
use gov::blueprint::resolve::NodeId;
use gov::blueprint::resolve::Resolved;
use gov::decision::readmit;
use gov::diagnostic::Source;
use gov::diagnostic::Span;
use gov::engine::Run;
use gov::engine::machine::Effect;
use gov::engine::machine::Ending;
use gov::engine::machine::Machine;
use gov::engine::machine::Then;
use gov::engine::machine::Tools;
use gov::graph::Dag;
use gov::model::actor::Actor;
use gov::model::actor::ActorKind;
use gov::model::actor::Door;
use gov::model::actor::Proof;
use gov::model::address::Address;
use gov::model::address::ResourceName;
use gov::model::cost::Cost;
use gov::model::cost::Quote;
use gov::model::decision::Act;
use gov::model::decision::Decision;
use gov::model::decision::Outcome;
use gov::model::decision::Rationale;
use gov::model::digest::Digest;
use gov::model::digest::Domain;
use gov::model::environment::BlueprintRecord;
use gov::model::environment::EnvironmentRecord;
use gov::model::environment::Identity;
use gov::model::environment::ResourceRecord;
use gov::model::event::Event;
use gov::model::event::RunOutcome;
use gov::model::event::Settled;
use gov::model::id::EnvironmentId;
use gov::model::id::RunId;
use gov::model::id::StoreId;
use gov::model::id::Ulid;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Term;
use gov::model::lifetime::Timestamp;
use gov::model::limits::Budget;
use gov::model::limits::Limits;
use gov::model::limits::OnExpiry;
use gov::model::plan::Plan;
use gov::model::plan::PlanKind;
use gov::model::plan::StepAction;
use gov::plan::Mode;
use gov::plan::Request;
use gov::plan::planner::Next;
use gov::plan::planner::Planner;
use gov::provider::Provider as _;
use gov::provider::terraform::TerraformProvider;
use gov::state::seal::Sealer;
use gov::state::snapshot;
use gov::state::snapshot::OpenRun;
use gov::state::snapshot::Phase;
use gov::state::snapshot::Snapshot;

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const PROVIDER: &str = "theirs";

/// An environment of one provider, with one resource without attributes of each type.
pub struct Whole {
    provider: TerraformProvider,
    kinds: Vec<String>,
    sealer: Arc<Sealer>,
    pub resources: BTreeMap<Address, ResourceRecord>,
    revision: u64,
}

fn ulid(number: u128) -> Ulid {
    Ulid::new(NOW, number)
}

fn digest() -> Digest {
    Digest::of(Domain::Desired, b"test")
}

fn record() -> EnvironmentRecord {
    EnvironmentRecord {
        name: "test".to_owned(),
        identity: Identity {
            owner: "ann@example.com".to_owned(),
            team: "red".to_owned(),
            project: "apollo".to_owned(),
            purpose: "to see (with care) that it works".to_owned(),
            value: None,
        },
        budget: Budget::default(),
        limits: Limits::default(),
        blueprint: BlueprintRecord {
            name: "test".to_owned(),
            version: "1.0.0".to_owned(),
            digest: digest(),
            published: false,
            origin: "test".to_owned(),
            text: String::new(),
        },
        inputs: BTreeMap::new(),
        root: "/nowhere".to_owned(),
        term: Term::For(Duration::from_hours(1)),
        start: None,
        on_expiry: OnExpiry::DeleteData,
    }
}

impl Whole {
    pub fn new(provider: TerraformProvider, kinds: &[&str]) -> Self {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let sealer = Arc::new(Sealer::new(&[7; 32]));
        Self { provider, kinds, sealer, resources: BTreeMap::new(), revision: 0 }
    }

    fn names(&self) -> impl Iterator<Item = ResourceName> {
        self.kinds.iter().map(|kind| ResourceName::managed(kind, "one"))
    }

    fn blueprint(&self) -> Blueprint {
        let source = Source::new("test", "");
        let span = Span::new(&source, 0..0);
        let block = |name: ResourceName| ResourceBlock {
            name,
            span: span.clone(),
            count: None,
            for_each: None,
            provider: Spanned { value: PROVIDER.to_owned(), span: span.clone() },
            depends_on: Vec::new(),
            lifecycle: Lifecycle::default(),
            body: Body::default(),
        };
        let declaration = ProviderDeclaration {
            span: span.clone(),
            source: PROVIDER.to_owned(),
            version: None,
            config: Body::default(),
        };
        Blueprint {
            source,
            name: "test".to_owned(),
            version: "1.0.0".to_owned(),
            description: String::new(),
            inputs: BTreeMap::new(),
            limits: Spanned { value: Limits::default(), span: span.clone() },
            governance: Governance::default(),
            integrations: BTreeMap::new(),
            providers: [(PROVIDER.to_owned(), declaration)].into(),
            locals: BTreeMap::new(),
            resources: self.names().map(|name| (name.clone(), block(name))).collect(),
            outputs: BTreeMap::new(),
        }
    }

    fn resolved(&self) -> Resolved {
        let provider = NodeId::Provider(PROVIDER.to_owned());
        let mut graph = Dag::new();
        graph.add(provider.clone());
        let mut order = vec![provider.clone()];
        for name in self.names() {
            graph.edge(NodeId::Resource(name.clone()), provider.clone());
            order.push(NodeId::Resource(name));
        }
        Resolved { order, graph, references: BTreeMap::new() }
    }

    /// What gov would do.
    pub async fn plan(&self, mode: Mode, replace: &[&str]) -> Plan {
        let mut planner = Planner::new(Request {
            mode,
            blueprint: Arc::new(self.blueprint()),
            resolved: Arc::new(self.resolved()),
            record: record(),
            inputs: BTreeMap::new(),
            store: StoreId(ulid(1)),
            environment: EnvironmentId(ulid(2)),
            is_new: self.revision == 0,
            resources: self.resources.clone(),
            outputs: BTreeMap::new(),
            accepted: BTreeMap::new(),
            resources_revision: self.revision,
            offers: [(PROVIDER.to_owned(), self.provider.offer())].into(),
            replace: replace.iter().map(|address| address.parse().unwrap()).collect(),
            now: NOW,
            actor: Actor {
                kind: ActorKind::User,
                name: "ann".to_owned(),
                proof: Proof::OsUser,
                door: Door::Script,
            },
            sealer: Arc::clone(&self.sealer),
        });
        loop {
            match planner.poll() {
                Next::Calls(starts) => {
                    for start in starts {
                        let reply = self.provider.call(start.call).await;
                        planner.answer(start.id, reply);
                    }
                }
                Next::Waiting => panic!("nothing is under way"),
                Next::Done(plan) => return *plan,
                Next::Failed(diagnostics) => panic!("{diagnostics:?}"),
            }
        }
    }

    fn run(&self, plan: &Plan) -> Run {
        let decision = Decision {
            subject: gov::model::decision::Subject::default(),
            act: Act::Apply,
            outcome: Outcome::Allow,
            findings: Vec::new(),
            policy: digest(),
            rationale: Rationale::default(),
            consents: BTreeSet::new(),
        };
        let open = OpenRun {
            run: RunId(ulid(3)),
            opened: NOW,
            plan: plan.clone(),
            quote: Quote {
                changes: BTreeMap::new(),
                before: Cost::nothing(),
                after: Cost::nothing(),
                until_expiry: Cost::nothing(),
            },
            plan_digest: digest(),
            desired: digest(),
            decision: decision.clone(),
            steps: BTreeMap::new(),
        };
        let snapshot = Snapshot {
            id: plan.environment,
            record: record(),
            created: NOW,
            phase: Phase::Waiting,
            reaping: false,
            resources: self.resources.clone(),
            uncertain: BTreeMap::new(),
            held: BTreeSet::new(),
            outputs: BTreeMap::new(),
            run: Some(open),
            runs_closed: 0,
            lease: None,
            accepted: BTreeMap::new(),
            resources_revision: self.revision,
            life_revision: 0,
        };
        Run::resume(&snapshot, readmit(decision).unwrap()).unwrap()
    }

    /// Does it, and takes into the books what the machine records.
    pub async fn carry_out(&mut self, plan: &Plan) -> Ending {
        let tools = Tools {
            blueprint: Arc::new(self.blueprint()),
            resolved: Arc::new(self.resolved()),
            inputs: BTreeMap::new(),
            offers: [(PROVIDER.to_owned(), self.provider.offer())].into(),
            sealer: Arc::clone(&self.sealer),
            parallelism: 4,
            predecessor_may_wake: false,
        };
        let mut machine = Machine::new(self.run(plan), tools, NOW);
        self.revision += 1;
        loop {
            let (effects, then) = machine.poll(NOW);
            if let (true, Then::Over(ending)) = (effects.is_empty(), &then) {
                return ending.clone();
            }
            assert!(!effects.is_empty(), "it waits for {then:?}");
            for effect in effects {
                match effect {
                    Effect::Start(start) => {
                        let reply = self.provider.call(start.call).await;
                        machine.answer(start.id, reply, NOW);
                    }
                    Effect::Judge(step, _) => machine.judged(step, Ok(()), NOW),
                    Effect::Record(id, events) => {
                        events.iter().for_each(|event| self.take_in(event));
                        machine.recorded(id, NOW);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, event: &Event) {
        let Event::StepSettled { address, settled, .. } = event else { return };
        match settled {
            Settled::Present { record, deposed, error } => {
                assert_eq!(*error, None, "{address}");
                snapshot::put(&mut self.resources, record, deposed.as_ref());
            }
            Settled::Absent { deposed } => {
                snapshot::remove(&mut self.resources, address, deposed.as_ref());
            }
            other => panic!("{address}: {other:?}"),
        }
    }

    fn ids(&self) -> Vec<String> {
        let id = |record: &ResourceRecord| {
            let object = record.object.as_ref().unwrap();
            object.value.get("id").and_then(|id| id.as_str()).unwrap().to_owned()
        };
        self.resources.values().map(id).collect()
    }

    /// Everything is made, left alone, replaced and taken down.
    pub async fn lives_and_dies(mut self) {
        let converge = Mode::Converge(PlanKind::Apply);
        let plan = self.plan(converge, &[]).await;
        let actions: Vec<StepAction> = plan.steps.iter().map(|step| step.action).collect();
        assert_eq!(actions, vec![StepAction::Create; self.kinds.len()]);
        self.ends_well(&plan).await;
        assert_eq!(self.resources.len(), self.kinds.len());
        let first = self.ids();

        let again = self.plan(converge, &[]).await;
        assert!(again.is_empty(), "{:?}", again.effective().collect::<Vec<_>>());

        let addresses: Vec<String> = self.names().map(|name| name.to_string()).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let plan = self.plan(converge, &addresses).await;
        assert_eq!(plan.steps.len(), 2 * self.kinds.len(), "a replacement has two steps");
        self.ends_well(&plan).await;
        assert!(first.iter().all(|id| !self.ids().contains(id)), "{first:?} were replaced");

        let down = Mode::TakeDown { kind: PlanKind::Destroy, delete_data: true };
        let plan = self.plan(down, &[]).await;
        self.ends_well(&plan).await;
        assert!(self.resources.is_empty());
    }

    async fn ends_well(&mut self, plan: &Plan) {
        let ending = self.carry_out(plan).await;
        assert_eq!(ending.outcome, Some(RunOutcome::Done), "{ending:?}");
    }
}
