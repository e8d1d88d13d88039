//! `[limits]`: what no environment of a blueprint may pass.
//!
//! Reads and checks that the parts fit together. What holds in the end, together with the ceiling
//! of the trust root, is worked out elsewhere.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::blueprint::Spanned;
use crate::blueprint::tree::Entry;
use crate::blueprint::tree::Item;
use crate::blueprint::tree::Table;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Span;
use crate::model::lifetime::Duration;
use crate::model::limits::Budget;
use crate::model::limits::Limits;
use crate::model::limits::OnExpiry;
use crate::model::limits::TtlBounds;
use crate::model::money::Money;
use crate::model::schema::nearest;

const ON_EXPIRY: &[&str] = &["keep-data", "delete-data"];

/// Reads the table; what is wrong is left out of the answer and said in `problems`.
pub(super) fn read(table: &Table, problems: &mut Diagnostics) -> Limits {
    let known = ["ttl", "budget", "resources", "regions", "on_expiry"];
    table.refuse_unknown("limits", &known, problems);
    let mut limits = Limits::default();
    for (name, entry) in &table.entries {
        match name.as_str() {
            "ttl" => limits.ttl = ttl(&entry.item, problems),
            "budget" => limits.budget = budget(&entry.item, problems),
            "resources" => limits.resources = resources(&entry.item, problems),
            "regions" => limits.regions = regions(&entry.item, problems),
            "on_expiry" => limits.on_expiry = on_expiry(&entry.item, problems),
            _ => {}
        }
    }
    limits
}

fn invalid(detail: impl Into<String>, span: &Span, help: &str, problems: &mut Diagnostics) {
    problems.push(Diagnostic::error(Code::InvalidLimit, detail).at(span.clone()).help(help));
}

/// A string that says something in a syntax of its own.
fn parsed<T: FromStr<Err: Display>>(
    entry: Option<&Entry>,
    place: &str,
    help: &str,
    problems: &mut Diagnostics,
) -> Option<Spanned<T>> {
    let text = entry?.item.text(place, problems)?;
    match text.value.parse() {
        Ok(value) => Some(Spanned { value, span: text.span }),
        Err(error) => {
            invalid(format!("`{place}`: {error}"), &text.span, help, problems);
            None
        }
    }
}

fn ttl(item: &Item, problems: &mut Diagnostics) -> TtlBounds {
    const KEYS: [&str; 4] = ["default", "max", "max_total", "grace"];
    const HELP: &str = "write a duration such as \"8h\", \"7d12h\" or \"PT8H\"";
    let Some(table) = item.table("limits.ttl", problems) else { return TtlBounds::default() };
    table.refuse_unknown("limits.ttl", &KEYS, problems);
    let [default, max, max_total, grace] = KEYS.map(|key| {
        let place = format!("limits.ttl.{key}");
        parsed::<Duration>(table.entries.get(key), &place, HELP, problems)
    });
    for (key, duration) in [("default", &default), ("max", &max), ("max_total", &max_total)] {
        if let Some(Spanned { value: Duration::ZERO, span }) = duration {
            let detail = format!("`limits.ttl.{key}` is zero, so no environment could live");
            invalid(detail, span, "give a length above zero", problems);
        }
    }
    let pairs = [
        ("max", &max, "max_total", &max_total),
        ("default", &default, "max", &max),
        ("default", &default, "max_total", &max_total),
    ];
    for (small, smaller, large, larger) in pairs {
        let (Some(smaller), Some(larger)) = (smaller, larger) else { continue };
        // Where `max` stands between the two, the other pairs have said it already.
        if (small, large) == ("default", "max_total") && max.is_some() {
            continue;
        }
        if smaller.value > larger.value {
            let detail = format!(
                "`limits.ttl.{small}` is {}, above `limits.ttl.{large}`, which is {}",
                smaller.value, larger.value
            );
            let problem = Diagnostic::error(Code::InvalidLimit, detail)
                .label(smaller.span.clone(), "this one is longer")
                .label(larger.span.clone(), "than this one");
            problems.push(problem.help(format!("lower `{small}`, or raise `{large}`")));
        }
    }
    let value = |duration: Option<Spanned<Duration>>| duration.map(|d| d.value);
    TtlBounds {
        default: value(default),
        max: value(max),
        max_total: value(max_total),
        grace: value(grace),
    }
}

fn budget(item: &Item, problems: &mut Diagnostics) -> Budget {
    const HELP: &str = "write an amount and a currency, such as \"40.00 USD\"";
    let Some(table) = item.table("limits.budget", problems) else { return Budget::default() };
    table.refuse_unknown("limits.budget", &["monthly", "total"], problems);
    let mut amount = |key: &str| {
        let place = format!("limits.budget.{key}");
        parsed::<Money>(table.entries.get(key), &place, HELP, problems)
    };
    let (monthly, total) = (amount("monthly"), amount("total"));
    if let (Some(monthly), Some(total)) = (&monthly, &total)
        && monthly.value.currency() != total.value.currency()
    {
        let detail = format!(
            "`limits.budget` is in two currencies, {} and {}",
            monthly.value.currency(),
            total.value.currency()
        );
        let problem = Diagnostic::error(Code::InvalidLimit, detail)
            .label(total.span.clone(), "one currency")
            .label(monthly.span.clone(), "another one");
        problems.push(problem.help("amounts are never converted; use one currency"));
    }
    Budget { monthly: monthly.map(|m| m.value), total: total.map(|m| m.value) }
}

fn resources(item: &Item, problems: &mut Diagnostics) -> Option<u32> {
    let number = item.number("limits.resources", problems)?;
    let count = number.as_i64().and_then(|whole| u32::try_from(whole).ok());
    if count.is_none() {
        let detail = format!("`limits.resources` is {number}, which is no count");
        invalid(detail, &item.span, "write a whole number from 0 to 4294967295", problems);
    }
    count
}

fn regions(item: &Item, problems: &mut Diagnostics) -> Option<BTreeSet<String>> {
    item.list("limits.regions", problems)?;
    let mut regions = BTreeSet::new();
    for region in item.texts("limits.regions", problems) {
        if region.value.trim().is_empty() {
            let help = "name a region, such as \"local\" or \"eu-west-1\"";
            invalid("`limits.regions` has an empty name in it", &region.span, help, problems);
        } else {
            regions.insert(region.value);
        }
    }
    Some(regions)
}

fn on_expiry(item: &Item, problems: &mut Diagnostics) -> Option<OnExpiry> {
    let text = item.text("limits.on_expiry", problems)?;
    match text.value.as_str() {
        "keep-data" => Some(OnExpiry::KeepData),
        "delete-data" => Some(OnExpiry::DeleteData),
        other => {
            let help = match nearest(other, ON_EXPIRY.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write \"keep-data\" or \"delete-data\"".to_owned(),
            };
            let detail = format!("`limits.on_expiry` does not know \"{other}\"");
            invalid(detail, &text.span, &help, problems);
            None
        }
    }
}
