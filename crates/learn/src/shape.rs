//! The shape of what flows between layers, and every way in which shapes can disagree.

use ndarray::ArrayViewD;
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
    /// A list of numbers without places.
    Features(usize),
}

impl Shape {
    /// How many numbers a sample has.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.checked_len().expect("a shape that a network accepted is small")
    }

    /// The numbers of whole samples, one after another, as `[N, H, W, C]` or `[N, D]`.
    ///
    /// # Panics
    /// When the last sample is not whole.
    pub fn samples<'a>(&self, numbers: &'a [f32]) -> ArrayViewD<'a, f32> {
        let count = numbers.len() / self.len();
        let view = match *self {
            Shape::Image { h, w, c } => ArrayViewD::from_shape(&[count, h, w, c][..], numbers),
            Shape::Features(d) => ArrayViewD::from_shape(&[count, d][..], numbers),
        };
        view.expect("samples are whole")
    }

    /// True when `axes` are those of samples of this shape, `[N, H, W, C]` or `[N, D]`.
    pub(crate) fn fits(&self, axes: &[usize]) -> bool {
        match *self {
            Shape::Image { h, w, c } => matches!(axes, [_, rest @ ..] if rest == [h, w, c]),
            Shape::Features(d) => matches!(axes, [_, rest @ ..] if rest == [d]),
        }
    }

    /// As [`Shape::len`], or `None` for a number that does not exist.
    pub(crate) fn checked_len(&self) -> Option<usize> {
        match *self {
            Shape::Image { h, w, c } => h.checked_mul(w)?.checked_mul(c),
            Shape::Features(n) => Some(n),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Image { h, w, c } => write!(f, "{h}x{w}x{c}"),
            Shape::Features(n) => write!(f, "{n}"),
        }
    }
}

/// Why layers do not make a network. Layers are counted from 0, as in the names of the parameters.
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
    /// A layer for images got features.
    #[error(
        "layer {layer} ({kind}) needs an image, but gets {found} features: move it before `flatten`"
    )]
    NeedsImage {
        /// The layer's number.
        layer: usize,
        /// The layer's kind.
        kind: &'static str,
        /// How many features came in.
        found: usize,
    },
    /// A layer for features got an image.
    #[error(
        "layer {layer} ({kind}) needs features, but gets an image of {found}: put a \
         `flatten` before it"
    )]
    NeedsFeatures {
        /// The layer's number.
        layer: usize,
        /// The layer's kind.
        kind: &'static str,
        /// The image that came in.
        found: Shape,
    },
    /// The image is smaller than what the layer looks at.
    #[error(
        "layer {layer} ({kind}) needs an image of at least {least}x{least}, but gets {found}: \
         remove a layer before it or use larger images"
    )]
    ImageTooSmall {
        /// The layer's number.
        layer: usize,
        /// The layer's kind.
        kind: &'static str,
        /// The image that came in.
        found: Shape,
        /// The least number of rows and columns.
        least: usize,
    },
    /// A convolution without filters or a dense layer without units.
    #[error("layer {layer} ({kind}) has 0 {what}: it needs at least 1")]
    Zero {
        /// The layer's number.
        layer: usize,
        /// The layer's kind.
        kind: &'static str,
        /// What there must be at least one of.
        what: &'static str,
    },
    /// A drop-out rate that is not a share.
    #[error("layer {layer} (dropout) has the rate {rate}: it must be at least 0 and less than 1")]
    Rate {
        /// The layer's number.
        layer: usize,
        /// The rate that was asked for.
        rate: f32,
    },
    /// A net that ends with an image.
    #[error(
        "layer {layer} ({kind}) is the last and gives an image of {found}: end with `flatten` and \
         a `dense` layer with a unit for every class"
    )]
    NoClasses {
        /// The last layer's number.
        layer: usize,
        /// The last layer's kind.
        kind: &'static str,
        /// The image that it gives.
        found: Shape,
    },
    /// More classes than a label, one byte, can name.
    #[error("layer {layer} ({kind}) gives {found} classes: there may be 1 to 256")]
    TooManyClasses {
        /// The last layer's number.
        layer: usize,
        /// The last layer's kind.
        kind: &'static str,
        /// How many it gives.
        found: usize,
    },
    /// More numbers than a network may have.
    #[error(
        "layer {layer} ({kind}) is too large: at most {limit} numbers a sample or parameters \
         of a net"
    )]
    TooLarge {
        /// The layer's number.
        layer: usize,
        /// The layer's kind.
        kind: &'static str,
        /// The greatest number allowed.
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
