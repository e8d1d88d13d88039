//! The reference pages, written from the code: what `cargo xtask reference` calls.

use std::path::Path;

use clap::CommandFactory as _;
use serde_json::json;

use crate::blueprint::expr::functions;
use crate::cli::arguments::Cli;
use crate::cli::commands::Answer;
use crate::cli::context::files;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::diagnostic::Code;
use crate::ops::OpError;
use crate::policy::checks::CHECKS;

/// Columns of the help texts on the page.
const HELP_COLUMNS: usize = 90;

/// Writes every page.
///
/// # Errors
/// Where a page cannot be written.
pub fn write(dir: &Path) -> Result<Answer, OpError> {
    let mut text = String::new();
    for (name, page) in pages() {
        let path = dir.join(name);
        files::replace(&path, page.as_bytes())
            .map_err(|error| OpError::Failed(format!("{}: {error}", path.display())))?;
        text.push_str(&format!("{name}\n"));
    }
    Ok(Answer::done(text, render::document("reference", json!({}))))
}

/// Every page by its file name.
#[must_use]
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("cli.md", cli()),
        ("exit-codes.md", exit_codes()),
        ("diagnostics.md", diagnostics()),
        ("checks.md", checks()),
        ("functions.md", function_table()),
    ]
}

const HEAD: &str = "<!-- Written by `cargo xtask reference`; do not edit. -->\n\n";

fn cli() -> String {
    let mut page = format!("{HEAD}# Command line\n");
    let mut root = Cli::command().term_width(HELP_COLUMNS);
    root.build();
    add_help(&mut page, &mut root, "gov");
    page
}

fn add_help(page: &mut String, command: &mut clap::Command, path: &str) {
    if command.is_hide_set() {
        return;
    }
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## {path}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for sub in command.get_subcommands_mut() {
        let name = format!("{path} {}", sub.get_name());
        add_help(page, sub, &name);
    }
}

fn exit_codes() -> String {
    let mut page = format!("{HEAD}# Exit codes\n\nThe same in every command.\n\n");
    page.push_str("| code | name | meaning |\n|---|---|---|\n");
    for exit in Exit::ALL {
        page.push_str(&format!("| {} | {} | {} |\n", exit.code(), exit.name(), exit.meaning()));
    }
    page
}

fn diagnostics() -> String {
    let mut page = format!("{HEAD}# Diagnostics\n\nWhat is wrong with what was written.\n\n");
    page.push_str("| code | summary |\n|---|---|\n");
    for code in Code::ALL {
        page.push_str(&format!("| {} | {} |\n", code.id(), code.summary()));
    }
    page
}

fn checks() -> String {
    let mut page = format!("{HEAD}# Built-in checks\n\nWhat the gate looks at.\n\n");
    page.push_str("| rule | purpose |\n|---|---|\n");
    for check in CHECKS {
        page.push_str(&format!("| {} | {} |\n", check.rule, check.purpose));
    }
    page
}

fn function_table() -> String {
    let mut page = format!("{HEAD}# Functions\n\nWhat expressions may call.\n");
    for function in functions::reference() {
        page.push_str(&format!(
            "\n## `{}`\n\n{}\n\n```text\n{}\n→ {}\n```\n",
            function.signature, function.sentence, function.example, function.result
        ));
    }
    page
}
