//! A world: its store, its cloud, its processes, and how it is brought to rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

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
use gov::ops::Context;
use gov::ops::OpError;
use gov::ops::apply;
use gov::ops::apply::Consent;
use gov::ops::books;
use gov::ops::freeze;
use gov::ops::reap;
use gov::ops::reap::Outcome;
use gov::policy::trust::DriftAction;
use gov::policy::trust::Trust;
use gov::provider::Provider;
use gov::provider::catalog::Catalog;
use gov::provider::sim;
use gov::provider::sim::Fate;
use gov::provider::sim::Order;
use gov::provider::sim::SharedCloud;
use gov::provider::sim::SimPlan;
use gov::provider::sim::SimProvider;
use gov::state::Batch;
use gov::state::Preconditions;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::memory::Fault;
use gov::state::memory::MemoryStore;
use gov::state::seal::Sealer;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;

use super::EVENTS_MIN;
use super::acts;
use super::acts::Act;
use super::acts::Always;
use super::bugs::BentStore;
use super::bugs::Bug;
use super::checks::Books;
use super::wire::Chance;
use super::wire::SimClock;
use super::wire::Stall;
use super::wire::Wire;

/// The fewest acts of a world, so that it has some variety.
const ACTS_MIN: usize = 14;

/// The most acts of a world. One that does not get anywhere ends here.
const ACTS_MAX: usize = 300;

/// How many processes run at once at most.
const PROCESSES_MAX: usize = 4;

/// How often something is tried again until the world has to be at rest. A calm cloud needs two.
const ROUNDS_MAX: usize = 8;

/// How a world went.
pub struct Played {
    pub seed: u64,
    pub acts: Vec<String>,
    pub wrong: Vec<String>,
    pub events: usize,
    pub crashes: u32,
}

/// Plays the world of a seed, with something broken or nothing.
pub fn play(seed: u64, bug: Bug) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, bug).await;
        world.live().await;
        if world.books.wrong().is_empty() {
            world.rest().await;
        }
        world.end().await;
        Played {
            seed,
            acts: world.acts.lock().unwrap().clone(),
            wrong: world.books.wrong(),
            events: world.books.events(),
            crashes: world.crashes,
        }
    })
}

struct Process {
    pid: u32,
    name: Option<&'static str>,
    handle: Option<AbortHandle>,
    interrupt: watch::Sender<u8>,
    stall: Arc<Stall>,
}

struct World {
    bug: Bug,
    store: MemoryStore,
    cloud: SharedCloud,
    clock: Arc<SimClock>,
    chance: Arc<Chance>,
    books: Books,
    sealer: Arc<Sealer>,
    dead: Arc<Mutex<BTreeSet<u32>>>,
    tasks: JoinSet<()>,
    processes: Vec<Process>,
    acts: Arc<Mutex<Vec<String>>>,
    pids: u32,
    crashes: u32,
}

impl World {
    async fn new(seed: u64, bug: Bug) -> Self {
        let clock = Arc::new(SimClock::new());
        let mut world = Self {
            bug,
            store: MemoryStore::new(),
            cloud: SharedCloud::new(seed, SimPlan::stormy()),
            clock: Arc::clone(&clock),
            chance: Arc::new(Chance::new(seed)),
            books: Books::new(clock),
            sealer: Arc::new(Sealer::new(&[9; 32])),
            dead: Arc::default(),
            tasks: JoinSet::new(),
            processes: Vec::new(),
            acts: Arc::default(),
            pids: 100,
            crashes: 0,
        };
        world.listen();
        let now = world.clock.now();
        let event = Event::StoreCreated { store: StoreId(Ulid::new(now, 1)) };
        let draft = Draft { environment: None, actor: actor(), event };
        let preconditions = Preconditions::default();
        world.store.append(Batch { now, drafts: vec![draft], preconditions }).await.unwrap();
        world
    }

    fn listen(&mut self) {
        let books = self.books.clone();
        self.store.on_recorded(move |batch| books.recorded(batch));
    }

    fn note(&self, what: impl Into<String>) {
        note(&self.acts, &self.clock, what);
    }

