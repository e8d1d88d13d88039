//! Reads the working tree and runs programs; the only module of this crate that touches either.
//!
//! A tree is every text file that belongs to the repository: what the root's `.gitignore` names
//! is left out, and so is anything that is not text. No rule lives here.
#![expect(clippy::disallowed_methods, reason = "IO: the task runner works on the working tree")]

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The largest file read as text. The lock file, the largest by far, has some 100 KB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How deep folders may nest, which ends a loop of links before the stack does.
const DEPTH_MAX: usize = 24;

/// A text file of the repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TextFile {
    /// From the root of the repository, with `/` between folders.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The repository's files.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Its text files, by path.
    pub files: Vec<TextFile>,
    /// Every path, of folders and of files that are no text too, by path.
    pub paths: Vec<String>,
}

impl Tree {
    /// The text of a file, where the repository has it.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Whether a file or a folder exists.
    pub fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|known| known.as_str().cmp(path)).is_ok()
    }
}

/// The root of the repository: the folder that holds this package.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Reads every text file below `root` that `.gitignore` does not name.
///
/// # Errors
///
/// Where a folder or a file cannot be read, with its path.
pub fn read(root: &Path) -> Result<Tree, String> {
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let ignored: Vec<&str> =
        ignored.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut tree = Tree::default();
    walk(root, "", &ignored, 0, &mut tree)?;
    tree.files.sort();
    tree.paths.sort();
    Ok(tree)
}

/// Reads one file that must be there.
///
/// # Errors
///
/// With the path, where it cannot be read.
pub fn read_file(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| failure(path, &error))
}

/// What a program writes to stdout, where it ends well.
///
/// # Errors
///
/// Where it cannot be started or ends badly; what it wrote to stderr is part of the message.
pub fn output(root: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let shown = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{shown}` failed: {}", stderr.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` wrote what is not UTF-8"))
}

/// Runs a program with this one's terminal. Its exit code; 1 where a signal ended it.
///
/// # Errors
///
/// Where it cannot be started.
pub fn run(
    root: &Path,
    program: &str,
    arguments: &[String],
    environment: &[(&str, String)],
) -> Result<u8, String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    for (name, value) in environment {
        command.env(name, value);
    }
    let status =
        command.status().map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    Ok(status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}

fn walk(
    folder: &Path,
    prefix: &str,
    ignored: &[&str],
    depth: usize,
    tree: &mut Tree,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{prefix}: folders nest deeper than {DEPTH_MAX}"));
    }
    for entry in fs::read_dir(folder).map_err(|error| failure(folder, &error))? {
        let entry = entry.map_err(|error| failure(folder, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|error| failure(&entry.path(), &error))?;
        if is_ignored(&path, &name, ignored) || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, depth + 1, tree)?;
        } else if let Some(text) = text_of(&entry.path())? {
            tree.files.push(TextFile { path: path.clone(), text });
        }
        tree.paths.push(path);
    }
    Ok(())
}

/// Text, or none where the file is too large or not UTF-8.
fn text_of(path: &Path) -> Result<Option<String>, String> {
    let size = fs::metadata(path).map_err(|error| failure(path, &error))?.len();
    if size > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| failure(path, &error))?;
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')))
}

/// The three shapes that the root's `.gitignore` uses: `/path`, `name` and `*.ending`.
fn is_ignored(path: &str, name: &str, ignored: &[&str]) -> bool {
    name == ".git"
        || ignored.iter().any(|pattern| {
            let pattern = pattern.trim_end_matches('/');
            match (pattern.strip_prefix('/'), pattern.strip_prefix('*')) {
                (Some(rooted), _) => path == rooted,
                (None, Some(ending)) => name.ends_with(ending),
                (None, None) => name == pattern,
            }
        })
}

fn failure(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignore_patterns_are_rooted_endings_or_names() {
        let ignored = ["/target", "*.profraw", "scratch/"];
        assert!(is_ignored("target", "target", &ignored));
        assert!(!is_ignored("docs/target", "target", &ignored));
        assert!(is_ignored("a/b.profraw", "b.profraw", &ignored));
        assert!(is_ignored("a/scratch", "scratch", &ignored));
        assert!(is_ignored(".git", ".git", &[]));
        assert!(!is_ignored("src/a.rs", "a.rs", &ignored));
    }

    #[test]
    fn the_tree_has_this_file_and_not_what_is_built() {
        let tree = read(&root()).unwrap();
        assert!(tree.has("xtask/src/tree.rs") && tree.has("xtask/src") && !tree.has("target"));
        assert!(tree.text("Cargo.toml").unwrap().contains("[workspace]"));
    }

    #[test]
    fn a_program_that_fails_gives_its_stderr() {
        let error = output(&root(), "cargo", &["no-such-subcommand"]).unwrap_err();
        assert!(error.contains("no-such-subcommand"), "{error}");
    }
}
