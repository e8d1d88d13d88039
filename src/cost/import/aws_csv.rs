//! AWS's offer files as CSV: five lines about the file, a header, and one price a line.

use std::io::BufRead;

use super::Collector;
use super::ImportError;
use super::Imported;
use super::OfferRow;
use super::Offers;
use super::offer::attribute_name;
use super::offer::meter;

/// Lines before the header.
const LINES_BEFORE: usize = 5;

/// Bytes of a line of the preamble; it is a version and a date.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Reads an offer file. Terms other than on-demand are skipped.
///
/// # Errors
/// [`ImportError`].
pub fn import(mut input: impl BufRead, offers: &Offers<'_>) -> Result<Imported, ImportError> {
    for _ in 0..LINES_BEFORE {
        let mut line = Vec::new();
        std::io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let wrong = |error: csv::Error| ImportError::Format(error.to_string());
    let names: Vec<String> = reader.headers().map_err(wrong)?.iter().map(attribute_name).collect();
    let column = |name: &str| names.iter().position(|known| known == name);
    let needed = |name: &str| {
        column(name).ok_or_else(|| ImportError::Format(format!("there is no column `{name}`")))
    };
    let (term, service) = (needed("termtype")?, needed("servicecode")?);
    let (price, unit, start) = (needed("priceperunit")?, needed("unit")?, column("startingrange"));
    let (currency, region) = (needed("currency")?, needed("regioncode")?);
    let (usage, rate) = (needed("usagetype")?, column("ratecode"));
    let mut collector = Collector::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        let field = |place: usize| record.get(place).unwrap_or("");
        if field(term) != "OnDemand" || !offers.reads(field(service)) {
            collector.skip();
            continue;
        }
        let named = names.iter().zip(&record).filter(|(_, value)| !value.is_empty());
        let mut attributes: std::collections::BTreeMap<String, String> =
            named.map(|(name, value)| (name.clone(), value.to_owned())).collect();
        attributes.insert("meter".to_owned(), meter(field(usage)).to_owned());
        let row = OfferRow {
            service: field(service).to_owned(),
            region: field(region).to_owned(),
            attributes,
            unit: field(unit).to_owned(),
            price: field(price).to_owned(),
            currency: field(currency).to_owned(),
            tier_start: start.map_or("", field).to_owned(),
            place: rate.map_or("", field).to_owned(),
        };
        offers.take(&row, &mut collector);
    }
    collector.finish()
}
