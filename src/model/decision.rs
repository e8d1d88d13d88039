//! Decisions: the gate's answer with its reasons. Making one is floor 3's work.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::address::Address;
use crate::model::cost::Cost;
use crate::model::digest::Digest;
use crate::model::id::EnvironmentId;

/// What was asked for. Each verb is an act of its own for policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Bring an environment to what its blueprint says.
    Apply,
    /// Take everything down.
    Destroy,
    /// Take an expired environment down.
    Reap,
    /// Undo drift.
    Remediate,
    /// Give more life.
    Extend,
    /// End the life now.
    Expire,
    /// Stop everything.
    Freeze,
    /// Let things go on.
    Unfreeze,
    /// Take an existing object in.
    Import,
    /// Drop an object from the books.
    Forget,
    /// Break a lease.
    Unlock,
    /// Rename a resource in the books.
    Move,
    /// Take observed drift as intended.
    AcceptDrift,
    /// Find out what became of an interrupted run, and close it.
    Settle,
}

impl Act {
    /// The name used in policy, JSON and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Reap => "reap",
            Self::Remediate => "remediate",
            Self::Extend => "extend",
            Self::Expire => "expire",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Import => "import",
            Self::Forget => "forget",
            Self::Unlock => "unlock",
            Self::Move => "move",
            Self::AcceptDrift => "accept-drift",
            Self::Settle => "settle",
        }
    }
}

/// What a finding does to the outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Said, and nothing more.
    Advisory,
    /// Somebody else must approve.
    NeedsApproval,
    /// The asker must prove to be a present human.
    NeedsHuman,
    /// Refused.
    Deny,
}

/// Which exit code a refusal has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// A rule or a limit: 3.
    Policy,
    /// Money: over budget, or no price: 7.
    Money,
}

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id, stable for scripts.
    pub rule: String,
    /// What it does to the outcome.
    pub severity: Severity,
    /// What kind of refusal it is.
    pub ground: Ground,
    /// The resource it is about, where it is about one.
    pub address: Option<Address>,
    /// What is so, in a sentence.
    pub message: String,
    /// The way out, in a sentence.
    pub fix: String,
    /// Who owns the rule: `owner`, `finance`, `security`, `compliance` or `engineering`.
    pub asks: String,
    /// Whether asking again later may help without changing anything.
    pub retryable: bool,
}

/// The gate's answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Go.
    Allow,
    /// Go when somebody has consented.
    NeedsApproval,
    /// Do not go.
    Deny,
}

/// What the asker says of their reasons. Claims.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rationale {
    /// What the act is to achieve.
    pub objective: Option<String>,
    /// Why this way.
    pub because: Option<String>,
    /// What else was considered.
    pub considered: Vec<String>,
    /// The change ticket.
    pub ticket: Option<String>,
}

/// What a decision is about, so that it can be read alone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Subject {
    /// The environment, where it is about one.
    pub environment: Option<EnvironmentId>,
    /// Its name; empty for the whole store.
    pub name: String,
    /// The digest of what the plan would do, where there is one.
    pub intent: Option<Digest>,
    /// What the environment would cost in a month, where that is known.
    pub cost: Option<Cost>,
}

/// A decision with its reasons, as it is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// What it is about.
    pub subject: Subject,
    /// What was asked.
    pub act: Act,
    /// The answer.
    pub outcome: Outcome,
    /// The reasons, worst first, then by rule and address.
    pub findings: Vec<Finding>,
    /// The policy it was made under.
    pub policy: Digest,
    /// What the asker said.
    pub rationale: Rationale,
    /// Kinds of consent that were given: `human`, or ids of approvals.
    pub consents: BTreeSet<String>,
}
