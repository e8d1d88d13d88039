//! The one path to an effect: judge, record what was refused, and hand out a warrant for the rest.
//!
//! A [`Warrant`] has no public constructor. Whatever writes to the store or starts a run asks for
//! one, so that nothing can be done without a decision on record.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::decision;
use crate::decision::Admitted;
use crate::decision::CONSENT_HUMAN;
use crate::decision::Readmitted;
use crate::model::cost::Quote;
use crate::model::decision::Act;
use crate::model::decision::Decision;
use crate::model::decision::Outcome;
use crate::model::decision::Subject;
use crate::model::environment::EnvironmentRecord;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Life;
use crate::model::plan::Plan;
use crate::ops::Context;
use crate::ops::OpError;
use crate::policy::checks;
use crate::policy::checks::Question;
use crate::state::Batch;
use crate::state::Preconditions;

/// What somebody wants to do.
pub struct Petition<'a> {
    /// What.
    pub act: Act,
    /// To which environment; absent for an act on the whole store.
    pub environment: Option<EnvironmentId>,
    /// What it is or is asked to be; absent for an act on the whole store.
    pub record: Option<&'a EnvironmentRecord>,
    /// The plan and its price, where there is one.
    pub plan: Option<(&'a Plan, &'a Quote)>,
    /// What it costs where there is no plan, such as a longer life.
    pub quote: Option<&'a Quote>,
    /// The life it has or would have.
    pub life: Option<Life>,
    /// Whether the environment's life has not begun.
    pub is_new: bool,
    /// Declared endpoints by name.
    pub integrations: &'a BTreeMap<String, String>,
    /// Whether a reaper has begun on it.
    pub reaping: bool,
    /// What it is asked to be so far, where that changes.
    pub before: Option<&'a EnvironmentRecord>,
    /// Why it is frozen, where it is.
    pub frozen: Option<String>,
    /// Consents that were given.
    pub consents: BTreeSet<String>,
}

/// A decision that allows something, made by [`govern`] and by nothing else.
#[derive(Debug)]
pub struct Warrant(Decision);

impl Warrant {
    /// The decision, for the event that it leads to.
    #[must_use]
    pub fn decision(&self) -> Box<Decision> {
        Box::new(self.0.clone())
    }
}

/// The gate's answer to a petition. Nothing is recorded: for plans that are only shown.
///
/// # Errors
/// A bug, where the policy has no digest.
pub fn judge(context: &Context, petition: &Petition<'_>) -> Result<Decision, OpError> {
    let nobody = nobody();
    let record = petition.record.unwrap_or(&nobody);
    let limits = checks::effective_limits(record, &context.trust);
    let changes = petition.plan.map(|(plan, _)| plan.changes.as_slice()).unwrap_or_default();
    let question = Question {
        act: petition.act,
        record,
        limits: &limits,
        integrations: petition.integrations,
        kind: petition.plan.map(|(plan, _)| plan.kind),
        is_new: petition.is_new,
        changes,
        quote: petition.plan.map(|(_, quote)| quote).or(petition.quote),
        life: petition.life,
        reaping: petition.reaping,
        before: petition.before,
        frozen: petition.frozen.as_deref(),
        trust: &context.trust,
        now: context.now(),
    };
    let subject = Subject {
        environment: petition.environment,
        name: record.name.clone(),
        intent: petition.plan.map(|(plan, _)| plan.intent_digest()).transpose()?,
        cost: question.quote.map(|quote| quote.after.clone()),
    };
    let rationale = &context.rationale;
    let mut decision = decision::judge(&question, subject, rationale, &petition.consents)?;
    if petition.record.is_none() {
        // An act on the whole store has no owner or team that could be missing.
        decision.findings.retain(|finding| finding.rule != "identity");
        let worst = decision.findings.iter().map(|finding| finding.severity).max();
        if worst.is_none_or(|worst| worst == crate::model::decision::Severity::Advisory) {
            decision.outcome = Outcome::Allow;
        }
    }
    Ok(decision)
}

fn nobody() -> EnvironmentRecord {
    use crate::model::digest::Digest;
    use crate::model::environment::BlueprintRecord;
    EnvironmentRecord {
        name: String::new(),
        identity: crate::model::environment::Identity::default(),
        budget: crate::model::limits::Budget::default(),
        limits: crate::model::limits::Limits::default(),
        blueprint: BlueprintRecord {
            name: String::new(),
            version: String::new(),
            digest: Digest::from_bytes([0; 32]),
            published: false,
            origin: String::new(),
            text: String::new(),
        },
        inputs: BTreeMap::new(),
        root: String::new(),
        term: crate::model::lifetime::Term::For(crate::model::lifetime::Duration::ZERO),
        start: None,
        on_expiry: crate::model::limits::OnExpiry::KeepData,
    }
}

/// Judges a petition. What is not allowed is recorded and refused.
///
/// # Errors
/// [`OpError::Refused`] with the decision; [`OpError::Store`].
pub async fn govern(context: &Context, petition: &Petition<'_>) -> Result<Warrant, OpError> {
    let decision = judge(context, petition)?;
    if decision.outcome == Outcome::Allow {
        return Ok(Warrant(decision));
    }
    // Before an environment is recorded, what was refused of it belongs to the store.
    let known = context.ledger().await?;
    let about = petition.environment.filter(|id| known.environments.contains_key(id));
    refuse(context, about, &decision).await?;
    Err(OpError::Refused(Box::new(decision)))
}

async fn refuse(
    context: &Context,
    environment: Option<EnvironmentId>,
    decision: &Decision,
) -> Result<(), OpError> {
    let event = Event::DecisionRecorded { decision: Box::new(decision.clone()) };
    let draft = Draft { environment, actor: context.actor.clone(), event };
    let batch =
        Batch { now: context.now(), drafts: vec![draft], preconditions: Preconditions::default() };
    context.store.append(batch).await?;
    Ok(())
}

/// Admits a plan under a warrant.
///
/// # Errors
/// [`OpError::Bug`]: a warrant always allows.
pub fn admit(warrant: Warrant, plan: Plan, quote: Quote) -> Result<Admitted, OpError> {
    decision::admit(plan, quote, warrant.0).map_err(OpError::Refused)
}

/// Readmits an interrupted run under a warrant.
///
/// # Errors
/// [`OpError::Bug`]: a warrant always allows.
pub fn readmit(warrant: Warrant) -> Result<Readmitted, OpError> {
    decision::readmit(warrant.0).map_err(OpError::Refused)
}

/// Appends events of an environment under a warrant.
///
/// # Errors
/// [`OpError::Store`].
pub async fn append(
    context: &Context,
    _warrant: &Warrant,
    environment: Option<EnvironmentId>,
    events: Vec<Event>,
    preconditions: Preconditions,
) -> Result<(), OpError> {
    let draft = |event| Draft { environment, actor: context.actor.clone(), event };
    let drafts = events.into_iter().map(draft).collect();
    context.store.append(Batch { now: context.now(), drafts, preconditions }).await?;
    Ok(())
}

/// Consents, as a set: the present human's, where it was given.
#[must_use]
pub fn consents(human: bool) -> BTreeSet<String> {
    if human { BTreeSet::from([CONSENT_HUMAN.to_owned()]) } else { BTreeSet::new() }
}
