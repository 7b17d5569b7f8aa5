//! An image as features: the same numbers in the same order, `[H, W, C]` row by row.

use super::Build;
use crate::builder::Builder;
use crate::shape::{Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// Flattening has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Build for Flatten {
    fn example() -> Self {
        Flatten {}
    }

    /// Gives the image another name; features stay features.
    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        net.rename(Shape::Features(net.shape().len()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flatten_keeps_every_number() {
        let flat = |x: Shape| {
            let mut net = Builder::new(x, true).unwrap();
            Flatten {}.build(&mut net).unwrap();
            net.shape()
        };
        assert_eq!(flat(Shape::Image { h: 2, w: 3, c: 4 }), Shape::Features(24));
        assert_eq!(flat(Shape::Sequence { length: 2, channels: 3 }), Shape::Features(6));
        assert_eq!(flat(Shape::Features(5)), Shape::Features(5));
    }
}
