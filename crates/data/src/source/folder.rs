//! A folder of pictures: `train/<class>/*` to learn from, `test/<class>/*` to measure on.
//!
//! Classes are the names of the folders in `train`, items the files whose name ends like a picture's; both in the order of
//! their bytes, so that the same folder gives the same numbers on every machine. What begins with a dot is passed over. Only
//! names are kept: a picture is read when it is asked for. The depth is fixed, so that no link leads in circles.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{RawItem, Source, SourceError, Split, open_file};
use crate::{Codec, Fit, Limits};

/// The label of an item is a byte.
const CLASSES_MAX: usize = 256;

/// How the names of pictures end, in whatever case.
const ENDINGS: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "jpe", "bmp", "webp", "tif", "tiff", "pnm", "pbm", "pgm", "ppm",
    "pam",
];

/// Training data larger than this is known by its names and sizes: reading all of it first would take minutes.
pub(super) const HASHED_BYTES_MAX: u64 = 1 << 30;

/// A data set of pictures in folders of classes.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    classes: Vec<String>,
    train: Part,
    test: Part,
    shape: (usize, usize, usize),
    fit: Option<Fit>,
    /// Of one picture.
    bytes_max: u64,
    sha256: String,
}

/// One split: its pictures in the order of their numbers.
#[derive(Clone, Debug)]
struct Part {
    folder: PathBuf,
    pictures: Vec<Picture>,
    /// Files that no picture's name ends like.
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Picture {
    label: u8,
    /// `<class>/<file>`, below the split's folder.
    path: Box<Path>,
}

/// Opens a folder of pictures that are to become `wanted (H, W, C)`.
///
/// Channels always become those wanted (transparency is laid over white, colour becomes grey or grey colour). Pictures of
/// another size are brought to it by `fit`, or refused one by one without it. When no class's first picture has the wanted
/// size then, [`Source::shape`] tells the size of the first one.
///
/// The SHA-256 is that of the training pictures: the path below `train` of each, a zero byte, its length (`u64`, little
/// endian), its bytes. Beyond a GiB the bytes are left out, and `names and sizes` stands before all.
///
/// # Errors
/// [`SourceError`] for what is no such folder, holds too little or too much, or cannot be read.
pub fn open(
    path: &Path,
    wanted: (usize, usize, usize),
    fit: Option<Fit>,
    limits: &Limits,
) -> Result<Folder, SourceError> {
    let mut scan = Scan { files_left: limits.source_files, limits };
    let (train_folder, test_folder) = (path.join("train"), path.join("test"));
    let classes = scan.class_names(&train_folder)?;
    if classes.len() < 2 {
        let (found, limit) = (classes.len(), CLASSES_MAX);
        return Err(SourceError::Classes { path: train_folder, found, limit });
    }
    let train = scan.part(train_folder, &classes, &classes)?;
    let is_empty =
        |label: &usize| !train.pictures.iter().any(|one| usize::from(one.label) == *label);
    if let Some(empty) = (0..classes.len()).find(is_empty) {
        return Err(SourceError::NoPictures { path: train.folder.join(&classes[empty]) });
    }
    let tested = scan.class_names(&test_folder)?;
    if let Some(unknown) = tested.iter().find(|name| !classes.contains(name)) {
        let path = test_folder.join(unknown);
        return Err(SourceError::UnknownClass { path, train: train.folder });
    }
    let test = scan.part(test_folder, &tested, &classes)?;
    if test.pictures.is_empty() {
        return Err(SourceError::NoPictures { path: test.folder });
    }
    let (h, w, c) = wanted;
    let (h, w) = if fit.is_some() { (h, w) } else { train.size((h, w), limits)? };
    let sha256 = train.sha256()?;
    let (path, bytes_max) = (path.to_path_buf(), limits.image_bytes);
    Ok(Folder { path, classes, train, test, shape: (h, w, c), fit, bytes_max, sha256 })
}

/// Looks through folders, and remembers how many files it may still meet.
struct Scan<'a> {
    files_left: u64,
    limits: &'a Limits,
}

