//! Action: carrying out what was admitted, and nothing else.
//!
//! A [`Run`] is the licence to act; only opening one in the journal makes it. The [`machine`] is
//! sans-IO: from an open run and the answers so far it says which effects come next, and resuming
//! after a crash is nothing but handing it the run as the journal has it. The [`driver`] performs
//! what machines ask for. INVARIANT (recovery is the normal path).

pub mod driver;
pub mod machine;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::decision::Admitted;
use crate::decision::Readmitted;
use crate::model::actor::Actor;
use crate::model::address::Address;
use crate::model::cost::Quote;
use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::environment::ResourceRecord;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::event::Intent;
use crate::model::id::EnvironmentId;
use crate::model::id::RunId;
use crate::model::lifetime::Life;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::model::plan::StepId;
use crate::state::Batch;
use crate::state::Fence;
use crate::state::Preconditions;
use crate::state::Store;
use crate::state::StoreError;
use crate::state::Stream;
use crate::state::snapshot;
use crate::state::snapshot::Snapshot;
use crate::state::snapshot::StepState;

/// An open run: the only thing the machine accepts.
#[derive(Debug)]
pub struct Run {
    id: RunId,
    plan: Plan,
    quote: Quote,
    resources: BTreeMap<Address, ResourceRecord>,
    steps: BTreeMap<StepId, StepState>,
}

impl Run {
    /// Which run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// What it executes.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it costs.
    #[must_use]
    pub fn quote(&self) -> &Quote {
        &self.quote
    }

    /// Effects whose outcome nobody knows yet.
    pub fn uncertain(&self) -> impl Iterator<Item = &Intent> {
        self.steps.values().filter_map(|state| match state {
            StepState::Intended(intent) => Some(intent),
            _ => None,
        })
    }

    /// Goes on with a run that the journal has as open.
    #[must_use]
    pub fn resume(snapshot: &Snapshot, _right: Readmitted) -> Option<Self> {
        let open = snapshot.run.as_ref()?;
        Some(Self {
            id: open.run,
            plan: open.plan.clone(),
            quote: open.quote.clone(),
            resources: snapshot.resources.clone(),
            steps: open.steps.clone(),
        })
    }
}

/// What opening a run needs beside what was admitted.
pub struct Opening<'a> {
    /// The environment as it was planned from; absent where the plan makes it.
    pub snapshot: Option<&'a Snapshot>,
    /// The run's id.
    pub run: RunId,
    /// The digest of what was asked for.
    pub desired: Digest,
    /// The lease to write under; absent for an environment that this makes.
    pub fence: Option<Fence>,
    /// Who.
    pub actor: &'a Actor,
    /// When.
    pub now: Timestamp,
    /// The life that the gate has judged: it begins now where it has not begun.
    pub life: Life,
    /// Approvals used up.
    pub approvals: BTreeSet<String>,
    /// Amounts reserved by budget.
    pub reservations: BTreeMap<String, crate::model::money::Money>,
}

