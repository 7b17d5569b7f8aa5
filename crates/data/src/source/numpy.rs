//! NumPy's arrays: images and labels as `.npy` files, or all of them in one `.npz`.
//!
//! Images are `[N, H, W]` or `[N, H, W, C]`: bytes are pixels, other numbers stay numbers. `[N, D]` is a table of `D` features.
//! Labels are whole numbers `[N]` or `[N, 1]`. A `.npy` file is read where it lies, item by item; the members of an archive are
//! unpacked to memory.

use std::path::{Path, PathBuf};

use planaria_npy::array::widened;
use planaria_npy::{Element, Header, Npy, zip};
use sha2::{Digest, Sha256};
use std::io::Read;

use super::halves::{Half, Halves, hex};
use super::seekable::Seekable;
use super::{RawItem, Source, SourceError};
use crate::{Codec, Limits};

/// The label of an item is a byte.
const CLASSES_MAX: i64 = 256;

/// What the four arrays of an archive may be called: images and labels to learn from, and to measure on.
const NAMES: [[&str; 4]; 3] = [
    ["x_train", "y_train", "x_test", "y_test"],
    ["X_train", "y_train", "X_test", "y_test"],
    ["train_images", "train_labels", "test_images", "test_labels"],
];

/// Where the arrays of a data set lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NumpyPaths {
    /// All in one archive, under names that are usual.
    Archive(PathBuf),
    /// Four files: images and labels to learn from, images and labels to measure on.
    Files([PathBuf; 4]),
}

/// Opens arrays, each plain or packed.
///
/// There are as many classes as the largest training label says, plus one. The SHA-256 is that of the training arrays' numbers
/// as they lie: of the images, then of the labels' classes, a byte each.
///
/// # Errors
/// [`SourceError`] when a file is no array, or the arrays do not belong together.
pub fn open(paths: &NumpyPaths, limits: &Limits) -> Result<Box<dyn Source>, SourceError> {
    let [train_images, train_labels, test_images, test_labels] = match paths {
        NumpyPaths::Archive(path) => members(path, limits)?,
        NumpyPaths::Files(paths) => {
            let open = |path: &PathBuf| Seekable::open(path, limits);
            [open(&paths[0])?, open(&paths[1])?, open(&paths[2])?, open(&paths[3])?]
        }
    };
    let train = Arrays::open(train_images, &train_labels, limits)?;
    let test = Arrays::open(test_images, &test_labels, limits)?;
    if train.codec != test.codec {
        let (_, h, w) = train.shape();
        let (_, test_h, test_w) = test.shape();
        let (train, test) = (train.path(), test.path());
        if (h, w) == (test_h, test_w) {
            let what = format!(
                "its numbers are of another type or depth than those of {}",
                train.display()
            );
            return Err(SourceError::Format { path: test, format: "array", what });
        }
        return Err(SourceError::Shapes { train, train_h: h, train_w: w, test, test_h, test_w });
    }
    let classes = train.labels.iter().copied().max().map_or(0, |label| usize::from(label) + 1);
    if let Some(index) = test.labels.iter().position(|&label| usize::from(label) >= classes) {
        let (path, label) = (test_labels.path().to_path_buf(), test.labels[index]);
        return Err(SourceError::Label { path, index: index as u64, label, classes });
    }
    let path = match paths {
        NumpyPaths::Archive(path) => path,
        NumpyPaths::Files([path, ..]) => path,
    };
    let name = format!("NumPy, {}", path.display());
    let sha256 = train.sha256()?;
    let (codec, shape) = (train.codec, train.item_shape());
    Ok(Box::new(Halves {
        train,
        test,
        shape,
        codec,
        fit: None,
        classes,
        class_names: Vec::new(),
        feature_names: Vec::new(),
        sha256,
        name,
    }))
}

