//! Costs and quotes. What has no price is said so, never left out or shown as nothing.

use serde_json::Value as Json;
use serde_json::json;

use super::page::Page;
use super::text::Hue;
use super::text::clean;
use super::text::count;
use crate::model::cost::Cost;
use crate::model::cost::PriceStatus;
use crate::model::cost::Quote;
use crate::model::limits::Budget;

/// The most lines of single resources; the sum above them covers all.
const LINES_MAX: usize = 20;

/// A cost in a month, with what is wrong with it.
#[must_use]
pub fn text(cost: &Cost) -> String {
    let open = |(status, count): (&PriceStatus, &u32)| format!("{count} {}", status.name());
    let parts = cost.parts.iter().filter(|(status, _)| !status.is_bounded());
    let unpriced: Vec<String> = parts.map(open).collect();
    if unpriced.is_empty() {
        cost.summary()
    } else {
        format!("{} ({})", cost.summary(), unpriced.join(", "))
    }
}

/// Whether it costs nothing and is known to.
#[must_use]
pub fn is_free(cost: &Cost) -> bool {
    cost.upper.is_some_and(|upper| upper.amount().is_zero())
}

/// A budget: `40.00 USD a month, 5.00 USD in all`.
#[must_use]
pub fn budget(budget: &Budget) -> Option<String> {
    let monthly = budget.monthly.map(|money| format!("{} a month", money.rounded()));
    let total = budget.total.map(|money| format!("{} in all", money.rounded()));
    let parts: Vec<String> = monthly.into_iter().chain(total).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The section of a plan on what it costs.
pub fn section(page: &mut Page<'_>, quote: &Quote, allowed: &Budget, ends: bool) {
    page.heading("Cost");
    let monthly = if quote.before == quote.after {
        text(&quote.after)
    } else {
        format!("{} → {}", text(&quote.before), text(&quote.after))
    };
    page.pair("a month", &monthly);
    if !ends {
        page.pair("until expiry", &text(&quote.until_expiry));
    }
    page.pair_if("budget", budget(allowed));
    let costly: Vec<_> = quote
        .changes
        .iter()
        .filter(|(_, priced)| !is_free(&priced.before) || !is_free(&priced.after))
        .collect();
    let shown = if page.screen().unfold { costly.len() } else { LINES_MAX };
    for (address, priced) in costly.iter().take(shown) {
        let amount = if priced.before == priced.after {
            text(&priced.after)
        } else {
            format!("{} → {}", text(&priced.before), text(&priced.after))
        };
        let address = clean(&address.to_string());
        let line = format!("{address}: {amount}, {}", clean(&priced.note));
        page.item(2, ("·", Hue::Faint), &line);
    }
    if costly.len() > shown {
        let more = format!("… and {} more", count(costly.len() - shown, "resource"));
        page.prose(4, &more);
    }
}

/// A cost as JSON. Amounts are exact, as text.
#[must_use]
pub fn json(cost: &Cost) -> Json {
    let part =
        |(status, count): (&PriceStatus, &u32)| (status.name().to_owned(), Json::from(*count));
    json!({
        "lower": cost.lower.to_string(),
        "upper": cost.upper.map(|money| money.to_string()),
        "bounded": cost.is_bounded(),
        "parts": Json::Object(cost.parts.iter().map(part).collect()),
    })
}

/// A budget as JSON.
#[must_use]
pub fn budget_json(budget: &Budget) -> Json {
    json!({
        "monthly": budget.monthly.map(|money| money.to_string()),
        "total": budget.total.map(|money| money.to_string()),
    })
}

/// A quote as JSON.
#[must_use]
pub fn quote_json(quote: &Quote) -> Json {
    let resources = quote.changes.iter().map(|(address, priced)| {
        json!({
            "address": address.to_string(),
            "before": json(&priced.before),
            "after": json(&priced.after),
            "note": priced.note,
        })
    });
    json!({
        "before": json(&quote.before),
        "after": json(&quote.after),
        "until_expiry": json(&quote.until_expiry),
        "resources": resources.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::is_free;
    use super::text;
    use crate::model::cost::Cost;
    use crate::model::cost::PriceStatus;

    #[test]
    fn what_has_no_price_is_named_and_not_free() {
        let open = Cost::unpriced(PriceStatus::TypeUnmapped);
        assert_eq!(text(&open), "unpriced (1 type_unmapped)");
        assert!(!is_free(&open));
        assert!(is_free(&Cost::free()) && is_free(&Cost::nothing()));
    }
}
