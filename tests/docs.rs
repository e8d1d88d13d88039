//! The documents tell the truth: every console block of them is run, and says what it said.
//!
//! Lines that begin with `$ ` are given to one shell for each document, in the order of the text,
//! in a home folder of its own whose `gov` holds copies of the blueprints and environment files.
//! A command goes on after a `\` at the end of its line, and after `<<'END'` up to `END`.
//! What follows a command is what it must print: its stdout, and its stderr too where it fails.
//! `[..]` stands for any text and a line `...` for any lines; blanks, times, durations and ids are
//! not compared. A comment `<!-- shift: 9h -->` moves the clock of all that follows it, which
//! needs the feature `simulation`. `GOV_UPDATE_GOLDEN=1` writes what differs anew.

#![expect(clippy::disallowed_methods, reason = "IO: tests run the documents' commands")]

use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use gov::model::lifetime::Duration;
use regex::Regex;
use tempfile::TempDir;

use crate::golden;

/// Seconds after which a document hangs: most of them take about one.
const DOCUMENT_S_MAX: &str = "120";

/// What the documents call the program, and what is run for it.
const FROM_SOURCE: &str = "cargo run --release --";

/// What a command ends with that goes on to the line [`HERE_END`].
const HERE: &str = "<<'END'";

/// The last line of such a command.
const HERE_END: &str = "END";

/// A command of a document with what it is to print.
struct Step {
    line: usize,
    command: String,
    /// The lines of the document that hold the expected output.
    expected: std::ops::Range<usize>,
    shift_ms: i64,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents with console blocks, by their paths below the root.
fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    for path in golden::files(&root().join("docs/guide"), "md") {
        found.push(format!("docs/guide/{}", path.file_name().unwrap().to_string_lossy()));
    }
    for entry in std::fs::read_dir(root().join("blueprints")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        found.push(format!("blueprints/{name}/README.md"));
    }
    found.sort();
    found
}

fn steps(text: &str) -> Vec<Step> {
    let (mut steps, mut shift_ms, mut inside): (Vec<Step>, i64, bool) = (Vec::new(), 0, false);
    let (mut continued, mut here_document) = (false, false);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside && line == "```console";
            continued = false;
        } else if let (false, Some(rest)) = (inside, line.strip_prefix("<!-- shift: ")) {
            let duration: Duration = rest.trim_end_matches(" -->").parse().expect(rest);
            shift_ms = duration.as_secs() * 1000;
        } else if inside && (continued || line.starts_with("$ ")) {
            let typed = line.strip_prefix("$ ").unwrap_or(line);
            match steps.last_mut().filter(|_| continued) {
                Some(step) => step.command.push_str(&format!("\n{typed}")),
                None => steps.push(Step {
                    line: index + 1,
                    command: typed.to_owned(),
                    expected: index + 1..index + 1,
                    shift_ms,
                }),
            }
            here_document = line != HERE_END && (here_document || line.ends_with(HERE));
            continued = here_document || line.ends_with('\\');
            let step = steps.last_mut().unwrap();
            step.expected = index + 1..index + 1;
        } else if let (true, Some(step)) = (inside, steps.last_mut()) {
            step.expected.end = index + 1;
        }
    }
    steps
}

