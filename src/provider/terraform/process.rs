//! Starting a plugin and learning what it offers.
//!
//! While a plugin starts, its schemas are read from the cache; one without a cached copy is asked.
#![expect(clippy::disallowed_methods, reason = "IO: looks at the plugin's file")]

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tfplugin::Class;
use tfplugin::client::GetSchemaError;
use tfplugin::client::SchemaDocument;
use tfplugin::guard::Guard;
use tfplugin::process::Launch;
use tfplugin::process::LogSender;
use tfplugin::process::Plugin;
use tfplugin::process::StartError;

use crate::provider::terraform::DescribeError;
use crate::provider::terraform::TerraformProvider;
use crate::provider::terraform::TypesInUse;
use crate::provider::terraform::governance::GovernanceTable;
use crate::provider::terraform::schema_cache::PluginId;
use crate::provider::terraform::schema_cache::SchemaCache;

/// What to open.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The plugin's file. That it may run has been decided.
    pub program: PathBuf,
    /// Variables that it gets beside those of this process.
    pub variables: Vec<(OsString, OsString)>,
    /// Lets it die with this process, by starting this program with a hidden first argument.
    pub guard: Option<Guard>,
    /// Where its log goes.
    pub log: Option<LogSender>,
    /// The types that are needed.
    pub in_use: TypesInUse,
    /// What gov knows of its types.
    pub table: Arc<GovernanceTable>,
    /// Where schemas are kept between runs, if anywhere.
    pub cache: Option<SchemaCache>,
}

/// Why a provider could not be opened. Nothing was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be looked at.
    #[error("cannot look at the plugin {program}: {source}")]
    File {
        /// The file.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not say what it offers.
    #[error(transparent)]
    Schema(#[from] GetSchemaError),
    /// What it offers makes no sense.
    #[error(transparent)]
    Describe(#[from] DescribeError),
}

impl OpenError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Start(error) => error.class() == Class::Transient,
            Self::Schema(error) => error.class() == Class::Transient,
            Self::File { .. } | Self::Describe(_) => false,
        }
    }
}

/// Starts a provider.
///
/// # Errors
/// [`OpenError`]; whatever was started has been killed.
pub async fn open(opening: Opening) -> Result<TerraformProvider, OpenError> {
    let identity = identity(&opening.program)
        .map_err(|source| OpenError::File { program: opening.program.clone(), source })?;
    let mut launch = Launch::new(&opening.program);
    launch.variables = opening.variables;
    launch.guard = opening.guard;
    launch.log = opening.log;
    // The plugin needs 200 ms to come up, in which the cache is read.
    let read = async { opening.cache.as_ref().and_then(|cache| cache.load(&identity)) };
    let (plugin, cached) = tokio::join!(Plugin::start(launch.clone()), read);
    let plugin = plugin?;
    let usable = cached
        .filter(|document| document.protocol() == plugin.client().protocol() && may_skip(document));
    let document = match usable {
        Some(document) => document,
        None => {
            let document = plugin.client().get_provider_schema().await?;
            if let Some(cache) = opening.cache.as_ref().filter(|_| may_skip(&document)) {
                // Without a cache the next start is slower, and that is all.
                let _kept = cache.store(&identity, &document);
            }
            document
        }
    };
    Ok(TerraformProvider::new(plugin, launch, &document, &opening.in_use, &opening.table)?)
}

/// Whether the provider works without being asked for its schemas first.
fn may_skip(document: &SchemaDocument) -> bool {
    document.capabilities().get_provider_schema_optional
}

/// What tells one plugin file from another, and from what it was before somebody replaced it.
fn identity(program: &Path) -> std::io::Result<PluginId> {
    let path = std::fs::canonicalize(program)?;
    let file = std::fs::metadata(&path)?;
    let text = format!(
        "{}\n{} {} {} {}.{} {}.{}",
        path.display(),
        file.dev(),
        file.ino(),
        file.size(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    );
    Ok(PluginId::of(&text))
}

#[cfg(test)]
mod tests {
    use super::identity;

    #[test]
    fn another_file_at_the_same_place_is_another_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terraform-provider-x");
        std::fs::write(&path, "one").unwrap();
        let first = identity(&path).unwrap();
        assert_eq!(identity(&path).unwrap(), first);
        std::fs::write(folder.path().join("other"), "two!").unwrap();
        std::fs::rename(folder.path().join("other"), &path).unwrap();
        assert_ne!(identity(&path).unwrap(), first);
        assert!(identity(&folder.path().join("absent")).is_err());
    }
}
