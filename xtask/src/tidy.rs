//! The rules of the house, as tables, and the check that applies them to the working tree.
//!
//! Change a rule by changing a row here and the sentence of docs/architecture.md that it keeps.
//! How each rule reads the sources is in the modules `imports`, `style`, `modules` and `markdown`;
//! rules about text of any kind are at the end of this file.

use std::path::Path;

use crate::imports;
use crate::markdown;
use crate::modules;
use crate::report::Finding;
use crate::report::conclude;
use crate::source::Source;
use crate::style;
use crate::tree;
use crate::tree::Tree;

/// The most lines a file may have beside its tests. Beyond, a reader no longer holds it whole.
pub const FILE_LINES_MAX: usize = 650;

/// The most lines a function may have, from its signature to its brace: one screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// The most columns of a line of Rust, as rustfmt has it; rustfmt leaves comments and strings.
pub const COLUMNS_MAX: usize = 100;

/// A module at the root of gov, and what it may name beside itself.
#[derive(Debug)]
pub struct Floor {
    /// The module.
    pub module: &'static str,
    /// The modules below it.
    pub may: &'static [&'static str],
}

/// The modules in their order, each floor after the one below; the basis of [`FLOORS`].
const ORDER: &[&str] = &[
    "model",
    "graph",
    "diagnostic",
    "blueprint",
    "state",
    "provider",
    "approval",
    "audit",
    "plan",
    "cost",
    "policy",
    "decision",
    "engine",
    "ops",
];

/// Everything in [`ORDER`] up to a module, itself included; nothing where it is not there.
const fn up_to(module: &str) -> &'static [&'static str] {
    let mut count = 0;
    let mut rest = ORDER;
    while let Some((first, tail)) = rest.split_first() {
        count += 1;
        if same(first.as_bytes(), module.as_bytes()) {
            return ORDER.split_at(count).0;
        }
        rest = tail;
    }
    &[]
}

const fn same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let (Some((a, ones)), Some((b, others))) = (one.split_first(), other.split_first()) {
        if *a != *b {
            return false;
        }
        one = ones;
        other = others;
    }
    one.is_empty() && other.is_empty()
}

/// Who may import whom: an arrow only ever points down, and siblings do not know each other.
pub const FLOORS: &[Floor] = &[
    // 0: words. Data only; what floors above produce is described here so that floor 1 can hold it.
    Floor { module: "model", may: &[] },
    Floor { module: "graph", may: &[] },
    Floor { module: "diagnostic", may: &[] },
    // 1: sources.
    Floor { module: "blueprint", may: up_to("diagnostic") },
    Floor { module: "state", may: up_to("diagnostic") },
    Floor { module: "provider", may: up_to("diagnostic") },
    Floor { module: "approval", may: up_to("diagnostic") },
    Floor { module: "audit", may: up_to("diagnostic") },
    // 2: proposal.
    Floor { module: "plan", may: up_to("audit") },
    // 3: judgement, in three ordered parts.
    Floor { module: "cost", may: up_to("plan") },
    Floor { module: "policy", may: up_to("cost") },
    Floor { module: "decision", may: up_to("policy") },
    // 4: action.
    Floor { module: "engine", may: up_to("decision") },
    // 5: operations.
    Floor { module: "ops", may: up_to("engine") },
    // 6: doors, and the host beside them.
    Floor { module: "cli", may: up_to("ops") },
    Floor { module: "mcp", may: up_to("ops") },
    Floor { module: "host", may: up_to("ops") },
    // The crate's own two roots: the map names nobody, the binary names its door.
    Floor { module: "lib", may: &[] },
    Floor { module: "main", may: &["cli"] },
];

/// Single files that may name one module more: file, module, reason.
pub const EXTRA_EDGES: &[(&str, &str, &str)] = &[
    ("src/cli/context.rs", "host", "the composition root gives operations their host"),
    ("src/main.rs", "host", "the binary may hand the process's own clock and files over"),
    ("src/cli/commands/mcp.rs", "mcp", "`gov mcp` opens the other door"),
];

