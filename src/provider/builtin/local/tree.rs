//! Removing a folder with everything in it, whatever has been built inside.
//!
//! A tree may be deeper than any stack or table of open files, may hold folders without
//! permissions, and may be changed while it goes. So nothing recurses: a folder that is not empty
//! is emptied by lifting its own folders up into the top one, and two handles suffice for any
//! depth. Links are removed, never followed.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;

use cap_std::fs::Dir;
use rustix::fs::AtFlags;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Names removed before giving up: far above any real folder, so that one which grows as fast as
/// it is emptied cannot hold a destroy for ever.
const NAMES_MAX: u64 = 20_000_000;

/// Names held in memory at once; a folder with more is emptied in several passes.
const NAMES_AT_ONCE: usize = 65_536;

/// Removes whatever has this name, a folder with all its content. Says whether anything had it.
///
/// # Errors
/// Any failure leaves the rest of the tree where it is, so that removing can be tried again.
pub(super) fn remove_all(at: &Dir, name: &str) -> io::Result<bool> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(other) => return Err(other.into()),
    }
    let top_name = CString::new(name)?;
    let mut work = Work { removed: 0, lifted: 0 };
    loop {
        match rustix::fs::unlinkat(at, &top_name, AtFlags::REMOVEDIR) {
            Ok(()) => return Ok(true),
            Err(Errno::NOENT) => return Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(other) => return Err(other.into()),
        }
        let top = open_for_emptying(at, &top_name)?;
        for child in names(&top)? {
            if work.unlink(&top, &child)? {
                continue;
            }
            let inner = open_for_emptying(&top, &child)?;
            for grandchild in names(&inner)? {
                if !work.unlink(&inner, &grandchild)? {
                    work.lift(&inner, &grandchild, &top)?;
                }
            }
        }
    }
}

struct Work {
    removed: u64,
    lifted: u64,
}

impl Work {
    /// Removes a name, or an empty folder. False where it is a folder that is not empty.
    fn unlink(&mut self, at: &Dir, name: &CString) -> io::Result<bool> {
        self.removed = self.removed.saturating_add(1);
        if self.removed > NAMES_MAX {
            return Err(io::Error::other(format!(
                "more than {NAMES_MAX} names went and there are still more"
            )));
        }
        match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(other) => return Err(other.into()),
        }
        match rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// Moves a folder up under a name that nothing has.
    fn lift(&mut self, from: &Dir, name: &CString, top: &Dir) -> io::Result<()> {
        loop {
            self.lifted = self.lifted.saturating_add(1);
            let free = format!(".gov-lifted-{}", self.lifted);
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(from, name, top, free.as_str(), flags) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::EXIST) if self.lifted < NAMES_MAX => {}
                // A folder that may not be written cannot be moved either: its `..` would change.
                Err(Errno::ACCESS | Errno::PERM) => open_for_emptying(from, name).map(|_| ())?,
                Err(other) => return Err(other.into()),
            }
            if self.lifted >= NAMES_MAX {
                return Err(io::Error::other("the folder grows as fast as it is emptied"));
            }
        }
    }
}

/// Opens a folder with all permissions that emptying needs, giving them to it where it lacks them.
fn open_for_emptying(at: &Dir, name: &CString) -> io::Result<Dir> {
    let path_only = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(at, name, path_only, Mode::empty())?;
    let mode = rustix::fs::fstat(&handle)?.st_mode;
    let through = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    if mode & 0o700 != 0o700 {
        // The handle pins the folder, so that nothing planted meanwhile gets the permissions.
        rustix::fs::chmod(through.as_str(), Mode::RWXU)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&handle, c".", flags, Mode::empty())?;
    Ok(Dir::from_std_file(std::fs::File::from(fd)))
}

fn names(at: &Dir) -> io::Result<Vec<CString>> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(at)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            found.push(name.to_owned());
        }
        if found.len() >= NAMES_AT_ONCE {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files in a folder of their own")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::symlink;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use rustix::fs::Mode;

    use super::remove_all;

    #[test]
    fn links_go_and_what_they_point_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("keep"), "x").unwrap();
        std::fs::create_dir_all(home.path().join("d/e")).unwrap();
        symlink(outside.path(), home.path().join("d/e/link")).unwrap();
        symlink(outside.path(), home.path().join("alias")).unwrap();
        let root = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        assert!(remove_all(&root, "d").unwrap());
        assert!(remove_all(&root, "alias").unwrap());
        assert!(!remove_all(&root, "d").unwrap());
        assert!(outside.path().join("keep").exists());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn neither_depth_nor_permissions_keep_a_tree_alive() {
        let home = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(home.path(), ambient_authority()).unwrap();
        let mut at = root.try_clone().unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = super::super::below::open_folder(&at, "d").unwrap();
        }
        let locked = home.path().join("d/locked/in");
        std::fs::create_dir_all(&locked).unwrap();
        std::fs::write(locked.join("f"), "x").unwrap();
        for folder in [locked.as_path(), locked.parent().unwrap()] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        assert!(remove_all(&root, "d").unwrap());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
