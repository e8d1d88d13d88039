//! Drift: what is, compared with what the books say, and what to do about it.
//!
//! Looking is read-only by construction: it plans in a mode that proposes nothing. Remediation is
//! a plan like any other and goes through the same gate.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::address::Address;
use crate::model::decision::Act;
use crate::model::environment::Object;
use crate::model::event::Event;
use crate::model::plan::PlanKind;
use crate::model::sealed::SealedValue;
use crate::model::value::Difference;
use crate::model::value::differences;
use crate::ops::Context;
use crate::ops::OpError;
use crate::ops::apply;
use crate::ops::apply::Confirm;
use crate::ops::ask;
use crate::ops::governed::append;
use crate::ops::governed::govern;
use crate::ops::proposal::Proposal;
use crate::ops::proposal::Wanted;
use crate::ops::proposal::propose;
use crate::ops::run;
use crate::plan::Mode;
use crate::policy::trust::DriftAction;
use crate::state::Preconditions;
use crate::state::snapshot::Snapshot;

/// The attribute by which policy speaks of a resource's existence.
pub const EXISTENCE: &str = "exists";

/// What is so with one attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// It differs from the books.
    Changed {
        /// What the books say.
        before: SealedValue,
        /// What is.
        after: SealedValue,
    },
    /// The whole resource is gone.
    Deleted,
    /// It cannot be read. Never taken as unchanged.
    Unreachable(String),
}

/// One line of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The resource.
    pub address: Address,
    /// The attribute; [`EXISTENCE`] for the whole.
    pub attribute: String,
    /// What is so.
    pub status: Status,
    /// What policy says to do.
    pub action: DriftAction,
    /// Who answers for ignoring it, where it is known noise.
    pub noise: Option<String>,
}

/// The drift of one environment.
pub struct Report {
    /// The environment.
    pub name: String,
    /// How many resources were looked at.
    pub looked_at: usize,
    /// What was found, in order.
    pub lines: Vec<Line>,
    /// Why it could not be looked at, where it could not.
    pub error: Option<OpError>,
    /// What was done about it, where that was asked for.
    pub remedy: Option<apply::Report>,
    /// What was taken as intended.
    pub accepted: BTreeMap<Address, BTreeSet<String>>,
}

impl Report {
    /// Lines that are no known noise.
    pub fn loud(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.noise.is_none())
    }
}

/// What to do about what is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// Nothing: only look.
    None,
    /// Undo everything that policy does not accept.
    Revert,
    /// What policy says, attribute by attribute.
    Policy,
}

/// Looks at one environment, or at all that live.
///
/// # Errors
/// [`OpError::NoEnvironment`], [`OpError::Store`]; what is wrong with one environment stands in
/// its own report.
pub async fn drift(
    context: &Context,
    name: Option<&str>,
    remedy: Remedy,
    confirm: &dyn Confirm,
) -> Result<Vec<Report>, OpError> {
    let names: Vec<String> = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let ledger = context.ledger().await?;
            let lives =
                ledger.environments.values().filter(|s| s.ended.is_none() && s.life.is_some());
            lives.map(|summary| summary.name.clone()).collect()
        }
    };
    let mut reports = Vec::new();
    for name in names {
        let looked = look(context, &name).await;
        let report = match looked {
            Ok(looked) => act_on(context, looked, remedy, confirm).await?,
            Err(error @ (OpError::NoEnvironment { .. } | OpError::Interrupted)) => {
                return Err(error);
            }
            Err(error) => Report {
                name,
                looked_at: 0,
                lines: Vec::new(),
                error: Some(error),
                remedy: None,
                accepted: BTreeMap::new(),
            },
        };
        reports.push(report);
    }
    Ok(reports)
}

async fn look(context: &Context, name: &str) -> Result<Looked, OpError> {
    let known = context.environment(name).await?;
    let settled = ask::recorded(&known.record, &context.sealer)?;
    let wanted = Wanted {
        settled,
        environment: known.id,
        snapshot: Some(known.clone()),
        mode: Mode::Observe,
        act: Act::Remediate,
        replace: BTreeSet::new(),
        leave: BTreeMap::new(),
    };
    let observed = propose(context, wanted).await?;
    let lines = lines(context, &observed)?;
    let seen = observed
        .plan
        .changes
        .into_iter()
        .filter_map(|change| Some((change.address, change.prior?)));
    Ok((known, lines, seen.collect()))
}

fn lines(context: &Context, observed: &Proposal) -> Result<Vec<Line>, OpError> {
    let now = context.now();
    let policy = &context.trust.drift;
    let mut lines = Vec::new();
    let mut add = |address: &Address, attribute: &str, status: Status| {
        let kind = &address.resource.kind;
        let noise = policy.noise(kind, attribute, now).map(|noise| noise.owner.clone());
        lines.push(Line {
            address: address.clone(),
            attribute: attribute.to_owned(),
            status,
            action: policy.action(kind, attribute),
            noise,
        });
    };
    for (address, why) in &observed.unreachable {
        add(address, EXISTENCE, Status::Unreachable(why.clone()));
    }
    // A change without an object before it is one of a resource that is gone.
    let there = observed.plan.changes.iter().filter(|change| change.prior.is_some());
    let seen: BTreeSet<&Address> = there.map(|change| &change.address).collect();
    for change in &observed.plan.changes {
        let (Some(recorded), Some(prior)) = (&change.recorded, &change.prior) else { continue };
        let before = context.sealer.open(&recorded.value)?;
        let after = context.sealer.open(&prior.value)?;
        for difference in differences(&before, &after) {
            let attribute = difference.path.first_attribute().unwrap_or_default().to_owned();
            let Difference { before, after, .. } = difference;
            let status = Status::Changed {
                before: context.sealer.seal(&before)?,
                after: context.sealer.seal(&after)?,
            };
            add(&change.address, &attribute, status);
        }
    }
    let known = observed.snapshot.iter().flat_map(|known| known.resources.values());
    for record in known.filter(|record| record.object.is_some()) {
        let address = &record.address;
        if !seen.contains(address) && !observed.unreachable.contains_key(address) {
            add(address, EXISTENCE, Status::Deleted);
        }
    }
    lines.sort_by(|a, b| (&a.address, &a.attribute).cmp(&(&b.address, &b.attribute)));
    Ok(lines)
}