/// Files that may do I/O, with the reason: each opens with `#![expect(clippy::disallowed_methods,
/// reason = "IO: …")]`. A row that ends with `/` covers the files of a folder. Test code needs
/// no row. Sorted by path.
pub const IO_FILES: &[(&str, &str)] = &[
    ("examples/cost-cases/main.rs", "reads the cases it is given"),
    ("providers/tfplugin/src/process/child.rs", "a plugin inherits the environment"),
    ("providers/tfplugin/src/process/mod.rs", "removes the socket that a plugin leaves"),
    ("src/cli/config.rs", "the one place that reads configuration"),
    ("src/host/clock.rs", "the clock"),
    ("src/host/files.rs", "reads and writes files"),
    ("src/provider/builtin/local/kin.rs", "looks for processes"),
    ("src/provider/builtin/local/launcher.rs", "reads the kernel's name for this boot"),
    ("src/provider/terraform/install/hash.rs", "hashes the files of an installed plugin"),
    ("src/provider/terraform/install/mirror.rs", "looks for installed plugins"),
    ("src/provider/terraform/process.rs", "names the program and looks at its file"),
    ("src/provider/terraform/schema_cache.rs", "keeps schemas between runs"),
    ("src/state/local/", "the journal, its index and its locks are files"),
    ("xtask/src/ci.rs", "times the stages"),
    ("xtask/src/tree.rs", "reads the working tree"),
];

/// The invariants that code may cite, as docs/architecture.md lists them.
pub const INVARIANTS: &[&str] = &[
    "plan is final",
    "only the admitted act",
    "intent before effect",
    "recovery is the normal path",
    "unknown is not failed",
    "no surprise at apply",
    "words do nothing",
    "one path to an effect",
    "state moves by compare-and-swap",
    "order is stable",
    "secrets have no text",
    "everything has a limit",
    "authority is not in the working folder",
    "unknown is never free or allowed",
    "formats are versioned",
];

/// Names of modules that say nothing, and what to do instead.
pub const MODULE_WORDS: &[(&str, &str)] = &[
    ("util", "name it after what it does"),
    ("utils", "name it after what it does"),
    ("common", "name it after what is shared"),
    ("core", "name the part that is meant"),
    ("helper", "put it beside the one it helps"),
    ("helpers", "put it beside the one it helps"),
    ("manager", "name it after the thing, or after the verb"),
    ("misc", "name its parts"),
    ("service", "name it after what it serves"),
    ("services", "name it after what it serves"),
    ("types", "put each type where it belongs"),
];

/// Endings of type names that say nothing, and what to do instead.
pub const TYPE_WORDS: &[(&str, &str)] = &[
    ("Helper", "name what it is"),
    ("Manager", "name the thing itself: `Store`, not its manager"),
    ("Util", "make it a function"),
    ("Utils", "make them functions"),
];

/// Words of comments that mark what is not finished.
pub const UNFINISHED_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Macros that mark what is not finished.
pub const UNFINISHED_MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Folders of one machine, which mean nothing on another. Written in parts, so that this file
/// does not name them either.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/opt/", "tf"), concat!("/ho", "me/")];

/// Endings of files whose blanks are ours; golden files keep what a program printed.
const OUR_TEXT: &[&str] = &[".rs", ".md", ".toml"];

/// This file, where the rows are.
const TABLES: &str = "xtask/src/tidy.rs";

const ARCHITECTURE: &str = "docs/architecture.md";

/// Checks the working tree at `root`. 0 where nothing is found, otherwise 1.
///
/// # Errors
///
/// Where the tree cannot be read.
pub fn run(root: &Path) -> Result<u8, String> {
    Ok(u8::from(!conclude("tidy", check(&tree::read(root)?))))
}

fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    let mut sources: Vec<Source> = rust.map(|file| Source::new(&file.path, &file.text)).collect();
    let reach = modules::reach(&sources);
    for source in &mut sources {
        if reach.tests.contains(&source.path) {
            source.mark_test();
        }
    }
    let mut findings = modules::check(&sources, &reach);
    for source in &sources {
        findings.extend(imports::check(source));
        findings.extend(style::check(source));
    }
    findings.extend(io_list(&sources, IO_FILES));
    findings.extend(blanks(tree, &sources));
    findings.extend(machine_paths(tree));
    findings.extend(listed_invariants(tree));
    findings.extend(markdown::links(tree));
    findings.extend(markdown::capabilities(tree, &sources));
    findings
}

