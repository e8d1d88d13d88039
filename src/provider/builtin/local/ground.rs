//! The ground that an environment's local resources stand on: its root, and gov's folder in it.
//!
//! The root comes into being with the first create and goes with the last delete, if gov made it
//! and nothing else is left in it. Deliberately not here: what the resources are. Start with
//! [`Ground`].

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::model::id::EnvironmentId;
use crate::model::lifetime::Timestamp;
use crate::provider::Failure;
use crate::provider::builtin::local::below;
use crate::provider::builtin::local::below::OWN_FOLDER;
use crate::provider::builtin::local::launcher::Launcher;
use crate::provider::builtin::local::pidfile;
use crate::provider::builtin::local::shape::refuse;

/// Says, in gov's folder, that gov made the root and so may remove it.
const STAMP: &str = "made-root";

/// Where calls act, and what they share.
pub(super) struct Ground {
    /// The environment.
    pub environment: EnvironmentId,
    /// How to start the supervisor.
    pub launcher: Launcher,
    root: PathBuf,
    stopping: Arc<AtomicBool>,
    /// Held for reading while something is put into gov's folder, for writing while it is cleared.
    turn: RwLock<()>,
    children: Mutex<Vec<Child>>,
}

impl Ground {
    /// The ground at an absolute root.
    pub(super) fn new(
        environment: EnvironmentId,
        root: PathBuf,
        launcher: Launcher,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let (turn, children) = (RwLock::new(()), Mutex::new(Vec::new()));
        Self { environment, launcher, root, stopping, turn, children }
    }

    /// The absolute root.
    pub(super) fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Whether calls in flight are asked to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Refuses to begin an effect after its deadline, or while stopping. To be asked last of all
    /// before the effect.
    pub(super) fn may_start(&self, start_by: Timestamp) -> Result<(), Failure> {
        if self.is_stopping() {
            return Err(Failure::transient("not begun, for gov is stopping"));
        }
        if self.launcher.clock.now() >= start_by {
            return Err(Failure::transient("not begun, for the time to begin by has passed"));
        }
        Ok(())
    }

    /// Holds off the clearing of gov's folder.
    pub(super) fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The root, where it exists.
    pub(super) fn open(&self) -> Result<Option<Dir>, Failure> {
        match Dir::open_ambient_dir(&self.root, ambient_authority()) {
            Ok(root) => Ok(Some(root)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refuse("open the environment's root", &error)),
        }
    }

    /// The root, made where it is missing.
    pub(super) fn make(&self) -> Result<Dir, Failure> {
        if let Some(root) = self.open()? {
            return Ok(root);
        }
        let made = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
            let root = Dir::open_ambient_dir(&self.root, ambient_authority())?;
            let own = make_own(&root)?;
            below::write_new(&own, STAMP, b"", 0o600).or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
            below::sync(&own)?;
            below::sync(&root)?;
            match self.root.parent() {
                Some(parent) => below::sync(&Dir::open_ambient_dir(parent, ambient_authority())?),
                None => Ok(()),
            }
        };
        made().map_err(|error| refuse("make the environment's root", &error))?;
        self.open()?.ok_or_else(|| Failure::transient("the environment's root has gone again"))
    }

    /// gov's folder in the root, made where it is missing. The caller holds off its clearing.
    pub(super) fn make_own(&self, root: &Dir) -> Result<Dir, Failure> {
        make_own(root).map_err(|error| refuse("open gov's folder `.gov` in the root", &error))
    }

    /// gov's folder in the root, where it exists.
    pub(super) fn open_own(&self) -> Result<Option<Dir>, Failure> {
        let Some(root) = self.open()? else { return Ok(None) };
        match below::open_folder(&root, OWN_FOLDER) {
            Ok(own) => Ok(Some(own)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refuse("open gov's folder `.gov` in the root", &error)),
        }
    }

    /// Keeps a supervisor that this gov has started, to take note of its end.
    pub(super) fn adopt(&self, child: Child) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.push(child);
    }

    /// Takes note of supervisors that have ended, so that none stays behind as a zombie.
    pub(super) fn reap_children(&self) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// After a delete: removes gov's folder where nothing in it is needed any more, and the root
    /// where gov made it and it is empty. What cannot be removed stays; nothing depends on it.
    pub(super) fn clear(&self) {
        let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        let Ok(Some(root)) = self.open() else { return };
        // A folder that cannot be cleared is left for the next delete, or for people to look at.
        let _left = self.clear_in(&root);
    }

    fn clear_in(&self, root: &Dir) -> io::Result<()> {
        let own = below::open_folder(root, OWN_FOLDER)?;
        let names = list(&own)?;
        let boot_id = self.launcher.clock.boot_id()?;
        if !pidfile::all_residue(&own, names.iter().filter(|n| *n != STAMP), &boot_id)? {
            return Ok(());
        }
        for name in names.iter().filter(|name| *name != STAMP) {
            below::remove(&own, name)?;
        }
        let stamped = below::stat(&own, STAMP)?.is_some();
        if stamped {
            for entry in root.entries()? {
                if entry?.file_name() != OWN_FOLDER {
                    return Ok(());
                }
            }
        }
        below::remove(&own, STAMP)?;
        rustix::fs::unlinkat(root, OWN_FOLDER, rustix::fs::AtFlags::REMOVEDIR)?;
        below::sync(root)?;
        if stamped {
            rustix::fs::rmdir(&self.root)?;
        }
        Ok(())
    }
}

fn make_own(root: &Dir) -> io::Result<Dir> {
    match rustix::fs::mkdirat(root, OWN_FOLDER, Mode::RWXU) {
        Ok(()) => below::sync(root)?,
        Err(Errno::EXIST) => {}
        Err(other) => return Err(other.into()),
    }
    below::open_folder(root, OWN_FOLDER)
}

/// The names in a folder, ordered.
pub(super) fn list(at: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in at.entries()? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
