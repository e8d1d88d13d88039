//! Inputs: what was given, checked against what the blueprint declares.
//!
//! Values come as text (`-i size=large`), from an environment's file, or from what an environment
//! remembers; which of them wins is decided by the caller. [`settle`] then finds everything that
//! is missing, undeclared or out of bounds at once, and fills in the defaults. Text of a sensitive
//! input never appears in a diagnostic.

use std::collections::BTreeMap;

use regex::Regex;
use regex::RegexBuilder;
use serde_json::value::RawValue;

use crate::blueprint::InputDeclaration;
use crate::blueprint::InputType;
use crate::blueprint::tree;
use crate::diagnostic::Code;
use crate::diagnostic::DIAGNOSTICS_MAX;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::number::Number;
use crate::model::schema::convert;
use crate::model::schema::nearest;
use crate::model::value::Kind;
use crate::model::value::Value;

/// The longest pattern. Longer ones are no longer read by anyone, and cost memory.
const PATTERN_BYTES_MAX: usize = 1_000;

/// Bytes that a compiled pattern may take: `\w{500}` needs some 10 MB, a date some 20 KB.
const PATTERN_COMPILED_BYTES_MAX: usize = 1 << 20;

/// How deep a pattern may nest.
const PATTERN_DEPTH_MAX: u32 = 50;

/// The most bytes one given value may have; what is larger belongs into a file.
pub const GIVEN_BYTES_MAX: usize = 1024 * 1024;

/// How deep JSON given as text may nest: as deep as tables in a blueprint.
const JSON_DEPTH_MAX: usize = crate::blueprint::NESTING_MAX;

/// A value somebody gave, with its place where it was read from a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Option<Span>,
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self { value, span: None }
    }
}

/// Reads the text of `-i NAME=TEXT`: a string's text as it stands, any other type as TOML or JSON.
/// Bounds are checked by [`settle`].
///
/// # Errors
/// [`Code::InvalidInput`] where the text is no value of the declared type.
pub fn parse_given(
    name: &str,
    declaration: &InputDeclaration,
    text: &str,
) -> Result<Value, Diagnostic> {
    let invalid = |what: &str, help: &str| {
        let detail = format!("input `{name}` {what}");
        let problem = Diagnostic::error(Code::InvalidInput, detail);
        problem.label(declaration.span.clone(), "declared here").help(help)
    };
    if text.len() > GIVEN_BYTES_MAX {
        let what = format!("has {} bytes, and {GIVEN_BYTES_MAX} are allowed", text.len());
        return Err(invalid(&what, "put it into a file, and read that file where it is used"));
    }
    let shown = if declaration.sensitive { "its text".to_owned() } else { format!("`{text}`") };
    let trimmed = text.trim();
    let value = match declaration.ty {
        InputType::String => Value::string(text),
        InputType::Bool => match trimmed {
            "true" => Value::bool(true),
            "false" => Value::bool(false),
            _ => {
                let what = format!("must be true or false, and {shown} is neither");
                return Err(invalid(&what, &format!("write `-i {name}=true` or `=false`")));
            }
        },
        InputType::Integer | InputType::Number => match Number::parse(trimmed) {
            Ok(number) => Value::number(number),
            Err(error) => {
                let what = format!("must be a number, and {shown} is {error}");
                return Err(invalid(&what, "write it in digits"));
            }
        },
        InputType::List | InputType::Map => parse_collection(trimmed).ok_or_else(|| {
            let what =
                format!("must be a {}, and {shown} is no TOML or JSON", declaration.ty.name());
            let example = match declaration.ty {
                InputType::Map => "'{\"a\": 1}'",
                _ => "'[\"a\", \"b\"]'",
            };
            invalid(&what, &format!("write it as JSON: `-i {name}={example}`"))
        })?,
    };
    Ok(value.with_sensitive(declaration.sensitive))
}

fn parse_collection(text: &str) -> Option<Value> {
    let source = Source::new("input", format!("value = {text}\n"));
    let mut problems = Diagnostics::new();
    let table = tree::read(&source, &mut problems);
    if let Some(table) = table
        && problems.is_empty()
        && table.entries.len() == 1
    {
        return table.entries.get("value")?.item.given();
    }
    json(text, 0)
}

/// JSON with every number as written: `serde_json`'s own would pass through floats.
fn json(text: &str, depth: usize) -> Option<Value> {
    if depth > JSON_DEPTH_MAX {
        return None;
    }
    let inner = |raw: &RawValue| json(raw.get(), depth + 1);
    match text.trim_start().chars().next()? {
        '{' => {
            let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
            let pairs = members.into_iter().map(|(name, raw)| Some((name, inner(&raw)?)));
            pairs.collect::<Option<_>>().map(Value::map)
        }
        '[' => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            items.iter().map(|raw| inner(raw)).collect::<Option<_>>().map(Value::list)
        }
        '"' => serde_json::from_str::<String>(text).ok().map(Value::string),
        't' | 'f' => serde_json::from_str::<bool>(text).ok().map(Value::bool),
        'n' => serde_json::from_str::<()>(text).ok().map(|()| Value::null()),
        _ => Number::parse(text).ok().map(Value::number),
    }
}