/// Files that do I/O and their rows, each needing the other.
fn io_list(sources: &[Source], rows: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let covers =
        |row: &str, path: &str| path == row || (row.ends_with('/') && path.starts_with(row));
    let carrying: Vec<(&Source, usize)> =
        sources.iter().filter_map(|source| Some((source, io_marker(source)?))).collect();
    for (source, at) in &carrying {
        if !rows.iter().any(|(row, _)| covers(row, &source.path)) {
            findings.push(Finding::new(
                &source.path,
                source.line(*at),
                "io-list",
                "the file does I/O and is not listed as doing so",
                "take what it needs as an argument, or add a row with its reason to IO_FILES",
            ));
        }
    }
    for (row, _) in rows {
        if !carrying.iter().any(|(source, _)| covers(row, &source.path)) {
            let table = sources.iter().find(|source| source.path == TABLES);
            let place = table
                .and_then(|source| Some(source.line(source.text.find(&format!("\"{row}\""))?)));
            findings.push(Finding::new(
                TABLES,
                place.unwrap_or(1),
                "io-list",
                format!("{row} is listed as doing I/O, and no file there says that it does"),
                "delete the row, or correct its path",
            ));
        }
    }
    findings
}

/// Where a file's own code, not its tests, expects the methods that do I/O.
fn io_marker(source: &Source) -> Option<usize> {
    source.code_words("disallowed_methods").find(|at| {
        let before = source.code.get(..*at).unwrap_or_default();
        let attribute = before.rsplit('#').next().unwrap_or_default();
        !source.is_test(*at) && !attribute.contains("cfg_attr(test")
    })
}

/// Tabs and blanks at the end of a line, in text that is ours.
fn blanks(tree: &Tree, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = |path: &str| OUR_TEXT.iter().any(|ending| path.ends_with(ending));
    for file in tree.files.iter().filter(|file| ours(&file.path)) {
        for (index, line) in file.text.lines().enumerate() {
            let number = index + 1;
            let trailing = line.ends_with([' ', '\t']);
            if !trailing && !line.contains('\t') {
                continue;
            }
            let source = sources.iter().find(|source| source.path == file.path);
            let expected_text = source.is_some_and(|source| {
                source.is_test(source.line_start(number))
                    && (source.starts_in_string(number) || source.starts_in_string(number + 1))
            });
            if expected_text {
                continue;
            }
            let (what, fix) = if trailing {
                ("the line ends with blanks", "delete them")
            } else {
                ("the line has a tab", "use spaces; in a string, write \\t")
            };
            findings.push(Finding::new(&file.path, number, "blanks", what, fix));
        }
    }
    findings
}

/// Paths that exist on one machine only.
fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            let named = MACHINE_PATHS.iter().find(|path| begins_in(line, path));
            if let Some(path) = named {
                let what = format!("{path} is a folder of one machine");
                let fix = "use a path relative to the repository, or a temporary folder";
                findings.push(Finding::new(&file.path, index + 1, "machine-path", what, fix));
            }
        }
    }
    findings
}

/// Whether a path is named from its root in a line, and not as the end of a longer one.
fn begins_in(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}'))
    })
}

