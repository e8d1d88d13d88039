//! The rules of a single Rust file: its docs, sizes, words and attributes.
//!
//! Each rule is a function from a [`Source`] to findings. Code, comments and strings are told
//! apart there, so a word in a string is not a word in code. What clippy or rustfmt already check
//! is not checked again.

use crate::report::Finding;
use crate::source::Source;
use crate::source::closing;
use crate::source::identifier;
use crate::source::item_end;
use crate::source::words;
use crate::tidy::COLUMNS_MAX;
use crate::tidy::FILE_LINES_MAX;
use crate::tidy::FUNCTION_LINES_MAX;
use crate::tidy::INVARIANTS;
use crate::tidy::MODULE_WORDS;
use crate::tidy::TYPE_WORDS;
use crate::tidy::UNFINISHED_MACROS;
use crate::tidy::UNFINISHED_WORDS;

/// All findings of one file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    module_docs(source, &mut findings);
    file_length(source, &mut findings);
    function_length(source, &mut findings);
    columns(source, &mut findings);
    names(source, &mut findings);
    unfinished(source, &mut findings);
    attributes(source, &mut findings);
    invariants(source, &mut findings);
    findings
}

fn push(
    findings: &mut Vec<Finding>,
    source: &Source,
    offset: usize,
    rule: &'static str,
    what: impl Into<String>,
    fix: impl Into<String>,
) {
    findings.push(Finding::new(&source.path, source.line(offset), rule, what, fix));
}

fn module_docs(source: &Source, findings: &mut Vec<Finding>) {
    // The file's attributes may stand before its docs or behind them.
    let mut paragraph = first_paragraph(&source.text);
    if paragraph.is_empty() {
        let rest = source.text.get(after_attributes(&source.code)..);
        paragraph = first_paragraph(rest.unwrap_or_default());
    }
    let is_sentence = paragraph.ends_with(['.', '?', '!', ':'])
        && paragraph.split_whitespace().filter(|word| word.len() > 1).count() >= 3;
    if !is_sentence {
        push(
            findings,
            source,
            0,
            "module-docs",
            "the file does not say in a sentence what it is for",
            "open it with `//!`: what it is for, what it does not do, where to start",
        );
    }
}

/// The first paragraph of docs that open a text; empty where it opens with anything else.
fn first_paragraph(text: &str) -> String {
    let docs: Vec<&str> = text
        .lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty() || (line.starts_with("//") && !line.starts_with("//!")))
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    docs.join(" ")
}

/// Where the attributes of the file itself end, should they come before its docs.
fn after_attributes(code: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = code.get(at..).unwrap_or_default();
        let start = at + (rest.len() - rest.trim_start().len());
        match code.get(start..).filter(|rest| rest.starts_with("#![")) {
            Some(_) => at = closing(code, start + 2).map_or(code.len(), |end| end + 1),
            None => return at,
        }
    }
}

fn file_length(source: &Source, findings: &mut Vec<Finding>) {
    let count = source.text.lines().count();
    let kept = (1..=count).filter(|line| !source.is_test(source.line_start(*line))).count();
    if kept > FILE_LINES_MAX {
        push(
            findings,
            source,
            0,
            "file-length",
            format!("{kept} lines without tests, and the limit is {FILE_LINES_MAX}"),
            "split it along what it is about",
        );
    }
}

fn function_length(source: &Source, findings: &mut Vec<Finding>) {
    for at in source.code_words("fn") {
        let (name, after) = identifier(&source.code, at + "fn".len());
        // A type such as `fn(u8) -> u8` has no name, and test code may be as long as its story.
        if name.is_empty() || source.is_test(at) {
            continue;
        }
        let Some(end) = item_end(&source.code, after) else { continue };
        let lines = source.line(end) - source.line(at) + 1;
        if lines > FUNCTION_LINES_MAX {
            push(
                findings,
                source,
                at,
                "function-length",
                format!("`{name}` has {lines} lines, and the limit is {FUNCTION_LINES_MAX}"),
                "give its parts names",
            );
        }
    }
}

fn columns(source: &Source, findings: &mut Vec<Finding>) {
    for (index, line) in source.text.lines().enumerate() {
        let count = line.chars().count();
        let start = source.line_start(index + 1);
        // An address cannot be broken, and neither can expected text inside of a test's string.
        let exempt = || {
            line.contains("://") || (source.is_test(start) && source.starts_in_string(index + 1))
        };
        if count > COLUMNS_MAX && !exempt() {
            push(
                findings,
                source,
                start,
                "columns",
                format!("{count} columns, and the limit is {COLUMNS_MAX}"),
                "break the line",
            );
        }
    }
}

