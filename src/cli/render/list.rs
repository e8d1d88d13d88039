//! Every environment in a line, where the store lies, and when the reaper was last here.

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::cost;
use super::document;
use super::environment;
use super::page::Page;
use super::table;
use super::table::Column;
use super::table::Field;
use super::text::Hue;
use super::text::clean;
use super::text::count;
use super::text::cut;
use super::time;
use crate::model::event::FreezeScope;
use crate::model::event::Holder;
use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::state::summary::Ledger;
use crate::state::summary::Summary;

/// How long before its end an environment is said to be expiring: time enough to extend it.
pub const EXPIRING_WITHIN: Duration = Duration::from_hours(1);

/// Columns of a purpose before it is cut: `gov why` has the whole.
const PURPOSE_COLUMNS: usize = 48;

/// Screens from this width on have room for teams and counts.
const WIDTH_MEDIUM: usize = 90;

/// Screens from this width on have room for purposes and instants.
const WIDTH_LARGE: usize = 130;

/// What is listed.
#[derive(Clone)]
pub struct Listing<'a> {
    /// The small view of everything.
    pub ledger: &'a Ledger,
    /// The environments to show, in order.
    pub rows: Vec<&'a Summary>,
    /// Whether some were left out because of a filter.
    pub filtered: bool,
    /// Where the store lies.
    pub location: &'a str,
    /// Whether the holder of a lease may still be at work: not surely dead.
    pub may_wake: &'a dyn Fn(&Holder) -> bool,
    /// Now.
    pub now: Timestamp,
}

/// Where an environment is in its life, then whatever else is the matter with it.
#[must_use]
pub fn states(
    ledger: &Ledger,
    summary: &Summary,
    may_wake: &dyn Fn(&Holder) -> bool,
    now: Timestamp,
) -> Vec<&'static str> {
    if summary.ended.is_some() {
        return vec!["ended"];
    }
    let mut states = vec![match summary.life {
        _ if !summary.held.is_empty() => "held",
        None if summary.start.is_some_and(|start| start > now) => "scheduled",
        None => "waiting",
        Some(_) if summary.is_due(now) => "OVERDUE",
        Some(life) if life.is_expired(now) => "expired",
        Some(life) if life.expiry.since(now) <= EXPIRING_WITHIN => "expiring",
        Some(_) => "live",
    }];
    // The journal knows who took the lease and not whether they live: a killed holder left both.
    let at_work = summary.lease.as_ref().is_some_and(|lease| may_wake(&lease.holder));
    match (summary.run.is_some(), at_work) {
        (true, true) => states.push("running"),
        (true, false) => states.push("interrupted"),
        (false, _) if !summary.uncertain.is_empty() => states.push("uncertain"),
        (false, _) => {}
    }
    if ledger.frozen(summary.id).is_some() {
        states.push("frozen");
    }
    states
}

/// The colour of a state.
#[must_use]
pub fn hue(states: &[&str]) -> Hue {
    let has = |names: &[&str]| states.iter().any(|state| names.contains(state));
    if has(&["OVERDUE", "uncertain"]) {
        Hue::Bad
    } else if has(&["held", "expired", "expiring", "interrupted", "frozen"]) {
        Hue::Warn
    } else if has(&["ended", "scheduled", "waiting"]) {
        Hue::Faint
    } else {
        Hue::Good
    }
}

fn expires(summary: &Summary, now: Timestamp, wide: bool) -> String {
    let (time, word) = match (summary.ended, summary.life, summary.start) {
        (Some(ended), _, _) => (ended, "ended "),
        (None, Some(life), _) => (life.expiry, ""),
        (None, None, Some(start)) => (start, "starts "),
        (None, None, None) => return "not begun".to_owned(),
    };
    let relative = time::relative(now, time);
    if wide {
        format!("{word}{relative} ({})", time::instant(time))
    } else {
        format!("{word}{relative}")
    }
}

/// The list as text.
#[must_use]
pub fn text(screen: &Screen, listing: &Listing<'_>) -> String {
    let mut page = Page::new(screen);
    if listing.rows.is_empty() {
        empty(&mut page, listing);
    } else {
        let columns = [
            Column::words("NAME"),
            Column::words("OWNER"),
            Column::words("TEAM").from_width(WIDTH_MEDIUM),
            Column::words("PURPOSE").from_width(WIDTH_LARGE),
            Column::figures("RESOURCES").from_width(WIDTH_MEDIUM),
            Column::figures("A MONTH"),
            Column::words("EXPIRES"),
            Column::words("STATE"),
        ];
        let rows = listing.rows.iter().map(|summary| row(screen, listing, summary)).collect();
        page.block(&table::table(screen, &columns, rows));
    }
    foot(&mut page, listing);
    page.finish()
}