/// Reads the `[inputs]` table of an environment's file, which was parsed from `source`. Strings
/// are taken as they stand.
///
/// # Errors
/// [`Code::WrongType`] for what is no table and for dates, [`Code::TooLarge`] for what nests too
/// deep; all of them at once.
pub fn read_given(
    source: &Source,
    inputs: &toml_edit::Item,
) -> Result<BTreeMap<String, Given>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let item = tree::convert(source, inputs, &mut problems);
    let mut given = BTreeMap::new();
    for (name, entry) in item.table("inputs", &mut problems).into_iter().flat_map(|t| &t.entries) {
        if let Some(value) = entry.item.given() {
            let span = Some(entry.item.span.clone());
            given.insert(name.clone(), Given { value, span });
        }
    }
    problems.into_result(given).map(|(given, _)| given)
}

/// The value of every declared input: the given one, or the default, each of the declared type
/// and marked where the declaration says sensitive.
///
/// # Errors
/// All that is wrong at once: [`Code::MissingInput`], [`Code::UnknownInput`],
/// [`Code::InvalidInput`].
pub fn settle(
    declared: &BTreeMap<String, InputDeclaration>,
    given: &BTreeMap<String, Given>,
) -> Result<BTreeMap<String, Value>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let undeclared = given.iter().filter(|(name, _)| !declared.contains_key(*name));
    for (name, given) in undeclared.take(DIAGNOSTICS_MAX) {
        let detail = format!("the blueprint declares no input `{name}`");
        let problem = Diagnostic::error(Code::UnknownInput, detail);
        let problem = given.span.iter().cloned().fold(problem, Diagnostic::at);
        problems.push(problem.help(match nearest(name, declared.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it declares: {}", list_of(declared.keys())),
        }));
    }
    let mut settled = BTreeMap::new();
    for (name, declaration) in declared {
        let value = match (given.get(name), &declaration.default) {
            (Some(given), _) => checked(name, declaration, given, &mut problems),
            (None, Some(default)) => Some(default.clone()),
            (None, None) => {
                let detail = format!("input `{name}` has no default and was not given");
                let problem = Diagnostic::error(Code::MissingInput, detail)
                    .label(declaration.span.clone(), "declared here");
                problems.push(problem.help(format!(
                    "give it as `-i {name}=VALUE`, or under [inputs] in the environment's file"
                )));
                None
            }
        };
        if let Some(value) = value {
            settled.insert(name.clone(), value.with_sensitive(declaration.sensitive));
        }
    }
    problems.into_result(settled).map(|(settled, _)| settled)
}

fn list_of<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn checked(
    name: &str,
    declaration: &InputDeclaration,
    given: &Given,
    problems: &mut Diagnostics,
) -> Option<Value> {
    let (value, wrong) = match converted(declaration, &given.value) {
        Ok(value) => {
            let wrong = Bounds::new(declaration).violations(&value);
            (Some(value), wrong)
        }
        Err(what) => (None, vec![what]),
    };
    for what in wrong {
        let mut problem = Diagnostic::error(Code::InvalidInput, format!("input `{name}` {what}"));
        if let Some(span) = &given.span {
            problem = problem.label(span.clone(), "given here");
        }
        let problem = problem.label(declaration.span.clone(), "declared here");
        problems.push(match declaration.description.as_str() {
            "" => problem.help("give a value that the declaration allows"),
            description => problem.help(format!("it is described as: {description}")),
        });
    }
    value
}

/// The value, of the declared type.
fn converted(declaration: &InputDeclaration, value: &Value) -> Result<Value, String> {
    let found = value.kind_name();
    let must = || format!("must be of type {}, and is {found}", declaration.ty.name());
    if value.is_null() || !value.is_wholly_known() {
        return Err(must());
    }
    let converted = convert(value, &declaration.ty.value_type()).map_err(|_| must())?;
    let fraction = converted.as_number().is_some_and(|number| !number.is_integer());
    if declaration.ty == InputType::Integer && fraction {
        return Err("must be a whole number".to_owned());
    }
    Ok(converted)
}

/// The bounds of a declaration, its pattern compiled once for all values that are judged.
pub(super) struct Bounds<'a> {
    declaration: &'a InputDeclaration,
    pattern: Option<Result<Regex, String>>,
}

