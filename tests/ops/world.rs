//! A world to act in: a simulated cloud, a store in memory, a clock that tests move.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use gov::diagnostic::Source;
use gov::engine::driver::Progress;
use gov::model::actor::Actor;
use gov::model::actor::ActorKind;
use gov::model::actor::Door;
use gov::model::actor::Proof;
use gov::model::decision::Ground;
use gov::model::decision::Rationale;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::Holder;
use gov::model::id::StoreId;
use gov::model::id::Ulid;
use gov::model::lifetime::Clock;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Term;
use gov::model::lifetime::Timestamp;
use gov::ops::Context;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Confirm;
use gov::ops::apply::Consent;
use gov::ops::apply::Options;
use gov::ops::apply::Report;
use gov::ops::ask::Ask;
use gov::ops::drift;
use gov::ops::drift::Remedy;
use gov::ops::freeze;
use gov::ops::lifetime;
use gov::ops::lifetime::Moved;
use gov::ops::proposal::Proposal;
use gov::ops::reap;
use gov::policy::trust::Trust;
use gov::provider::catalog::Catalog;
use gov::provider::sim::Act;
use gov::provider::sim::Gate;
use gov::provider::sim::SharedCloud;
use gov::provider::sim::SimPlan;
use gov::provider::sim::SimProvider;
use gov::state::Batch;
use gov::state::Preconditions;
use gov::state::Store;
use gov::state::memory::MemoryStore;
use gov::state::seal::Sealer;
use gov::state::snapshot::Snapshot;
use tokio::sync::watch;

/// When every world begins: 2026-01-01T00:00:00Z.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, duration: &str) {
        let duration: Duration = duration.parse().unwrap();
        self.0.fetch_add(duration.as_secs() * 1000, Ordering::SeqCst);
    }
}

