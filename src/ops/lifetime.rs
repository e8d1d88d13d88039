//! The life of an environment: extend, expire, start. Nothing else moves an expiry.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::cost;
use crate::model::cost::Cost;
use crate::model::decision::Act;
use crate::model::event::Event;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Life;
use crate::model::lifetime::LifeError;
use crate::model::lifetime::Term;
use crate::model::lifetime::TtlLimits;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::apply;
use crate::ops::apply::Confirm;
use crate::ops::apply::Options;
use crate::ops::apply::Report;
use crate::ops::ask::Ask;
use crate::ops::governed::Petition;
use crate::ops::governed::append;
use crate::ops::governed::govern;
use crate::policy::checks;
use crate::state::Preconditions;
use crate::state::Stream;
use crate::state::snapshot::Phase;
use crate::state::snapshot::Snapshot;

/// A life before and after.
pub struct Moved {
    /// The environment.
    pub name: String,
    /// Before.
    pub from: Life,
    /// After.
    pub to: Life,
    /// How much whole life is left to grant.
    pub left: crate::model::lifetime::Duration,
    /// What the added time costs.
    pub added: Cost,
}

/// Gives an environment more life.
///
/// # Errors
/// [`OpError::Life`] beyond its limits, [`OpError::Refused`] by the gate, [`OpError::Usage`]
/// without a reason or where there is no life to extend.
pub async fn extend(
    context: &Context,
    name: &str,
    term: Term,
    reason: &str,
) -> Result<Moved, OpError> {
    check_reason(reason)?;
    let known = context.environment(name).await?;
    let life = living(&known)?;
    if known.reaping {
        return Err(being_reaped(name));
    }
    let limits = ttl(context, &known)?;
    let to = life.extend(context.now(), term, &limits)?;
    let (added, quote) = added_cost(&known, to.expiry.since(life.expiry))?;
    let ledger = context.ledger().await?;
    let none = BTreeMap::new();
    let petition = Petition {
        act: Act::Extend,
        environment: Some(known.id),
        record: Some(&known.record),
        plan: None,
        quote: quote.as_ref(),
        life: Some(to),
        is_new: false,
        integrations: &none,
        reaping: false,
        before: None,
        frozen: ledger.frozen(known.id).map(str::to_owned),
        consents: BTreeSet::new(),
    };
    let warrant = govern(context, &petition).await?;
    let event = Event::LifeExtended {
        from: life,
        to,
        reason: reason.to_owned(),
        decision: warrant.decision(),
    };
    let done = append(context, &warrant, Some(known.id), vec![event], at_revision(&known)).await;
    if let Err(error) = done {
        // A reaper may have begun since this was planned; the store takes no extension then.
        let now_known = context.environment(name).await?;
        return Err(if now_known.reaping { being_reaped(name) } else { error });
    }
    let whole = to.expiry.since(to.start);
    let left = crate::model::lifetime::Timestamp::from_millis(limits.max_total.as_secs() * 1000)
        .since(crate::model::lifetime::Timestamp::from_millis(whole.as_secs() * 1000));
    Ok(Moved { name: name.to_owned(), from: life, to, left, added })
}

fn being_reaped(name: &str) -> OpError {
    OpError::Usage(format!("{name} is being reaped: its life cannot be extended any more"))
}

/// Ends a life now. Its grace begins.
///
/// # Errors
/// As [`extend`].
pub async fn expire(context: &Context, name: &str, reason: &str) -> Result<Moved, OpError> {
    check_reason(reason)?;
    let known = context.environment(name).await?;
    let life = living(&known)?;
    let now = context.now();
    if life.is_expired(now) {
        let message = format!("{name} expired at {} already", life.expiry);
        return Err(OpError::Usage(message));
    }
    let to = Life { start: life.start, expiry: now };
    let none = BTreeMap::new();
    let petition = Petition {
        act: Act::Expire,
        environment: Some(known.id),
        record: Some(&known.record),
        plan: None,
        quote: None,
        life: Some(to),
        is_new: false,
        integrations: &none,
        reaping: false,
        before: None,
        // Ending a life makes nothing: a freeze does not keep things alive.
        frozen: None,
        consents: BTreeSet::new(),
    };
    let warrant = govern(context, &petition).await?;
    let decision = warrant.decision();
    let event = Event::LifeExpired { from: life, to, reason: reason.to_owned(), decision };
    append(context, &warrant, Some(known.id), vec![event], at_revision(&known)).await?;
    let left = crate::model::lifetime::Duration::ZERO;
    Ok(Moved { name: name.to_owned(), from: life, to, left, added: Cost::nothing() })
}

