//! The store's folder: what lies where, who may read it, on which file systems it may lie, and the
//! lock that its writers share.
#![expect(clippy::disallowed_methods, reason = "IO: the store's folder and its lock")]

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration as Wait;

use crate::model::lifetime::Timestamp;
use crate::state::StoreError;

/// The lock that writers share.
const LOCK: &str = "gov.lock";

/// The first and the longest pause between two attempts at the lock: short beside an append, and
/// short beside what a person notices.
const PAUSE_FIRST: Wait = Wait::from_micros(500);
const PAUSE_MAX: Wait = Wait::from_millis(8);

/// How many of the things put aside for inspection are kept, of each kind.
const ASIDE_MAX: usize = 3;

/// File systems whose locks or whose durability other machines share in, by `statfs` magic.
const REMOTE: [(u64, &str); 10] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0102_1997, "9p"),
    (0x0BD0_0BD0, "Lustre"),
];

const FUSE: u64 = 0x6573_5546;

/// The store's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// Holds the writers' lock for as long as it lives.
#[derive(Debug)]
pub(super) struct Guard {
    _file: File,
}

impl Folder {
    /// An existing folder.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = Self(path.to_owned());
        match std::fs::metadata(folder.journal()) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(unavailable(&folder.journal(), "is not a folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("there is no store at {}", path.display());
                return Err(StoreError::Unavailable(message));
            }
            Err(error) => return Err(failed("open", &folder.journal(), &error)),
        }
        folder.refuse_remote()?;
        Ok(folder)
    }

    /// A folder that is made where it is missing, for its owner alone.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let folder = Self(path.to_owned());
        for wanted in [path.to_owned(), folder.journal(), folder.leases()] {
            make_folder(&wanted)?;
        }
        folder.refuse_remote()?;
        sync_folder(path)?;
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    pub fn mark(&self) -> PathBuf {
        self.0.join("index.mark")
    }

    pub fn leases(&self) -> PathBuf {
        self.0.join("leases")
    }

    /// Whether this process could write there at all.
    pub fn is_writable(&self) -> bool {
        rustix::fs::access(&self.0, rustix::fs::Access::WRITE_OK).is_ok()
    }

    /// Takes the writers' lock, waiting no longer than the bound.
    pub fn lock(
        &self,
        operation: &str,
        since: Timestamp,
        bound: Wait,
    ) -> Result<Guard, StoreError> {
        let path = self.0.join(LOCK);
        let file = private().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| failed("write to", &path, &error))?;
        let mut waited = Wait::ZERO;
        let mut pause = PAUSE_FIRST;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if waited >= bound => {
                    return Err(StoreError::Busy(busy(&read_holder(&file), bound)));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, &error)),
            }
            std::thread::sleep(pause);
            waited = waited.saturating_add(pause);
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
        // For whoever waits. A full disk must not keep anybody from reading, so failing is fine.
        let text = format!("pid {} `{operation}` since {since}\n", std::process::id());
        let written = file.write_all_at(text.as_bytes(), 0);
        let _ = written.and_then(|()| file.set_len(u64::try_from(text.len()).unwrap_or(0)));
        Ok(Guard { _file: file })
    }

    /// Moves something aside under a free name that tells when, and forgets the oldest such.
    pub fn put_aside(&self, from: &Path, name: &str, at: Timestamp) -> io::Result<PathBuf> {
        let to = free_name(&self.0, name, at);
        std::fs::rename(from, &to)?;
        let prefix = format!("{name}-");
        let mut aside: Vec<PathBuf> = std::fs::read_dir(&self.0)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name().is_some_and(|f| f.to_string_lossy().starts_with(&prefix))
            })
            .collect();
        aside.sort();
        while aside.len() > ASIDE_MAX {
            let _ = std::fs::remove_dir_all(aside.remove(0));
        }
        Ok(to)
    }

    fn refuse_remote(&self) -> Result<(), StoreError> {
        let found = rustix::fs::statfs(&self.0)
            .map_err(|error| failed("examine", &self.0, &io::Error::from(error)))?;
        let magic = u64::try_from(found.f_type).unwrap_or(0) & 0xFFFF_FFFF;
        let kind = if magic == FUSE { self.mounted_kind() } else { None };
        match remote_name(magic, kind.as_deref()) {
            None => Ok(()),
            Some(name) => Err(StoreError::Unavailable(format!(
                "the store at {} would lie on a shared file system ({name}), where locks between \
                 machines cannot be trusted: set GOV_DATA_DIR to a folder on a local disk",
                self.0.display()
            ))),
        }
    }

    /// The kind of file system as the mount table names it.
    fn mounted_kind(&self) -> Option<String> {
        let device = std::fs::metadata(&self.0).ok()?.dev();
        let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
        let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        table.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let found = front.split_ascii_whitespace().nth(2)? == number;
            found.then(|| back.split_ascii_whitespace().next().map(str::to_owned))?
        })
    }
}

