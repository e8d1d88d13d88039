//! Every command of the command line once, as a script and as a person would use it.

use super::harness;
use super::harness::ASK;
use super::harness::HOUR;
use super::harness::World;
use super::harness::resources;

fn made() -> World {
    let world = World::of("note");
    world.made("dev");
    world
}

/// Every command that looks prints one document with a version, and no line of talk with it.
#[test]
fn every_command_that_looks_answers_in_json() {
    let world = made();
    world.write(
        "blueprints/note/blueprint.toml",
        &harness::read(&world.work().join("blueprint.toml")),
    );
    let commands: &[(&[&str], &str)] = &[
        (&["plan", "dev"], "plan"),
        (&["apply", "dev", "-y"], "report"),
        (&["list"], "list"),
        (&["show", "dev"], "environment"),
        (&["why", "dev"], "why"),
        (&["history"], "history"),
        (&["history", "dev"], "history"),
        (&["output", "dev"], "outputs"),
        (&["output", "dev", "note"], "output"),
        (&["graph", "dev"], "graph"),
        (&["drift", "dev"], "drift"),
        (&["drift", "--all"], "drift"),
        (&["reap", "--dry-run"], "reap"),
        (&["reap"], "reap"),
        (&["start", "--due"], "started"),
        (&["check", "blueprint.toml"], "checked"),
        (&["blueprint", "list"], "blueprints"),
        (&["blueprint", "show", "blueprint.toml"], "blueprint"),
        (&["fmt", "--check", "blueprint.toml"], "formatted"),
        (&["init", "new"], "initialised"),
        (&["doctor"], "doctor"),
        (&["state", "list", "dev"], "resources"),
        (&["state", "show", "dev", "local_file.note"], "resource"),
        (&["state", "verify"], "verified"),
        (&["state", "rebuild"], "rebuilt"),
        (&["state", "export"], "exported"),
        (&["completions", "bash"], "completions"),
        (&["freeze", "dev", "--reason", "look"], "frozen"),
        (&["unfreeze", "dev", "--reason", "seen"], "unfrozen"),
        (&["extend", "dev", "--by", "1h", "--reason", "work"], "extended"),
        (&["state", "mv", "dev", "local_file.note", "local_file.other"], "moved"),
        (&["forget", "dev", "local_file.other", "--reason", "gone"], "forgotten"),
        (&["import", "dev", "local_file.note", "home/note.txt"], "imported"),
        (&["expire", "dev", "--reason", "done"], "expired"),
    ];
    for (arguments, kind) in commands {
        let out = world.gov(arguments).arg("--json").run();
        let document = out.clone().exits(0).json();
        assert_eq!(document["kind"], *kind, "{}", out.all());
    }
}

/// Every command says in words what it did, and every wrong use is an error with code 1.
#[test]
fn every_command_answers_in_words() {
    let world = made();
    let commands: &[(&[&str], &str)] = &[
        (&["list"], "in use"),
        (&["show", "dev"], "ann"),
        (&["why", "dev"], "to test gov"),
        (&["history", "dev"], "closed the run as done"),
        (&["history"], "made the store"),
        (&["output", "dev", "note"], "home/note.txt"),
        (&["graph", "dev"], "\"local_file.note\" -> \"local_directory.home\""),
        (&["check", "blueprint.toml"], "is sound"),
        (&["blueprint", "show", "blueprint.toml"], "greeting: string, optional"),
        (&["blueprint", "list", "."], "note"),
        (&["doctor"], "has never run"),
        (&["state", "list", "dev"], "local_file.note"),
        (&["state", "show", "dev", "local_file.note"], "hello from ann"),
        (&["state", "verify"], "everything agrees"),
        (&["state", "rebuild"], "made anew"),
        (&["state", "export"], "environment-created"),
        (&["completions", "fish"], "complete"),
        (&["--help"], "Exit codes"),
        (&["--version"], "gov 0."),
    ];
    for (arguments, words) in commands {
        world.ok(arguments).says(words);
    }
    let wrong: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["aply", "dev"], "apply"),
        (&["plan"], "required"),
        (&["list", "--nonsense"], "unexpected"),
        (&["show", "deve"], "Did you mean dev?"),
        (&["why", "nobody"], "There is no environment nobody"),
        (&["output", "dev", "nota"], "did you mean note"),
        (&["extend", "dev", "--by", "1h"], "--reason"),
        (&["extend", "dev", "--by", "1h", "--reason", " "], "Say why"),
        (&["extend", "dev", "--reason", "x"], "--by"),
        (&["forget", "dev", "local_file.nope", "--reason", "x"], "did you mean local_file.note"),
        (&["unlock", "dev", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--reason", "x"], "nobody holds dev"),
        (&["unfreeze", "dev", "--reason", "x"], "not frozen"),
        (&["state", "show", "dev", "local_file.nope"], "has no resource"),
        (&["state", "mv", "dev", "local_file.note", "local_directory.note"], "different types"),
        (&["import", "dev", "local_file.note", "home/note.txt"], "in the books already"),
        (&["check", "nowhere.toml"], "cannot be read"),
        (&["apply", "--plan", "nowhere.plan"], "cannot be read"),
        (&["show", "--plan", "blueprint.toml"], "not a plan file"),
        (&["apply", "9dev", "-y", "-b", "blueprint.toml"], "cannot name an environment"),
        (&["list", "--parallelism", "0"], "parallelism"),
        (&["apply", "dev", "-i", "greetin=x", "-y"], "greeting"),
    ];
    for (arguments, words) in wrong {
        world.gov(arguments).run().exits(1).says(words);
    }
}

