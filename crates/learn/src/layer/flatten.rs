//! An image as features: the same numbers in the same order, `[H, W, C]` row by row.

use super::{Planned, Step};
use crate::shape::Shape;

/// Gives the image another name; features stay features.
pub(crate) fn plan(x: Shape) -> Planned {
    Planned { output: Shape::Features(x.len()), step: Step::Rename }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flatten_keeps_every_number() {
        assert_eq!(plan(Shape::Image { h: 2, w: 3, c: 4 }).output, Shape::Features(24));
        assert_eq!(plan(Shape::Features(5)).output, Shape::Features(5));
    }
}
