//! What the language means, end to end: text in a TOML file to value or diagnostic.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::blueprint::expr::Fuel;
use crate::blueprint::expr::MapScope;
use crate::blueprint::expr::Reference;
use crate::blueprint::expr::Template;
use crate::blueprint::expr::is_template;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::address::ResourceName;
use crate::model::value::Value;
use crate::model::value::same;

/// A template in a TOML file, as a basic string with all its escapes.
pub fn parse(text: &str) -> Result<Template, Diagnostics> {
    let token = toml_edit::Value::from(text).to_string();
    let source = Source::new("test.toml", format!("key = {token}\n"));
    Template::parse(&source, 6..6 + token.len(), text)
}

pub fn evaluate(text: &str, scope: &MapScope) -> Result<Value, Diagnostics> {
    parse(text)?.evaluate(scope, &mut Fuel::default())
}

fn scope() -> MapScope {
    let subnets = [
        Value::object([("id", Value::string("s-1")), ("zone", Value::string("a"))]),
        Value::object([("id", Value::unknown()), ("zone", Value::string("b"))]),
    ];
    let vpc = Value::object([("id", Value::unknown()), ("cidr", Value::string("10.0.0.0/16"))]);
    MapScope(BTreeMap::from([
        (Reference::Input("size".into()), Value::number(3_i64)),
        (Reference::Input("unknown".into()), Value::unknown()),
        (Reference::Input("secret".into()), Value::string("hunter2").into_sensitive()),
        (Reference::Input("secret_unknown".into()), Value::unknown().into_sensitive()),
        (
            Reference::Local("tags".into()),
            Value::object([("a", Value::string("x")), ("b", Value::unknown())]),
        ),
        (
            Reference::Local("secrets".into()),
            Value::object([("k", Value::string("v"))]).into_sensitive(),
        ),
        (Reference::Local("null".into()), Value::null()),
        (Reference::Env("owner".into()), Value::string("ada")),
        (Reference::Count, Value::object([("index", Value::number(1_i64))])),
        (Reference::Iterator("rule".into()), Value::object([("value", Value::string("tcp"))])),
        (Reference::Resource(ResourceName::managed("aws_vpc", "main")), vpc),
        (
            Reference::Resource(ResourceName::data("aws_subnet", "all")),
            Value::list(subnets.to_vec()),
        ),
        (Reference::Local("loose".into()), Value::set(vec![Value::unknown(), Value::unknown()])),
    ]))
}

fn value(expression: &str) -> Value {
    let text = format!("${{{expression}}}");
    evaluate(&text, &scope()).unwrap_or_else(|problems| panic!("{expression}: {problems:?}"))
}

/// That an expression has the value of another.
pub fn yields(expression: &str, wanted: &str) {
    let (got, want) = (value(expression), value(wanted));
    assert!(same(&got, &want), "{expression} is {got:?}, not {want:?}");
}

/// That an expression fails with a code and words in its detail or help; its first diagnostic.
#[track_caller]
pub fn fails(expression: &str, code: &str, words: &str) -> Diagnostic {
    template_fails(&format!("${{{expression}}}"), code, words)
}

#[track_caller]
fn template_fails(text: &str, code: &str, words: &str) -> Diagnostic {
    let problems = match evaluate(text, &scope()) {
        Ok(value) => panic!("{text} is {value:?}"),
        Err(problems) => problems,
    };
    assert!(!format!("{problems:?}").replace("Source", "").contains("hunter2\""), "{problems:?}");
    let found = problems.iter().find(|problem| {
        let all = format!("{} {}", problem.detail, problem.help.as_deref().unwrap_or(""));
        problem.code.id() == code && all.contains(words)
    });
    found.unwrap_or_else(|| panic!("{text}: {problems:#?}")).clone()
}

fn text_is(template: &str, wanted: &str) {
    let got = evaluate(template, &scope()).unwrap_or_else(|p| panic!("{template}: {p:?}"));
    assert_eq!(got.as_str(), Some(wanted), "{template}");
}

