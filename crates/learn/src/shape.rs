//! The shape of what flows between layers, and every way in which shapes can disagree.

use ndarray::{ArrayView2, ArrayViewD};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What one sample looks like between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// Pixels `[H, W, C]`, the channels of a pixel side by side.
    Image {
        /// Rows.
        h: usize,
        /// Columns.
        w: usize,
        /// Channels.
        c: usize,
    },
    /// Places in a row, `[L, C]`, such as the words of a text: the channels of a place side by side.
    Sequence {
        /// Places.
        length: usize,
        /// Channels.
        channels: usize,
    },
    /// A list of numbers without places.
    Features(usize),
}

impl Shape {
    /// How many numbers a sample has.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.checked_len().expect("a shape that a network accepted is small")
    }

    /// The numbers of whole samples, one after another, as `[N, H, W, C]`,
    /// `[N, L, C]` or `[N, D]`.
    ///
    /// # Panics
    /// When the last sample is not whole.
    pub fn samples<'a>(&self, numbers: &'a [f32]) -> ArrayViewD<'a, f32> {
        let count = numbers.len() / self.len();
        let view = match *self {
            Shape::Image { h, w, c } => ArrayViewD::from_shape(&[count, h, w, c][..], numbers),
            Shape::Sequence { length, channels } => {
                ArrayViewD::from_shape(&[count, length, channels][..], numbers)
            }
            Shape::Features(d) => ArrayViewD::from_shape(&[count, d][..], numbers),
        };
        view.expect("samples are whole")
    }

    /// True when `axes` are those of samples of this shape, see [`Shape::samples`].
    pub(crate) fn fits(&self, axes: &[usize]) -> bool {
        match *self {
            Shape::Image { h, w, c } => matches!(axes, [_, rest @ ..] if rest == [h, w, c]),
            Shape::Sequence { length, channels } => {
                matches!(axes, [_, rest @ ..] if rest == [length, channels])
            }
            Shape::Features(d) => matches!(axes, [_, rest @ ..] if rest == [d]),
        }
    }

    /// Places and the numbers that lie side by side at each: pixels and channels of an image; the
    /// numbers of [`Shape::Features`] lie at one place.
    pub(crate) fn places_and_channels(&self) -> (usize, usize) {
        match *self {
            Shape::Image { h, w, c } => (h * w, c),
            Shape::Sequence { length, channels } => (length, channels),
            Shape::Features(n) => (1, n),
        }
    }

    /// Samples of this shape as rows `[N, D]`.
    ///
    /// # Panics
    /// When they have another shape, or are not in standard layout.
    pub(crate) fn rows_of<'a>(&self, images: &ArrayViewD<'a, f32>) -> ArrayView2<'a, f32> {
        let axes = images.shape();
        assert!(self.fits(axes), "images of shape {axes:?} for a net whose input is {self}");
        let shape = (axes[0], self.len());
        let numbers = images.to_slice().expect("images are in standard layout");
        ArrayView2::from_shape(shape, numbers).expect("the length is the shape's")
    }

    /// As [`Shape::len`], or `None` for a number that does not exist.
    pub(crate) fn checked_len(&self) -> Option<usize> {
        match *self {
            Shape::Image { h, w, c } => h.checked_mul(w)?.checked_mul(c),
            Shape::Sequence { length, channels } => length.checked_mul(channels),
            Shape::Features(n) => Some(n),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Image { h, w, c } => write!(f, "{h}x{w}x{c}"),
            Shape::Sequence { length, channels } => write!(f, "{length}x{channels}"),
            Shape::Features(n) => write!(f, "{n}"),
        }
    }
}

/// Why layers do not make a network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// There are no layers.
    #[error("the net has no layers: it needs at least a `dense` layer with a unit for every class")]
    Empty,
    /// The input has no numbers.
    #[error("the input {input} is empty: every side must be at least 1")]
    EmptyInput {
        /// The shape of the input.
        input: Shape,
    },
    /// A layer does not fit where it stands.
    #[error("layer {layer} ({kind}) {problem}")]
    Layer {
        /// The layer's place, counted from 0 as in the names of the parameters, such as `2` or
        /// `3.body.0`.
        layer: String,
        /// The layer's kind.
        kind: &'static str,
        /// What is wrong there.
        problem: Box<Problem>,
    },
}

/// What is wrong with a layer where it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A layer for images got something else.
    #[error("needs an image, but gets {found}: move it before `flatten`")]
    NeedsImage {
        /// What came in.
        found: Shape,
    },
    /// A layer for features got something else.
    #[error("needs features, but gets {found}: put a `flatten` before it")]
    NeedsFeatures {
        /// What came in.
        found: Shape,
    },
    /// A layer for sequences got something else.
    #[error("needs a sequence, but gets {found}: put an `embedding` before it")]
    NeedsSequence {
        /// What came in.
        found: Shape,
    },
    /// A layer that reads the net's input stands behind one that changes it.
    #[error(
        "reads whole numbers as they come in: make it the first layer, or the first of a branch"
    )]
    NotFirst,
    /// The input is smaller than what the layer looks at.
    #[error(
        "needs at least {least}, but gets {found}: remove a layer before it, pad, or use a larger \
         input"
    )]
    TooSmall {
        /// What came in.
        found: Shape,
        /// The least sides, such as `3x3`.
        least: String,
    },
    /// A number of something that must be there.
    #[error("has 0 {what}: it needs at least 1")]
    Zero {
        /// What there must be at least one of.
        what: &'static str,
    },
    /// A setting that is out of its range.
    #[error("has {name} = {value}: it must be {range}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: f64,
        /// What it may be, in words.
        range: &'static str,
    },
    /// Channels that cannot be cut into the groups.
    #[error("has {groups} groups, which do not divide {channels} {what}")]
    Groups {
        /// How many groups.
        groups: usize,
        /// What they must divide.
        channels: usize,
        /// `channels` or `filters`.
        what: &'static str,
    },
    /// Branches whose outputs do not go together.
    #[error("joins {one} and {other}: {advice}")]
    Mismatch {
        /// One branch's output.
        one: Shape,
        /// Another's.
        other: Shape,
        /// How to make them fit.
        advice: &'static str,
    },
    /// A net that ends with something else than features.
    #[error(
        "is the last and gives {found}: end with `flatten` and a `dense` layer with a unit for \
         every class"
    )]
    NoClasses {
        /// What it gives.
        found: Shape,
    },
    /// More classes than a label, one byte, can name.
    #[error("gives {found} classes: there may be 1 to 256")]
    TooManyClasses {
        /// How many it gives.
        found: usize,
    },
    /// More numbers than a network may have.
    #[error("is too large: at most {limit} numbers a sample or parameters of a net")]
    TooLarge {
        /// The greatest number allowed.
        limit: usize,
    },
    /// Layers within layers within layers.
    #[error("is nested too deeply: at most {limit} layers may stand in one another")]
    TooDeep {
        /// The greatest depth.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_print_as_a_reader_writes_them() {
        assert_eq!(Shape::Image { h: 28, w: 28, c: 1 }.to_string(), "28x28x1");
        assert_eq!(Shape::Features(128).to_string(), "128");
        assert_eq!(Shape::Image { h: 28, w: 27, c: 2 }.len(), 1_512);
    }
}
