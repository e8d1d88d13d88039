//! What must not be: wrong blueprints, and well-formed environments beyond a limit. Each is told
//! whole, with the way out, and nothing is touched.

use super::harness;
use super::harness::ASK;
use super::harness::HOUR;
use super::harness::World;
use super::harness::resources;
use crate::golden;

/// Wrong blueprints that there must be at least.
const WRONG_MIN: usize = 50;

/// Refusals that there must be at least.
const REFUSED_MIN: usize = 20;

/// The errors that a golden file beside a wrong blueprint lists, by their codes.
fn codes(listed: &str) -> Vec<String> {
    let heads = listed.lines().filter(|line| !line.starts_with(' '));
    let code = |line: &str| Some(line.split_once(" [")?.1.split_once("]:")?.0.to_owned());
    heads.filter_map(code).collect()
}

/// Must show 5: each wrong blueprint gives all its errors with their places, exit 1, and touches
/// nothing.
#[test]
fn g1_g2_wrong_blueprints_touch_nothing() {
    let world = World::of("note");
    world.made("dev");
    let before = world.journal_bytes();
    let paths = golden::files(&golden::folder("blueprint/wrong"), "toml");
    assert!(paths.len() >= WRONG_MIN);
    for path in paths {
        let text = harness::read(&path);
        let given = text.lines().filter_map(|line| line.strip_prefix("# given: "));
        let mut gov = world.gov(&["apply", "new", "-y", "--json", "-b"]).arg(&path).args(&ASK[2..]);
        for pair in given {
            gov = gov.arg("-i").arg(pair);
        }
        let out = gov.run().exits(1);
        let document = out.json();
        let found = document["error"]["diagnostics"].as_array().unwrap().clone();
        let mut left = codes(&harness::read(&path.with_extension("err")));
        for diagnostic in &found {
            let code = diagnostic["code"].as_str().unwrap();
            if let Some(at) = left.iter().position(|wanted| wanted == code) {
                left.remove(at);
            }
            // What was said on the command line has no place in a file.
            let given = code.starts_with('I') || code.starts_with('N');
            let placed = !diagnostic["places"].as_array().unwrap().is_empty();
            assert!(placed || given, "{}", out.all());
        }
        // Inputs are looked at where the blueprint itself is sound, warnings are no errors.
        assert!(found.iter().any(|diagnostic| diagnostic["level"] == "error"), "{}", out.all());
        assert!(left.is_empty(), "{left:?} not told:\n{}", out.all());
    }
    assert!(world.journal_bytes() == before, "the journal was touched");
    assert!(!world.root("new").exists());
    let list = world.ok(&["list", "--json"]).json();
    assert_eq!(list["environments"].as_array().map(Vec::len), Some(1));
}

/// The same in words: code, place, line and help.
#[test]
fn a_wrong_blueprint_is_told_with_its_lines() {
    let world = World::new();
    let wrong = golden::folder("blueprint/wrong/078-everything-at-once.toml");
    let out = world.gov(&["check"]).arg(&wrong).run().exits(1);
    for words in ["B003", "B012", "limits.ttl.max", "max = \"soon\"", "help:", "078-everything"] {
        assert!(out.stderr.contains(words), "{words}:\n{}", out.all());
    }
    world.gov(&["plan", "dev", "-b"]).arg(&wrong).run().exits(1).says("no owner").says("B003");
    assert!(!world.journal().exists() || world.events("dev").is_empty());
}

/// Everything that is missing of an identity, at once and before any plan.
#[test]
fn g1_whatever_is_missing_is_told_at_once() {
    let world = World::of("note");
    let text = harness::read(&world.work().join("blueprint.toml"));
    let poor =
        text.replace("ttl = {", "ttl = { max = \"1h\" } #").replace("budget =", "# budget =");
    world.write("poor.toml", &poor.replace("policies = [\"baseline\"]", ""));
    let out = world.gov(&["apply", "dev", "-y", "-b", "poor.toml"]).run().exits(1);
    for word in ["no owner", "no team", "no project", "no purpose", "no budget", "no expiry"] {
        out.clone().says(word);
    }
    out.says("names no policy").says("--owner").says("--budget").says("--ttl");
    assert!(!world.root("dev").exists());
}

/// A blueprint of the simulated cloud with these limits and resources.
fn cloud(limits: &str, more: &str) -> String {
    format!(
        "[blueprint]\nname = \"cloud\"\nversion = \"1.0.0\"\ndescription = \"A cloud\"\n\
         [limits]\n{limits}\n[governance]\npolicies = [\"baseline\"]\n{more}\n"
    )
}

const TTL: &str =
    "ttl = { default = \"1h\", max = \"8h\", max_total = \"24h\", grace = \"10m\" }\n";
const MONEY: &str = "budget = { monthly = \"90.00 USD\", total = \"9.00 USD\" }\n";
const REGION: &str = "regions = [\"eu-1\"]\n";
const DATABASE: &str = "[resource.sim_database.a]\nname = \"a\"\nregion = \"eu-1\"\n";
const OBJECTS: &str = "[resource.sim_object.a]\ncount = 3\nname = \"a-${count.index}\"\n";
const VECTORS: &str =
    "[integrations.vectors]\nendpoint = \"https://db.example\"\ndata_class = \"customer\"\n";

