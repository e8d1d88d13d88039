//! Configuration: where gov looks, and what convenience it takes from where.
//!
//! Convenience (`gov.toml` of the working folder, `GOV_*`, flags) says where and how; it grants
//! nothing. Authority is the trust root in the user's configuration folder, and who acts is never
//! configured. INVARIANT (authority is not in the working folder).
#![expect(clippy::disallowed_methods, reason = "IO: the one place that reads configuration")]

use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::cli::context::KeySource;
use crate::cli::context::files;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::lifetime::Duration;
use crate::ops::OpError;
use crate::policy::trust::Trust;

/// The longest configuration file that is read.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// How many provider calls may be under way at once, where nobody says.
pub const PARALLELISM: usize = 10;

/// The most provider calls that may be under way at once: beyond it providers only queue them.
pub const PARALLELISM_MAX: usize = 256;

/// The name of the convenience file.
const FILE: &str = "gov.toml";

/// `gov.toml`: what it may say. None of it grants anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Convenience {
    /// Words for new environments.
    pub defaults: Defaults,
    /// The store's folder.
    pub data_dir: Option<PathBuf>,
    /// The folder of environment files; `environments` where absent.
    pub environments: Option<PathBuf>,
    /// How many provider calls may be under way at once.
    pub parallelism: Option<usize>,
    /// How long to wait for somebody else's lease.
    pub lock_timeout: Option<Duration>,
}

/// Words for environments that nobody has said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Who answers for them.
    pub owner: Option<String>,
    /// Whose budget they are on.
    pub team: Option<String>,
    /// What they belong to.
    pub project: Option<String>,
}

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The convenience file's words.
    pub convenience: Convenience,
    /// The folder that relative paths in the convenience file lie under.
    pub base: PathBuf,
    /// The working folder.
    pub working: PathBuf,
    /// The store's folder.
    pub data_dir: PathBuf,
    /// The user's configuration folder.
    pub config_dir: PathBuf,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// `LANG`.
    pub lang: Option<String>,
    /// How many provider calls may be under way at once.
    pub parallelism: usize,
    /// How long to wait for somebody else's lease.
    pub lock_timeout: Duration,
}

/// What flags say of configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--parallelism`.
    pub parallelism: Option<usize>,
    /// `--lock-timeout`.
    pub lock_timeout: Option<Duration>,
}

impl Config {
    /// Reads configuration: the convenience file, then `GOV_*`, then flags.
    ///
    /// # Errors
    /// [`OpError`] where a file or a variable is wrong; nothing is guessed.
    pub fn load(flags: &Overrides) -> Result<Self, OpError> {
        let working = std::env::current_dir()
            .map_err(|error| OpError::Failed(format!("there is no working folder: {error}")))?;
        let (convenience, base) = match &flags.config {
            Some(path) => (read_convenience(path)?, folder_of(path, &working)),
            None => find_convenience(&working)?,
        };
        let home = variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let data_dir = flags
            .data_dir
            .clone()
            .or_else(|| variable("GOV_DATA_DIR").map(PathBuf::from))
            .map(|path| working.join(path))
            .or_else(|| convenience.data_dir.clone().map(|path| base.join(path)))
            .or_else(|| user_folder("XDG_DATA_HOME", home.as_deref(), ".local/share"))
            .ok_or_else(|| {
                OpError::Usage(
                    "there is no home folder for the store; say where it lies: --data-dir DIR"
                        .into(),
                )
            })?;
        let config_dir = user_folder("XDG_CONFIG_HOME", home.as_deref(), ".config")
            .unwrap_or_else(|| data_dir.join("config"));
        let from_variable = variable("GOV_PARALLELISM").map(|text| {
            text.parse::<usize>().map_err(|_| {
                OpError::Usage(format!("GOV_PARALLELISM is `{text}`, which is no number"))
            })
        });
        let parallelism = flags
            .parallelism
            .or(from_variable.transpose()?)
            .or(convenience.parallelism)
            .unwrap_or(PARALLELISM);
        if parallelism == 0 || parallelism > PARALLELISM_MAX {
            let message = format!("parallelism is from 1 to {PARALLELISM_MAX}");
            return Err(OpError::Usage(message));
        }
        let lock_timeout =
            flags.lock_timeout.or(convenience.lock_timeout).unwrap_or(Duration::ZERO);
        let lang = variable("LANG");
        Ok(Self {
            convenience,
            base,
            working,
            data_dir,
            config_dir,
            home,
            lang,
            parallelism,
            lock_timeout,
        })
    }

