//! Markdown: links lead somewhere, and the list of capabilities names tests that exist.
//!
//! Only links inside of the repository are followed. Code blocks and code spans are text, not
//! links; reference definitions and inline links are. An anchor is checked against the headings.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::report::Finding;
use crate::source::Source;
use crate::source::words;
use crate::tree::TextFile;
use crate::tree::Tree;

/// Where capabilities are listed with the test that shows each.
const CAPABILITIES: &str = "docs/capabilities.md";

/// Every link of every document that users read.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_document(&file.path)) {
        for (line, target) in targets(&file.text) {
            if let Some(what) = broken(tree, file, &target) {
                let fix = "name a file of the repository, from the folder of this one";
                findings.push(Finding::new(&file.path, line, "link", what, fix));
            }
        }
    }
    findings
}

/// Each capability once, and each test it names in the sources.
pub fn capabilities(tree: &Tree, sources: &[Source]) -> Vec<Finding> {
    let Some(text) = tree.text(CAPABILITIES) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some(id) = capability(line) else { continue };
        if let Some(first) = seen.insert(id, number) {
            let what = format!("{id} is listed already, on line {first}");
            let fix = "keep one row for it";
            findings.push(Finding::new(CAPABILITIES, number, "capability", what, fix));
        }
        for name in line.split('`').skip(1).step_by(2).filter(|span| is_test_name(span)) {
            let last = name.rsplit("::").next().unwrap_or(name);
            let known = |source: &Source| {
                words(&source.code, last).next().is_some()
                    || words(&source.strings, last).next().is_some()
            };
            if !sources.iter().any(known) {
                let what = format!("{id} names `{name}`, which no source has");
                let fix = "name the test as it is called now";
                findings.push(Finding::new(CAPABILITIES, number, "capability", what, fix));
            }
        }
    }
    findings
}

fn is_document(path: &str) -> bool {
    path.ends_with(".md")
        && (!path.contains('/') || path.starts_with("docs/") || path.starts_with("blueprints/"))
}

/// The ID that a row is about: `| G1 | …` or `- **G1** …`.
fn capability(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(['|', '-', '*', '`', ' ']);
    let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
    let id = line.get(..end)?;
    let letters = id.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = id.bytes().skip(letters).take_while(u8::is_ascii_digit).count();
    ((1..=2).contains(&letters) && (1..=3).contains(&digits) && letters + digits == id.len())
        .then_some(id)
}

/// Tests are named in snake case, with or without their modules.
fn is_test_name(span: &str) -> bool {
    let last = span.rsplit("::").next().unwrap_or(span);
    last.contains('_')
        && span.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:".contains(&b))
}

/// What is wrong with a target, where something is.
fn broken(tree: &Tree, file: &TextFile, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if path.is_empty() {
        file.path.clone()
    } else {
        match resolve(&file.path, path) {
            Some(resolved) => resolved,
            None => return Some(format!("`{target}` leads out of the repository")),
        }
    };
    if !resolved.is_empty() && !tree.has(&resolved) {
        return Some(format!("`{target}` leads to {resolved}, which does not exist"));
    }
    if anchor.is_empty() || !resolved.ends_with(".md") {
        return None;
    }
    let known = tree.text(&resolved).is_some_and(|text| anchors(text).contains(anchor));
    (!known).then(|| format!("`{target}`: {resolved} has no heading for #{anchor}"))
}

/// The path from the root that a link of `from` means; none where it leaves the repository.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The targets of links, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, prose) in prose(text) {
        if let Some(definition) = prose.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            found.extend(first_word(definition.1).map(|target| (line, target)));
            continue;
        }
        for (at, matched) in prose.match_indices("](") {
            let rest = prose.get(at + matched.len()..).unwrap_or_default();
            let inner = rest.split(')').next().unwrap_or_default();
            found.extend(first_word(inner).map(|target| (line, target)));
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    Some(word.trim_matches(['<', '>']).to_owned())
}

/// Lines outside of code blocks, with code spans made blank.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let kept = line.split('`').enumerate();
                let kept = kept.map(|(place, part)| if place % 2 == 0 { part } else { " " });
                lines.push((index + 1, kept.collect()));
            }
        }
    }
    lines
}

/// The anchors of a document's headings, as code hosts build them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let Some(heading) = line.strip_prefix('#').filter(|_| !fenced) else { continue };
        let slug: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = counts.entry(slug.clone()).or_default();
        found.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.files.push(TextFile { path: (*path).to_owned(), text: (*text).to_owned() });
            tree.paths.push((*path).to_owned());
        }
        tree.paths.push("docs".to_owned());
        tree.paths.sort();
        tree
    }

    fn whats(readme: &str) -> Vec<String> {
        let tree = tree(&[
            ("README.md", readme),
            ("docs/guide.md", "# The Guide\n## Step 1: `plan`\n## Again\n## Again\n"),
        ]);
        links(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "[a](docs/guide.md) [b](./docs/) [c](https://x.example/y) [d](#top)\n# Top\n\
                    [e](docs/guide.md#step-1-plan \"title\") [f](docs/guide.md#again-1)\n\n\
                    [ref]: docs/guide.md\n";
        assert_eq!(whats(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(whats("[a](docs/lost.md)\n").len(), 1);
        assert_eq!(whats("[a](../outside.md)\n").len(), 1);
        assert_eq!(whats("[a](docs/guide.md#lost)\n").len(), 1);
        assert_eq!(whats("[ref]: docs/lost.md\n").len(), 1);
    }

    #[test]
    fn code_is_not_a_link() {
        assert!(whats("`[a](lost.md)`\n```toml\n[b](lost.md)\n```\n").is_empty());
    }

    #[test]
    fn a_capability_has_one_row_and_tests_that_exist() {
        let tree = tree(&[(
            CAPABILITIES,
            "# List\n| G1 | `gov plan` | `g1_refuses` |\n- **G2** shown by `plan::g2_lost`\n\
             | G1 | again | |\nGrown text, G9 and `not_a_row`.\n",
        )]);
        let sources = [Source::new("tests/main.rs", "#[test]\nfn g1_refuses() {}\n")];
        let found: Vec<(usize, String)> =
            capabilities(&tree, &sources).into_iter().map(|f| (f.line, f.what)).collect();
        assert_eq!(
            found,
            [
                (3, "G2 names `plan::g2_lost`, which no source has".to_owned()),
                (4, "G1 is listed already, on line 2".to_owned()),
            ]
        );
    }
}