/// The name of a file system that no store may lie on. `fuseblk` is a local disk behind FUSE.
fn remote_name(magic: u64, kind: Option<&str>) -> Option<String> {
    if magic == FUSE {
        let kind = kind.unwrap_or("fuse");
        return (kind != "fuseblk").then(|| kind.to_owned());
    }
    REMOTE.iter().find(|(remote, _)| *remote == magic).map(|(_, name)| (*name).to_owned())
}

fn read_holder(file: &File) -> String {
    let mut bytes = [0; 256];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

fn busy(holder: &str, bound: Wait) -> String {
    let holder = if holder.is_empty() { "another process" } else { holder };
    format!(
        "it is locked by {holder}, for longer than {} s. If that process is stopped, continue or \
         end it; its lock goes with it",
        bound.as_secs()
    )
}

/// A name in a folder that nothing has yet.
pub(super) fn free_name(folder: &Path, name: &str, at: Timestamp) -> PathBuf {
    let stem = format!("{name}-{}", at.to_string().replace([':', '.'], ""));
    let first = folder.join(&stem);
    // Several within one millisecond differ by a number; nobody makes a thousand.
    let others = (2..1000).map(|number| folder.join(format!("{stem}-{number}")));
    std::iter::once(first.clone()).chain(others).find(|path| !path.exists()).unwrap_or(first)
}

/// Options for files that their owner alone may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a folder for its owner alone.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("make", path, &error))
}

/// Makes new names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed("write to", path, &error))
}

/// Writes a small file whole: readers see the old one or the new one.
pub(super) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = private().write(true).create(true).truncate(true).open(&beside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&beside, path)
}

fn unavailable(path: &Path, why: &str) -> StoreError {
    StoreError::Unavailable(format!("{} {why}", path.display()))
}

/// An error of the file system, with the way out where there is a usual one.
pub(super) fn failed(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    let way_out = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": free some space, then run the same command again"
        }
        io::ErrorKind::FileTooLarge => ": raise the limit on the size of files, then try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ": make the folder writable for this user, or set GOV_DATA_DIR to one that is"
        }
        _ => "",
    };
    StoreError::Unavailable(format!("cannot {doing} {}: {error}{way_out}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000)
    }

    #[test]
    fn shared_file_systems_are_refused_by_kind() {
        assert_eq!(remote_name(0x6969, None).as_deref(), Some("NFS"));
        assert_eq!(remote_name(0xFF53_4D42, None).as_deref(), Some("CIFS"));
        assert_eq!(remote_name(FUSE, Some("fuse.sshfs")).as_deref(), Some("fuse.sshfs"));
        assert_eq!(remote_name(FUSE, None).as_deref(), Some("fuse"));
        assert_eq!(remote_name(FUSE, Some("fuseblk")), None);
        assert_eq!(remote_name(0xEF53, None), None);
    }

    #[test]
    fn whoever_waits_is_told_for_whom() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("a/b")).unwrap();
        let guard = folder.lock("gov apply", now(), Wait::ZERO).unwrap();
        let error = folder.lock("gov list", now(), Wait::from_millis(3)).unwrap_err();
        let StoreError::Busy(message) = &error else { panic!("{error}") };
        let holder = format!("pid {} `gov apply` since {}", std::process::id(), now());
        assert!(message.contains(&holder), "{message}");
        drop(guard);
        assert!(folder.lock("gov list", now(), Wait::ZERO).is_ok());
    }

    #[test]
    fn the_folder_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("store")).unwrap();
        let _guard = folder.lock("gov apply", now(), Wait::ZERO).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.journal()), 0o700);
        assert_eq!(mode(&folder.path().join(LOCK)), 0o600);
    }

    #[test]
    fn what_is_put_aside_is_kept_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path()).unwrap();
        for _ in 0..6 {
            make_folder(&folder.index()).unwrap();
            folder.put_aside(&folder.index(), "index.broken", now()).unwrap();
        }
        let left = std::fs::read_dir(dir.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("index.broken-")
        });
        assert_eq!(left.count(), ASIDE_MAX);
    }
}