impl<'a> Bounds<'a> {
    /// The bounds that a declaration states.
    pub(super) fn new(declaration: &'a InputDeclaration) -> Self {
        Self { declaration, pattern: declaration.pattern.as_deref().map(compile) }
    }

    /// What is wrong with a value of the declared type: each a sentence's end.
    pub(super) fn violations(&self, value: &Value) -> Vec<String> {
        let declaration = self.declaration;
        let mut found = Vec::new();
        // INVARIANT (secrets have no text): neither the value nor the values allowed are repeated.
        let is_listed = |known: &Value| known.unmarked() == value.unmarked();
        if !declaration.one_of.is_empty() && !declaration.one_of.iter().any(is_listed) {
            found.push(if declaration.sensitive {
                "is not one of the values allowed".to_owned()
            } else {
                let allowed: Vec<String> =
                    declaration.one_of.iter().map(|value| format!("{value:?}")).collect();
                format!("must be one of {}, and is {value:?}", allowed.join(", "))
            });
        }
        found.extend(out_of_range(declaration, value));
        if let (Some(compiled), Some(text)) = (&self.pattern, value.as_str()) {
            // A pattern that does not compile was refused where it is declared; nothing passes it.
            if !compiled.as_ref().is_ok_and(|compiled| compiled.is_match(text)) {
                let pattern = declaration.pattern.as_deref().unwrap_or_default();
                found.push(format!("does not match the pattern `{pattern}`"));
            }
        }
        found
    }
}

fn out_of_range(declaration: &InputDeclaration, value: &Value) -> Vec<String> {
    let (size, unit) = match value.kind() {
        Kind::Number(number) => (number.clone(), ""),
        Kind::String(text) => (Number::from(text.chars().count()), " characters"),
        Kind::List(items) | Kind::Set(items) => (Number::from(items.len()), " items"),
        Kind::Map(members) => (Number::from(members.len()), " members"),
        Kind::Null | Kind::Unknown | Kind::Bool(_) => return Vec::new(),
    };
    let actual = match (declaration.sensitive, unit) {
        (true, _) => String::new(),
        (false, "") => format!(", and is {size}"),
        (false, _) => format!(", and has {size}"),
    };
    let verb = if unit.is_empty() { "be" } else { "have" };
    let mut found = Vec::new();
    if let Some(min) = declaration.min.as_ref().filter(|min| size < **min) {
        found.push(format!("must {verb} at least {min}{unit}{actual}"));
    }
    if let Some(max) = declaration.max.as_ref().filter(|max| size > **max) {
        found.push(format!("must {verb} at most {max}{unit}{actual}"));
    }
    found
}

