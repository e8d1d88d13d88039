//! Exit codes: the one table, the same in every command.
//!
//! Scripts and merge gates rely on these numbers, so that a code never changes its meaning. Which
//! outcome has which code is decided here and nowhere else; the reference prints [`Exit::ALL`].

use crate::engine::machine::Ending;
use crate::engine::machine::StepEnd;
use crate::model::decision::Decision;
use crate::model::decision::Finding;
use crate::model::decision::Ground;
use crate::model::decision::Outcome;
use crate::model::decision::Severity;
use crate::model::lifetime::LifeError;
use crate::ops::OpError;
use crate::state::StoreError;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exit {
    /// Done, or allowed.
    Done,
    /// An error, or a wrong use of the command line.
    Error,
    /// There are changes; only where that was asked for.
    Changes,
    /// Refused by a rule or a limit.
    Denied,
    /// Somebody has to consent, or something is held.
    Pending,
    /// Something is not as recorded.
    Drift,
    /// Somebody else is at it.
    Locked,
    /// Over budget, or without a price.
    Money,
    /// Partly done, or an outcome that nobody knows.
    Partial,
    /// A bug in gov.
    Bug,
    /// Somebody interrupted.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of their codes: the reference.
    pub const ALL: &[Exit] = &[
        Self::Done,
        Self::Error,
        Self::Changes,
        Self::Denied,
        Self::Pending,
        Self::Drift,
        Self::Locked,
        Self::Money,
        Self::Partial,
        Self::Bug,
        Self::Interrupted,
    ];

    /// What counts most where several things happened, first to last. A bug makes everything else
    /// doubtful; after an interruption nobody has seen the rest, whatever was found until then.
    const PRECEDENCE: &[Exit] = &[
        Self::Bug,
        Self::Interrupted,
        Self::Error,
        Self::Locked,
        Self::Partial,
        Self::Denied,
        Self::Money,
        Self::Pending,
        Self::Drift,
        Self::Changes,
        Self::Done,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Denied => 3,
            Self::Pending => 4,
            Self::Drift => 5,
            Self::Locked => 6,
            Self::Money => 7,
            Self::Partial => 8,
            // As sysexits.h has it for an internal error.
            Self::Bug => 70,
            // As shells have it: 128 and the number of SIGINT.
            Self::Interrupted => 130,
        }
    }

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Error => "error",
            Self::Changes => "changes",
            Self::Denied => "denied",
            Self::Pending => "pending",
            Self::Drift => "drift",
            Self::Locked => "locked",
            Self::Money => "money",
            Self::Partial => "partial",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, in a sentence without a full stop.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or the plan is allowed",
            Self::Error => "an error, or the command line was used wrongly",
            Self::Changes => "there are changes; only with --detailed-exitcode",
            Self::Denied => "denied by policy, or beyond a limit",
            Self::Pending => "an approval is needed or pending, or something is held",
            Self::Drift => "something is not as recorded",
            Self::Locked => "locked by somebody else",
            Self::Money => "over budget, or something has no price",
            Self::Partial => "partly done, or an outcome is unknown; the same command goes on",
            Self::Bug => "a bug in gov",
            Self::Interrupted => "interrupted; the same command goes on",
        }
    }
}

/// The one that counts most; [`Exit::Done`] where there is none.
#[must_use]
pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| Exit::PRECEDENCE.iter().position(|other| other == exit);
    exits.into_iter().min_by_key(rank).unwrap_or(Exit::Done)
}

/// How a command ends that failed so.
#[must_use]
pub fn of_error(error: &OpError) -> Exit {
    match error {
        OpError::Refused(decision) => of_refusal(decision),
        OpError::Store(error) => of_store(error),
        OpError::Uncertain { .. } | OpError::BrokenOff { .. } => Exit::Partial,
        OpError::Interrupted => Exit::Interrupted,
        OpError::Bug(_) => Exit::Bug,
        OpError::Diagnostics(_)
        | OpError::NoEnvironment { .. }
        | OpError::Seal(_)
        | OpError::Money(_)
        | OpError::Usage(_)
        | OpError::Failed(_) => Exit::Error,
        OpError::Life(error) => of_life(*error),
    }
}

fn of_life(error: LifeError) -> Exit {
    match error {
        LifeError::GrantTooLong { .. } | LifeError::LifeTooLong { .. } | LifeError::Over { .. } => {
            Exit::Denied
        }
        // No limit is in the way: what was asked for makes no life longer.
        LifeError::NotLater { .. } => Exit::Error,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Held { .. } | StoreError::Busy(_) | StoreError::Fenced { .. } => Exit::Locked,
        StoreError::Illegal(_) => Exit::Bug,
        StoreError::Moved { .. } | StoreError::Damaged(_) | StoreError::Unavailable(_) => {
            Exit::Error
        }
    }
}

