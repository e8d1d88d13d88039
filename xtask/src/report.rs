//! What a check found, and the one place that prints.
//!
//! A finding says where, which rule, what is wrong and what to do about it. Nothing here decides;
//! the rules are in the modules named after what they read.

use std::fmt;

/// One broken rule at one place. Ordered by place, so that output is the same on every run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// The file, from the root of the repository, with `/` between folders.
    pub path: String,
    /// The line, counted from one.
    pub line: usize,
    /// The short name of the rule.
    pub rule: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub fn new(
        path: &str,
        line: usize,
        rule: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, rule, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, what, fix } = self;
        write!(f, "{path}:{line}: {rule}: {what}; {fix}")
    }
}

/// Prints findings in order of place, and how many there are. True where there are none.
pub fn conclude(check: &str, mut findings: Vec<Finding>) -> bool {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        say(&finding.to_string());
    }
    match findings.len() {
        0 => say(&format!("{check}: nothing found")),
        1 => say(&format!("{check}: 1 finding")),
        count => say(&format!("{check}: {count} findings")),
    }
    findings.is_empty()
}

/// Prints one line to stdout.
#[expect(clippy::print_stdout, reason = "the task runner speaks on stdout, here and nowhere else")]
pub fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_place_a_rule_and_a_way_out() {
        let finding = Finding::new("src/a.rs", 3, "width", "101 columns", "break the line");
        assert_eq!(finding.to_string(), "src/a.rs:3: width: 101 columns; break the line");
    }

    #[test]
    fn findings_sort_by_place() {
        let later = Finding::new("src/a.rs", 10, "a", "x", "y");
        let earlier = Finding::new("src/a.rs", 9, "z", "x", "y");
        let mut both = vec![later.clone(), earlier.clone()];
        both.sort();
        assert_eq!(both, [earlier, later]);
    }
}
