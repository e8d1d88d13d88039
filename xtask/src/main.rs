//! The task runner: `cargo xtask help` lists what it does.
//!
//! It depends on nothing of gov, so that it works while gov does not compile. Start at [`main`];
//! the rules of the house are tables in [`tidy`], those of dependencies are in `.deny.toml`.

mod ci;
mod deny;
mod imports;
mod licence;
mod markdown;
mod modules;
mod report;
mod source;
mod style;
mod tidy;
mod tree;
mod version;

use std::process::ExitCode;

use crate::report::say;

const HELP: &str = "\
usage: cargo xtask <command>

  ci          everything below that must hold, in order, until the first failure
  tidy        the rules of the house: floors, sizes, words, links
  deny        the rules of dependencies: licences, bans, duplicates, sources, advisories
  test [ARG…] the tests; arguments go to `cargo test`
  sim [--seed N | --seeds N] [--minutes M]
              the simulation alone, on one seed or many
  cost-cases FILE.json.gz [--verbose]
              peer cost cases against the mappings of providers/
  doc         the documentation of the code, warnings denied
  reference   writes docs/reference anew from the program itself
  help        this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments.as_slice()),
    };
    match dispatch(command, rest) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            say(&format!("xtask {command}: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<u8, String> {
    let root = tree::root();
    if !matches!(command, "test" | "sim" | "cost-cases") && !rest.is_empty() {
        return Err(format!("takes no arguments, and was given `{}`", rest.join(" ")));
    }
    match command {
        "ci" => ci::ci(&root),
        "tidy" => tidy::run(&root),
        "deny" => deny::run(&root),
        "test" => ci::test(&root, rest),
        "sim" => ci::sim(&root, rest),
        "cost-cases" => ci::cost_cases(&root, rest),
        "doc" => ci::doc(&root),
        "reference" => ci::reference(&root),
        "help" | "--help" | "-h" => {
            say(HELP);
            Ok(0)
        }
        _ => Err("no such command; `cargo xtask help` lists them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_command_and_unknown_ones_are_refused() {
        for command in ["ci", "tidy", "deny", "test", "sim", "cost-cases", "doc", "reference"] {
            assert!(HELP.contains(&format!("\n  {command}")), "{command}");
        }
        assert!(dispatch("nothing", &[]).is_err());
        assert!(dispatch("tidy", &["--fast".to_owned()]).is_err());
    }
}
