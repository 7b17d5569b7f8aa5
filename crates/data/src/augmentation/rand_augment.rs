//! A few operations drawn from a fixed list of fourteen, all of one strength.
//!
//! Source: Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space", arXiv:1909.13719;
//! the ranges of the strengths are those of torchvision's `RandAugment` with its 31 steps.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Vary,
    affine::{Affine, sin_cos},
    jitter::{Light, mean_light},
    tone,
    warp::resample,
};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 11;

/// The strongest: [`RandAugment::magnitude`] goes from 0 to this.
pub const MAGNITUDE_MAX: u32 = 30;

/// How many operations an image goes through, and how strong they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandAugment {
    /// Operations one after another, each drawn anew. 0 changes nothing.
    pub operations: u32,
    /// Their strength, 0 to 30. The paper's is 9 to 15.
    pub magnitude: u32,
}

impl Default for RandAugment {
    fn default() -> Self {
        RandAugment { operations: 0, magnitude: 9 }
    }
}

/// What may be done; the order is part of every result's definition.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Operation {
    Identity,
    AutoContrast,
    Equalise,
    Rotate,
    Solarise,
    Colour,
    Posterise,
    Contrast,
    Brightness,
    Sharpness,
    ShearAcross,
    ShearDown,
    MoveAcross,
    MoveDown,
}

const OPERATIONS: [Operation; 14] = [
    Operation::Identity,
    Operation::AutoContrast,
    Operation::Equalise,
    Operation::Rotate,
    Operation::Solarise,
    Operation::Colour,
    Operation::Posterise,
    Operation::Contrast,
    Operation::Brightness,
    Operation::Sharpness,
    Operation::ShearAcross,
    Operation::ShearDown,
    Operation::MoveAcross,
    Operation::MoveDown,
];

impl Vary for RandAugment {
    fn is_identity(&self) -> bool {
        self.operations == 0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        let strength = self.magnitude.min(MAGNITUDE_MAX) as f32 / MAGNITUDE_MAX as f32;
        for _ in 0..self.operations {
            let operation = OPERATIONS[stream.next_below(OPERATIONS.len() as u32) as usize];
            let sign = if stream.next_u32() & 1 == 1 { -1.0 } else { 1.0 };
            operation.apply(canvas, strength, sign);
        }
    }
}

impl Operation {
    /// Does it with `strength` of 0 to 1, to the side that `sign` says where there are two.
    fn apply(self, canvas: &mut Canvas<'_>, strength: f32, sign: f32) {
        let (h, w, _) = canvas.shape();
        let signed = sign * strength;
        let factor = 1.0 + 0.9 * signed;
        let mut light =
            Light { brightness: 1.0, contrast: 1.0, mean: 0.0, saturation: 1.0, hue: None };
        // A shift goes over 150 of 331 pixels at most, as in the paper's search on images of that size.
        let far = |n: usize| f64::from(signed) * 150.0 / 331.0 * n as f64;
        let moved = |canvas: &mut Canvas<'_>, matrix, shift| {
            resample(canvas, &Affine::about_middle((h, w), matrix, shift), None);
        };
        let still = [[1.0, 0.0], [0.0, 1.0]];
        let shear = f64::from(0.3 * signed);
        match self {
            Operation::Identity => {}
            Operation::AutoContrast => tone::stretch(canvas),
            Operation::Equalise => tone::equalise(canvas),
            Operation::Rotate => {
                let (sin, cos) = sin_cos(f64::from(30.0 * signed));
                moved(canvas, [[cos, -sin], [sin, cos]], (0.0, 0.0));
            }
            Operation::Solarise => tone::solarise(canvas, 1.0 - strength),
            Operation::Posterise => tone::posterise(canvas, 8 - (4.0 * strength).round() as u32),
            Operation::Colour => {
                light.saturation = factor;
                canvas.in_light(light);
            }
            Operation::Contrast => {
                (light.contrast, light.mean) = (factor, mean_light(canvas, 1.0));
                canvas.in_light(light);
            }
            Operation::Brightness => {
                light.brightness = factor;
                canvas.in_light(light);
            }
            Operation::Sharpness => tone::sharpen(canvas, factor),
            Operation::ShearAcross => moved(canvas, [[1.0, 0.0], [shear, 1.0]], (0.0, 0.0)),
            Operation::ShearDown => moved(canvas, [[1.0, shear], [0.0, 1.0]], (0.0, 0.0)),
            Operation::MoveAcross => moved(canvas, still, (0.0, far(w))),
            Operation::MoveDown => moved(canvas, still, (far(h), 0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    fn after(operation: Operation, strength: f32, sign: f32) -> Vec<f32> {
        let levels = Levels { black: vec![0.0; 3], white: vec![1.0; 3] };
        let image = (0..33 * 33 * 3).map(|at| (at * 37 % 101) as f32 / 125.0).collect();
        let mut canvas = Canvas::new(image, (33, 33, 3), &levels);
        operation.apply(&mut canvas, strength, sign);
        canvas.into_image()
    }

    #[test]
    fn every_operation_of_full_strength_does_something_and_none_leaves_the_range() {
        let image = after(Operation::Identity, 1.0, 1.0);
        for operation in &OPERATIONS[1..] {
            for sign in [-1.0, 1.0] {
                let out = after(*operation, 1.0, sign);
                assert_ne!(out, image, "{operation:?}");
                assert!(out.iter().all(|value| (0.0..=1.0).contains(value)), "{operation:?}");
            }
        }
    }

    #[test]
    fn without_strength_only_the_automatic_ones_do_something() {
        let image = after(Operation::Identity, 0.0, 1.0);
        for operation in OPERATIONS {
            let out = after(operation, 0.0, 1.0);
            let off = out.iter().zip(&image).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let automatic = [Operation::AutoContrast, Operation::Equalise].contains(&operation);
            // To posterise to eight bits rounds.
            assert_eq!(off > 1.0 / 255.0, automatic, "{operation:?}: {off}");
        }
    }

    #[test]
    fn a_move_goes_as_far_as_it_says() {
        let levels = Levels { black: vec![0.0], white: vec![1.0] };
        let mut image = vec![0.0; 331];
        image[100] = 1.0;
        let mut canvas = Canvas::new(image, (1, 331, 1), &levels);
        Operation::MoveAcross.apply(&mut canvas, 0.4, 1.0);
        let out = canvas.into_image();
        assert_eq!(out.iter().position(|&value| value > 0.9), Some(160));
    }
}