fn text_of(span: &Span) -> &str {
    span.source.text.get(span.range.0..span.range.1).unwrap()
}

/// The bytes of the source that a diagnostic points at.
fn pointed(diagnostic: &Diagnostic) -> &str {
    text_of(&diagnostic.spans[0].0)
}

#[test]
fn operators_bind_as_in_hcl() {
    yields("1 + 2 * 3 - 4 / 2", "5");
    yields("1 + 1 == 2 && 2 < 3 || false", "true");
    yields("true || false && false", "true");
    yields("10 - 3 - 2", "5");
    yields("-2 + 5 % 3", "0");
    yields("!true == false", "true");
    yields("(1 + 2) * 3", "9");
    yields("true ? false ? 1 : 2 : 3", "2");
    yields("0.1 + 0.2 == 0.3", "true");
    yields(
        "100000000000000000000000000000000000001 - 1",
        "100000000000000000000000000000000000000",
    );
}

#[test]
fn arithmetic_is_checked() {
    fails("1 % 0", "E006", "division by zero");
    fails("1 / 0", "E006", "division by zero");
    fails("1 + []", "E005", "`+` needs a number, this is a list");
    fails("\"a\" < \"b\"", "E005", "`<` needs a number, this string is none");
    fails("1e300 * 1e300", "E006", "digits");
    yields("\"5\" + 1", "6");
    yields("1 == \"1\"", "false");
    yields("[1, {a = null}] == [1.0, {a = null}]", "true");
}

#[test]
fn logic_is_lazy() {
    yields("false && tonumber(\"x\") == 1", "false");
    yields("true || input.size.a", "true");
    yields("true ? 1 : 1 / 0", "1");
    yields("false ? 1 / 0 : 2", "2");
    yields("false && input.unknown", "false");
    yields("input.unknown && false", "false");
    yields("true || input.unknown", "true");
    assert!(value("input.unknown && true").is_unknown());
    assert!(value("input.unknown || [] == 1").is_unknown());
    fails("true && 1", "E005", "`&&` needs a bool, this is a number");
    fails("null ? 1 : 2", "E005", "A condition needs a bool, this is null");
}

#[test]
fn unknown_spreads_no_further_than_it_must() {
    for unknown in [
        "input.unknown + 1",
        "input.unknown == 1",
        "input.unknown ? 1 : 1",
        "input.unknown.a.b[0]",
        "[1, 2][input.unknown]",
        "[for x in input.unknown : 1]",
        "[for x in [1, 2] : x if input.unknown]",
        "{for x in [1] : input.unknown => x}",
        "{(input.unknown) = 1}",
        "input.unknown[*].id",
        "\"a ${input.unknown} b\"",
        "try(input.unknown.a, 1)",
        "try(length([tonumber(input.unknown)]), 0)",
        "can(tonumber(input.unknown))",
        "length(local.loose)",
        "[for x in local.loose : 1]",
        "local.loose[*]",
        "concat([1], input.unknown)",
        "coalesce(null, input.unknown, 1)",
        "contains([1, input.unknown], 2)",
        "flatten([1, input.unknown])",
        "jsonencode([input.unknown])",
    ] {
        assert!(value(unknown).is_unknown(), "{unknown} is {:?}", value(unknown));
    }
    yields("length(data.aws_subnet.all)", "2");
    yields("keys(local.tags)", "[\"a\", \"b\"]");
    yields("local.tags.a", "\"x\"");
    yields("[for k, v in local.tags : k]", "[\"a\", \"b\"]");
    yields("data.aws_subnet.all[*].zone", "[\"a\", \"b\"]");
    yields("data.aws_subnet.all[0].id", "\"s-1\"");
    yields("contains([1, input.unknown], 1)", "true");
    yields("alltrue([false, input.unknown])", "false");
    yields("anytrue([true, input.unknown])", "true");
    yields("coalesce(1, input.unknown)", "1");
    yields("lookup({a = 1}, \"a\", input.unknown)", "1");
    yields("local.tags == null", "false");
    yields("merge(local.tags, {c = 1}).c", "1");
}