/// The four arrays of an archive.
fn members(path: &Path, limits: &Limits) -> Result<[Seekable; 4], SourceError> {
    let wrong = |what: String| SourceError::Format {
        path: path.to_path_buf(),
        format: "archive of arrays",
        what,
    };
    let file = Seekable::open(path, limits)?;
    if file.len() > limits.source_bytes {
        let (path, limit) = (path.to_path_buf(), limits.source_bytes);
        return Err(SourceError::TooLarge { path, limit });
    }
    let mut bytes = vec![0; file.len() as usize];
    file.read_at(0, &mut bytes)?;
    let members = zip::members(&bytes).map_err(|error| wrong(error.to_string()))?;
    let has = |name: &str| members.contains_key(format!("{name}.npy").as_str());
    let Some(names) = NAMES.iter().find(|names| names.iter().all(|name| has(name))) else {
        let known = NAMES.map(|names| names.join(", ")).join("; or ");
        let found: Vec<&str> = members.keys().copied().take(20).collect();
        return Err(wrong(format!("it has {}: name the arrays {known}", found.join(", "))));
    };
    let mut left = usize::try_from(limits.source_bytes).unwrap_or(usize::MAX);
    let mut unpack = |name: &str| {
        let file = format!("{name}.npy");
        let unpacked = members[file.as_str()].unpack(&file, left);
        let unpacked = unpacked.map_err(|error| wrong(error.to_string()))?;
        left -= unpacked.len();
        Ok(Seekable::of_memory(&path.join(file), unpacked))
    };
    Ok([unpack(names[0])?, unpack(names[1])?, unpack(names[2])?, unpack(names[3])?])
}

/// One split: an array of items, and a label for each.
struct Arrays {
    items: Seekable,
    element: Element,
    /// Where the numbers begin.
    begin: u64,
    codec: Codec,
    labels: Vec<u8>,
}

impl Arrays {
    fn open(items: Seekable, labels: &Seekable, limits: &Limits) -> Result<Arrays, SourceError> {
        let wrong = |what: String| SourceError::Format {
            path: items.path().to_path_buf(),
            format: "array",
            what,
        };
        let (header, begin) = header(&items)?;
        let (count, codec) = described(&header).map_err(wrong)?;
        let size = item_len(codec) * header.element.bytes() as u128;
        let need = u128::from(begin) + size * u128::from(count);
        if need != u128::from(items.len()) {
            let path = items.path().to_path_buf();
            let (have, need) = (items.len(), u64::try_from(need).unwrap_or(u64::MAX));
            let is_cut = have < need;
            return Err(match is_cut {
                true => SourceError::Truncated { path, have, need },
                false => SourceError::Trailing { path, need },
            });
        }
        if size > u128::from(limits.image_bytes) {
            return Err(wrong(format!(
                "an item of {size} bytes: raise the limit `image_bytes` if you trust it"
            )));
        }
        let labels_path = labels.path().to_path_buf();
        let labels = read_labels(labels, limits)?;
        if labels.len() as u64 != count {
            return Err(SourceError::Counts {
                images: items.path().to_path_buf(),
                image_count: count,
                labels: labels_path,
                label_count: labels.len() as u64,
            });
        }
        Ok(Arrays { items, element: header.element, begin, codec, labels })
    }

    fn path(&self) -> PathBuf {
        self.items.path().to_path_buf()
    }

    fn item_shape(&self) -> (usize, usize, usize) {
        match self.codec {
            Codec::Raw8 { h, w, c } | Codec::Floats { h, w, c } => (h, w, c),
            Codec::Grey8 { h, w } => (h, w, 1),
            Codec::Image => (0, 0, 0), // an array is never encoded
        }
    }

    fn shape(&self) -> (u64, usize, usize) {
        let (h, w, _) = self.item_shape();
        (self.labels.len() as u64, h, w)
    }

    fn sha256(&self) -> Result<String, SourceError> {
        let mut digest = Sha256::new();
        let mut from = self.items.reader();
        let mut block = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut block);
            match read.map_err(|source| SourceError::Read { path: self.path(), source })? {
                0 => break,
                read => digest.update(&block[..read]),
            }
        }
        digest.update(&self.labels);
        Ok(hex(digest))
    }
}

impl Half for Arrays {
    fn len(&self) -> u64 {
        self.labels.len() as u64
    }

    fn read(&self, index: u64) -> Result<RawItem, SourceError> {
        let size = item_len(self.codec) as usize * self.element.bytes();
        let mut bytes = vec![0; size];
        self.items.read_at(self.begin + index * size as u64, &mut bytes)?;
        if let Codec::Floats { .. } = self.codec {
            bytes = floats(self.element, &bytes);
        }
        Ok(RawItem { bytes, label: self.labels[index as usize] })
    }

    fn name(&self, index: u64) -> Option<String> {
        Some(format!("{}, item {index}", self.items.path().display()))
    }

    fn missing(&self, index: u64) -> SourceError {
        SourceError::Index { path: self.path(), index, len: self.len() }
    }
}

