//! What ships with gov, so that a first plan has figures: a mapping and a small book for each
//! provider in `providers/`, compiled in. Everything larger comes by import.

use std::sync::Arc;

use crate::cost::book::Book;
use crate::cost::book::BookError;
use crate::cost::mapping::Mapping;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;

const MAPPINGS: [(&str, &str); 1] =
    [("providers/aws/cost.toml", include_str!("../../providers/aws/cost.toml"))];

const BOOKS: [(&str, &str); 1] = [(
    include_str!("../../providers/aws/book/book.toml"),
    include_str!("../../providers/aws/book/prices.csv"),
)];

/// The mappings.
///
/// # Errors
/// Never; a test reads them all.
pub fn mappings() -> Result<Vec<Mapping>, Diagnostics> {
    MAPPINGS.iter().map(|(name, text)| Mapping::parse(&Source::new(*name, *text))).collect()
}

/// The books.
///
/// # Errors
/// Never; a test reads them all.
pub fn books() -> Result<Vec<Arc<Book>>, BookError> {
    let read = |(provenance, prices): &(&str, &str)| Book::read(provenance, prices.as_bytes());
    BOOKS.iter().map(|book| read(book).map(Arc::new)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::BOOKS;
    use super::books;
    use super::mappings;
    use crate::cost::book::write;

    #[test]
    fn what_ships_is_whole_and_canonical() {
        let mappings = mappings().unwrap_or_else(|wrong| {
            panic!("{:#?}", wrong.into_sorted().iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        assert!(mappings[0].resources.len() >= 100, "{}", mappings[0].resources.len());
        for (book, (_, text)) in books().unwrap().iter().zip(BOOKS) {
            assert_eq!(String::from_utf8(write(book.rows())).unwrap(), text);
            assert!(book.provenance().sources.values().all(|source| !source.licence.is_empty()));
        }
    }

    /// A price that no mapping asks for is dead weight, or a key spelled in two ways.
    #[test]
    fn every_price_that_ships_answers_some_mapping() {
        let mappings = mappings().unwrap();
        let mut asked: BTreeSet<(&str, String)> = BTreeSet::new();
        for component in mappings[0].resources.values().flat_map(|r| &r.components) {
            let names: Vec<&str> = component.key.keys().map(String::as_str).collect();
            asked.insert((component.family.as_str(), names.join(" ")));
        }
        for book in books().unwrap() {
            for row in book.rows() {
                let (path, query) = row.key.split_once('?').unwrap();
                let family = path.rsplit('/').next().unwrap();
                let names: Vec<&str> =
                    query.split('&').map(|part| part.split('=').next().unwrap()).collect();
                assert!(asked.contains(&(family, names.join(" "))), "{}", row.key);
            }
        }
    }
}
