//! Reap: everything past its expiry and grace goes, through the same gate as everything else.
//!
//! What bears data that nobody consented to delete is held, the rest goes. Outcomes are counted,
//! not intentions. The dry run and the real one decide by the same code.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::engine::machine::Ending;
use crate::engine::machine::StepEnd;
use crate::model::address::Address;
use crate::model::decision::Act;
use crate::model::decision::Outcome as Verdict;
use crate::model::digest::Digest;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Duration;
use crate::model::limits::OnExpiry;
use crate::model::plan::Action;
use crate::model::plan::PlanKind;
use crate::model::plan::StepAction;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::apply;
use crate::ops::ask;
use crate::ops::governed::govern;
use crate::ops::proposal::Proposal;
use crate::ops::proposal::Wanted;
use crate::ops::proposal::propose;
use crate::ops::run;
use crate::ops::run::Held;
use crate::plan::Mode;
use crate::policy::checks;
use crate::state::Batch;
use crate::state::Preconditions;
use crate::state::StoreError;
use crate::state::snapshot::Phase;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// Environments that are reaped without being asked for by number. More at once is unusual enough
/// to be a wrong clock or a wrong limit.
const MAX_DEFAULT: usize = 10;

/// The share of the store, in percent, that is reaped without being asked for.
const PERCENT_DEFAULT: u32 = 50;

/// How far the clock may lie behind the newest event: clocks are corrected by seconds.
const BEHIND_MAX: Duration = Duration::from_secs(60);

/// How far the clock may lie ahead of the last heartbeat: a daily reaper never comes near.
const AHEAD_MAX: Duration = Duration::from_hours(7 * 24);

/// What to reap, and how much at most.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Only environments of a reviewed plan, and only if it is the same plan.
    pub from: Option<BTreeMap<EnvironmentId, Digest>>,
    /// At most so many environments, whatever the clock says.
    pub max: Option<usize>,
    /// At most this share of the store, in percent.
    pub max_percent: Option<u32>,
}

/// What became of one environment.
#[derive(Debug)]
pub enum Outcome {
    /// It is gone.
    Reaped,
    /// It would go, or go in part.
    Would,
    /// Some of it is kept, the rest is gone.
    Held(BTreeSet<Address>),
    /// Some of it could not be deleted; it is tried again next time.
    Failed(String),
    /// Somebody holds it; it is tried again next time.
    Busy(String),
    /// It is not what was reviewed, or was not reviewed.
    NotReviewed,
}

/// One line of the report.
#[derive(Debug)]
pub struct Line {
    /// The environment.
    pub name: String,
    /// Its id.
    pub id: EnvironmentId,
    /// What became of it.
    pub outcome: Outcome,
    /// The digest of what was, or would be, done.
    pub intent: Option<Digest>,
    /// How many objects went, or would.
    pub deleted: usize,
}

/// What was done.
#[derive(Debug)]
pub struct Report {
    /// One line for each environment that was due.
    pub lines: Vec<Line>,
    /// Whether it only looked.
    pub dry_run: bool,
}

