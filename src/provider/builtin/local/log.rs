//! A log of bounded size.
//!
//! What a command prints goes to one file; when that is full it becomes `NAME.1`, in place of an
//! older one, and a new file begins. So the latest output is always kept and never more than
//! twice [`LOG_BYTES_MAX`]. Deliberately not here: who prints.

use std::fs::File;
use std::io;
use std::io::Write as _;

use cap_std::fs::Dir;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;

use crate::provider::builtin::local::below;

/// Bytes of one file. Two of them make 64 MiB, which a sandbox can spare and an editor can open.
pub(super) const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A log being written.
pub(super) struct Log {
    folder: Dir,
    name: String,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Log {
    /// Opens a log, or carries on with one that is there.
    ///
    /// # Errors
    /// Where the name is taken by something that is no plain file, a link above all.
    pub(super) fn open(folder: Dir, name: &str, bytes_max: u64) -> io::Result<Self> {
        let file = open(&folder, name)?;
        let bytes = u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
        Ok(Self { folder, name: name.to_owned(), file, bytes, bytes_max })
    }

    /// Appends bytes, at most [`LOG_BYTES_MAX`] at once.
    ///
    /// # Errors
    /// What the disk says. The log can be written again later.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(count) > self.bytes_max {
            let old = format!("{}.1", self.name);
            rustix::fs::renameat(&self.folder, &self.name, &self.folder, old)?;
            self.file = open(&self.folder, &self.name)?;
            self.bytes = 0;
        }
        self.file.write_all(bytes)?;
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }
}

fn open(folder: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    if below::file_type(&rustix::fs::fstat(&file)?) != FileType::RegularFile {
        return Err(io::Error::other(format!("`{name}` is taken by something that is no file")));
    }
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files in a folder of their own")]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::Log;

    #[test]
    fn a_log_keeps_the_latest_and_stays_bounded() {
        let home = tempfile::tempdir().unwrap();
        let folder = || Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        let mut log = Log::open(folder(), "l", 10).unwrap();
        for part in ["aaaa", "bbbb", "cccc", "dddd", "eeee"] {
            log.write(part.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!((read("l.1").as_str(), read("l").as_str()), ("ccccdddd", "eeee"));
        let mut again = Log::open(folder(), "l", 10).unwrap();
        again.write(b"ffff").unwrap();
        again.write(b"gggg").unwrap();
        assert_eq!((read("l.1").as_str(), read("l").as_str()), ("eeeeffff", "gggg"));
    }

    #[test]
    fn a_log_goes_through_no_link() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", home.path().join("l")).unwrap();
        let folder = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        assert!(Log::open(folder, "l", 10).is_err());
    }
}
