//! Functions of regular expressions, with bounds on patterns and on what they are tried on.
//!
//! The engine takes linear time for one search but starts anew behind each match, so every match
//! pays for the text that is left.

use std::collections::BTreeMap;

use regex::Captures;
use regex::Regex;
use regex::RegexBuilder;

use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::functions::Arguments;
use crate::blueprint::expr::functions::Body;
use crate::blueprint::expr::functions::Function;
use crate::blueprint::expr::functions::Problem;
use crate::blueprint::expr::functions::deep;
use crate::model::value::Value;

/// The longest pattern, in bytes. Patterns that people read are shorter.
const PATTERN_BYTES_MAX: usize = 1_024;

/// Sizes of compiled patterns, in bytes, and what searching a piece of text with one of them
/// costs. A search may walk the whole program for each byte, so nested repetitions pay for what
/// they expand to. The last has room for `\w` some times over.
const PROGRAMS: [(usize, usize); 4] =
    [(4 * 1024, 1), (16 * 1024, 16), (64 * 1024, 64), (256 * 1024, 256)];

/// How deep a pattern may nest; the compiler of patterns is recursive.
const PATTERN_DEPTH_MAX: u32 = 32;

/// The longest text a pattern is tried on, in bytes.
const SEARCHED_BYTES_MAX: usize = 64 * 1024;

/// What compiling a pattern costs: up to a few milliseconds.
const COMPILE_UNITS: usize = 5_000;

/// Bytes of searched text that one unit pays for.
const SEARCHED_BYTES_PER_UNIT: usize = 16;

/// Patterns of one evaluation, compiled once each.
#[derive(Default)]
pub struct Patterns(BTreeMap<String, Pattern>);

/// A compiled pattern.
#[derive(Clone)]
struct Pattern {
    regex: Regex,
    /// Units for a piece of searched text.
    weight: usize,
}

/// The rows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "regex",
        parameters: &[deep("pattern"), deep("text")],
        sentence: "What the pattern matches first: a text, or a list or map of its groups.",
        example: "regex(\"([a-z]+)-([0-9]+)\", \"at web-12\")",
        result: "[\"web\", \"12\"]",
        body: Body::Strict(first_match),
    },
    Function {
        name: "regexall",
        parameters: &[deep("pattern"), deep("text")],
        sentence: "All that the pattern matches, each as `regex` gives it.",
        example: "regexall(\"[0-9]+\", \"a1b22\")",
        result: "[\"1\", \"22\"]",
        body: Body::Strict(all_matches),
    },
    Function {
        name: "replace",
        parameters: &[deep("text"), deep("search"), deep("replacement")],
        sentence: "The text with each find replaced; a search between slashes is a pattern, whose \
                   groups the replacement names as `$1` or `${name}`.",
        example: "replace(\"a-b-c\", \"-\", \"+\")",
        result: "\"a+b+c\"",
        body: Body::Strict(replace),
    },
];

fn compile(call: &mut Arguments<'_>, index: usize, pattern: &str) -> Result<Pattern, Problem> {
    if let Some(known) = call.patterns.0.get(pattern) {
        return Ok(known.clone());
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        let text = format!("is longer than {PATTERN_BYTES_MAX} bytes");
        return Err(Problem::Argument(index, text));
    }
    call.pay(COMPILE_UNITS)?;
    let built = PROGRAMS.iter().find_map(|(bytes_max, weight)| {
        let mut builder = RegexBuilder::new(pattern);
        match builder.size_limit(*bytes_max).nest_limit(PATTERN_DEPTH_MAX).build() {
            Err(regex::Error::CompiledTooBig(_)) => None,
            built => Some(built.map(|regex| Pattern { regex, weight: *weight })),
        }
    });
    let Some(built) = built else {
        let text = "repeats too much; write `[A-Za-z0-9_]` for `\\w`, and smaller counts";
        return Err(Problem::Argument(index, text.to_owned()));
    };
    match built {
        Ok(pattern_built) => {
            call.patterns.0.insert(pattern.to_owned(), pattern_built.clone());
            Ok(pattern_built)
        }
        Err(error) if call.may_show() => {
            // The last line says what is wrong; those before draw an arrow below the pattern.
            let all = error.to_string();
            let why = all.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            Err(Problem::Argument(index, format!("is no regular expression: {why}")))
        }
        Err(_) => Err(Problem::Argument(index, "is no regular expression".to_owned())),
    }
}

fn searched(call: &mut Arguments<'_>, index: usize) -> Result<String, Problem> {
    let text = call.text(index)?;
    if text.len() > SEARCHED_BYTES_MAX {
        let problem = format!("is longer than {SEARCHED_BYTES_MAX} bytes");
        return Err(Problem::Argument(index, problem));
    }
    Ok(text)
}

/// Pays for one search of what is left.
fn pay_search(call: &mut Arguments<'_>, pattern: &Pattern, bytes: usize) -> Result<(), Problem> {
    call.pay(1 + (bytes / SEARCHED_BYTES_PER_UNIT).saturating_mul(pattern.weight))
}

