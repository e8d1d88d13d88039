//! Runs peer cost cases against the shipped mapping: `cargo xtask cost-cases FILE.json.gz`.
//!
//! A case is a set of resources, what is stated of their usage, and the rows that a peer prints for
//! them. The prices are the peer's own, put into a book under the keys that the mapping makes, so
//! what is judged is structure, quantity and telling prices apart, never somebody's price list:
//!
//! * a row is *found* where a part of the same resource has its quantity in a like unit;
//! * it is *reached* where the part, priced by the supplied book, also has its cost. One key with
//!   two prices reaches neither;
//! * a row without usage or price is reached where its part is open at the top, and is a lie where
//!   it comes out as an amount.
//!
//! Names of rows choose between parts that fit equally well and decide nothing else.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "IO: reads the cases it is given and prints what came of them"
)]

mod case;
mod compare;
mod supply;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use gov::cost::mapping::Mapping;
use gov::diagnostic::Source;

use case::File;
use compare::Verdict;

/// Bytes of a file of cases once unpacked; the largest known has a few million.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The share of fixed rows, and of all rows, that must be reached.
const FIXED_PERCENT: usize = 95;
const ALL_PERCENT: usize = 85;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.iter().any(|argument| argument == "--verbose");
    let path = arguments.iter().find(|argument| !argument.starts_with("--"));
    let Some(path) = path else {
        eprintln!("usage: cost-cases FILE.json.gz [--verbose]");
        return ExitCode::FAILURE;
    };
    match run(Path::new(path), verbose) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("cost-cases: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &Path, verbose: bool) -> Result<bool, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let file: File = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mappings = mappings()?;
    let verdicts = compare::judge(&file, &mappings)?;
    Ok(report(&file, &verdicts, verbose))
}

/// The mappings of the working tree, so that data can be tried without building anything anew.
fn mappings() -> Result<Vec<Mapping>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let mut mappings = Vec::new();
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    for folder in folders {
        let path = folder.join("cost.toml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let source = Source::new(path.display().to_string(), text);
        let mapping = Mapping::parse(&source).map_err(|diagnostics| {
            let lines: Vec<String> =
                diagnostics.into_sorted().iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        mappings.push(mapping);
    }
    Ok(mappings)
}

fn report(file: &File, verdicts: &[Verdict], verbose: bool) -> bool {
    let mut classes: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (row, verdict) in file.rows.iter().zip(verdicts) {
        for class in [row.class.as_str(), "all"] {
            let counts = classes.entry(class).or_default();
            let tally = [true, verdict.found, verdict.reached, verdict.lie];
            for (count, holds) in counts.iter_mut().zip(tally) {
                *count += usize::from(holds);
            }
        }
        if verbose && !verdict.reached {
            println!(
                "{} {} | {} | {} {} {} | {}",
                row.class,
                row.resource_address,
                row.component,
                row.monthly_qty.as_deref().unwrap_or("-"),
                row.unit,
                row.monthly_cost.as_deref().unwrap_or("-"),
                verdict.why
            );
        }
    }
    println!("{:<18} {:>6} {:>12} {:>12} {:>6}", "class", "rows", "found", "reached", "lies");
    let share = |count: usize, of: usize| {
        let tenths = count.saturating_mul(1000).checked_div(of).unwrap_or(0);
        format!("{count} {:>3}.{}%", tenths / 10, tenths % 10)
    };
    let mut good = true;
    for (class, [rows, found, reached, lies]) in &classes {
        let (found, told) = (share(*found, *rows), share(*reached, *rows));
        println!("{class:<18} {rows:>6} {found:>12} {told:>12} {lies:>6}");
        let percent = match *class {
            "fixed" => FIXED_PERCENT,
            "all" => ALL_PERCENT,
            _ => 0,
        };
        good &= *lies == 0 && reached.saturating_mul(100) >= rows.saturating_mul(percent);
    }
    good
}
