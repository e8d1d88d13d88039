//! `prices.csv`: sorted, one price a line, numbers as plain decimals, so that two books compare
//! with
//! `diff` and the same rows give the same bytes.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::BookError;
use super::Row;
use super::TierScope;
use super::ZeroReason;
use crate::cost::decimal;

/// The header.
pub const COLUMNS: [&str; 11] = [
    "key",
    "unit",
    "per",
    "tier_start",
    "tier_scope",
    "price",
    "currency",
    "from",
    "to",
    "zero",
    "src",
];

/// Rows of one book. Every on-demand price of one large provider in one region is about 60,000.
const ROWS_MAX: usize = 5_000_000;

/// Bytes of one field. A key with a dozen discriminants has a few hundred.
const FIELD_BYTES_MAX: usize = 2_000;

/// Reads the rows of a table.
///
/// # Errors
/// [`BookError::Line`].
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, BookError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let mut rows = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1);
        let wrong = |what: String| BookError::Line { line, what };
        let record = record.map_err(|error| wrong(error.to_string()))?;
        if place == 0 {
            if record.iter().ne(COLUMNS) {
                return Err(wrong(format!("the header is not `{}`", COLUMNS.join(","))));
            }
            continue;
        }
        if rows.len() >= ROWS_MAX {
            return Err(wrong(format!("more than {ROWS_MAX} prices")));
        }
        rows.push(row_of(&record).map_err(wrong)?);
    }
    Ok(rows)
}

/// A row from the fields of a record, in the order of [`COLUMNS`].
///
/// # Errors
/// What is wrong with it, in words.
pub fn row_of(record: &csv::StringRecord) -> Result<Row, String> {
    if let Some(long) = record.iter().find(|field| field.len() > FIELD_BYTES_MAX) {
        return Err(format!("a field of {} bytes", long.len()));
    }
    let field = |place: usize| record.get(place).unwrap_or("");
    let number = |place: usize, default: Decimal| match field(place) {
        "" => Ok(default),
        text => decimal::parse(text).ok_or_else(|| format!("`{text}` is not a number")),
    };
    let price = field(5);
    let day = |place: usize| match field(place) {
        "" => Ok(None),
        text => text.parse::<Date>().map(Some).map_err(|_| format!("`{text}` is not a day")),
    };
    if field(0).is_empty() || field(1).is_empty() {
        return Err("a price needs a key and a unit".to_owned());
    }
    Ok(Row {
        key: field(0).to_owned(),
        unit: field(1).to_owned(),
        per: number(2, Decimal::ONE)?,
        tier_start: number(3, Decimal::ZERO)?,
        tier_scope: match field(4) {
            "" | "resource" => TierScope::Resource,
            "account" => TierScope::Account,
            "environment" => TierScope::Environment,
            other => return Err(format!("`{other}` is not a tier scope")),
        },
        price: decimal::parse(price).ok_or_else(|| format!("`{price}` is not a price"))?,
        currency: field(6).parse().map_err(|_| format!("`{}` is no currency", field(6)))?,
        from: day(7)?,
        to: day(8)?,
        zero: match field(9) {
            "" => None,
            "free" => Some(ZeroReason::Free),
            "upfront" => Some(ZeroReason::Upfront),
            other => return Err(format!("`{other}` is no reason for zero")),
        },
        src: field(10).to_owned(),
    })
}

/// The canonical text of rows that are in order.
#[must_use]
pub fn write(rows: &[Row]) -> Vec<u8> {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for row in rows {
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let fields = [
            row.key.clone(),
            row.unit.clone(),
            row.per.normalize().to_string(),
            row.tier_start.normalize().to_string(),
            row.tier_scope.name().to_owned(),
            row.price.normalize().to_string(),
            row.currency.to_string(),
            day(row.from),
            day(row.to),
            match row.zero {
                None => String::new(),
                Some(ZeroReason::Free) => "free".to_owned(),
                Some(ZeroReason::Upfront) => "upfront".to_owned(),
            },
            row.src.clone(),
        ];
        let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
        text.push_str(&quoted.join(","));
        text.push('\n');
    }
    text.into_bytes()
}

fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}
