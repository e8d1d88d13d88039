//! Carrying out: leases, opening runs, going on with interrupted ones.

use std::sync::Arc;

use crate::decision;
use crate::engine;
use crate::engine::Opening;
use crate::engine::Run;
use crate::engine::driver;
use crate::engine::driver::Execution;
use crate::engine::machine::Ending;
use crate::engine::machine::Machine;
use crate::engine::machine::Stop;
use crate::engine::machine::Tools;
use crate::model::decision::Act;
use crate::model::environment::EnvironmentRecord;
use crate::model::id::EnvironmentId;
use crate::model::id::RunId;
use crate::model::lifetime::Timestamp;
use crate::model::plan::Change;
use crate::model::plan::PlanKind;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::ask::Settled;
use crate::ops::governed::Warrant;
use crate::ops::governed::admit;
use crate::ops::governed::readmit;
use crate::ops::proposal;
use crate::ops::proposal::Proposal;
use crate::policy::checks;
use crate::policy::checks::Question;
use crate::state::Fence;
use crate::state::LeaseRequest;
use crate::state::StoreError;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;

/// How often a waiter looks whether a lease is free.
const LEASE_POLL: std::time::Duration = std::time::Duration::from_millis(100);

/// A lease with what is known of whoever held it before.
pub(crate) struct Held {
    pub fence: Fence,
    /// Whether the holder before is not surely dead and may begin calls it has intended.
    pub predecessor_may_wake: bool,
}

/// Takes the lease of an environment, waiting as long as was asked for.
pub(crate) async fn lease(context: &Context, environment: EnvironmentId) -> Result<Held, OpError> {
    let patience = u64::try_from(context.lock_timeout.as_secs()).unwrap_or(0).saturating_mul(1000);
    lease_within(context, environment, patience).await
}

/// Takes the lease of an environment if it is free now.
pub(crate) async fn lease_now(
    context: &Context,
    environment: EnvironmentId,
) -> Result<Held, OpError> {
    lease_within(context, environment, 0).await
}