#[test]
fn sensitive_goes_along() {
    for sensitive in [
        "input.secret",
        "\"a ${input.secret}\"",
        "input.secret == \"x\"",
        "input.secret == \"x\" ? 1 : 2",
        "input.secret_unknown ? 1 : 2",
        "input.unknown ? input.secret : 1",
        "local.secrets.k",
        "local.secrets[*]",
        "{a = \"b\"}[input.secret == \"x\" ? \"a\" : \"a\"]",
        "[for x in [1] : x if input.secret == \"x\"]",
        "[for x in local.secrets : 1]",
        "{(input.secret) = 1}",
        "upper(input.secret)",
        "join(\",\", [input.secret])",
        "length(local.secrets)",
        "false || input.secret == \"x\"",
        "input.unknown && input.secret == \"x\"",
        "try(input.unknown, input.secret)",
        "[for x in input.unknown : input.secret]",
        "\"%{if input.unknown}${input.secret}%{endif}\"",
        "contains([input.secret], 1)",
        "max(input.secret_unknown, 1)",
        "concat([1], sensitive([2]))",
        "format(\"%s\", input.secret)",
    ] {
        assert!(value(sensitive).is_sensitive(), "{sensitive}");
    }
    for open in [
        "length([input.secret])",
        "[input.secret]",
        "keys({a = input.secret})",
        "false && input.secret == \"x\"",
        "true ? 1 : input.secret",
        "nonsensitive(input.secret)",
        "merge({a = input.secret}, {b = 1}).b",
    ] {
        assert!(!value(open).is_sensitive(), "{open}");
    }
    assert!(value("[input.secret]").contains_sensitive());
}

#[test]
fn no_secret_gets_into_a_message() {
    for wrong in [
        "input.secret + 1",
        "input.secret ? 1 : 2",
        "{a = 1}[input.secret]",
        "local.secrets.kk",
        "tonumber(input.secret)",
        "cidrhost(input.secret, 1)",
        "regex(input.secret, \"a\")",
        "timeadd(input.secret, \"1h\")",
        "{(input.secret) = 1, (input.secret) = 2}",
        "jsondecode(input.secret)",
        "formatdate(input.secret, \"2026-01-01T00:00:00Z\")",
        "format(input.secret, 1)",
        "format(\"%d\", input.secret)",
    ] {
        let problems = evaluate(&format!("${{{wrong}}}"), &scope()).expect_err(wrong);
        for problem in problems.iter() {
            let all = format!("{} {:?}", problem.detail, problem.help);
            assert!(!all.contains("hunter2") && !all.contains("`k`"), "{wrong}: {all}");
        }
    }
}

#[test]
fn for_makes_lists_and_objects() {
    yields("[for x in [1, 2, 3] : x * 2 if x != 2]", "[2, 6]");
    yields("[for i, x in [\"a\"] : \"${i}${x}\"]", "[\"0a\"]");
    yields("{for k, v in {a = 1} : upper(k) => v}", "{A = 1}");
    yields("{for x in [\"a\", \"b\", \"a\"] : x => 1...}", "{a = [1, 1], b = [1]}");
    yields("[for x in toset([2, 1]) : x]", "[1, 2]");
    yields("[for a in [1] : [for b in [2] : a + b]]", "[[3]]");
    yields("[for input in [{size = 9}] : input.size]", "[9]");
    fails("{for x in [1, 1] : x => x}", "E005", "same key");
    fails("[for x in 1 : x]", "E005", "`for` needs a list");
    fails("[for x in [1] : y.z]", "E002", "`y.z` is not declared");
    fails("[for x in [1, 2] : x / 0]", "E006", "division");
}

