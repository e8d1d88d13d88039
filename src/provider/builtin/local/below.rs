//! Names below an environment's root, and the steps on files that they stand for.
//!
//! Whoever works in an environment may plant links in it at any moment. So no path is ever handed
//! to the system whole: each folder on the way is opened by its one name, refusing links, and the
//! last name is used only with calls that act on the name itself. A link below the root is never
//! followed, not even one that stays inside.
//!
//! Deliberately not here: what a resource means by its files. Start with [`Below`].

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::os::fd::AsFd;

use cap_std::fs::Dir;
use rustix::fs::AtFlags;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::fs::Stat;
use rustix::io::Errno;

/// gov's own folder in the root. No resource may lie in it.
pub(super) const OWN_FOLDER: &str = ".gov";

/// What the kernel takes at once; longer paths could not be reached by the commands either.
const PATH_BYTES_MAX: usize = 4096;

/// The longest name that common file systems take.
const NAME_BYTES_MAX: usize = 255;

/// A path below the root: plain names only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Below {
    names: Vec<String>,
}

impl Below {
    /// A path that a blueprint gives to a file or folder of its own: at least one name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let below = Self::parse_folder(text)?;
        if below.names.is_empty() {
            return Err("names the root itself; give a path below it".into());
        }
        Ok(below)
    }

    /// A path that a blueprint gives to a folder to work in: `.` is the root itself.
    pub(super) fn parse_folder(text: &str) -> Result<Self, String> {
        let below = Self::parse_any(text)?;
        match below.names.iter().find(|name| name.starts_with(OWN_FOLDER)) {
            Some(name) => {
                Err(format!("`{name}` is kept for gov; names must not begin with `.gov`"))
            }
            None => Ok(below),
        }
    }

    /// Any path below the root, gov's own folder included.
    pub(super) fn parse_any(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; give a path below the environment's root".into());
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("is longer than {PATH_BYTES_MAX} bytes"));
        }
        if text.starts_with('/') {
            return Err("is absolute; give a path below the environment's root".into());
        }
        if text.chars().any(char::is_control) {
            return Err("holds a control character".into());
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err("leads upwards by `..`; it must stay below the root".into()),
                name if name.len() > NAME_BYTES_MAX => {
                    return Err(format!("holds a name longer than {NAME_BYTES_MAX} bytes"));
                }
                name => names.push(name.to_owned()),
            }
        }
        Ok(Self { names })
    }

    /// Opens the folder that holds the last name.
    ///
    /// # Errors
    /// `NotFound` where a folder on the way is missing, `NotADirectory` where it is something
    /// else, a link above all.
    pub(super) fn open_parent(&self, root: &Dir) -> io::Result<(Dir, String)> {
        let Some((last, folders)) = self.names.split_last() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no name below the root"));
        };
        Ok((walk(root, folders)?, last.clone()))
    }

    /// Opens the folder that this path names.
    ///
    /// # Errors
    /// As [`Below::open_parent`].
    pub(super) fn open_folder(&self, root: &Dir) -> io::Result<Dir> {
        walk(root, &self.names)
    }
}

fn walk(root: &Dir, names: &[String]) -> io::Result<Dir> {
    let mut at = root.try_clone()?;
    for name in names {
        at = open_folder(&at, name)?;
    }
    Ok(at)
}

/// Opens a folder by its name, never through a link.
pub(super) fn open_folder(at: &Dir, name: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(at, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Dir::from_std_file(File::from(fd))),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("`{name}` is no folder; gov follows no links below the root"),
        )),
        Err(other) => Err(other.into()),
    }
}

/// What stands at a name, without following a link.
pub(super) fn stat(at: &Dir, name: &str) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// The kind of thing that a [`Stat`] is about.
pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The permission bits of a [`Stat`].
pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

/// Makes what was done in a folder outlive a loss of power.
pub(super) fn sync(at: &Dir) -> io::Result<()> {
    // A handle to a folder may be one that only names it, which cannot be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(at, c".", flags, Mode::empty())?;
    Ok(rustix::fs::fsync(fd)?)
}

/// Sets permission bits through an open handle, whatever the process's mask is.
pub(super) fn set_mode(fd: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?)
}

