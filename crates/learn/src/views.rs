//! Several looks at one image, whose probabilities are averaged: test-time augmentation.
//!
//! Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
//! NIPS 2012, section 4.1.

use crate::Shape;
use ndarray::{Array4, ArrayView4, s};
use serde::{Deserialize, Serialize};

/// How an image is looked at: as it is, and as these say. Without any, once.
///
/// ```
/// use planaria_learn::Views;
/// assert_eq!(Views { mirror: true, shift: 1 }.count(), 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Views {
    /// Each view left to right, too.
    #[serde(default)]
    pub mirror: bool,
    /// Moved by so many pixels up, down, left and right, too; the pixels of the edge fill the gap.
    #[serde(default)]
    pub shift: usize,
}

/// Where an image is moved to, in units of the shift: itself first.
const PLACES: [[isize; 2]; 5] = [[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]];

impl Views {
    /// How many there are of an image.
    pub fn count(&self) -> usize {
        let places = if self.shift == 0 { 1 } else { PLACES.len() };
        places * if self.mirror { 2 } else { 1 }
    }

    /// True when an image is looked at once, as it is.
    pub fn is_one(&self) -> bool {
        self.count() == 1
    }

    /// Why images of this shape cannot be looked at so, if they cannot.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self, input: Shape) -> Result<(), String> {
        match input {
            _ if self.is_one() => Ok(()),
            Shape::Image { h, w, .. } if self.shift < h.min(w) => Ok(()),
            Shape::Image { h, w, .. } => {
                Err(format!("an image of {h}x{w} cannot be moved by {} pixels", self.shift))
            }
            other => Err(format!("only images can be moved and mirrored, not {other}")),
        }
    }

    /// View number `number` of all `images [N, H, W, C]`.
    pub(crate) fn of(&self, number: usize, images: ArrayView4<f32>) -> Array4<f32> {
        let (_, h, w, _) = images.dim();
        let [down, right] = PLACES[if self.mirror { number / 2 } else { number }];
        let from = |at: usize, moved: isize, len: usize| {
            let moved = moved * self.shift as isize;
            (at as isize - moved).clamp(0, len as isize - 1) as usize
        };
        let mut view = Array4::zeros(images.raw_dim());
        for row in 0..h {
            for column in 0..w {
                let seen = from(column, right, w);
                let seen = if self.mirror && number % 2 == 1 { w - 1 - seen } else { seen };
                let pixels = images.slice(s![.., from(row, down, h), seen, ..]);
                view.slice_mut(s![.., row, column, ..]).assign(&pixels);
            }
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// All views of one image of a channel.
    fn views(views: Views, image: [[f32; 3]; 3]) -> Vec<Vec<f32>> {
        let image = array![image].into_shape_with_order((1, 3, 3, 1)).expect("nine pixels");
        let view = |number| views.of(number, image.view()).into_raw_vec_and_offset().0;
        (0..views.count()).map(view).collect()
    }

    const IMAGE: [[f32; 3]; 3] = [[1., 2., 3.], [4., 5., 6.], [7., 8., 9.]];

    #[test]
    fn the_first_view_is_the_image_and_the_edge_fills_the_gap() {
        let moved = [
            [1., 2., 3., 4., 5., 6., 7., 8., 9.],
            [4., 5., 6., 7., 8., 9., 7., 8., 9.],
            [1., 2., 3., 1., 2., 3., 4., 5., 6.],
            [2., 3., 3., 5., 6., 6., 8., 9., 9.],
            [1., 1., 2., 4., 4., 5., 7., 7., 8.],
        ];
        assert_eq!(views(Views { mirror: false, shift: 1 }, IMAGE), moved);
        assert_eq!(views(Views::default(), IMAGE), &moved[..1]);
    }

    #[test]
    fn every_view_is_mirrored_when_that_is_asked_for() {
        let both = views(Views { mirror: true, shift: 0 }, IMAGE);
        assert_eq!(both[1], [3., 2., 1., 6., 5., 4., 9., 8., 7.]);
        assert_eq!(views(Views { mirror: true, shift: 2 }, IMAGE).len(), 10);
    }

    #[test]
    fn what_cannot_be_moved_is_refused() {
        let image = Shape::Image { h: 3, w: 5, c: 1 };
        let moved = |shift| Views { mirror: false, shift };
        assert_eq!(moved(2).check(image), Ok(()));
        assert!(moved(3).check(image).is_err_and(|reason| reason.contains("3x5")));
        assert!(moved(1).check(Shape::Features(4)).is_err());
        assert_eq!(Views::default().check(Shape::Features(4)), Ok(()));
    }
}
