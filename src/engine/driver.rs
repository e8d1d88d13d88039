//! The driver: two short loops that perform what machines ask for.
//!
//! [`plan`] drives a planner, [`execute`] drives a machine. Calls run concurrently in a set that
//! the loop owns; records are appended by the loop itself, so that whatever came up meanwhile goes
//! into the next append together. This is the one place below the operations that is async.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::diagnostic::Diagnostics;
use crate::engine::machine::Effect;
use crate::engine::machine::Ending;
use crate::engine::machine::Machine;
use crate::engine::machine::RecordId;
use crate::engine::machine::Stop;
use crate::engine::machine::Then;
use crate::model::actor::Actor;
use crate::model::address::Address;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::event::Settled;
use crate::model::lifetime::Clock;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Change;
use crate::model::plan::Plan;
use crate::model::plan::StepAction;
use crate::model::plan::StepId;
use crate::plan::planner::Next;
use crate::plan::planner::Planner;
use crate::provider::Call;
use crate::provider::CallId;
use crate::provider::Failure;
use crate::provider::Provider;
use crate::provider::Reply;
use crate::provider::Start;
use crate::state::Batch;
use crate::state::Fence;
use crate::state::LEASE_DURATION;
use crate::state::LEASE_RENEWAL;
use crate::state::Preconditions;
use crate::state::Store;
use crate::state::StoreError;
use crate::state::summary::Ledger;

/// Providers by the name of their configuration.
pub type Providers = BTreeMap<String, Arc<dyn Provider>>;

/// How often somebody has asked to stop: 0 not, 1 soon, 2 at once.
pub type Interrupt = watch::Receiver<u8>;

/// What is going on, for whoever watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// A mutating call begins.
    Began {
        /// On which resource.
        address: Address,
        /// To do what.
        action: StepAction,
    },
    /// Its outcome is in the journal.
    Ended {
        /// Of which resource.
        address: Address,
        /// Why it did not succeed, where it did not.
        error: Option<String>,
    },
    /// Somebody asked to stop: what is under way is seen to its end.
    Stopping {
        /// What is under way.
        in_flight: Vec<Address>,
    },
}

/// How long provider calls took, by provider and call.
pub type Timings = BTreeMap<(String, &'static str), (u32, std::time::Duration)>;

/// Why a plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Something is wrong with what was asked.
    #[error("the plan cannot be made")]
    Diagnostics(Diagnostics),
    /// Somebody interrupted.
    #[error("interrupted; nothing was changed")]
    Interrupted,
}

/// Makes a plan; beside it, what could not be read, where only observing was asked for.
///
/// # Errors
/// [`PlanError`]; nothing was changed in any case.
pub async fn plan(
    mut planner: Planner,
    providers: &Providers,
    parallelism: usize,
    mut interrupt: Interrupt,
    timings: &mut Timings,
) -> Result<(Plan, BTreeMap<Address, String>), PlanError> {
    let mut calls = Calls::default();
    let mut queue: VecDeque<Start> = VecDeque::new();
    loop {
        match planner.poll() {
            Next::Calls(starts) => queue.extend(starts),
            Next::Waiting => {}
            Next::Done(plan) => return Ok((*plan, planner.unreachable().clone())),
            Next::Failed(diagnostics) => return Err(PlanError::Diagnostics(diagnostics)),
        }
        while calls.running() < parallelism
            && let Some(start) = queue.pop_front()
        {
            calls.begin(start, providers, None);
        }
        // In this order, so that chance decides nothing. INVARIANT (order is stable)
        tokio::select! {
            biased;
            () = asked_to_stop(&mut interrupt, 0) => return Err(PlanError::Interrupted),
            Some((id, reply)) = calls.next(timings) => planner.answer(id, reply),
        }
    }
}

/// Judges a step on its final values: `Ok` to begin, else why not.
pub type JudgeStep<'a> =
    dyn Fn(&Change, &Ledger, Timestamp) -> Result<(), String> + Send + Sync + 'a;

/// What executing needs beside the machine.
pub struct Execution<'a> {
    /// Where everything is recorded.
    pub store: &'a dyn Store,
    /// The providers.
    pub providers: &'a Providers,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The lease it acts under.
    pub fence: Fence,
    /// Who acts.
    pub actor: &'a Actor,
    /// Judges steps.
    pub judge: &'a JudgeStep<'a>,
    /// Told what is going on.
    pub watch: &'a (dyn Fn(Progress) + Send + Sync),
    /// Tells when to stop.
    pub interrupt: Interrupt,
}

/// Why execution was broken off. The journal says how far it came.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The store did not take a record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody interrupted twice.
    #[error("stopped at once; what was under way may exist, and the next apply will look for it")]
    Aborted {
        /// What was under way.
        in_flight: Vec<Address>,
    },
}

