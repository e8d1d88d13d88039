//! `gov list`, `show`, `why`, `history`, `output`, `graph`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::commands::apply::read_plan;
use crate::cli::context::own_name;
use crate::cli::render;
use crate::cli::render::list::Listing;
use crate::cli::render::plan::Proposed;
use crate::cli::render::show::Shown;
use crate::cli::render::why::Asked;
use crate::model::id::EnvironmentId;
use crate::model::lifetime::Duration;
use crate::model::schema::nearest;
use crate::ops::OpError;
use crate::ops::inspect;
use crate::ops::inspect::Filter;
use crate::state::Store as _;

/// What `gov list` is asked for.
pub struct Wanted {
    /// Only those owned by whoever asks.
    pub mine: bool,
    /// Only of this team.
    pub team: Option<String>,
    /// Only those that expire within this.
    pub expiring: Option<Duration>,
    /// Only with this word in their purpose.
    pub purpose: Option<String>,
    /// Those that have ended, too.
    pub all: bool,
}

/// `gov list`.
pub async fn list(session: &Session<'_>, wanted: Wanted) -> Result<Answer, OpError> {
    let filtered = wanted.mine
        || wanted.team.is_some()
        || wanted.expiring.is_some()
        || wanted.purpose.is_some();
    let usual = session.config.convenience.defaults.owner.clone();
    let filter = Filter {
        owner: wanted.mine.then(|| usual.or_else(own_name)).flatten(),
        team: wanted.team,
        expiring: wanted.expiring,
        purpose: wanted.purpose,
        all: wanted.all,
    };
    let opened = session.open(true).await?;
    let (ledger, found) = inspect::list(&opened.context, &filter).await?;
    session.close(&opened);
    let location = opened.store.location();
    let listing = Listing {
        ledger: &ledger,
        rows: found.iter().collect(),
        filtered,
        location: &location,
        may_wake: &*opened.context.may_wake,
        now: session.now(),
    };
    let text = render::list::text(&session.ui.screen(), &listing);
    Ok(Answer::done(text, render::list::json(&listing)))
}

/// `gov show`.
pub async fn show(
    session: &Session<'_>,
    name: Option<&str>,
    plan: Option<&Path>,
) -> Result<Answer, OpError> {
    if let Some(path) = plan {
        let (plan, quote) = read_plan(session, path)?;
        let proposed = Proposed {
            plan: &plan,
            quote: &quote,
            decision: None,
            life: None,
            before: None,
            now: session.now(),
        };
        let text = render::plan::text(&session.ui.screen(), &proposed);
        return Ok(Answer::done(text, render::plan::json(&proposed)));
    }
    let name = name.unwrap_or_default();
    let opened = session.open(false).await?;
    let snapshot = inspect::show(&opened.context, name).await?;
    let ledger = opened.context.ledger().await?;
    session.close(&opened);
    let summary = ledger.environments.get(&snapshot.id);
    let shown = Shown {
        snapshot: &snapshot,
        cost: summary.and_then(|summary| summary.cost.as_ref()),
        frozen: ledger.frozen(snapshot.id),
        may_wake: snapshot
            .lease
            .as_ref()
            .is_some_and(|held| (opened.context.may_wake)(&held.holder)),
        now: session.now(),
    };
    let text = render::show::text(&session.ui.screen(), &shown);
    Ok(Answer::done(text, render::show::json(&shown)))
}

/// `gov why`.
pub async fn why(session: &Session<'_>, name: &str) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let snapshot = inspect::show(&opened.context, name).await?;
    let events = inspect::history(&opened.context, Some(name)).await?;
    let ledger = opened.context.ledger().await?;
    session.close(&opened);
    let summary = ledger.environments.get(&snapshot.id);
    let asked = Asked {
        snapshot: &snapshot,
        cost: summary.and_then(|summary| summary.cost.as_ref()),
        events: &events,
        answerable: &opened.context.trust.owners,
        now: session.now(),
    };
    let text = render::why::text(&session.ui.screen(), &asked);
    Ok(Answer::done(text, render::why::json(&asked)))
}

/// `gov history`.
pub async fn history(session: &Session<'_>, name: Option<&str>) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let events = inspect::history(&opened.context, name).await?;
    let ledger = opened.context.ledger().await?;
    session.close(&opened);
    let names: BTreeMap<EnvironmentId, String> =
        ledger.environments.values().map(|s| (s.id, s.name.clone())).collect();
    let names = name.is_none().then_some(&names);
    let text = render::history::text(&session.ui.screen(), &events, names);
    Ok(Answer::done(text, render::history::json(&events)))
}

/// `gov output`. An output asked for by its name is printed even where it is sensitive: asking for
/// it alone is the deliberate act.
pub async fn output(
    session: &Session<'_>,
    name: &str,
    output: Option<&str>,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let snapshot = opened.context.environment(name).await?;
    let sealer = opened.context.sealer.clone();
    session.close(&opened);
    let json = render::output::json(name, &snapshot.outputs);
    let Some(output) = output else {
        let text = render::output::text(&session.ui.screen(), name, &snapshot.outputs);
        return Ok(Answer::done(text, json));
    };
    let Some(value) = snapshot.outputs.get(output) else {
        let near = nearest(output, snapshot.outputs.keys().map(String::as_str));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(OpError::Usage(format!("{name} has no output {output}{hint}")));
    };
    let live = sealer.open(value)?.unmarked();
    let plain = sealer.seal(&live)?;
    let raw = !session.ui.is_terminal();
    let text = render::output::one(&plain, raw);
    let json = render::document(
        "output",
        serde_json::json!({
            "environment": name, "name": output, "value": plain.to_plain_json(),
        }),
    );
    let answer = Answer::done(text, json);
    Ok(if raw { answer.raw() } else { answer })
}

/// `gov graph`.
pub async fn graph(session: &Session<'_>, name: &str) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let dot = inspect::graph(&opened.context, name).await?;
    session.close(&opened);
    let json = render::document("graph", serde_json::json!({ "environment": name, "dot": dot }));
    Ok(Answer::done(dot, json))
}
