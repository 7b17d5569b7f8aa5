//! What the file of a model holds: one round of its fit, and its prediction.
//!
//! A model sees checked rows and classes numbered from 0; tables, labels and states are the business of `baseline.rs`.

use planaria_random::{Purpose, Stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::Failure, table::Rows};

/// One round of a fit: all that its result depends on, beside what the round before has learnt.
pub(crate) struct Lesson<'a> {
    /// From 0.
    pub(crate) round: u32,
    /// `[N, D]`.
    pub(crate) rows: Rows<'a>,
    /// `[N]`: the class of every row, from 0.
    pub(crate) targets: &'a [u8],
    /// `K`, at least 2; each occurs.
    pub(crate) classes: usize,
    pub(crate) seed: u64,
}

impl Lesson<'_> {
    /// The places of the rows of these two classes, ascending.
    pub(crate) fn places_of(&self, [low, high]: [usize; 2]) -> Vec<usize> {
        let wanted = |&place: &usize| {
            let class = usize::from(self.targets[place]);
            class == low || class == high
        };
        (0..self.rows.len()).filter(wanted).collect()
    }

    /// A seed for the library's own generator, keyed by `item`.
    pub(crate) fn own_seed(&self, item: u32) -> u64 {
        let mut stream = Stream::new(self.seed, Purpose::Baseline, item, 0);
        u64::from(stream.next_u32()) << 32 | u64::from(stream.next_u32())
    }
}

/// A classical model: pure functions over what it learns.
pub(crate) trait Model: Sync {
    /// What it carries from round to round, and predicts with: the model as it is serialised.
    type Learnt: Serialize + DeserializeOwned;

    /// How many rounds make the whole fit, at least 1.
    fn rounds(&self) -> u32;

    /// Does the lesson's round; `before` is what the round before gave, `None` in round 0.
    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Self::Learnt>,
    ) -> Result<Self::Learnt, Failure>;

    /// The class of every row, from 0 to `classes - 1`, after all rounds.
    fn classify(
        &self,
        learnt: &Self::Learnt,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure>;
}

/// A model whose knowledge is bytes: how the table of all models holds them.
pub(crate) trait AnyModel: Sync {
    fn rounds(&self) -> u32;
    fn learn(&self, lesson: &Lesson<'_>, before: Option<&[u8]>) -> Result<Vec<u8>, Failure>;
    fn classify(
        &self,
        learnt: &[u8],
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure>;
}

impl<M: Model> AnyModel for M {
    fn rounds(&self) -> u32 {
        Model::rounds(self)
    }

    fn learn(&self, lesson: &Lesson<'_>, before: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
        let before = before.map(postcard::from_bytes).transpose()?;
        Ok(postcard::to_allocvec(&Model::learn(self, lesson, before)?)?)
    }

    fn classify(
        &self,
        learnt: &[u8],
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        Model::classify(self, &postcard::from_bytes(learnt)?, rows, classes)
    }
}

/// The place of the largest score, the first among equals; 0 when there is none.
pub(crate) fn largest<T: PartialOrd>(scores: impl IntoIterator<Item = T>) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (place, score) in scores.into_iter().enumerate() {
        if best.as_ref().is_none_or(|(_, largest)| score > *largest) {
            best = Some((place, score));
        }
    }
    best.map_or(0, |(place, _)| place)
}