/// Writes a file that must not exist yet, down to the disk.
pub(super) fn write_new(at: &Dir, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Nobody else may read it before its mode is set, for the content may be a secret.
    let fd = rustix::fs::openat(at, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    set_mode(&file, mode)?;
    file.sync_all()
}

/// Makes a whole file appear under a name that nothing has yet: it is written beside it under
/// `temp`, then linked. Fails with `AlreadyExists`, changing nothing, where the name is taken.
///
/// A crash leaves `temp` alone (not published), or both names for one file (published).
pub(super) fn publish(at: &Dir, temp: &str, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    remove(at, temp)?;
    let linked = write_new(at, temp, bytes, mode)
        .and_then(|()| Ok(rustix::fs::linkat(at, temp, at, name, AtFlags::empty())?));
    let removed = remove(at, temp);
    linked?;
    removed?;
    sync(at)
}

/// Puts a whole file in the place of what has the name, atomically.
pub(super) fn replace(at: &Dir, temp: &str, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    remove(at, temp)?;
    let renamed = write_new(at, temp, bytes, mode)
        .and_then(|()| Ok(rustix::fs::renameat(at, temp, at, name)?));
    if renamed.is_err() {
        remove(at, temp)?;
    }
    renamed?;
    sync(at)
}

/// Removes a name that is no folder. Says whether there was one.
pub(super) fn remove(at: &Dir, name: &str) -> io::Result<bool> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

/// What reading a name gave.
#[derive(Debug)]
pub(super) enum Content {
    /// A plain file, whole.
    Whole(Vec<u8>, Stat),
    /// A plain file of more bytes than asked for.
    TooLarge(u64),
    /// Something else: a folder, a link, a pipe.
    Other,
    /// Nothing has the name.
    Missing,
}

/// Reads a plain file of at most `bytes_max` bytes. Neither a link nor a pipe can lead it astray.
pub(super) fn read(at: &Dir, name: &str, bytes_max: usize) -> io::Result<Content> {
    match stat(at, name)? {
        None => return Ok(Content::Missing),
        Some(found) if file_type(&found) != FileType::RegularFile => {
            return Ok(Content::Other);
        }
        Some(_) => {}
    }
    // Without NONBLOCK, a pipe put there since the look above would hold the call for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(at, name, flags, Mode::empty())?);
    let found = rustix::fs::fstat(&file)?;
    if file_type(&found) != FileType::RegularFile {
        return Ok(Content::Other);
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    (&file).take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Ok(Content::TooLarge(u64::try_from(found.st_size).unwrap_or(u64::MAX)));
    }
    Ok(Content::Whole(bytes, found))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files in a folder of their own")]
mod tests {
    use std::os::unix::fs::symlink;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::Below;
    use super::Content;
    use super::publish;
    use super::read;

    #[test]
    fn only_plain_names_below_the_root_are_paths() {
        for bad in ["", "/etc", "a/../b", "..", ".", ".gov/x", "a/.gov-x.tmp", "a\0b", "./"] {
            assert!(Below::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "./a//b/", ".hidden"] {
            assert!(Below::parse(good).is_ok(), "{good:?}");
        }
        assert!(Below::parse(&"x/".repeat(3000)).is_err());
        assert!(Below::parse(&"x".repeat(300)).is_err());
        assert!(Below::parse_folder(".").is_ok());
    }

    #[test]
    fn links_are_never_followed() {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("f"), "x").unwrap();
        symlink(outside.path(), home.path().join("link")).unwrap();
        std::fs::create_dir(home.path().join("real")).unwrap();
        symlink("real", home.path().join("inner")).unwrap();
        let root = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        for planted in ["link/f", "inner/f"] {
            let refused = Below::parse(planted).unwrap().open_parent(&root).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::NotADirectory, "{planted}");
        }
        symlink(outside.path().join("f"), home.path().join("last")).unwrap();
        assert!(matches!(read(&root, "last", 10).unwrap(), Content::Other));
    }

    #[test]
    fn publishing_never_replaces() {
        let home = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        publish(&root, "t", "f", b"one", 0o644).unwrap();
        let taken = publish(&root, "t", "f", b"two", 0o644).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AlreadyExists);
        assert!(
            matches!(read(&root, "f", 3).unwrap(), Content::Whole(bytes, _) if bytes == b"one")
        );
        assert!(matches!(read(&root, "f", 2).unwrap(), Content::TooLarge(3)));
        assert!(matches!(read(&root, "t", 2).unwrap(), Content::Missing));
    }
}
