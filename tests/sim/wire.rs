//! What lies between gov and the simulated world: a clock that is the runtime's own, draws from
//! the seed, and a line to the cloud on which calls and answers take their time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gov::model::lifetime::Clock;
use gov::model::lifetime::Timestamp;
use gov::provider::Answer;
use gov::provider::Call;
use gov::provider::Failure;
use gov::provider::Offer;
use gov::provider::Pending;
use gov::provider::Provider;
use gov::provider::Reply;
use gov::provider::sim::Act;
use gov::provider::sim::SimProvider;
use gov::provider::sim::fate::draw;
use tokio::time::Instant;

use super::bugs::Bug;
use super::checks::Books;

/// When every world begins: 2026-01-01T00:00:00Z.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// The time of a world: the paused runtime's, moved by waiting, and by jumps as of a machine that
/// was asleep.
#[derive(Debug)]
pub struct SimClock {
    begin: Instant,
    jumped_ms: AtomicI64,
}

impl SimClock {
    pub fn new() -> Self {
        Self { begin: Instant::now(), jumped_ms: AtomicI64::new(0) }
    }

    pub fn jump(&self, by: Duration) {
        self.jumped_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn elapsed_ms(&self) -> i64 {
        let ran = i64::try_from(self.begin.elapsed().as_millis()).unwrap();
        ran + self.jumped_ms.load(Ordering::SeqCst)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + self.elapsed_ms())
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.elapsed_ms()).unwrap()
    }
}

/// Numbers from a seed, one after the other.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    drawn: AtomicU64,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    pub fn next(&self) -> u64 {
        draw(self.seed, &["world"], self.drawn.fetch_add(1, Ordering::SeqCst))
    }

    /// From zero to one less than `count`.
    pub fn below(&self, count: u64) -> u64 {
        self.next() % count
    }

    /// Whether something that happens so often in a hundred happens.
    pub fn percent(&self, often: u64) -> bool {
        self.below(100) < often
    }
}

/// A process that is stopped, as by a debugger, goes on where it was when it is let go.
#[derive(Debug, Default)]
pub struct Stall(Mutex<Option<Instant>>);

impl Stall {
    pub fn stop_for(&self, time: Duration) {
        *self.0.lock().unwrap() = Some(Instant::now() + time);
    }

    /// Comes back when the process runs.
    pub async fn over(&self) {
        let until = *self.0.lock().unwrap();
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }
}

/// The line of one process to the cloud.
pub struct Wire {
    pub cloud: SimProvider,
    pub books: Books,
    pub chance: Arc<Chance>,
    pub stall: Arc<Stall>,
    pub bug: Bug,
}

impl Wire {
    async fn wait(&self, patience: u64) {
        let ms = match self.chance.below(20) {
            // Now and then something takes longer than a call may wait to begin.
            0 => self.chance.below(8 * patience),
            _ => self.chance.below(patience),
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.stall.over().await;
    }

    async fn perform(&self, call: Call) -> Reply {
        let act = Act::of(&call);
        if act.is_mutating() || act == Act::Find {
            self.wait(1200).await;
        }
        let call = self.bug.bend_call(call);
        if let Call::Apply(apply) = &call {
            self.books.called(apply, act);
        }
        if let Some(reply) = self.bug.answer_instead(&call, &self.chance) {
            return reply;
        }
        if self.bug == Bug::CallsTwice && act == Act::Create {
            let _ = self.cloud.call(call.clone()).await;
        }
        let reply: Result<Answer, Failure> = self.cloud.call(call).await;
        if act.is_mutating() {
            self.wait(800).await;
        }
        reply
    }
}

impl Provider for Wire {
    fn offer(&self) -> Arc<Offer> {
        self.bug.bend_offer(self.cloud.offer())
    }

    fn call<'a>(&'a self, call: Call) -> Pending<'a, Reply> {
        Box::pin(self.perform(call))
    }

    fn stop<'a>(&'a self) -> Pending<'a, ()> {
        self.cloud.stop()
    }
}
