//! Leases: who may act on an environment, and when somebody else may.
//!
//! Acquiring, taking over, giving back and breaking are events like any other; whether a holder
//! still lives is not. Here are the events and the judgement, for every store; how a machine knows
//! whether a holder lives is the store's business. Start with [`judge`] and [`take`].

use serde::Deserialize;
use serde::Serialize;

use crate::model::actor::Actor;
use crate::model::event::Draft;
use crate::model::event::Event;
use crate::model::event::Holder;
use crate::model::id::EnvironmentId;
use crate::model::id::LeaseId;
use crate::model::lifetime::Timestamp;
use crate::state::Batch;
use crate::state::Fence;
use crate::state::LeaseRequest;
use crate::state::Preconditions;
use crate::state::StoreError;
use crate::state::Stream;
use crate::state::summary::LeaseSummary;
use crate::state::summary::Ledger;

/// Bytes of a claim's text, whatever it says: so that it is overwritten in place, also on a full
/// disk.
pub const CLAIM_BYTES: usize = 1024;

/// What a holder says of itself beside its lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Its lease.
    pub lease: LeaseId,
    /// Its token.
    pub token: u64,
    /// The boot it runs under.
    pub boot: String,
    /// Its process.
    pub pid: u32,
    /// When that started, in clock ticks since the boot.
    pub pid_start: u64,
    /// The space its process id is counted in.
    pub pid_namespace: Option<String>,
    /// Until when it claims the lease, in milliseconds since the boot, time asleep included.
    pub until_ms: u64,
}

impl Claim {
    /// The claim as text of [`CLAIM_BYTES`] with a checksum; nothing where it does not fit.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        let json = serde_json::to_string(self).ok()?;
        let text = format!("{:08x} {json}", crc32fast::hash(json.as_bytes()));
        let width = CLAIM_BYTES - 1;
        (text.len() <= width).then(|| format!("{text:width$}\n"))
    }

    /// Reads a claim; nothing where the text is not whole.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (crc, json) = text.trim_end().split_once(' ')?;
        let whole = u32::from_str_radix(crc, 16).ok()? == crc32fast::hash(json.as_bytes());
        if whole { serde_json::from_str(json).ok() } else { None }
    }
}

/// What is known of a holder, and of the machine that asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence<'a> {
    /// The holder, as the journal names it.
    pub holder: &'a Holder,
    /// Whether its lock is held; nothing where there is no lock file.
    pub locked: Option<bool>,
    /// Its claim, where it can be read.
    pub claim: Option<&'a Claim>,
    /// This boot.
    pub boot: &'a str,
    /// Milliseconds since this boot.
    pub boottime_ms: u64,
    /// The space this process's ids are counted in.
    pub pid_namespace: Option<&'a str>,
    /// When the process of the holder's id started, as seen from here; nothing where there is none.
    pub pid_start: Option<u64>,
}

/// Whether a holder lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// It does.
    Alive,
    /// It exists, and has not renewed in time: stopped, or stuck.
    Overdue,
    /// It does not.
    Dead,
}

/// Judges whether a holder lives.
///
/// The lock decides, since the kernel lets go of it with the process. A process id says nothing
/// across containers, so it counts against a lock only where both count the same ids.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Liveness {
    let holder = evidence.holder;
    if holder.boot != evidence.boot {
        return Liveness::Dead;
    }
    match (evidence.locked, evidence.claim) {
        (Some(false), _) => Liveness::Dead,
        (None, _) if evidence.pid_start != Some(holder.pid_start) => Liveness::Dead,
        (None, _) | (Some(true), None) => Liveness::Alive,
        (Some(true), Some(claim)) => {
            let comparable = claim.pid_namespace.as_deref() == evidence.pid_namespace
                && evidence.pid_namespace.is_some();
            if comparable && evidence.pid_start != Some(claim.pid_start) {
                Liveness::Dead
            } else if claim.until_ms <= evidence.boottime_ms {
                Liveness::Overdue
            } else {
                Liveness::Alive
            }
        }
    }
}

/// The error that names the holder of a lease.
#[must_use]
pub fn held(lease: &LeaseSummary) -> StoreError {
    let (holder, since) = (Box::new(lease.holder.clone()), lease.since);
    StoreError::Held { holder, since, lease: lease.lease }
}

/// The batch that takes a lease that is free or whose holder does not live, and the fence it gives.
///
/// # Errors
/// [`StoreError::Held`] where `liveness` says that its holder lives; [`StoreError::Illegal`] where
/// there is no such environment.
pub fn take(
    ledger: &Ledger,
    request: &LeaseRequest,
    lease: LeaseId,
    liveness: Option<Liveness>,
) -> Result<(Batch, Fence), StoreError> {
    let environment = request.environment;
    let Some(summary) = ledger.environments.get(&environment) else {
        return Err(StoreError::Illegal(format!("there is no environment {environment}")));
    };
    if let (Some(current), Some(Liveness::Alive)) = (&summary.lease, liveness) {
        return Err(held(current));
    }
    let token = summary.token_last.saturating_add(1);
    let event = Event::LeaseTaken {
        lease,
        token,
        holder: request.holder.clone(),
        from: summary.lease.as_ref().map(|current| current.lease),
    };
    let stream = Stream::Lease(environment);
    let revision = ledger.revision(&stream);
    let preconditions = Preconditions { revisions: [(stream, revision)].into(), fence: None };
    let batch = batch(environment, &request.actor, request.now, event, preconditions);
    Ok((batch, Fence { environment, lease, token }))
}