/// What the gate's answer means for a command that only asks.
#[must_use]
pub fn of_decision(decision: &Decision) -> Exit {
    match decision.outcome {
        Outcome::Allow => Exit::Done,
        Outcome::NeedsApproval | Outcome::Deny => of_refusal(decision),
    }
}

/// What a refusal means. Only where it is about money alone is it not about policy.
fn of_refusal(decision: &Decision) -> Exit {
    let denials = decision.findings.iter().filter(|finding| finding.severity == Severity::Deny);
    let reasons: Vec<Exit> = denials.map(of_finding).collect();
    match (reasons.is_empty(), decision.outcome) {
        (false, _) => worst(reasons),
        (true, Outcome::Deny) => Exit::Denied,
        (true, Outcome::Allow | Outcome::NeedsApproval) => Exit::Pending,
    }
}

/// What one reason would mean if it were the only one.
#[must_use]
pub fn of_finding(finding: &Finding) -> Exit {
    match (finding.severity, finding.ground) {
        (Severity::Deny, Ground::Money) => Exit::Money,
        (Severity::Deny, Ground::Policy) => Exit::Denied,
        (Severity::NeedsApproval | Severity::NeedsHuman, _) => Exit::Pending,
        (Severity::Advisory, _) => Exit::Done,
    }
}

