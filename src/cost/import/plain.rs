//! Prices that somebody keeps in a table of their own: a CSV with at least `key`, `unit`, `price`
//! and
//! `currency`, and any of the other columns of a book.

use std::io::BufRead;

use super::Collector;
use super::ImportError;
use super::Imported;
use super::Reason;
use crate::cost::book::COLUMNS;
use crate::cost::book::row_of;

/// Reads a table; `source` is the name under which `book.toml` will know it.
///
/// # Errors
/// [`ImportError`].
pub fn import(input: impl BufRead, source: &str) -> Result<Imported, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let wrong = |error: csv::Error| ImportError::Format(error.to_string());
    let header = reader.headers().map_err(wrong)?.clone();
    for needed in ["key", "unit", "price", "currency"] {
        if !header.iter().any(|name| name == needed) {
            return Err(ImportError::Format(format!("there is no column `{needed}`")));
        }
    }
    let places: Vec<Option<usize>> =
        COLUMNS.iter().map(|name| header.iter().position(|known| known == *name)).collect();
    let mut collector = Collector::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        let fields: csv::StringRecord = places
            .iter()
            .map(|place| place.and_then(|place| record.get(place)).unwrap_or(""))
            .collect();
        match row_of(&fields) {
            Ok(mut row) => {
                let place =
                    if row.src.is_empty() { String::new() } else { format!("#{}", row.src) };
                row.src = format!("{source}{place}");
                collector.take(row);
            }
            Err(_) => {
                let field = |place: usize| fields.get(place).unwrap_or("").to_owned();
                collector.refuse(&field(0), &field(5), Reason::NotANumber);
            }
        }
    }
    collector.finish()
}
