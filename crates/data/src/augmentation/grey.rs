//! Colour becomes grey, at random: what something is must not hang on its colour.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Vary,
    canvas::{Change, luma},
};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 7;

/// How often an image of three channels becomes grey; others are left as they are.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grey {
    /// The chance, from 0 to 1.
    pub chance: f32,
}

impl Vary for Grey {
    fn is_identity(&self) -> bool {
        self.chance == 0.0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let is_due = key.stream().substream(STREAM).next_unit() < self.chance;
        if is_due && canvas.shape().2 == 3 {
            canvas.in_light(AllAlike);
        }
    }
}

struct AllAlike;

impl Change for AllAlike {
    #[inline]
    fn colour(&mut self, light: [f32; 3]) -> [f32; 3] {
        [luma(light); 3]
    }

    fn grey(&mut self, light: f32) -> f32 {
        light
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    #[test]
    fn as_many_as_the_chance_says_become_grey_of_the_same_brightness() {
        let levels = Levels { black: vec![-1.0, -2.0, 0.0], white: vec![1.0, 2.0, 0.5] };
        let image = [0.0, 0.0, 0.5];
        let mut greys = 0;
        for item in 0..2_000 {
            let mut canvas = Canvas::new(image.to_vec(), (1, 1, 3), &levels);
            Grey { chance: 0.3 }.vary(&mut canvas, Key { seed: 1, epoch: 0, item });
            let out = canvas.into_image();
            if out != image {
                greys += 1;
                // The light of (0.5, 0.5, 1) is 0.557, which each channel writes in its own numbers.
                let light = [(out[0] + 1.0) / 2.0, (out[1] + 2.0) / 4.0, out[2] / 0.5];
                assert!(light.iter().all(|value| (value - 0.557).abs() < 1e-5), "{light:?}");
            }
        }
        // Five standard deviations of 2,000 draws are 102.
        assert!((498..702).contains(&greys), "{greys} of 2000");
    }
}
