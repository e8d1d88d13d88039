//! Files: bounded reading, atomic writing.
#![expect(clippy::disallowed_methods, reason = "IO: this is where files are read and written")]

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

/// Reads a text file of at most so many bytes.
///
/// # Errors
/// Where it cannot be read, is longer, or is not text.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let bytes = read_bytes(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// Where it cannot be read or is longer.
pub fn read_bytes(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all, readable by its owner alone.
///
/// # Errors
/// Where it cannot be written; the file is as it was then.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_draft(&draft, bytes).and_then(|()| std::fs::rename(&draft, path));
    if let Err(error) = written {
        // The draft is of no use to anyone; that it cannot be removed is not the error to report.
        drop(std::fs::remove_file(&draft));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a file that must not exist yet, readable by its owner alone.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] and whatever else is in the way.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_draft(path, bytes)
}

/// Creates a file that must not exist yet, with its folders, readable as the user's mask says.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] and whatever else is in the way.
pub fn create_shared(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)
}

/// Replaces a file's content whole or not at all, keeping who may read it.
///
/// # Errors
/// Where it cannot be written; the file is as it was then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = std::fs::metadata(path).map(|found| found.permissions()).ok();
    write_private(path, bytes)?;
    match permissions {
        Some(permissions) => std::fs::set_permissions(path, permissions),
        None => std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)),
    }
}

/// The way to a file without links, `.` and `..`.
///
/// # Errors
/// Where it does not exist or cannot be reached.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The names in a folder, in order.
///
/// # Errors
/// Where it cannot be read.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
