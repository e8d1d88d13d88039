//! Apply and destroy: from what is asked to what is, through the gate.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::engine::machine::Ending;
use crate::model::address::Address;
use crate::model::cost::Quote;
use crate::model::decision::Act;
use crate::model::decision::Decision;
use crate::model::decision::Outcome;
use crate::model::decision::Severity;
use crate::model::event::Event;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Life;
use crate::model::plan::Plan;
use crate::model::plan::PlanKind;
use crate::model::sealed::SealedValue;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::ask;
use crate::ops::ask::Ask;
use crate::ops::ask::Settled;
use crate::ops::governed;
use crate::ops::governed::Petition;
use crate::ops::governed::Warrant;
use crate::ops::governed::append;
use crate::ops::governed::govern;
use crate::ops::proposal;
use crate::ops::proposal::Proposal;
use crate::ops::proposal::Wanted;
use crate::ops::proposal::propose;
use crate::ops::run;
use crate::ops::run::Held;
use crate::plan::Mode;
use crate::state::Preconditions;
use crate::state::StoreError;
use crate::state::Stream;
use crate::state::snapshot::Snapshot;

/// What somebody answers when shown a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Not this.
    No,
    /// Go. Whoever says so need not be human.
    Yes,
    /// Go, said by a human at a terminal who typed the environment's name.
    Human,
}

/// Asks somebody whether a plan is to be carried out.
pub trait Confirm: Send + Sync {
    /// The answer; `needs_human` where only a typed one will do.
    ///
    /// # Errors
    /// Where nobody can be asked.
    fn confirm(&self, proposal: &Proposal, needs_human: bool) -> Result<Consent, OpError>;
}

/// What was done.
pub struct Report {
    /// The environment.
    pub name: String,
    /// Its id.
    pub environment: EnvironmentId,
    /// What was planned; absent where an interrupted run was gone on with.
    pub plan: Option<(Plan, Quote, Decision)>,
    /// How it went; absent where nothing was to be done.
    pub ending: Option<Ending>,
    /// Whether an interrupted run was gone on with.
    pub resumed: bool,
    /// The environment's life now, where it has one.
    pub life: Option<Life>,
    /// Its outputs now.
    pub outputs: BTreeMap<String, SealedValue>,
    /// Whether it was only recorded, to start later.
    pub scheduled: bool,
    /// Whether the answer was no.
    pub declined: bool,
}

/// What is to be applied.
pub struct Options {
    /// What the environment is asked to be.
    pub ask: Ask,
    /// Resources to be replaced because somebody asks.
    pub replace: BTreeSet<Address>,
    /// Take everything down instead.
    pub destroy: bool,
}

/// Plans without doing anything: `gov plan`.
///
/// # Errors
/// [`OpError`].
pub async fn plan(context: &Context, options: &Options) -> Result<Proposal, OpError> {
    let snapshot = existing(context, &options.ask.name).await?;
    let wanted = wanted(context, options, snapshot)?;
    propose(context, wanted).await
}

fn wanted(
    context: &Context,
    options: &Options,
    snapshot: Option<Snapshot>,
) -> Result<Wanted, OpError> {
    let (settled, mode, act) = if options.destroy {
        let Some(snapshot) = &snapshot else {
            return Err(OpError::NoEnvironment {
                name: options.ask.name.clone(),
                near: None,
                ended: None,
            });
        };
        let settled = ask::recorded(&snapshot.record, &context.sealer)?;
        let mode = Mode::TakeDown { kind: PlanKind::Destroy, delete_data: true };
        (settled, mode, Act::Destroy)
    } else {
        let settled = ask::settle(context, &options.ask, snapshot.as_ref())?;
        (settled, Mode::Converge(PlanKind::Apply), Act::Apply)
    };
    let environment = match &snapshot {
        Some(snapshot) => snapshot.id,
        None => EnvironmentId(context.ulid()?),
    };
    let replace = options.replace.clone();
    Ok(Wanted { settled, snapshot, environment, mode, act, replace, leave: BTreeMap::new() })
}

