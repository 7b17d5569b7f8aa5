//! Fills a rectangle of an image with noise, at random: what is hidden must be made up for by the rest.
//!
//! Source: Zhong et al., "Random erasing data augmentation", arXiv:1708.04896: the area is uniform from 2 to 33 % of the
//! image's, the ratio of the sides from 0.3 to 1/0.3, each value of the rectangle random. A rectangle longer than the image is
//! cut at its side.

use serde::{Deserialize, Serialize};

use super::{Canvas, Key, Levels, Vary, rectangle};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 10;

/// How often a rectangle is erased.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Erase {
    /// The chance, from 0 to 1.
    pub chance: f32,
}

impl Vary for Erase {
    fn is_identity(&self) -> bool {
        self.chance == 0.0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        if stream.next_unit() >= self.chance {
            return;
        }
        let (h, w, c) = canvas.shape();
        let share = stream.next_between(0.02, 0.33);
        let ratio = rectangle::ratio(0.3, &mut stream);
        let (rows, columns) = rectangle::placed((h, w), share, ratio, &mut stream);
        let Levels { black, white } = canvas.levels();
        let lines = canvas.image_mut().chunks_exact_mut((w * c).max(1));
        for line in lines.take(rows.end).skip(rows.start) {
            for pixel in line[columns.start * c..columns.end * c].chunks_exact_mut(c.max(1)) {
                for (value, (&black, &white)) in pixel.iter_mut().zip(black.iter().zip(white)) {
                    *value = stream.next_between(black, white).clamp(black, white);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rectangle_of_the_right_size_changes_and_nothing_else() {
        let (h, w) = (40, 30);
        let levels = Levels { black: vec![0.0], white: vec![1.0] };
        let mut erased = 0;
        for item in 0..400 {
            let mut canvas = Canvas::new(vec![-1.0; h * w], (h, w, 1), &levels);
            Erase { chance: 0.5 }.vary(&mut canvas, Key { seed: 1, epoch: 0, item });
            let image = canvas.into_image();
            let changed: Vec<usize> = (0..h * w).filter(|&at| image[at] != -1.0).collect();
            let (Some(first), Some(last)) = (changed.first(), changed.last()) else { continue };
            erased += 1;
            let (rows, columns) = (last / w - first / w + 1, last % w - first % w + 1);
            assert_eq!(changed.len(), rows * columns, "item {item}: a rectangle");
            assert!((18..=420).contains(&changed.len()), "item {item}: {}", changed.len());
        }
        // Five standard deviations of 400 coins are 50.
        assert!((150..250).contains(&erased), "{erased} of 400");
    }
}
