//! Noise in every channel of every pixel, as a sensor in the dark makes it.
//!
//! A number of the noise is the sum of the four bytes of a random word: near to a Gaussian, never beyond 3.45 deviations.

use serde::{Deserialize, Serialize};

use super::{Canvas, Key, Levels, Vary};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 9;

/// The standard deviation of the sum of four bytes, each uniform over 0 to 255: `sqrt(4 (256^2 - 1) / 12)`.
const BYTES_DEVIATION: f32 = 147.800_5;

/// How strong the noise is.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// The standard deviation as a share of the way from black to white, from 0 to 1.
    pub deviation: f32,
}

impl Vary for Noise {
    fn is_identity(&self) -> bool {
        self.deviation == 0.0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let (_, _, c) = canvas.shape();
        let Levels { black, white } = canvas.levels();
        let image = canvas.image_mut();
        let mut words = vec![0; image.len()];
        key.stream().substream(STREAM).fill(&mut words);
        let scale = self.deviation / BYTES_DEVIATION;
        let pixels = image.chunks_exact_mut(c.max(1)).zip(words.chunks_exact(c.max(1)));
        for (pixel, words) in pixels {
            let levels = black.iter().zip(white);
            for ((value, word), (&black, &white)) in pixel.iter_mut().zip(words).zip(levels) {
                let sum: i32 = word.to_le_bytes().into_iter().map(i32::from).sum();
                let added = (sum - 510) as f32 * scale * (white - black);
                *value = (*value + added).clamp(black, white);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_deviation_that_was_asked_for_and_no_direction() {
        let levels = Levels { black: vec![-2.0], white: vec![2.0] };
        let mut canvas = Canvas::new(vec![0.0; 100 * 100], (100, 100, 1), &levels);
        Noise { deviation: 0.1 }.vary(&mut canvas, Key { seed: 1, epoch: 0, item: 0 });
        let image = canvas.into_image();
        let mean = image.iter().sum::<f32>() / 1e4;
        let deviation = (image.iter().map(|value| value * value).sum::<f32>() / 1e4).sqrt();
        // Five standard errors of 10,000 numbers with a deviation of 0.4 are 0.02, of their deviation 0.014.
        assert!(mean.abs() < 0.02 && (deviation - 0.4).abs() < 0.014, "{mean}, {deviation}");
    }
}
