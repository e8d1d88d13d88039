//! `gov freeze`, `gov unfreeze`.

use serde_json::json;

use crate::cli::commands::Answer;
use crate::cli::commands::Session;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::ops::OpError;
use crate::ops::freeze;
use crate::ops::freeze::Report;

/// `gov freeze`.
pub async fn freeze(
    session: &Session<'_>,
    name: Option<&str>,
    reason: &str,
) -> Result<Answer, OpError> {
    let opened = session.open(true).await?;
    let report = freeze::freeze(&opened.context, name, reason).await;
    session.close(&opened);
    let report = report?;
    let mut text = format!("Frozen: {}. Nothing starts there any more.\n", report.scope);
    if report.stopped.is_empty() {
        text.push_str("Nothing was running.\n");
    }
    let mut running = false;
    for stopped in &report.stopped {
        let holder = &stopped.holder;
        let count = stopped.in_flight.len();
        let how = if stopped.ended {
            "stopped".to_owned()
        } else {
            running = true;
            let still: Vec<String> = stopped.still.iter().map(ToString::to_string).collect();
            format!("still seeing to its end: {}", still.join(", "))
        };
        text.push_str(&format!(
            "{}: {} (pid {}): {count} under way when the freeze came; {how}.\n",
            stopped.environment, holder.operation, holder.pid
        ));
        for (address, how) in &stopped.outcomes {
            text.push_str(&format!("  {address}: {how}\n"));
        }
    }
    let exit = if running { Exit::Partial } else { Exit::Done };
    Ok(Answer::ended(exit, text, document("frozen", &report)))
}

/// `gov unfreeze`.
pub async fn unfreeze(
    session: &Session<'_>,
    name: Option<&str>,
    reason: &str,
) -> Result<Answer, OpError> {
    let opened = session.open(false).await?;
    let report = freeze::unfreeze(&opened.context, name, reason).await;
    session.close(&opened);
    let report = report?;
    let text = format!("Not frozen any more: {}.\n", report.scope);
    Ok(Answer::done(text, document("unfrozen", &report)))
}

fn document(kind: &str, report: &Report) -> serde_json::Value {
    let stopped: Vec<serde_json::Value> = report
        .stopped
        .iter()
        .map(|one| {
            json!({
                "environment": one.environment,
                "operation": one.holder.operation,
                "pid": one.holder.pid,
                "since": one.since,
                "in_flight": one.in_flight,
                "still_in_flight": one.still,
                "outcomes": one.outcomes,
                "ended": one.ended,
            })
        })
        .collect();
    let body = json!({ "scope": report.scope, "changed": report.changed, "stopped": stopped });
    render::document(kind, body)
}
