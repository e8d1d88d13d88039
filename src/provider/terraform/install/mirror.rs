//! Installed providers in folders laid out as Terraform lays them out:
//! `<mirror>/<host>/<namespace>/<name>/<version>/<os>_<arch>/terraform-provider-<name>_…`.
//!
//! Unpacked providers only. The folder `terraform.d/plugins` of the working folder is left out on
//! purpose. INVARIANT (authority is not in the working folder): what a requester can write there
//! must not run.
#![expect(clippy::disallowed_methods, reason = "IO: looks for installed plugins")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::provider::terraform::install::SourceAddress;
use crate::provider::terraform::install::SourcePattern;
use crate::provider::terraform::install::cli_config;
use crate::provider::terraform::install::constraint::Constraint;
use crate::provider::terraform::install::constraint::Version;

/// The most entries of a folder that are looked at. No provider has so many versions.
const ENTRIES_MAX: usize = 10_000;

/// The longest CLI configuration that is read. People write a few lines of it.
const CLI_CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// A folder with providers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mirror {
    /// Where.
    pub folder: PathBuf,
    /// The sources that it serves; absent for all.
    pub include: Option<Vec<SourcePattern>>,
    /// The sources that it does not serve all the same.
    pub exclude: Vec<SourcePattern>,
}

impl Mirror {
    /// A mirror of everything.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), include: None, exclude: Vec::new() }
    }

    /// Whether a source may be taken from here.
    #[must_use]
    pub fn serves(&self, source: &SourceAddress) -> bool {
        let named = |patterns: &[SourcePattern]| patterns.iter().any(|one| one.matches(source));
        self.include.as_deref().is_none_or(named) && !named(&self.exclude)
    }
}

/// The user's folders, as the environment has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserFolders {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `XDG_DATA_DIRS`, split.
    pub data_dirs: Vec<PathBuf>,
    /// `TF_CLI_CONFIG_FILE`.
    pub cli_config: Option<PathBuf>,
}

/// A provider that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installed {
    /// Its source.
    pub source: SourceAddress,
    /// Its version.
    pub version: Version,
    /// The folder of everything that belongs to it; what its hash is of.
    pub folder: PathBuf,
    /// The file to start.
    pub program: PathBuf,
}

/// Why no provider was found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FindError {
    /// No version of it is there.
    #[error("{} is not installed for {platform}; looked into {}", source_address, list(looked))]
    Absent {
        /// What was looked for.
        source_address: SourceAddress,
        /// For which platform.
        platform: String,
        /// Where.
        looked: Vec<PathBuf>,
    },
    /// No version that is there may be taken.
    #[error(
        "no installed version of {} satisfies `{constraint}`; there are {}",
        source_address,
        versions.join(", ")
    )]
    NoVersion {
        /// What was looked for.
        source_address: SourceAddress,
        /// What was asked for.
        constraint: String,
        /// What there is.
        versions: Vec<String>,
    },
}

fn list(folders: &[PathBuf]) -> String {
    let texts: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if texts.is_empty() { "no folder at all".to_owned() } else { texts.join(", ") }
}

/// What platforms are called: `linux_amd64`.
#[must_use]
pub fn platform() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{os}_{arch}")
}

/// The mirrors of a user: those of Terraform's CLI configuration, or else the standard folders.
///
/// # Errors
/// Where the configuration is there and cannot be read: other mirrors than those that it names
/// must not be used instead.
pub fn of_user(user: &UserFolders) -> Result<Vec<Mirror>, cli_config::CliConfigError> {
    let usual = || user.home.as_ref().map(|home| home.join(".terraformrc"));
    let config = user.cli_config.clone().or_else(usual);
    if let Some(path) = config
        && let Ok(metadata) = std::fs::metadata(&path)
    {
        let unreadable = |why: String| cli_config::CliConfigError::Syntax(why);
        if metadata.len() > CLI_CONFIG_BYTES_MAX {
            return Err(unreadable(format!("{} is too long", path.display())));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
        if let Some(mirrors) = cli_config::mirrors(&text)? {
            return Ok(mirrors);
        }
    }
    Ok(standard(user).into_iter().map(Mirror::of).collect())
}

/// The folders that Terraform looks into by itself, but for the one in the working folder.
#[must_use]
pub fn standard(user: &UserFolders) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(home) = &user.home {
        folders.push(home.join(".terraform.d/plugins"));
    }
    let data_home =
        user.data_home.clone().or_else(|| user.home.as_ref().map(|home| home.join(".local/share")));
    folders.extend(data_home.map(|folder| folder.join("terraform/plugins")));
    let usual = ["/usr/local/share", "/usr/share"].map(PathBuf::from);
    let data_dirs = if user.data_dirs.is_empty() { usual.to_vec() } else { user.data_dirs.clone() };
    folders.extend(data_dirs.into_iter().map(|folder| folder.join("terraform/plugins")));
    folders
}

