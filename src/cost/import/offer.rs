//! From a row of a provider's list to rows of a book, by the `[[offer]]` rules of a mapping.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::Collector;
use super::Reason;
use crate::cost::book::Row;
use crate::cost::decimal;
use crate::cost::expression::Answer;
use crate::cost::expression::Scope;
use crate::cost::mapping::Mapping;
use crate::cost::mapping::Offer;
use crate::cost::mapping::key;
use crate::model::money::Currency;

/// One price of a list, whatever the list looks like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OfferRow {
    /// The service, as the list names it.
    pub service: String,
    /// The region.
    pub region: String,
    /// What tells it apart; names are small letters and digits alone.
    pub attributes: BTreeMap<String, String>,
    /// The unit, as the list names it.
    pub unit: String,
    /// The price, as written.
    pub price: String,
    /// The currency.
    pub currency: String,
    /// From which quantity.
    pub tier_start: String,
    /// Where in the source it stands.
    pub place: String,
}

/// A rule that takes a row, and the key of its price.
#[derive(Clone, Debug)]
pub struct Matched<'m> {
    offer: &'m Offer,
    key: String,
}

/// The rules of a mapping, ready for rows.
#[derive(Debug)]
pub struct Offers<'m> {
    mapping: &'m Mapping,
    rules: BTreeMap<&'m str, Vec<&'m Offer>>,
    /// Families that some component asks for, by service. Services that are themselves made from
    /// attributes are in it as none.
    asked: BTreeSet<&'m str>,
    source: String,
}

impl<'m> Offers<'m> {
    /// The rules of a mapping; `source` is the name under which `book.toml` will know the list.
    #[must_use]
    pub fn new(mapping: &'m Mapping, source: &str) -> Self {
        let mut rules: BTreeMap<&str, Vec<&Offer>> = BTreeMap::new();
        for offer in &mapping.offers {
            rules.entry(&offer.service).or_default().push(offer);
        }
        let components = mapping.resources.values().flat_map(|resource| &resource.components);
        let asked = components.map(|component| component.family.as_str()).collect();
        Self { mapping, rules, asked, source: source.to_owned() }
    }

    /// Whether any rule reads this service, so that the rest of a row need not be looked at.
    #[must_use]
    pub fn reads(&self, service: &str) -> bool {
        self.rules.contains_key(service)
    }

    /// The rule that takes a row, and the key it gives. Units and prices need not be known yet.
    #[must_use]
    pub fn find(&self, row: &OfferRow) -> Option<Matched<'m>> {
        let seen = Seen { row, mapping: self.mapping };
        let rules = self.rules.get(row.service.as_str())?;
        let fits = |offer: &&Offer| {
            self.asked.contains(offer.family.as_str())
                && offer.when.as_ref().is_none_or(|when| when.evaluate(&&seen).is_true())
        };
        let offer = rules.iter().copied().find(fits)?;
        let mut parts = BTreeMap::new();
        for (name, template) in &offer.key {
            let text = template.fill(&&seen).ok().filter(|text| !text.is_empty())?;
            parts.insert(name.as_str(), text);
        }
        let provider = &self.mapping.provider;
        let key = key(provider, &row.service, &row.region, &offer.family, &parts);
        Some(Matched { offer, key })
    }

    /// Turns a row into a price, where a rule takes it.
    pub fn take(&self, row: &OfferRow, collector: &mut Collector) {
        match self.find(row) {
            Some(matched) => self.price(row, &matched, collector),
            None => collector.skip(),
        }
    }

    /// Turns a row that a rule takes into a price.
    pub fn price(&self, row: &OfferRow, matched: &Matched<'m>, collector: &mut Collector) {
        let seen = Seen { row, mapping: self.mapping };
        let Matched { offer, key } = matched;
        let start = match row.tier_start.as_str() {
            "" => Some(Decimal::ZERO),
            text => decimal::parse(text),
        };
        let per = offer.per.as_ref().map_or(Some(Decimal::ONE), |per| {
            per.evaluate(&&seen).as_number().filter(|per| *per > Decimal::ZERO)
        });
        let (Some(price), Some(start), Some(per), Ok(currency)) =
            (decimal::parse(&row.price), start, per, row.currency.parse::<Currency>())
        else {
            return collector.refuse(key, &row.price, Reason::NotANumber);
        };
        collector.take(Row {
            key: key.clone(),
            unit: offer.unit.evaluate(&&seen),
            per,
            tier_start: start,
            tier_scope: offer.scope,
            price,
            currency,
            from: None,
            to: None,
            zero: None,
            src: format!("{}#{}", self.source, row.place),
        });
    }
}

/// A row, seen by the expressions of a rule.
struct Seen<'r> {
    row: &'r OfferRow,
    mapping: &'r Mapping,
}

impl<'a> Scope<'a> for &'a Seen<'a> {
    fn name(&self, name: &str) -> Answer<'a> {
        match name {
            "unit" => Answer::text(self.row.unit.as_str()),
            "region" => Answer::text(self.row.region.as_str()),
            name => match self.row.attributes.get(name) {
                Some(text) => Answer::text(text.as_str()),
                None => Answer::Null,
            },
        }
    }

    fn usage(&self, path: &[String]) -> Answer<'a> {
        Answer::Unset(Cow::Owned(path.join(".")))
    }

    fn member(&self, _: usize, _: &str) -> Answer<'a> {
        Answer::Null
    }

    fn lookup(&self, table: &str, row: &str) -> Option<Answer<'a>> {
        let text = self.mapping.tables.get(table)?.get(row)?;
        Some(Answer::text(text.as_str()))
    }

    fn assume(&self, _: &Answer<'a>) {}

    fn is_claim(&self, _: &[String]) -> bool {
        false
    }

    fn rest_on_claim(&self, _: &[String]) {}
}

/// An attribute's name as rules write it: `Instance Type` and `instanceType` are `instancetype`.
#[must_use]
pub fn attribute_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// AWS's usage type without the prefix of its region: `EU-NatGateway-Hours` is metered as
/// `NatGateway-Hours`. Prefixes are two to four capitals with digits, and `EU` alone.
#[must_use]
pub fn meter(usage_type: &str) -> &str {
    let Some((prefix, rest)) = usage_type.split_once('-') else { return usage_type };
    let letters = prefix.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_region = prefix == "EU"
        || (letters.len() >= 2
            && letters.len() < prefix.len()
            && prefix.len() <= 5
            && letters.chars().all(|c| c.is_ascii_uppercase())
            && REGION_LETTERS.contains(&letters));
    if is_region { rest } else { usage_type }
}

/// What the prefixes of regions are made of, before their digits.
const REGION_LETTERS: [&str; 18] = [
    "USE", "USW", "UGE", "UGW", "APN", "APS", "APE", "EUC", "EUN", "EUS", "EUW", "EU", "SAE",
    "CAN", "CNN", "MES", "AFS", "ILC",
];