/// An environment, what was found of it, and its objects as they are.
type Looked = (Snapshot, Vec<Line>, BTreeMap<Address, Object>);

async fn act_on(
    context: &Context,
    (known, lines, seen): Looked,
    remedy: Remedy,
    confirm: &dyn Confirm,
) -> Result<Report, OpError> {
    let name = known.record.name.clone();
    let mut report = Report {
        name,
        looked_at: known.resources.len(),
        lines,
        error: None,
        remedy: None,
        accepted: BTreeMap::new(),
    };
    if remedy == Remedy::None || report.loud().next().is_none() {
        return Ok(report);
    }
    let unreachable = report.loud().any(|line| matches!(line.status, Status::Unreachable(_)));
    if unreachable {
        let message = "something cannot be read, so nothing is changed".to_owned();
        report.error = Some(OpError::Failed(message));
        return Ok(report);
    }
    match act(context, &known, &report, &seen, remedy, confirm).await {
        Ok((accepted, remedied)) => {
            report.accepted = accepted;
            report.remedy = remedied;
        }
        Err(error) => report.error = Some(error),
    }
    Ok(report)
}

type Done = (BTreeMap<Address, BTreeSet<String>>, Option<apply::Report>);

async fn act(
    context: &Context,
    known: &Snapshot,
    report: &Report,
    seen: &BTreeMap<Address, Object>,
    remedy: Remedy,
    confirm: &dyn Confirm,
) -> Result<Done, OpError> {
    let mut accept: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    let mut leave: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    let mut reverts = false;
    let mut existence_left = false;
    for line in &report.lines {
        let (address, attribute) = (line.address.clone(), line.attribute.clone());
        let deleted = line.status == Status::Deleted;
        match (line.action, remedy, &line.noise) {
            (DriftAction::Accept, ..) if !deleted => {
                accept.entry(address).or_default().insert(attribute);
            }
            (DriftAction::Revert, _, None) | (DriftAction::Alert, Remedy::Revert, None) => {
                reverts = true;
            }
            _ if deleted => existence_left = true,
            _ => {
                leave.entry(address).or_default().insert(attribute);
            }
        }
    }
    if !accept.is_empty() {
        accept_all(context, known, &accept, seen).await?;
    }
    if !reverts {
        return Ok((accept, None));
    }
    if existence_left {
        let message = "a resource that policy leaves deleted would be made again by undoing the \
                       rest; remediate by hand: gov drift ENV --remediate";
        return Err(OpError::Usage(message.to_owned()));
    }
    let known = context.environment(&known.record.name).await?;
    let settled = ask::recorded(&known.record, &context.sealer)?;
    let wanted = Wanted {
        settled,
        environment: known.id,
        snapshot: Some(known),
        mode: Mode::Converge(PlanKind::Remediate),
        act: Act::Remediate,
        replace: BTreeSet::new(),
        leave,
    };
    let proposal = propose(context, wanted).await?;
    let done = apply::carry_out(context, proposal, confirm).await?;
    Ok((accept, Some(done)))
}

/// Takes drift as intended: recorded, with the decision that allowed it.
async fn accept_all(
    context: &Context,
    known: &Snapshot,
    accept: &BTreeMap<Address, BTreeSet<String>>,
    seen: &BTreeMap<Address, Object>,
) -> Result<(), OpError> {
    let ledger = context.ledger().await?;
    let none = BTreeMap::new();
    let petition = crate::ops::governed::Petition {
        act: Act::AcceptDrift,
        environment: Some(known.id),
        record: Some(&known.record),
        plan: None,
        quote: None,
        life: known.life(),
        is_new: false,
        integrations: &none,
        reaping: false,
        before: None,
        frozen: ledger.frozen(known.id).map(str::to_owned),
        consents: BTreeSet::new(),
    };
    let warrant = govern(context, &petition).await?;
    let held = run::lease(context, known.id).await?;
    let event = |(address, attributes): (&Address, &BTreeSet<String>)| Event::DriftAccepted {
        address: address.clone(),
        attributes: attributes.clone(),
        decision: warrant.decision(),
    };
    let mut events: Vec<Event> = accept.iter().map(event).collect();
    // The books follow, so that what changes after this is drift again.
    for address in accept.keys() {
        let object = seen.get(address).cloned();
        events.push(Event::ResourceObserved { address: address.clone(), object });
    }
    let preconditions = Preconditions { fence: Some(held.fence), ..Preconditions::default() };
    let done = append(context, &warrant, Some(known.id), events, preconditions).await;
    run::release(context, &held).await;
    done
}
