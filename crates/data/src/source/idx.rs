//! IDX files, the format MNIST is published in, plain or packed (gzip, zstd, xz).
//!
//! A file is read and checked as a whole when it is opened: afterwards no read can fail. A header is believed only when the
//! file holds exactly as many bytes as it announces; nothing is inflated beyond that or beyond the limits.
//!
//! Format: four bytes magic (0, 0, 8 = unsigned bytes, the rank), then each dimension as a big-endian `u32`, then the data.
//! Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "file formats".

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::seekable::packed;
use super::unpack::{Packing, unpacked};
use super::{RawItem, Source, SourceError, Split, open_file};
use crate::{Codec, Limits};

const MAGIC_IMAGES: u32 = 0x0000_0803;
const MAGIC_LABELS: u32 = 0x0000_0801;

/// A data set of grey images, held in memory.
#[derive(Clone, Debug)]
pub struct Idx {
    train: Part,
    test: Part,
    classes: usize,
    sha256: String,
    name: String,
}

/// Where the four files of a data set lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdxPaths {
    /// Images to learn from.
    pub train_images: PathBuf,
    /// Their labels.
    pub train_labels: PathBuf,
    /// Images to measure on.
    pub test_images: PathBuf,
    /// Their labels.
    pub test_labels: PathBuf,
}

/// Opens and checks four IDX files, each plain or packed (told by its first bytes, not by its name).
///
/// There are as many classes as the largest training label says, plus one; no test label may be beyond.
///
/// # Errors
/// Everything of [`SourceError`] but `Index`.
pub fn open(paths: &IdxPaths, limits: &Limits) -> Result<Idx, SourceError> {
    let train = Part::open(&paths.train_images, &paths.train_labels, limits)?;
    let test = Part::open(&paths.test_images, &paths.test_labels, limits)?;
    let folder = paths.train_images.parent().unwrap_or(Path::new(""));
    Idx::join(train, test, None, format!("IDX, {}", folder.display()))
}

/// One split: images and labels that belong together.
#[derive(Clone, Debug)]
pub(super) struct Part {
    images_path: PathBuf,
    labels_path: PathBuf,
    h: usize,
    w: usize,
    /// The whole file of images with its header.
    images: Vec<u8>,
    /// The whole file of labels with its header.
    labels: Vec<u8>,
}

impl Part {
    const IMAGES_HEADER: usize = 16;
    const LABELS_HEADER: usize = 8;

    fn open(images: &Path, labels: &Path, limits: &Limits) -> Result<Part, SourceError> {
        let image_file = open_bounded(images, limits)?;
        let label_file = open_bounded(labels, limits)?;
        Part::read((images, image_file), (labels, label_file), limits)
    }

    /// Reads a split from two streams, whose paths only name them in errors.
    pub(super) fn read(
        (images_path, images): (&Path, impl Read),
        (labels_path, labels): (&Path, impl Read),
        limits: &Limits,
    ) -> Result<Part, SourceError> {
        let images = IdxReader { path: images_path, limits }.read(images, MAGIC_IMAGES)?;
        let (count, h, w) = (dimension(&images, 0), dimension(&images, 1), dimension(&images, 2));
        let path = || images_path.to_path_buf();
        if count == 0 || h == 0 || w == 0 {
            return Err(SourceError::Empty { path: path(), count, h, w });
        }
        let side = u64::from(limits.image_side);
        let too_large = |limit| Err(SourceError::ImageTooLarge { path: path(), h, w, limit });
        match () {
            () if h > side || w > side => return too_large("image_side"),
            () if h * w > limits.image_pixels => return too_large("image_pixels"),
            () if h * w > limits.image_bytes => return too_large("image_bytes"),
            () => {}
        }
        let labels = IdxReader { path: labels_path, limits }.read(labels, MAGIC_LABELS)?;
        let label_count = dimension(&labels, 0);
        if label_count != count {
            let labels = labels_path.to_path_buf();
            return Err(SourceError::Counts {
                images: path(),
                image_count: count,
                labels,
                label_count,
            });
        }
        let labels_path = labels_path.to_path_buf();
        // Both fit: the file that holds so many bytes is in memory.
        let (h, w) = (h as usize, w as usize);
        Ok(Part { images_path: path(), labels_path, h, w, images, labels })
    }

    fn labels(&self) -> &[u8] {
        &self.labels[Self::LABELS_HEADER..]
    }

    fn len(&self) -> u64 {
        self.labels().len() as u64
    }

    fn item(&self, index: u64) -> Option<RawItem> {
        let index = usize::try_from(index).ok()?;
        let label = *self.labels().get(index)?;
        let size = self.h * self.w;
        let begin = Self::IMAGES_HEADER + index * size;
        Some(RawItem { bytes: self.images[begin..begin + size].to_vec(), label })
    }

    fn check_labels(&self, classes: usize) -> Result<(), SourceError> {
        match self.labels().iter().position(|&label| usize::from(label) >= classes) {
            None => Ok(()),
            Some(index) => Err(SourceError::Label {
                path: self.labels_path.clone(),
                index: index as u64,
                label: self.labels()[index],
                classes,
            }),
        }
    }
}

