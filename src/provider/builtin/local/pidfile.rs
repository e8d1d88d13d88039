//! The files by which gov and its supervisors agree on who starts what, once.
//!
//! For a create with marker M, gov's folder holds in turn
//!
//! * `process-M.spec`: what to start, written by gov. Exactly one renaming of it succeeds: the
//!   supervisor's, which claims it, or gov's, which withdraws it.
//! * `process-M.claim-PID-TICKS`: the same file, claimed. Its name says by whom, so that a look
//!   at it tells a supervisor at work from one that has died.
//! * `process-M.json`: the pid file, made before the command starts and only where there is none.
//!   The supervisor removes it when the command and all its kin have ended.
//! * `process-M.log`: what the command printed, unless the blueprint names another file.
//!
//! Deliberately not here: starting and ending. Start with [`look`].

use std::collections::BTreeMap;
use std::io;

use cap_std::fs::Dir;
use serde::Deserialize;
use serde::Serialize;

use crate::provider::builtin::local::below;
use crate::provider::builtin::local::below::Content;
use crate::provider::builtin::local::ground::list;
use crate::provider::builtin::local::kin;
use crate::provider::builtin::local::kin::Kin;
use crate::provider::builtin::local::kin::Supervisor;
use crate::provider::builtin::local::launcher::boot_clock_ms;

/// Specifications and pid files are small; a larger one is not gov's.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The version of both formats.
pub(super) const FORMAT: u32 = 1;

/// How long a supervisor has from claiming to having started its command.
const CLAIM_MS_MAX: i64 = 10_000;

/// What to start. It may hold secrets, so it lives only until it is claimed.
#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    /// [`FORMAT`].
    pub version: u32,
    /// The marker, fit for file names.
    pub stem: String,
    /// The environment.
    pub environment: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All variables.
    pub variables: BTreeMap<String, String>,
    /// Where to run, below the root.
    pub working_directory: String,
    /// Where output goes, below the root.
    pub log: String,
    /// Seconds that kin of an ended command have to end.
    pub stop_grace: u32,
}

/// Who runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct PidFile {
    /// [`FORMAT`].
    pub version: u32,
    /// The marker, fit for file names.
    pub stem: String,
    /// The boot that the numbers are of.
    pub boot_id: String,
    /// The supervisor's pid.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The pid of the command, once it has started.
    pub command: Option<i32>,
    /// The environment that it runs for.
    pub environment: String,
    /// The program it was made to run; arguments may be secrets.
    pub program: String,
}

impl PidFile {
    /// The supervisor it names. Who works in the environment can forge the file, so that its word
    /// on the command's group is not taken.
    pub(super) fn supervisor(&self) -> Supervisor {
        let Self { pid, started, .. } = *self;
        Supervisor { pid, started, command: None, stem: self.stem.clone() }
    }

    /// Whether it is of this boot and any kin of the supervisor is left.
    pub(super) fn is_alive(&self, boot_id: &str) -> io::Result<bool> {
        Ok(self.boot_id == boot_id && !Kin::scan(&self.supervisor())?.is_empty())
    }
}

/// The name of the specification.
pub(super) fn spec_name(stem: &str) -> String {
    format!("process-{stem}.spec")
}

/// The name of a claimed specification.
pub(super) fn claim_name(stem: &str, pid: i32, started: u64) -> String {
    format!("process-{stem}.claim-{pid}-{started}")
}

/// The name of the pid file.
pub(super) fn pid_name(stem: &str) -> String {
    format!("process-{stem}.json")
}

/// The name of the log that gov chooses.
pub(super) fn log_name(stem: &str) -> String {
    format!("process-{stem}.log")
}

/// The name that files of this marker are written under first.
pub(super) fn temp_name(stem: &str, of: &str) -> String {
    format!("process-{stem}.{of}.tmp")
}

/// Reads a pid file. A file that is none is an error, not an absence.
pub(super) fn read(own: &Dir, stem: &str) -> io::Result<Option<PidFile>> {
    let bytes = match below::read(own, &pid_name(stem), FILE_BYTES_MAX)? {
        Content::Missing => return Ok(None),
        Content::Whole(bytes, _) => bytes,
        Content::TooLarge(_) | Content::Other => return Err(not_ours("pid file")),
    };
    let file: PidFile = serde_json::from_slice(&bytes).map_err(|_| not_ours("pid file"))?;
    if file.version != FORMAT || file.stem != stem {
        return Err(not_ours("pid file"));
    }
    Ok(Some(file))
}