    /// What one process of gov works with.
    fn context(&self, process: &Process) -> Context {
        let (pid, stall) = (process.pid, Arc::clone(&process.stall));
        let interrupt = process.interrupt.subscribe();
        let (cloud, clock) = (self.cloud.clone(), Arc::clone(&self.clock));
        let (books, chance, bug) = (self.books.clone(), Arc::clone(&self.chance), self.bug);
        let opener = move || -> Arc<dyn Provider> {
            let clock = Arc::clone(&clock);
            let tell: gov::provider::builtin::Clock = Arc::new(move || clock.now());
            let cloud = SimProvider::new(cloud.clone()).with_clock(tell);
            Arc::new(Wire {
                cloud,
                books: books.clone(),
                chance: Arc::clone(&chance),
                stall: Arc::clone(&stall),
                bug,
            })
        };
        let trust = {
            let mut trust = Trust::default();
            trust.drift.default = DriftAction::Revert;
            trust
        };
        let store = BentStore {
            store: self.store.clone(),
            books: self.books.clone(),
            bug,
            stall: Arc::clone(&process.stall),
            held_back: Mutex::default(),
        };
        let (chance, dead) = (Arc::clone(&self.chance), Arc::clone(&self.dead));
        Context {
            store: Arc::new(store),
            catalog: Catalog::default().with("builtin/sim", Arc::new(opener)),
            sealer: Arc::clone(&self.sealer),
            trust,
            clock: self.bug.bend_clock(Arc::clone(&self.clock)),
            entropy: Arc::new(move |bytes: &mut [u8]| {
                for byte in bytes {
                    *byte = chance.next().to_le_bytes()[0];
                }
                Ok(())
            }),
            actor: actor(),
            holder: Holder {
                actor: "ann".into(),
                operation: "act".into(),
                host: "here".into(),
                boot: "boot".into(),
                pid,
                pid_start: 1,
            },
            may_wake: Arc::new(move |holder| !dead.lock().unwrap().contains(&holder.pid)),
            rationale: Rationale::default(),
            lock_timeout: gov::model::lifetime::Duration::ZERO,
            parallelism: 3,
            interrupt,
            watch: Arc::new(|_| {}),
            timings: Mutex::default(),
        }
    }

    fn process(&mut self) -> Process {
        self.pids += 1;
        let (interrupt, _) = watch::channel(0);
        Process { pid: self.pids, name: None, handle: None, interrupt, stall: Arc::default() }
    }

    // ---- living ----------------------------------------------------------------------------

    async fn live(&mut self) {
        let crash_at = 2 + usize::try_from(self.chance.below(10)).unwrap();
        for turn in 0..ACTS_MAX {
            let lived = self.books.events() >= EVENTS_MIN && self.crashes > 0 && turn >= ACTS_MIN;
            if lived || !self.books.wrong().is_empty() {
                return;
            }
            if turn == crash_at || (turn > crash_at && self.chance.percent(5)) {
                let nth = 1 + self.chance.below(12);
                let durable = self.chance.percent(50);
                self.note(format!("the append after {} will crash, durable={durable}", nth - 1));
                self.store.fail_append(nth, Fault { durable, crash: true });
            }
            self.turn().await;
            if self.store.ledger().await.is_err() {
                self.crash().await;
            }
            self.books.account(&self.cloud, &self.sealer);
        }
    }

