//! Looking: list, show, why, history, output, graph. Nothing here changes anything.

use crate::graph::Dag;
use crate::model::event::Recorded;
use crate::model::lifetime::Duration;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::ask;
use crate::ops::find;
use crate::state::HistoryQuery;
use crate::state::snapshot::Snapshot;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// Which environments to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those owned by whoever asks: by this name.
    pub owner: Option<String>,
    /// Only of this team.
    pub team: Option<String>,
    /// Only those whose expiry lies within this.
    pub expiring: Option<Duration>,
    /// Only with this word in their purpose.
    pub purpose: Option<String>,
    /// Those that have ended, too.
    pub all: bool,
}

/// Environments that pass a filter, the next to expire first.
///
/// # Errors
/// [`OpError::Store`].
pub async fn list(context: &Context, filter: &Filter) -> Result<(Ledger, Vec<Summary>), OpError> {
    let ledger = context.ledger().await?;
    let now = context.now();
    let passes = |summary: &&Summary| {
        let who = &summary.identity;
        (filter.all || summary.ended.is_none())
            && filter.owner.as_ref().is_none_or(|owner| *owner == who.owner)
            && filter.team.as_ref().is_none_or(|team| *team == who.team)
            && filter
                .purpose
                .as_ref()
                .is_none_or(|word| who.purpose.to_lowercase().contains(&word.to_lowercase()))
            && filter.expiring.is_none_or(|within| {
                summary.life.is_some_and(|life| life.expiry <= now.plus(within))
            })
    };
    let mut found: Vec<Summary> = ledger.environments.values().filter(passes).cloned().collect();
    found.sort_by_key(|summary| {
        (summary.ended.is_some(), summary.life.map(|life| life.expiry), summary.name.clone())
    });
    Ok((ledger, found))
}

/// Everything that happened to an environment, or to the store, in order.
///
/// # Errors
/// [`OpError::NoEnvironment`], [`OpError::Store`].
pub async fn history(context: &Context, name: Option<&str>) -> Result<Vec<Recorded>, OpError> {
    let environment = match name {
        None => None,
        Some(name) => Some(anyone(context, name).await?),
    };
    let query = HistoryQuery { environment, ..HistoryQuery::default() };
    Ok(context.store.history(query).await?)
}

/// The environment of this name, the last one that ended where none lives.
async fn anyone(context: &Context, name: &str) -> Result<crate::model::id::EnvironmentId, OpError> {
    let ledger = context.ledger().await?;
    match find(&ledger, name) {
        Ok(summary) => Ok(summary.id),
        Err(error) => {
            let ended = ledger.environments.values().filter(|summary| summary.name == name);
            let last = ended.max_by_key(|summary| summary.ended);
            last.map(|summary| summary.id).ok_or(error)
        }
    }
}

/// An environment whole, the last one of its name where none lives.
///
/// # Errors
/// [`OpError::NoEnvironment`], [`OpError::Store`].
pub async fn show(context: &Context, name: &str) -> Result<Snapshot, OpError> {
    let id = anyone(context, name).await?;
    let snapshot = context.store.snapshot(id).await?;
    snapshot.ok_or_else(|| OpError::Bug(format!("{name} has no snapshot")))
}

/// The graph of an environment's blueprint, in Graphviz's language.
///
/// # Errors
/// [`OpError`].
pub async fn graph(context: &Context, name: &str) -> Result<String, OpError> {
    let known = show(context, name).await?;
    let settled = ask::recorded(&known.record, &context.sealer)?;
    let graph: &Dag<_> = &settled.source.resolved.graph;
    Ok(graph.dot(ToString::to_string))
}
