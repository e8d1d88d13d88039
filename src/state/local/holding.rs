//! The files by which a lease's holder is known to live: one for each lease, locked by its holder
//! for as long as it lives, with its claim as text.
//!
//! One file for each lease and not for each environment, since a stopped holder that was taken over
//! keeps its lock.
#![expect(clippy::disallowed_methods, reason = "IO: the files of leases")]

use std::collections::BTreeMap;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::model::id::LeaseId;
use crate::state::StoreError;
use crate::state::lease::CLAIM_BYTES;
use crate::state::lease::Claim;
use crate::state::local::folder::failed;
use crate::state::local::folder::make_folder;
use crate::state::local::folder::private;

/// How often a claim is read that its holder may be writing at this moment.
const READS: usize = 3;

/// The lease files of this process.
#[derive(Debug)]
pub(super) struct Holdings {
    dir: PathBuf,
    mine: BTreeMap<LeaseId, (File, Claim)>,
}

/// What a lease file tells.
#[derive(Debug, Default)]
pub(super) struct Sign {
    /// Whether it is locked; nothing where there is no file.
    pub locked: Option<bool>,
    pub claim: Option<Claim>,
}

impl Holdings {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, mine: BTreeMap::new() }
    }

    fn path(&self, lease: LeaseId) -> PathBuf {
        self.dir.join(format!("{lease}.lock"))
    }

    /// What can be seen of a lease's holder.
    pub fn examine(&self, lease: LeaseId) -> Sign {
        let Ok(file) = private().read(true).write(true).open(self.path(lease)) else {
            return Sign::default();
        };
        // Whatever keeps this from asking keeps it from knowing: the lease counts as held.
        let locked = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        };
        let claim = (0..READS).find_map(|_| {
            let mut bytes = [0; CLAIM_BYTES];
            let read = file.read_at(&mut bytes, 0).ok()?;
            Claim::parse(&String::from_utf8_lossy(bytes.get(..read)?))
        });
        Sign { locked: Some(locked), claim }
    }

    /// Makes and locks the file of a lease that is about to be taken.
    pub fn take(&mut self, claim: Claim) -> Result<(), StoreError> {
        make_folder(&self.dir)?;
        let path = self.path(claim.lease);
        let file = private().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| failed("write to", &path, &error))?;
        if file.try_lock().is_err() {
            return Err(StoreError::Busy(format!("{} is locked", path.display())));
        }
        write(&file, &claim).map_err(|error| failed("write to", &path, &error))?;
        self.mine.insert(claim.lease, (file, claim));
        Ok(())
    }

    /// Moves the end of a claim. Says whether this process holds that lease at all.
    pub fn renew(&mut self, lease: LeaseId, until_ms: u64) -> Result<bool, StoreError> {
        let path = self.path(lease);
        let Some((file, claim)) = self.mine.get_mut(&lease) else { return Ok(false) };
        claim.until_ms = until_ms;
        write(file, claim).map_err(|error| failed("write to", &path, &error))?;
        Ok(true)
    }

    /// Lets go of a lease, whoever's it is.
    pub fn forget(&mut self, lease: LeaseId) {
        let _ = std::fs::remove_file(self.path(lease));
        self.mine.remove(&lease);
    }
}

fn write(file: &File, claim: &Claim) -> std::io::Result<()> {
    let text = claim.to_text().ok_or(std::io::ErrorKind::InvalidInput)?;
    file.write_all_at(text.as_bytes(), 0)
}
