//! Files named by the SHA-256 of their bytes: models, results, whatever is too large for a row.
//!
//! A blob appears whole or not at all, and putting it twice is putting it once. Nothing here says who needs it: the owner keeps
//! a list of names, and [`BlobStore::retain`] removes what is not on it.

use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{DurableError, whole_file};

/// A folder of blobs.
#[derive(Debug, Clone)]
pub struct BlobStore {
    folder: PathBuf,
}

/// A blob that is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of its bytes, in lower-case hex: its name.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

impl BlobStore {
    /// Opens the folder, makes it when it is not there, and sweeps what dead writers left.
    ///
    /// # Errors
    /// [`DurableError`] when it cannot be made or read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<BlobStore, DurableError> {
        let folder = folder.into();
        let made = fs::create_dir_all(&folder);
        made.map_err(|source| DurableError::of(&folder, "make the folder", source))?;
        whole_file::sweep(&folder)?;
        Ok(BlobStore { folder })
    }

    /// Puts bytes in place; when this returns, they outlive a loss of power.
    ///
    /// # Errors
    /// [`DurableError`]; nothing of it is in place then, or all.
    pub fn put(&self, bytes: &[u8]) -> Result<Blob, DurableError> {
        let blob = Blob { sha256: sha256(bytes), bytes: bytes.len() as u64 };
        whole_file::write(self.path(&blob.sha256), bytes)?;
        Ok(blob)
    }

    /// Where a blob lies, if it is there.
    pub fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// True when the blob is there with the bytes that its name says.
    pub fn is_whole(&self, sha256: &str) -> bool {
        fs::read(self.path(sha256)).is_ok_and(|bytes| self::sha256(&bytes) == sha256)
    }

    /// Removes every blob that `is_needed` does not know; gives how many, and how many bytes.
    ///
    /// # Errors
    /// [`DurableError`] when the folder cannot be read or a blob not be removed.
    pub fn retain(&self, is_needed: impl Fn(&str) -> bool) -> Result<(u64, u64), DurableError> {
        let failed = |source| DurableError::of(&self.folder, "sweep the folder", source);
        let (mut blobs, mut bytes) = (0, 0);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_blob =
                |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
            let Some(name) = name.to_str().filter(|name| is_blob(name) && !is_needed(name)) else {
                continue;
            };
            let size = entry.metadata().map_or(0, |file| file.len());
            remove(&self.folder.join(name))?;
            (blobs, bytes) = (blobs + 1, bytes + size);
        }
        Ok((blobs, bytes))
    }
}

/// Removes a file; one that is gone already is fine.
fn remove(path: &Path) -> Result<(), DurableError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(DurableError::of(path, "remove", error))
        }
        _ => Ok(()),
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_bytes_and_stays_while_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::open(folder.path().join("blobs")).unwrap();
        let [one, two] = [&b"one"[..], b"two"].map(|bytes| store.put(bytes).unwrap());
        // FIPS 180-4 by `printf one | sha256sum`.
        assert_eq!(one.sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        assert_eq!(store.put(b"one").unwrap(), one);
        assert!(store.is_whole(&one.sha256));
        assert_eq!(store.retain(|name| name == one.sha256).unwrap(), (1, 3));
        assert!(store.is_whole(&one.sha256) && !store.is_whole(&two.sha256));
        fs::write(store.path(&one.sha256), b"0ne").unwrap();
        assert!(!store.is_whole(&one.sha256), "a flipped bit is seen");
    }
}
