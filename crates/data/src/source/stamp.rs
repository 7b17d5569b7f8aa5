//! What changes whenever the files of a source may have changed, without reading them: where a cache is to be believed.
//!
//! Of every file: its device and number there, its length, and the times of its last change of content and of anything at all. The
//! last cannot be set by a program, so a file that was changed and given its old time again is another one too.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::numpy::NumpyPaths;
use super::table::TableFiles;
use super::tar::TarPaths;
use super::{SourceError, SourceSettings};
use crate::Limits;

/// How many folders a file may be below a split's: a picture is in that of its class.
const DEPTH_MAX: usize = 2;

impl SourceSettings {
    /// A hash that is another one when any file of the source may have been changed; none for sources that cannot tell.
    ///
    /// # Errors
    /// [`SourceError`] when a file or folder is missing or cannot be looked at, or there are more files than `source_files`.
    pub fn stamp(&self, limits: &Limits) -> Result<Option<[u8; 32]>, SourceError> {
        let mut stamp =
            Stamp { hash: blake3::Hasher::new(), files_left: limits.source_files, limits };
        match self {
            SourceSettings::Mnist => {}
            SourceSettings::Idx(paths) => stamp.all(&[
                &paths.train_images,
                &paths.train_labels,
                &paths.test_images,
                &paths.test_labels,
            ])?,
            SourceSettings::Folder { path, .. } => {
                stamp.below(&path.join("train"), DEPTH_MAX)?;
                stamp.below(&path.join("test"), DEPTH_MAX)?;
            }
            SourceSettings::Cifar { path, .. } => stamp.below(path, 1)?,
            SourceSettings::Numpy(NumpyPaths::Archive(path)) => stamp.file(path)?,
            SourceSettings::Numpy(NumpyPaths::Files(paths)) => stamp.all(paths)?,
            SourceSettings::Table(table) => match &table.files {
                TableFiles::Shared { paths, .. } => stamp.all(paths)?,
                TableFiles::Split { train, test } => {
                    stamp.all(train)?;
                    stamp.all(test)?;
                }
            },
            SourceSettings::Tar { paths: TarPaths::One(path), .. } => stamp.file(path)?,
            SourceSettings::Tar { paths: TarPaths::Shards { train, test }, .. } => {
                stamp.all(train)?;
                stamp.all(test)?;
            }
        }
        Ok(Some(*stamp.hash.finalize().as_bytes()))
    }
}

/// Looks at files, and remembers how many more it may meet.
struct Stamp<'a> {
    hash: blake3::Hasher,
    files_left: u64,
    limits: &'a Limits,
}

impl Stamp<'_> {
    fn all<P: AsRef<Path>>(&mut self, paths: &[P]) -> Result<(), SourceError> {
        paths.iter().try_for_each(|path| self.file(path.as_ref()))
    }

    fn file(&mut self, path: &Path) -> Result<(), SourceError> {
        let about = fs::metadata(path).map_err(unreadable(path))?;
        self.add(&about);
        Ok(())
    }

    fn add(&mut self, about: &fs::Metadata) {
        let unsigned = [about.dev(), about.ino(), about.len()];
        let times = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
        let words = unsigned.into_iter().chain(times.map(|time| time as u64));
        words.for_each(|word| {
            self.hash.update(&word.to_le_bytes());
        });
    }

    /// All files below a folder, in the order of their names' bytes. Links are followed; the depth bounds a circle of them.
    fn below(&mut self, folder: &Path, depth: usize) -> Result<(), SourceError> {
        let entries = fs::read_dir(folder).map_err(unreadable(folder))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>().map_err(unreadable(folder))?;
        names.sort_unstable();
        for name in names {
            self.files_left = self.files_left.checked_sub(1).ok_or_else(|| {
                let (path, limit) = (folder.to_path_buf(), self.limits.source_files);
                SourceError::TooManyFiles { path, limit }
            })?;
            let path = folder.join(&name);
            // A link that leads nowhere is no item; once it leads somewhere, it is another file.
            let Ok(about) = fs::metadata(&path) else { continue };
            self.hash.update(name.as_encoded_bytes()).update(&[0]);
            if about.is_dir() && depth > 1 {
                self.below(&path, depth - 1)?;
            } else if about.is_file() {
                self.add(&about);
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> SourceError {
    let path: PathBuf = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: path.clone() },
        _ => SourceError::Read { path: path.clone(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &Path) -> [u8; 32] {
        let settings = SourceSettings::Folder { path: path.to_path_buf(), fit: None };
        settings.stamp(&Limits::default()).expect("it is there").expect("a folder has a stamp")
    }

    #[test]
    fn a_stamp_stays_until_a_file_comes_goes_or_changes_even_under_its_old_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let class = folder.path().join("train/cat");
        fs::create_dir_all(&class).expect("a folder");
        fs::create_dir_all(folder.path().join("test")).expect("a folder");
        let file = class.join("0.png");
        fs::write(&file, b"one").expect("a file");
        let first = stamp(folder.path());
        assert_eq!(stamp(folder.path()), first);
        let before = fs::metadata(&file).expect("it is there");
        let changed = || fs::metadata(&file).expect("it is there").ctime_nsec();
        while changed() == before.ctime_nsec() {
            fs::write(&file, b"two").expect("a file"); // until the clock of the file system ticks
        }
        let open = fs::OpenOptions::new().write(true).open(&file).expect("it is there");
        open.set_modified(before.modified().expect("a time")).expect("it is ours");
        let second = stamp(folder.path());
        assert_ne!(second, first, "as long as before, with its old time");
        fs::write(class.join("1.png"), b"one").expect("a file");
        let third = stamp(folder.path());
        assert_ne!(third, second);
        fs::remove_file(class.join("1.png")).expect("it was there");
        assert_eq!(stamp(folder.path()), second);
    }

    #[test]
    fn a_source_without_files_of_its_own_always_has_the_same_stamp() {
        let stamp = || SourceSettings::Mnist.stamp(&Limits::default()).expect("it is inside");
        assert!(stamp().is_some() && stamp() == stamp());
    }

    #[test]
    fn a_missing_file_is_named_and_too_many_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.npz");
        let settings = SourceSettings::Numpy(NumpyPaths::Archive(path.clone()));
        let error = settings.stamp(&Limits::default()).expect_err("it is not there");
        assert!(error.to_string().contains("data.npz"), "{error}");
        for split in ["train", "test"] {
            fs::create_dir_all(folder.path().join(split)).expect("a folder");
        }
        fs::write(folder.path().join("train/a"), b"").expect("a file");
        fs::write(folder.path().join("train/b"), b"").expect("a file");
        let settings = SourceSettings::Folder { path: folder.path().to_path_buf(), fit: None };
        let limits = Limits { source_files: 1, ..Limits::default() };
        assert!(matches!(settings.stamp(&limits), Err(SourceError::TooManyFiles { .. })));
    }
}
