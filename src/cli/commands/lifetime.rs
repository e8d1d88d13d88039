//! `gov extend`, `gov expire`.

use serde_json::json;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::render;
use crate::cli::render::time;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Term;
use crate::model::lifetime::Timestamp;
use crate::ops::OpError;
use crate::ops::lifetime;
use crate::ops::lifetime::Moved;

/// `gov extend`.
pub async fn extend(
    session: &Session<'_>,
    name: &str,
    by: Option<Duration>,
    until: Option<Timestamp>,
    reason: &str,
) -> Result<Answer, OpError> {
    let term = match (by, until) {
        (Some(by), _) => Term::For(by),
        (None, Some(until)) => Term::Until(until),
        (None, None) => return Err(OpError::Usage("say --by or --until".to_owned())),
    };
    let opened = session.open(false).await?;
    let moved = lifetime::extend(&opened.context, name, term, reason).await;
    session.close(&opened);
    let moved = moved?;
    let text = format!(
        "{name} now expires at {} (before: {}), {}.\n\
         Whole life left to grant: {}. Added cost: {}.\n",
        time::instant(moved.to.expiry),
        time::instant(moved.from.expiry),
        time::relative(session.now(), moved.to.expiry),
        moved.left,
        render::cost::text(&moved.added),
    );
    Ok(Answer::done(text, document("extended", &moved)))
}

/// `gov expire`.
pub async fn expire(session: &Session<'_>, name: &str, reason: &str) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let moved = lifetime::expire(&opened.context, name, reason).await;
    session.close(&opened);
    let moved = moved?;
    let text = format!(
        "{name} expired now (before: {}). `gov reap` takes it down when its grace is over.\n",
        time::instant(moved.from.expiry),
    );
    Ok(Answer::done(text, document("expired", &moved)))
}

fn document(kind: &str, moved: &Moved) -> serde_json::Value {
    render::document(
        kind,
        json!({
            "environment": moved.name,
            "from": moved.from.expiry,
            "to": moved.to.expiry,
            "life_left": moved.left,
            "added_cost": render::cost::json(&moved.added),
        }),
    )
}
