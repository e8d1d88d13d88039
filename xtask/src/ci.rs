//! The stages of continuous integration, and the commands that are one stage each.
//!
//! Every stage is an ordinary cargo command or a check of this crate, so a failure can be repeated
//! alone. The clock here measures stages for people and decides nothing.
#![expect(clippy::disallowed_methods, reason = "IO: stages are timed with the machine's clock")]

use std::path::Path;
use std::time::Instant;

use crate::deny;
use crate::report::say;
use crate::tidy;
use crate::tree;

/// Turns on the test clock and the crash points; every check of test code needs it.
const TEST_FEATURES: &str = "--features=gov/simulation";

type Outcome = Result<u8, String>;

/// A named part of `ci`.
struct Stage {
    name: &'static str,
    run: fn(&Path) -> Outcome,
}

/// In the order of running: what a stage needs is checked before it.
const STAGES: &[Stage] = &[
    Stage { name: "set-up", run: set_up },
    Stage { name: "fmt", run: fmt },
    Stage { name: "clippy", run: clippy },
    Stage { name: "tests", run: |root| test(root, &[]) },
    Stage { name: "tidy", run: tidy::run },
    Stage { name: "deny", run: deny::run },
    Stage { name: "doc", run: doc },
];

/// Runs every stage until one fails. The exit code of that one, or 0.
///
/// # Errors
///
/// Where a stage cannot be run at all.
pub fn ci(root: &Path) -> Outcome {
    stages(root, STAGES)
}

fn stages(root: &Path, stages: &[Stage]) -> Outcome {
    let mut table = Vec::new();
    let mut outcome = Ok(0);
    for stage in stages {
        say(&format!("ci: {} …", stage.name));
        let start = Instant::now();
        outcome = (stage.run)(root);
        let seconds = start.elapsed().as_secs_f64();
        let verdict = if outcome == Ok(0) { "ok" } else { "FAILED" };
        say(&format!("ci: {} {verdict} in {seconds:.1} s", stage.name));
        table.push(format!("  {:<8} {seconds:>8.1} s  {verdict}", stage.name));
        if outcome != Ok(0) {
            break;
        }
    }
    say("ci: stages");
    for row in &table {
        say(row);
    }
    outcome
}

/// `cargo test` over the workspace; arguments are passed on.
///
/// # Errors
///
/// Where cargo cannot be started.
pub fn test(root: &Path, arguments: &[String]) -> Outcome {
    let mut all = owned(&["test", "--workspace", "--locked", TEST_FEATURES]);
    all.extend_from_slice(arguments);
    tree::run(root, "cargo", &all, &[])
}

/// The simulation tests alone, with seeds and minutes handed over in the environment.
///
/// # Errors
///
/// For an argument that is not understood, and where no simulation test exists: a run of
/// nothing must not look like a run that passed.
pub fn sim(root: &Path, arguments: &[String]) -> Outcome {
    let environment = sim_environment(arguments)?;
    let base = ["test", "--locked", TEST_FEATURES, "--test", "gov", "--", "sim"];
    let listing: Vec<&str> = base.iter().copied().chain(["--list"]).collect();
    if !tree::output(root, "cargo", &listing)?.lines().any(|line| line.ends_with(": test")) {
        return Err("no test of the executable `gov` has `sim` in its name".to_owned());
    }
    let mut all = owned(&base);
    all.push("--nocapture".to_owned());
    tree::run(root, "cargo", &all, &environment)
}

/// Peer cost cases, run by the example of gov that knows them: this crate does not know gov.
///
/// # Errors
///
/// Where no file is named, or cargo cannot be started.
pub fn cost_cases(root: &Path, arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        return Err("takes a file of cases, such as peer-cost-cases.json.gz".to_owned());
    }
    let mut all = owned(&["run", "--quiet", "--locked", "--example", "cost-cases", "--"]);
    // The example runs in the root of the tree, whatever folder the path was typed in.
    let whole = |argument: &String| match std::path::absolute(argument) {
        Ok(path) if !argument.starts_with("--") => path.display().to_string(),
        _ => argument.clone(),
    };
    all.extend(arguments.iter().map(whole));
    tree::run(root, "cargo", &all, &[])
}

