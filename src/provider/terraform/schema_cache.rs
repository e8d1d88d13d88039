//! Schemas of plugins, kept between runs.
//!
//! Asking a large provider for its schemas takes half a second; reading them from here takes a few
//! milliseconds. A file holds the bytes as the provider sent them, under a name that is the
//! identity of the plugin's file, and their digest. Whatever does not fit is as good as absent.
#![expect(clippy::disallowed_methods, reason = "IO: keeps schemas between runs")]

use std::io;
use std::io::Write as _;
use std::path::PathBuf;

use sha2::Digest as _;
use sha2::Sha256;
use tfplugin::Bytes;
use tfplugin::Protocol;
use tfplugin::client::MESSAGE_BYTES_MAX;
use tfplugin::client::SchemaDocument;

/// The first line of a file, up to the protocol version.
const MAGIC: &str = "gov provider schema 1, protocol ";

/// Tells one plugin file from another: the hex digest of whatever identifies it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PluginId(String);

impl PluginId {
    /// The id that follows from a description of the file.
    #[must_use]
    pub fn of(description: &str) -> Self {
        Self(hex_digest(description.as_bytes()))
    }
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Schemas kept in a folder of the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaCache {
    /// The folder. It is made when something is first kept.
    pub folder: PathBuf,
}

impl SchemaCache {
    fn path(&self, plugin: &PluginId) -> PathBuf {
        self.folder.join(format!("{}.schema", plugin.0))
    }

    /// The schemas of a plugin, where they are here and whole.
    #[must_use]
    pub fn load(&self, plugin: &PluginId) -> Option<SchemaDocument> {
        let path = self.path(plugin);
        let longest = u64::try_from(MESSAGE_BYTES_MAX).ok()?.saturating_mul(2);
        if std::fs::metadata(&path).ok()?.len() > longest {
            return None;
        }
        let bytes = Bytes::from(std::fs::read(path).ok()?);
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let header = std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix(MAGIC)?;
        let (protocol, digest) = header.split_once(", ")?;
        let protocol = Protocol::from_number(protocol.parse().ok()?)?;
        let content = bytes.slice(end.checked_add(1)?..);
        if hex_digest(&content) != digest {
            return None;
        }
        SchemaDocument::parse(protocol, content).ok()
    }

    /// Keeps the schemas of a plugin.
    ///
    /// # Errors
    /// Where the folder cannot be written; what was there before is untouched.
    pub fn store(&self, plugin: &PluginId, document: &SchemaDocument) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let content = document.bytes();
        let digest = hex_digest(content);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        writeln!(file, "{MAGIC}{}, {digest}", document.protocol())?;
        file.write_all(content)?;
        // Another run may do the same at the same time; either file is good.
        file.persist(self.path(plugin)).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tfplugin::Bytes;
    use tfplugin::Protocol;
    use tfplugin::client::SchemaDocument;

    use super::PluginId;
    use super::SchemaCache;

    /// An answer with capabilities alone: field 6, in it field 2, true.
    const ANSWER: [u8; 4] = [0x32, 0x02, 0x10, 0x01];

    #[test]
    fn schemas_come_back_and_damage_is_absence() {
        let folder = tempfile::tempdir().unwrap();
        let cache = SchemaCache { folder: folder.path().join("schemas") };
        let plugin = PluginId::of("one");
        let bytes = Bytes::from_static(&ANSWER);
        let document = SchemaDocument::parse(Protocol::V6, bytes).unwrap();
        assert!(cache.load(&plugin).is_none());
        cache.store(&plugin, &document).unwrap();
        let loaded = cache.load(&plugin).unwrap();
        assert_eq!(loaded.protocol(), Protocol::V6);
        assert!(loaded.capabilities().get_provider_schema_optional);
        assert!(cache.load(&PluginId::of("two")).is_none());

        let path = cache.path(&plugin);
        let mut damaged = std::fs::read(&path).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(cache.load(&plugin).is_none());
        std::fs::write(&path, "").unwrap();
        assert!(cache.load(&plugin).is_none());
    }
}
