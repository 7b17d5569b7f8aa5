//! Why the journal does not do what it is asked for.

use std::path::PathBuf;

use crate::job::{JobId, JobState};

/// Why the journal does not do what it is asked for. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It is not what was written.
    #[error(
        "the journal {path} is damaged ({what}): put back a backup of it; nothing was changed",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was written by somebody else.
    #[error("{path} is no journal of planaria: name another folder with `--state`", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a later version of this program.
    #[error(
        "the journal {path} is of version {found}, and this program knows up to {known}: use the newer program",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It cannot be written.
    #[error(
        "the journal {path} is read-only: check its permissions and the disk's", path = path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot hold it.
    #[error(
        "the journal {path} cannot be kept on this file system (no write-ahead log): choose a local disk",
        path = path.display()
    )]
    NoLog {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("cannot open the journal {path}: {reason}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the store said.
        reason: String,
    },
    /// There is no room for it.
    #[error(
        "the journal cannot be written, no space is left: make room on that disk and ask again"
    )]
    Full,
    /// The disk has failed: what was written last may be there or not, so nothing more is accepted.
    #[error("the journal cannot be written ({reason}): check the disk, then start again")]
    Broken {
        /// What the store said.
        reason: String,
    },
    /// Too much is asked at once.
    #[error("busy: too many requests wait for the journal; ask again later")]
    Busy,
    /// As many jobs wait as may.
    #[error("busy: {waiting} jobs wait, and no more may (`jobs.queue_max`): submit again later")]
    QueueFull {
        /// How many wait.
        waiting: u64,
    },
    /// The key belongs to another job.
    #[error(
        "the idempotency key `{key}` is that of job {id}, which asked for something else: choose another"
    )]
    KeyTaken {
        /// The key.
        key: String,
        /// Whose it is.
        id: JobId,
    },
    /// There is no such job.
    #[error("there is no job {id}: `planaria jobs` lists those there are")]
    Unknown {
        /// What was asked for.
        id: JobId,
    },
    /// It cannot be done to a job in this state.
    #[error("job {id} is {state}: it cannot be {what}")]
    WrongState {
        /// The job.
        id: JobId,
        /// Where it is on its way.
        state: JobState,
        /// What was asked for: `cancelled`, say.
        what: &'static str,
    },
}

impl JournalError {
    /// Sorts what the store said about an order by what the caller would do.
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => JournalError::Full,
            _ => JournalError::Broken { reason: error.to_string() },
        }
    }

    /// True when the store itself has failed, and the whole transaction with it.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(self, JournalError::Full | JournalError::Broken { .. })
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        JournalError::of(&error)
    }
}
