//! Importers: from what providers publish to rows of a book, in one pass and little memory.
//!
//! Every importer streams its input, keeps what the mapping can ask for, and hands each price to a
//! [`Collector`], which decides: kept, quarantined with a reason, or in conflict. Nothing is
//! fetched here, and nothing that is doubtful becomes a price. What was imported is compared with
//! the book before by [`compare`]. Other kinds of list need a reader that makes [`OfferRow`]s, no
//! more.

mod aws_csv;
mod aws_json;
mod collect;
mod focus;
mod genai;
mod offer;
mod plain;

pub use aws_csv::import as aws_offer_csv;
pub use aws_json::import as aws_offer_json;
pub use collect::Change;
pub use collect::Collector;
pub use collect::Comparison;
pub use collect::Imported;
pub use collect::Quarantine;
pub use collect::Reason;
pub use collect::compare;
pub use focus::import as focus_bill;
pub use genai::import as genai_prices;
pub use offer::OfferRow;
pub use offer::Offers;
pub use plain::import as plain_csv;

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input could not be read.
    #[error("the list cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The input is not of the kind it was said to be.
    #[error("not a list of this kind: {0}")]
    Format(String),
    /// The input has more than an import takes.
    #[error("the list is too large: {0}; filter it, or import it by region")]
    TooLarge(String),
}

#[cfg(test)]
mod tests;
