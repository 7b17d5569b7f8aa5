//! From bytes to the numbers a network learns well from.

use serde::{Deserialize, Serialize};

use crate::Pixels;

/// Maps a byte to `(byte / 255 - mean) / deviation`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// The mean of the training pixels, of 0..1.
    pub mean: f32,
    /// Their standard deviation; not 0.
    pub deviation: f32,
}

impl Normalise {
    /// Writes the normalised pixels; `out [H, W, C]` in the order of `pixels`.
    ///
    /// # Panics
    /// When `out` is not as long as `pixels.data`.
    pub fn apply(&self, pixels: &Pixels, out: &mut [f32]) {
        assert_eq!(out.len(), pixels.data.len(), "every byte gives one number");
        // Straight arithmetic vectorises; a table of 256 values is slower to look up than this is to compute.
        for (number, &byte) in out.iter_mut().zip(&pixels.data) {
            *number = self.value(byte);
        }
    }

    /// The value of a black pixel: what lies outside an image.
    pub fn background(&self) -> f32 {
        self.value(0)
    }

    #[inline]
    fn value(&self, byte: u8) -> f32 {
        (f32::from(byte) / 255.0 - self.mean) / self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_standard_scores() {
        let normalise = Normalise { mean: 0.1307, deviation: 0.3081 };
        let mut out = [0.0; 3];
        normalise.apply(&Pixels::new(1, 3, 1, vec![0, 51, 255]), &mut out);
        // By hand: -0.1307 / 0.3081, (0.2 - 0.1307) / 0.3081, 0.8693 / 0.3081.
        for (number, expected) in out.iter().zip([-0.424_213, 0.224_927, 2.821_487]) {
            assert!((number - expected).abs() < 1e-5, "{number} is not {expected}");
        }
        assert_eq!(normalise.background().to_bits(), out[0].to_bits());
    }
}