impl TestClock {
    /// Sets it back, as somebody may.
    pub fn rewind(&self, duration: &str) {
        let duration: Duration = duration.parse().unwrap();
        self.0.fetch_sub(duration.as_secs() * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + self.0.load(Ordering::SeqCst))
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Answers every question the same way.
pub struct Always(pub Consent);

impl Confirm for Always {
    fn confirm(&self, _: &Proposal, _: bool) -> Result<Consent, OpError> {
        Ok(self.0)
    }
}

pub struct World {
    pub store: MemoryStore,
    pub cloud: SharedCloud,
    pub clock: Arc<TestClock>,
    pub trust: Trust,
    pub interrupt: (watch::Sender<u8>, watch::Receiver<u8>),
    pub told: Arc<Mutex<Vec<Progress>>>,
    /// Holds calls of every command that is given a context from now on.
    pub gate: Option<Arc<Gate>>,
    /// Who acts.
    pub actor: Actor,
    chance: Arc<AtomicU64>,
    pid: u32,
}

impl World {
    pub fn new(plan: SimPlan) -> Self {
        Self::seeded(7, plan)
    }

    pub fn seeded(seed: u64, plan: SimPlan) -> Self {
        let clock = Arc::new(TestClock::default());
        let store = MemoryStore::new();
        let world = Self {
            store,
            cloud: SharedCloud::new(seed, plan),
            clock,
            trust: Trust::default(),
            interrupt: watch::channel(0),
            told: Arc::default(),
            gate: None,
            actor: actor(),
            chance: Arc::new(AtomicU64::new(seed)),
            pid: 100,
        };
        let event = Event::StoreCreated { store: StoreId(Ulid::new(world.clock.now(), 1)) };
        let draft = Draft { environment: None, actor: actor(), event };
        let batch = Batch {
            now: world.clock.now(),
            drafts: vec![draft],
            preconditions: Preconditions::default(),
        };
        block_on(world.store.append(batch)).unwrap();
        world
    }

    /// The same world after gov crashed: what was durable, the cloud as it is, another process.
    pub fn restarted(&self) -> Self {
        Self {
            store: self.store.restart().unwrap(),
            cloud: self.cloud.clone(),
            clock: Arc::clone(&self.clock),
            trust: self.trust.clone(),
            interrupt: watch::channel(0),
            told: Arc::default(),
            gate: None,
            actor: self.actor.clone(),
            chance: Arc::clone(&self.chance),
            pid: self.pid + 1,
        }
    }

    pub fn context(&self) -> Context {
        let cloud = self.cloud.clone();
        let clock = Arc::clone(&self.clock);
        let chance = Arc::clone(&self.chance);
        let told = Arc::clone(&self.told);
        let for_sim = Arc::clone(&self.clock);
        let gate = self.gate.clone();
        let opener = move || -> Arc<dyn gov::provider::Provider> {
            let for_sim = Arc::clone(&for_sim);
            let tell: gov::provider::builtin::Clock = Arc::new(move || for_sim.now());
            let provider = SimProvider::new(cloud.clone()).with_clock(tell);
            Arc::new(match &gate {
                Some(gate) => provider.with_gate(Arc::clone(gate)),
                None => provider,
            })
        };
        Context {
            store: Arc::new(self.store.clone()),
            catalog: Catalog::default().with("builtin/sim", Arc::new(opener)),
            sealer: Arc::new(Sealer::new(&[9; 32])),
            trust: self.trust.clone(),
            clock,
            entropy: Arc::new(move |bytes: &mut [u8]| {
                let next =
                    chance.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = next.rotate_left(u32::try_from(index).unwrap() * 7).to_le_bytes()[0];
                }
                Ok(())
            }),
            actor: self.actor.clone(),
            holder: Holder {
                actor: "ann".into(),
                operation: "test".into(),
                host: "here".into(),
                boot: "boot".into(),
                pid: self.pid,
                pid_start: 1,
            },
            may_wake: Arc::new(|_| false),
            rationale: Rationale::default(),
            lock_timeout: Duration::ZERO,
            parallelism: 4,
            interrupt: self.interrupt.1.clone(),
            watch: Arc::new(move |progress| told.lock().unwrap().push(progress)),
            timings: Mutex::default(),
        }
    }

    pub fn apply(&self, name: &str, blueprint: &str) -> Result<Report, OpError> {
        self.apply_with(&options(name, blueprint), Consent::Yes)
    }

    pub fn apply_with(&self, options: &Options, consent: Consent) -> Result<Report, OpError> {
        let context = self.context();
        self.driven(apply::apply(&context, options, &Always(consent)))
    }

    pub fn plan(&self, name: &str, blueprint: &str) -> Result<Proposal, OpError> {
        let context = self.context();
        let options = options(name, blueprint);
        self.driven(apply::plan(&context, &options))
    }

    pub fn destroy(&self, name: &str, consent: Consent) -> Result<Report, OpError> {
        let ask = Ask { name: name.into(), ..Ask::default() };
        let options = Options { ask, replace: BTreeSet::new(), destroy: true };
        self.apply_with(&options, consent)
    }

    /// Runs to the end; waits of the machine move the world's clock instead of passing.
    pub fn driven<T>(&self, work: impl Future<Output = T>) -> T {
        let clock = Arc::clone(&self.clock);
        block_on(async move {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => return done,
                    // Nothing is left but to wait: let time pass.
                    () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                        clock.advance("1s");
                    }
                }
            }
        })
    }

    pub fn snapshot(&self, name: &str) -> Snapshot {
        let ledger = block_on(self.store.ledger()).unwrap();
        let id = ledger
            .environments
            .values()
            .filter(|summary| summary.name == name)
            .map(|summary| summary.id)
            .next_back()
            .unwrap();
        block_on(self.store.snapshot(id)).unwrap().unwrap()
    }

    /// What the warden of the cloud has to complain about.
    pub fn complaints(&self) -> Vec<String> {
        let tags = ["gov:environment", "gov:owner", "gov:team", "gov:project", "gov:purpose"];
        self.cloud.warden().complaints(&tags)
    }

    pub fn extend(&self, name: &str, term: Term) -> Result<Moved, OpError> {
        let context = self.context();
        self.driven(lifetime::extend(&context, name, term, "more to do"))
    }

    pub fn expire(&self, name: &str) -> Result<Moved, OpError> {
        let context = self.context();
        self.driven(lifetime::expire(&context, name, "done early"))
    }

    pub fn reap(&self, options: &reap::Options) -> Result<reap::Report, OpError> {
        let context = self.context();
        self.driven(reap::reap(&context, options))
    }

    /// Reaps everything that is due, however much of the store that is.
    pub fn reap_all(&self) -> reap::Report {
        let all = reap::Options { max: Some(100), max_percent: Some(100), ..Default::default() };
        self.reap(&all).unwrap()
    }

    pub fn drift(&self, name: &str, remedy: Remedy) -> drift::Report {
        let context = self.context();
        let looked = drift::drift(&context, Some(name), remedy, &Always(Consent::Yes));
        self.driven(looked).unwrap().remove(0)
    }

    pub fn freeze(&self, name: Option<&str>) -> freeze::Report {
        let context = self.context();
        self.driven(freeze::freeze(&context, name, "something is odd")).unwrap()
    }

    pub fn unfreeze(&self, name: Option<&str>) -> freeze::Report {
        let context = self.context();
        self.driven(freeze::unfreeze(&context, name, "it was nothing")).unwrap()
    }

    /// When the environment ends, by the books.
    pub fn expiry(&self, name: &str) -> Timestamp {
        self.snapshot(name).life().unwrap().expiry
    }

    /// How many events of this type the journal holds.
    pub fn events(&self, kind: &str) -> usize {
        let batches = self.store.batches();
        batches.iter().flatten().filter(|recorded| recorded.event.type_name() == kind).count()
    }

    /// How many calls of this kind reached the cloud.
    pub fn calls(&self, act: Act) -> u64 {
        self.cloud.warden().calls_of(act)
    }

    /// How many calls with an effect reached the cloud.
    pub fn mutations(&self) -> u64 {
        [Act::Create, Act::Update, Act::Delete].into_iter().map(|act| self.calls(act)).sum()
    }

    /// The one object of this name.
    pub fn id(&self, kind: &str, name: &str) -> String {
        let ids = self.cloud.with(|cloud| cloud.ids_of(kind, name));
        assert_eq!(ids.len(), 1, "{kind} {name}");
        ids[0].clone()
    }

    /// Every event and call so far, to see that something adds none.
    pub fn footprint(&self) -> (usize, u64) {
        (self.store.batches().len(), self.mutations())
    }

    pub fn live(&self) -> usize {
        self.cloud.warden().live.len()
    }
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// The rules that a refusal cites, in its order; nothing for other errors.
pub fn rules(error: &OpError) -> Vec<(&str, Ground)> {
    match error {
        OpError::Refused(decision) => {
            decision.findings.iter().map(|found| (found.rule.as_str(), found.ground)).collect()
        }
        _ => Vec::new(),
    }
}

