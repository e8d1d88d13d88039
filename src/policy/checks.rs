//! Built-in checks: one function and one row each.
//!
//! A check looks at what is asked and says what speaks against it. None of them reads a clock, a
//! file or the network, and the same question always gets the same answer.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::cost::Quote;
use crate::model::decision::Act;
use crate::model::decision::Finding;
use crate::model::decision::Ground;
use crate::model::decision::Severity;
use crate::model::environment::EnvironmentRecord;
use crate::model::environment::UNKNOWN_TEXT;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Life;
use crate::model::lifetime::Timestamp;
use crate::model::limits::Budget;
use crate::model::limits::Limits;
use crate::model::limits::OnExpiry;
use crate::model::money::Money;
use crate::model::plan::Action;
use crate::model::plan::Change;
use crate::model::plan::PlanKind;
use crate::model::schema::nearest;
use crate::policy::trust::Trust;
use crate::policy::trust::Unpriced;

/// What a check looks at.
pub struct Question<'a> {
    /// What is asked.
    pub act: Act,
    /// What the environment is asked to be, or is.
    pub record: &'a EnvironmentRecord,
    /// What holds: the tightest of the record's limits, the blueprint's and the trust root's.
    pub limits: &'a Limits,
    /// Declared third-party endpoints by name.
    pub integrations: &'a BTreeMap<String, String>,
    /// What the plan is for, where there is one.
    pub kind: Option<PlanKind>,
    /// Whether the environment does not exist yet.
    pub is_new: bool,
    /// What would change: all of the plan, or the one that is about to begin.
    pub changes: &'a [Change],
    /// What it costs.
    pub quote: Option<&'a Quote>,
    /// Its life: as it is, or as it would begin or become.
    pub life: Option<Life>,
    /// Whether a reaper has begun on the environment.
    pub reaping: bool,
    /// What the environment is asked to be so far, where it exists and that changes.
    pub before: Option<&'a EnvironmentRecord>,
    /// Why the environment is frozen, where it is.
    pub frozen: Option<&'a str>,
    /// What the trust root says.
    pub trust: &'a Trust,
    /// Now.
    pub now: Timestamp,
}

/// A row of the table.
pub struct Check {
    /// The rule's id, stable for scripts.
    pub rule: &'static str,
    /// What it is for, in a sentence.
    pub purpose: &'static str,
    run: fn(&Question<'_>) -> Vec<Finding>,
}

/// Every built-in check.
pub const CHECKS: &[Check] = &[
    Check { rule: "freeze", purpose: "Nothing starts where something is frozen.", run: freeze },
    Check {
        rule: "identity",
        purpose: "Owner, team, project and purpose are stated.",
        run: identity,
    },
    Check { rule: "team", purpose: "The team is one that the trust root lists.", run: team },
    Check { rule: "ttl", purpose: "The life is within the limits on it.", run: ttl },
    Check { rule: "expired", purpose: "Nothing is made once the expiry has come.", run: expired },
    Check { rule: "due", purpose: "Only what is past its expiry and grace is reaped.", run: due },
    Check {
        rule: "budget",
        purpose: "The upper bound of the cost is within the budget.",
        run: budget,
    },
    Check {
        rule: "unpriced",
        purpose: "Nothing without a price is taken for free.",
        run: unpriced,
    },
    Check {
        rule: "resources",
        purpose: "There are no more resources than allowed.",
        run: resources,
    },
    Check { rule: "region", purpose: "Every resource lies in a declared region.", run: regions },
    Check {
        rule: "integration",
        purpose: "Third-party endpoints are declared.",
        run: integrations,
    },
    Check { rule: "protected", purpose: "Protected resources are not deleted.", run: protected },
    Check { rule: "data", purpose: "Data is deleted only by consent of a human.", run: data },
];

/// All that speaks against what is asked, worst first, then by rule and address.
#[must_use]
pub fn review(question: &Question<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        CHECKS.iter().flat_map(|check| (check.run)(question)).collect();
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (std::cmp::Reverse(f.severity), f.rule.clone(), f.address.clone());
        key(a).cmp(&key(b))
    });
    findings
}

fn finding(rule: &str, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Deny,
        ground: Ground::Policy,
        address: None,
        message: message.into(),
        fix: fix.into(),
        asks: "engineering".to_owned(),
        retryable: false,
    }
}

fn on(change: &Change, finding: Finding) -> Finding {
    Finding { address: Some(change.address.clone()), ..finding }
}

fn money(finding: Finding) -> Finding {
    Finding { ground: Ground::Money, asks: "finance".to_owned(), ..finding }
}

