//! Files and folders that are written piece by piece, and appear whole or not at all.
//!
//! Both grow under a temporary name beside their own, and are synced and renamed at the end. What is dropped before its end is
//! removed. A killed process leaves its temporary: [`crate::sweep`] takes a file away; a folder, whose name begins with
//! `.planaria-` and ends with `.part`, is for a person to remove.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use crate::DurableError;
use crate::whole_file::{Access, NAMES, PREFIX, Part, SUFFIX, folder_of};

/// How much is written at once.
const BLOCK_BYTES: usize = 256 << 10;

/// A file while it is written.
#[derive(Debug)]
pub struct NewFile {
    part: BufWriter<Part>,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file; one of this name stays until [`NewFile::finish`].
    ///
    /// # Errors
    /// [`DurableError`] when the folder is missing or closed to us.
    pub fn begin(path: impl AsRef<Path>) -> Result<NewFile, DurableError> {
        let path = path.as_ref().to_path_buf();
        if path.file_name().is_none() {
            return Err(DurableError::NoName { path });
        }
        let part = Part::create(folder_of(&path), Access::Usual)
            .map_err(|source| DurableError::of(&path, "create a temporary file", source))?;
        Ok(NewFile { part: BufWriter::with_capacity(BLOCK_BYTES, part), path })
    }

    /// Puts the file in place; when this returns, it outlives a loss of power.
    ///
    /// # Errors
    /// [`DurableError`]. An old file is then still in place, but for `NotSynced`.
    pub fn finish(self) -> Result<(), DurableError> {
        let path = &self.path;
        let failed = |step| move |source| DurableError::of(path, step, source);
        let part = self.part.into_inner().map_err(io::IntoInnerError::into_error);
        let mut part = part.map_err(failed("write"))?;
        part.file.sync_all().map_err(failed("sync"))?;
        part.rename(path).map_err(failed("rename the temporary file"))?;
        synced(path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A folder while it is filled.
#[derive(Debug)]
pub struct NewFolder {
    part: PathBuf,
    path: PathBuf,
    is_finished: bool,
}

impl NewFolder {
    /// Begins a folder; there must be nothing of this name.
    ///
    /// # Errors
    /// [`DurableError`] when there is, or when the folder around it is missing or closed to us.
    pub fn begin(path: impl AsRef<Path>) -> Result<NewFolder, DurableError> {
        let path = path.as_ref().to_path_buf();
        if path.file_name().is_none() {
            return Err(DurableError::NoName { path });
        }
        if path.symlink_metadata().is_ok() {
            return Err(DurableError::Exists { path });
        }
        let failed = |source| DurableError::of(&path, "create a temporary folder", source);
        for number in 0..NAMES {
            let name = format!("{PREFIX}{}-folder-{number}{SUFFIX}", std::process::id());
            let part = folder_of(&path).join(name);
            match fs::create_dir(&part) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed)?,
            }
            return Ok(NewFolder { part, path, is_finished: false });
        }
        Err(failed(io::Error::new(ErrorKind::AlreadyExists, "too many leftovers beside it")))
    }

    /// Begins a file in the folder, and the folders on its way.
    ///
    /// # Errors
    /// [`DurableError::NoName`] for a name that is absolute or leads out of the folder, and what writing may meet.
    pub fn file(&self, name: impl AsRef<Path>) -> Result<NewPart, DurableError> {
        let name = name.as_ref();
        let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        let path = self.path.join(name);
        if !is_inside || name.file_name().is_none() {
            return Err(DurableError::NoName { path });
        }
        let inside = self.part.join(name);
        let made = fs::create_dir_all(folder_of(&inside)).and_then(|()| File::create_new(&inside));
        let file = made.map_err(|source| DurableError::of(&path, "create", source))?;
        Ok(NewPart { file: BufWriter::with_capacity(BLOCK_BYTES, file), path })
    }

    /// Puts the folder in place.
    ///
    /// # Errors
    /// [`DurableError`]; without `NotSynced` nothing is in place then.
    pub fn finish(mut self) -> Result<(), DurableError> {
        if self.path.symlink_metadata().is_ok() {
            return Err(DurableError::Exists { path: self.path.clone() });
        }
        let renamed = fs::rename(&self.part, &self.path);
        renamed.map_err(|source| {
            DurableError::of(&self.path, "rename the temporary folder", source)
        })?;
        self.is_finished = true;
        synced(&self.path)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            // The error that brought us here is on its way.
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// A file of a [`NewFolder`] while it is written.
#[derive(Debug)]
pub struct NewPart {
    file: BufWriter<File>,
    path: PathBuf,
}

impl NewPart {
    /// Ends the file and syncs it.
    ///
    /// # Errors
    /// [`DurableError`] when the disk does not take it.
    pub fn finish(self) -> Result<(), DurableError> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        let synced = file.and_then(|file| file.sync_data());
        synced.map_err(|source| DurableError::of(&self.path, "write", source))
    }
}

impl Write for NewPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Makes a name outlive a loss of power.
fn synced(path: &Path) -> Result<(), DurableError> {
    let synced = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    synced.map_err(|source| DurableError::NotSynced { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_at_its_end_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::write(&path, b"old").unwrap();
        let mut file = NewFile::begin(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        drop(NewFile::begin(&path).unwrap());
        assert_eq!(
            (fs::read(&path).unwrap(), names(folder.path())),
            (b"new".to_vec(), vec!["data".into()])
        );
    }

    #[test]
    fn a_folder_appears_with_all_its_files_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let fill = || {
            let new = NewFolder::begin(&path).unwrap();
            let mut file = new.file("train/cat/0.png").unwrap();
            file.write_all(b"picture").unwrap();
            file.finish().unwrap();
            assert!(!path.exists());
            new
        };
        drop(fill());
        assert!(names(folder.path()).is_empty());
        fill().finish().unwrap();
        assert_eq!(fs::read(path.join("train/cat/0.png")).unwrap(), b"picture");
        assert_eq!(names(folder.path()), ["data"]);
        assert!(matches!(NewFolder::begin(&path), Err(DurableError::Exists { .. })));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let new = NewFolder::begin(folder.path().join("data")).unwrap();
        for name in ["../x", "/x", "a/../../x", "", "."] {
            assert!(matches!(new.file(name), Err(DurableError::NoName { .. })), "{name}");
        }
    }
}
