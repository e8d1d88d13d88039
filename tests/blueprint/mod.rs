//! Blueprints as files: wrong ones with all their errors beside them, right ones without any.
//!
//! A line `# given: NAME=TEXT` in a fixture stands for `-i NAME=TEXT`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use gov::blueprint::Blueprint;
use gov::blueprint::fmt;
use gov::blueprint::inputs;
use gov::blueprint::inputs::Given;
use gov::blueprint::load;
use gov::diagnostic::Code;
use gov::diagnostic::Diagnostics;
use gov::diagnostic::Source;
use gov::model::value::Value;
use proptest::prelude::*;

use crate::golden;

/// Wrong blueprints that must be there at least.
const WRONG_MIN: usize = 50;

/// Everything that can be said of a blueprint and its inputs before anything is evaluated.
const CODES: &[Code] = &[
    Code::TomlSyntax,
    Code::UnknownKey,
    Code::MissingKey,
    Code::WrongType,
    Code::InvalidName,
    Code::InvalidLimit,
    Code::TooLarge,
    Code::ReservedName,
    Code::DuplicateName,
    Code::InvalidVersion,
    Code::UnknownPolicy,
    Code::InvalidEndpoint,
    Code::ExpressionSyntax,
    Code::UnknownReference,
    Code::NotLiteral,
    Code::ReferenceCycle,
    Code::InvalidRepetition,
    Code::MissingInput,
    Code::UnknownInput,
    Code::InvalidInput,
    Code::InvalidInputDeclaration,
    Code::UnknownProvider,
];

fn source(path: &Path) -> Source {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Source::new(name, golden::read(path))
}

/// Loads and settles the inputs; everything that is said of it, warnings too.
fn judge(source: &Source) -> Diagnostics {
    match load(source) {
        Err(problems) => problems,
        Ok((blueprint, _, mut said)) => {
            settle(source, &blueprint, &mut said);
            said
        }
    }
}

fn settle(source: &Source, blueprint: &Blueprint, said: &mut Diagnostics) {
    let mut given = BTreeMap::new();
    let mut all_read = true;
    for line in source.text.lines() {
        let Some((name, text)) =
            line.strip_prefix("# given: ").and_then(|pair| pair.split_once('='))
        else {
            continue;
        };
        let value = match blueprint.inputs.get(name) {
            Some(declaration) => inputs::parse_given(name, declaration, text),
            None => Ok(Value::string(text)),
        };
        match value {
            Ok(value) => {
                given.insert(name.to_owned(), Given::from(value));
            }
            Err(problem) => {
                said.push(problem);
                all_read = false;
            }
        }
    }
    if all_read && let Err(problems) = inputs::settle(&blueprint.inputs, &given) {
        said.extend(problems);
    }
}

/// Diagnostics with their help and every place, as the golden files have them.
fn rendered(said: Diagnostics) -> String {
    let mut out = String::new();
    for diagnostic in said.into_sorted() {
        out.push_str(&format!("{diagnostic}\n"));
        for (span, label) in diagnostic.spans.iter().filter(|(_, label)| !label.is_empty()) {
            let (line, column) = span.line_column();
            out.push_str(&format!("  {line}:{column} {label}\n"));
        }
        if let Some(help) = &diagnostic.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

/// G1, G2: what is missing, undeclared or out of bounds is refused before any plan, all at once.
#[test]
fn g1_g2_wrong_blueprints_tell_all_their_errors() {
    let paths = golden::files(&golden::folder("blueprint/wrong"), "toml");
    assert!(paths.len() >= WRONG_MIN, "{} wrong blueprints", paths.len());
    let mut seen = BTreeSet::new();
    let mut several = 0;
    let mut failures = Vec::new();
    for path in paths {
        let said = judge(&source(&path));
        assert!(said.has_errors(), "{} is not wrong", path.display());
        for diagnostic in said.iter() {
            seen.insert(diagnostic.code);
            let placed = !diagnostic.spans.is_empty() || diagnostic.code == Code::UnknownInput;
            assert!(placed, "{}: {diagnostic} has no place", path.display());
        }
        several += usize::from(said.len() > 1);
        failures.extend(golden::check(&path.with_extension("err"), &rendered(said)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(several >= 10, "only {several} blueprints have more than one error");
    let unseen: Vec<&Code> = CODES.iter().filter(|code| !seen.contains(code)).collect();
    assert!(unseen.is_empty(), "no fixture shows {unseen:?}");
}

/// G1: environments are defined as code, and what is well formed passes without a word.
#[test]
fn g1_right_blueprints_pass_silently() {
    let paths = golden::files(&golden::folder("blueprint/right"), "toml");
    assert!(paths.len() >= 5);
    for path in paths {
        let source = source(&path);
        let said = rendered(judge(&source));
        assert_eq!(said, "", "{}", path.display());
        let formatted = fmt::format(&source).unwrap();
        let again = Source::new(source.name.clone(), formatted.clone());
        assert_eq!(rendered(judge(&again)), "", "{} formatted", path.display());
        assert_eq!(fmt::format(&again).unwrap(), formatted, "{}", path.display());
    }
}

/// What a blueprint is broken with.
const PIECES: &[&str] =
    &["", "\"", "[", "]", "${", "}", "\n", "=", ".", "é", "for_each = [1]\n", "-1", "{"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However a blueprint is broken, it is judged without a panic, and every place that is named
    /// lies between characters of the text.
    #[test]
    fn broken_blueprints_are_judged_calmly(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(
            (
                any::<prop::sample::Index>(),
                0usize..12,
                prop::sample::select(PIECES),
            ),
            1..4,
        ),
    ) {
        let paths = golden::files(&golden::folder("blueprint/right"), "toml");
        let mut text: Vec<char> = golden::read(&paths[which.index(paths.len())]).chars().collect();
        for (at, length, instead) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, instead.chars());
        }
        let text: String = text.into_iter().collect();
        let source = Source::new("broken.toml", text.clone());
        for diagnostic in judge(&source).iter() {
            for (span, _) in &diagnostic.spans {
                prop_assert!(text.get(span.range.0..span.range.1).is_some(), "{}", diagnostic);
            }
        }
        let _ = fmt::format(&source);
    }
}