/// A home with a clone in it; environments that are left are taken down with it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for folder in ["blueprints", "environments"] {
            copy(&root().join(folder), &home.path().join("gov").join(folder));
        }
        home
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn shell(&self, script: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_gov")).parent().unwrap().to_path_buf();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("timeout");
        command.args([DOCUMENT_S_MAX, "sh", "-c", script]).current_dir(self.path().join("gov"));
        command.env_clear().env("HOME", self.path()).env("PATH", path).env("TZ", "UTC");
        command.output().unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What bears data is held, and goes with this folder; processes go, however it ended.
        self.shell(
            "export GOV_SIM_SHIFT_MS=$(cat ../shift 2>/dev/null || echo 0); \
             gov unfreeze --reason over; \
             for name in $(gov list | sed -n '2,/^$/s/ .*//p'); do \
                 gov unfreeze $name --reason over; \
                 gov destroy $name -y || gov expire $name --reason over; \
             done; \
             export GOV_SIM_SHIFT_MS=$((GOV_SIM_SHIFT_MS + 2 * 24 * 3600 * 1000)); \
             gov reap --max-percent 100",
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What each step printed, in their order.
fn run(home: &Home, steps: &[Step]) -> Vec<String> {
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let command = step.command.replace(FROM_SOURCE, "gov");
        let (shift, stem) = (step.shift_ms, format!("$HOME/step-{number}"));
        // The braces keep the folder and the variables of the shell; its status is the command's.
        write!(
            script,
            "export GOV_SIM_SHIFT_MS={shift}; echo {shift} > \"$HOME/shift\"\n\
             (exit ${{DOCS_STATUS:-0}})\n\
             {{ {command}\n}} >\"{stem}.out\" 2>\"{stem}.err\"\nDOCS_STATUS=$?\n\
             if [ $DOCS_STATUS != 0 ]; then cat \"{stem}.err\" >>\"{stem}.out\"; fi\n"
        )
        .unwrap();
    }
    home.shell(&script);
    let said = |number: usize| {
        let path = home.path().join(format!("step-{number}.out"));
        std::fs::read_to_string(path).unwrap_or_else(|_| "(was never run)\n".to_owned())
    };
    (0..steps.len()).map(said).collect()
}

/// What differs between two runs, in a form that is the same in both; blanks as one.
fn canonical(text: &str) -> String {
    const FORMS: [(&str, &str); 9] = [
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<time>"),
        (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "<id>"),
        (r"\buid:\d+\([^)]*\)", "<who>"),
        (r"\b[0-9a-f]{16,}\b", "<hex>"),
        (r"\bkey [0-9a-f]{8}\b", "key <hex>"),
        (r"\bin (\d+(\.\d+)?(ms|[dhms])\s*)+", "in <duration> "),
        (r"\b(\d+[dhm]\s*)*\d+s in all\b", "<duration> in all"),
        (r"\bnow\b|\b(\d+[dhms]\s*)+ago\b", "<ago>"),
        (r"` on \S+", "` on <host>"),
    ];
    let mut text = text.to_owned();
    for (pattern, form) in FORMS {
        text = Regex::new(pattern).unwrap().replace_all(&text, form).into_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn matches(expected: &str, actual: &str) -> bool {
    let expected = regex::escape(&canonical(expected));
    let pattern = expected.replace(r"\[\.\.\]", ".*?").replace(r"\.\.\.", ".*?");
    let pattern = Regex::new(&format!("^(?s){pattern}$")).unwrap();
    pattern.is_match(&canonical(actual))
}

/// As a reader would see it, in a home called `~`, and as somebody who is no one in particular.
fn presentable(home: &Home, said: &str) -> String {
    let said = said.replace(&home.path().display().to_string(), "~");
    let said = Regex::new(r"uid:\d+\([^)]*\)").unwrap().replace_all(&said, "uid:1000(ann)");
    let said = Regex::new(r"` on \S+").unwrap().replace_all(&said, "` on this-machine");
    said.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Runs a document. What differs, where something does.
fn check(name: &str) -> Result<(), String> {
    let path = root().join(name);
    let text = golden::read(&path);
    let all = steps(&text);
    let steps: Vec<Step> =
        all.into_iter().filter(|step| cfg!(feature = "simulation") || step.shift_ms == 0).collect();
    if !cfg!(feature = "simulation") && text.contains("<!-- shift: ") {
        eprintln!("SKIPPED the end of {name}: its clock needs --features gov/simulation");
    }
    let home = Home::new();
    let said = run(&home, &steps);
    let lines: Vec<&str> = text.lines().collect();
    let (mut wrong, mut anew, mut from) = (String::new(), String::new(), 0);
    for (step, said) in steps.iter().zip(&said) {
        let expected: String =
            lines[step.expected.clone()].iter().map(|line| format!("{line}\n")).collect();
        let actual = presentable(&home, said);
        anew.extend(lines[from..step.expected.start].iter().map(|line| format!("{line}\n")));
        let is_right = matches(&expected, &actual);
        anew.push_str(if is_right { &expected } else { &actual });
        from = step.expected.end;
        if !is_right {
            let (line, command) = (step.line, &step.command);
            wrong +=
                &format!("{name}:{line}: $ {command}\n--- wanted\n{expected}--- got\n{actual}");
        }
    }
    anew.extend(lines[from..].iter().map(|line| format!("{line}\n")));
    if std::env::var_os(golden::UPDATE).is_some_and(|value| value == "1") && anew != text {
        std::fs::write(&path, anew).unwrap();
        return Ok(());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

#[test]
fn every_console_block_says_what_it_said() {
    let documents = documents();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> =
            documents.iter().map(|name| scope.spawn(move || check(name))).collect();
        started.into_iter().filter_map(|thread| thread.join().unwrap().err()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// G37: what the shipped blueprints propose is reviewed like code.
#[test]
fn g37_shipped_blueprints_plan_what_they_are_known_to() {
    for (blueprint, environment) in [("sandbox", "sandbox"), ("monitoring", "monitor")] {
        let home = Home::new();
        let output = home.shell(&format!("gov plan {environment}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let actual = presentable(&home, &String::from_utf8_lossy(&output.stdout));
        let path = root().join(format!("blueprints/{blueprint}/expected-plan.txt"));
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if !matches(&expected, &actual) {
            golden::check(&path, &actual).unwrap_or_else(|wrong| panic!("{wrong}"));
        }
    }
}

#[test]
fn every_shipped_blueprint_is_in_its_normal_form() {
    let home = Home::new();
    let output = home.shell("gov fmt --check blueprints");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The generated pages are those that this gov generates.
#[test]
fn the_reference_is_up_to_date() {
    let home = Home::new();
    let output = home.shell("mkdir ../reference && gov __reference ../reference");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for page in golden::files(&home.path().join("reference"), "md") {
        let path = root().join("docs/reference").join(page.file_name().unwrap());
        golden::check(&path, &golden::read(&page)).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

#[test]
fn wildcards_stand_for_text_and_nothing_else_does() {
    assert!(matches("a [..] d\n", "a b c d\n"));
    assert!(matches("a\n...\nz\n", "a\nb\nc\nz\n"));
    assert!(matches(
        "expires 2026-01-01T00:00:00Z (in 8h)",
        "expires 2027-01-01T00:00:00Z (in 7h 59m)"
    ));
    assert!(!matches("a\n", "a b\n"));
    assert!(!matches("a [..] d\n", "a b c\n"));
    assert!(!matches("3 created", "4 created"));
    let text = "```console\n$ one \\\n  two\nout\n$ three\n```\n<!-- shift: 1h -->\n\
                ```console\n$ four\n```\n```text\n$ five\n```\n";
    let found: Vec<(String, usize, i64)> =
        steps(text).into_iter().map(|s| (s.command, s.expected.len(), s.shift_ms)).collect();
    let wanted = [("one \\\n  two", 1, 0), ("three", 0, 0), ("four", 0, 3_600_000)];
    assert_eq!(found, wanted.map(|(command, lines, shift)| (command.to_owned(), lines, shift)));
}