#[test]
fn members_and_splats() {
    yields("[[1, 2], [3]][0][1]", "2");
    yields("{a = {b = [1]}}.a.b.0", "1");
    yields("{\"a b\" = 1}[\"a b\"]", "1");
    yields("[{a = [1, 2]}, {a = [3]}][*].a[0]", "[1, 3]");
    yields("[{a = [1, 2]}, {a = [3]}].*.a[0]", "[1, 2]");
    yields("local.null[*]", "[]");
    yields("{a = 1}[*].a", "[1]");
    yields("[1, 2][\"1\"]", "2");
    fails("[1][1]", "E007", "no such position in a list of 1 items");
    fails("[1][-1]", "E007", "no such position");
    fails("{size = 1}.sizes", "E007", "Did you mean `size`?");
    fails("[{a = 1}].a", "E007", "`[*].a`");
    fails("local.null.a", "E007", "null");
    fails("toset([1])[0]", "E007", "tolist");
    fails("{a = 1, \"a\" = 2}", "E005", "twice");
}

#[test]
fn templates_make_text() {
    text_is("a${input.size}b", "a3b");
    text_is("$${a} %%{b} $${input.x}", "${a} %{b} ${input.x}");
    text_is("%{if true}yes%{else}no%{endif}", "yes");
    text_is("%{for i, x in [\"a\", \"b\"]}${i}=${x};%{endfor}", "0=a;1=b;");
    text_is("a  ${~ 1 ~}  b", "a1b");
    text_is("a\n%{~ for x in [1, 2] ~}\n  ${x}\n%{~ endfor ~}\nb", "a12b");
    text_is("a %{~ if true ~} b %{~ else ~} c %{~ endif ~} d", "abd");
    text_is("${\"x${\"y\"}\"}", "xy");
    text_is("${<<-EOT\n    a ${input.size}\n      b\n    EOT\n}", "a 3\n  b\n");
    text_is("", "");
    text_is("é", "é");
    yields("\"${[1]}\"", "[1]");
    assert!(evaluate("${input.size}", &scope()).unwrap().as_number().is_some());
    template_fails("a${null}", "E005", "null");
    template_fails("a${[1]}", "E005", "jsonencode");
    let both = evaluate("${input.a} ${input.b}", &scope()).unwrap_err();
    assert_eq!(both.len(), 2, "all problems are told at once");
}

#[test]
fn is_template_knows_markers_and_their_escapes() {
    for text in ["${a}", "%{if a}", "$${a}", "x %%{"] {
        assert!(is_template(text), "{text}");
    }
    for text in ["", "$", "a $b {c}", "100%", "{}"] {
        assert!(!is_template(text), "{text}");
    }
}

#[test]
fn references_are_found_with_their_places() {
    let text = "é ${input.a + [for x in local.b : x.y + rule.value][0]} \
                ${aws_vpc.main.id} ${data.t.n[count.index]} ${each.key} ${lone} ${env.owner}";
    let found = parse(text).unwrap().references(&BTreeSet::from(["rule".to_owned()]));
    let found: Vec<(String, &str)> =
        found.iter().map(|(r, span)| (r.to_string(), text_of(span))).collect();
    let want = [
        ("input.a", "input.a"),
        ("local.b", "local.b"),
        ("rule", "rule.value"),
        ("aws_vpc.main", "aws_vpc.main"),
        ("data.t.n", "data.t.n"),
        ("count", "count"),
        ("each", "each"),
        ("lone", "lone"),
        ("env.owner", "env.owner"),
    ];
    let want: Vec<(String, &str)> = want.map(|(name, place)| (name.to_owned(), place)).into();
    assert_eq!(found, want);
}

#[test]
fn roots_mean_what_is_declared() {
    yields("rule.value", "\"tcp\"");
    yields("count.index", "1");
    yields("aws_vpc.main.cidr", "\"10.0.0.0/16\"");
    fails("input.sise", "E002", "Did you mean `input.size`?");
    fails("aws_vpc.mian", "E002", "Did you mean `aws_vpc.main`?");
    fails("var.size", "E002", "input.NAME");
    fails("env.ownr", "E002", "Did you mean `owner`?");
    fails("each.name", "E002", "`each` has no member");
    fails("input", "E002", "Name a member");
    fails("data.x", "E002", "data.TYPE.NAME");
    fails("lone", "E002", "`lone` is not declared");
    fails("module.x", "E002", "Nothing is reached through `module`");
}