/// Compiles a pattern so that it must match a whole text.
///
/// # Errors
/// Why it is no pattern, in one line.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("it has more than {PATTERN_BYTES_MAX} bytes"));
    }
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build()
            .map_err(|error| {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            })
    };
    // On its own first: `a)|(?:b` would turn the anchors around it into something else.
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Given;
    use super::parse_given;
    use super::read_given;
    use super::settle;
    use crate::blueprint::InputDeclaration;
    use crate::blueprint::InputType;
    use crate::diagnostic::Code;
    use crate::diagnostic::Source;
    use crate::diagnostic::Span;
    use crate::model::number::Number;
    use crate::model::value::Value;

    fn input(ty: InputType) -> InputDeclaration {
        InputDeclaration {
            span: Span::new(&Source::new("t", ""), 0..0),
            ty,
            description: String::new(),
            default: None,
            one_of: Vec::new(),
            min: None,
            max: None,
            pattern: None,
            sensitive: false,
        }
    }

    fn codes(declaration: &InputDeclaration, value: Value) -> Vec<Code> {
        let declared = BTreeMap::from([("x".to_owned(), declaration.clone())]);
        let given = BTreeMap::from([("x".to_owned(), Given::from(value))]);
        match settle(&declared, &given) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|p| p.code).collect(),
        }
    }

    #[test]
    fn text_is_read_as_the_declared_type() {
        let read = |ty, text: &str| parse_given("x", &input(ty), text).ok();
        assert_eq!(read(InputType::String, " 5 "), Some(Value::string(" 5 ")));
        assert_eq!(read(InputType::Integer, "5"), Some(Value::number(5_i64)));
        let exact = Value::number(Number::parse("0.10000000000000000000000001").unwrap());
        assert_eq!(read(InputType::Number, "0.10000000000000000000000001"), Some(exact.clone()));
        assert_eq!(read(InputType::Bool, "yes"), None);
        let pair = Value::list(vec![Value::string("a"), Value::number(1_i64)]);
        assert_eq!(read(InputType::List, "[\"a\", 1]"), Some(pair));
        let map = Some(Value::object([("a", exact)]));
        assert_eq!(read(InputType::Map, "{\"a\": 0.10000000000000000000000001}"), map);
        assert_eq!(read(InputType::Map, "{a = 0.10000000000000000000000001}"), map);
        for wrong in ["[1]\nb = 2", "[1", "[1]\n[x]", "", "{\"a\": tru}"] {
            assert_eq!(read(InputType::List, wrong), None, "{wrong}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(read(InputType::List, &deep), None);
    }

    #[test]
    fn an_environment_file_gives_values_with_their_places() {
        let source = Source::new("e", "[inputs]\nsize = \"${x}\"\nrate = 0.10\nzones = [1]\n");
        let document = toml_edit::Document::parse(&*source.text).unwrap();
        let given = read_given(&source, &document["inputs"]).unwrap();
        assert_eq!(given["size"].value, Value::string("${x}"));
        assert_eq!(given["rate"].value, Value::number(Number::parse("0.1").unwrap()));
        assert_eq!(given["zones"].span.as_ref().unwrap().line_column(), (4, 9));
        let source = Source::new("e", "inputs = [1979-05-27]\n");
        let document: toml_edit::DocumentMut = source.text.parse().unwrap();
        let problems = read_given(&source, &document["inputs"]).unwrap_err();
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn bounds_hold() {
        let mut number = input(InputType::Integer);
        (number.min, number.max) = (Some(Number::from(1_i64)), Some(Number::from(3_i64)));
        assert!(codes(&number, Value::number(3_i64)).is_empty());
        assert!(codes(&number, Value::string("2")).is_empty());
        for wrong in [Value::number(0_i64), Value::number(4_i64), Value::null(), Value::unknown()] {
            assert_eq!(codes(&number, wrong), [Code::InvalidInput]);
        }
        let fraction = Value::number(Number::parse("1.5").unwrap());
        assert_eq!(codes(&number, fraction), [Code::InvalidInput]);
        let mut text = input(InputType::String);
        (text.min, text.pattern) = (Some(Number::from(2_i64)), Some("[a-z]+|0".to_owned()));
        assert!(codes(&text, Value::string("ab")).is_empty());
        assert_eq!(codes(&text, Value::string("ab\n")), [Code::InvalidInput]);
        assert_eq!(codes(&text, Value::string("0x")), [Code::InvalidInput]);
        assert_eq!(codes(&text, Value::string("A")).len(), 2);
    }

    #[test]
    fn a_pattern_cannot_get_out_of_its_anchors() {
        let mut text = input(InputType::String);
        for pattern in ["a)|(?:b", "(", "\\w{1000}{100}"] {
            assert!(super::compile(pattern).is_err(), "{pattern}");
            text.pattern = Some(pattern.to_owned());
            assert_eq!(codes(&text, Value::string("a")), [Code::InvalidInput], "{pattern}");
        }
    }

    #[test]
    fn text_of_a_sensitive_input_is_never_repeated() {
        let mut secret = input(InputType::String);
        secret.sensitive = true;
        secret.one_of = vec![Value::string("swordfish")];
        secret.max = Some(Number::from(3_i64));
        secret.pattern = Some("[0-9]*".to_owned());
        let declared = BTreeMap::from([("x".to_owned(), secret.clone())]);
        let given = Value::string("hunter2");
        let given = BTreeMap::from([("x".to_owned(), Given::from(given))]);
        let problems = format!("{:?}", settle(&declared, &given).unwrap_err());
        assert!(!problems.contains("hunter2") && !problems.contains("swordfish"), "{problems}");
        let mut number = input(InputType::Number);
        number.sensitive = true;
        let wrong = format!("{:?}", parse_given("x", &number, "hunter2").unwrap_err());
        assert!(!wrong.contains("hunter2"), "{wrong}");
        let fine = parse_given("x", &number, "7").unwrap();
        assert!(fine.is_sensitive());
    }

    #[test]
    fn g2_undeclared_and_missing_inputs_are_all_named() {
        let mut optional = input(InputType::String);
        optional.default = Some(Value::string("d"));
        let declared = BTreeMap::from([
            ("size".to_owned(), input(InputType::String)),
            ("zone".to_owned(), optional),
        ]);
        let given = BTreeMap::from([("sise".to_owned(), Given::from(Value::string("s")))]);
        let problems = settle(&declared, &given).unwrap_err().into_sorted();
        let codes: Vec<Code> = problems.iter().map(|p| p.code).collect();
        assert_eq!(codes, [Code::UnknownInput, Code::MissingInput]);
        assert_eq!(problems[0].help.as_deref(), Some("did you mean `size`?"));
        let given = BTreeMap::from([("size".to_owned(), Given::from(Value::string("s")))]);
        assert_eq!(settle(&declared, &given).unwrap()["zone"], Value::string("d"));
    }
}