impl Idx {
    /// Joins two splits of one data set; without `classes` the training labels tell how many there are.
    pub(super) fn join(
        train: Part,
        test: Part,
        classes: Option<usize>,
        name: String,
    ) -> Result<Idx, SourceError> {
        if (train.h, train.w) != (test.h, test.w) {
            return Err(SourceError::Shapes {
                train: train.images_path,
                train_h: train.h,
                train_w: train.w,
                test: test.images_path,
                test_h: test.h,
                test_w: test.w,
            });
        }
        let largest = train.labels().iter().max().copied().unwrap_or(0);
        let classes = classes.unwrap_or(usize::from(largest) + 1);
        train.check_labels(classes)?;
        test.check_labels(classes)?;
        let digest = Sha256::new().chain_update(&train.images).chain_update(&train.labels);
        let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Idx { train, test, classes, sha256, name })
    }

    fn part(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl Source for Idx {
    fn len(&self, split: Split) -> u64 {
        self.part(split).len()
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        let part = self.part(split);
        let missing =
            || SourceError::Index { path: part.images_path.clone(), index, len: part.len() };
        part.item(index).ok_or_else(missing)
    }

    fn shape(&self) -> (usize, usize, usize) {
        (self.train.h, self.train.w, 1)
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn codec(&self) -> Codec {
        Codec::Grey8 { h: self.train.h, w: self.train.w }
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn describe(&self) -> String {
        let (train, test) = (self.train.len(), self.test.len());
        let (h, w, c) = self.shape();
        format!("{}: {train} train, {test} test, {h}x{w}x{c}", self.name)
    }
}

/// Opens a file of a source that is not larger than the limit.
fn open_bounded(path: &Path, limits: &Limits) -> Result<File, SourceError> {
    let file = open_file(path)?;
    let about = file.metadata();
    let about = about.map_err(|source| SourceError::Read { path: path.to_path_buf(), source })?;
    if about.len() > limits.source_bytes {
        let (path, limit) = (path.to_path_buf(), limits.source_bytes);
        return Err(SourceError::TooLarge { path, limit });
    }
    Ok(file)
}

/// Dimension `axis` of a file whose header is known to be there.
fn dimension(file: &[u8], axis: usize) -> u64 {
    let at = 4 + 4 * axis;
    let bytes = file[at..at + 4].try_into().expect("four bytes make a u32");
    u64::from(u32::from_be_bytes(bytes))
}

/// Reads one file and names it in errors.
struct IdxReader<'a> {
    path: &'a Path,
    limits: &'a Limits,
}

impl IdxReader<'_> {
    /// The whole file, uncompressed: its header and exactly as many bytes as that announces.
    fn read(&self, raw: impl Read, magic: u32) -> Result<Vec<u8>, SourceError> {
        let path = || self.path.to_path_buf();
        let (packing, from) =
            unpacked(raw).map_err(|source| SourceError::Read { path: path(), source })?;
        self.read_plain(from, magic, packing)
    }

    fn read_plain(
        &self,
        mut from: impl Read,
        magic: u32,
        packing: Packing,
    ) -> Result<Vec<u8>, SourceError> {
        let path = || self.path.to_path_buf();
        let rank = (magic & 0xff) as usize;
        let header = 4 + 4 * rank as u64;
        let mut file = Vec::new();
        self.fill(&mut from, &mut file, 4, packing)?;
        let whole_magic = file.len() == 4;
        let found = file.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        if whole_magic && found != magic {
            let kind = if magic == MAGIC_IMAGES { "images" } else { "labels" };
            return Err(SourceError::Magic { path: path(), kind, found, need: magic });
        }
        self.fill(&mut from, &mut file, header, packing)?;
        if (file.len() as u64) < header {
            return Err(SourceError::Truncated {
                path: path(),
                have: file.len() as u64,
                need: header,
            });
        }
        // Three u32 multiplied fit into u128, and the limit is a u64.
        let body: u128 = (0..rank).map(|axis| u128::from(dimension(&file, axis))).product();
        let limit = self.limits.source_bytes;
        let need = match u64::try_from(body + u128::from(header)) {
            Ok(need) if need <= limit => need,
            _ => return Err(SourceError::TooLarge { path: path(), limit }),
        };
        let cut = self.fill(&mut from, &mut file, need + 1, packing)?;
        match (file.len() as u64, cut) {
            (have, _) if have < need => Err(SourceError::Truncated { path: path(), have, need }),
            (have, _) if have > need => Err(SourceError::Trailing { path: path(), need }),
            // Every byte is there, but the packing's own checksum is not, or a stump of something follows.
            (_, Some(source)) => Err(packed(self.path, packing, source)),
            (_, None) => Ok(file),
        }
    }

    /// Reads on until `file` holds `bytes` bytes, or fewer when the stream ends; gives the error of a packed stream cut short.
    fn fill(
        &self,
        from: &mut impl Read,
        file: &mut Vec<u8>,
        bytes: u64,
        packing: Packing,
    ) -> Result<Option<std::io::Error>, SourceError> {
        let missing = bytes.saturating_sub(file.len() as u64);
        match from.by_ref().take(missing).read_to_end(file) {
            Ok(_) => Ok(None),
            Err(source) if packing == Packing::Plain => {
                Err(SourceError::Read { path: self.path.to_path_buf(), source })
            }
            Err(source) if source.kind() == ErrorKind::UnexpectedEof => Ok(Some(source)),
            Err(source) => Err(packed(self.path, packing, source)),
        }
    }
}
