//! `gov import`, `gov forget`, `gov unlock`, `gov state mv`.

use serde_json::json;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::render;
use crate::model::address::Address;
use crate::model::id::LeaseId;
use crate::ops::OpError;
use crate::ops::books;

/// `gov import`.
pub async fn import(
    session: &Session<'_>,
    name: &str,
    address: &Address,
    id: &str,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let done = books::import(&opened.context, name, address, id).await;
    session.close(&opened);
    done?;
    let text = format!(
        "{address} is in the books of {name} now; `gov plan {name}` shows how it differs.\n"
    );
    let body = json!({ "environment": name, "address": address, "id": id });
    Ok(Answer::done(text, render::document("imported", body)))
}

/// `gov forget`.
pub async fn forget(
    session: &Session<'_>,
    name: &str,
    address: &Address,
    reason: &str,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let done = books::forget(&opened.context, name, address, reason).await;
    session.close(&opened);
    done?;
    let text = format!(
        "{address} is out of the books of {name}. Whatever exists of it is governed by nobody.\n"
    );
    let body = json!({ "environment": name, "address": address });
    Ok(Answer::done(text, render::document("forgotten", body)))
}

/// `gov state mv`.
pub async fn rename(
    session: &Session<'_>,
    name: &str,
    from: &Address,
    to: &Address,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let done = books::rename(&opened.context, name, from, to).await;
    session.close(&opened);
    done?;
    let body = json!({ "environment": name, "from": from, "to": to });
    Ok(Answer::done(format!("{from} is {to} now.\n"), render::document("moved", body)))
}

/// `gov unlock`.
pub async fn unlock(
    session: &Session<'_>,
    name: &str,
    lease: LeaseId,
    reason: &str,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let done = books::unlock(&opened.context, name, lease, reason).await;
    session.close(&opened);
    done?;
    let text = format!("{name} is free. Whoever held it writes nothing more.\n");
    let body = json!({ "environment": name, "lease": lease });
    Ok(Answer::done(text, render::document("unlocked", body)))
}