    async fn turn(&mut self) {
        match self.chance.below(100) {
            0..=63 => self.start(Act::draw(&self.chance)),
            64..=71 => self.stop().await,
            72..=77 => self.meddle(),
            78..=83 => self.interrupt(),
            84..=87 => self.kill().await,
            88..=93 => {
                let hours = 1 + self.chance.below(6);
                self.note(format!("{hours}h pass"));
                tokio::time::sleep(Duration::from_secs(hours * 3600)).await;
            }
            _ => {
                let seconds = [3, 10, 40, 600][usize::try_from(self.chance.below(4)).unwrap()];
                self.note(format!("asleep for {seconds}s"));
                self.clock.jump(Duration::from_secs(seconds));
            }
        }
        let pause = if self.chance.percent(30) { 0 } else { self.chance.below(4000) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        while self.tasks.len() >= PROCESSES_MAX {
            let _ = self.tasks.join_next().await;
        }
        while self.tasks.try_join_next().is_some() {}
        let runs = |process: &Process| process.handle.as_ref().is_some_and(|h| !h.is_finished());
        self.processes.retain(runs);
    }

    fn start(&mut self, act: Act) {
        let mut process = self.process();
        process.name = act.name();
        let (pid, context) = (process.pid, self.context(&process));
        let (books, acts) = (self.books.clone(), Arc::clone(&self.acts));
        let (clock, dead) = (Arc::clone(&self.clock), Arc::clone(&self.dead));
        self.note(format!("{pid} begins {}", act.words()));
        let handle = self.tasks.spawn(async move {
            let done = act.perform(&context).await;
            dead.lock().unwrap().insert(pid);
            let words = match done {
                Ok(words) => words,
                Err(error) => {
                    accuse_bug(&books, pid, &error);
                    in_words(&error)
                }
            };
            note(&acts, &clock, format!("{pid} ends: {words}"));
        });
        process.handle = Some(handle);
        self.processes.push(process);
    }

    /// Somebody changes something behind gov's back.
    fn meddle(&mut self) {
        let touched = self.cloud.with(sim::SimCloud::drift);
        self.note(format!("{touched:?} drifts"));
    }

    fn interrupt(&mut self) {
        let Some(process) = self.pick() else { return };
        process.interrupt.send_modify(|times| *times += 1);
        let pid = process.pid;
        self.note(format!("{pid} is interrupted"));
    }

    /// A process is stopped for longer than its lease lasts, and somebody else goes on meanwhile.
    async fn stop(&mut self) {
        let Some(process) = self.pick() else { return };
        let seconds = 20 + self.chance.below(120);
        process.stall.stop_for(Duration::from_secs(seconds));
        let (pid, name) = (process.pid, process.name);
        self.note(format!("{pid} is stopped for {seconds}s"));
        tokio::time::sleep(Duration::from_secs(32)).await;
        if let Some(name) = name {
            self.start(Act::apply(name, &self.chance));
        }
    }

    fn pick(&self) -> Option<&Process> {
        let count = u64::try_from(self.processes.len()).unwrap();
        let at = usize::try_from(self.chance.next().checked_rem(count)?).unwrap();
        self.processes.get(at)
    }

    async fn kill(&mut self) {
        let Some(process) = self.pick() else { return };
        let pid = process.pid;
        if let Some(handle) = &process.handle {
            handle.abort();
        }
        self.note(format!("{pid} is killed"));
        // Its task ends when the runtime gets to it; nothing of it runs any more.
        tokio::task::yield_now().await;
        self.bury(pid);
    }

    fn bury(&self, pid: u32) {
        self.dead.lock().unwrap().insert(pid);
        let ledger = self.books.ledger();
        let leases = ledger.environments.values().filter_map(|summary| summary.lease.as_ref());
        for lease in leases.filter(|lease| lease.holder.pid == pid) {
            self.store.kill_holder(lease.lease);
        }
    }

    /// Every process ends at once; what was durable is what there is.
    async fn crash(&mut self) {
        self.crashes += 1;
        self.note("crash");
        self.tasks.shutdown().await;
        for process in std::mem::take(&mut self.processes) {
            self.dead.lock().unwrap().insert(process.pid);
        }
        let mut batches = self.store.batches();
        match self.bug.lost_by_crash() {
            0 => self.store = self.store.restart().unwrap(),
            lost => {
                batches.truncate(batches.len().saturating_sub(lost).max(1));
                self.books.read_anew(&batches);
                self.store = MemoryStore::of(batches).unwrap().restart().unwrap();
            }
        }
        self.listen();
    }

    // ---- coming to rest --------------------------------------------------------------------

    /// Lets everything come to its end on a calm cloud, then time run out.
    async fn rest(&mut self) {
        self.crash().await;
        self.note("rest");
        self.cloud.with(|cloud| {
            use gov::provider::sim::Act;
            for act in [Act::Create, Act::Update, Act::Delete, Act::Read, Act::Find] {
                cloud.order(Order::on(act, Fate::Fine).times(u32::MAX));
            }
            cloud.advance(1000);
        });
        let human = self.process();
        let context = self.context(&human);
        let ledger = self.books.ledger();
        for (scope, _) in ledger.globals.frozen.clone() {
            let name = match scope {
                gov::model::event::FreezeScope::All => None,
                gov::model::event::FreezeScope::Environment(id) => {
                    Some(ledger.environments[&id].name.clone())
                }
            };
            // What has ended has no name any more by which it could be unfrozen.
            let _ = freeze::unfreeze(&context, name.as_deref(), "rest").await;
        }
        let names: Vec<String> = ledger.names.keys().cloned().collect();
        let mut settled = BTreeSet::new();
        for name in names {
            if self.settle(&context, &name).await {
                settled.extend(ledger.names.get(&name).copied());
            }
        }
        self.books.account(&self.cloud, &self.sealer);
        self.books.at_rest(&self.cloud, &settled);
        self.clock.jump(Duration::from_secs(100 * 3600));
        self.reap(&context).await;
        self.books.account(&self.cloud, &self.sealer);
    }

    /// Applies what an environment was last asked to be until nothing is left to do. Whether it
    /// came to that.
    async fn settle(&self, context: &Context, name: &str) -> bool {
        let options = acts::options(name, None);
        let mut last = String::new();
        for _ in 0..ROUNDS_MAX {
            match apply::apply(context, &options, &Always(Consent::Human)).await {
                Ok(report) if report.ending.is_none() => return true,
                Ok(report) => last = format!("{:?}", report.ending),
                // It has expired, or a protected resource is in the way: that is its rest.
                Err(OpError::Refused(_)) => return false,
                // Interrupted while it was being taken down, and that is through now.
                Err(_) if !self.books.ledger().names.contains_key(name) => return false,
                Err(OpError::Uncertain { .. }) => self.resolve(context, name).await,
                Err(error) => {
                    accuse_bug(&self.books, 0, &error);
                    last = in_words(&error);
                }
            }
        }
        self.books.accuse(format!("{name} does not come to rest: {last}"));
        false
    }

    /// What gov cannot tell, a human settles who looks into the cloud: what exists is taken in,
    /// what does not is forgotten.
    async fn resolve(&self, context: &Context, name: &str) {
        let snapshots = self.books.snapshots();
        let known = snapshots.iter().filter(|known| known.record.name == name);
        let Some(known) = known.max_by_key(|known| known.created) else { return };
        let live = self.cloud.warden().live;
        for (address, intent) in &known.uncertain {
            let made = live.iter().find(|witness| witness.marker.as_ref() == Some(&intent.marker));
            let mut done = Ok(());
            if made.is_none() || known.resources.contains_key(address) {
                done = books::forget(context, name, address, "a human looked").await;
            }
            if let (Ok(()), Some(made)) = (&done, made) {
                done = books::import(context, name, address, &made.id).await.map(|_| ());
            }
            match done {
                Ok(()) => self.note(format!("a human settles {address} of {name}")),
                Err(error) => self.books.accuse(format!("{address}: {}", in_words(&error))),
            }
        }
    }

    /// G13 G16: what has expired goes, but for what is held.
    async fn reap(&self, context: &Context) {
        let mut last = None;
        for _ in 0..ROUNDS_MAX {
            match reap::reap(context, &acts::all()).await {
                Ok(report) => {
                    let held = |line: &reap::Line| matches!(line.outcome, Outcome::Held(_));
                    let done = report.lines.iter().all(held);
                    last = Some(format!("{:?}", report.lines));
                    if done {
                        break;
                    }
                    for line in &report.lines {
                        self.resolve(context, &line.name).await;
                    }
                }
                Err(error) => last = Some(error.to_string()),
            }
        }
        self.note(format!("reaped: {last:?}"));
        for known in self.books.snapshots() {
            let left = known.resources.keys().any(|address| !known.held.contains(address));
            let lives = known.life().is_some() && known.held.is_empty();
            if left || lives || !known.uncertain.is_empty() {
                let name = &known.record.name;
                self.books.accuse(format!("{name} survives its expiry: {last:?}"));
            }
        }
    }

    async fn end(&mut self) {
        self.tasks.shutdown().await;
    }
}

fn note(acts: &Mutex<Vec<String>>, clock: &SimClock, what: impl Into<String>) {
    acts.lock().unwrap().push(format!("{} {}", clock.now(), what.into()));
}

fn in_words(error: &OpError) -> String {
    match error {
        OpError::Diagnostics(all) => {
            all.iter().map(|found| found.detail.as_str()).collect::<Vec<_>>().join("; ")
        }
        OpError::Refused(decision) => {
            let found = decision.findings.iter().map(|found| found.message.as_str());
            format!("refused: {}", found.collect::<Vec<_>>().join("; "))
        }
        other => other.to_string(),
    }
}

/// The impossible is always wrong, whatever else was broken.
fn accuse_bug(books: &Books, pid: u32, error: &OpError) {
    let impossible = matches!(
        error,
        OpError::Bug(_) | OpError::Store(StoreError::Illegal(_) | StoreError::Damaged(_))
    );
    if impossible {
        books.accuse(format!("{pid}: {error}"));
    }
}

fn actor() -> Actor {
    Actor {
        kind: ActorKind::User,
        name: "uid:1(ann)".into(),
        proof: Proof::OsUser,
        door: Door::Script,
    }
}
