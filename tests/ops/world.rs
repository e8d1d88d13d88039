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
use gov::model::decision::Rationale;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::Holder;
use gov::model::id::StoreId;
use gov::model::id::Ulid;
use gov::model::lifetime::Clock;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Timestamp;
use gov::ops::Context;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Confirm;
use gov::ops::apply::Consent;
use gov::ops::apply::Options;
use gov::ops::apply::Report;
use gov::ops::ask::Ask;
use gov::ops::proposal::Proposal;
use gov::policy::trust::Trust;
use gov::provider::catalog::Catalog;
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
        let opener = move || -> Arc<dyn gov::provider::Provider> {
            let for_sim = Arc::clone(&for_sim);
            let tell: gov::provider::builtin::Clock = Arc::new(move || for_sim.now());
            Arc::new(SimProvider::new(cloud.clone()).with_clock(tell))
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
            actor: actor(),
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