/// The batch that gives a lease back; nothing where it is gone already.
#[must_use]
pub fn give_back(ledger: &Ledger, fence: Fence, actor: &Actor, now: Timestamp) -> Option<Batch> {
    let preconditions = Preconditions { fence: Some(fence), ..Preconditions::default() };
    ledger.check(&preconditions).ok()?;
    let event = Event::LeaseReleased { lease: fence.lease, broken: None };
    Some(batch(fence.environment, actor, now, event, preconditions))
}

/// The batch that breaks somebody else's lease.
///
/// # Errors
/// [`StoreError::Held`] with the newest lease where that is another; [`StoreError::Fenced`] where
/// nobody holds one.
pub fn force(
    ledger: &Ledger,
    environment: EnvironmentId,
    lease: LeaseId,
    actor: &Actor,
    reason: String,
    now: Timestamp,
) -> Result<Batch, StoreError> {
    let summary = ledger.environments.get(&environment);
    let Some(current) = summary.and_then(|summary| summary.lease.as_ref()) else {
        return Err(StoreError::Fenced { by: "nobody (it was released)".to_owned() });
    };
    if current.lease != lease {
        return Err(held(current));
    }
    let event = Event::LeaseReleased { lease, broken: Some(reason) };
    let fence = Some(Fence { environment, lease, token: current.token });
    let preconditions = Preconditions { fence, ..Preconditions::default() };
    Ok(batch(environment, actor, now, event, preconditions))
}

/// Whether a fence is still the newest.
///
/// # Errors
/// [`StoreError::Fenced`].
pub fn confirm(ledger: &Ledger, fence: Fence) -> Result<(), StoreError> {
    ledger.check(&Preconditions { fence: Some(fence), ..Preconditions::default() })
}

fn batch(
    environment: EnvironmentId,
    actor: &Actor,
    now: Timestamp,
    event: Event,
    preconditions: Preconditions,
) -> Batch {
    let draft = Draft { environment: Some(environment), actor: actor.clone(), event };
    Batch { now, drafts: vec![draft], preconditions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Ulid;

    fn holder() -> Holder {
        Holder {
            actor: "uid:1000(ann)".to_owned(),
            operation: "gov apply".to_owned(),
            host: "tower".to_owned(),
            boot: "boot-1".to_owned(),
            pid: 42,
            pid_start: 700,
        }
    }

    fn claim() -> Claim {
        Claim {
            lease: LeaseId(Ulid::new(Timestamp::from_millis(1), 1)),
            token: 3,
            boot: "boot-1".to_owned(),
            pid: 42,
            pid_start: 700,
            pid_namespace: Some("pid:[1]".to_owned()),
            until_ms: 30_000,
        }
    }

    #[test]
    fn claims_have_one_length_and_torn_ones_are_none() {
        let text = claim().to_text().unwrap();
        assert_eq!(text.len(), CLAIM_BYTES);
        assert_eq!(Claim::parse(&text), Some(claim()));
        assert_eq!(Claim::parse(&text.replace("30000", "30001")), None);
        assert_eq!(Claim::parse(""), None);
        let long = Claim { boot: "b".repeat(CLAIM_BYTES), ..claim() };
        assert_eq!(long.to_text(), None);
    }

    /// One row for each way a holder may be found.
    #[test]
    fn a_holder_is_judged_by_its_lock_first() {
        let (holder, claim) = (holder(), claim());
        let alive = Evidence {
            holder: &holder,
            locked: Some(true),
            claim: Some(&claim),
            boot: "boot-1",
            boottime_ms: 29_999,
            pid_namespace: Some("pid:[1]"),
            pid_start: Some(700),
        };
        let rows = [
            (alive.clone(), Liveness::Alive),
            (Evidence { locked: Some(false), ..alive.clone() }, Liveness::Dead),
            (Evidence { boot: "boot-2", ..alive.clone() }, Liveness::Dead),
            (Evidence { boottime_ms: 30_000, ..alive.clone() }, Liveness::Overdue),
            (Evidence { pid_start: None, ..alive.clone() }, Liveness::Dead),
            (Evidence { pid_start: Some(9), ..alive.clone() }, Liveness::Dead),
            // Seen from another container, the process id means nothing.
            (
                Evidence { pid_start: None, pid_namespace: Some("pid:[2]"), ..alive.clone() },
                Liveness::Alive,
            ),
            (Evidence { claim: None, boottime_ms: 90_000, ..alive.clone() }, Liveness::Alive),
            (Evidence { locked: None, claim: None, ..alive.clone() }, Liveness::Alive),
            (
                Evidence { locked: None, claim: None, pid_start: None, ..alive.clone() },
                Liveness::Dead,
            ),
        ];
        for (row, (evidence, wanted)) in rows.into_iter().enumerate() {
            assert_eq!(judge(&evidence), wanted, "row {row}");
        }
    }
}
