//! A source of two halves that are alike: what every kind of file with numbered items shares.

use sha2::{Digest, Sha256};

use super::{RawItem, Source, SourceError, Split};
use crate::{Codec, Fit};

/// One split: items that can be read in any order.
pub(super) trait Half: Send + Sync {
    /// How many items it has.
    fn len(&self) -> u64;

    /// Item `index`, which is below [`Half::len`].
    fn read(&self, index: u64) -> Result<RawItem, SourceError>;

    /// What item `index`, below [`Half::len`], is called; none when it has only its number.
    fn name(&self, index: u64) -> Option<String>;

    /// The error of an item that is not there.
    fn missing(&self, index: u64) -> SourceError;
}

/// Both splits, and what holds for all their items.
pub(super) struct Halves<H> {
    pub(super) train: H,
    pub(super) test: H,
    /// `(H, W, C)` of every item.
    pub(super) shape: (usize, usize, usize),
    pub(super) codec: Codec,
    pub(super) fit: Option<Fit>,
    pub(super) classes: usize,
    /// As many as classes, or none.
    pub(super) class_names: Vec<String>,
    /// As many as features, or none.
    pub(super) feature_names: Vec<String>,
    pub(super) sha256: String,
    /// What it is and where: the begin of [`Source::describe`].
    pub(super) name: String,
}

impl<H> Halves<H> {
    fn half(&self, split: Split) -> &H {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl<H: Half> Source for Halves<H> {
    fn len(&self, split: Split) -> u64 {
        self.half(split).len()
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        let half = self.half(split);
        if index < half.len() { half.read(index) } else { Err(half.missing(index)) }
    }

    fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    fn codec(&self) -> Codec {
        self.codec
    }

    fn fit(&self) -> Option<Fit> {
        self.fit
    }

    fn name_of(&self, split: Split, index: u64) -> Option<String> {
        let half = self.half(split);
        if index < half.len() { half.name(index) } else { None }
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn describe(&self) -> String {
        let (train, test, name) = (self.train.len(), self.test.len(), &self.name);
        match (self.codec, self.shape) {
            (Codec::Floats { .. }, (1, 1, d)) => {
                format!("{name}: {train} train, {test} test, {d} features")
            }
            (_, (h, w, c)) => format!("{name}: {train} train, {test} test, {h}x{w}x{c}"),
        }
    }
}

/// A digest in lower-case hex.
pub(super) fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
