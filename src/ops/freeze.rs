//! Freeze and unfreeze: nothing starts where something is frozen.
//!
//! A freeze counts from the next intent on. What is under way is seen to its end, and the report
//! says what that was.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::address::Address;
use crate::model::decision::Act;
use crate::model::event::Event;
use crate::model::event::FreezeScope;
use crate::model::event::Holder;
use crate::model::event::Settled;
use crate::model::lifetime::Timestamp;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::find;
use crate::ops::governed::Petition;
use crate::ops::governed::append;
use crate::ops::governed::govern;
use crate::ops::lifetime::check_reason;
use crate::state::HistoryQuery;
use crate::state::Preconditions;
use crate::state::summary::Ledger;

/// How long to watch what is under way come to its end. Most calls end within seconds; what takes
/// longer is reported as still under way.
const WATCH_MS: u64 = 10_000;

/// How often to look.
const WATCH_POLL: std::time::Duration = std::time::Duration::from_millis(100);

/// An operation that was running when the freeze came.
pub struct Stopped {
    /// On which environment.
    pub environment: String,
    /// Whose.
    pub holder: Holder,
    /// Since when.
    pub since: Timestamp,
    /// What was under way when the freeze came.
    pub in_flight: BTreeSet<Address>,
    /// What of that was still under way when the report was made.
    pub still: BTreeSet<Address>,
    /// How each of what was in flight ended, in words.
    pub outcomes: BTreeMap<Address, String>,
    /// Whether the operation has ended.
    pub ended: bool,
}

/// What a freeze did.
pub struct Report {
    /// What is covered, in words.
    pub scope: String,
    /// Whether anything changed: freezing twice changes the reason alone.
    pub changed: bool,
    /// Operations that were running.
    pub stopped: Vec<Stopped>,
}

/// Freezes everything, or one environment.
///
/// # Errors
/// [`OpError`].
pub async fn freeze(
    context: &Context,
    name: Option<&str>,
    reason: &str,
) -> Result<Report, OpError> {
    check_reason(reason)?;
    let ledger = context.ledger().await?;
    let scope = scope(&ledger, name)?;
    let event = Event::Frozen { scope, reason: reason.to_owned() };
    record(context, Act::Freeze, scope, event).await?;
    let stopped = watch_end(context, &ledger, scope).await?;
    let known = ledger.globals.frozen.iter().any(|(frozen, _)| *frozen == scope);
    Ok(Report { scope: words(name), changed: !known, stopped })
}

/// Lets things go on.
///
/// # Errors
/// [`OpError::Usage`] where nothing is frozen.
pub async fn unfreeze(
    context: &Context,
    name: Option<&str>,
    reason: &str,
) -> Result<Report, OpError> {
    check_reason(reason)?;
    let ledger = context.ledger().await?;
    let scope = scope(&ledger, name)?;
    if !ledger.globals.frozen.iter().any(|(frozen, _)| *frozen == scope) {
        return Err(OpError::Usage(format!("{} is not frozen", words(name))));
    }
    let event = Event::Unfrozen { scope, reason: reason.to_owned() };
    record(context, Act::Unfreeze, scope, event).await?;
    Ok(Report { scope: words(name), changed: true, stopped: Vec::new() })
}

fn words(name: Option<&str>) -> String {
    name.map_or_else(|| "everything".to_owned(), str::to_owned)
}

fn scope(ledger: &Ledger, name: Option<&str>) -> Result<FreezeScope, OpError> {
    match name {
        None => Ok(FreezeScope::All),
        Some(name) => Ok(FreezeScope::Environment(find(ledger, name)?.id)),
    }
}

async fn record(
    context: &Context,
    act: Act,
    scope: FreezeScope,
    event: Event,
) -> Result<(), OpError> {
    let environment = match scope {
        FreezeScope::All => None,
        FreezeScope::Environment(id) => Some(id),
    };
    let none = BTreeMap::new();
    let petition = Petition {
        act,
        environment,
        record: None,
        plan: None,
        quote: None,
        life: None,
        is_new: false,
        integrations: &none,
        reaping: false,
        before: None,
        frozen: None,
        consents: BTreeSet::new(),
    };
    let warrant = govern(context, &petition).await?;
    append(context, &warrant, environment, vec![event], Preconditions::default()).await
}

/// Watches what was running at the freeze, for a while.
async fn watch_end(
    context: &Context,
    before: &Ledger,
    scope: FreezeScope,
) -> Result<Vec<Stopped>, OpError> {
    let running = before.environments.values().filter(|summary| {
        crate::state::covers(scope, summary.id) && summary.run.is_some() && summary.lease.is_some()
    });
    let mut stopped: Vec<(crate::model::id::EnvironmentId, Stopped)> = running
        .filter_map(|summary| {
            let lease = summary.lease.as_ref()?;
            let stopped = Stopped {
                environment: summary.name.clone(),
                holder: lease.holder.clone(),
                since: lease.since,
                in_flight: summary.uncertain.clone(),
                still: summary.uncertain.clone(),
                outcomes: BTreeMap::new(),
                ended: false,
            };
            Some((summary.id, stopped))
        })
        .collect();
    let began = context.clock.uptime_ms();
    while stopped.iter().any(|(_, stopped)| !stopped.ended)
        && context.clock.uptime_ms().saturating_sub(began) < WATCH_MS
    {
        tokio::time::sleep(WATCH_POLL).await;
        let ledger = context.ledger().await?;
        for (id, stopped) in &mut stopped {
            let Some(summary) = ledger.environments.get(id) else { continue };
            stopped.in_flight.extend(summary.uncertain.iter().cloned());
            stopped.still.clone_from(&summary.uncertain);
            stopped.ended = summary.run.is_none() || summary.lease.is_none();
        }
    }
    for (id, stopped) in &mut stopped {
        let query = HistoryQuery {
            environment: Some(*id),
            kinds: vec!["step-settled"],
            since: before.globals.last,
        };
        for recorded in context.store.history(query).await? {
            if let Event::StepSettled { address, settled, .. } = recorded.event
                && stopped.in_flight.contains(&address)
            {
                stopped.outcomes.insert(address, how(&settled).to_owned());
            }
        }
    }
    Ok(stopped.into_iter().map(|(_, stopped)| stopped).collect())
}

/// How an effect ended, in words.
fn how(settled: &Settled) -> &'static str {
    match settled {
        Settled::Present { error: None, .. } => "it is there",
        Settled::Present { error: Some(_), .. } => "it is there, and something failed",
        Settled::Absent { .. } => "it is gone",
        Settled::Refused { .. } => "nothing happened",
        Settled::Unknown { .. } => "nobody knows yet",
    }
}
