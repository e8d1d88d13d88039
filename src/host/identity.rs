//! Who acts: the operating system's word for the process's user, and for the process itself.
//!
//! An operating-system user is never proof of a human: whatever runs in a person's shell is that
//! user. Environment variables are not asked, for the asker can set them.

use rustix::process::getuid;

use crate::model::actor::Actor;
use crate::model::actor::ActorKind;
use crate::model::actor::Door;
use crate::model::actor::Proof;

/// The longest part of the user list that is looked at.
const PASSWD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Who acts through this door.
#[must_use]
pub fn actor(door: Door) -> Actor {
    let uid = getuid().as_raw();
    let name = match user_name(uid) {
        Some(name) => format!("uid:{uid}({name})"),
        None => format!("uid:{uid}"),
    };
    Actor { kind: ActorKind::User, name, proof: Proof::OsUser, door }
}

/// The name of the user who runs this, as the user list has it.
#[must_use]
pub fn own_name() -> Option<String> {
    user_name(getuid().as_raw())
}

fn user_name(uid: u32) -> Option<String> {
    let list =
        super::files::read_text(std::path::Path::new("/etc/passwd"), PASSWD_BYTES_MAX).ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id: u32 = fields.nth(1)?.parse().ok()?;
        (id == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// The gov executable: what supervises processes that gov starts.
///
/// # Errors
/// Where the system does not tell.
pub fn own_program() -> std::io::Result<std::path::PathBuf> {
    std::env::current_exe()
}
