//! Which files a crate reaches by `mod` declarations, and which it has forgotten.
//!
//! The compiler never sees a file that nothing declares, so nothing else would tell. Modules
//! that a macro declares are not found; gov has none.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::report::Finding;
use crate::source::Source;
use crate::source::identifier;

/// What the declarations say.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Every file that a root reaches.
    pub files: BTreeSet<String>,
    /// Of these, those that exist in tests only.
    pub tests: BTreeSet<String>,
}

/// Follows the declarations from every crate root.
pub fn reach(sources: &[Source]) -> Reach {
    let by_path: BTreeMap<&str, &Source> =
        sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let mut reach = Reach::default();
    let mut waiting: Vec<(String, bool)> = by_path
        .keys()
        .filter(|path| is_root(path))
        .map(|path| ((*path).to_owned(), false))
        .collect();
    while let Some((path, test)) = waiting.pop() {
        let Some(source) = by_path.get(path.as_str()) else { continue };
        if !reach.files.insert(path.clone()) {
            continue;
        }
        if test {
            reach.tests.insert(path.clone());
        }
        for (candidates, inner_test) in declared(source) {
            waiting.extend(candidates.into_iter().map(|file| (file, test || inner_test)));
        }
    }
    reach
}

/// Files that nothing declares, and modules that have two homes.
pub fn check(sources: &[Source], reach: &Reach) -> Vec<Finding> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let mut findings = Vec::new();
    for source in sources {
        if !reach.files.contains(&source.path) {
            findings.push(Finding::new(
                &source.path,
                1,
                "dead-file",
                "no `mod` declaration reaches this file",
                "declare it in its parent, or delete it",
            ));
        }
        let stem = source.path.trim_end_matches(".rs");
        if paths.iter().any(|path| path.starts_with(&format!("{stem}/"))) && !is_root(&source.path)
        {
            findings.push(Finding::new(
                &source.path,
                1,
                "two-homes",
                format!("the module lives in this file and in {stem}/"),
                format!("move it to {stem}/mod.rs"),
            ));
        }
    }
    findings
}

/// The files where a crate begins.
fn is_root(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match folder {
        "src" => matches!(file, "lib.rs" | "main.rs"),
        "tests" => file == "main.rs",
        "bin" | "benches" | "examples" | "fuzz_targets" => true,
        // An example of several files is a folder with its own `main.rs`.
        _ => file == "build.rs" || (file == "main.rs" && path.starts_with("examples/")),
    }
}

/// The files that each `mod name;` may mean, and whether it is declared for tests only.
fn declared(source: &Source) -> Vec<(Vec<String>, bool)> {
    let inline = source.inline_modules();
    let mut found = Vec::new();
    for at in source.code_words("mod") {
        let (name, end) = identifier(&source.code, at + "mod".len());
        let rest = source.code.get(end..).unwrap_or_default();
        if name.is_empty() || !rest.trim_start().starts_with(';') {
            continue;
        }
        let mut base = base_folder(&source.path);
        for (outer, range) in &inline {
            if range.contains(&at) {
                base = format!("{base}/{outer}");
            }
        }
        let candidates = vec![format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")];
        found.push((candidates, source.is_test(at)));
    }
    found
}

/// The folder where the children of a file's module are.
fn base_folder(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if file == "mod.rs" || is_root(path) {
        folder.to_owned()
    } else {
        path.trim_end_matches(".rs").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    }

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let sources = sources(files);
        check(&sources, &reach(&sources))
            .into_iter()
            .map(|f| format!("{} {}", f.path, f.rule))
            .collect()
    }

    #[test]
    fn a_file_that_nothing_declares_is_dead() {
        let files = [
            ("src/lib.rs", "pub mod a;\n// mod lost;\n"),
            ("src/a/mod.rs", "mod b;\nmod c { mod d; }\n"),
            ("src/a/b.rs", ""),
            ("src/a/c/d.rs", ""),
            ("src/lost.rs", ""),
        ];
        assert_eq!(findings(&files), ["src/lost.rs dead-file"]);
    }

    #[test]
    fn tests_and_satellites_have_their_own_roots() {
        let files = [
            ("tests/main.rs", "mod cli;\n"),
            ("tests/cli.rs", ""),
            ("examples/show/main.rs", "mod part;\n"),
            ("examples/show/part.rs", ""),
            ("providers/x/src/lib.rs", "mod wire;\n"),
            ("providers/x/src/wire.rs", ""),
        ];
        assert!(findings(&files).is_empty());
    }

    #[test]
    fn a_module_with_two_homes_is_a_finding() {
        let files = [("src/lib.rs", "mod a;\n"), ("src/a.rs", "mod b;\n"), ("src/a/b.rs", "")];
        assert_eq!(findings(&files), ["src/a.rs two-homes"]);
    }

    #[test]
    fn a_module_declared_for_tests_is_test_code_with_its_children() {
        let files = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;\n"),
            ("src/a.rs", ""),
            ("src/tests.rs", "mod inner;\n"),
            ("src/tests/inner.rs", ""),
        ];
        let reach = reach(&sources(&files));
        let tests: Vec<&str> = reach.tests.iter().map(String::as_str).collect();
        assert_eq!(tests, ["src/tests.rs", "src/tests/inner.rs"]);
    }
}
