//! CIFAR-10 and CIFAR-100 in their binary version, each file plain or packed.
//!
//! A record is one byte of label (CIFAR-100: coarse, then fine), then the planes of red, green and blue, 32 rows of 32 bytes
//! each. Records are read where they lie; the planes are interleaved on the way.
//!
//! Source: <https://www.cs.toronto.edu/~kriz/cifar.html>, section "binary version".

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::halves::{Half, Halves, hex};
use super::seekable::Seekable;
use super::{RawItem, Source, SourceError};
use crate::{Codec, Limits};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const PIXELS: usize = 3 * PLANE;

/// Which labels of CIFAR-100 are the classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// The 100 fine ones. CIFAR-10 has no others.
    #[default]
    Fine,
    /// The 20 coarse ones.
    Coarse,
}

/// One of the data sets that are published in this form.
struct Edition {
    train: &'static [&'static str],
    test: &'static [&'static str],
    /// Bytes of labels before the pixels.
    labels: usize,
    /// Which of them is the class.
    label: usize,
    classes: usize,
    names: &'static str,
    called: &'static str,
}

const CIFAR_10: Edition = Edition {
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: &["test_batch.bin"],
    labels: 1,
    label: 0,
    classes: 10,
    names: "batches.meta.txt",
    called: "CIFAR-10",
};

const CIFAR_100: Edition = Edition {
    train: &["train.bin"],
    test: &["test.bin"],
    labels: 2,
    label: 1,
    classes: 100,
    names: "fine_label_names.txt",
    called: "CIFAR-100",
};

const CIFAR_20: Edition = Edition {
    label: 0,
    classes: 20,
    names: "coarse_label_names.txt",
    called: "CIFAR-100, coarse",
    ..CIFAR_100
};

/// Opens the folder of CIFAR-10's or CIFAR-100's binary files; `labels` tells which classes of CIFAR-100 are meant.
///
/// A file may be packed, and its name may then end in `.gz`, `.zst` or `.xz`. All labels are checked now. Names of classes
/// are read when their file is there. The SHA-256 is that of the training files' bytes, unpacked, one after another.
///
/// # Errors
/// [`SourceError`] when a file is missing, no whole records, or holds a label that is no class.
pub fn open(
    folder: &Path,
    labels: Labels,
    limits: &Limits,
) -> Result<Box<dyn Source>, SourceError> {
    let is_100 = CIFAR_100.train.iter().any(|name| found(folder, name).is_some());
    let edition = match (is_100, labels) {
        (false, _) => &CIFAR_10,
        (true, Labels::Fine) => &CIFAR_100,
        (true, Labels::Coarse) => &CIFAR_20,
    };
    let mut digest = Sha256::new();
    let train = Records::open(folder, edition, edition.train, Some(&mut digest), limits)?;
    let test = Records::open(folder, edition, edition.test, None, limits)?;
    Ok(Box::new(Halves {
        train,
        test,
        shape: (SIDE, SIDE, 3),
        codec: Codec::Raw8 { h: SIDE, w: SIDE, c: 3 },
        fit: None,
        classes: edition.classes,
        class_names: class_names(folder, edition),
        feature_names: Vec::new(),
        sha256: hex(digest),
        name: format!("{}, {}", edition.called, folder.display()),
    }))
}

/// The file of this name, or of this name and a packing's.
fn found(folder: &Path, name: &str) -> Option<PathBuf> {
    let endings = ["", ".gz", ".zst", ".xz"];
    endings
        .map(|ending| folder.join(format!("{name}{ending}")))
        .into_iter()
        .find(|path| path.is_file())
}

/// The names of the classes, when the file of names has exactly those: they are for people only.
fn class_names(folder: &Path, edition: &Edition) -> Vec<String> {
    let Ok(text) = std::fs::File::open(folder.join(edition.names)).and_then(|file| {
        let mut text = String::new();
        file.take(1 << 16).read_to_string(&mut text).map(|_| text)
    }) else {
        return Vec::new();
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let are_usable =
        names.len() == edition.classes && !names.iter().any(|name| name.contains(char::is_control));
    if are_usable { names } else { Vec::new() }
}

/// The records of one split, over its files.
struct Records {
    files: Vec<(Seekable, u64)>,
    edition: &'static Edition,
    len: u64,
}

impl Records {
    fn open(
        folder: &Path,
        edition: &'static Edition,
        names: &[&str],
        mut digest: Option<&mut Sha256>,
        limits: &Limits,
    ) -> Result<Records, SourceError> {
        let mut records = Records { files: Vec::new(), edition, len: 0 };
        for name in names {
            let path = found(folder, name).unwrap_or_else(|| folder.join(name));
            let file = Seekable::open(&path, limits)?;
            let count = records.check(&file, digest.as_deref_mut())?;
            records.len += count;
            records.files.push((file, count));
        }
        Ok(records)
    }

    fn record_bytes(&self) -> usize {
        self.edition.labels + PIXELS
    }

    /// Reads a whole file once, checks every label, and gives the number of records.
    fn check(&self, file: &Seekable, digest: Option<&mut Sha256>) -> Result<u64, SourceError> {
        let size = self.record_bytes() as u64;
        let path = || file.path().to_path_buf();
        let count = file.len() / size;
        if count == 0 || !file.len().is_multiple_of(size) {
            let need = (count + 1) * size;
            return Err(SourceError::Truncated { path: path(), have: file.len(), need });
        }
        let mut digest = digest;
        let (mut from, mut record) = (file.reader(), vec![0; self.record_bytes()]);
        for index in 0..count {
            from.read_exact(&mut record)
                .map_err(|source| SourceError::Read { path: path(), source })?;
            let (label, classes) = (record[self.edition.label], self.edition.classes);
            if usize::from(label) >= classes {
                return Err(SourceError::Label { path: path(), index, label, classes });
            }
            if let Some(digest) = digest.as_deref_mut() {
                digest.update(&record);
            }
        }
        Ok(count)
    }
}

impl Half for Records {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, index: u64) -> Result<RawItem, SourceError> {
        let mut rest = index;
        for (file, count) in &self.files {
            if rest < *count {
                let mut record = vec![0; self.record_bytes()];
                file.read_at(rest * record.len() as u64, &mut record)?;
                let (labels, planes) = record.split_at(self.edition.labels);
                return Ok(RawItem {
                    bytes: interleaved(planes),
                    label: labels[self.edition.label],
                });
            }
            rest -= count;
        }
        Err(self.missing(index))
    }

    fn name(&self, _: u64) -> Option<String> {
        None
    }

    fn missing(&self, index: u64) -> SourceError {
        let path = self.files.first().map_or(Path::new(""), |(file, _)| file.path()).to_path_buf();
        SourceError::Index { path, index, len: self.len }
    }
}

/// Three planes as pixels of three bytes.
fn interleaved(planes: &[u8]) -> Vec<u8> {
    let (red, rest) = planes.split_at(PLANE);
    let (green, blue) = rest.split_at(PLANE);
    let mut pixels = Vec::with_capacity(PIXELS);
    for ((r, g), b) in red.iter().zip(green).zip(blue) {
        pixels.extend([r, g, b]);
    }
    pixels
}
