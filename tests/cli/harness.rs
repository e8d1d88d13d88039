//! The real binary in a world of its own: a home, a working folder and a store that nothing else
//! uses, an environment of variables that holds nothing of whoever runs the tests.
//!
//! Start with [`World`] and [`Gov::run`].

#![expect(clippy::disallowed_methods, reason = "IO: tests look at what a command really did")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value as Json;

use crate::golden;

/// Far longer than any wait here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One hour, for [`Gov::later`].
pub const HOUR: i64 = 3_600_000;

/// A home, a working folder and a store.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let world = Self { folder: folder_in_memory() };
        for folder in [world.home(), world.work(), world.config()] {
            fs::create_dir_all(folder).unwrap();
        }
        world
    }

    /// A world whose working folder has a blueprint of this text, called `blueprint.toml`.
    pub fn with(blueprint: &str) -> Self {
        let world = Self::new();
        world.write("blueprint.toml", blueprint);
        world
    }

    /// A world with a blueprint of `tests/cli/fixtures`.
    pub fn of(fixture: &str) -> Self {
        Self::with(&golden::read(&golden::folder("cli/fixtures").join(format!("{fixture}.toml"))))
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    pub fn work(&self) -> PathBuf {
        self.folder().join("work")
    }

    pub fn config(&self) -> PathBuf {
        self.folder().join("config/gov")
    }

    pub fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    pub fn journal(&self) -> PathBuf {
        self.store().join("journal/00000001.log")
    }

    /// Where the local resources of an environment lie.
    pub fn root(&self, environment: &str) -> PathBuf {
        self.folder().join("store-environments").join(environment)
    }

    /// A file below the working folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work().join(name);
        write(&path, text);
        path
    }

    /// What authority says.
    pub fn trust(&self, text: &str) {
        write(&self.config().join("trust.toml"), text);
    }

    pub fn gov(&self, arguments: &[&str]) -> Gov {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gov"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.folder().join("config"))
            .env("GOV_DATA_DIR", self.store())
            .current_dir(self.work())
            .args(arguments)
            .stdin(Stdio::null());
        Gov { command }
    }

    /// Runs it and expects that it is done.
    pub fn ok(&self, arguments: &[&str]) -> Out {
        self.gov(arguments).run().exits(0)
    }

    /// `gov apply` of a new environment of the blueprint in the working folder.
    pub fn make(&self, environment: &str) -> Gov {
        self.gov(&["apply", environment, "-y"]).args(ASK)
    }

    /// Makes an environment and expects that it is done.
    pub fn made(&self, environment: &str) -> Out {
        self.make(environment).run().exits(0)
    }

    /// The types of an environment's events, in order; empty where it was never recorded.
    pub fn events(&self, environment: &str) -> Vec<String> {
        let out = self.gov(&["history", environment, "--json"]).run();
        if out.code == Some(1) {
            return Vec::new();
        }
        let document = out.exits(0).json();
        let events = document["events"].as_array().unwrap().iter();
        events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The bytes of the journal; nothing where there is none.
    pub fn journal_bytes(&self) -> Vec<u8> {
        fs::read(self.journal()).unwrap_or_default()
    }

    /// How long the journal is.
    pub fn journal_len(&self) -> u64 {
        fs::metadata(self.journal()).map_or(0, |found| found.len())
    }

    /// Processes of resources that run for this world: those whose home it is and that carry a
    /// marker, by marker. Supervisors are not among them.
    pub fn processes(&self) -> BTreeMap<String, Vec<i32>> {
        let mut found: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (pid, variables) in self.kin() {
            let marker = variables.iter().find_map(|text| text.strip_prefix("GOV_MARKER="));
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let supervises = line.split(|b| *b == 0).any(|word| word == b"__supervise");
            if let Some(marker) = marker.filter(|_| !supervises && !line.is_empty()) {
                found.entry(marker.to_owned()).or_default().push(pid);
            }
        }
        found
    }

    /// Processes that were started for this world, with their variables.
    fn kin(&self) -> Vec<(i32, Vec<String>)> {
        let home = format!("HOME={}", self.home().display());
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter_map(|pid| {
            let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let variables: Vec<String> = text.split('\0').map(str::to_owned).collect();
            variables.contains(&home).then_some((pid, variables))
        })
        .collect()
    }
}

/// A folder in memory where there is such a thing: whoever kills a process loses nothing that it
/// has written, so waiting for a disk would prove nothing more.
fn folder_in_memory() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("gov-").tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

impl Drop for World {
    /// Processes are made to outlive gov, so a world ends those of its own that are left.
    fn drop(&mut self) {
        for (pid, _) in self.kin() {
            signal(pid, Signal::KILL);
        }
    }
}

/// What every environment has to say of itself.
pub const ASK: &[&str] = &[
    "-b",
    "blueprint.toml",
    "--owner",
    "ann",
    "--team",
    "platform",
    "--project",
    "search",
    "--purpose",
    "to test gov",
];