#[test]
fn functions_that_do_not_exist_have_a_way_out() {
    fails("uper(\"a\")", "E003", "Did you mean `upper`?");
    fails("timestamp()", "E003", "clock");
    fails(
        "provider::aws::arn_parse(1)",
        "E003",
        "`provider::aws::arn_parse` is a function of a provider",
    );
    fails("upper()", "E004", "is called with 0 arguments");
    fails("upper(1, 2)", "E004", "`upper(text)`");
    fails("upper(1...)", "E004", "`...` needs a list");
    yields("max([1, 2]...)", "2");
}

#[test]
fn diagnostics_point_into_the_string() {
    let found = template_fails("é \"\t${1 / 0}", "E006", "division");
    assert_eq!(pointed(&found), "1 / 0");
    let found = template_fails("${upper([\"\u{1F600}\"])}", "E004", "`text` of `upper`");
    assert!(pointed(&found).starts_with('['), "{}", pointed(&found));
    let found = template_fails("${input.size.a}", "E007", "no member `a`");
    assert_eq!(pointed(&found), "a");
    let found = template_fails("a ${1 +}", "E001", "cannot be read");
    assert_eq!(found.code, Code::ExpressionSyntax);
    assert_eq!(pointed(&found), "}");
    let found = template_fails("${", "E001", "cannot be read");
    assert_eq!(found.spans.len(), 1);
}

#[test]
fn hostile_nesting_is_refused_without_recursion() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("f(", ")"),
        ("a[", "]"),
        ("\"${", "}\""),
        ("-", ""),
        ("!", ""),
        ("[for a in b:", "]"),
        ("a?", ":b"),
        ("a?b:", ""),
        ("1+", ""),
    ] {
        let text = format!("${{{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        let problems = parse(&text).unwrap_err();
        assert!(problems.iter().all(|p| p.code == Code::TooExpensive), "{open}: {problems:?}");
    }
    let splats = format!("${{[1]{}}}", "[*]".repeat(100));
    template_fails(&splats, "E008", "deeper");
    let directives = format!("{}{}", "%{if true}".repeat(100_000), "%{endif}".repeat(100_000));
    assert!(parse(&directives).is_err());
}

#[test]
fn what_is_allowed_to_nest_fits_the_stack() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("abs(", ")"),
        ("\"${", "}\""),
        ("-", ""),
        ("[for a in [1]:", "]"),
        ("{for a in [1]: a=>", "}"),
        ("true?", ":2"),
        ("true?1:", ""),
        ("try(", ")"),
        ("[1][", "-1]"),
    ] {
        for depth in [10, 20, 30, 40, 50, 60] {
            let text = format!("${{{}1{}}}", open.repeat(depth), close.repeat(depth));
            if let Err(problems) = evaluate(&text, &scope()) {
                assert!(
                    problems.iter().all(|p| p.code == Code::TooExpensive),
                    "{open} {problems:?}"
                );
            } else {
                assert!(depth < 64);
            }
        }
    }
    let long = format!("${{{}1}}", "1+".repeat(120));
    assert_eq!(evaluate(&long, &scope()).unwrap(), Value::number(121_i64));
}

#[test]
fn fuel_bounds_work() {
    let text = "[for a in range(99) : [for b in range(99) : [for c in range(99) : \
                [for d in range(99) : [for e in range(99) : a + b + c + d + e]]]]]";
    let problem = fails(text, "E008", "more steps");
    assert!(problem.help.is_some());
    let mut fuel = Fuel::new(50);
    let template = parse("${[for x in range(100) : x]}").unwrap();
    assert!(template.evaluate(&scope(), &mut fuel).is_err());
    assert_eq!(fuel.left(), 0);
}