fn remote(endpoint: &str) -> String {
    format!("{VECTORS}{OBJECTS}[resource.sim_remote.r]\nname = \"r\"\nendpoint = \"{endpoint}\"\n")
}

/// A new environment that must be refused.
struct Row {
    name: &'static str,
    blueprint: String,
    more: &'static [&'static str],
    trust: &'static str,
    exit: i32,
    rule: &'static str,
}

fn row(
    name: &'static str,
    blueprint: String,
    more: &'static [&'static str],
    trust: &'static str,
    exit: i32,
    rule: &'static str,
) -> Row {
    Row { name, blueprint, more, trust, exit, rule }
}

fn usual(more: &str) -> String {
    cloud(&format!("{TTL}{MONEY}{REGION}"), more)
}

fn rows_of_time() -> Vec<Row> {
    let long = "ttl = { default = \"1h\", max = \"60d\", max_total = \"90d\", grace = \"10m\" }\n";
    let long = || cloud(&format!("{long}{MONEY}"), OBJECTS);
    vec![
        row("a grant beyond max", usual(OBJECTS), &["--ttl", "9h"], "", 3, "ttl"),
        row("a life beyond max_total", usual(OBJECTS), &["--ttl", "9d"], "", 3, "ttl"),
        row("an end far away", usual(OBJECTS), &["--until", "2099-01-01T00:00:00Z"], "", 3, "ttl"),
        row(
            "an end in the past",
            usual(OBJECTS),
            &["--until", "2020-01-01T00:00:00Z"],
            "",
            3,
            "ttl",
        ),
        row("a grant beyond the built-in ceiling", long(), &["--ttl", "8d"], "", 3, "ttl"),
        row(
            "a grant beyond a stated ceiling",
            long(),
            &["--ttl", "3h"],
            "[ceiling]\nttl = { max = \"2h\" }\n",
            3,
            "ttl",
        ),
    ]
}

fn rows_of_money() -> Vec<Row> {
    let monthly = "budget = { monthly = \"24.99 USD\" }\n";
    let total = "budget = { total = \"0.01 USD\" }\n";
    let unpriced = "[resource.sim_unpriced.u]\nname = \"u\"\n";
    let bought = |budget: &str| cloud(&format!("{TTL}{budget}{REGION}"), DATABASE);
    vec![
        row("a month beyond the budget", bought(monthly), &[], "", 7, "budget"),
        row("a life beyond the budget", bought(total), &[], "", 7, "budget"),
        row("beyond what was asked", usual(DATABASE), &["--budget", "0.01 USD"], "", 7, "budget"),
        row(
            "beyond the ceiling's budget",
            usual(DATABASE),
            &[],
            "[ceiling]\nbudget = { monthly = \"20 USD\" }\n",
            7,
            "budget",
        ),
        row(
            "beyond the team's budget",
            usual(DATABASE),
            &[],
            "[teams.platform]\nbudget = { monthly = \"5 USD\" }\n",
            7,
            "budget",
        ),
        row("beyond the built-in ceiling", usual(&fivefold()), &[], "", 7, "budget"),
        row("without a price", usual(unpriced), &[], "", 7, "unpriced"),
        row("without a price and too many", few(unpriced), &[], "", 3, "resources"),
    ]
}

fn fivefold() -> String {
    DATABASE.replace("name = \"a\"", "count = 5\nname = \"a-${count.index}\"")
}

fn few(more: &str) -> String {
    cloud(&format!("{TTL}{MONEY}resources = 2\n"), &format!("{OBJECTS}{more}"))
}

fn rows_of_place_and_size() -> Vec<Row> {
    let unknown = remote("${sim_object.a[0].endpoint}");
    let ceiling = "[ceiling]\nregions = [\"eu-2\"]\n";
    let no_region = || cloud(&format!("{TTL}{MONEY}"), DATABASE);
    let elsewhere = DATABASE.replace("eu-1", "us-1");
    vec![
        row("too many resources", few(""), &[], "", 3, "resources"),
        row(
            "beyond the ceiling",
            usual(OBJECTS),
            &[],
            "[ceiling]\nresources = 2\n",
            3,
            "resources",
        ),
        row("an undeclared region", usual(&elsewhere), &[], "", 3, "region"),
        row("a region where none is declared", no_region(), &[], "", 3, "region"),
        row("a region that the ceiling lacks", usual(DATABASE), &[], ceiling, 3, "region"),
        row(
            "an undeclared endpoint",
            usual(&remote("https://evil.example")),
            &[],
            "",
            3,
            "integration",
        ),
        row("a look-alike", usual(&remote("https://db.example.evil")), &[], "", 3, "integration"),
        row(
            "another scheme's port",
            usual(&remote("https://db.example:444")),
            &[],
            "",
            3,
            "integration",
        ),
        row("an endpoint of later", usual(&unknown), &[], "", 3, "integration"),
        row("an unlisted team", usual(OBJECTS), &[], "[teams.platfrom]\n", 3, "team"),
    ]
}