/// A command that is about to run.
pub struct Gov {
    command: Command,
}

impl Gov {
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// In another working folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// With a clock that is ahead, by so many milliseconds.
    #[track_caller]
    pub fn later(self, shift_ms: i64) -> Self {
        let moves = cfg!(feature = "simulation") || shift_ms == 0;
        assert!(moves, "only `cargo test --features simulation` can move gov's clock");
        self.env("GOV_SIM_SHIFT_MS", shift_ms.to_string())
    }

    /// As another user of this machine.
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    pub fn run(mut self) -> Out {
        let output = self.command.output().unwrap();
        Out::of(&format!("{:?}", self.command), &output)
    }

    /// Starts it; its output is read when it has ended, so it must be less than a pipe holds.
    pub fn spawn(mut self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        self.command.stdout(fs::File::create(&out).unwrap());
        self.command.stderr(fs::File::create(&err).unwrap());
        let child = self.command.spawn().unwrap();
        Running { child, line: format!("{:?}", self.command), folder, ended: false }
    }
}

/// A command that is running.
pub struct Running {
    child: Child,
    line: String,
    folder: tempfile::TempDir,
    ended: bool,
}

impl Running {
    pub fn signal(&self, with: Signal) {
        assert!(!self.ended);
        signal(i32::try_from(self.child.id()).unwrap(), with);
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said to people so far.
    pub fn stderr(&self) -> String {
        read(&self.folder.path().join("err"))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Out {
        let status = self.child.wait().unwrap();
        self.ended = true;
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap();
        let output = Output { status, stdout: read("out"), stderr: read("err") };
        Out::of(&self.line, &output)
    }

    /// `kill -9`.
    pub fn kill(self) -> Out {
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Signals a process that this test has started. It may have ended already.
fn signal(pid: i32, with: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, with);
    }
}

/// What a command said and how it ended.
#[derive(Clone, Debug)]
pub struct Out {
    line: String,
    /// Nothing where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Out {
    fn of(line: &str, output: &Output) -> Self {
        Self {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    /// Expects words in the output, on whichever side.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        let found = |text: &str| flat(text).contains(&flat(words));
        assert!(found(&self.stdout) || found(&self.stderr), "`{words}` not in:\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn keeps_quiet_of(self, words: &str) -> Self {
        let found = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(!found, "`{words}` in:\n{}", self.all());
        self
    }

    /// The one document that it printed, whose format has a version.
    #[track_caller]
    pub fn json(&self) -> Json {
        let parsed = serde_json::from_str::<Json>(&self.stdout);
        let document = parsed.unwrap_or_else(|error| panic!("{error}:\n{}", self.all()));
        assert!(document["format_version"].is_string(), "{}", self.all());
        assert!(document["kind"].is_string(), "{}", self.all());
        document
    }

    pub fn all(&self) -> String {
        let Self { line, code, stdout, stderr } = self;
        format!("{line}\nexit {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Text without the marks and breaks that a narrow page puts into sentences, nor their capitals.
fn flat(text: &str) -> String {
    text.to_lowercase().replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until something is so, looking often. Panics where it does not come to be.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    wait(what, Duration::from_micros(300), is_so);
}

/// As [`wait_until`], looking twice a second: where looking is a command of its own.
#[track_caller]
pub fn wait_seldom(what: &str, is_so: impl FnMut() -> bool) {
    wait(what, Duration::from_millis(500), is_so);
}

#[track_caller]
fn wait(what: &str, pause: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(pause);
    }
}

/// Waits a bounded while. Only where a chance moment is wanted, never for something to be so.
pub fn pause(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros.min(50_000)));
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in tree(from) {
        let target = to.join(&path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if from.join(&path).is_file() {
            fs::copy(from.join(&path), target).unwrap();
        }
    }
}

/// Takes from everybody the right to write to anything below, and gives the right to read it.
pub fn forbid_writing(folder: &Path) {
    permit(folder, 0o555, 0o444);
}

/// Gives the owner the right to write back.
pub fn allow_writing(folder: &Path) {
    permit(folder, 0o700, 0o600);
}

fn permit(folder: &Path, folders: u32, files: u32) {
    let set = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(folder, folders);
    for name in tree(folder) {
        let path = folder.join(name);
        set(&path, if path.is_dir() { folders } else { files });
    }
}

/// A variable of whoever runs the tests, as a number.
pub fn number_wanted(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Everything below a folder, in order: folders end in `/`. Empty where there is no folder.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_dir() {
                found.push(format!("{name}/"));
                open.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// As [`tree`], without what gov keeps there for itself.
pub fn resources(root: &Path) -> Vec<String> {
    let mut found = tree(root);
    found.retain(|name| !name.starts_with(".gov"));
    found
}
