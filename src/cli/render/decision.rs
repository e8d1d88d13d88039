//! Decisions: the gate's answer, its reasons and the way out of each.

use serde_json::Value as Json;
use serde_json::json;

use super::page::Page;
use super::text::Hue;
use super::text::clean;
use crate::cli::exit;
use crate::model::decision::Decision;
use crate::model::decision::Finding;
use crate::model::decision::Outcome;
use crate::model::decision::Severity;

/// The answer in a word.
#[must_use]
pub fn outcome(decision: &Decision) -> &'static str {
    match decision.outcome {
        Outcome::Allow => "allowed",
        Outcome::NeedsApproval => "needs consent",
        Outcome::Deny => "denied",
    }
}

fn outcome_hue(outcome: Outcome) -> Hue {
    match outcome {
        Outcome::Allow => Hue::Good,
        Outcome::NeedsApproval => Hue::Warn,
        Outcome::Deny => Hue::Bad,
    }
}

fn severity(severity: Severity) -> (&'static str, Hue) {
    match severity {
        Severity::Advisory => ("note", Hue::Calm),
        Severity::NeedsApproval => ("needs approval", Hue::Warn),
        Severity::NeedsHuman => ("needs a human", Hue::Warn),
        Severity::Deny => ("denied", Hue::Bad),
    }
}

/// The section of a plan on what the gate says, or a decision by itself.
pub fn section(page: &mut Page<'_>, decision: &Decision) {
    page.gap();
    let hue = outcome_hue(decision.outcome);
    let screen = page.screen();
    let answer = screen.paint(hue, outcome(decision));
    page.line(&format!("{} {answer}", screen.paint(Hue::Strong, "Decision:")));
    findings(page, decision);
    if !decision.consents.is_empty() {
        let given: Vec<String> = decision.consents.iter().map(|consent| clean(consent)).collect();
        page.pair("consents", &given.join(", "));
    }
    rationale(page, decision);
}

/// The reasons, worst first, each with its way out.
pub fn findings(page: &mut Page<'_>, decision: &Decision) {
    for finding in &decision.findings {
        let place = finding.address.as_ref().map(|address| format!("{address}: "));
        let text = format!(
            "[{}] {}{}",
            clean(&finding.rule),
            clean(&place.unwrap_or_default()),
            clean(&finding.message)
        );
        page.item(2, severity(finding.severity), &text);
        if !finding.fix.is_empty() {
            page.item(6, ("fix:", Hue::Faint), &clean(&finding.fix));
        }
        let asks = clean(&finding.asks);
        match (asks.is_empty(), finding.retryable) {
            (true, false) => {}
            (true, true) => page.prose(6, "Asking again later may help."),
            (false, false) => page.prose(6, &format!("This rule is {asks}'s.")),
            (false, true) => {
                page.prose(6, &format!("This rule is {asks}'s. Asking again later may help."));
            }
        }
    }
}

/// What the asker said of their reasons, where they did.
pub fn rationale(page: &mut Page<'_>, decision: &Decision) {
    let said = &decision.rationale;
    page.pair_if("objective", said.objective.as_deref().map(clean));
    page.pair_if("because", said.because.as_deref().map(clean));
    for other in &said.considered {
        page.pair("considered", &clean(other));
    }
    page.pair_if("ticket", said.ticket.as_deref().map(clean));
}

/// A decision as JSON; each reason with the exit code that it would have alone.
#[must_use]
pub fn json(decision: &Decision) -> Json {
    let exit = exit::of_decision(decision);
    json!({
        "act": decision.act.name(),
        "outcome": match decision.outcome {
            Outcome::Allow => "allow",
            Outcome::NeedsApproval => "needs_approval",
            Outcome::Deny => "deny",
        },
        "code": exit.code(),
        "findings": decision.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "policy": decision.policy.to_string(),
        "rationale": {
            "objective": decision.rationale.objective,
            "because": decision.rationale.because,
            "considered": decision.rationale.considered,
            "ticket": decision.rationale.ticket,
        },
        "consents": decision.consents,
    })
}

/// One reason as JSON.
#[must_use]
pub fn finding_json(finding: &Finding) -> Json {
    json!({
        "rule": finding.rule,
        "severity": match finding.severity {
            Severity::Advisory => "advisory",
            Severity::NeedsApproval => "needs_approval",
            Severity::NeedsHuman => "needs_human",
            Severity::Deny => "deny",
        },
        "code": exit::of_finding(finding).code(),
        "address": finding.address.as_ref().map(ToString::to_string),
        "message": finding.message,
        "fix": finding.fix,
        "asks": finding.asks,
        "retryable": finding.retryable,
    })
}