/// The environment of this name, where there is one.
pub(crate) async fn existing(context: &Context, name: &str) -> Result<Option<Snapshot>, OpError> {
    match context.environment(name).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(OpError::NoEnvironment { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Plans, asks, and carries out.
///
/// # Errors
/// [`OpError`].
pub async fn apply(
    context: &Context,
    options: &Options,
    confirm: &dyn Confirm,
) -> Result<Report, OpError> {
    let mut snapshot = existing(context, &options.ask.name).await?;
    if options.destroy && snapshot.is_none() {
        context.environment(&options.ask.name).await?;
    }
    if let Some(known) = &snapshot {
        let interrupted = known.run.is_some() || !known.uncertain.is_empty();
        if interrupted {
            if let Some(report) = go_on(context, options, known).await? {
                return Ok(report);
            }
            snapshot = existing(context, &options.ask.name).await?;
        }
    }
    let wanted = wanted(context, options, snapshot)?;
    let proposal = propose(context, wanted).await?;
    carry_out(context, proposal, confirm).await
}

/// Applies a saved plan. The file is a claim: the plan is made again from what it asks for, and
/// only if that comes to the same does it run.
///
/// # Errors
/// [`OpError`]; [`OpError::Usage`] where the plan is not the same any more.
pub async fn apply_plan(
    context: &Context,
    saved: &Plan,
    confirm: &dyn Confirm,
) -> Result<Report, OpError> {
    if saved.kind == PlanKind::Reap {
        let message = "a reap is no plan to apply; review it with gov reap --out and --from";
        return Err(OpError::Usage(message.into()));
    }
    let ledger = context.ledger().await?;
    if ledger.globals.store != Some(saved.store) {
        let message = "the plan was made for another store; plan again with this one";
        return Err(OpError::Usage(message.into()));
    }
    let name = saved.record.name.clone();
    let snapshot = existing(context, &name).await?;
    let stale = || {
        let message = format!("{name} is not what the plan was made for any more; plan again");
        OpError::Usage(message)
    };
    let known_id = snapshot.as_ref().map(|snapshot| snapshot.id);
    if known_id.unwrap_or(saved.environment) != saved.environment
        || (saved.is_new
            && (known_id.is_some() || ledger.environments.contains_key(&saved.environment)))
        || snapshot.as_ref().is_some_and(|s| s.resources_revision != saved.resources_revision)
    {
        return Err(stale());
    }
    let settled = claimed(context, saved, snapshot.as_ref())?;
    let (mode, act) = match saved.kind {
        PlanKind::Apply => (Mode::Converge(PlanKind::Apply), Act::Apply),
        PlanKind::Remediate => (Mode::Converge(PlanKind::Remediate), Act::Remediate),
        kind @ (PlanKind::Destroy | PlanKind::Reap) => {
            (Mode::TakeDown { kind, delete_data: true }, run::act(kind))
        }
    };
    let requested = |change: &&crate::model::plan::Change| {
        change.reason == crate::model::plan::Reason::Requested
    };
    let replace = saved.changes.iter().filter(requested).map(|c| c.address.clone()).collect();
    let wanted = Wanted {
        settled,
        snapshot,
        environment: saved.environment,
        mode,
        act,
        replace,
        leave: BTreeMap::new(),
    };
    let proposal = propose(context, wanted).await?;
    // What is refused today is refused for its reason; anything else must be what was planned.
    let denied = proposal.decision.outcome == Outcome::Deny;
    if !denied && proposal.plan.intent_digest()? != saved.intent_digest()? {
        let message = format!(
            "planning {name} again comes to something else than the saved plan; plan again"
        );
        return Err(OpError::Usage(message));
    }
    carry_out(context, proposal, confirm).await
}

/// What a saved plan asks for, settled anew: limits come from its blueprint's text, not its file.
fn claimed(
    context: &Context,
    saved: &Plan,
    snapshot: Option<&Snapshot>,
) -> Result<Settled, OpError> {
    let record = &saved.record;
    if saved.kind.takes_down() {
        let known = snapshot.map_or(record, |snapshot| &snapshot.record);
        return ask::recorded(known, &context.sealer);
    }
    let open = |(name, value): (&String, &SealedValue)| {
        let value = context.sealer.open(value)?;
        Ok((name.clone(), crate::blueprint::inputs::Given { value, span: None }))
    };
    let started = snapshot.is_some_and(|snapshot| snapshot.life().is_some());
    let ask = Ask {
        name: record.name.clone(),
        blueprint: Some(crate::diagnostic::Source::new(
            record.blueprint.origin.clone(),
            record.blueprint.text.clone(),
        )),
        inputs: record.inputs.iter().map(open).collect::<Result<_, OpError>>()?,
        reset_inputs: snapshot
            .map(|known| known.record.inputs.keys().cloned().collect())
            .unwrap_or_default(),
        owner: Some(record.identity.owner.clone()),
        team: Some(record.identity.team.clone()),
        project: Some(record.identity.project.clone()),
        purpose: Some(record.identity.purpose.clone()),
        value: record.identity.value.clone(),
        term: Some(record.term).filter(|_| !started),
        start: record.start.filter(|_| !started),
        budget: Some(record.budget),
        root: Some(record.root.clone()),
        ..Ask::default()
    };
    ask::settle(context, &ask, snapshot)
}

/// Goes on with an interrupted run where the same is wanted, else finds out what became of it.
/// Answers a report where that was all there was to do.
async fn go_on(
    context: &Context,
    options: &Options,
    known: &Snapshot,
) -> Result<Option<Report>, OpError> {
    let settled = wanted(context, options, Some(known.clone()))?.settled;
    let held = run::lease(context, known.id).await?;
    let done = go_on_under(context, options, &settled, &held).await;
    run::release(context, &held).await;
    done
}

async fn go_on_under(
    context: &Context,
    options: &Options,
    settled: &Settled,
    held: &Held,
) -> Result<Option<Report>, OpError> {
    // Read anew under the lease: whoever held it before may have gone on meanwhile.
    let Some(known) = context.store.snapshot(held.fence.environment).await? else {
        return Ok(None);
    };
    let kind = if options.destroy { PlanKind::Destroy } else { PlanKind::Apply };
    let Some(open) = &known.run else {
        return uncertain(&known).map_or(Ok(None), Err);
    };
    let same = proposal::desired(&settled.record, kind, &options.replace)? == open.desired;
    let ending = take_up(context, &known, held, same).await?;
    let now_known = context.store.snapshot(known.id).await?;
    if !same {
        return now_known.as_ref().and_then(uncertain).map_or(Ok(None), Err);
    }
    let known = now_known.unwrap_or(known);
    Ok(Some(Report {
        name: known.record.name.clone(),
        environment: known.id,
        plan: None,
        ending: Some(ending),
        resumed: true,
        life: known.life(),
        outputs: known.outputs.clone(),
        scheduled: false,
        declined: false,
    }))
}

/// Takes up the open run of an environment: goes on with it, or only settles it.
pub(crate) async fn take_up(
    context: &Context,
    known: &Snapshot,
    held: &Held,
    go_on: bool,
) -> Result<Ending, OpError> {
    let Some(open) = &known.run else {
        return Err(OpError::Bug("there is no run to take up".into()));
    };
    let recorded = ask::recorded(&open.plan.record, &context.sealer)?;
    let ledger = context.ledger().await?;
    // Settling begins nothing new, so that what forbids new steps does not forbid it.
    let frozen = ledger.frozen(known.id).map(str::to_owned).filter(|_| go_on);
    let petition = Petition {
        act: if go_on { run::act(open.plan.kind) } else { Act::Settle },
        environment: Some(known.id),
        record: Some(&open.plan.record),
        plan: go_on.then_some((&open.plan, &open.quote)),
        quote: None,
        life: known.life(),
        is_new: false,
        integrations: &recorded.source.integrations,
        reaping: known.reaping,
        before: None,
        frozen,
        consents: open.decision.consents.clone(),
    };
    let warrant = govern(context, &petition).await?;
    if go_on {
        run::resume(context, warrant, &recorded, known, held).await
    } else {
        run::settle(context, warrant, &recorded, known, held).await
    }
}

/// An error that names what nobody knows, where there is such a thing.
pub(crate) fn uncertain(known: &Snapshot) -> Option<OpError> {
    if known.uncertain.is_empty() {
        return None;
    }
    Some(OpError::Uncertain {
        name: known.record.name.clone(),
        addresses: known.uncertain.keys().map(ToString::to_string).collect(),
    })
}

/// Asks, and carries a proposal out.
pub(crate) async fn carry_out(
    context: &Context,
    proposal: Proposal,
    confirm: &dyn Confirm,
) -> Result<Report, OpError> {
    let name = proposal.plan.record.name.clone();
    let environment = proposal.plan.environment;
    if proposal.is_empty() {
        return Ok(finished(proposal, None, None));
    }
    let ledger = context.ledger().await?;
    let frozen = ledger.frozen(environment).map(str::to_owned);
    let needs_human = needs_only_human(&proposal.decision);
    let mut consents = BTreeSet::new();
    if proposal.decision.outcome == Outcome::Allow || needs_human {
        match confirm.confirm(&proposal, needs_human)? {
            Consent::No => {
                return Ok(Report { declined: true, ..finished(proposal, None, None) });
            }
            Consent::Yes => {}
            Consent::Human => consents = governed::consents(true),
        }
    }
    let warrant = govern(context, &proposal.petition(frozen, consents)).await?;
    let waits = proposal::is_new(proposal.snapshot.as_ref())
        && proposal.plan.record.start.is_some_and(|start| start > context.now());
    match &proposal.snapshot {
        None => create(context, &warrant, &proposal).await?,
        Some(known) if waits => reschedule(context, &warrant, &proposal, known).await?,
        Some(_) => {}
    }
    if waits {
        return Ok(Report { scheduled: true, ..finished(proposal, None, None) });
    }
    let held = run::lease(context, environment).await?;
    let known = context.store.snapshot(environment).await?;
    let ended = match &known {
        Some(known) => match in_the_way(known) {
            Some(error) => Err(error),
            None => run::carry_out(context, warrant, &proposal, &held, known).await,
        },
        None => Err(OpError::Bug(format!("{name} has no snapshot"))),
    };
    run::release(context, &held).await;
    let ending = ended?;
    let known = context.store.snapshot(environment).await?;
    Ok(finished(proposal, Some(ending), known.as_ref()))
}

/// What of an earlier operation has to be settled before another run can open.
fn in_the_way(known: &Snapshot) -> Option<OpError> {
    let name = &known.record.name;
    let interrupted = known.run.as_ref().map(|_| {
        let message = format!(
            "an operation on {name} was interrupted; first go on with it: gov apply {name}"
        );
        OpError::Usage(message)
    });
    interrupted.or_else(|| uncertain(known))
}

/// Whether a typed consent is all that is missing.
fn needs_only_human(decision: &Decision) -> bool {
    let worst = decision.findings.iter().map(|finding| finding.severity).max();
    worst == Some(Severity::NeedsHuman)
}

/// Records a new environment: from here on its name is taken.
async fn create(context: &Context, warrant: &Warrant, proposal: &Proposal) -> Result<(), OpError> {
    let record = &proposal.plan.record;
    let ledger = context.ledger().await?;
    let name = Stream::Name(record.name.clone());
    let revision = ledger.revision(&name);
    let taken = ledger.names.contains_key(&record.name);
    let preconditions =
        Preconditions { revisions: [(name, revision)].into(), ..Preconditions::default() };
    let environment = Some(proposal.plan.environment);
    let event = Event::EnvironmentCreated { record: Box::new(record.clone()) };
    let made = if taken {
        Err(OpError::Store(StoreError::Moved {
            stream: Stream::Name(record.name.clone()),
            expected: revision,
            actual: revision,
        }))
    } else {
        append(context, warrant, environment, vec![event], preconditions).await
    };
    match made {
        // Somebody made it meanwhile: who holds it is more use than that the name is taken.
        Err(OpError::Store(StoreError::Moved { .. })) => Err(taken_by(context, &record.name).await),
        other => other,
    }
}

/// Records what an environment that waits for its start is asked to be by now.
async fn reschedule(
    context: &Context,
    warrant: &Warrant,
    proposal: &Proposal,
    known: &Snapshot,
) -> Result<(), OpError> {
    let record = &proposal.plan.record;
    if *record == known.record {
        return Ok(());
    }
    let planned = (Stream::Resources(known.id), proposal.plan.resources_revision);
    let preconditions = Preconditions { revisions: [planned].into(), ..Preconditions::default() };
    let event = Event::EnvironmentChanged { record: Box::new(record.clone()) };
    append(context, warrant, Some(known.id), vec![event], preconditions).await
}

async fn taken_by(context: &Context, name: &str) -> OpError {
    let ledger = match context.ledger().await {
        Ok(ledger) => ledger,
        Err(error) => return error,
    };
    match ledger.find(name).and_then(|summary| summary.lease.clone()) {
        Some(lease) => OpError::Store(StoreError::Held {
            holder: Box::new(lease.holder),
            since: lease.since,
            lease: lease.lease,
        }),
        None => OpError::Usage(format!("{name} was made by somebody else meanwhile; plan again")),
    }
}

fn finished(proposal: Proposal, ending: Option<Ending>, known: Option<&Snapshot>) -> Report {
    let before = proposal.snapshot.as_ref();
    let now_known = known.or(before);
    Report {
        name: proposal.plan.record.name.clone(),
        environment: proposal.plan.environment,
        life: now_known.and_then(Snapshot::life),
        outputs: now_known.map(|known| known.outputs.clone()).unwrap_or_default(),
        plan: Some((proposal.plan, proposal.quote, proposal.decision)),
        ending,
        resumed: false,
        scheduled: false,
        declined: false,
    }
}
