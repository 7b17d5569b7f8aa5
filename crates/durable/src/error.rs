//! Why a file could not be put in place.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a file could not be put in place, or a folder not be swept. What was there before is still there, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The path ends in no file name.
    #[error("{path}: names no file: give a path that ends in a file name", path = path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// There is something of this name already, and it is not replaced.
    #[error("{path}: is there already: give another name or move it away", path = path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The folder is missing.
    #[error("{path}: its folder does not exist: create it or correct the path", path = path.display())]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// The disk or the user's share of it is full.
    #[error("{path}: no space left: make room on that disk and try again", path = path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system does not allow it.
    #[error(
        "{path}: not allowed: check the owner and permissions of its folder, and whether the disk \
         is read-only", path = path.display()
    )]
    Denied {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder has the file's name.
    #[error("{path}: is a folder: give another name or move the folder", path = path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The new file is in place and whole, but may not outlive a loss of power.
    #[error(
        "{path}: written, but its folder could not be synced: check the disk, then write it again",
        path = path.display()
    )]
    NotSynced {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else, often a failing disk.
    #[error("{path}: cannot {step}: check the disk, then try again", path = path.display())]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl DurableError {
    /// Sorts what the system said about `step` by what the caller would do.
    pub(crate) fn of(path: &Path, step: &'static str, source: std::io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => DurableError::NoFolder { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                DurableError::NoSpace { path, source }
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                DurableError::Denied { path, source }
            }
            ErrorKind::IsADirectory => DurableError::IsFolder { path, source },
            _ => DurableError::Failed { path, step, source },
        }
    }
}