fn names(source: &Source, findings: &mut Vec<Finding>) {
    let file_parts = source.path.split('/').map(|part| part.trim_end_matches(".rs"));
    for (word, instead) in MODULE_WORDS {
        if file_parts.clone().any(|part| part == *word) {
            let what = format!("a module named `{word}` says nothing");
            push(findings, source, 0, "names", what, *instead);
        }
    }
    for (name, range) in source.inline_modules() {
        if let Some((word, instead)) = MODULE_WORDS.iter().find(|(word, _)| *word == name) {
            let what = format!("a module named `{word}` says nothing");
            push(findings, source, range.start, "names", what, *instead);
        }
    }
    for keyword in ["struct", "enum", "trait", "type"] {
        for at in source.code_words(keyword) {
            let (name, _) = identifier(&source.code, at + keyword.len());
            if let Some((word, instead)) = TYPE_WORDS.iter().find(|(word, _)| name.ends_with(word))
            {
                let what = format!("`{name}` ends with `{word}`");
                push(findings, source, at, "names", what, *instead);
            }
        }
    }
}

fn unfinished(source: &Source, findings: &mut Vec<Finding>) {
    let fix = "finish it, or delete it; an open end belongs to the issue tracker";
    for word in UNFINISHED_WORDS {
        for at in words(&source.comments, word) {
            push(findings, source, at, "unfinished", format!("a comment says {word}"), fix);
        }
    }
    for name in UNFINISHED_MACROS {
        for at in source.code_words(name) {
            push(findings, source, at, "unfinished", format!("`{name}` is left in"), fix);
        }
    }
}

fn attributes(source: &Source, findings: &mut Vec<Finding>) {
    for (at, _) in source.code.match_indices('#') {
        let rest = source.code.get(at + 1..).unwrap_or_default();
        let open = at + 1 + usize::from(rest.starts_with('!'));
        if source.code.as_bytes().get(open) != Some(&b'[') {
            continue;
        }
        let end = closing(&source.code, open).unwrap_or(source.code.len());
        let code = source.code.get(open + 1..end).unwrap_or_default();
        let path =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let nested = |word| path == "cfg_attr" && words(code, word).next().is_some();
        if path == "ignore" || nested("ignore") {
            let fix = "make it run, or delete it; what needs an absent server says so and skips";
            push(
                findings,
                source,
                at,
                "ignored-test",
                "a test that never runs proves nothing",
                fix,
            );
        }
        if path == "allow" || nested("allow") {
            let fix = "use `#[expect(…, reason = \"…\")]`, which ends when its cause does";
            push(findings, source, at, "allow", "`allow` outlives its cause", fix);
        }
        if (path == "expect" || nested("expect")) && !has_reason(source, open, end) {
            let fix = "add `reason = \"…\"`";
            push(findings, source, at, "expect-reason", "an expectation without a reason", fix);
        }
    }
}

/// Whether `reason = "…"` is there and says something.
fn has_reason(source: &Source, start: usize, end: usize) -> bool {
    let code = source.code.get(start..end).unwrap_or_default();
    words(code, "reason").next().is_some_and(|at| {
        let said = source.strings.get(start + at..end).unwrap_or_default();
        said.split_whitespace().count() >= 2
    })
}

