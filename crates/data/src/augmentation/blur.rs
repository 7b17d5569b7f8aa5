//! Blurs an image by a Gaussian of a random width, with the image's mirror beside it.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Padding, Vary,
    elastic::{gaussian, weighted_sum},
};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 8;

/// A Gaussian narrower than this leaves over 99 % of a pixel where it is: the image stays as it is.
const NARROWEST: f32 = 0.3;

/// How far an image is blurred.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// The greatest standard deviation of the Gaussian in pixels; each image has its own, uniform from 0. From 0 to 20.
    pub deviation: f32,
}

impl Vary for Blur {
    fn is_identity(&self) -> bool {
        self.deviation == 0.0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let deviation = key.stream().substream(STREAM).next_between(0.0, self.deviation);
        let (h, w, c) = canvas.shape();
        if deviation < NARROWEST || canvas.image().is_empty() {
            return;
        }
        let weights = gaussian(deviation);
        let radius = weights.len() as i64 / 2;
        let mirror = |place: usize, k: usize, n: usize| {
            Padding::Reflect.at(place as i64 + k as i64 - radius, n).unwrap_or(place)
        };
        let mut across = vec![0.0; h * w * c];
        let mut wide = Vec::with_capacity((w + weights.len()) * c);
        for (line, out) in canvas.image().chunks_exact(w * c).zip(across.chunks_exact_mut(w * c)) {
            wide.clear();
            for column in 0..w + weights.len() - 1 {
                wide.extend_from_slice(&line[mirror(0, column, w) * c..][..c]);
            }
            weighted_sum(out, &weights, |k| &wide[k * c..][..w * c]);
        }
        for (y, line) in canvas.image_mut().chunks_exact_mut(w * c).enumerate() {
            weighted_sum(line, &weights, |k| &across[mirror(y, k, h) * w * c..][..w * c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    #[test]
    fn a_dot_becomes_a_gaussian_and_a_plain_image_stays_plain() {
        let levels = Levels { black: vec![0.0], white: vec![1.0] };
        let blurred = |image: Vec<f32>, item| {
            let mut canvas = Canvas::new(image, (21, 21, 1), &levels);
            Blur { deviation: 2.0 }.vary(&mut canvas, Key { seed: 1, epoch: 0, item });
            canvas.into_image()
        };
        let mut dot = vec![0.0; 21 * 21];
        dot[10 * 21 + 10] = 1.0;
        for item in 0..20 {
            let key = Key { seed: 1, epoch: 0, item };
            let deviation = key.stream().substream(STREAM).next_between(0.0, 2.0);
            let out = blurred(dot.clone(), item);
            assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-4, "light is kept");
            let spread = |at: usize| (at % 21) as f32 - 10.0;
            let variance: f32 =
                out.iter().enumerate().map(|(at, value)| value * spread(at) * spread(at)).sum();
            let expected = if deviation < NARROWEST { 0.0 } else { deviation };
            // A Gaussian of half a pixel and less, taken at whole pixels, is narrower than it says.
            let off = if deviation < 0.6 { 0.25 } else { 0.1 };
            assert!((variance.sqrt() - expected).abs() < off, "{deviation}: {}", variance.sqrt());
            let plain = blurred(vec![0.4; 21 * 21], item);
            assert!(plain.iter().all(|value| (value - 0.4).abs() < 1e-5));
        }
    }
}