#[test]
fn a_plan_tells_changes_by_its_code_and_can_be_saved_and_applied_once() {
    let world = World::of("note");
    let plan = |more: &[&str]| world.gov(&["plan", "dev"]).args(ASK).args(more).run();
    plan(&[]).exits(0).says("2 to create");
    plan(&["--detailed-exitcode"]).exits(2);
    plan(&["-o", "dev.plan"]).exits(0).says("Saved to");
    world.ok(&["show", "--plan", "dev.plan"]).says("2 to create");
    world.ok(&["show", "--plan", "dev.plan", "--json"]).json();
    world.ok(&["list"]).says("No environments");
    world.gov(&["apply", "--plan", "dev.plan"]).run().exits(1).says("--yes");
    world.ok(&["apply", "--plan", "dev.plan", "-y"]).says("2 created");
    let twice = world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(1);
    twice.says("plan again");
    world.gov(&["plan", "dev", "--detailed-exitcode"]).run().exits(0);
    world
        .gov(&["plan", "dev", "--destroy", "--detailed-exitcode"])
        .run()
        .exits(2)
        .says("2 to delete");
    // Made while there was nothing, it never makes a second environment of the same plan either.
    world.ok(&["destroy", "dev", "-y"]);
    world.gov(&["apply", "--plan", "dev.plan", "-y"]).run().exits(1).says("plan again");
}

#[test]
fn an_edited_plan_is_refused_and_so_is_one_that_the_environment_has_left_behind() {
    let world = made();
    world.ok(&["plan", "dev", "-i", "greeting=bye", "-o", "one.plan"]);
    let text = harness::read(&world.work().join("one.plan"));
    for (from, to) in [("bye", "boo"), ("\"ann\"", "\"eve\""), ("24h", "96h"), ("}", "} ")] {
        assert!(text.contains(from), "{from}");
        world.write("edited.plan", &text.replacen(from, to, 1));
        for command in ["apply", "show"] {
            let out = world.gov(&[command, "--plan", "edited.plan"]).run();
            assert_eq!(out.code, Some(1), "{from}: {}", out.all());
        }
    }
    harness::write(&world.work().join("cut.plan"), &text.as_bytes()[..text.len() / 2]);
    world.gov(&["apply", "--plan", "cut.plan", "-y"]).run().exits(1).says("not a plan file");
    world.ok(&["apply", "dev", "-y", "-i", "greeting=hi"]).says("1 updated");
    world.gov(&["apply", "--plan", "one.plan", "-y"]).run().exits(1).says("plan again");
    assert_eq!(harness::read(&world.root("dev").join("home/note.txt")), "hi from ann\n");
}

#[test]
fn without_a_terminal_nothing_is_carried_out_unasked() {
    let world = World::of("note");
    world.gov(&["apply", "dev"]).args(ASK).run().exits(1).says("look at the plan, then say --yes");
    assert!(resources(&world.root("dev")).is_empty());
    world.made("dev");
    world.gov(&["destroy", "dev"]).run().exits(1).says("--yes");
    assert_eq!(resources(&world.root("dev")), ["home/", "home/note.txt"]);
    world.ok(&["destroy", "dev", "-y"]).says("2 deleted");
    assert!(resources(&world.root("dev")).is_empty());
    world.gov(&["destroy", "dev", "-y"]).run().exits(1).says("no environment dev any more");
    world.made("dev");
}