/// Changes after which the resource exists or goes on existing.
fn present<'a>(question: &Question<'a>) -> impl Iterator<Item = &'a Change> {
    let makes = question.kind.is_some_and(|kind| !kind.takes_down());
    question.changes.iter().filter(move |change| makes && change.action != Action::Delete)
}

fn freeze(question: &Question<'_>) -> Vec<Finding> {
    let Some(reason) = question.frozen else { return Vec::new() };
    if matches!(question.act, Act::Freeze | Act::Unfreeze) {
        return Vec::new();
    }
    let fix = "wait, or have it unfrozen: gov unfreeze --reason …";
    let found = finding("freeze", format!("frozen: {reason}"), fix);
    vec![Finding { retryable: true, asks: "owner".to_owned(), ..found }]
}

fn identity(question: &Question<'_>) -> Vec<Finding> {
    let who = &question.record.identity;
    let fields = [
        ("owner", &who.owner),
        ("team", &who.team),
        ("project", &who.project),
        ("purpose", &who.purpose),
    ];
    let missing = fields.iter().filter(|(_, text)| text.trim().is_empty());
    missing
        .map(|(field, _)| {
            let message = format!("the environment has no {field}");
            finding("identity", message, format!("state one: --{field} …"))
        })
        .collect()
}

fn team(question: &Question<'_>) -> Vec<Finding> {
    let teams = question.trust.team_names();
    let team = question.record.identity.team.as_str();
    if teams.is_empty() || teams.contains(team) || question.act != Act::Apply {
        return Vec::new();
    }
    let near = nearest(team, teams.iter().copied());
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    let message = format!("the trust root lists no team {team}{hint}");
    vec![finding("team", message, "name a listed team, or have this one added to the trust root")]
}

fn ttl(question: &Question<'_>) -> Vec<Finding> {
    if !matches!(question.act, Act::Apply | Act::Extend) {
        return Vec::new();
    }
    let Some(limits) = question.limits.ttl.complete() else {
        let fix = "state limits.ttl.max in the blueprint, or a ceiling in the trust root";
        return vec![finding("ttl", "nothing says how long it may live", fix)];
    };
    let Some(life) = question.life else { return Vec::new() };
    let whole = life.expiry.since(life.start);
    let mut found = Vec::new();
    if whole > limits.max_total {
        let message =
            format!("its whole life would be {whole}; at most {} is allowed", limits.max_total);
        found.push(finding("ttl", message, "ask for less, or make a new environment"));
    }
    // The life of an environment that has not begun is its first grant.
    if question.is_new && whole > limits.max {
        let message = format!("it would live {whole}; a grant is at most {}", limits.max);
        found.push(finding("ttl", message, format!("ask for at most --ttl {}", limits.max)));
    }
    if life.expiry <= question.now {
        let message = format!("its expiry {} has passed", life.expiry);
        found.push(finding("ttl", message, "state a later --until"));
    }
    found
}

fn expired(question: &Question<'_>) -> Vec<Finding> {
    // Taking an existing object in makes nothing, and without it nobody could reap that object.
    let makes = matches!(question.act, Act::Apply | Act::Remediate);
    match question.life {
        Some(life) if makes && !question.is_new && life.is_expired(question.now) => {
            let message = format!("the environment expired at {}", life.expiry);
            let name = &question.record.name;
            let fix = format!("extend it within its grace: gov extend {name} --by … --reason …");
            vec![finding("expired", message, fix)]
        }
        _ => Vec::new(),
    }
}

fn due(question: &Question<'_>) -> Vec<Finding> {
    if question.act != Act::Reap || question.reaping {
        return Vec::new();
    }
    let grace = question.limits.ttl.grace.unwrap_or(Duration::ZERO);
    let over = |life: Life| question.now >= life.expiry.plus(grace);
    if question.life.is_some_and(over) {
        return Vec::new();
    }
    let fix = "wait for its expiry and grace, or end it: gov expire, gov destroy";
    vec![finding("due", "the environment is not due", fix)]
}

