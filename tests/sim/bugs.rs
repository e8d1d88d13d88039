//! Safeties broken from outside, one at a time: a provider, a store or a clock that is not what
//! gov relies on. What each is called says what is broken.

use std::sync::Arc;
use std::sync::Mutex;

use gov::model::actor::Actor;
use gov::model::event::Draft;
use gov::model::event::Event;
use gov::model::event::Recorded;
use gov::model::id::EnvironmentId;
use gov::model::id::LeaseId;
use gov::model::lifetime::Clock;
use gov::model::lifetime::Duration;
use gov::model::lifetime::Life;
use gov::model::lifetime::Timestamp;
use gov::model::plan::PlanKind;
use gov::model::value::Value;
use gov::provider::Answer;
use gov::provider::Call;
use gov::provider::Finding;
use gov::provider::Offer;
use gov::provider::PriceRule;
use gov::provider::Reply;
use gov::provider::sim::Act;
use gov::state::Batch;
use gov::state::Fence;
use gov::state::HistoryQuery;
use gov::state::LeaseRequest;
use gov::state::Pending;
use gov::state::Store;
use gov::state::memory::MemoryStore;
use gov::state::snapshot::Snapshot;
use gov::state::summary::Ledger;

use super::checks::Books;
use super::wire::Chance;
use super::wire::SimClock;
use super::wire::Stall;

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Nothing.
    None,
    /// The provider says of every lost create that it did not happen.
    FindsNothing,
    /// The provider drops the tags of a create.
    SwallowsTags,
    /// Every create is sent twice.
    CallsTwice,
    /// The provider says now and then that what exists is gone.
    ReadsGone,
    /// The provider says that it has deleted, and has not.
    DeletesNothing,
    /// What costs something is said to be free.
    PricesFree,
    /// The store takes writes under any lease, and gives leases that are held.
    ForgetsFences,
    /// The store answers before what was written is durable, and a crash loses it.
    AnswersEarly,
    /// Intents are never written.
    LosesIntents,
    /// Intents are written after what comes behind them.
    ReordersIntents,
    /// Closing a run moves the expiry.
    ExtendsByActivity,
    /// Nothing is seen to be frozen.
    SeesNoFreeze,
    /// Nothing is ever seen to be due.
    SeesNothingDue,
    /// A call begins whenever it comes, however long ago it was meant to.
    IgnoresDeadlines,
    /// The clock goes at half its speed.
    ClockIsSlow,
}

/// Every planted bug.
pub const PLANTED: [Bug; 15] = [
    Bug::FindsNothing,
    Bug::SwallowsTags,
    Bug::CallsTwice,
    Bug::ReadsGone,
    Bug::DeletesNothing,
    Bug::PricesFree,
    Bug::ForgetsFences,
    Bug::AnswersEarly,
    Bug::LosesIntents,
    Bug::ReordersIntents,
    Bug::ExtendsByActivity,
    Bug::SeesNoFreeze,
    Bug::SeesNothingDue,
    Bug::IgnoresDeadlines,
    Bug::ClockIsSlow,
];

impl Bug {
    /// How many acknowledged batches a crash loses.
    pub fn lost_by_crash(self) -> usize {
        if self == Self::AnswersEarly { 3 } else { 0 }
    }

    pub fn bend_call(self, call: Call) -> Call {
        let Call::Apply(mut apply) = call else { return call };
        if self == Self::SwallowsTags && apply.prior.is_none() {
            let without = |value: &Value| {
                let mut members = value.as_map().cloned().unwrap_or_default();
                if let Some(tags) = members.get_mut("tags") {
                    *tags = Value::null();
                }
                Value::map(members)
            };
            apply.planned = without(&apply.planned);
            apply.config = without(&apply.config);
        }
        if self == Self::IgnoresDeadlines {
            apply.start_by = apply.start_by.plus(Duration::from_hours(1));
        }
        Call::Apply(apply)
    }

    pub fn answer_instead(self, call: &Call, chance: &Chance) -> Option<Reply> {
        match (self, Act::of(call)) {
            (Self::FindsNothing, Act::Find) => Some(Ok(Answer::Found(Finding::Absent))),
            (Self::ReadsGone, Act::Read) if chance.percent(10) => Some(Ok(Answer::Object(None))),
            (Self::DeletesNothing, Act::Delete) => Some(Ok(Answer::Object(None))),
            _ => None,
        }
    }

    pub fn bend_offer(self, offer: Arc<Offer>) -> Arc<Offer> {
        if self != Self::PricesFree {
            return offer;
        }
        let mut offer = (*offer).clone();
        for kind in offer.resources.values_mut() {
            let mut free = (**kind).clone();
            free.governance.price = PriceRule::Free { reason: "it is said to be".to_owned() };
            *kind = Arc::new(free);
        }
        Arc::new(offer)
    }

    pub fn bend_clock(self, clock: Arc<SimClock>) -> Arc<dyn Clock> {
        if self == Self::ClockIsSlow { Arc::new(SlowClock(clock)) } else { clock }
    }
}