/// A file in gov's folder is not as gov writes it.
pub(super) fn not_ours(what: &str) -> io::Error {
    let problem = format!("the {what} in `.gov` is not as gov wrote it");
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Takes back a specification that nobody has claimed, so that nobody will. Says whether it did.
pub(super) fn withdraw(own: &Dir, stem: &str) -> io::Result<bool> {
    let withdrawn = temp_name(stem, "withdrawn");
    // Renamed first: unlinking could hit a claimed file only if claiming kept the name.
    match rustix::fs::renameat(own, spec_name(stem), own, withdrawn.as_str()) {
        Ok(()) => below::remove(own, &withdrawn),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// What there is of a marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// It runs.
    Running(PidFile),
    /// It does not run and will not any more; its files are gone.
    Gone,
    /// A supervisor is still about to start it, longer than it should take.
    Starting,
}

/// Settles what became of a start: withdraws an unclaimed specification, waits for a claimed one,
/// and removes what the dead have left.
pub(super) fn look(own: &Dir, stem: &str, boot_id: &str) -> io::Result<Look> {
    withdraw(own, stem)?;
    let begun = boot_clock_ms();
    loop {
        // Claims are read before the pid file: a supervisor makes that before it lets go of its
        // claim, so that one of the two is seen.
        let claimed = claims(own, stem)?.iter().any(|claim| claim.is_alive());
        match read(own, stem)? {
            Some(file) if !file.is_alive(boot_id)? => {
                below::remove(own, &pid_name(stem))?;
            }
            Some(file) if file.command.is_some() || !is_led(&file) => {
                return Ok(Look::Running(file));
            }
            Some(_) => {}
            None if claimed => {}
            None => {
                for claim in claims(own, stem)? {
                    below::remove(own, &claim.name)?;
                }
                return Ok(Look::Gone);
            }
        }
        if boot_clock_ms().saturating_sub(begun) >= CLAIM_MS_MAX {
            return Ok(Look::Starting);
        }
        kin::pause();
    }
}

fn is_led(file: &PidFile) -> bool {
    kin::is_alive(file.pid, file.started, &file.stem)
}

struct Claim {
    name: String,
    stem: String,
    pid: i32,
    started: u64,
}

impl Claim {
    fn parse(name: &str) -> Option<Self> {
        let (stem, by) = name.strip_prefix("process-")?.split_once(".claim-")?;
        let (pid, started) = by.split_once('-')?;
        let (pid, started) = (pid.parse().ok()?, started.parse().ok()?);
        Some(Self { name: name.to_owned(), stem: stem.to_owned(), pid, started })
    }

    fn is_alive(&self) -> bool {
        kin::is_alive(self.pid, self.started, &self.stem)
    }
}

fn claims(own: &Dir, stem: &str) -> io::Result<Vec<Claim>> {
    let all = list(own)?;
    Ok(all.iter().filter_map(|name| Claim::parse(name)).filter(|c| c.stem == stem).collect())
}

/// Removes every file of a marker whose processes have ended, the log only if gov chose it.
pub(super) fn remove_files(own: &Dir, stem: &str) -> io::Result<()> {
    let prefix = format!("process-{stem}.");
    for name in list(own)?.iter().filter(|name| name.starts_with(&prefix)) {
        below::remove(own, name)?;
    }
    below::sync(own)
}

/// Whether all these names in gov's folder are what ended processes have left behind.
pub(super) fn all_residue<'a>(
    own: &Dir,
    names: impl Iterator<Item = &'a String>,
    boot_id: &str,
) -> io::Result<bool> {
    for name in names {
        let Some(stem) = name.strip_prefix("process-").and_then(|n| n.split('.').next()) else {
            return Ok(false);
        };
        if below::stat(own, &spec_name(stem))?.is_some() {
            return Ok(false);
        }
        if claims(own, stem)?.iter().any(Claim::is_alive) {
            return Ok(false);
        }
        if let Some(file) = read(own, stem)?
            && file.is_alive(boot_id)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files in a folder of their own")]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::Look;
    use super::claim_name;
    use super::look;
    use super::pid_name;
    use super::spec_name;

    fn folder() -> (tempfile::TempDir, Dir) {
        let home = tempfile::tempdir().unwrap();
        let own = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        (home, own)
    }

    #[test]
    fn a_look_withdraws_what_nobody_claimed() {
        let (home, own) = folder();
        std::fs::write(home.path().join(spec_name("m")), "{}").unwrap();
        assert_eq!(look(&own, "m", "boot").unwrap(), Look::Gone);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_claim_of_the_dead_is_no_start() {
        let (home, own) = folder();
        std::fs::write(home.path().join(claim_name("m", i32::MAX, 7)), "{}").unwrap();
        assert_eq!(look(&own, "m", "boot").unwrap(), Look::Gone);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_pid_file_that_is_not_ours_is_no_absence() {
        let (home, own) = folder();
        std::fs::write(home.path().join(pid_name("m")), "not json").unwrap();
        assert!(look(&own, "m", "boot").is_err());
        assert!(home.path().join(pid_name("m")).exists());
    }
}
