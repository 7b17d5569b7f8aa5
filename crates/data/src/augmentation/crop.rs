//! Moves an image by whole pixels: a crop of its own size, at a random place, out of the padded image.
//!
//! Source: He et al., "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2, for zero padding of 4;
//! Jordan, arXiv:2404.00498, for reflection of 2.

use serde::{Deserialize, Serialize};

use super::{Canvas, Key, Vary};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 2;

/// How far an image is moved, and what comes in at its sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crop {
    /// Whole pixels to each side, uniform, separately down and across. 0 moves nothing.
    pub pixels: u32,
    /// What lies beside the image.
    pub padding: Padding,
}

/// What lies beside an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// The image in a mirror that stands in its outermost pixels: these are not repeated.
    #[default]
    Reflect,
    /// Black.
    Zero,
}

impl Padding {
    /// The place among `n` that stands at `place`; none for the background.
    pub(super) fn at(self, place: i64, n: usize) -> Option<usize> {
        match (self, usize::try_from(place)) {
            (_, Ok(inside)) if inside < n => Some(inside),
            (Padding::Zero, _) => None,
            (Padding::Reflect, _) => {
                let last = n as i64 - 1;
                let there_and_back = place.rem_euclid((2 * last).max(1));
                Some(there_and_back.min(2 * last - there_and_back).max(0) as usize)
            }
        }
    }
}

impl Vary for Crop {
    fn is_identity(&self) -> bool {
        self.pixels == 0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        let most = self.pixels.min(i32::MAX as u32 / 2);
        let mut draw = || i64::from(stream.next_below(2 * most + 1)) - i64::from(most);
        let (down, across) = (draw(), draw());
        let (h, w, c) = canvas.shape();
        // Columns that come from the image as they are.
        let begin = across.clamp(0, w as i64) as usize;
        let end = (w as i64 + across).clamp(begin as i64, w as i64) as usize;
        canvas.redraw(|image, background, out| {
            let rows = out.chunks_exact_mut((w * c).max(1)).zip(0..);
            for (line, y) in rows {
                let from = self.padding.at(y - down, h).map(|row| &image[row * w * c..][..w * c]);
                let sides = (0..begin).chain(end..w);
                for x in if from.is_some() { sides } else { (0..w).chain(w..w) } {
                    let column = self.padding.at(x as i64 - across, w);
                    let pixel = from.zip(column).map(|(from, column)| &from[column * c..][..c]);
                    line[x * c..][..c].copy_from_slice(pixel.unwrap_or(background));
                }
                if let Some(from) = from.filter(|_| begin < end) {
                    let first = (begin as i64 - across) as usize;
                    line[begin * c..end * c]
                        .copy_from_slice(&from[first * c..][..(end - begin) * c]);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    #[test]
    fn a_mirror_does_not_repeat_the_outermost_pixel() {
        let reflected = |n| -> Vec<usize> {
            (-5..8).filter_map(|place| Padding::Reflect.at(place, n)).collect()
        };
        // As NumPy pads `[0, 1, 2]` by 5 and 5 with mode "reflect".
        assert_eq!(reflected(3), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1][..]);
        assert_eq!(reflected(1), [0; 13]);
        assert_eq!(Padding::Zero.at(-1, 3), None);
        assert_eq!(Padding::Zero.at(2, 3), Some(2));
        assert_eq!(Padding::Zero.at(3, 3), None);
    }

    #[test]
    fn every_pixel_comes_from_the_place_that_was_drawn() {
        for padding in [Padding::Reflect, Padding::Zero] {
            for (w, pixels, item) in (0..60).map(|item| (1 + item % 7, 1 + item % 4, item as u64)) {
                let (h, c) = (5, 1 + item as usize % 4);
                let image: Vec<f32> = (0..h * w * c).map(|at| at as f32 + 1.0).collect();
                let background: Vec<f32> = (0..c).map(|channel| -(channel as f32)).collect();
                let key = Key { seed: 1, epoch: 2, item };
                let levels = Levels { white: vec![1.0; c], black: background.clone() };
                let mut canvas = Canvas::new(image.clone(), (h, w, c), &levels);
                Crop { pixels: pixels as u32, padding }.vary(&mut canvas, key);
                let mut stream = key.stream().substream(STREAM);
                let mut draw =
                    || i64::from(stream.next_below(2 * pixels as u32 + 1)) - pixels as i64;
                let (down, across) = (draw(), draw());
                let expected = |at: usize| {
                    let (y, x, channel) = (at / (w * c), at / c % w, at % c);
                    let row = padding.at(y as i64 - down, h);
                    let column = padding.at(x as i64 - across, w);
                    row.zip(column)
                        .map_or(background[channel], |(y, x)| image[(y * w + x) * c + channel])
                };
                let expected: Vec<f32> = (0..h * w * c).map(expected).collect();
                assert_eq!(
                    canvas.into_image(),
                    expected,
                    "{padding:?}, {w} wide, by {down}, {across}"
                );
            }
        }
    }
}