fn invariants(source: &Source, findings: &mut Vec<Finding>) {
    for (at, matched) in source.comments.match_indices("INVARIANT (") {
        let rest = source.comments.get(at + matched.len()..).unwrap_or_default();
        let raw = rest.split(')').next().unwrap_or_default();
        let name: Vec<&str> =
            raw.split(['/', ' ', '\n', '!']).filter(|word| !word.is_empty()).collect();
        let name = name.join(" ");
        if !INVARIANTS.contains(&name.as_str()) {
            push(
                findings,
                source,
                at,
                "invariant",
                format!("no invariant is called `{name}`"),
                "cite one of docs/architecture.md by its name",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = "//! What this is for.\n";

    fn rules_at(path: &str, text: &str) -> Vec<&'static str> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.rule).collect()
    }

    fn rules(text: &str) -> Vec<&'static str> {
        rules_at("src/a.rs", &format!("{DOCS}{text}"))
    }

    #[test]
    fn module_docs_are_a_sentence() {
        for poor in
            ["", "//! x\n", "//! Decisions.\n", "//! no full stop here\n", "// A comment only.\n"]
        {
            assert_eq!(rules_at("src/a.rs", poor), ["module-docs"], "{poor:?}");
        }
        assert!(rules("").is_empty());
        let attribute_first =
            "#![expect(dead_code, reason = \"not yet\")]\n//! What this is for.\n";
        assert!(rules_at("src/a.rs", attribute_first).is_empty());
        let inner_only = "mod a {\n    //! What this is for.\n}\n";
        assert_eq!(rules_at("src/a.rs", inner_only), ["module-docs"]);
    }

    #[test]
    fn a_file_may_be_long_in_tests_only() {
        let long = "// word\n".repeat(FILE_LINES_MAX);
        assert_eq!(rules(&long), ["file-length"]);
        let tested = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(rules(&tested).is_empty());
    }

    #[test]
    fn a_function_has_a_limit_and_test_code_has_none() {
        let body = "    step();\n".repeat(FUNCTION_LINES_MAX - 1);
        let long = format!("fn long(a: [u8; 4]) {{\n{body}}}\n");
        assert_eq!(rules(&long), ["function-length"]);
        assert!(rules(&format!("#[test]\n{long}")).is_empty());
        let fits = long.replacen("    step();\n", "", 1);
        assert!(rules(&fits).is_empty());
    }

    #[test]
    fn columns_count_characters_and_spare_addresses() {
        assert_eq!(rules(&format!("// {}\n", "é".repeat(COLUMNS_MAX))), ["columns"]);
        assert!(rules(&format!("// {}\n", "é".repeat(COLUMNS_MAX - 3))).is_empty());
        assert!(rules(&format!("// https://{}\n", "a".repeat(COLUMNS_MAX))).is_empty());
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        for word in ["util", "common", "helper", "manager", "service"] {
            assert_eq!(rules_at(&format!("src/{word}.rs"), DOCS), ["names"], "{word}");
            assert_eq!(rules(&format!("mod {word} {{}}\n")), ["names"], "{word}");
        }
        assert_eq!(rules("struct StateManager;\n"), ["names"]);
        assert!(rules("struct Serviced;\nenum Actor { Service }\n").is_empty());
    }

    #[test]
    fn unfinished_work_is_found_in_comments_and_code_but_not_in_strings() {
        for word in UNFINISHED_WORDS {
            assert_eq!(rules(&format!("// {word}: later\n")), ["unfinished"], "{word}");
            assert!(rules(&format!("const A: &str = \"{word}\";\n")).is_empty(), "{word}");
        }
        for name in UNFINISHED_MACROS {
            assert_eq!(rules(&format!("fn a() {{ {name}() }}\n")), ["unfinished"], "{name}");
        }
    }

    #[test]
    fn attributes_that_hide_are_refused() {
        assert_eq!(rules("#[test]\n#[ignore]\nfn a() {}\n"), ["ignored-test"]);
        assert_eq!(rules("#[ignore = \"slow\"]\nfn a() {}\n"), ["ignored-test"]);
        assert_eq!(rules("#[allow(dead_code)]\nfn a() {}\n"), ["allow"]);
        assert_eq!(rules("#![allow(dead_code)]\n"), ["allow"]);
        assert_eq!(rules("#[cfg_attr(test, allow(dead_code))]\nfn a() {}\n"), ["allow"]);
        assert_eq!(rules("#[expect(dead_code)]\nfn a() {}\n"), ["expect-reason"]);
        assert_eq!(rules("#[expect(dead_code, reason = \"\")]\nfn a() {}\n"), ["expect-reason"]);
        assert!(
            rules("#[expect(dead_code, reason = \"the wire has it\")]\nfn a() {}\n").is_empty()
        );
        assert!(rules("// #[allow(dead_code)] in a comment\n").is_empty());
    }

    #[test]
    fn invariants_are_cited_by_a_name_that_exists() {
        assert!(rules("// INVARIANT (intent before effect): durable first.\n").is_empty());
        assert!(rules("// INVARIANT (only the\n    // admitted act): here.\n").is_empty());
        assert_eq!(rules("// INVARIANT (speed first): no.\n"), ["invariant"]);
    }
}