/// Reads a file's header, and where its numbers begin.
fn header(file: &Seekable) -> Result<(Header, u64), SourceError> {
    let mut begin = vec![0; file.len().min(Header::BYTES_MAX as u64) as usize];
    file.read_at(0, &mut begin)?;
    match Header::split(&begin) {
        Ok((header, rest)) => Ok((header, (begin.len() - rest.len()) as u64)),
        Err(error) => {
            let (path, what) = (file.path().to_path_buf(), error.to_string());
            Err(SourceError::Format { path, format: "array", what })
        }
    }
}

/// How many items a header means and what each of them is, or why it means none.
fn described(header: &Header) -> Result<(u64, Codec), String> {
    if header.is_fortran {
        return Err("it is in Fortran order: save numpy.ascontiguousarray(array)".into());
    }
    let is_bytes = header.element == Element::U1;
    let (count, (h, w, c)) = match header.shape[..] {
        [n, d] => (n, (1, 1, d)),
        [n, h, w] => (n, (h, w, 1)),
        [n, h, w, c] => (n, (h, w, c)),
        _ => {
            let shape = &header.shape[..header.shape.len().min(8)];
            return Err(format!(
                "its shape is {shape:?}: it must be [N, H, W, C], [N, H, W] or [N, D]"
            ));
        }
    };
    if [count, h, w, c].contains(&0) {
        return Err(format!("its shape is {:?}: there is nothing in it", header.shape));
    }
    match (is_bytes, header.shape.len()) {
        (true, 4) if c > 4 => Err(format!("{c} channels of bytes: pictures have 1 to 4")),
        (true, 3 | 4) => Ok((count as u64, Codec::Raw8 { h, w, c })),
        _ => Ok((count as u64, Codec::Floats { h, w, c })),
    }
}

/// Numbers of an item; a product of three lengths fits.
fn item_len(codec: Codec) -> u128 {
    match codec {
        Codec::Raw8 { h, w, c } | Codec::Floats { h, w, c } => {
            [h, w, c].iter().fold(1, |product: u128, &side| product.saturating_mul(side as u128))
        }
        Codec::Grey8 { h, w } => (h as u128).saturating_mul(w as u128),
        Codec::Image => 0, // an array is never encoded
    }
}

/// The labels of a split, as classes.
fn read_labels(file: &Seekable, limits: &Limits) -> Result<Vec<u8>, SourceError> {
    let path = || file.path().to_path_buf();
    let wrong =
        |what: String| SourceError::Format { path: path(), format: "array of labels", what };
    if file.len() > limits.source_bytes {
        return Err(SourceError::TooLarge { path: path(), limit: limits.source_bytes });
    }
    let mut bytes = vec![0; file.len() as usize];
    file.read_at(0, &mut bytes)?;
    let labels = Npy::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
    if !matches!(labels.shape(), [_] | [_, 1]) {
        return Err(wrong(format!("its shape is {:?}: it must be [N]", labels.shape())));
    }
    match labels {
        Npy::U8(labels) => Ok(labels.into_iter().collect()),
        Npy::I64(labels) => {
            let class = |(index, label): (usize, i64)| match u8::try_from(label) {
                Ok(label) => Ok(label),
                Err(_) => Err(wrong(format!(
                    "label {index} is {label}: classes are numbered from 0 to {}",
                    CLASSES_MAX - 1
                ))),
            };
            labels.into_iter().enumerate().map(class).collect()
        }
        Npy::F32(_) | Npy::F64(_) => {
            Err(wrong("labels are whole numbers: save array.astype(\"<i8\")".into()))
        }
    }
}

/// Numbers of any type as little-endian `f32`.
fn floats(element: Element, bytes: &[u8]) -> Vec<u8> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<u8> {
        bytes.as_chunks().0.iter().flat_map(|&one| number(one).to_le_bytes()).collect()
    }
    match element {
        Element::B1 | Element::U1 => each(bytes, |b| u8::from_le_bytes(b).into()),
        Element::I1 => each(bytes, |b| i8::from_le_bytes(b).into()),
        Element::I2 => each(bytes, |b| i16::from_le_bytes(b).into()),
        Element::U2 => each(bytes, |b| u16::from_le_bytes(b).into()),
        Element::F2 => each(bytes, |b| widened(u16::from_le_bytes(b))),
        Element::I4 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Element::U4 => each(bytes, |b| u32::from_le_bytes(b) as f32),
        Element::F4 => bytes.to_vec(),
        Element::I8 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        Element::U8 => each(bytes, |b| u64::from_le_bytes(b) as f32),
        Element::F8 => each(bytes, |b| f64::from_le_bytes(b) as f32),
    }
}