/// Carries out a run, as far as it goes.
///
/// # Errors
/// [`ExecuteError`] where it had to be broken off. Nothing is started after that.
pub async fn execute(
    mut machine: Machine,
    mut execution: Execution<'_>,
    timings: &mut Timings,
) -> Result<Ending, ExecuteError> {
    let mut calls = Calls::default();
    let mut lease = LeaseClock::new(execution.clock.as_ref());
    let mut asked = 0;
    loop {
        let now = execution.clock.now();
        let (effects, then) = machine.poll(now);
        let work = sort(effects);
        for start in work.starts {
            let guard = StartGuard::for_call(&start.call, &lease, &execution.clock);
            calls.begin(start, execution.providers, guard);
        }
        if !work.judgements.is_empty() {
            judge(&mut machine, &execution, work.judgements, now).await?;
        }
        if !work.records.is_empty() {
            record(&mut machine, &execution, work.records, &lease).await?;
            continue;
        }
        if work.judged {
            continue;
        }
        let pause = match then {
            Then::Over(ending) => return Ok(ending),
            Then::Await => None,
            Then::AwaitUntil(time) => Some(milliseconds(now, time)),
        };
        // In this order, so that chance decides nothing and answers keep nobody from stopping.
        // INVARIANT (order is stable)
        tokio::select! {
            biased;
            () = asked_to_stop(&mut execution.interrupt, asked) => {
                asked = *execution.interrupt.borrow();
                if asked > 1 {
                    return Err(ExecuteError::Aborted { in_flight: machine.in_flight() });
                }
                machine.stop(Stop::Interrupted);
                (execution.watch)(Progress::Stopping { in_flight: machine.in_flight() });
                for provider in execution.providers.values() {
                    provider.stop().await;
                }
            }
            () = sleep(Some(lease.until_renewal(execution.clock.as_ref()))) => {
                lease.renew(&execution).await?;
            }
            Some((id, reply)) = calls.next(timings) => {
                machine.answer(id, reply, execution.clock.now());
            }
            () = sleep(pause) => {}
        }
    }
}

/// Effects by kind.
struct Work {
    starts: Vec<Start>,
    judgements: Vec<(StepId, Box<Change>)>,
    records: Vec<(RecordId, Vec<Event>)>,
    judged: bool,
}

fn sort(effects: Vec<Effect>) -> Work {
    let mut work =
        Work { starts: Vec::new(), judgements: Vec::new(), records: Vec::new(), judged: false };
    for effect in effects {
        match effect {
            Effect::Start(start) => work.starts.push(*start),
            Effect::Judge(step, change) => work.judgements.push((step, change)),
            Effect::Record(id, events) => work.records.push((id, events)),
        }
    }
    work.judged = !work.judgements.is_empty();
    work
}

