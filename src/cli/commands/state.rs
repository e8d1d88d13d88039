//! `gov state list|show|verify|rebuild|export`.

use serde_json::json;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::model::address::Address;
use crate::ops::OpError;
use crate::ops::inspect;
use crate::state::local;
use crate::state::local::LocalOptions;

/// `gov state list`.
pub async fn list(session: &Session<'_>, name: &str) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let snapshot = inspect::show(&opened.context, name).await?;
    session.close(&opened);
    let addresses: Vec<String> = snapshot.resources.keys().map(ToString::to_string).collect();
    let text: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    let body = json!({ "environment": name, "resources": addresses });
    Ok(Answer::done(text, render::document("resources", body)))
}

/// `gov state show`.
pub async fn show(session: &Session<'_>, name: &str, address: &Address) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let snapshot = inspect::show(&opened.context, name).await?;
    session.close(&opened);
    let Some(record) = snapshot.resources.get(address) else {
        return Err(OpError::Usage(format!("{name} has no resource {address}")));
    };
    let value = record.object.as_ref().map(|object| object.value.to_plain_json());
    let body = json!({
        "environment": name,
        "address": address,
        "provider": record.source,
        "marker": record.marker,
        "made_after": record.dependencies,
        "tainted": record.object.as_ref().is_some_and(|object| object.tainted),
        "put_aside": record.deposed.len(),
        "attributes": value,
    });
    Ok(Answer::done(format!("{body:#}\n"), render::document("resource", body)))
}

fn options(session: &Session<'_>) -> LocalOptions {
    LocalOptions::new(session.operation.clone(), session.now())
}

/// `gov state verify`.
pub fn verify(session: &Session<'_>) -> Result<Answer, OpError> {
    let report = local::verify(&session.config.data_dir, &options(session))?;
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!("{finding}\n"));
    }
    for unchecked in &report.unchecked {
        text.push_str(&format!("{unchecked}\n"));
    }
    let sound = report.findings.is_empty();
    text.push_str(&format!(
        "{} frames, {} events, {} environments: {}\n",
        report.frames,
        report.events,
        report.environments,
        if sound { "everything agrees" } else { "NOT SOUND; nothing was changed" }
    ));
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let body = json!({
        "frames": report.frames,
        "events": report.events,
        "environments": report.environments,
        "violations": findings,
        "unchecked": report.unchecked,
    });
    let exit = if sound { Exit::Done } else { Exit::Error };
    Ok(Answer::ended(exit, text, render::document("verified", body)))
}

/// `gov state rebuild`.
pub fn rebuild(session: &Session<'_>) -> Result<Answer, OpError> {
    let notices = local::rebuild(&session.config.data_dir, options(session))?;
    let mut text: String = notices.iter().map(|notice| format!("{notice}\n")).collect();
    text.push_str("The index is made anew from the journal.\n");
    Ok(Answer::done(text, render::document("rebuilt", json!({ "notices": notices }))))
}

/// `gov state export`.
pub fn export(session: &Session<'_>) -> Result<Answer, OpError> {
    let mut bytes = Vec::new();
    let events = local::export(&session.config.data_dir, &mut bytes)?;
    let text =
        String::from_utf8(bytes).map_err(|_| OpError::Bug("the journal is no text".into()))?;
    let document = render::document("exported", json!({ "events": events }));
    Ok(Answer::done(text, document).raw())
}
