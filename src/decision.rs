//! The gate: the one place where a decision is made, and the only maker of [`Admitted`].
//!
//! Findings of policy and cost are folded into one answer: deny, then needs approval, then allow.
//! INVARIANT (only the admitted act): the engine takes a run alone, a run comes of an [`Admitted`]
//! alone, and nothing but [`admit`] and [`readmit`] makes one.

use std::collections::BTreeSet;

use crate::model::cost::Quote;
use crate::model::decision::Decision;
use crate::model::decision::Finding;
use crate::model::decision::Outcome;
use crate::model::decision::Rationale;
use crate::model::decision::Severity;
use crate::model::decision::Subject;
use crate::model::digest::CanonicalError;
use crate::model::plan::Plan;
use crate::policy::checks;
use crate::policy::checks::Question;

/// The consent of the present human, given at a terminal.
pub const CONSENT_HUMAN: &str = "human";

/// Judges a question, with the consents that were given.
///
/// # Errors
/// [`CanonicalError`], which is a bug.
pub fn judge(
    question: &Question<'_>,
    subject: Subject,
    rationale: &Rationale,
    consents: &BTreeSet<String>,
) -> Result<Decision, CanonicalError> {
    let findings = checks::review(question);
    let outcome = findings.iter().map(|f| effect(f, consents)).max().unwrap_or(Outcome::Allow);
    let needed = findings.iter().any(|finding| finding.severity == Severity::NeedsHuman);
    Ok(Decision {
        subject,
        act: question.act,
        outcome,
        findings,
        policy: question.trust.digest()?,
        rationale: rationale.clone(),
        // A consent that nothing asked for is no part of the record.
        consents: if needed { consents.clone() } else { BTreeSet::new() },
    })
}

fn effect(finding: &Finding, consents: &BTreeSet<String>) -> Outcome {
    match finding.severity {
        Severity::Advisory => Outcome::Allow,
        Severity::NeedsHuman if consents.contains(CONSENT_HUMAN) => Outcome::Allow,
        Severity::NeedsHuman | Severity::NeedsApproval => Outcome::NeedsApproval,
        Severity::Deny => Outcome::Deny,
    }
}

/// A plan with the grant that lets it run. It becomes a run by one append to the journal.
#[derive(Debug)]
pub struct Admitted {
    plan: Plan,
    quote: Quote,
    decision: Decision,
}

impl Admitted {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it costs.
    #[must_use]
    pub fn quote(&self) -> &Quote {
        &self.quote
    }

    /// On what decision.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

/// Admits a plan that the decision allows.
///
/// # Errors
/// The decision, where it does not.
pub fn admit(plan: Plan, quote: Quote, decision: Decision) -> Result<Admitted, Box<Decision>> {
    if decision.outcome == Outcome::Allow {
        Ok(Admitted { plan, quote, decision })
    } else {
        Err(Box::new(decision))
    }
}

/// The right to go on with a run that was opened before.
#[derive(Debug)]
pub struct Readmitted(());

/// Readmits an interrupted run: what was admitted is judged again, as of now.
///
/// # Errors
/// The decision, where it does not hold any more.
pub fn readmit(decision: Decision) -> Result<Readmitted, Box<Decision>> {
    if decision.outcome == Outcome::Allow { Ok(Readmitted(())) } else { Err(Box::new(decision)) }
}

/// Judges one step just before its call, on its final values, as of now: only what those values
/// and the passing of time can have changed.
///
/// # Errors
/// Why it must not begin.
pub fn judge_step(question: &Question<'_>) -> Result<(), Box<Finding>> {
    /// Rules that look at what final values or time can change. The others were answered when
    /// the run was admitted, and their answers cannot have changed within it.
    const AT_STEP: &[&str] = &["freeze", "expired", "region", "integration"];
    let against = checks::review(question).into_iter().find(|finding| {
        finding.severity == Severity::Deny && AT_STEP.contains(&finding.rule.as_str())
    });
    against.map_or(Ok(()), |finding| Err(Box::new(finding)))
}