/// The list of invariants here and the one in the document, each against the other.
fn listed_invariants(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(ARCHITECTURE) else { return Vec::new() };
    let mut findings = Vec::new();
    for name in INVARIANTS {
        if !text.contains(&format!("**{name}**")) {
            let what = format!("the invariant **{name}** is not described");
            let fix = "describe it, or take it from INVARIANTS in xtask/src/tidy.rs";
            findings.push(Finding::new(ARCHITECTURE, 1, "invariant", what, fix));
        }
    }
    let mut within = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            within = line.to_lowercase().contains("invariant");
        }
        let numbered = line.starts_with(|c: char| c.is_ascii_digit());
        let Some(name) = line.split("**").nth(1).filter(|_| within && numbered) else { continue };
        if !INVARIANTS.contains(&name) {
            let what = format!("the invariant **{name}** is unknown to tidy");
            let fix = "add it to INVARIANTS in xtask/src/tidy.rs";
            findings.push(Finding::new(ARCHITECTURE, index + 1, "invariant", what, fix));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TextFile;

    fn tree(path: &str, text: &str) -> Tree {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        Tree { files: vec![file], paths: vec![path.to_owned()] }
    }

    fn may(module: &str) -> &'static [&'static str] {
        FLOORS.iter().find(|floor| floor.module == module).unwrap().may
    }

    #[test]
    fn floors_grow_by_what_is_below_them() {
        assert_eq!(may("state"), ["model", "graph", "diagnostic"]);
        assert_eq!(may("plan").last(), Some(&"audit"));
        assert_eq!(may("cost").last(), Some(&"plan"));
        assert_eq!(may("policy").last(), Some(&"cost"));
        assert_eq!(may("decision").last(), Some(&"policy"));
        assert_eq!(may("engine").last(), Some(&"decision"));
        assert_eq!(may("ops").last(), Some(&"engine"));
        for door in ["cli", "mcp", "host"] {
            assert_eq!(may(door), ORDER, "{door}");
        }
    }

    #[test]
    fn io_needs_a_row_and_a_row_needs_io() {
        let text = "//! D.\n#![expect(clippy::disallowed_methods, reason = \"IO: x\")]\n";
        let doing = [Source::new("src/host/files.rs", text)];
        assert_eq!(io_list(&doing, &[]).len(), 1);
        assert!(io_list(&doing, &[("src/host/", "r")]).is_empty());
        assert!(io_list(&doing, &[("src/host/files.rs", "r")]).is_empty());
        assert_eq!(io_list(&doing, &[("src/host", "r")]).len(), 2);
        assert_eq!(io_list(&[], &[("src/host/", "r")]).len(), 1);
    }

    #[test]
    fn io_of_tests_needs_no_row() {
        let text = "#[cfg(test)]\n#[expect(clippy::disallowed_methods, reason = \"IO: x\")]\n\
                    mod tests {}\n";
        assert!(io_list(&[Source::new("src/a.rs", text)], &[]).is_empty());
        let inside = "#[cfg(test)]\nmod tests {\n#![expect(clippy::disallowed_methods, \
                      reason = \"IO: x\")]\n}\n";
        assert!(io_list(&[Source::new("src/a.rs", inside)], &[]).is_empty());
        let whole = "#![cfg_attr(test, expect(clippy::disallowed_methods, reason = \"x\"))]\n";
        assert!(io_list(&[Source::new("src/a.rs", whole)], &[]).is_empty());
    }

    #[test]
    fn blanks_are_found_in_our_text_only() {
        assert_eq!(blanks(&tree("a.md", "x \n\ty\nz\n"), &[]).len(), 2);
        assert!(blanks(&tree("tests/golden.stdout", "x \n"), &[]).is_empty());
    }

    #[test]
    fn machine_paths_are_found_from_their_root_only() {
        for path in MACHINE_PATHS {
            assert_eq!(machine_paths(&tree("a.txt", &format!("see {path}x"))).len(), 1, "{path}");
            assert!(machine_paths(&tree("a.txt", &format!("see a{path}x"))).is_empty(), "{path}");
        }
    }

    #[test]
    fn the_document_and_the_table_list_the_same_invariants() {
        let rows: Vec<String> = INVARIANTS.iter().map(|name| format!("1. **{name}**: x")).collect();
        let text = format!("# A\n## Invariants\n{}\n", rows.join("\n"));
        assert!(listed_invariants(&tree(ARCHITECTURE, &text)).is_empty());
        let more = format!("{text}16. **speed first**: x\n");
        assert_eq!(listed_invariants(&tree(ARCHITECTURE, &more)).len(), 1);
        let less = text.replace("**plan is final**", "plan is final");
        assert_eq!(listed_invariants(&tree(ARCHITECTURE, &less)).len(), 1);
    }

    #[test]
    fn rows_of_tables_have_reasons_and_order() {
        assert!(IO_FILES.is_sorted());
        assert!(IO_FILES.iter().all(|(_, reason)| !reason.is_empty()));
        assert!(EXTRA_EDGES.iter().all(|(_, _, reason)| !reason.is_empty()));
    }
}
