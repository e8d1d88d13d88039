//! Bills in the FOCUS form: what somebody really pays for a unit, from their own export.
//!
//! The contracted price counts, where there is one, else the list price. Rows that are no usage,
//! such as taxes and credits, are skipped.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::Collector;
use super::ImportError;
use super::Imported;
use super::OfferRow;
use super::Offers;
use super::offer::attribute_name;
use super::offer::meter;

/// Reads a bill.
///
/// # Errors
/// [`ImportError`].
pub fn import(input: impl BufRead, offers: &Offers<'_>) -> Result<Imported, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let wrong = |error: csv::Error| ImportError::Format(error.to_string());
    let names: Vec<String> = reader.headers().map_err(wrong)?.iter().map(attribute_name).collect();
    if !names.iter().any(|name| name == "listunitprice" || name == "contractedunitprice") {
        let message = "there is neither a ListUnitPrice nor a ContractedUnitPrice";
        return Err(ImportError::Format(message.to_owned()));
    }
    let mut collector = Collector::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        let named = names.iter().zip(&record).filter(|(_, value)| !value.is_empty());
        let mut attributes: BTreeMap<String, String> =
            named.map(|(name, value)| (name.clone(), value.to_owned())).collect();
        let first = |among: &[&str]| {
            among.iter().find_map(|name| attributes.get(*name)).cloned().unwrap_or_default()
        };
        let service = first(&["xservicecode", "servicename"]);
        let usage = attributes.get("chargecategory").is_none_or(|kind| kind == "Usage");
        if !usage || !offers.reads(&service) {
            collector.skip();
            continue;
        }
        let price = first(&["contractedunitprice", "listunitprice"]);
        if price.is_empty() {
            collector.skip();
            continue;
        }
        let usage_type = first(&["xusagetype", "skumeter"]);
        let row = OfferRow {
            region: first(&["regionid"]),
            unit: first(&["pricingunit"]),
            currency: first(&["pricingcurrency", "billingcurrency"]),
            place: first(&["skupriceid", "skuid"]),
            tier_start: String::new(),
            service,
            price,
            attributes: {
                attributes.insert("meter".to_owned(), meter(&usage_type).to_owned());
                attributes.insert("usagetype".to_owned(), usage_type);
                attributes
            },
        };
        offers.take(&row, &mut collector);
    }
    collector.finish()
}
