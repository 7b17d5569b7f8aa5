//! One owner at a time: a lock on a file that the system drops when its process dies, however it dies.
//!
//! The file stays; only the lock says whether somebody owns what lies beside it. The owner's process stands in the file, for
//! messages alone: nobody decides by it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why something is not ours.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Somebody else owns it.
    #[error("{path}: {holder} works here: stop it, or choose another folder", path = path.display())]
    Owned {
        /// The lock.
        path: PathBuf,
        /// Who it is, as far as its file says.
        holder: String,
    },
    /// The file system has no locks: nobody could tell whether two work here.
    #[error("{path}: this file system has no locks: choose a folder on a local disk", path = path.display())]
    NoLocks {
        /// The lock.
        path: PathBuf,
    },
    /// The lock cannot be opened or written.
    #[error("{path}: cannot lock it: check the owner and permissions of its folder", path = path.display())]
    Failed {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to a folder; it ends with this value, or with the process.
#[derive(Debug)]
pub struct OwnerLock {
    /// Held for its lock.
    _file: File,
}

impl OwnerLock {
    /// Takes the lock on `path`, which is made when it is not there, and readable by its owner alone.
    ///
    /// # Errors
    /// [`OwnerError`]; `Owned` names the process that works here.
    pub fn take(path: impl AsRef<Path>) -> Result<OwnerLock, OwnerError> {
        let path = path.as_ref();
        let failed = |source| OwnerError::Failed { path: path.to_path_buf(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OwnerError::Owned { path: path.into(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Err(OwnerError::NoLocks { path: path.into() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.write_all_at(std::process::id().to_string().as_bytes(), 0).map_err(failed)?;
        Ok(OwnerLock { _file: file })
    }
}

/// Who has written itself into the lock.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Without its number it is still somebody.
    let _ = file.take(32).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(process) => format!("a running runtime (process {process})"),
        Err(_) => "a running runtime".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is_and_may_come_when_it_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = OwnerLock::take(&path).unwrap();
        let error = OwnerLock::take(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(first);
        OwnerLock::take(&path).unwrap();
    }
}