    /// The trust root, or the built-in one where there is no file.
    ///
    /// # Errors
    /// Where the file is wrong. A trust root that cannot be read grants nothing.
    pub fn trust(&self) -> Result<Trust, OpError> {
        let path = self.trust_path();
        match files::read_text(&path, CONFIG_BYTES_MAX) {
            Ok(text) => Ok(Trust::parse(&Source::new(path.display().to_string(), text))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Trust::default()),
            Err(error) => {
                let message = format!("the trust root {} cannot be read: {error}", path.display());
                Err(OpError::Failed(message))
            }
        }
    }

    /// Where the trust root lies.
    #[must_use]
    pub fn trust_path(&self) -> PathBuf {
        self.config_dir.join("trust.toml")
    }

    /// Where the key comes from. `make` where nothing can have been sealed yet.
    #[must_use]
    pub fn key(&self, make: bool) -> KeySource {
        if let Some(text) = variable("GOV_KEY") {
            return KeySource::Text(Zeroizing::new(text));
        }
        if let Some(command) = variable("GOV_KEY_COMMAND") {
            let arguments = command.split_whitespace().map(str::to_owned).collect();
            return KeySource::Command(arguments);
        }
        KeySource::File { path: self.config_dir.join("key"), make }
    }

    /// Where the local resources of an environment lie, unless it says.
    #[must_use]
    pub fn root_of(&self, environment: &str) -> PathBuf {
        let mut folder = self.data_dir.clone().into_os_string();
        folder.push("-environments");
        PathBuf::from(folder).join(environment)
    }

    /// Where environment files lie.
    #[must_use]
    pub fn environments(&self) -> PathBuf {
        let folder = self.convenience.environments.clone();
        self.base.join(folder.unwrap_or_else(|| PathBuf::from("environments")))
    }
}

/// A variable that is set and not empty.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn user_folder(name: &str, home: Option<&Path>, below: &str) -> Option<PathBuf> {
    let stated = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    stated.or_else(|| Some(home?.join(below))).map(|folder| folder.join("gov"))
}

fn folder_of(path: &Path, working: &Path) -> PathBuf {
    let whole = working.join(path);
    whole.parent().map_or(whole.clone(), Path::to_path_buf)
}

/// The nearest convenience file, from the working folder upward.
fn find_convenience(working: &Path) -> Result<(Convenience, PathBuf), OpError> {
    for folder in working.ancestors() {
        let path = folder.join(FILE);
        if path.is_file() {
            return Ok((read_convenience(&path)?, folder.to_path_buf()));
        }
    }
    Ok((Convenience::default(), working.to_path_buf()))
}

fn read_convenience(path: &Path) -> Result<Convenience, OpError> {
    let text = files::read_text(path, CONFIG_BYTES_MAX).map_err(|error| {
        OpError::Failed(format!("the configuration {} cannot be read: {error}", path.display()))
    })?;
    let source = Source::new(path.display().to_string(), text);
    toml::from_str(&source.text).map_err(|error| {
        let detail = error.message().to_owned();
        let diagnostic = Diagnostic::error(Code::InvalidConfig, detail);
        let placed = match error.span() {
            Some(range) => diagnostic.at(Span::new(&source, range)),
            None => diagnostic,
        };
        OpError::Diagnostics(Diagnostics::from(placed))
    })
}
