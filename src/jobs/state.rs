//! What the jobs have on disk, in `jobs/` of the state: the journal, the blobs, a folder of work for each job that is not done.
//!
//! Opening it is the recovery: the lock is taken, what a killed process was at goes back to the queue, and what nobody needs is
//! swept away. The row in the journal is what counts: a blob that no row names was never a result.

use planaria_durable::{BlobStore, DurableError, OwnerError, OwnerLock};
use planaria_journal::{
    CountStates, Counts, Found, Journal, JournalError, NeededBlobs, Recover, Retain,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::clock::now_ms;
use planaria_journal::JobId;

/// Jobs that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u64 = 500;

/// `[jobs]` of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettings {
    /// Jobs that may wait.
    pub queue_max: u64,
    /// Ended jobs that are kept, with their results.
    pub keep: u64,
    /// A job that the process died in so often, without progress in between, is set aside.
    pub deaths_max: u32,
    /// How long a job in work may take to stop when the runtime is told to end, in milliseconds.
    pub drain_ms: u64,
}

/// Why the jobs of a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum StateError {
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(
        "{folder} holds results but no journal: put back the journal, or move the folder away",
        folder = folder.display()
    )]
    JournalLost { folder: PathBuf },
    #[error("cannot {action} {path}", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// The jobs of a state folder, ours as long as this value lives.
pub struct StateFolder {
    folder: PathBuf,
    /// Who writes it.
    pub journal: Journal,
    /// The large things of results.
    pub blobs: BlobStore,
    _lock: OwnerLock,
}

/// What a new life has found.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// Jobs that were in work when the process died.
    pub found: Found,
    /// How many jobs are where.
    pub counts: Counts,
    /// Blobs and folders that nobody needed.
    pub swept: u64,
}

impl StateFolder {
    /// Takes the folder `jobs/` of a state; nothing is changed in it but for what a dead writer left.
    ///
    /// # Errors
    /// [`StateError`]: somebody works here, or the journal cannot be used.
    pub fn open(state: &Path) -> Result<StateFolder, StateError> {
        let folder = state.join("jobs");
        let made = fs::create_dir_all(&folder);
        made.map_err(|source| io_error("make the folder", &folder, source))?;
        let lock = OwnerLock::take(folder.join("lock"))?;
        planaria_durable::sweep(&folder)?;
        let journal = folder.join("journal.db");
        let blobs = folder.join("blobs");
        if !journal.exists() && !is_empty(&blobs) {
            return Err(StateError::JournalLost { folder });
        }
        let journal = Journal::open(&journal)?;
        let blobs = BlobStore::open(blobs)?;
        Ok(StateFolder { folder, journal, blobs, _lock: lock })
    }

    /// Puts back what a killed process was at, and sweeps what nobody needs. The first thing of a life.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn recover(&self, settings: &JobSettings) -> Result<Recovered, StateError> {
        let order = Recover { deaths_max: settings.deaths_max, now_ms: now_ms() };
        let found = self.journal.call(order)?;
        self.forget(settings.keep)?;
        let swept = self.sweep()?;
        let counts = self.journal.call(CountStates)?;
        Ok(Recovered { found, counts, swept })
    }

    /// Forgets the oldest ended jobs; gives how many.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget(&self, keep: u64) -> Result<u64, StateError> {
        let mut forgotten = 0;
        loop {
            let order = Retain { keep, most: FORGOTTEN_AT_ONCE };
            let some = self.journal.call(order)?.len() as u64;
            forgotten += some;
            if some < FORGOTTEN_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }

    /// Removes the blobs that no job names and the work of jobs that need it no more; gives how many.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn sweep(&self) -> Result<u64, StateError> {
        let (blobs, open) = self.journal.call(NeededBlobs)?;
        let (swept, _) = self.blobs.retain(|name| blobs.contains(name))?;
        let work = self.folder.join("work");
        let mut folders = 0;
        for name in names(&work)? {
            let id = name.to_str().and_then(|name| name.parse().ok()).map(JobId);
            if !id.is_some_and(|id| open.contains(&id)) {
                remove(&work.join(name))?;
                folders += 1;
            }
        }
        Ok(swept + folders)
    }

    /// The folder of a job's work: what it needs to go on after a death.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn work(&self, id: JobId) -> Result<PathBuf, StateError> {
        let folder = self.work_path(id);
        let made = fs::create_dir_all(&folder);
        made.map_err(|source| io_error("make the folder", &folder, source))?;
        Ok(folder)
    }

    fn work_path(&self, id: JobId) -> PathBuf {
        self.folder.join("work").join(id.to_string())
    }

    /// A job is done: its work is of no use any more.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn clear_work(&self, id: JobId) -> Result<(), StateError> {
        remove(&self.work_path(id))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> StateError {
    StateError::Io { action, path: path.into(), source }
}

/// The names in a folder; one that does not exist has none.
fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, StateError> {
    let failed = |source| io_error("read", folder, source);
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let names = entries.map_err(failed)?.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<_>>().map_err(failed)
        }
    }
}

fn is_empty(folder: &Path) -> bool {
    names(folder).is_ok_and(|names| names.is_empty())
}

/// Removes a folder; one that is gone already is fine.
fn remove(folder: &Path) -> Result<(), StateError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", folder, source))
        }
        _ => Ok(()),
    }
}