/// The highest installed version that may be taken. Of two copies, the one in the earlier mirror.
///
/// # Errors
/// [`FindError`].
pub fn find(
    mirrors: &[Mirror],
    source: &SourceAddress,
    constraint: &Constraint,
    platform: &str,
) -> Result<Installed, FindError> {
    let mut found: BTreeMap<Version, (PathBuf, PathBuf)> = BTreeMap::new();
    let serving: Vec<&Mirror> = mirrors.iter().filter(|mirror| mirror.serves(source)).collect();
    for mirror in &serving {
        let folder = mirror.folder.join(&source.host).join(&source.namespace).join(&source.name);
        for (name, path) in entries(&folder) {
            let Ok(version) = name.parse::<Version>() else { continue };
            let folder = path.join(platform);
            if let Some(program) = program(&folder, &source.name) {
                found.entry(version).or_insert((folder, program));
            }
        }
    }
    if found.is_empty() {
        return Err(FindError::Absent {
            source_address: source.clone(),
            platform: platform.to_owned(),
            looked: serving.iter().map(|mirror| mirror.folder.clone()).collect(),
        });
    }
    let chosen = constraint.choose(found.keys()).cloned();
    let Some((version, (folder, program))) =
        chosen.and_then(|version| found.remove_entry(&version))
    else {
        return Err(FindError::NoVersion {
            source_address: source.clone(),
            constraint: constraint.to_string(),
            versions: found.keys().map(ToString::to_string).collect(),
        });
    };
    Ok(Installed { source: source.clone(), version, folder, program })
}

/// The entries of a folder by name, in order; none where it cannot be read.
fn entries(folder: &Path) -> BTreeMap<String, PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX).flatten();
    read.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

fn program(folder: &Path, name: &str) -> Option<PathBuf> {
    let start = format!("terraform-provider-{name}");
    let runs = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let named = |entry: &String| {
        let rest = entry.strip_prefix(&start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.']))
    };
    entries(folder).into_iter().find(|(entry, path)| named(entry) && runs(path)).map(|(_, p)| p)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::FindError;
    use super::Mirror;
    use super::UserFolders;
    use super::find;
    use super::of_user;
    use super::standard;

    const PLATFORM: &str = "linux_amd64";

    fn install(mirror: &Path, source: &str, version: &str, mode: u32) {
        let folder = mirror.join(source).join(version).join(PLATFORM);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("LICENSE.txt"), "text").unwrap();
        let name = source.rsplit('/').next().unwrap();
        let program = folder.join(format!("terraform-provider-{name}_v{version}_x5"));
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_highest_fitting_version_is_found() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let aws = "registry.terraform.io/hashicorp/aws";
        install(one.path(), aws, "5.100.0", 0o755);
        install(one.path(), aws, "5.9.0", 0o755);
        install(one.path(), aws, "5.101.0", 0o644);
        install(two.path(), aws, "6.0.0", 0o755);
        install(two.path(), aws, "5.100.0", 0o755);
        let mirrors = [Mirror::of(one.path()), Mirror::of(two.path())];
        let look = |source: &str, constraint: &str| {
            find(&mirrors, &source.parse().unwrap(), &constraint.parse().unwrap(), PLATFORM)
        };
        let found = look("hashicorp/aws", "~> 5.0").unwrap();
        assert_eq!(found.version.to_string(), "5.100.0", "5.101.0 cannot be run");
        assert!(found.program.starts_with(one.path()), "the earlier mirror wins");
        assert!(found.program.ends_with("terraform-provider-aws_v5.100.0_x5"));
        assert_eq!(look("hashicorp/aws", "").unwrap().version.to_string(), "6.0.0");
        let error = look("hashicorp/aws", "< 5").unwrap_err();
        assert!(matches!(&error, FindError::NoVersion { versions, .. } if versions.len() == 3));
        assert!(matches!(look("hashicorp/null", ""), Err(FindError::Absent { .. })));
    }

    #[test]
    fn the_cli_configuration_replaces_the_standard_folders() {
        let home = tempfile::tempdir().unwrap();
        let user = UserFolders { home: Some(home.path().to_owned()), ..Default::default() };
        assert_eq!(of_user(&user).unwrap().len(), standard(&user).len());
        let config = home.path().join(".terraformrc");
        let text = "provider_installation {\n  filesystem_mirror {\n    path = \"/m\"\n  }\n}\n";
        std::fs::write(&config, text).unwrap();
        assert_eq!(of_user(&user).unwrap(), [Mirror::of("/m")]);
        std::fs::write(&config, "provider_installation {").unwrap();
        of_user(&user).unwrap_err();
    }

    #[test]
    fn the_working_folder_is_not_among_the_standard_ones() {
        let user = UserFolders { home: Some("/h".into()), ..Default::default() };
        let folders = standard(&user);
        assert!(folders.iter().all(|folder| folder.is_absolute()));
        assert_eq!(folders.first().unwrap(), Path::new("/h/.terraform.d/plugins"));
        assert_eq!(folders.len(), 4);
    }
}