impl Report {
    /// How many lines have this outcome.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> u32 {
        let count = self.lines.iter().filter(|line| is(&line.outcome)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Reaps everything that is due.
///
/// # Errors
/// [`OpError::Usage`] where a limit stops it before the first deletion; what is wrong with one
/// environment stands in its own line.
pub async fn reap(context: &Context, options: &Options) -> Result<Report, OpError> {
    let ledger = context.ledger().await?;
    let now = context.now();
    let due: Vec<Summary> =
        ledger.environments.values().filter(|s| s.is_due(now)).cloned().collect();
    stop_if_wrong(context, options, &ledger, due.len())?;
    let mut lines = Vec::new();
    for summary in due {
        let line = reap_one(context, options, &summary).await;
        match line {
            Ok(line) => lines.extend(line),
            Err(OpError::Interrupted) => return Err(OpError::Interrupted),
            Err(error) => lines.push(failed_line(&summary, &error)),
        }
    }
    let report = Report { lines, dry_run: options.dry_run };
    if !options.dry_run {
        heartbeat(context, &report).await?;
    }
    Ok(report)
}

fn failed_line(summary: &Summary, error: &OpError) -> Line {
    let outcome = match error {
        OpError::Store(StoreError::Held { .. } | StoreError::Moved { .. }) => {
            Outcome::Busy(error.to_string())
        }
        OpError::Diagnostics(all) => {
            let first = all.iter().next().map(|d| d.detail.clone()).unwrap_or_default();
            Outcome::Failed(first)
        }
        OpError::Refused(decision) => {
            let first = decision.findings.first().map(|f| f.message.clone()).unwrap_or_default();
            Outcome::Failed(format!("the gate refused it: {first}"))
        }
        other => Outcome::Failed(other.to_string()),
    };
    plain_line(summary, outcome)
}

/// A line about an environment of which nothing was planned.
fn plain_line(summary: &Summary, outcome: Outcome) -> Line {
    Line { name: summary.name.clone(), id: summary.id, outcome, intent: None, deleted: 0 }
}

/// Stops before the first deletion where the number or the clock is implausible.
fn stop_if_wrong(
    context: &Context,
    options: &Options,
    ledger: &Ledger,
    due: usize,
) -> Result<(), OpError> {
    if options.dry_run || due == 0 {
        return Ok(());
    }
    let now = context.now();
    if let Some(last) = ledger.globals.last
        && now.plus(BEHIND_MAX) < last
    {
        let message =
            format!("the clock says {now}, but the newest event is of {last}; set it right");
        return Err(OpError::Usage(message));
    }
    let living = ledger.environments.values().filter(|s| s.ended.is_none()).count();
    let asked = options.max.is_some() || options.max_percent.is_some();
    if let Some(heartbeat) = ledger.globals.reaper
        && now.since(heartbeat.time) > AHEAD_MAX
        && !asked
    {
        let message = format!(
            "the reaper last ran at {}: either nothing has reaped for long or the clock is wrong; \
             look with --dry-run, then say how many: --max {due}",
            heartbeat.time
        );
        return Err(OpError::Usage(message));
    }
    let max = options.max.unwrap_or(MAX_DEFAULT);
    let percent = options.max_percent.unwrap_or(PERCENT_DEFAULT);
    let share = u32::try_from(due.saturating_mul(100) / living.max(1)).unwrap_or(u32::MAX);
    let too_many = due > max && (asked || share > percent);
    let too_large = options.max_percent.is_some() && share > percent;
    if too_many || too_large {
        let message = format!(
            "{due} of {living} environments are due, which is more than expected; look with \
             --dry-run, then say how many: --max {due} --max-percent 100"
        );
        return Err(OpError::Usage(message));
    }
    Ok(())
}

/// Reaps one environment, or nothing where another reaper was faster.
async fn reap_one(
    context: &Context,
    options: &Options,
    summary: &Summary,
) -> Result<Option<Line>, OpError> {
    if options.dry_run {
        let proposal = proposal(context, summary.id).await?;
        if proposal.decision.outcome != Verdict::Allow {
            let why = proposal.decision.findings.first().map(|f| f.message.clone());
            let outcome =
                Outcome::Failed(format!("the gate would refuse it: {}", why.unwrap_or_default()));
            return line(summary, &proposal, outcome).map(Some);
        }
        let outcome = match held(&proposal) {
            held if held.is_empty() => Outcome::Would,
            held => Outcome::Held(held),
        };
        return line(summary, &proposal, outcome).map(Some);
    }
    // Waiting for one environment would keep the others waiting: whoever holds it has its reasons.
    let held = run::lease_now(context, summary.id).await?;
    let done = match known(context, summary.id).await {
        Ok(known) if matches!(known.phase, Phase::Ended(_)) => Ok(None),
        Ok(_) => reap_under(context, options, summary, &held).await.map(Some),
        Err(error) => Err(error),
    };
    run::release(context, &held).await;
    done
}

async fn reap_under(
    context: &Context,
    options: &Options,
    summary: &Summary,
    held_lease: &Held,
) -> Result<Line, OpError> {
    let known = known(context, summary.id).await?;
    if !still_due(context, &known) {
        return Ok(extended(summary));
    }
    // A reap that was interrupted is gone on with only where its environment was reviewed.
    if options.from.as_ref().is_some_and(|reviewed| !reviewed.contains_key(&summary.id)) {
        return Ok(plain_line(summary, Outcome::NotReviewed));
    }
    if let Some(open) = &known.run {
        let go_on = open.plan.kind == PlanKind::Reap;
        let ending = apply::take_up(context, &known, held_lease, go_on).await?;
        let known = self::known(context, summary.id).await?;
        if let Some(error) = apply::uncertain(&known) {
            return Err(error);
        }
        if has_ended(&known) {
            return Ok(Line { deleted: gone(&ending), ..plain_line(summary, Outcome::Reaped) });
        }
    } else if let Some(error) = apply::uncertain(&known) {
        return Err(error);
    }
    let proposal = proposal(context, summary.id).await?;
    // What was planned from is what the run binds: an extension meanwhile moves its life.
    let Some(known) = proposal.snapshot.clone().filter(|known| still_due(context, known)) else {
        return Ok(extended(summary));
    };
    if let Some(reviewed) = &options.from
        && reviewed.get(&summary.id) != Some(&proposal.plan.intent_digest()?)
    {
        return line(summary, &proposal, Outcome::NotReviewed);
    }
    let kept = held(&proposal);
    // Held as before and nothing else left: another run would only add noise to the history.
    let rests = proposal.plan.steps.is_empty() && proposal.plan.gone.is_empty();
    if !kept.is_empty() && rests && known.held == kept {
        return line(summary, &proposal, Outcome::Held(kept));
    }
    let frozen = context.ledger().await?.frozen(summary.id).map(str::to_owned);
    let warrant = govern(context, &proposal.petition(frozen, BTreeSet::new())).await?;
    let ending = run::carry_out(context, warrant, &proposal, held_lease, &known).await?;
    let known = self::known(context, summary.id).await?;
    let outcome = outcome(&ending, kept, has_ended(&known));
    Ok(Line { deleted: gone(&ending), ..line(summary, &proposal, outcome)? })
}

fn has_ended(known: &Snapshot) -> bool {
    matches!(known.phase, Phase::Ended(_))
}

/// How many objects a run has deleted.
fn gone(ending: &Ending) -> usize {
    let went = |(_, action, end): &&(Address, StepAction, StepEnd)| {
        action.deletes() && *end == StepEnd::Succeeded
    };
    ending.steps.iter().filter(went).count()
}

fn extended(summary: &Summary) -> Line {
    plain_line(summary, Outcome::Busy("it was extended meanwhile".to_owned()))
}

fn outcome(ending: &Ending, kept: BTreeSet<Address>, has_ended: bool) -> Outcome {
    let mut wrong = ending.steps.iter().filter_map(|(address, _, end)| match end {
        StepEnd::Failed(why) | StepEnd::Unknown(why) => Some(format!("{address}: {why}")),
        StepEnd::Succeeded | StepEnd::NotBegun => None,
    });
    if let Some(first) = wrong.next() {
        let more = wrong.count();
        let tail = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return Outcome::Failed(format!("{first}{tail}"));
    }
    if let Some(stopped) = &ending.stopped {
        return Outcome::Failed(stopped.clone());
    }
    match (kept.is_empty(), has_ended) {
        (false, _) => Outcome::Held(kept),
        (true, true) => Outcome::Reaped,
        (true, false) => Outcome::Failed("some of it is still in the books".to_owned()),
    }
}

fn line(summary: &Summary, proposal: &Proposal, outcome: Outcome) -> Result<Line, OpError> {
    let deleted = proposal.plan.changes.iter().filter(|c| c.action == Action::Delete).count();
    Ok(Line {
        name: summary.name.clone(),
        id: summary.id,
        outcome,
        intent: Some(proposal.plan.intent_digest()?),
        deleted,
    })
}

fn held(proposal: &Proposal) -> BTreeSet<Address> {
    let holds = proposal.plan.changes.iter().filter(|change| change.action == Action::Hold);
    holds.map(|change| change.address.clone()).collect()
}

async fn known(context: &Context, id: EnvironmentId) -> Result<Snapshot, OpError> {
    let snapshot = context.store.snapshot(id).await?;
    snapshot.ok_or_else(|| OpError::Bug(format!("{id} has no snapshot")))
}

fn still_due(context: &Context, known: &Snapshot) -> bool {
    let limits = checks::effective_limits(&known.record, &context.trust);
    let grace = limits.ttl.grace.unwrap_or(Duration::ZERO);
    known.reaping || known.life().is_some_and(|life| context.now() >= life.expiry.plus(grace))
}

async fn proposal(context: &Context, id: EnvironmentId) -> Result<Proposal, OpError> {
    let known = known(context, id).await?;
    let settled = ask::recorded(&known.record, &context.sealer)?;
    let limits = checks::effective_limits(&known.record, &context.trust);
    let delete_data = known.record.on_expiry == OnExpiry::DeleteData
        && limits.on_expiry != Some(OnExpiry::KeepData);
    let wanted = Wanted {
        settled,
        environment: id,
        snapshot: Some(known),
        mode: Mode::TakeDown { kind: PlanKind::Reap, delete_data },
        act: Act::Reap,
        replace: BTreeSet::new(),
        leave: BTreeMap::new(),
    };
    propose(context, wanted).await
}

async fn heartbeat(context: &Context, report: &Report) -> Result<(), OpError> {
    let event = Event::ReaperRan {
        due: u32::try_from(report.lines.len()).unwrap_or(u32::MAX),
        reaped: report.count(|outcome| matches!(outcome, Outcome::Reaped)),
        held: report.count(|outcome| matches!(outcome, Outcome::Held(_))),
        failed: report.count(|outcome| {
            matches!(outcome, Outcome::Failed(_) | Outcome::Busy(_) | Outcome::NotReviewed)
        }),
    };
    let draft = Draft { environment: None, actor: context.actor.clone(), event };
    let batch =
        Batch { now: context.now(), drafts: vec![draft], preconditions: Preconditions::default() };
    context.store.append(batch).await?;
    Ok(())
}