/// The documentation of the code, with every warning an error.
///
/// # Errors
///
/// Where cargo cannot be started.
pub fn doc(root: &Path) -> Outcome {
    let arguments =
        owned(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    tree::run(root, "cargo", &arguments, &[("RUSTDOCFLAGS", "-D warnings".to_owned())])
}

/// Has gov write its own reference into `docs/reference`.
///
/// # Errors
///
/// Where cargo cannot be started.
pub fn reference(root: &Path) -> Outcome {
    let arguments = owned(&["run", "--quiet", "--locked", "--", "__reference", "docs/reference"]);
    tree::run(root, "cargo", &arguments, &[])
}

fn set_up(root: &Path) -> Outcome {
    for (arguments, missing) in [
        (["--version"].as_slice(), "install a Rust toolchain"),
        (["fmt", "--version"].as_slice(), "run `rustup component add rustfmt`"),
        (["clippy", "--version"].as_slice(), "run `rustup component add clippy`"),
    ] {
        let version = tree::output(root, "cargo", arguments)
            .map_err(|error| format!("{error}; {missing}"))?;
        say(version.trim());
    }
    let version = tree::output(root, "rustc", &["--version"])?;
    say(version.trim());
    Ok(0)
}

fn fmt(root: &Path) -> Outcome {
    tree::run(root, "cargo", &owned(&["fmt", "--all", "--check"]), &[])
}

fn clippy(root: &Path) -> Outcome {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        TEST_FEATURES,
        "--",
        "-D",
        "warnings",
    ];
    tree::run(root, "cargo", &owned(&arguments), &[])
}

fn sim_environment(arguments: &[String]) -> Result<Vec<(&'static str, String)>, String> {
    let mut environment: Vec<(&'static str, String)> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let name = match flag.as_str() {
            "--seed" => "GOV_SIM_SEED",
            "--seeds" => "GOV_SIM_SEEDS",
            "--minutes" => "GOV_SIM_MINUTES",
            _ => return Err(format!("`{flag}` is not one of --seed, --seeds and --minutes")),
        };
        let number = rest.next().and_then(|value| value.parse::<u64>().ok());
        let number = number.ok_or_else(|| format!("{flag} takes a whole number"))?;
        if environment.iter().any(|(known, _)| *known == name) {
            return Err(format!("{flag} is given twice"));
        }
        environment.push((name, number.to_string()));
    }
    let has = |name: &str| environment.iter().any(|(known, _)| *known == name);
    if has("GOV_SIM_SEED") && has("GOV_SIM_SEEDS") {
        return Err("--seed names one seed and --seeds a number of them; give one".to_owned());
    }
    Ok(environment)
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_the_run_with_its_code() {
        let list = [
            Stage { name: "good", run: |_| Ok(0) },
            Stage { name: "bad", run: |_| Ok(101) },
            Stage { name: "never", run: |_| Err("it ran after a failure".to_owned()) },
        ];
        assert_eq!(stages(Path::new("."), &list), Ok(101));
        assert_eq!(stages(Path::new("."), &list[..1]), Ok(0));
    }

    #[test]
    fn seeds_travel_in_the_environment() {
        let environment = sim_environment(&owned(&["--seeds", "50", "--minutes", "2"])).unwrap();
        assert_eq!(
            environment,
            [("GOV_SIM_SEEDS", "50".to_owned()), ("GOV_SIM_MINUTES", "2".to_owned())]
        );
    }

    #[test]
    fn seeds_that_make_no_sense_are_refused() {
        for wrong in [
            ["--seed", "x"].as_slice(),
            ["--seed"].as_slice(),
            ["--seeds", "-1"].as_slice(),
            ["--seed", "1", "--seeds", "2"].as_slice(),
            ["--seed", "1", "--seed", "2"].as_slice(),
            ["--fast"].as_slice(),
        ] {
            assert!(sim_environment(&owned(wrong)).is_err(), "{wrong:?}");
        }
    }
}