fn row(screen: &Screen, listing: &Listing<'_>, summary: &Summary) -> Vec<Field> {
    let states = states(listing.ledger, summary, listing.may_wake, listing.now);
    let resources = summary.addresses.union(&summary.uncertain).count();
    let amount = summary.cost.as_ref().map_or("-".to_owned(), |cost| cost.summary());
    vec![
        Field::new(clean(&summary.name)),
        Field::new(clean(&summary.identity.owner)),
        Field::new(clean(&summary.identity.team)),
        Field::new(cut(&clean(&summary.identity.purpose), PURPOSE_COLUMNS)),
        Field::new(resources.to_string()),
        Field::new(amount),
        Field::new(expires(summary, listing.now, screen.width >= WIDTH_LARGE)),
        Field::new(states.join(", ")).paint(hue(&states)),
    ]
}

fn empty(page: &mut Page<'_>, listing: &Listing<'_>) {
    if listing.filtered && !listing.ledger.environments.is_empty() {
        page.prose(0, "No environment fits. `gov list --all` shows every one, ended ones too.");
        return;
    }
    page.prose(0, "No environments yet. To make one:");
    let command =
        "gov apply NAME -b BLUEPRINT --owner YOU --team TEAM --project PROJECT --purpose WHY";
    page.item(2, ("→", Hue::Calm), command);
}

fn foot(page: &mut Page<'_>, listing: &Listing<'_>) {
    page.gap();
    let overdue: Vec<String> = overdue(listing).iter().map(|one| clean(&one.name)).collect();
    if !overdue.is_empty() {
        let text = format!("{}. `gov reap` takes them down.", overdue.join(", "));
        page.item(0, ("OVERDUE:", Hue::Bad), &text);
    }
    for (scope, reason) in &listing.ledger.globals.frozen {
        if *scope == FreezeScope::All {
            let text = format!("everything, since {}", clean(reason));
            page.item(0, ("Frozen:", Hue::Warn), &text);
        }
    }
    page.prose(0, &reaper(listing.ledger, listing.now));
    let total = count(listing.ledger.names.len(), "environment");
    page.prose(0, &format!("Store: {} ({total} in use)", clean(listing.location)));
}

/// When the reaper was last here, in a sentence.
#[must_use]
pub fn reaper(ledger: &Ledger, now: Timestamp) -> String {
    match &ledger.globals.reaper {
        None => {
            "Reaper: has never run. Nothing ends by itself until cron runs `gov reap`.".to_owned()
        }
        Some(beat) => format!(
            "Reaper: last ran {}, {} held, {} failed.",
            time::relative(now, beat.time),
            beat.held,
            beat.failed
        ),
    }
}

fn overdue<'a>(listing: &Listing<'a>) -> Vec<&'a Summary> {
    let due = |summary: &&Summary| summary.is_due(listing.now) && summary.held.is_empty();
    listing.ledger.environments.values().filter(due).collect()
}

/// The list as a document.
#[must_use]
pub fn json(listing: &Listing<'_>) -> Json {
    let ledger = listing.ledger;
    let rows = listing.rows.iter().map(|one| summary_json(listing, one));
    let overdue: Vec<&str> = overdue(listing).iter().map(|one| one.name.as_str()).collect();
    let frozen = ledger.globals.frozen.iter().map(|(scope, reason)| match scope {
        FreezeScope::All => json!({ "scope": "all", "reason": reason }),
        FreezeScope::Environment(id) => {
            json!({ "scope": id.to_string(), "reason": reason })
        }
    });
    let body = json!({
        "store": {
            "location": listing.location,
            "id": ledger.globals.store.map(|id| id.to_string()),
        },
        "environments": rows.collect::<Vec<_>>(),
        "overdue": overdue,
        "frozen": frozen.collect::<Vec<_>>(),
        "reaper": ledger.globals.reaper.map(|beat| json!({
            "time": beat.time.to_string(),
            "held": beat.held,
            "failed": beat.failed,
        })),
    });
    document("list", body)
}

/// One environment as JSON.
#[must_use]
pub fn summary_json(listing: &Listing<'_>, summary: &Summary) -> Json {
    let texts = |set: &std::collections::BTreeSet<crate::model::address::Address>| {
        set.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    json!({
        "id": summary.id.to_string(),
        "name": summary.name,
        "owner": summary.identity.owner,
        "team": summary.identity.team,
        "project": summary.identity.project,
        "purpose": summary.identity.purpose,
        "value": summary.identity.value,
        "blueprint": summary.blueprint,
        "budget": cost::budget_json(&summary.budget),
        "created": summary.created.to_string(),
        "start": summary.start.map(|time| time.to_string()),
        "life": environment::life_json(summary.life),
        "ended": summary.ended.map(|time| time.to_string()),
        "states": states(listing.ledger, summary, listing.may_wake, listing.now),
        "resources": texts(&summary.addresses),
        "held": texts(&summary.held),
        "uncertain": texts(&summary.uncertain),
        "cost_monthly": summary.cost.as_ref().map(cost::json),
        "frozen": listing.ledger.frozen(summary.id),
    })
}
