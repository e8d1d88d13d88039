//! Planning: from what is asked to a plan, its price and what the gate would say of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cost;
use crate::engine;
use crate::engine::driver;
use crate::model::address::Address;
use crate::model::cost::Cost;
use crate::model::cost::Quote;
use crate::model::decision::Act;
use crate::model::decision::Decision;
use crate::model::decision::Subject;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::environment::EnvironmentRecord;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Life;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::model::money::Money;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::Opened;
use crate::ops::ask::Settled;
use crate::ops::governed;
use crate::ops::governed::Petition;
use crate::plan::Mode;
use crate::plan::Request;
use crate::plan::planner::Planner;
use crate::policy::checks;
use crate::provider::Offer;
use crate::provider::PriceRule;
use crate::state::snapshot::Snapshot;

/// The revision of an environment's resources right after it was made.
const REVISION_FIRST: u64 = 1;

/// What is to be planned.
pub struct Wanted {
    /// What the environment is asked to be.
    pub settled: Settled,
    /// The environment, where it exists.
    pub snapshot: Option<Snapshot>,
    /// Its id: the snapshot's, or a new one.
    pub environment: EnvironmentId,
    /// What for.
    pub mode: Mode,
    /// What is asked, for the gate.
    pub act: Act,
    /// Resources to be replaced because somebody asks.
    pub replace: BTreeSet<Address>,
    /// Attributes to be left as observed, by resource, beside what was accepted for good.
    pub leave: BTreeMap<Address, BTreeSet<String>>,
}

/// A plan with everything that goes with it. Nothing has happened yet.
pub struct Proposal {
    /// The plan.
    pub plan: Plan,
    /// What it costs.
    pub quote: Quote,
    /// What the gate says of it now.
    pub decision: Decision,
    /// What it was made from.
    pub settled: Settled,
    /// The environment as it was planned from.
    pub snapshot: Option<Snapshot>,
    /// The digest of what was asked for.
    pub desired: Digest,
    /// The life it has, or would have.
    pub life: Life,
    /// Recorded resources that could not be read, with why; only when observing.
    pub unreachable: BTreeMap<Address, String>,
    /// What is asked.
    pub act: Act,
}

impl Proposal {
    /// Whether applying it would change nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let same = |snapshot: &Snapshot| {
            snapshot.life().is_some()
                && (self.plan.kind.takes_down() || snapshot.record.asks_the_same(&self.plan.record))
                && engine::revisions(&self.plan, &snapshot.resources).is_empty()
        };
        // Taking down an environment without resources still ends it.
        !self.plan.kind.takes_down()
            && self.plan.is_empty()
            && self.snapshot.as_ref().is_some_and(same)
    }

    /// A petition for carrying it out, with these consents.
    #[must_use]
    pub fn petition(&self, frozen: Option<String>, consents: BTreeSet<String>) -> Petition<'_> {
        Petition {
            act: self.act,
            environment: Some(self.plan.environment),
            record: Some(&self.plan.record),
            plan: Some((&self.plan, &self.quote)),
            quote: None,
            life: Some(self.life),
            is_new: is_new(self.snapshot.as_ref()),
            integrations: &self.settled.source.integrations,
            reaping: self.snapshot.as_ref().is_some_and(|known| known.reaping),
            before: self.snapshot.as_ref().map(|known| &known.record),
            frozen,
            consents,
        }
    }
}

/// Whether an environment's life has not begun.
#[must_use]
pub fn is_new(snapshot: Option<&Snapshot>) -> bool {
    snapshot.is_none_or(|snapshot| snapshot.life().is_none())
}

/// The digest of what is asked for: the same one goes on with an interrupted run.
///
/// # Errors
/// A bug.
pub fn desired(
    record: &EnvironmentRecord,
    kind: PlanKind,
    replace: &BTreeSet<Address>,
) -> Result<Digest, OpError> {
    Ok(Digest::of_canonical(Domain::Desired, &(record.without_origin(), kind, replace))?)
}

/// The life an environment has, or would have if its first run opened now or at its start.
#[must_use]
pub fn life(record: &EnvironmentRecord, snapshot: Option<&Snapshot>, now: Timestamp) -> Life {
    if let Some(life) = snapshot.and_then(Snapshot::life) {
        return life;
    }
    let start = record.start.map_or(now, |start| start.max(now));
    let expiry = match record.term {
        Term::For(duration) => start.plus(duration),
        Term::Until(instant) => instant,
    };
    Life { start, expiry }
}

