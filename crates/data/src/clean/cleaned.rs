//! A source without what was set aside, with its holes filled and its classes renamed.

use super::Relabelled;
use crate::{Codec, Fit, RawItem, Source, SourceError, Split};
use sha2::{Digest, Sha256};
use std::{path::PathBuf, sync::Arc};

/// What is left of a source. Its items are numbered anew, without gaps, in the order of the source.
pub struct Cleaned {
    source: Arc<dyn Source>,
    /// Of the train and of the test split: the numbers of the items in the source.
    kept: Arc<[Vec<u32>; 2]>,
    labels: Option<Relabelled>,
    /// By column what its missing numbers become; NaN for those without.
    fill: Vec<f32>,
    sha256: String,
}

impl Cleaned {
    /// What is left of `source`: the items `kept`, of the train and of the test split, with holes of some columns filled.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn new(
        source: Arc<dyn Source>,
        kept: Arc<[Vec<u32>; 2]>,
        labels: Option<Relabelled>,
        filled: &[(usize, f32)],
    ) -> Self {
        let mut fill = Vec::new();
        if !filled.is_empty() {
            fill = vec![f32::NAN; source.shape().2];
            filled.iter().for_each(|(column, number)| fill[*column] = *number);
        }
        let mut cleaned = Cleaned { source, kept, labels, fill, sha256: String::new() };
        cleaned.sha256 = cleaned.hash();
        cleaned
    }

    /// The SHA-256 of what the source is, and of what has become of it.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.source.sha256());
        for kept in &*self.kept {
            hasher.update((kept.len() as u64).to_le_bytes());
            kept.iter().for_each(|number| hasher.update(number.to_le_bytes()));
        }
        self.fill.iter().for_each(|number| hasher.update(number.to_le_bytes()));
        hasher.update(format!("{:?}", self.labels));
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where an item lies in the source.
    fn number(&self, split: Split, index: u64) -> Option<u64> {
        let kept = &self.kept[usize::from(split == Split::Test)];
        kept.get(usize::try_from(index).ok()?).map(|number| u64::from(*number))
    }

    fn needed(&self, split: Split, index: u64) -> Result<u64, SourceError> {
        let path = PathBuf::from(self.source.describe());
        let missing = || SourceError::Index { path, index, len: self.len(split) };
        self.number(split, index).ok_or_else(missing)
    }

    fn class(&self, label: u8) -> u8 {
        self.labels.as_ref().map_or(label, |labels| labels.class(label))
    }

    fn fill(&self, bytes: &mut [u8]) {
        if self.fill.is_empty() {
            return;
        }
        let places = bytes.as_chunks_mut::<4>().0.iter_mut().enumerate();
        for (at, number) in places.filter(|(_, number)| f32::from_le_bytes(**number).is_nan()) {
            *number = self.fill[at % self.fill.len()].to_le_bytes();
        }
    }
}

impl Source for Cleaned {
    fn len(&self, split: Split) -> u64 {
        self.kept[usize::from(split == Split::Test)].len() as u64
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        let RawItem { mut bytes, label } = self.source.read(split, self.needed(split, index)?)?;
        self.fill(&mut bytes);
        Ok(RawItem { bytes, label: self.class(label) })
    }

    fn label(&self, split: Split, index: u64) -> Result<u8, SourceError> {
        Ok(self.class(self.source.label(split, self.needed(split, index)?)?))
    }

    fn shape(&self) -> (usize, usize, usize) {
        self.source.shape()
    }

    fn classes(&self) -> usize {
        self.labels.as_ref().map_or(self.source.classes(), |labels| labels.names().len())
    }

    fn class_names(&self) -> &[String] {
        self.labels.as_ref().map_or(self.source.class_names(), Relabelled::names)
    }

    fn feature_names(&self) -> &[String] {
        self.source.feature_names()
    }

    fn codec(&self) -> Codec {
        self.source.codec()
    }

    fn fit(&self) -> Option<Fit> {
        self.source.fit()
    }

    /// The name in the source, or the number that it has there.
    fn name_of(&self, split: Split, index: u64) -> Option<String> {
        let number = self.number(split, index)?;
        let named = self.source.name_of(split, number);
        Some(named.unwrap_or_else(|| format!("{split} item {number}")))
    }

    /// Of what the source is, and of what has become of it: so that no cache or checkpoint of other items is taken for one of these.
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn describe(&self) -> String {
        let (train, test) = (self.len(Split::Train), self.len(Split::Test));
        format!("{}; cleaned: {train} train, {test} test", self.source.describe())
    }
}