async fn judge(
    machine: &mut Machine,
    execution: &Execution<'_>,
    judgements: Vec<(StepId, Box<Change>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Read anew each time: a freeze counts from the next intent on.
    let ledger = execution.store.ledger().await?;
    for (step, change) in judgements {
        let verdict = (execution.judge)(&change, &ledger, now);
        machine.judged(step, verdict, now);
    }
    Ok(())
}

async fn record(
    machine: &mut Machine,
    execution: &Execution<'_>,
    records: Vec<(RecordId, Vec<Event>)>,
    lease: &LeaseClock,
) -> Result<(), StoreError> {
    let environment = execution.fence.environment;
    let events = records.iter().flat_map(|(_, events)| events.iter().cloned());
    let drafts: Vec<Draft> = events
        .map(|event| Draft {
            environment: Some(environment),
            actor: execution.actor.clone(),
            event,
        })
        .collect();
    let told: Vec<Progress> = drafts.iter().filter_map(|draft| progress(&draft.event)).collect();
    let batch = Batch {
        now: execution.clock.now(),
        drafts,
        preconditions: Preconditions { revisions: BTreeMap::new(), fence: Some(execution.fence) },
    };
    append(execution, batch, lease).await?;
    for progress in told {
        (execution.watch)(progress);
    }
    let now = execution.clock.now();
    for (id, _) in records {
        machine.recorded(id, now);
    }
    Ok(())
}

/// Appends, waiting for a busy store as long as the lease holds: an outcome that is known must not
/// become unknown because somebody else was writing.
async fn append(
    execution: &Execution<'_>,
    batch: Batch,
    lease: &LeaseClock,
) -> Result<(), StoreError> {
    loop {
        match execution.store.append(batch.clone()).await {
            Err(StoreError::Busy(_)) if execution.clock.uptime_ms() < lease.holds_until_ms() => {}
            other => return other.map(|_| ()),
        }
    }
}

fn progress(event: &Event) -> Option<Progress> {
    match event {
        Event::StepIntended(intent) => {
            let (address, action) = (intent.address.clone(), intent.action);
            Some(Progress::Began { address, action })
        }
        Event::StepSettled { address, settled, .. } => {
            let error = match settled {
                Settled::Present { error, .. } => error.clone(),
                Settled::Absent { .. } => None,
                Settled::Refused { error } | Settled::Unknown { error } => Some(error.clone()),
            };
            Some(Progress::Ended { address: address.clone(), error })
        }
        _ => None,
    }
}

fn milliseconds(now: Timestamp, until: Timestamp) -> std::time::Duration {
    let millis = until.as_millis().saturating_sub(now.as_millis());
    std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

async fn sleep(pause: Option<std::time::Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

async fn asked_to_stop(interrupt: &mut Interrupt, asked: u8) {
    let more = interrupt.wait_for(|times| *times > asked).await.map(|times| *times);
    // Nobody can ask any more: wait for something else.
    if more.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Until when the lease surely holds, on the clock that counts while suspended.
struct LeaseClock {
    renewed_ms: u64,
}

impl LeaseClock {
    fn new(clock: &dyn Clock) -> Self {
        Self { renewed_ms: clock.uptime_ms() }
    }

    fn holds_until_ms(&self) -> u64 {
        self.renewed_ms.saturating_add(millis(LEASE_DURATION))
    }

    fn until_renewal(&self, clock: &dyn Clock) -> std::time::Duration {
        let next = self.renewed_ms.saturating_add(millis(LEASE_RENEWAL));
        std::time::Duration::from_millis(next.saturating_sub(clock.uptime_ms()))
    }

    async fn renew(&mut self, execution: &Execution<'_>) -> Result<(), StoreError> {
        let began = execution.clock.uptime_ms();
        match execution.store.renew(execution.fence, execution.clock.now()).await {
            Ok(_) => self.renewed_ms = began,
            // Somebody keeps the store busy: try again soon. No call begins once the lease
            // may be over.
            Err(StoreError::Busy(_)) => {
                let retry = millis(LEASE_RENEWAL).saturating_sub(1000);
                self.renewed_ms = self.renewed_ms.max(began.saturating_sub(retry));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn millis(duration: crate::model::lifetime::Duration) -> u64 {
    u64::try_from(duration.as_secs()).unwrap_or(0).saturating_mul(1000)
}

/// By when a mutating call must begin.
#[derive(Clone)]
struct StartGuard {
    clock: Arc<dyn Clock>,
    holds_until_ms: u64,
    start_by: Timestamp,
}

impl StartGuard {
    fn for_call(call: &Call, lease: &LeaseClock, clock: &Arc<dyn Clock>) -> Option<Self> {
        match call {
            Call::Apply(apply) => Some(Self {
                clock: Arc::clone(clock),
                holds_until_ms: lease.holds_until_ms(),
                start_by: apply.start_by,
            }),
            _ => None,
        }
    }
}

/// Calls under way.
#[derive(Default)]
struct Calls {
    set: JoinSet<Finished>,
    begun: BTreeSet<CallId>,
}

struct Finished {
    id: CallId,
    provider: String,
    name: &'static str,
    took: std::time::Duration,
    reply: Reply,
}

impl Calls {
    fn running(&self) -> usize {
        self.set.len()
    }

    fn begin(&mut self, start: Start, providers: &Providers, guard: Option<StartGuard>) {
        let provider = providers.get(&start.provider).cloned();
        let name = start.call.name();
        self.begun.insert(start.id);
        self.set.spawn(async move {
            let began = tokio::time::Instant::now();
            let reply = match provider {
                None => {
                    let name = &start.provider;
                    Err(Failure::rejected(format!("the provider {name} was not opened")))
                }
                Some(provider) => match guard.as_ref().map_or(Ok(()), late) {
                    Ok(()) => provider.call(start.call).await,
                    Err(failure) => Err(failure),
                },
            };
            let took = began.elapsed();
            Finished { id: start.id, provider: start.provider, name, took, reply }
        });
    }

    /// The next call to end. Never ends while none is under way.
    async fn next(&mut self, timings: &mut Timings) -> Option<(CallId, Reply)> {
        loop {
            match self.set.join_next().await {
                None => std::future::pending().await,
                Some(Ok(done)) => {
                    self.begun.remove(&done.id);
                    let (count, total) = timings
                        .entry((done.provider, done.name))
                        .or_insert((0, Default::default()));
                    *count = count.saturating_add(1);
                    *total += done.took;
                    return Some((done.id, done.reply));
                }
                // A provider panicked, which its contract forbids. Whichever call it was, its
                // effect is unknown; all that are still out are answered so when they are alone.
                Some(Err(_)) if self.set.is_empty() => {
                    let id = self.begun.pop_first()?;
                    let failure = Failure::unknown("the provider crashed. This is a bug in it.");
                    return Some((id, Err(failure)));
                }
                Some(Err(_)) => {}
            }
        }
    }
}

/// Checked immediately before the call: a holder that was stopped and woke up changes nothing.
fn late(guard: &StartGuard) -> Result<(), Failure> {
    let in_time =
        guard.clock.uptime_ms() < guard.holds_until_ms && guard.clock.now() < guard.start_by;
    if in_time {
        return Ok(());
    }
    Err(Failure::transient("it could not begin in time, so it was not begun"))
}