fn first_match(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let pattern = call.text(0)?;
    let text = searched(call, 1)?;
    let pattern = compile(call, 0, &pattern)?;
    pay_search(call, &pattern, text.len())?;
    match pattern.regex.captures(&text) {
        Some(captures) => Ok(groups(&pattern.regex, &captures)),
        None => Err(Problem::Argument(1, "does not match the pattern".to_owned())),
    }
}

fn all_matches(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let pattern = call.text(0)?;
    let text = searched(call, 1)?;
    let pattern = compile(call, 0, &pattern)?;
    let mut found = Vec::new();
    let mut matches = pattern.regex.captures_iter(&text);
    let mut at = 0;
    loop {
        pay_search(call, &pattern, text.len().saturating_sub(at))?;
        let Some(captures) = matches.next() else { return Ok(Value::list(found)) };
        at = captures.get(0).map_or(at, |whole| whole.end());
        call.pay(captures.len())?;
        found.push(groups(&pattern.regex, &captures));
    }
}

/// A text where there are no groups, a map where they have names, else a list. Groups that did not
/// take part are null.
fn groups(regex: &Regex, captures: &Captures<'_>) -> Value {
    let value = |group: Option<regex::Match<'_>>| {
        group.map_or_else(Value::null, |group| Value::string(group.as_str()))
    };
    if captures.len() == 1 {
        return value(captures.get(0));
    }
    let names: Vec<&str> = regex.capture_names().flatten().collect();
    if names.is_empty() {
        return Value::list(captures.iter().skip(1).map(value).collect());
    }
    Value::object(names.into_iter().map(|name| (name, value(captures.name(name)))))
}

fn replace(call: &mut Arguments<'_>) -> Result<Value, Problem> {
    let (text, search) = (call.text(0)?, call.text(1)?);
    let replacement = call.text(2)?;
    let pattern = search.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let mut made = Text::default();
    let Some(pattern) = pattern else {
        let mut first = true;
        for piece in text.split(&search) {
            if !std::mem::take(&mut first) {
                made.push(&replacement, call.fuel)?;
            }
            made.push(piece, call.fuel)?;
        }
        return Ok(Value::string(made.finish()));
    };
    if text.len() > SEARCHED_BYTES_MAX {
        let problem = format!("is longer than {SEARCHED_BYTES_MAX} bytes");
        return Err(Problem::Argument(0, problem));
    }
    let pattern = compile(call, 1, pattern)?;
    let mut matches = pattern.regex.captures_iter(&text);
    let mut at = 0;
    loop {
        pay_search(call, &pattern, text.len().saturating_sub(at))?;
        let Some(captures) = matches.next() else { break };
        let Some(whole) = captures.get(0) else { break };
        made.push(text.get(at..whole.start()).unwrap_or(""), call.fuel)?;
        call.pay(replacement.len())?;
        let mut expanded = String::new();
        captures.expand(&replacement, &mut expanded);
        made.push(&expanded, call.fuel)?;
        at = whole.end();
    }
    made.push(text.get(at..).unwrap_or(""), call.fuel)?;
    Ok(Value::string(made.finish()))
}

#[cfg(test)]
mod tests {
    use crate::blueprint::expr::Fuel;
    use crate::blueprint::expr::MapScope;
    use crate::blueprint::expr::tests::fails;
    use crate::blueprint::expr::tests::parse;
    use crate::blueprint::expr::tests::yields;

    #[test]
    fn groups_shape_the_result() {
        yields("regex(\"[a-z]+\", \"12ab\")", "\"ab\"");
        yields("regex(\"(?P<k>[a-z]+)(?P<v>x)?\", \"ab\")", "{k = \"ab\", v = null}");
        yields("regexall(\"a*\", \"b\")", "[\"\", \"\"]");
        fails("regex(\"z\", \"a\")", "E004", "does not match");
    }

    #[test]
    fn replacement_by_text_and_by_pattern() {
        yields("replace(\"aaa\", \"/a(a)/\", \"<$1>\")", "\"<a>a\"");
        yields("replace(\"ab\", \"\", \"-\")", "\"-a-b-\"");
        yields("replace(\"a.b\", \".\", \"\")", "\"ab\"");
    }

    #[test]
    fn patterns_are_bounded() {
        fails("regex(\"((((a{50}){50}){50}){50})\", \"a\")", "E004", "repeats too much");
        fails("regex(\"(\", \"a\")", "E004", "unclosed group");
        fails(
            "[for i in range(10000): regexall(\"[^b]\", indent(2000, \"\\n\"))]",
            "E008",
            "steps",
        );
    }

    #[test]
    fn nested_repetitions_pay_for_what_they_expand_to() {
        let search = |pattern: &str| {
            let call = format!("can(regex(\"{pattern}\", indent(6000, \"\\n\")))");
            let template = parse(&format!("${{[for i in range(5) : {call}]}}")).unwrap();
            template.evaluate(&MapScope::default(), &mut Fuel::new(60_000))
        };
        assert!(search(" ? ?b").is_ok());
        assert!(search("(( ?){30}){30}b").is_err());
        let address = "\"ada@example.org\"";
        yields(&format!("regex(\"^\\\\w+@[\\\\w.-]+$\", {address})"), address);
    }

    #[test]
    fn a_secret_pattern_is_not_shown() {
        fails("regex(sensitive(\"hunter2(\"), \"a\")", "E004", "is no regular expression.");
    }
}