/// How carrying out a plan ended; `held` where something is kept that was to go.
#[must_use]
pub fn of_ending(ending: &Ending, held: bool) -> Exit {
    let not_done = ending.steps.iter().any(|(_, _, end)| *end != StepEnd::Succeeded);
    match (ending.outcome, &ending.stopped) {
        // Only an interrupted run stays open.
        (None, _) => Exit::Interrupted,
        (Some(_), Some(_)) => Exit::Partial,
        (Some(_), None) if not_done => Exit::Partial,
        (Some(_), None) if held => Exit::Pending,
        (Some(_), None) => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Exit;
    use super::of_decision;
    use super::of_ending;
    use super::of_error;
    use super::worst;
    use crate::diagnostic::Code;
    use crate::diagnostic::Diagnostic;
    use crate::diagnostic::Diagnostics;
    use crate::engine::machine::Ending;
    use crate::engine::machine::StepEnd;
    use crate::model::decision::Act;
    use crate::model::decision::Decision;
    use crate::model::decision::Finding;
    use crate::model::decision::Ground;
    use crate::model::decision::Outcome;
    use crate::model::decision::Rationale;
    use crate::model::decision::Severity;
    use crate::model::digest::Digest;
    use crate::model::event::Holder;
    use crate::model::event::RunOutcome;
    use crate::model::id::LeaseId;
    use crate::model::id::Ulid;
    use crate::model::lifetime::Duration;
    use crate::model::lifetime::LifeError;
    use crate::model::lifetime::Timestamp;
    use crate::model::money::MoneyError;
    use crate::model::plan::StepAction;
    use crate::ops::OpError;
    use crate::state::StoreError;
    use crate::state::Stream;
    use crate::state::seal::SealError;

    fn decision(outcome: Outcome, findings: &[(Severity, Ground)]) -> Decision {
        let finding = |(severity, ground): &(Severity, Ground)| Finding {
            rule: "rule".into(),
            severity: *severity,
            ground: *ground,
            address: None,
            message: String::new(),
            fix: String::new(),
            asks: String::new(),
            retryable: false,
        };
        Decision {
            subject: crate::model::decision::Subject::default(),
            act: Act::Apply,
            outcome,
            findings: findings.iter().map(finding).collect(),
            policy: Digest::from_bytes([0; 32]),
            rationale: Rationale::default(),
            consents: BTreeSet::new(),
        }
    }

    fn held() -> StoreError {
        let holder = Holder {
            actor: "ann".into(),
            operation: "gov apply".into(),
            host: "here".into(),
            boot: String::new(),
            pid: 1,
            pid_start: 1,
        };
        let lease = LeaseId(Ulid::new(Timestamp::from_millis(0), 0));
        StoreError::Held { holder: Box::new(holder), since: Timestamp::from_millis(0), lease }
    }

    #[test]
    fn the_table_is_complete_and_no_code_is_used_twice() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130]);
        let names: BTreeSet<&str> = Exit::ALL.iter().map(|exit| exit.name()).collect();
        assert_eq!(names.len(), Exit::ALL.len());
        assert!(Exit::ALL.iter().all(|exit| !exit.meaning().is_empty()));
        assert_eq!(Exit::PRECEDENCE.len(), Exit::ALL.len());
    }

    #[test]
    fn of_several_the_first_in_precedence_counts() {
        let order = [70, 130, 1, 6, 8, 3, 7, 4, 5, 2, 0];
        let of = |code: u8| *Exit::ALL.iter().find(|exit| exit.code() == code).unwrap();
        for (position, code) in order.iter().enumerate() {
            let rest = order[position..].iter().rev();
            assert_eq!(worst(rest.map(|code| of(*code))).code(), *code);
        }
        assert_eq!(worst([]), Exit::Done);
    }

    #[test]
    fn refusals_tell_money_from_policy_from_approval() {
        use Ground::Money;
        use Ground::Policy;
        use Severity::Advisory;
        use Severity::Deny;
        use Severity::NeedsApproval;
        use Severity::NeedsHuman;
        type Row<'a> = (Outcome, &'a [(Severity, Ground)], Exit);
        let rows: &[Row<'_>] = &[
            (Outcome::Allow, &[(Advisory, Policy)], Exit::Done),
            (Outcome::Deny, &[(Deny, Money)], Exit::Money),
            (Outcome::Deny, &[(Deny, Money), (Deny, Policy)], Exit::Denied),
            (Outcome::Deny, &[(Deny, Money), (NeedsHuman, Policy)], Exit::Money),
            (Outcome::Deny, &[], Exit::Denied),
            (Outcome::NeedsApproval, &[(NeedsApproval, Policy)], Exit::Pending),
            (Outcome::NeedsApproval, &[(NeedsHuman, Money)], Exit::Pending),
        ];
        for (outcome, findings, exit) in rows {
            let decision = decision(*outcome, findings);
            assert_eq!(of_decision(&decision), *exit, "{findings:?}");
            if *outcome != Outcome::Allow {
                assert_eq!(of_error(&OpError::Refused(Box::new(decision))), *exit);
            }
        }
    }

    #[test]
    fn every_error_has_its_code() {
        let (stream, epoch) = (Stream::Freeze, Timestamp::from_millis(0));
        let life = LifeError::GrantTooLong { asked: Duration::ZERO, max: Duration::ZERO };
        let rows: Vec<(OpError, u8)> = vec![
            (Diagnostics::from(Diagnostic::error(Code::TomlSyntax, "x")).into(), 1),
            (OpError::NoEnvironment { name: "a".into(), near: None, ended: None }, 1),
            (StoreError::Moved { stream, expected: 1, actual: 2 }.into(), 1),
            (StoreError::Fenced { by: "bob".into() }.into(), 6),
            (held().into(), 6),
            (StoreError::Busy("x".into()).into(), 6),
            (StoreError::Damaged("x".into()).into(), 1),
            (StoreError::Unavailable("x".into()).into(), 1),
            (StoreError::Illegal("x".into()).into(), 70),
            (SealError::WrongKey.into(), 1),
            (life.into(), 3),
            (LifeError::NotLater { asked: epoch, bound: epoch }.into(), 1),
            (MoneyError::TooLarge.into(), 1),
            (OpError::Uncertain { name: "a".into(), addresses: BTreeSet::new() }, 8),
            (OpError::BrokenOff { message: "x".into(), in_flight: Vec::new() }, 8),
            (OpError::Interrupted, 130),
            (OpError::Usage("x".into()), 1),
            (OpError::Failed("x".into()), 1),
            (OpError::Bug("x".into()), 70),
        ];
        for (error, code) in rows {
            assert_eq!(of_error(&error).code(), code, "{error}");
        }
    }

    #[test]
    fn endings_have_their_codes() {
        let ending = |outcome, end: StepEnd, stopped: Option<&str>| Ending {
            outcome,
            steps: vec![("a.b".parse().unwrap(), StepAction::Create, end)],
            stopped: stopped.map(str::to_owned),
        };
        let done = ending(Some(RunOutcome::Done), StepEnd::Succeeded, None);
        assert_eq!(of_ending(&done, false), Exit::Done);
        assert_eq!(of_ending(&done, true), Exit::Pending);
        let partial = Some(RunOutcome::Partial);
        for end in [StepEnd::Failed("x".into()), StepEnd::Unknown("x".into()), StepEnd::NotBegun] {
            assert_eq!(of_ending(&ending(partial, end, None), true), Exit::Partial);
        }
        let stopped = ending(partial, StepEnd::Succeeded, Some("frozen"));
        assert_eq!(of_ending(&stopped, false), Exit::Partial);
        let interrupted = ending(None, StepEnd::NotBegun, Some("interrupted"));
        assert_eq!(of_ending(&interrupted, false), Exit::Interrupted);
    }
}