/// Why a run could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// Opens a run: one append that makes the admission effective and uses up what it used.
///
/// # Errors
/// [`OpenError`]; nothing has happened then.
pub async fn open(
    store: &dyn Store,
    admitted: Admitted,
    opening: Opening<'_>,
) -> Result<Run, OpenError> {
    let plan = admitted.plan();
    let environment = plan.environment;
    let mut events = Vec::new();
    let changed = opening.snapshot.is_some_and(|known| !known.record.asks_the_same(&plan.record));
    if changed && !plan.kind.takes_down() {
        events.push(Event::EnvironmentChanged { record: Box::new(plan.record.clone()) });
    }
    let waiting = opening.snapshot.is_none_or(|known| known.life().is_none());
    if waiting && plan.kind == PlanKind::Apply {
        // As long as was judged, or to the instant that was judged.
        let expiry = match plan.record.term {
            Term::For(_) => opening.now.plus(opening.life.expiry.since(opening.life.start)),
            Term::Until(_) => opening.life.expiry,
        };
        let life = Life { start: opening.now, expiry };
        events.push(Event::LifeStarted { life });
    }
    events.extend(observations(plan));
    let known = opening.snapshot.map(|known| known.resources.clone()).unwrap_or_default();
    let revised = revisions(plan, &known).into_iter().map(Box::new);
    events.extend(revised.map(|record| Event::ResourceRevised { record }));
    let used = opening.approvals.clone();
    events.push(Event::RunOpened {
        run: opening.run,
        plan_digest: plan.file_digest()?,
        intent_digest: plan.intent_digest()?,
        desired: opening.desired,
        plan: Box::new(plan.clone()),
        quote: Box::new(admitted.quote().clone()),
        decision: Box::new(admitted.decision().clone()),
        approvals: opening.approvals,
        reservations: opening.reservations,
    });
    // INVARIANT (plan is final): the plan binds the revision of the resources it started from.
    let mut bound = BTreeMap::from([(Stream::Resources(environment), plan.resources_revision)]);
    // What is reaped is still as due as it was when that was looked at.
    if let (PlanKind::Reap, Some(known)) = (plan.kind, opening.snapshot) {
        bound.insert(Stream::Life(environment), known.life_revision);
    }
    // An approval is used once: nothing may have moved its stream before.
    bound.extend(used.into_iter().map(|id| (Stream::Approval(id), 0)));
    let batch = Batch {
        now: opening.now,
        drafts: events.into_iter().map(|e| draft(environment, opening.actor, e)).collect(),
        preconditions: Preconditions { revisions: bound, fence: opening.fence },
    };
    store.append(batch).await?;
    let resources = after_observations(known, plan);
    Ok(Run {
        id: opening.run,
        plan: plan.clone(),
        quote: admitted.quote().clone(),
        resources,
        steps: BTreeMap::new(),
    })
}

fn draft(environment: EnvironmentId, actor: &Actor, event: Event) -> Draft {
    Draft { environment: Some(environment), actor: actor.clone(), event }
}

/// Resources that stay as they are while the blueprint says something else about them: what they
/// were made after, whether they are protected. The books follow.
#[must_use]
pub fn revisions(plan: &Plan, known: &BTreeMap<Address, ResourceRecord>) -> Vec<ResourceRecord> {
    let stays = |change: &&Change| change.action == Action::NoOp && change.deposed.is_none();
    let revised = |change: &Change| {
        let record = known.get(&change.address)?;
        let source = plan.providers.get(&change.provider).map(|provider| &provider.source);
        let mut fresh = record.clone();
        fresh.provider.clone_from(&change.provider);
        if let Some(source) = source {
            fresh.source.clone_from(source);
        }
        fresh.dependencies.clone_from(&change.dependencies);
        fresh.facts.clone_from(&change.facts);
        // Which of two comes first is each plan's own matter, and spreads with what it does.
        fresh.prevent_destroy = change.prevent_destroy;
        (fresh != *record).then_some(fresh)
    };
    plan.changes.iter().filter(stays).filter_map(revised).collect()
}

/// Drift that planning has seen: the books follow, so that the plan starts from what is. What
/// undoing drift leaves alone stays drift, or an alert would fall silent because of another.
fn observations(plan: &Plan) -> Vec<Event> {
    drifted(plan)
        .map(|change| Event::ResourceObserved {
            address: change.address.clone(),
            object: change.prior.clone(),
        })
        .collect()
}

fn drifted(plan: &Plan) -> impl Iterator<Item = &Change> {
    let left = |change: &Change| plan.kind == PlanKind::Remediate && change.action == Action::NoOp;
    let seen = |change: &&Change| change.recorded.is_some() && change.prior.is_some();
    plan.changes.iter().filter(seen).filter(move |change| !left(change))
}

fn after_observations(
    mut resources: BTreeMap<Address, ResourceRecord>,
    plan: &Plan,
) -> BTreeMap<Address, ResourceRecord> {
    for gone in &plan.gone {
        snapshot::remove(&mut resources, &gone.address, None);
    }
    for change in drifted(plan) {
        if let (Some(record), Some(prior)) = (resources.get_mut(&change.address), &change.prior) {
            record.object = Some(prior.clone());
        }
    }
    resources
}
