//! Programs to run: found without a shell, started without gov's variables.
//!
//! Deliberately not here: waiting for them. Start with [`Program`].

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::process::Stdio;

use cap_std::fs::Dir;
use rustix::fs::Access;

use crate::model::id::EnvironmentId;
use crate::provider::builtin::local::kin::MARKER_VARIABLE;
use crate::provider::builtin::local::launcher::Launcher;

/// Where programs without a path are looked for, and the `PATH` that commands see. The asker's own
/// `PATH` does not count: it may lead to programs that nobody has reviewed.
const SAFE_PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The variable that carries the environment's id.
const ENVIRONMENT_VARIABLE: &str = "GOV_ENVIRONMENT";

/// The beginning of the variables that carry labels.
const LABEL_PREFIX: &str = "GOV_LABEL_";

/// A program with all it sees.
pub(super) struct Program<'a> {
    /// The program and its arguments, exactly.
    pub arguments: &'a [String],
    /// All its variables.
    pub variables: &'a BTreeMap<String, String>,
    /// Where it runs.
    pub folder: &'a Dir,
}

impl Program<'_> {
    /// A command that leads a group of its own, with nothing to read and nowhere to write yet.
    ///
    /// # Errors
    /// `NotFound` where there is no such program.
    pub(super) fn command(&self) -> io::Result<Command> {
        let Some((name, rest)) = self.arguments.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no program to run"));
        };
        let mut command = Command::new(find(name)?);
        command
            .arg0(name)
            .args(rest)
            .env_clear()
            .envs(self.variables)
            // The handle, not a path: nothing planted since it was opened can divert it.
            .current_dir(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command)
    }
}

fn find(name: &str) -> io::Result<String> {
    if name.starts_with('/') {
        return Ok(name.to_owned());
    }
    if name.is_empty() || name.contains('/') {
        let problem = "a program needs an absolute path or a plain name";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let candidates = SAFE_PATH.iter().map(|folder| format!("{folder}/{name}"));
    let found = candidates.into_iter().find(|path| {
        let path = path.as_str();
        let plain = rustix::fs::stat(path)
            .is_ok_and(|stat| super::below::file_type(&stat) == rustix::fs::FileType::RegularFile);
        plain && rustix::fs::access(path, Access::EXEC_OK).is_ok()
    });
    found.ok_or_else(|| {
        let problem = format!("there is no program `{name}` in {}", SAFE_PATH.join(", "));
        io::Error::new(io::ErrorKind::NotFound, problem)
    })
}

/// All variables of a command: the user's few, those given, and gov's, which nobody can override.
pub(super) fn variables(
    launcher: &Launcher,
    environment: EnvironmentId,
    stem: &str,
    given: BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("PATH".to_owned(), SAFE_PATH.join(":"))]);
    all.extend(launcher.home.clone().map(|home| ("HOME".to_owned(), home)));
    all.extend(launcher.lang.clone().map(|lang| ("LANG".to_owned(), lang)));
    all.extend(given);
    let label = |(key, value): (&String, &String)| (format!("{LABEL_PREFIX}{key}"), value.clone());
    all.extend(labels.iter().map(label));
    all.insert(ENVIRONMENT_VARIABLE.to_owned(), environment.to_string());
    all.insert(MARKER_VARIABLE.to_owned(), stem.to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn programs_are_found_in_the_safe_places_only() {
        assert!(find("sh").unwrap().ends_with("/sh"));
        assert_eq!(find("/no/such").unwrap(), "/no/such");
        assert!(find("./sh").is_err());
        assert!(find("no-such-program-anywhere").is_err());
    }
}