fn budget(question: &Question<'_>) -> Vec<Finding> {
    let Some(quote) = question.quote else { return Vec::new() };
    if !matches!(question.act, Act::Apply | Act::Remediate | Act::Extend) {
        return Vec::new();
    }
    let tightest = question.record.budget.tighten(&question.limits.budget);
    let Ok(budget) = tightest else {
        let fix = "state every budget in one currency";
        return vec![money(finding("budget", "budgets are in different currencies", fix))];
    };
    let mut found = Vec::new();
    let rows = [
        ("a month", "monthly", budget.monthly, quote.after.upper),
        ("in its whole life", "total", budget.total, quote.until_expiry.upper),
    ];
    for (span, name, allowed, upper) in rows {
        let (Some(allowed), Some(upper)) = (allowed, upper) else { continue };
        if !within(upper, allowed) {
            let message = format!(
                "it costs up to {} {span}; the {name} budget is {}{}",
                upper.rounded(),
                allowed.rounded(),
                costliest(question)
            );
            let fix = format!("make it smaller, or raise the {name} budget where it is set");
            found.push(money(finding("budget", message, fix)));
        }
    }
    if budget.is_empty() {
        let fix = "state one: --budget \"5.00 USD\"";
        found.push(money(finding("budget", "the environment has no budget", fix)));
    }
    found
}

/// An amount of nothing is within every budget, whatever the currency.
fn within(amount: Money, allowed: Money) -> bool {
    amount.amount().is_zero() || amount.exceeds(&allowed) == Ok(false)
}

fn costliest(question: &Question<'_>) -> String {
    let Some(quote) = question.quote else { return String::new() };
    let upper = |change: &crate::model::cost::PricedChange| {
        change.after.upper.map(|money| money.amount()).unwrap_or_default()
    };
    let most = quote.changes.iter().max_by_key(|(_, change)| upper(change));
    let most = most.filter(|(_, change)| !upper(change).is_zero());
    most.map_or(String::new(), |(address, change)| {
        format!(" (most of it: {address}, {} a month)", change.after.summary())
    })
}

fn unpriced(question: &Question<'_>) -> Vec<Finding> {
    let Some(quote) = question.quote else { return Vec::new() };
    if !matches!(question.act, Act::Apply | Act::Remediate | Act::Extend) {
        return Vec::new();
    }
    let open = quote.changes.iter().filter(|(_, change)| !change.after.is_bounded());
    open.map(|(address, change)| {
        let message = format!("{address} has no price: {}", change.note);
        let fix = "declare a price, or have the trust root say unpriced = \"allow\"";
        let found = money(finding("unpriced", message, fix));
        let severity = match question.trust.unpriced {
            Unpriced::Deny => Severity::Deny,
            Unpriced::Allow => Severity::Advisory,
        };
        Finding { severity, address: Some(address.clone()), ..found }
    })
    .collect()
}

fn resources(question: &Question<'_>) -> Vec<Finding> {
    if question.kind.is_none_or(PlanKind::takes_down) {
        return Vec::new();
    }
    let count = crate::model::plan::resources_after(question.changes);
    let Some(allowed) = question.limits.resources else { return Vec::new() };
    if count <= usize::try_from(allowed).unwrap_or(usize::MAX) {
        return Vec::new();
    }
    let message = format!("it would have {count} resources; {allowed} are allowed");
    vec![finding("resources", message, "make it smaller, or split it into environments")]
}