/// Changes, replacements and inputs that are remembered.
#[test]
fn an_environment_remembers_what_it_was_asked() {
    let world = made();
    let note = || harness::read(&world.root("dev").join("home/note.txt"));
    world.ok(&["apply", "dev", "-y", "-i", "greeting=bye"]).says("1 updated");
    assert_eq!(note(), "bye from ann\n");
    world.ok(&["apply", "dev", "-y"]).says("Nothing");
    assert_eq!(note(), "bye from ann\n");
    world.ok(&["apply", "dev", "-y", "--reset-input", "greeting"]).says("1 updated");
    assert_eq!(note(), "hello from ann\n");
    world.ok(&["apply", "dev", "-y", "--owner", "bob"]);
    assert_eq!(note(), "hello from bob\n");
    world.ok(&["plan", "dev", "--replace", "local_file.note"]).says("1 to replace");
    world.ok(&["apply", "dev", "-y", "--replace", "local_file.note"]);
    world.ok(&["show", "dev"]).says("bob");
}

#[test]
fn an_environment_file_says_the_same_as_flags_and_may_be_applied_again() {
    let world = World::of("note");
    let file = "blueprint = \"../blueprint.toml\"\nowner = \"ann\"\nteam = \"platform\"\n\
                project = \"search\"\npurpose = \"to test\"\nttl = \"2h\"\nbudget = \"0.50 USD\"\n\
                [inputs]\ngreeting = \"file\"\n";
    world.write("environments/dev.toml", file);
    world.ok(&["apply", "dev", "-y"]).says("2h in all");
    world.ok(&["apply", "dev", "-y"]).says("Nothing");
    world.write("environments/dev.toml", &file.replace("\"2h\"", "\"3h\""));
    world.gov(&["apply", "dev", "-y"]).run().exits(1).says("apply never moves its expiry");
    world.write("environments/dev.toml", &file.replace("owner", "ownr"));
    world.gov(&["apply", "dev", "-y"]).run().exits(1).says("did you mean `owner`");
    world
        .gov(&["apply", "qa", "-y", "--env-file", "none.toml"])
        .run()
        .exits(1)
        .says("cannot be read");
}

#[test]
fn the_list_is_filtered_ordered_and_empty_where_there_is_nothing() {
    let world = World::of("note");
    world.ok(&["list"]).says("No environments");
    world.made("beta");
    world.write("environments/alpha.toml", WEB);
    world.ok(&["apply", "alpha", "-y", "--ttl", "3h"]);
    let names = |arguments: &[&str]| {
        let document = world.gov(&["list", "--json"]).args(arguments).run().exits(0).json();
        let rows = document["environments"].as_array().unwrap().clone();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["beta", "alpha"], "the next to expire comes first");
    assert_eq!(names(&["--team", "web"]), ["alpha"]);
    assert_eq!(names(&["--expiring", "2h"]), ["beta"]);
    assert_eq!(names(&["--purpose", "test"]), ["beta", "alpha"]);
    assert_eq!(names(&["--purpose", "nothing"]), Vec::<String>::new());
    assert_eq!(names(&["--mine"]), Vec::<String>::new());
    world.write("gov.toml", "[defaults]\nowner = \"ann\"\n");
    assert_eq!(names(&["--mine"]), ["beta", "alpha"]);
    world.ok(&["destroy", "beta", "-y"]);
    assert_eq!(names(&[]), ["alpha"]);
    assert_eq!(names(&["--all"]).len(), 2);
    world.ok(&["list"]).says(&world.store().display().to_string());
}

const WEB: &str = "blueprint = \"../blueprint.toml\"\nowner = \"ann\"\nteam = \"web\"\n\
                   project = \"search\"\npurpose = \"to test gov\"\n";

/// Sensitive or not, an output asked for by its name comes alone, without quotes.
#[test]
fn an_output_is_printed_alone() {
    let world = World::of("secrets");
    world.make("dev").args(&["-i", "token=abc-token-123"]).run().exits(0);
    let all = world.ok(&["output", "dev"]);
    let one = world.ok(&["output", "dev", "password"]).stdout;
    assert_eq!(one.trim_end().len(), 32, "{one:?}");
    all.keeps_quiet_of(one.trim_end());
    assert_eq!(world.ok(&["output", "dev", "place"]).stdout.trim_end(), "vault/config");
    let document = world.ok(&["output", "dev", "password", "--json"]).json();
    assert_eq!(document["value"], one.trim_end());
}

