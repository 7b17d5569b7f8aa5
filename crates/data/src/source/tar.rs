//! Pictures in tar archives, plain or packed: WebDataset's shards, or one archive of a folder.
//!
//! One pass over the headers tells where every picture lies; afterwards each is read at its place, in any order. An item is a
//! picture with what lies beside it under the same key (its name up to the first dot): `.cls` is its label. Without one the
//! picture's folder is its class, as in a folder of pictures.

mod headers;
pub mod write;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::headers::{Entry, Headers, name_before, shown};
use super::classes::{Classes, Seen};
use super::folder::{HASHED_BYTES_MAX, is_pictures_name};
use super::halves::{Half, Halves, hex};
use super::seekable::Seekable;
use super::{RawItem, Source, SourceError};
use crate::{Codec, Fit, Limits};

/// How many pictures are looked at for one of the wanted size.
const LOOKED_AT: u64 = 16;

/// Where the archives of a data set lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TarPaths {
    /// One archive with `train/...` and `test/...` in it.
    One(PathBuf),
    /// Shards to learn from, and to measure on; the items come in this order.
    Shards {
        /// To learn from.
        train: Vec<PathBuf>,
        /// To measure on.
        test: Vec<PathBuf>,
    },
}

/// Opens archives of pictures that are to become `wanted (H, W, C)`, as [`super::folder::open`] has it.
///
/// The SHA-256 is that of the training pictures: of each its class, a byte, its length (`u64`, little endian) and its bytes;
/// beyond a GiB without the bytes.
///
/// # Errors
/// [`SourceError`] when an archive cannot be read, is damaged, or holds links, devices or names that lead out of it.
pub fn open(
    paths: &TarPaths,
    wanted: (usize, usize, usize),
    fit: Option<Fit>,
    limits: &Limits,
) -> Result<Box<dyn Source>, SourceError> {
    let mut index = Index { seen: Seen::default(), files_left: limits.source_files, limits };
    let bytes_max = limits.image_bytes.saturating_add(1);
    let mut train = Pictures { bytes_max, ..Pictures::default() };
    let mut test = Pictures { bytes_max, ..Pictures::default() };
    let mut test_seen = Seen::default();
    match paths {
        TarPaths::One(path) => {
            let file = Arc::new(Seekable::open(path, limits)?);
            index.add(&file, Some(b"train/"), &mut train)?;
            std::mem::swap(&mut index.seen, &mut test_seen);
            index.add(&file, Some(b"test/"), &mut test)?;
            std::mem::swap(&mut index.seen, &mut test_seen);
        }
        TarPaths::Shards { train: train_paths, test: test_paths } => {
            for path in train_paths {
                index.add(&Arc::new(Seekable::open(path, limits)?), None, &mut train)?;
            }
            std::mem::swap(&mut index.seen, &mut test_seen);
            for path in test_paths {
                index.add(&Arc::new(Seekable::open(path, limits)?), None, &mut test)?;
            }
            std::mem::swap(&mut index.seen, &mut test_seen);
        }
    }
    for (half, split) in [(&train, "train"), (&test, "test")] {
        if half.at.is_empty() {
            let what = format!("there is no picture to {split}: are they in `{split}/`?");
            return Err(SourceError::Format { path: paths.first(), format: "data set", what });
        }
    }
    let classes = Classes::join((train.path(), &index.seen), (test.path(), &test_seen))?;
    train.labels.iter_mut().for_each(|label| *label = classes.train[usize::from(*label)]);
    test.labels.iter_mut().for_each(|label| *label = classes.test[usize::from(*label)]);
    let (h, w, c) = wanted;
    let (h, w) = if fit.is_some() { (h, w) } else { train.size((h, w), limits)? };
    let sha256 = train.sha256()?;
    let left_out = match train.left_out + test.left_out {
        0 => String::new(),
        count => format!(", {count} other files left out"),
    };
    let name = format!("tar, {}{left_out}", paths.first().display());
    Ok(Box::new(Halves {
        train,
        test,
        shape: (h, w, c),
        codec: Codec::Image,
        fit,
        classes: classes.count,
        class_names: classes.names,
        feature_names: Vec::new(),
        sha256,
        name,
    }))
}

impl TarPaths {
    /// The path that stands for all.
    pub(super) fn first(&self) -> PathBuf {
        match self {
            TarPaths::One(path) => path.clone(),
            TarPaths::Shards { train, .. } => train.first().cloned().unwrap_or_default(),
        }
    }
}

/// The pictures of a split, in the order of its archives.
#[derive(Default)]
struct Pictures {
    /// Each archive with the number of pictures up to its end.
    archives: Vec<(Arc<Seekable>, u64)>,
    /// Where each picture's bytes begin in its archive; 13 bytes a picture are kept in all.
    at: Vec<u64>,
    len: Vec<u32>,
    labels: Vec<u8>,
    /// Files that are neither pictures nor labels.
    left_out: u64,
    /// Of one picture: one more than the codec takes.
    bytes_max: u64,
}

/// Goes through archives and remembers the labels it met.
struct Index<'a> {
    seen: Seen,
    files_left: u64,
    limits: &'a Limits,
}

/// Files under one key, as they follow one another.
#[derive(Default)]
struct Group {
    key: Vec<u8>,
    picture: Option<Entry>,
    label: Option<Vec<u8>>,
}

