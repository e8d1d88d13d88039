//! Golden files: what a test got is compared with what lies beside its input.
//!
//! `GOV_UPDATE_GOLDEN=1 cargo test` writes them anew; the difference is then reviewed like code.

#![expect(clippy::disallowed_methods, reason = "IO: tests read and write their fixtures")]

use std::path::Path;
use std::path::PathBuf;

/// The switch that makes [`check`] write instead of compare.
pub const UPDATE: &str = "GOV_UPDATE_GOLDEN";

/// A folder below `tests/`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The text of a fixture.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder with this ending, in the order of their names.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    paths
}

/// Compares with a golden file, or writes it. `Err` tells the difference.
pub fn check(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::write(path, actual).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(());
    }
    let wanted = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: {error}; set {UPDATE}=1 to write it", path.display()))?;
    if wanted == actual {
        return Ok(());
    }
    let message = format!("{} differs; set {UPDATE}=1 to accept", path.display());
    Err(format!("{message}\n--- wanted\n{wanted}--- got\n{actual}"))
}