fn regions(question: &Question<'_>) -> Vec<Finding> {
    let allowed = question
        .limits
        .regions
        .clone()
        .unwrap_or_else(|| BTreeSet::from([crate::model::limits::REGION_LOCAL.to_owned()]));
    let outside = present(question).filter_map(|change| {
        let region = change.facts.region.as_ref()?;
        (!question.limits.allows_region(region)).then_some((change, region))
    });
    outside
        .map(|(change, region)| {
            let near = nearest(region, allowed.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            let message = if region == UNKNOWN_TEXT {
                "its region is known only after apply".to_owned()
            } else {
                format!("the region {region} is not declared{hint}")
            };
            let list: Vec<&str> = allowed.iter().map(String::as_str).collect();
            let fix = format!("use one of: {}", list.join(", "));
            let found = on(change, finding("region", message, fix));
            Finding { asks: "compliance".to_owned(), ..found }
        })
        .collect()
}

fn integrations(question: &Question<'_>) -> Vec<Finding> {
    let declared = question.integrations;
    let undeclared = present(question).flat_map(|change| {
        let unknown = change
            .facts
            .endpoints
            .iter()
            .filter(|endpoint| !declared.values().any(|known| same_origin(endpoint, known)));
        unknown.map(move |endpoint| (change, endpoint))
    });
    undeclared
        .map(|(change, endpoint)| {
            let near = nearest(endpoint, declared.values().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            let message = if endpoint == UNKNOWN_TEXT {
                "an endpoint it talks to is known only after apply".to_owned()
            } else {
                format!("the endpoint {endpoint} is not declared{hint}")
            };
            let fix = "declare it under [integrations] and have the blueprint reviewed";
            let found = on(change, finding("integration", message, fix));
            Finding { asks: "security".to_owned(), ..found }
        })
        .collect()
}

/// Whether an endpoint lies at a declared one: the same scheme, host and port, then a path.
fn same_origin(endpoint: &str, declared: &str) -> bool {
    let declared = declared.trim_end_matches('/');
    match endpoint.strip_prefix(declared) {
        Some(rest) => rest.is_empty() || rest.starts_with(['/', '?', '#']),
        None => false,
    }
}

fn protected(question: &Question<'_>) -> Vec<Finding> {
    if question.act == Act::Reap {
        return Vec::new();
    }
    let goes = question.changes.iter().filter(|c| c.prevent_destroy && c.action.deletes());
    goes.map(|change| {
        let message =
            format!("its blueprint protects it, and the plan would {} it", change.action.name());
        let fix = "set lifecycle.prevent_destroy = false, apply that, and try again";
        on(change, finding("protected", message, fix))
    })
    .collect()
}

/// INVARIANT (unknown is never free or allowed): what may hold data is taken to hold some.
fn data(question: &Question<'_>) -> Vec<Finding> {
    let Some(kind) = question.kind else { return Vec::new() };
    let consented = question.record.on_expiry == OnExpiry::DeleteData
        && question.limits.on_expiry != Some(OnExpiry::KeepData);
    if kind.takes_down() && consented {
        return Vec::new();
    }
    let name = &question.record.name;
    let mut found = loosened(question);
    let goes = question.changes.iter().filter(|c| c.facts.bears_data && c.action.deletes());
    found.extend(goes.map(|change| {
        let message = "deleting it may delete data for good".to_owned();
        let fix = if kind == PlanKind::Destroy {
            format!(
                "consent at a terminal by typing {name}; or let it expire: what holds data is kept"
            )
        } else {
            format!("consent at a terminal by typing {name}, or leave it as it is")
        };
        let found = on(change, finding("data", message, fix));
        Finding { severity: Severity::NeedsHuman, asks: "owner".to_owned(), ..found }
    }));
    found
}

/// Consenting to the end of data that is there is as good as deleting it.
fn loosened(question: &Question<'_>) -> Vec<Finding> {
    let Some(before) = question.before else { return Vec::new() };
    let loosens =
        before.on_expiry == OnExpiry::KeepData && question.record.on_expiry == OnExpiry::DeleteData;
    let bears = |change: &Change| change.facts.bears_data && change.prior.is_some();
    if !loosens || !question.changes.iter().any(bears) {
        return Vec::new();
    }
    let name = &question.record.name;
    let message = "its data was to be kept at its expiry, and would be deleted with it";
    let fix = format!("consent at a terminal by typing {name}, or leave on_expiry as it was");
    let found = finding("data", message, fix);
    vec![Finding { severity: Severity::NeedsHuman, asks: "owner".to_owned(), ..found }]
}

/// What holds for an environment now: its record's limits, tightened by what the trust root says
/// today. Limits are looked at again at every act, not only when the environment was made.
#[must_use]
pub fn effective_limits(record: &EnvironmentRecord, trust: &Trust) -> Limits {
    let bound = trust.bound(&record.blueprint.digest);
    let team = trust.teams.get(&record.identity.team).map(|team| team.budget).unwrap_or_default();
    let purpose = trust.purposes.get(&record.identity.purpose);
    let purpose = purpose.map(|purpose| purpose.budget).unwrap_or_default();
    // Part by part: budgets in two currencies cannot be compared, and neither is met then, but
    // every other bound holds all the same.
    let unpriced = |limits: &Limits| Limits { budget: Budget::default(), ..limits.clone() };
    let others = unpriced(&record.limits).tighten(&unpriced(bound));
    let budget = record
        .limits
        .budget
        .tighten(&bound.budget)
        .and_then(|budget| budget.tighten(&team))
        .and_then(|budget| budget.tighten(&purpose));
    let nothing = Money::zero(crate::model::money::Currency::USD);
    let none = Budget { monthly: Some(nothing), total: Some(nothing) };
    Limits { budget: budget.unwrap_or(none), ..others.unwrap_or_else(|_| record.limits.clone()) }
}

/// How long an environment lives in all: what the cost of its life is reckoned over.
#[must_use]
pub fn whole_life(life: Option<Life>) -> Duration {
    life.map_or(Duration::ZERO, |life| life.expiry.since(life.start))
}
