//! Cuts a square out of an image, at a random place: no single detail may decide.
//!
//! Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", arXiv:1708.04552: the
//! middle is uniform over the image, what lies outside is cut off, and the square becomes 0, the mean of the training pixels.

use serde::{Deserialize, Serialize};

use super::{Canvas, Key, Vary};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 4;

/// How large a square is cut out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutout {
    /// Pixels of the square's side. 0 cuts nothing.
    pub side: u32,
}

impl Vary for Cutout {
    fn is_identity(&self) -> bool {
        self.side == 0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        let (h, w, c) = canvas.shape();
        let side = self.side as usize;
        let mut span = |n: usize| {
            let middle = stream.next_below(n.clamp(1, u32::MAX as usize) as u32) as usize;
            let end = (middle + side).saturating_sub(side / 2).min(n);
            middle.saturating_sub(side / 2)..end
        };
        let (rows, columns) = (span(h), span(w));
        let lines = canvas.image_mut().chunks_exact_mut((w * c).max(1));
        for line in lines.take(rows.end).skip(rows.start) {
            line[columns.start * c..columns.end * c].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    #[test]
    fn a_square_around_the_drawn_middle_becomes_the_mean_and_nothing_else_changes() {
        let (h, w, c) = (9usize, 7usize, 3usize);
        let levels = Levels { black: vec![0.5; 3], white: vec![1.5; 3] };
        for (side, item) in (0..100).map(|item| (1 + item as i64 % 10, item)) {
            let key = Key { seed: 3, epoch: 1, item };
            let mut canvas = Canvas::new(vec![1.0; h * w * c], (h, w, c), &levels);
            Cutout { side: side as u32 }.vary(&mut canvas, key);
            let mut stream = key.stream().substream(STREAM);
            let middle = [h, w].map(|n| i64::from(stream.next_below(n as u32)));
            let inside = |place: usize, middle: i64| {
                (middle - side / 2..middle - side / 2 + side).contains(&(place as i64))
            };
            for (at, value) in canvas.into_image().into_iter().enumerate() {
                let (y, x) = (at / (w * c), at / c % w);
                let is_cut = inside(y, middle[0]) && inside(x, middle[1]);
                assert_eq!(value, if is_cut { 0.0 } else { 1.0 }, "item {item}, pixel {y}, {x}");
            }
        }
    }
}
