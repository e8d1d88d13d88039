//! Floors: who may name whom, checked on the text of every file under `src`.
//!
//! The table itself is in [`crate::tidy`]. Everything that reaches another module of gov is an
//! edge: `use crate::x`, an inline `crate::x::y`, a chain of `super::` that ends at the root, and
//! in `main.rs` `gov::x`. Test code counts too, for a test that reaches upwards pulls its module
//! up with it.

use crate::report::Finding;
use crate::source::Source;
use crate::source::identifier;
use crate::tidy::EXTRA_EDGES;
use crate::tidy::FLOORS;

const RULE: &str = "floors";

/// A name of a module at the root, and the place that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Edge {
    offset: usize,
    target: String,
}

/// Findings for one file; files outside of `src` have no floor.
pub fn check(source: &Source) -> Vec<Finding> {
    let Some(module) = module_of(&source.path) else { return Vec::new() };
    let mut findings = Vec::new();
    if !FLOORS.iter().any(|floor| floor.module == module) {
        findings.push(Finding::new(
            &source.path,
            1,
            RULE,
            format!("module `{module}` stands on no floor"),
            "add a row to FLOORS in xtask/src/tidy.rs and to docs/architecture.md",
        ));
        return findings;
    }
    for edge in edges(source) {
        let line = source.line(edge.offset);
        if edge.target.is_empty() {
            findings.push(Finding::new(
                &source.path,
                line,
                RULE,
                "a grouped import of the crate hides its edges",
                "write one `use crate::…;` per line",
            ));
        } else if !allowed(&source.path, module, &edge.target) {
            findings.push(Finding::new(
                &source.path,
                line,
                RULE,
                format!("`{module}` may not name `{}`", edge.target),
                "arrows only point down (docs/architecture.md): move it, or pass the value in",
            ));
        }
    }
    findings
}

/// The module at the root that a file belongs to: `src/state/local.rs` is of `state`.
fn module_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let first = inner.split('/').next().unwrap_or(inner);
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

fn allowed(path: &str, module: &str, target: &str) -> bool {
    module == target
        || FLOORS.iter().any(|floor| floor.module == module && floor.may.contains(&target))
        || EXTRA_EDGES.iter().any(|(from, to, _)| *from == path && *to == target)
}

fn edges(source: &Source) -> Vec<Edge> {
    let mut edges = Vec::new();
    let roots: &[&str] = if source.path == "src/main.rs" { &["crate", "gov"] } else { &["crate"] };
    for root in roots {
        for at in source.code_words(root) {
            if let Some(target) = segment_after(&source.code, at + root.len()) {
                edges.push(Edge { offset: at, target });
            }
        }
    }
    edges.extend(super_edges(source));
    edges.sort_by_key(|edge| edge.offset);
    edges
}

/// Chains of `super::` that climb to the root of the crate.
fn super_edges(source: &Source) -> Vec<Edge> {
    let inner = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    let file_depth = if matches!(inner, "lib" | "main") { 0 } else { inner.split('/').count() };
    let modules = source.inline_modules();
    let mut edges = Vec::new();
    let mut done = 0;
    for at in source.code_words("super") {
        if at < done {
            continue;
        }
        let mut climbed = 0;
        let mut end = at;
        let target = loop {
            climbed += 1;
            match segment_after(&source.code, end + "super".len()) {
                Some(next) if next == "super" => {
                    end = identifier_start(&source.code, end + "super".len());
                }
                other => break other,
            }
        };
        done = end + 1;
        let depth = file_depth + modules.iter().filter(|(_, range)| range.contains(&at)).count();
        if let Some(target) = target.filter(|_| climbed == depth) {
            edges.push(Edge { offset: at, target });
        }
    }
    edges
}

/// The path segment after `::`: empty for a group or a glob, none where no `::` follows.
fn segment_after(code: &str, from: usize) -> Option<String> {
    let rest = code.get(from..)?;
    rest.trim_start().strip_prefix("::")?;
    let start = identifier_start(code, from);
    Some(identifier(code, start).0.to_owned())
}

/// Where the segment after `::` begins.
fn identifier_start(code: &str, from: usize) -> usize {
    let rest = code.get(from..).unwrap_or_default();
    let trimmed = rest.trim_start_matches([' ', '\n', ':']);
    from + (rest.len() - trimmed.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn down_is_allowed_and_up_is_not() {
        assert!(whats("src/plan/planner.rs", "use crate::model::plan::Plan;\n").is_empty());
        assert_eq!(
            whats("src/model/plan.rs", "use crate::plan::Planner;\n"),
            ["`model` may not name `plan`"]
        );
    }

    #[test]
    fn siblings_on_a_floor_do_not_know_each_other() {
        for (path, target) in [
            ("src/state/mod.rs", "provider"),
            ("src/provider/mod.rs", "blueprint"),
            ("src/approval/quorum.rs", "audit"),
            ("src/audit/merkle.rs", "state"),
            ("src/graph.rs", "model"),
        ] {
            assert_eq!(whats(path, &format!("use crate::{target}::X;\n")).len(), 1, "{path}");
        }
    }

    #[test]
    fn judgement_has_an_order() {
        assert!(whats("src/policy/rules.rs", "use crate::cost::Cost;\n").is_empty());
        assert!(whats("src/decision.rs", "use crate::policy::Review;\n").is_empty());
        assert_eq!(whats("src/cost/book.rs", "use crate::policy::Review;\n").len(), 1);
        assert_eq!(whats("src/policy/mod.rs", "use crate::decision::Gate;\n").len(), 1);
    }

    #[test]
    fn only_the_composition_root_names_the_host() {
        assert!(whats("src/cli/context.rs", "use crate::host::Clock;\n").is_empty());
        assert!(
            whats("src/main.rs", "fn main() { gov::host::x(); gov::cli::run(); }\n").is_empty()
        );
        assert_eq!(whats("src/cli/config.rs", "use crate::host::Clock;\n").len(), 1);
        assert_eq!(whats("src/ops/mod.rs", "use crate::host::Clock;\n").len(), 1);
        assert_eq!(whats("src/main.rs", "fn main() { gov::engine::run(); }\n").len(), 1);
    }

    #[test]
    fn inline_paths_groups_and_tests_count() {
        assert_eq!(whats("src/model/a.rs", "fn a() { crate::state::open(); }\n").len(), 1);
        assert_eq!(
            whats("src/model/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::ops::X;\n}\n").len(),
            1
        );
        assert_eq!(
            whats("src/ops/a.rs", "use crate::{model, state};\n"),
            ["a grouped import of the crate hides its edges"]
        );
    }

    #[test]
    fn super_that_reaches_the_root_is_an_edge() {
        assert_eq!(whats("src/graph.rs", "use super::state::Store;\n").len(), 1);
        assert_eq!(whats("src/model/a.rs", "use super::super::state::Store;\n").len(), 1);
        assert!(whats("src/model/a.rs", "use super::state::Store;\n").is_empty());
        assert!(whats("src/graph.rs", "mod tests {\n    use super::state;\n}\n").is_empty());
    }

    #[test]
    fn comments_and_strings_are_not_edges() {
        let text = "//! See [`crate::ops`].\nconst A: &str = \"crate::ops::x\";\n";
        assert!(whats("src/model/a.rs", text).is_empty());
    }

    #[test]
    fn a_module_without_a_floor_is_a_finding() {
        assert_eq!(whats("src/extra.rs", "\n"), ["module `extra` stands on no floor"]);
    }
}