#[test]
fn a_saved_graph_history_and_export_are_for_programs() {
    let world = made();
    let export = world.ok(&["state", "export"]).stdout;
    let lines = export.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let types: Vec<String> =
        lines.map(|line| line["leaf"]["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types.first().map(String::as_str), Some("store-created"));
    assert!(types.contains(&"run-closed".to_owned()), "{types:?}");
    world.ok(&["graph", "dev"]).says("digraph");
}

#[test]
fn init_makes_a_first_environment_that_applies_and_is_left_as_it_is() {
    let world = World::new();
    world.ok(&["init"]).says("made blueprints/first/blueprint.toml");
    world.ok(&["init"]).says("left blueprints/first/blueprint.toml");
    world.ok(&["fmt", "--check"]);
    world.ok(&["check", "blueprints/first"]).says("is sound");
    world.ok(&["blueprint", "list"]).says("first");
    world.ok(&["plan", "first"]).says("2 to create");
    world.ok(&["apply", "first", "-y"]).says("2 created");
}

#[test]
fn fmt_brings_into_form_and_check_changes_nothing() {
    let world = World::of("note");
    let right = harness::read(&world.work().join("blueprint.toml"));
    let crooked = right.replace("name = \"note\"", "name    =    \"note\"");
    let path = world.write("blueprint.toml", &crooked);
    world.gov(&["fmt", "--check", "blueprint.toml"]).run().exits(1).says("blueprint.toml");
    assert_eq!(harness::read(&path), crooked);
    world.ok(&["fmt"]).says("blueprint.toml");
    world.ok(&["fmt", "--check"]);
    assert_eq!(harness::read(&path), right);
    world.write("blueprint.toml", "nonsense");
    world.gov(&["fmt"]).run().exits(1);
    assert_eq!(harness::read(&path), "nonsense");
}

/// P2: freezing refuses what begins, with its reason, and lets go again.
#[test]
fn p2_what_is_frozen_begins_nothing() {
    let world = made();
    world.ok(&["freeze", "dev", "--reason", "audit week"]).says("Nothing was running");
    let refused = world.gov(&["apply", "dev", "-y", "-i", "greeting=x"]).run().exits(3);
    refused.says("audit week").says("gov unfreeze");
    world.gov(&["destroy", "dev", "-y"]).run().exits(3).says("audit week");
    world.gov(&["extend", "dev", "--by", "1h", "--reason", "x"]).run().exits(3);
    world.made("other");
    world.ok(&["list"]).says("frozen");
    world.ok(&["unfreeze", "dev", "--reason", "over"]);
    world.ok(&["freeze", "--reason", "incident"]).says("everything");
    world.make("third").run().exits(3).says("incident");
    world.gov(&["apply", "dev", "-y", "-i", "greeting=x"]).run().exits(3).says("incident");
    world.ok(&["unfreeze", "--reason", "over"]);
    world.ok(&["apply", "dev", "-y", "-i", "greeting=x"]).says("1 updated");
    world.ok(&["history"]).says("froze").says("audit week");
}

#[test]
fn what_was_made_by_hand_is_imported_and_what_is_forgotten_stays() {
    let world = World::of("note");
    let file = world.root("dev").join("home/note.txt");
    world.made("dev");
    world.ok(&["forget", "dev", "local_file.note", "--reason", "by hand now"]);
    assert!(file.is_file(), "whatever exists of it goes on existing");
    world.ok(&["state", "list", "dev"]).keeps_quiet_of("local_file.note");
    harness::write(&file, "by hand\n");
    world.gov(&["import", "dev", "local_file.not", "x"]).run().exits(1).says("local_file.note");
    world.gov(&["import", "dev", "local_file.note", "home/none.txt"]).run().exits(1);
    world.ok(&["import", "dev", "local_file.note", "home/note.txt"]).says("gov plan dev");
    world.ok(&["plan", "dev"]).says("1 to update");
    world.ok(&["apply", "dev", "-y"]).says("1 updated");
    assert_eq!(harness::read(&file), "hello from ann\n");
    world.ok(&["history", "dev"]).says("by hand now");
}

#[test]
fn a_resource_moves_in_the_books_alone() {
    let world = made();
    world.ok(&["state", "mv", "dev", "local_file.note", "local_file.letter"]);
    world
        .ok(&["state", "list", "dev"])
        .says("local_file.letter")
        .keeps_quiet_of("local_file.note\n");
    let text = harness::read(&world.work().join("blueprint.toml"));
    world.write("blueprint.toml", &text.replace("local_file.note", "local_file.letter"));
    world
        .ok(&["plan", "dev", "-b", "blueprint.toml"])
        .says("0 to create, 0 to update, 0 to replace, 0 to delete");
}

/// Whoever reads may go away, and colour is for terminals.
#[test]
fn output_ends_quietly_and_has_no_colour_in_a_pipe() {
    let world = made();
    let gov = env!("CARGO_BIN_EXE_gov");
    let script = format!("'{gov}' state export | head -1 | cut -c1-9; echo ${{PIPESTATUS[0]}}");
    let piped = std::process::Command::new("/bin/bash")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", world.home())
        .env("GOV_DATA_DIR", world.store())
        .args(["-c", &script])
        .output()
        .unwrap();
    let stdout = String::from_utf8(piped.stdout).unwrap();
    assert_eq!(stdout, "{\"frame\":\n0\n", "{}", String::from_utf8_lossy(&piped.stderr));
    assert_eq!(String::from_utf8_lossy(&piped.stderr), "");
    for out in [
        world.ok(&["list"]),
        world.gov(&["list", "--no-color"]).env("CLICOLOR_FORCE", "1").run(),
        world.gov(&["list"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").run(),
        world.gov(&["show", "nobody"]).env("NO_COLOR", "1").run(),
    ] {
        out.keeps_quiet_of("\u{1b}");
    }
    world.gov(&["list"]).env("CLICOLOR_FORCE", "1").run().says("\u{1b}[");
    let quiet = world.gov(&["apply", "dev", "-y", "-i", "greeting=x", "--quiet"]).run().exits(0);
    assert_eq!(quiet.stderr, "");
    world.ok(&["apply", "dev", "-y", "-i", "greeting=y", "--timings"]).says("PROVIDER");
}

/// The store lies where it is said, flags before variables before the convenience file.
#[test]
fn the_store_lies_where_it_is_said() {
    let world = World::of("note");
    world.gov(&["show", "dev"]).run().exits(1).says("There is no store at");
    world.write("gov.toml", "data_dir = \"from-file\"\n");
    let at = |out: harness::Out, name: &str| {
        let location = out.exits(0).json()["store"]["location"].as_str().unwrap().to_owned();
        assert!(location.ends_with(name), "{location}");
    };
    at(world.gov(&["list", "--json"]).run(), "/store");
    at(world.gov(&["list", "--json"]).env("GOV_DATA_DIR", "").run(), "work/from-file");
    at(world.gov(&["list", "--json", "--data-dir", "flag"]).run(), "work/flag");
    world.write("gov.toml", "data_dri = \"x\"\n");
    world.gov(&["list"]).run().exits(1).says("data_dri");
    world.gov(&["list", "--config", "none.toml"]).run().exits(1).says("cannot be read");
}

/// The environment's start lies ahead: nothing is made before it, and then it is.
#[test]
fn an_environment_starts_when_its_start_has_come() {
    let world = World::of("note");
    let document = world.ok(&["list", "--json"]).json();
    assert_eq!(document["environments"], serde_json::json!([]));
    let start = world.gov(&["start", "--due"]).run().exits(0);
    assert_eq!(start.stdout, "");
    let in_two_hours = in_hours(&world, 2);
    world.make("dev").args(&["--start", &in_two_hours]).run().exits(0).says("nothing exists yet");
    assert!(resources(&world.root("dev")).is_empty());
    world.ok(&["list"]).says("scheduled");
    world.ok(&["start", "--due"]).keeps_quiet_of("dev");
    assert!(resources(&world.root("dev")).is_empty());
    let later = world.gov(&["start", "--due"]).later(2 * HOUR + 60_000).run().exits(0);
    later.says("dev: started");
    assert_eq!(resources(&world.root("dev")).len(), 2);
    let shown = world.gov(&["show", "dev", "--json"]).later(2 * HOUR + 60_000).run().json();
    let (start, expiry) = (shown["life"]["start"].clone(), shown["life"]["expiry"].clone());
    assert!(start.is_string() && expiry.is_string() && start != expiry, "{shown:#}");
}

/// An instant so many hours ahead, as gov itself tells it.
fn in_hours(world: &World, hours: i64) -> String {
    let plan = world.gov(&["plan", "clock", "--json"]).args(ASK).later(hours * HOUR).run();
    plan.exits(0).json()["made"].as_str().unwrap().to_owned()
}