impl Scan<'_> {
    /// The folders of classes, sorted; files beside them are passed over.
    fn class_names(&mut self, folder: &Path) -> Result<Vec<String>, SourceError> {
        let mut names = Vec::new();
        for (name, kind) in self.entries(folder)? {
            if !kind.is_dir() {
                continue;
            }
            match name.into_string() {
                Ok(name) if !name.contains(char::is_control) => names.push(name),
                Ok(name) => return Err(SourceError::ClassName { path: folder.join(name) }),
                Err(name) => return Err(SourceError::ClassName { path: folder.join(name) }),
            }
        }
        if names.len() > CLASSES_MAX {
            let (path, found) = (folder.to_path_buf(), names.len());
            return Err(SourceError::Classes { path, found, limit: CLASSES_MAX });
        }
        Ok(names)
    }

    /// The pictures of the classes `here`, which are among `classes`.
    fn part(
        &mut self,
        folder: PathBuf,
        here: &[String],
        classes: &[String],
    ) -> Result<Part, SourceError> {
        let (mut pictures, mut left_out) = (Vec::new(), 0);
        for (label, class) in classes.iter().enumerate().filter(|(_, class)| here.contains(class)) {
            let inside = folder.join(class);
            for (name, kind) in self.entries(&inside)? {
                if kind.is_dir() {
                    return Err(SourceError::Nested { path: inside.join(name) });
                }
                if kind.is_file() && is_pictures_name(Path::new(&name)) {
                    let path = Path::new(class).join(name).into_boxed_path();
                    pictures.push(Picture { label: label as u8, path }); // below CLASSES_MAX
                } else {
                    left_out += 1;
                }
            }
        }
        Ok(Part { folder, pictures, left_out })
    }

    /// What lies in a folder, in the order of the names' bytes, but for names that begin with a dot. Links are followed.
    fn entries(&mut self, folder: &Path) -> Result<Vec<(OsString, FileType)>, SourceError> {
        let unreadable = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => SourceError::MissingFolder { path: folder.to_path_buf() },
            ErrorKind::NotADirectory => SourceError::NotAFolder { path: folder.to_path_buf() },
            _ => SourceError::Read { path: folder.to_path_buf(), source },
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let unknown = |source| SourceError::Read { path: entry.path(), source };
            let mut kind = entry.file_type().map_err(unknown)?;
            if kind.is_symlink() {
                kind = fs::metadata(entry.path()).map_err(unknown)?.file_type();
            }
            self.files_left = self.files_left.checked_sub(1).ok_or_else(|| {
                let (path, limit) = (folder.to_path_buf(), self.limits.source_files);
                SourceError::TooManyFiles { path, limit }
            })?;
            found.push((name, kind));
        }
        found.sort_unstable_by(|(a, _), (b, _)| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        Ok(found)
    }
}

pub(super) fn is_pictures_name(name: &Path) -> bool {
    let ending = name.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The bytes of a picture's file, up to one more than `most`: the codec refuses those that are too many.
fn read_picture(path: &Path, most: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    open_file(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| SourceError::Read { path: path.to_path_buf(), source })?;
    Ok(bytes)
}

impl Part {
    fn len(&self) -> u64 {
        self.pictures.len() as u64
    }

    fn picture(&self, index: u64) -> Option<&Picture> {
        self.pictures.get(usize::try_from(index).ok()?)
    }

    /// The wanted size when a class's first picture has it, else that of the first one that can be read.
    fn size(&self, wanted: (usize, usize), limits: &Limits) -> Result<(usize, usize), SourceError> {
        let (mut first, mut refused) = (None, None);
        let begins = self.pictures.chunk_by(|a, b| a.label == b.label).map(|class| &class[0]);
        for picture in begins {
            let path = self.folder.join(&picture.path);
            match Codec::Image.size(&read_picture(&path, limits.image_bytes)?, limits) {
                Ok(size) if size == wanted => return Ok(wanted),
                Ok(size) => {
                    first.get_or_insert(size);
                }
                Err(source) => {
                    refused.get_or_insert(SourceError::Picture { path, source });
                }
            }
        }
        match (first, refused) {
            (None, Some(refused)) => Err(refused),
            (first, _) => Ok(first.unwrap_or(wanted)),
        }
    }

    /// What [`open`] says that it is.
    fn sha256(&self) -> Result<String, SourceError> {
        let mut lengths = Vec::with_capacity(self.pictures.len());
        for picture in &self.pictures {
            let path = self.folder.join(&picture.path);
            let about = fs::metadata(&path).map_err(|source| SourceError::Read { path, source })?;
            lengths.push(about.len());
        }
        let total = lengths.iter().fold(0u64, |sum, length| sum.saturating_add(*length));
        let are_read = total <= HASHED_BYTES_MAX;
        let mut digest = Sha256::new();
        if !are_read {
            digest.update(b"names and sizes");
        }
        for (picture, length) in self.pictures.iter().zip(lengths) {
            digest.update(picture.path.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(length.to_le_bytes());
            if are_read {
                digest.update(read_picture(&self.folder.join(&picture.path), length)?);
            }
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Folder {
    fn part(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl Source for Folder {
    fn len(&self, split: Split) -> u64 {
        self.part(split).len()
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        let part = self.part(split);
        let Some(picture) = part.picture(index) else {
            return Err(SourceError::Index { path: part.folder.clone(), index, len: part.len() });
        };
        let bytes = read_picture(&part.folder.join(&picture.path), self.bytes_max)?;
        Ok(RawItem { bytes, label: picture.label })
    }

    fn label(&self, split: Split, index: u64) -> Result<u8, SourceError> {
        let part = self.part(split);
        let missing = || SourceError::Index { path: part.folder.clone(), index, len: part.len() };
        part.picture(index).map(|picture| picture.label).ok_or_else(missing)
    }

    fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn class_names(&self) -> &[String] {
        &self.classes
    }

    fn codec(&self) -> Codec {
        Codec::Image
    }

    fn fit(&self) -> Option<Fit> {
        self.fit
    }

    fn name_of(&self, split: Split, index: u64) -> Option<String> {
        let part = self.part(split);
        Some(part.folder.join(&part.picture(index)?.path).display().to_string())
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn describe(&self) -> String {
        let (train, test, classes) = (self.train.len(), self.test.len(), self.classes.len());
        let ((h, w, c), name) = (self.shape, self.path.display());
        let said = format!("{name}: {classes} classes, {train} train, {test} test, {h}x{w}x{c}");
        match self.train.left_out + self.test.left_out {
            0 => said,
            left_out => format!("{said}; {left_out} files are no pictures and left out"),
        }
    }
}
