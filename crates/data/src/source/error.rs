//! Why a source, or one item of it, cannot be used: what, where, and what to do.

use std::path::PathBuf;

use crate::DecodeError;

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("{path}: there is no such file: correct the path or fetch the data", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{path}: is not a file: give the path of a file", path = path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {path}: check its permissions and its disk", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What a packed file holds is damaged or cut, or something else follows it.
    #[error("{path}: the {packing} stream is damaged or cut: fetch the file again", path = path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// What it is packed in.
        packing: &'static str,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// There is no room for what a packed file holds.
    #[error(
        "{path}: cannot be unpacked to {folder}: set TMPDIR to a folder with more room, or unpack \
         the file yourself", path = path.display(), folder = folder.display()
    )]
    Scratch {
        /// The packed file.
        path: PathBuf,
        /// The folder of scratch files.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what its kind of source needs.
    #[error("{path}: is no {format} that can be used: {what}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        format: &'static str,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// One item of a file cannot be used; the others can.
    #[error("{path}, {place}: {what}", path = path.display())]
    Item {
        /// The file.
        path: PathBuf,
        /// Where in it: `line 7`, `row 12`, `entry a/b.png`.
        place: String,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// The file ends early. Bytes are counted uncompressed.
    #[error(
        "{path}: ends after {have} of {need} bytes: the copy is incomplete or its header lies, \
         fetch it again", path = path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        have: u64,
        /// Bytes that the format or the header asks for.
        need: u64,
    },
    /// The file goes on after its last item. Bytes are counted uncompressed.
    #[error(
        "{path}: goes on after the {need} bytes that its header announces: the header lies or \
         something was appended, fetch it again", path = path.display()
    )]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces, with itself.
        need: u64,
    },
    /// The file begins with the wrong four bytes.
    #[error(
        "{path}: begins with {found:#010x} where IDX {kind} begin with {need:#010x}: are images \
         and labels swapped, or is it another kind of file?", path = path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        kind: &'static str,
        /// The first four bytes, big-endian.
        found: u32,
        /// What they should be.
        need: u32,
    },
    /// The file is or says that it is larger than allowed.
    #[error(
        "{path}: holds or announces more than {limit} bytes: raise the limit `source_bytes` if \
         you trust it", path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// [`crate::Limits::source_bytes`].
        limit: u64,
    },
    /// The images are larger than allowed.
    #[error(
        "{path}: images of {h}x{w} pixels: raise the limit `{limit}` if you trust it",
        path = path.display()
    )]
    ImageTooLarge {
        /// The file of images.
        path: PathBuf,
        /// Height in pixels.
        h: u64,
        /// Width in pixels.
        w: u64,
        /// The name of the limit in [`crate::Limits`].
        limit: &'static str,
    },
    /// The file holds no image, or images without a pixel.
    #[error(
        "{path}: {count} images of {h}x{w} pixels are nothing to learn from: is it the right \
         file?", path = path.display()
    )]
    Empty {
        /// The file of images.
        path: PathBuf,
        /// Images in the header.
        count: u64,
        /// Height in pixels.
        h: u64,
        /// Width in pixels.
        w: u64,
    },
    /// Images and labels do not belong together.
    #[error(
        "{images} has {image_count} images and {labels} has {label_count} labels: give two files \
         that belong together", images = images.display(), labels = labels.display()
    )]
    Counts {
        /// The file of images.
        images: PathBuf,
        /// Its items.
        image_count: u64,
        /// The file of labels.
        labels: PathBuf,
        /// Its items.
        label_count: u64,
    },
    /// A label is not one of the classes.
    #[error(
        "{path}, label {index}: {label} is not below the {classes} classes: repair or replace \
         the file", path = path.display()
    )]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// Which label, from 0.
        index: u64,
        /// Its value.
        label: u8,
        /// How many classes there are.
        classes: usize,
    },
    /// Training and test images differ in size.
    #[error(
        "{test}: images of {test_h}x{test_w}, but those of {train} are {train_h}x{train_w}: give \
         files of one data set", test = test.display(), train = train.display()
    )]
    Shapes {
        /// The file of training images.
        train: PathBuf,
        /// Its height in pixels.
        train_h: usize,
        /// Its width in pixels.
        train_w: usize,
        /// The file of test images.
        test: PathBuf,
        /// Its height in pixels.
        test_h: usize,
        /// Its width in pixels.
        test_w: usize,
    },
    /// An item was asked for that is not there.
    #[error("{path}: there is no item {index} among {len}: ask below the length", path = path.display())]
    Index {
        /// The file of images.
        path: PathBuf,
        /// The item asked for.
        index: u64,
        /// Items of the split.
        len: u64,
    },
    /// There is no such folder.
    #[error(
        "{path}: there is no such folder: pictures lie in `train/<class>/` and `test/<class>/` of \
         the source's path", path = path.display()
    )]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The path is a file.
    #[error("{path}: is not a folder: each class has a folder of its own", path = path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A folder lies among a class's pictures.
    #[error("{path}: is a folder among pictures: move its pictures up", path = path.display())]
    Nested {
        /// The folder.
        path: PathBuf,
    },
    /// Not enough classes, or too many.
    #[error("{path}: holds {found} folders of classes: there may be 2 to {limit}", path = path.display())]
    Classes {
        /// The folder of training classes.
        path: PathBuf,
        /// Folders in it.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A class that cannot be shown.
    #[error(
        "{path}: a class's name must be UTF-8 and without control characters: rename the folder",
        path = path.display()
    )]
    ClassName {
        /// The folder of the class.
        path: PathBuf,
    },
    /// A class to measure on that is not learnt.
    #[error(
        "{path}: no such class is among those of {train}: rename or remove the folder",
        path = path.display(), train = train.display()
    )]
    UnknownClass {
        /// The folder of the class.
        path: PathBuf,
        /// The folder of training classes.
        train: PathBuf,
    },
    /// A folder without pictures.
    #[error(
        "{path}: holds no picture (`.png`, `.jpg`, ...): is it the right folder?",
        path = path.display()
    )]
    NoPictures {
        /// The folder.
        path: PathBuf,
    },
    /// More files than allowed.
    #[error(
        "{path}: the source holds over {limit} files: raise the limit `source_files` if you \
         trust it", path = path.display()
    )]
    TooManyFiles {
        /// The folder at which it was found.
        path: PathBuf,
        /// [`crate::Limits::source_files`].
        limit: u64,
    },
    /// More rows than allowed.
    #[error(
        "{path}: the table has over {limit} rows: raise the limit `source_rows` if you trust it",
        path = path.display()
    )]
    TooManyRows {
        /// The file at which it was found.
        path: PathBuf,
        /// [`crate::Limits::source_rows`].
        limit: u64,
    },
    /// No picture tells what the pictures are like.
    #[error("{path}: this picture cannot be read, nor can those of any other class", path = path.display())]
    Picture {
        /// The first one.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
}
