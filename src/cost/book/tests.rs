//! Books as they are read, refused, layered and looked up.

use std::sync::Arc;

use super::Book;
use super::BookError;
use super::Books;
use super::COLUMNS;
use super::Found;
use super::TierScope;
use super::write;

const PROVENANCE: &str = r#"
id = "curated"
provider = "aws"
description = "a few prices"

[source.list]
origin = "https://example.invalid/prices.json"
as_of = "2026-07-20"
licence = "Apache-2.0"
"#;

fn read(rows: &str) -> Result<Book, BookError> {
    Book::read(PROVENANCE, format!("{}\n{rows}", COLUMNS.join(",")).as_bytes())
}

fn wrong(rows: &str) -> String {
    read(rows).unwrap_err().to_string()
}

#[test]
fn rows_are_sorted_and_written_as_read() {
    let text = "b?x=1,hour,,,,0.10,USD,,,,list\n\
                \"a?x=1,2\",GB,1000,0,account,1e-3,USD,2026-01-01,,,list#7\n";
    let book = read(text).unwrap();
    let written = String::from_utf8(write(book.rows())).unwrap();
    let lines: Vec<&str> = written.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "\"a?x=1,2\",GB,1000,0,account,0.001,USD,2026-01-01,,,list#7",
            "b?x=1,hour,1,0,resource,0.1,USD,,,,list"
        ]
    );
    let again = Book::read(PROVENANCE, written.as_bytes()).unwrap();
    assert_eq!(again, book);
    assert_ne!(again.digest(), read("b?x=1,hour,,,,0.11,USD,,,,list").unwrap().digest());
}

/// G4: a zero that nobody declared and a price that is not one price are refused.
#[test]
fn g4_zero_gaps_and_doubles_are_errors() {
    for (rows, word) in [
        ("k,hour,,,,0,USD,,,,list", "zero"),
        ("k,hour,,,,0.1,USD,,,free,list", "not zero"),
        ("k,hour,,,,-1,USD,,,,list", "below zero"),
        ("k,hour,,,,1,USD,,,,list\nk,hour,,,,2,USD,,,,list", "two prices"),
        ("k,GB,,100,,1,USD,,,,list", "begin at zero"),
        ("k,GB,,,,1,USD,,,,list\nk,MB,,100,,1,USD,,,,list", "tiers differ"),
        ("k,hour,,,,1,USD,2026-01-01,,,list\nk,hour,,,,2,USD,2026-06-01,,,list", "one day"),
        ("k,hour,,,,1,USD,,,,list\nk,hour,,,,2,EUR,,,,list", "one day"),
        ("k,hour,,,,1,USD,,,,other", "no source"),
        ("k,hour,,,,1,US,,,,list", "currency"),
        ("k,hour,,,,one,USD,,,,list", "not a price"),
        (",hour,,,,1,USD,,,,list", "a key"),
    ] {
        let message = wrong(rows);
        assert!(message.contains(word), "{rows}: {message}");
    }
    assert!(read("k,hour,,,,0,USD,,,free,list").is_ok());
}

#[test]
fn the_upper_layer_wins_and_days_decide() {
    let below = read(
        "k,GB,,,account,2,USD,,2026-06-01,,list\nk,GB,,,account,1,USD,2026-06-01,,,list\n\
         k,GB,,100,account,0.5,USD,2026-06-01,,,list\nl,GB,,,,3,USD,,,,list\n\
         currency?from=EUR&to=USD,EUR,,,,1.1,USD,2026-01-01,2027-01-01,,list",
    )
    .unwrap();
    let above = Book::read(
        &PROVENANCE.replace("curated", "private"),
        format!("{}\nl,GB,,,,2.5,USD,,,,list\n", COLUMNS.join(",")).as_bytes(),
    )
    .unwrap();
    let books = Books::new(vec![Arc::new(above), Arc::new(below)]);
    let price = |key: &str, day: &str| match books.find(key, day.parse().unwrap()) {
        Found::Price(price) => {
            let tiers: Vec<String> =
                price.tiers.iter().map(|t| format!("{}:{}", t.start, t.price)).collect();
            format!("{} {}", price.layer, tiers.join(" "))
        }
        other => format!("{other:?}"),
    };
    assert_eq!(price("k", "2026-05-31"), "curated 0:2");
    assert_eq!(price("k", "2026-06-01"), "curated 0:1 100:0.5");
    assert_eq!(price("l", "2026-06-01"), "private 0:2.5");
    assert_eq!(price("m", "2026-06-01"), "Missing");
    let Found::Price(found) = books.find("k", "2026-06-01".parse().unwrap()) else { panic!() };
    assert_eq!(found.scope, TierScope::Account);
    assert_eq!(found.as_of.to_string(), "2026-07-20");
    let (eur, usd) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
    assert_eq!(books.rate(eur, usd, "2026-06-01".parse().unwrap()).unwrap().to_string(), "1.1");
    assert!(books.rate(eur, usd, "2027-06-01".parse().unwrap()).is_none());
    assert!(books.rate(usd, eur, "2026-06-01".parse().unwrap()).is_none());
}