async fn lease_within(
    context: &Context,
    environment: EnvironmentId,
    patience: u64,
) -> Result<Held, OpError> {
    let began = context.clock.uptime_ms();
    loop {
        let ledger = context.ledger().await?;
        let summary = ledger.environments.get(&environment);
        let before = summary.and_then(|summary| summary.lease.clone());
        let request = LeaseRequest {
            environment,
            actor: context.actor.clone(),
            holder: context.holder.clone(),
            now: context.now(),
        };
        match context.store.acquire(request).await {
            Ok(fence) => {
                let predecessor_may_wake =
                    before.is_none_or(|before| (context.may_wake)(&before.holder));
                return Ok(Held { fence, predecessor_may_wake });
            }
            Err(StoreError::Held { .. })
                if context.clock.uptime_ms().saturating_sub(began) < patience =>
            {
                tokio::time::sleep(LEASE_POLL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives a lease back. That it could not be given back is no reason to fail: it ends by itself.
pub(crate) async fn release(context: &Context, held: &Held) {
    let given = context.store.release(held.fence, context.actor.clone(), context.now()).await;
    drop(given);
}

/// Opens a run of a proposal and carries it out.
pub(crate) async fn carry_out(
    context: &Context,
    warrant: Warrant,
    proposal: &Proposal,
    held: &Held,
    snapshot: &Snapshot,
) -> Result<Ending, OpError> {
    let admitted = admit(warrant, proposal.plan.clone(), proposal.quote.clone())?;
    let opening = Opening {
        snapshot: Some(snapshot),
        run: RunId(context.ulid()?),
        desired: proposal.desired,
        fence: Some(held.fence),
        actor: &context.actor,
        now: context.now(),
        life: proposal.life,
        approvals: std::collections::BTreeSet::new(),
        reservations: std::collections::BTreeMap::new(),
    };
    let run = engine::open(context.store.as_ref(), admitted, opening).await?;
    execute(context, run, &proposal.settled, snapshot, held, None).await
}

/// Goes on with the run that the journal has as open.
pub(crate) async fn resume(
    context: &Context,
    warrant: Warrant,
    settled: &Settled,
    snapshot: &Snapshot,
    held: &Held,
) -> Result<Ending, OpError> {
    let run = Run::resume(snapshot, readmit(warrant)?)
        .ok_or_else(|| OpError::Bug("there is no run to go on with".into()))?;
    execute(context, run, settled, snapshot, held, None).await
}

/// Finds out what became of a run that is not gone on with, and closes it.
pub(crate) async fn settle(
    context: &Context,
    warrant: Warrant,
    settled: &Settled,
    snapshot: &Snapshot,
    held: &Held,
) -> Result<Ending, OpError> {
    let run = Run::resume(snapshot, readmit(warrant)?)
        .ok_or_else(|| OpError::Bug("there is no run to settle".into()))?;
    let stop = Stop::Halted("something else is wanted now".to_owned());
    execute(context, run, settled, snapshot, held, Some(stop)).await
}

async fn execute(
    context: &Context,
    run: Run,
    settled: &Settled,
    snapshot: &Snapshot,
    held: &Held,
    stop: Option<Stop>,
) -> Result<Ending, OpError> {
    let opened = proposal::open(context, settled, Some(snapshot))?;
    let tools = Tools {
        blueprint: Arc::clone(&settled.source.blueprint),
        resolved: Arc::clone(&settled.source.resolved),
        inputs: settled.inputs.clone(),
        offers: opened.offers,
        sealer: Arc::clone(&context.sealer),
        parallelism: context.parallelism(),
        predecessor_may_wake: held.predecessor_may_wake,
    };
    let record = run.plan().record.clone();
    let kind = run.plan().kind;
    let mut machine = Machine::new(run, tools, context.now());
    if let Some(stop) = stop {
        machine.stop(stop);
    }
    let integrations = &settled.source.integrations;
    let began = context.now();
    let judge = |change: &Change, ledger: &Ledger, now: Timestamp| {
        within_runtime(context, began, now)?;
        judge_step(context, &record, kind, integrations, change, ledger, held, now)
    };
    let watch = Arc::clone(&context.watch);
    let watch = move |progress| watch(progress);
    let execution = Execution {
        store: context.store.as_ref(),
        providers: &opened.providers,
        clock: Arc::clone(&context.clock),
        fence: held.fence,
        actor: &context.actor,
        judge: &judge,
        watch: &watch,
        interrupt: context.interrupt.clone(),
    };
    let mut timings = driver::Timings::default();
    let ended = driver::execute(machine, execution, &mut timings).await;
    context.merge_timings(timings);
    Ok(ended?)
}

/// P25: how long an operation may begin new steps is authority's to say.
fn within_runtime(context: &Context, began: Timestamp, now: Timestamp) -> Result<(), String> {
    match context.trust.operation.runtime {
        Some(runtime) if now.since(began) > runtime => {
            Err(format!("it has run for more than {runtime}, which the trust root allows"))
        }
        _ => Ok(()),
    }
}

#[expect(clippy::too_many_arguments, reason = "a judgement looks at everything there is")]
fn judge_step(
    context: &Context,
    record: &EnvironmentRecord,
    kind: PlanKind,
    integrations: &std::collections::BTreeMap<String, String>,
    change: &Change,
    ledger: &Ledger,
    held: &Held,
    now: Timestamp,
) -> Result<(), String> {
    let environment = held.fence.environment;
    let limits = checks::effective_limits(record, &context.trust);
    let question = Question {
        act: act(kind),
        record,
        limits: &limits,
        integrations,
        kind: Some(kind),
        is_new: false,
        changes: std::slice::from_ref(change),
        quote: None,
        life: ledger.environments.get(&environment).and_then(|summary| summary.life),
        reaping: kind == PlanKind::Reap,
        before: None,
        frozen: ledger.frozen(environment),
        trust: &context.trust,
        now,
    };
    decision::judge_step(&question)
        .map_err(|finding| format!("{}: {} ({})", change.address, finding.message, finding.rule))
}

/// What a plan of this kind asks of the gate.
pub(crate) fn act(kind: PlanKind) -> Act {
    match kind {
        PlanKind::Apply => Act::Apply,
        PlanKind::Destroy => Act::Destroy,
        PlanKind::Reap => Act::Reap,
        PlanKind::Remediate => Act::Remediate,
    }
}