/// Must show 5: beyond a limit it is exit 3 or 7, with the rule and the way out, in words and in
/// JSON, and nothing is made.
#[test]
fn g2_g4_g7_environments_beyond_a_limit_are_refused() {
    let mut rows = rows_of_time();
    rows.extend(rows_of_money());
    rows.extend(rows_of_place_and_size());
    assert!(rows.len() >= REFUSED_MIN);
    for row in rows {
        let world = World::with(&row.blueprint);
        if !row.trust.is_empty() {
            world.trust(row.trust);
        }
        let run = |command: &str, json: bool| {
            let gov = world.gov(&[command, "dev"]).args(ASK).args(row.more);
            let gov = if command == "apply" { gov.arg("-y") } else { gov };
            if json { gov.arg("--json").run() } else { gov.run() }
        };
        let shown = format!("{}: ", row.name);
        let planned = run("plan", false);
        assert_eq!(planned.code, Some(row.exit), "{shown}{}", planned.all());
        let told = run("apply", false);
        assert_eq!(told.code, Some(row.exit), "{shown}{}", told.all());
        told.clone().says(&format!("[{}]", row.rule)).says("fix:");
        let document = run("apply", true).exits(row.exit).json();
        check_refusal(&document["error"], row.rule, row.exit);
        assert!(world.events("dev").is_empty(), "{shown}it was recorded");
        assert!(!world.root("dev").exists(), "{shown}something was made");
    }
}

fn check_refusal(error: &serde_json::Value, rule: &str, exit: i32) {
    assert_eq!(error["code"], exit, "{error:#}");
    let findings = error["decision"]["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["rule"] == rule);
    let finding = finding.unwrap_or_else(|| panic!("no {rule}: {error:#}"));
    for part in ["message", "fix", "asks"] {
        assert!(finding[part].as_str().is_some_and(|text| !text.is_empty()), "{error:#}");
    }
    assert!(finding["retryable"].is_boolean() && finding["code"].is_number(), "{error:#}");
}

/// With the trust root's leave, what has no price passes, and that is on record.
#[test]
fn g7_unpriced_passes_only_by_leave_of_the_trust_root() {
    let world = World::with(&usual("[resource.sim_unpriced.u]\nname = \"u\"\n"));
    world.make("dev").run().exits(7);
    world.trust("unpriced = \"allow\"\n");
    world.made("dev").says("[unpriced]");
    world.ok(&["why", "dev"]).says("unpriced");
}

/// What exists is not to be lost by accident: protected, data-bearing, frozen, expired.
#[test]
fn g2_what_exists_is_not_lost_by_accident() {
    let world = World::of("kept");
    let text = harness::read(&world.work().join("blueprint.toml"));
    let guarded = format!("{text}\n[resource.local_file.note.lifecycle]\nprevent_destroy = true\n");
    world.write("blueprint.toml", &guarded);
    world.made("dev");
    let whole = resources(&world.root("dev"));
    let refuse = |arguments: &[&str], shift: i64, exit: i32, rule: &str| {
        let out = world.gov(arguments).later(shift).run();
        assert_eq!(out.code, Some(exit), "{}", out.all());
        out.clone().says(&format!("[{rule}]")).says("fix:");
        let document = world.gov(arguments).arg("--json").later(shift).run().exits(exit).json();
        check_refusal(&document["error"], rule, exit);
        assert_eq!(resources(&world.root("dev")), whole);
    };
    refuse(&["destroy", "dev", "-y"], 0, 3, "protected");
    refuse(&["apply", "dev", "-y", "--replace", "local_file.note"], 0, 3, "protected");
    world.write("empty.toml", &cloud(&format!("{TTL}{MONEY}"), OBJECTS));
    refuse(&["apply", "dev", "-y", "-b", "empty.toml"], 0, 3, "protected");
    world.trust("[ceiling]\nresources = 1\n");
    refuse(&["apply", "dev", "-y", "-i", "greeting=x"], 0, 3, "resources");
    world.trust("");
    world.ok(&["freeze", "dev", "--reason", "audit"]);
    refuse(&["apply", "dev", "-y", "-i", "greeting=x"], 0, 3, "freeze");
    world.ok(&["unfreeze", "dev", "--reason", "over"]);
    refuse(&["apply", "dev", "-y", "-i", "greeting=x"], 2 * HOUR, 3, "expired");
    // The way out that the rule names is one: nothing but the protection changes.
    world.write("blueprint.toml", &text);
    world.ok(&["apply", "dev", "-y", "-b", "blueprint.toml"]);
    refuse(&["destroy", "dev", "-y"], 0, 4, "data");
    refuse(&["apply", "dev", "-y", "--replace", "local_directory.home"], 0, 4, "data");
    refuse(&["apply", "dev", "-y", "-b", "empty.toml"], 0, 4, "data");
    // And the other way round: protection counts though nothing else has changed with it.
    world.write("blueprint.toml", &guarded);
    world.ok(&["apply", "dev", "-y", "-b", "blueprint.toml"]);
    refuse(&["destroy", "dev", "-y"], 0, 3, "protected");
}
