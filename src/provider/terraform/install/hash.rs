//! The `h1:` hash of an installed plugin, as lock files have it.
//!
//! Hashing the largest provider takes half a second, so the result is kept for files of the same
//! path, number, size and times. A result is believed only if it was written some time after the
//! files last changed: a change in the same instant could otherwise go unseen.
#![expect(clippy::disallowed_methods, reason = "IO: hashes the files of an installed plugin")]

use std::fs::Metadata;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use sha2::Sha256;

/// The scheme of the hash, which begins its text.
const SCHEME: &str = "h1:";

/// The most files a plugin may consist of. Known ones have one to five.
const FILES_MAX: usize = 10_000;

/// How much of a file is read at once: enough that reading is not what takes the time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The coarsest times that file systems in use keep are two seconds apart.
const SETTLED_SECONDS: i64 = 2;

/// Results of earlier hashing, in a folder of the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashCache {
    /// The folder. It is made when something is first kept.
    pub folder: PathBuf,
}

/// The hash of all files in a folder.
///
/// # Errors
/// Where it cannot be read, or has more files than a plugin has.
pub fn h1(folder: &Path, cache: Option<&HashCache>) -> io::Result<String> {
    let mut files = Vec::new();
    list(folder, "", &mut files)?;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let kept = cache.map(|cache| (cache, cache.folder.join(key(folder, &files))));
    if let Some((_, path)) = &kept
        && let Some(hash) = believe(path, &files)
    {
        return Ok(hash);
    }
    let hash = compute(&files)?;
    if let Some((cache, path)) = kept {
        // Without it the next start hashes again, and that is all.
        let _kept = keep(cache, &path, &hash);
    }
    Ok(hash)
}

struct Found {
    /// Relative, with `/` between folders.
    name: String,
    path: PathBuf,
    metadata: Metadata,
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<Found>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| other("a file name that is not UTF-8"))?;
        let name = format!("{prefix}{name}");
        let metadata = std::fs::metadata(&path)?;
        if metadata.is_dir() {
            // A link to a folder could lead round in a circle.
            if entry.file_type()?.is_symlink() {
                return Err(other("a link to a folder"));
            }
            list(&path, &format!("{name}/"), files)?;
        } else {
            files.push(Found { name, path, metadata });
        }
        if files.len() > FILES_MAX {
            return Err(other("more files than a plugin has"));
        }
    }
    Ok(())
}

fn other(what: &str) -> io::Error {
    io::Error::other(format!("the plugin's folder has {what}"))
}

fn compute(files: &[Found]) -> io::Result<String> {
    let mut lines = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    for found in files {
        let mut file = std::fs::File::open(&found.path)?;
        let mut content = Sha256::new();
        loop {
            let count = file.read(&mut chunk)?;
            match chunk.get(..count) {
                Some([]) | None => break,
                Some(read) => content.update(read),
            }
        }
        lines.update(format!("{}  {}\n", hex(&content.finalize()), found.name));
    }
    Ok(format!("{SCHEME}{}", STANDARD.encode(lines.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name under which a result is kept: whatever would be different of other files.
fn key(folder: &Path, files: &[Found]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(folder.as_os_str().as_encoded_bytes());
    for Found { name, metadata, .. } in files {
        hasher.update(format!(
            "\n{name}\n{} {} {} {}.{} {}.{}",
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ));
    }
    format!("{}.h1", hex(&hasher.finalize()))
}

fn believe(path: &Path, files: &[Found]) -> Option<String> {
    let written = std::fs::metadata(path).ok()?.mtime();
    let changed = files.iter().map(|found| found.metadata.ctime()).max()?;
    if written < changed.saturating_add(SETTLED_SECONDS) {
        return None;
    }
    let hash = std::fs::read_to_string(path).ok()?;
    let digest = STANDARD.decode(hash.strip_prefix(SCHEME)?).ok()?;
    (digest.len() == Sha256::output_size()).then_some(hash)
}

fn keep(cache: &HashCache, path: &Path, hash: &str) -> io::Result<()> {
    std::fs::create_dir_all(&cache.folder)?;
    let mut file = tempfile::NamedTempFile::new_in(&cache.folder)?;
    file.write_all(hash.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::HashCache;
    use super::h1;

    #[test]
    fn the_hash_is_the_one_of_lock_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.txt"), "two\n").unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/c"), "one\n").unwrap();
        // Computed with sha256sum and base64 over the same two files.
        let expected = "h1:xSFcwXaITGbH5KTfUU0HaR/o2MqkCfW0yfSGpx99Aaw=";
        assert_eq!(h1(folder.path(), None).unwrap(), expected);
    }

    #[test]
    fn a_kept_hash_is_used_only_for_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        let kept = tempfile::tempdir().unwrap();
        let cache = HashCache { folder: kept.path().join("hashes") };
        let file = folder.path().join("plugin");
        std::fs::write(&file, "one").unwrap();
        let first = h1(folder.path(), Some(&cache)).unwrap();

        let entries = || std::fs::read_dir(&cache.folder).unwrap().map(|e| e.unwrap().path());
        let entry = entries().next().unwrap();
        let planted = format!("h1:{}=", "A".repeat(43));
        std::fs::write(&entry, &planted).unwrap();
        assert_eq!(h1(folder.path(), Some(&cache)).unwrap(), first, "too fresh to be believed");

        std::fs::write(&entry, &planted).unwrap();
        let later = SystemTime::now() + Duration::from_secs(10);
        std::fs::File::options().append(true).open(&entry).unwrap().set_modified(later).unwrap();
        assert_eq!(h1(folder.path(), Some(&cache)).unwrap(), planted, "believed");

        std::fs::write(&file, "two").unwrap();
        let changed = h1(folder.path(), Some(&cache)).unwrap();
        assert!(changed != planted && changed != first);
    }
}
