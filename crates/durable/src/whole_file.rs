//! A file appears whole or not at all.
//!
//! The bytes go to a temporary file in the same folder, which is synced, renamed over the name, and the folder synced: at every
//! moment the name gives the old file or the new one. Writers of one name may run side by side; the last rename wins.
//!
//! A writer holds a lock on its temporary file. The system drops the lock when the process dies, however it dies: so a
//! temporary that can be locked has no owner, and `sweep` needs neither process ids nor ages.
//!
//! Source: Pillai et al., "All file systems are not created equal", OSDI 2014, section 4 (atomic replace via rename).

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{DurableError, controls};

pub(crate) const PREFIX: &str = ".planaria-";
pub(crate) const SUFFIX: &str = ".part";

/// Tries to find a free temporary name; each is taken only by a leftover of a process with our id.
pub(crate) const NAMES: u32 = 1_000;

/// Who may open a new file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// What the process's umask leaves, as for any new file.
    Usual,
    /// The owner alone (mode 0600): for tokens and keys.
    OwnerOnly,
}

/// Writes a file whole or not at all; when this returns, it outlives a loss of power.
///
/// An old file of this name is replaced, with its permissions; a symbolic link is replaced, not followed.
///
/// # Errors
/// [`DurableError`], naming `path` and what to do. The old file is then still in place, but for `NotSynced`.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("weights");
/// planaria_durable::whole_file::write(&path, b"new")?;
/// assert_eq!(std::fs::read(&path)?, b"new");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DurableError> {
    write_as(path, bytes, Access::Usual)
}

/// [`write()`] with a choice of who may open the file.
///
/// # Errors
/// As [`write()`].
pub fn write_as(path: impl AsRef<Path>, bytes: &[u8], access: Access) -> Result<(), DurableError> {
    let path = path.as_ref();
    if path.file_name().is_none() {
        return Err(DurableError::NoName { path: path.to_path_buf() });
    }
    let folder = folder_of(path);
    let failed = |step| move |source| DurableError::of(path, step, source);
    if controls::is_in_place() {
        let file = File::create(path).map_err(failed("create"))?;
        file.write_all_at(bytes, 0).map_err(failed("write"))?;
        return file.sync_all().map_err(failed("sync"));
    }
    let mut part = Part::create(folder, access).map_err(failed("create a temporary file"))?;
    // By its place: so whoever traces the process tells a write to a file from one to a socket.
    part.file.write_all_at(bytes, 0).map_err(failed("write"))?;
    if controls::is_unsynced() {
        return part.rename(path).map_err(failed("rename the temporary file"));
    }
    part.file.sync_all().map_err(failed("sync"))?;
    part.rename(path).map_err(failed("rename the temporary file"))?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| DurableError::NotSynced { path: path.to_path_buf(), source })
}

/// Removes the temporary files that dead writers left in `folder`, and gives how many.
///
/// Those of living writers stay, in this process and in others; one that was only just created may go, and its writer takes
/// another name. A folder that does not exist has none.
///
/// # Errors
/// [`DurableError`] when the folder cannot be read or a leftover not be removed.
pub fn sweep(folder: impl AsRef<Path>) -> Result<u64, DurableError> {
    let folder = folder.as_ref();
    let failed = |source| DurableError::of(folder, "sweep the folder", source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed)?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if is_part(&entry.file_name()) && entry.file_type().map_err(failed)?.is_file() {
            let path = entry.path();
            let swept = sweep_part(&path);
            removed += u64::from(
                swept.map_err(|source| DurableError::of(&path, "remove a leftover", source))?,
            );
        }
    }
    Ok(removed)
}

/// A temporary file that is locked, and removed when dropped unless it was renamed.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    path: PathBuf,
    renamed: bool,
}

impl Part {
    pub(crate) fn create(folder: &Path, access: Access) -> io::Result<Part> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mode = match access {
            Access::Usual => 0o666,
            Access::OwnerOnly => 0o600,
        };
        for _ in 0..NAMES {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id()));
            let mut new = OpenOptions::new();
            new.read(true).write(true).create_new(true).mode(mode);
            let file = match new.open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let part = Part { file, path, renamed: false };
            // Between creating and locking a sweep may take the file away: then the next name is tried.
            if lock(&part.file)? == Locked::Elsewhere || !is_same(&part.file, &part.path)? {
                continue;
            }
            return Ok(part);
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many leftovers: sweep the folder"))
    }

    pub(crate) fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.renamed {
            // The error that brought us here is on its way; what stays is swept at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[derive(PartialEq)]
enum Locked {
    Here,
    Elsewhere,
    /// The file system has no locks: nothing there is ever swept.
    Unsupported,
}

fn lock(file: &File) -> io::Result<Locked> {
    match file.try_lock() {
        Ok(()) => Ok(Locked::Here),
        Err(TryLockError::WouldBlock) => Ok(Locked::Elsewhere),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            Ok(Locked::Unsupported)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// True when `path` still names the open file.
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes one temporary file if nobody holds it; true when it was removed.
fn sweep_part(path: &Path) -> io::Result<bool> {
    let gone = |error: io::Error| match error.kind() {
        // Renamed or swept by another since the folder was read.
        ErrorKind::NotFound => Ok(false),
        _ => Err(error),
    };
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    if lock(&file)? != Locked::Here || !is_same(&file, path)? {
        return Ok(false);
    }
    fs::remove_file(path).map(|()| true).or_else(gone)
}

fn is_part(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// The folder of a path with a file name; that of a bare name is the current one.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_writers_temporary_is_not_swept_and_a_dead_ones_is() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Part::create(folder.path(), Access::Usual).unwrap();
        let dead = folder.path().join(".planaria-1-0.part");
        fs::write(&dead, b"half").unwrap();
        fs::write(folder.path().join(".planaria-1-0.toml"), b"not ours").unwrap();
        fs::create_dir(folder.path().join(".planaria-folder.part")).unwrap();
        assert_eq!(sweep(folder.path()).unwrap(), 1);
        assert!(alive.path.exists() && !dead.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        drop(alive);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn leftovers_of_a_process_with_our_id_do_not_stop_us() {
        let folder = tempfile::tempdir().unwrap();
        let first = Part::create(folder.path(), Access::Usual).unwrap();
        let name = first.path.file_name().unwrap().to_str().unwrap().to_string();
        let number: u64 =
            name.rsplit('-').next().unwrap().trim_end_matches(SUFFIX).parse().unwrap();
        for next in number + 1..number + 20 {
            let name = format!("{PREFIX}{}-{next}{SUFFIX}", std::process::id());
            fs::write(folder.path().join(name), b"").unwrap();
        }
        write(folder.path().join("file"), b"whole").unwrap();
        assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"whole");
    }
}
