//! Token prices from the JSON of `genai-prices`: its figures as text, never its arithmetic.
//!
//! A key is `llm/PROVIDER/global/tokens?kind=input&model=NAME`, priced by the million tokens.
//! Where a price steps up with the length of a request, the dearest step is taken, for a budget
//! has to hold in any case; the same holds for prices that differ by the hour of the day.

use std::collections::BTreeMap;
use std::io::BufRead;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Collector;
use super::ImportError;
use super::Imported;
use super::Reason;
use crate::cost::book::Row;
use crate::cost::book::TierScope;
use crate::cost::decimal;
use crate::cost::mapping::key;
use crate::model::money::Currency;

/// Tokens that a price is for.
const TOKENS: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

#[derive(Deserialize)]
struct Provider {
    id: String,
    #[serde(default)]
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    prices: Prices,
}

type Prices = Box<RawValue>;

#[derive(Deserialize)]
struct Conditional {
    constraint: Option<Constraint>,
    prices: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
struct Constraint {
    start_date: Option<String>,
    start_time: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Tiered {
    base: Box<RawValue>,
    #[serde(default)]
    tiers: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    price: Box<RawValue>,
}

/// Reads the data; `source` is the name under which `book.toml` will know it.
///
/// # Errors
/// [`ImportError`].
pub fn import(input: impl BufRead, source: &str) -> Result<Imported, ImportError> {
    let wrong = |error: serde_json::Error| ImportError::Format(error.to_string());
    let raw: Box<RawValue> = serde_json::from_reader(input).map_err(wrong)?;
    let providers: Vec<Provider> = serde_json::from_str(raw.get()).map_err(wrong)?;
    let mut collector = Collector::new();
    for provider in providers {
        for model in provider.models {
            let place = Place { provider: &provider.id, model: &model.id, source };
            dated(&place, model.prices.get(), &mut collector);
        }
    }
    collector.finish()
}

struct Place<'p> {
    provider: &'p str,
    model: &'p str,
    source: &'p str,
}

impl Place<'_> {
    fn key(&self, kind: &str) -> String {
        let parts = [("kind", kind.to_owned()), ("model", self.model.to_owned())].into();
        key("llm", self.provider, "global", "tokens", &parts)
    }
}

/// One price list, or several with the day each begins.
fn dated(place: &Place<'_>, text: &str, collector: &mut Collector) {
    let one: Result<BTreeMap<String, Box<RawValue>>, _> = serde_json::from_str(text);
    if let Ok(prices) = one {
        return listed(place, &prices, &[], (None, None), collector);
    }
    let Ok(all) = serde_json::from_str::<Vec<Conditional>>(text) else {
        return collector.refuse(&place.key("?"), "", Reason::NotANumber);
    };
    let mut spans: Vec<(Option<Date>, &Conditional)> = Vec::new();
    let mut hours: Vec<&Conditional> = Vec::new();
    for conditional in &all {
        match &conditional.constraint {
            None => spans.push((None, conditional)),
            Some(Constraint { start_date: Some(day), start_time: None }) => match day.parse() {
                Ok(day) => spans.push((Some(day), conditional)),
                Err(_) => return collector.refuse(&place.key("?"), day, Reason::NotANumber),
            },
            // Which hour a request falls into is not known before: the dearest counts.
            Some(Constraint { start_date: None, start_time: Some(_) }) => hours.push(conditional),
            Some(_) => return collector.refuse(&place.key("?"), "", Reason::Conditional),
        }
    }
    spans.sort_by_key(|(day, _)| *day);
    let ends: Vec<Option<Date>> = spans.iter().skip(1).map(|(day, _)| *day).chain([None]).collect();
    for ((from, conditional), to) in spans.into_iter().zip(ends) {
        listed(place, &conditional.prices, &hours, (from, to), collector);
    }
}

fn listed(
    place: &Place<'_>,
    prices: &BTreeMap<String, Box<RawValue>>,
    hours: &[&Conditional],
    (from, to): (Option<Date>, Option<Date>),
    collector: &mut Collector,
) {
    for (name, raw) in prices {
        // `input_mtok` is a price by the million tokens; others, such as by the request, are not.
        let Some(kind) = name.strip_suffix("_mtok") else {
            collector.skip();
            continue;
        };
        let key = place.key(kind);
        let others = hours.iter().filter_map(|hour| hour.prices.get(name));
        let price = others
            .chain([raw])
            .map(|raw| dearest(raw.get()))
            .try_fold(Decimal::ZERO, |most, price| Some(most.max(price?)));
        let Some(price) = price else {
            collector.refuse(&key, raw.get(), Reason::NotANumber);
            continue;
        };
        collector.take(Row {
            key,
            unit: "token".to_owned(),
            per: TOKENS,
            tier_start: Decimal::ZERO,
            tier_scope: TierScope::Resource,
            price,
            currency: Currency::USD,
            from,
            to,
            zero: None,
            src: format!("{}#{}/{}", place.source, place.provider, place.model),
        });
    }
}

fn dearest(text: &str) -> Option<Decimal> {
    if let Some(price) = decimal::parse(text.trim().trim_matches('"')) {
        return Some(price);
    }
    let tiered: Tiered = serde_json::from_str(text).ok()?;
    let number = |raw: &RawValue| decimal::parse(raw.get().trim().trim_matches('"'));
    tiered
        .tiers
        .iter()
        .try_fold(number(&tiered.base)?, |dearest, step| Some(dearest.max(number(&step.price)?)))
}
