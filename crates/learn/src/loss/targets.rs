//! What outputs should be: classes, or a number for each.

use ndarray::{ArrayView1, ArrayView2, Axis};

/// What a shard's outputs should be.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// One class a sample: 1 for this class and 0 for the others.
    Classes(&'a [u8]),
    /// `[N, K]`: a probability for each class, or for mean squares any number.
    Values(ArrayView2<'a, f32>),
}

/// What one sample's outputs should be.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// 1 for this class and 0 for the others.
    Class(usize),
    /// `[K]`.
    Values(ArrayView1<'a, f32>),
}

impl<'a> Targets<'a> {
    /// How many samples.
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes(labels) => labels.len(),
            Targets::Values(values) => values.nrows(),
        }
    }

    /// True when there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That of one sample.
    ///
    /// # Panics
    /// When there is no such sample.
    pub fn of(&self, sample: usize) -> Target<'a> {
        match self {
            Targets::Classes(labels) => Target::Class(usize::from(labels[sample])),
            Targets::Values(values) => Target::Values((*values).index_axis_move(Axis(0), sample)),
        }
    }

    /// True when every target is one of a net of so many classes.
    pub fn fit(&self, classes: usize) -> bool {
        match self {
            Targets::Classes(labels) => labels.iter().all(|&label| usize::from(label) < classes),
            Targets::Values(values) => values.ncols() == classes,
        }
    }
}

impl Target<'_> {
    /// What the output of a class should be.
    pub(super) fn value(&self, class: usize) -> f64 {
        match self {
            Target::Class(label) => f64::from(u8::from(*label == class)),
            Target::Values(values) => f64::from(values[class]),
        }
    }

    /// The class that should be on top, the first of equals.
    pub(super) fn top(&self) -> usize {
        match self {
            Target::Class(label) => *label,
            Target::Values(values) => super::top_class(*values),
        }
    }
}
