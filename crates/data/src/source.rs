//! Where raw items come from: numbered, the same bytes under the same number every time.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::{Codec, Fit};

mod error;
pub mod unpack;
pub mod seekable;
mod halves;
pub mod idx;
pub mod embedded;
pub mod folder;
pub mod cifar;
pub mod numpy;
mod classes;
pub mod tar;
pub mod table;
mod settings;
mod stamp;

pub use error::SourceError;
pub use settings::SourceSettings;

/// The half of a data set: what is learnt from, and what is only measured on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Split {
    /// Items to learn from.
    Train,
    /// Items to measure on.
    Test,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// One item as it lies in the source: still encoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawItem {
    /// The bytes that the source's [`Codec`] decodes.
    pub bytes: Vec<u8>,
    /// The class, below [`Source::classes`].
    pub label: u8,
}

/// A data set whose items can be read in any order, from any thread, as often as wanted.
pub trait Source: Send + Sync {
    /// How many items a split has; at least one.
    fn len(&self, split: Split) -> u64;

    /// True when a split has no items.
    fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }

    /// Reads item `index` of a split: always the same bytes and label.
    ///
    /// # Errors
    /// [`SourceError::Index`] when `index` is not below [`Source::len`], and what reading may meet.
    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError>;

    /// The class of item `index` of a split, as [`Source::read`] would give it.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    fn label(&self, split: Split, index: u64) -> Result<u8, SourceError> {
        Ok(self.read(split, index)?.label)
    }

    /// `(H, W, C)` that every item comes to.
    fn shape(&self) -> (usize, usize, usize);

    /// How many classes there are: every label of both splits is below.
    fn classes(&self) -> usize;

    /// What the classes are called, in their order; empty when they have only numbers.
    fn class_names(&self) -> &[String] {
        &[]
    }

    /// What the columns of a table are called, in the order of its features; empty for all else.
    fn feature_names(&self) -> &[String] {
        &[]
    }

    /// How the items are decoded.
    fn codec(&self) -> Codec;

    /// How a decoded item of another size comes to [`Source::shape`]; without it, it is refused.
    fn fit(&self) -> Option<Fit> {
        None
    }

    /// What item `index` of a split is called in the source, for people who look for it; none when it has only its number.
    fn name_of(&self, split: Split, index: u64) -> Option<String> {
        let _ = (split, index); // a source of numbered items names none
        None
    }

    /// The SHA-256 of the training data in lower-case hex; each source says of which bytes.
    fn sha256(&self) -> &str;

    /// One line for people: `MNIST, embedded: 60000 train, 10000 test, 28x28x1`.
    fn describe(&self) -> String;
}

/// Opens a file of a source, when it is one: opening a pipe would wait for its writer.
fn open_file(path: &Path) -> Result<File, SourceError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => SourceError::Missing { path: path.to_path_buf() },
        _ => SourceError::Read { path: path.to_path_buf(), source },
    };
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(SourceError::NotAFile { path: path.to_path_buf() });
    }
    File::open(path).map_err(unreadable)
}