impl Index<'_> {
    /// Adds the pictures of an archive whose names begin with `within`.
    fn add(
        &mut self,
        file: &Arc<Seekable>,
        within: Option<&[u8]>,
        into: &mut Pictures,
    ) -> Result<(), SourceError> {
        let mut headers = Headers::new(file);
        let mut group = Group::default();
        while let Some(entry) = headers.next()? {
            self.files_left = self.files_left.checked_sub(1).ok_or_else(|| {
                let (path, limit) = (file.path().to_path_buf(), self.limits.source_files);
                SourceError::TooManyFiles { path, limit }
            })?;
            if within.is_some_and(|within| !entry.name.starts_with(within)) {
                continue;
            }
            let key = key(&entry.name);
            if group.key != key {
                self.finish(file, std::mem::take(&mut group), into)?;
                group.key = key.to_vec();
            }
            let name = entry.name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            match () {
                () if name.starts_with(b".") => into.left_out += 1,
                () if name.ends_with(b".cls") => group.label = Some(label(file, &entry)?),
                () if is_picture(name) && group.picture.is_none() => group.picture = Some(entry),
                () => into.left_out += 1,
            }
        }
        self.finish(file, group, into)?;
        into.archives.push((file.clone(), into.at.len() as u64));
        Ok(())
    }

    /// Adds the picture of a group, if it has one.
    fn finish(
        &mut self,
        file: &Seekable,
        group: Group,
        into: &mut Pictures,
    ) -> Result<(), SourceError> {
        let Some(picture) = group.picture else { return Ok(()) };
        let wrong = |what: &str| SourceError::Item {
            path: file.path().to_path_buf(),
            place: format!("entry {}", shown(&picture.name)),
            what: what.to_owned(),
        };
        let folder = || {
            let (folder, _) = split_last(&picture.name, b'/')?;
            Some(split_last(folder, b'/').map_or(folder, |(_, name)| name).to_vec())
        };
        let label = group.label.or_else(folder).ok_or_else(|| {
            wrong("has neither a `.cls` beside it nor a folder that names its class")
        })?;
        into.labels.push(self.seen.number(&label).map_err(|fault| wrong(&fault.to_string()))?);
        into.at.push(picture.at);
        // What is longer is beyond every limit, and refused when it is read.
        into.len.push(u32::try_from(picture.len).unwrap_or(u32::MAX));
        Ok(())
    }
}

/// What a `.cls` file says: a word.
fn label(file: &Seekable, entry: &Entry) -> Result<Vec<u8>, SourceError> {
    let mut text = vec![0; entry.len.min(257) as usize];
    file.read_at(entry.at, &mut text)?;
    Ok(text.trim_ascii().to_vec())
}

/// The name of a file without what follows the first dot of its last part.
fn key(name: &[u8]) -> &[u8] {
    let begin = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let dot = name[begin..].iter().position(|&byte| byte == b'.');
    dot.map_or(name, |dot| &name[..begin + dot])
}

fn split_last(name: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = name.iter().rposition(|&byte| byte == at)?;
    Some((&name[..place], &name[place + 1..]))
}

fn is_picture(name: &[u8]) -> bool {
    is_pictures_name(Path::new(OsStr::from_bytes(name)))
}

impl Pictures {
    fn path(&self) -> &Path {
        self.archives.first().map_or(Path::new(""), |(file, _)| file.path())
    }

    /// The archive of a picture.
    fn archive(&self, index: u64) -> &Seekable {
        let number = self.archives.partition_point(|(_, end)| *end <= index);
        &self.archives[number].0
    }

    /// A picture's bytes, as many as may be: the codec refuses those that are too many.
    fn bytes(&self, index: u64) -> Result<Vec<u8>, SourceError> {
        let (at, len) = (self.at[index as usize], u64::from(self.len[index as usize]));
        let mut bytes = vec![0; len.min(self.bytes_max) as usize];
        self.archive(index).read_at(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The wanted size when one of the first pictures has it, else that of the first one that can be read.
    fn size(&self, wanted: (usize, usize), limits: &Limits) -> Result<(usize, usize), SourceError> {
        let (mut first, mut refused) = (None, None);
        for index in 0..self.len().min(LOOKED_AT) {
            match Codec::Image.size(&self.bytes(index)?, limits) {
                Ok(size) if size == wanted => return Ok(wanted),
                Ok(size) => {
                    first.get_or_insert(size);
                }
                Err(source) => {
                    let path =
                        self.archive(index).path().join(self.name(index).unwrap_or_default());
                    refused.get_or_insert(SourceError::Picture { path, source });
                }
            }
        }
        match (first, refused) {
            (None, Some(refused)) => Err(refused),
            (first, _) => Ok(first.unwrap_or(wanted)),
        }
    }

    fn sha256(&self) -> Result<String, SourceError> {
        let total = self.len.iter().fold(0u64, |sum, &len| sum.saturating_add(len.into()));
        let mut digest = Sha256::new();
        for index in 0..self.len() {
            let at = index as usize;
            digest.update([self.labels[at]]);
            digest.update(u64::from(self.len[at]).to_le_bytes());
            if total <= HASHED_BYTES_MAX {
                digest.update(self.bytes(index)?);
            }
        }
        Ok(hex(digest))
    }
}

impl Half for Pictures {
    fn len(&self) -> u64 {
        self.at.len() as u64
    }

    fn read(&self, index: u64) -> Result<RawItem, SourceError> {
        Ok(RawItem { bytes: self.bytes(index)?, label: self.labels[index as usize] })
    }

    fn name(&self, index: u64) -> Option<String> {
        let archive = self.archive(index);
        let name = name_before(archive, self.at[index as usize])?;
        Some(format!("{}: {name}", archive.path().display()))
    }

    fn missing(&self, index: u64) -> SourceError {
        SourceError::Index { path: self.path().to_path_buf(), index, len: self.len() }
    }
}