/// Makes a plan. Reads providers and changes nothing.
///
/// # Errors
/// [`OpError::Diagnostics`] where something is wrong or cannot be read.
pub async fn propose(context: &Context, wanted: Wanted) -> Result<Proposal, OpError> {
    let now = context.now();
    let ledger = context.ledger().await?;
    let store = ledger.globals.store.ok_or_else(|| OpError::Bug("the store has no id".into()))?;
    let known = wanted.snapshot.as_ref();
    let opened = open(context, &wanted.settled, known)?;
    let record = wanted.settled.record.clone();
    let mut accepted = known.map(|known| known.accepted.clone()).unwrap_or_default();
    for (address, attributes) in wanted.leave {
        accepted.entry(address).or_default().extend(attributes);
    }
    let request = Request {
        mode: wanted.mode,
        blueprint: wanted.settled.source.blueprint.clone(),
        resolved: wanted.settled.source.resolved.clone(),
        record: record.clone(),
        inputs: wanted.settled.inputs.clone(),
        store,
        environment: wanted.environment,
        is_new: known.is_none(),
        resources: known.map(|known| known.resources.clone()).unwrap_or_default(),
        outputs: known.map(|known| known.outputs.clone()).unwrap_or_default(),
        accepted,
        resources_revision: known.map_or(REVISION_FIRST, |known| known.resources_revision),
        offers: opened.offers,
        replace: wanted.replace.clone(),
        now,
        actor: context.actor.clone(),
        sealer: Arc::clone(&context.sealer),
    };
    let mut timings = driver::Timings::default();
    let planner = Planner::new(request);
    let interrupt = context.interrupt.clone();
    let providers = &opened.providers;
    let made =
        driver::plan(planner, providers, context.parallelism(), interrupt, &mut timings).await;
    context.merge_timings(timings);
    let (plan, unreachable) = made?;
    let life = life(&record, known, now);
    let quote = cost::estimate(&plan, checks::whole_life(Some(life)))?;
    let frozen = ledger.frozen(wanted.environment).map(str::to_owned);
    let mut proposal = Proposal {
        desired: desired(&record, plan.kind, &wanted.replace)?,
        decision: Decision {
            subject: Subject::default(),
            act: wanted.act,
            outcome: crate::model::decision::Outcome::Deny,
            findings: Vec::new(),
            policy: context.trust.digest()?,
            rationale: context.rationale.clone(),
            consents: BTreeSet::new(),
        },
        plan,
        quote,
        settled: wanted.settled,
        snapshot: wanted.snapshot,
        life,
        unreachable,
        act: wanted.act,
    };
    let petition = proposal.petition(frozen, BTreeSet::new());
    proposal.decision = governed::judge(context, &petition)?;
    Ok(proposal)
}

/// Providers of an environment, running, and what they offer.
pub(crate) struct Providers {
    /// By the name of their configuration.
    pub providers: Opened,
    /// By source.
    pub offers: BTreeMap<String, Arc<Offer>>,
}

/// An offer in which types without a price have the one that the trust root declares.
fn priced(offer: Arc<Offer>, prices: &BTreeMap<String, Money>) -> Arc<Offer> {
    let open = |(kind, of): &(&String, &Money)| {
        let known = offer.resources.get(*kind).map(|offered| &offered.governance.price);
        known == Some(&PriceRule::Unmapped) && !of.amount().is_sign_negative()
    };
    let declared: Vec<(&String, &Money)> = prices.iter().filter(open).collect();
    if declared.is_empty() {
        return offer;
    }
    let mut fresh = (*offer).clone();
    for (kind, price) in declared {
        if let Some(offered) = fresh.resources.get_mut(kind) {
            let mut of_type = (**offered).clone();
            of_type.governance.price = PriceRule::Declared(Cost::priced(*price));
            *offered = Arc::new(of_type);
        }
    }
    Arc::new(fresh)
}

/// Opens every provider that the blueprint or the books name.
pub(crate) fn open(
    context: &Context,
    settled: &Settled,
    known: Option<&Snapshot>,
) -> Result<Providers, OpError> {
    let declared = settled.source.blueprint.providers.iter();
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for record in known.into_iter().flat_map(|known| known.resources.values()) {
        sources.insert(record.provider.clone(), record.source.clone());
    }
    sources.extend(declared.map(|(name, provider)| (name.clone(), provider.source.clone())));
    let mut providers = Opened::new();
    let mut offers = BTreeMap::new();
    for (name, source) in sources {
        let provider =
            context.catalog.open(&source).map_err(|error| OpError::Failed(error.to_string()))?;
        let offer = priced(provider.offer(), &context.trust.prices);
        offers.insert(source, offer);
        providers.insert(name, provider);
    }
    Ok(Providers { providers, offers })
}