/// Starts every environment whose start has come.
///
/// # Errors
/// [`OpError::Store`]; what is wrong with one environment stands in its own result.
pub async fn start_due(
    context: &Context,
    confirm: &dyn Confirm,
) -> Result<Vec<(String, Result<Report, OpError>)>, OpError> {
    let ledger = context.ledger().await?;
    let now = context.now();
    let due = ledger.environments.values().filter(|summary| {
        summary.life.is_none()
            && summary.ended.is_none()
            && summary.start.is_some_and(|start| start <= now)
    });
    let names: Vec<String> = due.map(|summary| summary.name.clone()).collect();
    let mut results = Vec::new();
    for name in names {
        let ask = Ask { name: name.clone(), ..Ask::default() };
        let options = Options { ask, replace: BTreeSet::new(), destroy: false };
        let result = apply::apply(context, &options, confirm).await;
        results.push((name, result));
    }
    Ok(results)
}

/// A reason that says something.
///
/// # Errors
/// [`OpError::Usage`] where it does not.
pub fn check_reason(reason: &str) -> Result<(), OpError> {
    /// Long enough for a paragraph; it has to fit a line of history.
    const REASON_CHARS_MAX: usize = 1000;
    let text = reason.trim();
    if text.is_empty() {
        return Err(OpError::Usage("say why: --reason \"…\"".to_owned()));
    }
    if text.chars().count() > REASON_CHARS_MAX {
        let message = format!("the reason is longer than {REASON_CHARS_MAX} characters");
        return Err(OpError::Usage(message));
    }
    Ok(())
}

fn living(known: &Snapshot) -> Result<Life, OpError> {
    match &known.phase {
        Phase::Alive(life) => Ok(*life),
        Phase::Waiting => {
            let name = &known.record.name;
            Err(OpError::Usage(format!("the life of {name} has not begun; apply it first")))
        }
        Phase::Ended(at) => Err(OpError::Usage(format!("{} ended at {at}", known.record.name))),
    }
}

fn ttl(context: &Context, known: &Snapshot) -> Result<TtlLimits, OpError> {
    let mut limits = checks::effective_limits(&known.record, &context.trust);
    // The grace that the reaper waits for: a ceiling on grace bounds one and grants none.
    let stated = known.record.limits.ttl.grace.unwrap_or(Duration::ZERO);
    limits.ttl.grace = Some(limits.ttl.grace.unwrap_or(stated).min(stated));
    limits.ttl.complete().ok_or(OpError::Life(LifeError::GrantTooLong {
        asked: crate::model::lifetime::Duration::ZERO,
        max: crate::model::lifetime::Duration::ZERO,
    }))
}

fn at_revision(known: &Snapshot) -> Preconditions {
    let life = (Stream::Life(known.id), known.life_revision);
    Preconditions { revisions: [life].into(), ..Preconditions::default() }
}

/// What added time costs, by the prices the environment's resources were admitted under, and the
/// quote that the budget is checked against: the whole life's.
fn added_cost(
    known: &Snapshot,
    added: crate::model::lifetime::Duration,
) -> Result<(Cost, Option<crate::model::cost::Quote>), OpError> {
    let mut monthly = Cost::nothing();
    let mut changes = BTreeMap::new();
    for record in known.resources.values() {
        let priced = cost::of_fact(&record.facts.price, &record.address.resource.kind);
        monthly = monthly.add(&priced.after)?;
        changes.insert(record.address.clone(), priced);
    }
    let added_cost = monthly.over(added)?;
    let whole = match known.life() {
        Some(life) => life.expiry.since(life.start).plus(added),
        None => added,
    };
    let quote = crate::model::cost::Quote {
        changes,
        before: monthly.clone(),
        until_expiry: monthly.over(whole)?,
        after: monthly,
    };
    Ok((added_cost, Some(quote)))
}