struct SlowClock(Arc<SimClock>);

impl Clock for SlowClock {
    fn now(&self) -> Timestamp {
        let half = i64::try_from(self.0.uptime_ms() / 2).unwrap();
        Timestamp::from_millis(self.0.now().as_millis() - half)
    }

    fn uptime_ms(&self) -> u64 {
        self.0.uptime_ms()
    }
}

/// The store as gov sees it, with a witness of what it takes.
pub struct BentStore {
    pub store: MemoryStore,
    pub books: Books,
    pub bug: Bug,
    pub stall: Arc<Stall>,
    pub held_back: Mutex<Option<Batch>>,
}

impl BentStore {
    async fn take(&self, batch: Batch) -> Result<Vec<Recorded>, gov::state::StoreError> {
        self.stall.over().await;
        let fence = batch.preconditions.fence;
        let current = fence.is_none_or(|fence| self.books.is_current(fence));
        let Some(batch) = self.bend(batch).await else { return Ok(Vec::new()) };
        let done = self.store.append(batch).await;
        if done.is_ok() && !current {
            self.books.accuse("something was written under a lease that was taken over");
        }
        done
    }

    async fn bend(&self, mut batch: Batch) -> Option<Batch> {
        let intended = |draft: &Draft| matches!(draft.event, Event::StepIntended(_));
        match self.bug {
            Bug::ForgetsFences => batch.preconditions.fence = None,
            Bug::LosesIntents => batch.drafts.retain(|draft| !intended(draft)),
            Bug::ReordersIntents => {
                let earlier = self.held_back.lock().unwrap().take();
                if earlier.is_none() && batch.drafts.iter().any(intended) {
                    *self.held_back.lock().unwrap() = Some(batch);
                    return None;
                }
                if let Some(earlier) = earlier {
                    let _ = self.store.append(earlier).await;
                }
            }
            Bug::ExtendsByActivity => self.extend(&mut batch),
            _ => {}
        }
        (!batch.drafts.is_empty()).then_some(batch)
    }

    /// Puts an hour more of life before the end of an apply.
    fn extend(&self, batch: &mut Batch) {
        let closed = |draft: &Draft| matches!(draft.event, Event::RunClosed { .. });
        let Some(at) = batch.drafts.iter().position(closed) else { return };
        let environment = batch.drafts[at].environment;
        let snapshots = self.books.snapshots();
        let known = snapshots.iter().find(|snapshot| Some(snapshot.id) == environment);
        let Some((life, run)) = known.and_then(|k| Some((k.life()?, k.run.as_ref()?))) else {
            return;
        };
        if run.plan.kind != PlanKind::Apply {
            return;
        }
        let to = Life { expiry: life.expiry.plus(Duration::from_hours(1)), ..life };
        let event = Event::LifeExtended {
            from: life,
            to,
            reason: "activity".to_owned(),
            decision: Box::new(run.decision.clone()),
        };
        let actor = batch.drafts[at].actor.clone();
        batch.drafts.insert(at, Draft { environment, actor, event });
    }
}

impl Store for BentStore {
    fn location(&self) -> String {
        self.store.location()
    }

    fn append(&self, batch: Batch) -> Pending<'_, Vec<Recorded>> {
        Box::pin(self.take(batch))
    }

    fn ledger(&self) -> Pending<'_, Ledger> {
        Box::pin(async {
            self.stall.over().await;
            let mut ledger = self.store.ledger().await?;
            match self.bug {
                Bug::SeesNoFreeze => ledger.globals.frozen.clear(),
                Bug::SeesNothingDue => {
                    for summary in ledger.environments.values_mut() {
                        summary.grace = Duration::from_hours(100_000);
                    }
                }
                _ => {}
            }
            Ok(ledger)
        })
    }

    fn snapshot(&self, environment: EnvironmentId) -> Pending<'_, Option<Snapshot>> {
        self.store.snapshot(environment)
    }

    fn history(&self, query: HistoryQuery) -> Pending<'_, Vec<Recorded>> {
        self.store.history(query)
    }

    fn acquire(&self, request: LeaseRequest) -> Pending<'_, Fence> {
        if self.bug == Bug::ForgetsFences
            && let Some(summary) = self.books.ledger().environments.get(&request.environment)
            && let Some(lease) = &summary.lease
        {
            self.store.kill_holder(lease.lease);
        }
        self.store.acquire(request)
    }

    fn renew(&self, fence: Fence, now: Timestamp) -> Pending<'_, Timestamp> {
        Box::pin(async move {
            self.stall.over().await;
            self.store.renew(fence, now).await
        })
    }

    fn release(&self, fence: Fence, actor: Actor, now: Timestamp) -> Pending<'_, ()> {
        self.store.release(fence, actor, now)
    }

    fn break_lease(
        &self,
        environment: EnvironmentId,
        lease: LeaseId,
        actor: Actor,
        reason: String,
        now: Timestamp,
    ) -> Pending<'_, ()> {
        self.store.break_lease(environment, lease, actor, reason, now)
    }
}