pub fn actor() -> Actor {
    Actor {
        kind: ActorKind::User,
        name: "uid:1(ann)".into(),
        proof: Proof::OsUser,
        door: Door::Script,
    }
}

pub fn options(name: &str, blueprint: &str) -> Options {
    let ask = Ask {
        name: name.into(),
        blueprint: Some(Source::new("test.toml", blueprint)),
        owner: Some("ann".into()),
        team: Some("core".into()),
        project: Some("tests".into()),
        purpose: Some("to be tested".into()),
        root: Some("/nonexistent".into()),
        inputs_text: BTreeMap::new(),
        ..Ask::default()
    };
    Options { ask, replace: BTreeSet::new(), destroy: false }
}

/// A blueprint around these resources.
pub fn blueprint(resources: &str) -> String {
    format!(
        r#"
[blueprint]
name = "test"
version = "1.0.0"
description = "For tests"

[limits]
ttl = {{ default = "8h", max = "24h", max_total = "72h", grace = "15m" }}
budget = {{ monthly = "50.00 USD", total = "50.00 USD" }}
resources = 60
regions = ["local", "sim-1", "sim-2"]
on_expiry = "delete-data"

[governance]
policies = ["baseline"]

[providers.sim]
source = "builtin/sim"
[providers.sim.config]
region = "sim-1"

{resources}
"#
    )
}
