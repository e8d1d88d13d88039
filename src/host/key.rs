//! The key that seals sensitive values: from the environment, from a command, or from a file in
//! the user's configuration folder that is made on first use.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use zeroize::Zeroizing;

use super::files;
use crate::state::seal::KEY_BYTES;
use crate::state::seal::SealError;
use crate::state::seal::Sealer;

/// A key file is one line of hex digits.
const KEY_FILE_BYTES_MAX: usize = 256;

/// Where a key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Given as text, in `GOV_KEY`.
    Text(Zeroizing<String>),
    /// What a command prints, by its exact arguments.
    Command(Vec<String>),
    /// A file, made on first use where `make`.
    File {
        /// Where.
        path: std::path::PathBuf,
        /// Whether to make it where it is missing: only where nothing can have been sealed yet.
        make: bool,
    },
}

/// A sealer under the key of a source.
///
/// # Errors
/// [`SealError::NoKey`], which says where the key was looked for.
pub fn sealer(source: &KeySource) -> Result<Sealer, SealError> {
    let text = match source {
        KeySource::Text(text) => text.clone(),
        KeySource::Command(arguments) => from_command(arguments)?,
        KeySource::File { path, make } => from_file(path, *make)?,
    };
    let key = decode(&text).ok_or_else(|| {
        let message =
            "the key is not 64 hex digits; it must be the one that values were sealed with";
        SealError::NoKey(message.to_owned())
    })?;
    Ok(Sealer::new(&key))
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let text = text.trim();
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (slot, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

fn from_command(arguments: &[String]) -> Result<Zeroizing<String>, SealError> {
    let no_key = |why: String| SealError::NoKey(format!("the key command gives no key: {why}"));
    let (program, rest) =
        arguments.split_first().ok_or_else(|| no_key("it is empty".to_owned()))?;
    let output = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| no_key(error.to_string()))?;
    if !output.status.success() {
        return Err(no_key(output.status.to_string()));
    }
    String::from_utf8(output.stdout)
        .map(Zeroizing::new)
        .map_err(|_| no_key("it prints no text".to_owned()))
}

fn from_file(path: &Path, make: bool) -> Result<Zeroizing<String>, SealError> {
    let at = path.display();
    match files::read_text(path, KEY_FILE_BYTES_MAX) {
        Ok(text) => {
            let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
            if mode.is_ok_and(|mode| mode & 0o077 != 0) {
                let message = format!("the key file {at} is open to others; chmod 600 it");
                return Err(SealError::NoKey(message));
            }
            Ok(Zeroizing::new(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && make => make_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SealError::NoKey(format!(
            "the key file {at} is missing, and values in this store were sealed with it. Restore \
             it from a backup, or set GOV_KEY; without it those values are lost"
        ))),
        Err(error) => Err(SealError::NoKey(format!("the key file {at} cannot be read: {error}"))),
    }
}

fn make_file(path: &Path) -> Result<Zeroizing<String>, SealError> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    let cannot = |why: String| {
        SealError::NoKey(format!("the key file {} cannot be made: {why}", path.display()))
    };
    getrandom::fill(key.as_mut_slice()).map_err(|error| cannot(error.to_string()))?;
    let text = Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    match files::create_private(path, text.as_bytes()) {
        Ok(()) => Ok(text),
        // Another process was quicker: its key is the key. It may still be writing the line.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            for _ in 0..50 {
                let found = files::read_text(path, KEY_FILE_BYTES_MAX);
                if let Ok(found) = found
                    && decode(&found).is_some()
                {
                    return Ok(Zeroizing::new(found));
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(cannot("somebody else began to make it and did not end".to_owned()))
        }
        Err(error) => Err(cannot(error.to_string())),
    }
}
