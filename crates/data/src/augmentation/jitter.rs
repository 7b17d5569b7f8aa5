//! Brightness, contrast, saturation and hue, each changed by its own draw, in this order.
//!
//! As torchvision's `ColorJitter`, but for two things: the order is fixed, and the hue is turned about the grey axis of the
//! YIQ colour space (Rec. 601), where that is a rotation, instead of along the edges of HSV's cone.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Vary,
    affine::sin_cos,
    canvas::{Change, luma},
};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 6;

/// How far light and colour may be changed. Saturation and hue are those of images with three channels.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jitter {
    /// 0.2 is 0.8 to 1.2 times as bright, uniform. From 0 to 1.
    pub brightness: f32,
    /// 0.2 is 0.8 to 1.2 times as far from the image's mean grey, uniform. From 0 to 1.
    pub contrast: f32,
    /// 0.2 is 0.8 to 1.2 times as far from grey, uniform. From 0 to 1.
    pub saturation: f32,
    /// Degrees to each side, uniform. From 0 to 180.
    pub hue: f32,
}

impl Vary for Jitter {
    fn is_identity(&self) -> bool {
        let Jitter { brightness, contrast, saturation, hue } = *self;
        [brightness, contrast, saturation, hue] == [0.0; 4]
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        let mut factor = |reach: f32| 1.0 + stream.next_between(-reach, reach);
        let (brightness, contrast) = (factor(self.brightness), factor(self.contrast));
        let saturation = factor(self.saturation);
        let angle = stream.next_between(-self.hue, self.hue);
        let mean = if self.contrast > 0.0 { mean_light(canvas, brightness) } else { 0.0 };
        canvas.in_light(Light { brightness, contrast, mean, hue: hue_matrix(angle), saturation });
    }
}

/// The drawn change.
pub(super) struct Light {
    pub(super) brightness: f32,
    pub(super) contrast: f32,
    /// The grey that the contrast is measured from.
    pub(super) mean: f32,
    pub(super) saturation: f32,
    pub(super) hue: Option<[[f32; 3]; 3]>,
}

impl Change for Light {
    #[inline]
    fn colour(&mut self, light: [f32; 3]) -> [f32; 3] {
        let light = light.map(|value| self.grey(value));
        let grey = luma(light);
        let light = light.map(|value| (grey + (value - grey) * self.saturation).clamp(0.0, 1.0));
        match &self.hue {
            None => light,
            Some(rows) => rows.map(|[a, b, c]| a * light[0] + b * light[1] + c * light[2]),
        }
    }

    #[inline]
    fn grey(&mut self, light: f32) -> f32 {
        let bright = (light * self.brightness).clamp(0.0, 1.0);
        (self.mean + (bright - self.mean) * self.contrast).clamp(0.0, 1.0)
    }
}

/// The mean grey of the image made so much brighter, pixel by pixel in f64.
pub(super) fn mean_light(canvas: &Canvas<'_>, brightness: f32) -> f32 {
    let (_, _, c) = canvas.shape();
    let levels = canvas.levels();
    let light = |channel: usize, value: f32| {
        let (black, white) = (levels.black[channel], levels.white[channel]);
        ((value - black) / (white - black) * brightness).clamp(0.0, 1.0)
    };
    let mut sum = 0.0;
    for pixel in canvas.image().chunks_exact(c.max(1)) {
        sum += f64::from(match *pixel {
            [red, green, blue] => luma([light(0, red), light(1, green), light(2, blue)]),
            _ => {
                pixel.iter().enumerate().map(|(at, &value)| light(at, value)).sum::<f32>()
                    / c as f32
            }
        });
    }
    (sum / (canvas.image().len() / c.max(1)).max(1) as f64) as f32
}

/// Turns red, green and blue by `degrees` about the grey axis; nothing when there is nothing to turn.
///
/// Source: the matrices between RGB and YIQ of the NTSC (1953) as FCC 73.682 gives them, with a rotation between.
fn hue_matrix(degrees: f32) -> Option<[[f32; 3]; 3]> {
    if degrees == 0.0 {
        return None;
    }
    let (sin, cos) = sin_cos(f64::from(degrees));
    let to = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]];
    let back = [[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]];
    let turn = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
    let turned = product(&back, &product(&turn, &to));
    Some(turned.map(|row| row.map(|value| value as f32)))
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cell = |row: usize, column: usize| (0..3).map(|k| a[row][k] * b[k][column]).sum();
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| cell(row, column)))
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    fn varied(jitter: Jitter, image: &[f32], item: u64) -> Vec<f32> {
        let levels = Levels { black: vec![0.0; 3], white: vec![1.0; 3] };
        let mut canvas = Canvas::new(image.to_vec(), (1, image.len() / 3, 3), &levels);
        jitter.vary(&mut canvas, Key { seed: 1, epoch: 0, item });
        canvas.into_image()
    }

    #[test]
    fn brightness_multiplies_and_contrast_stretches_about_the_mean() {
        let image = [0.2, 0.2, 0.2, 0.4, 0.4, 0.4];
        for item in 0..50 {
            let mut stream = Key { seed: 1, epoch: 0, item }.stream().substream(STREAM);
            let factors =
                [1.0 + stream.next_between(-0.5, 0.5), 1.0 + stream.next_between(-0.5, 0.5)];
            let bright = varied(Jitter { brightness: 0.5, ..Jitter::default() }, &image, item);
            assert!((bright[0] - 0.2 * factors[0]).abs() < 1e-6, "item {item}");
            let contrast = varied(Jitter { contrast: 0.5, ..Jitter::default() }, &image, item);
            assert!((contrast[5] - 0.3 - 0.1 * factors[1]).abs() < 1e-6, "item {item}");
        }
    }

    #[test]
    fn grey_has_no_colour_to_change_and_a_full_turn_of_the_hue_comes_back() {
        let all = Jitter { saturation: 1.0, hue: 180.0, ..Jitter::default() };
        for item in 0..20 {
            let grey = varied(all, &[0.3; 6], item);
            assert!(grey.iter().all(|value| (value - 0.3).abs() < 1e-3), "{grey:?}");
        }
        let colour = [0.8, 0.3, 0.1];
        let turned = |degrees| {
            let rows = hue_matrix(degrees).expect("it turns");
            rows.map(|[a, b, c]| a * colour[0] + b * colour[1] + c * colour[2])
        };
        let back = turned(360.0);
        assert!(back.iter().zip(colour).all(|(a, b)| (a - b).abs() < 4e-3), "{back:?}");
        // A third of a turn leads from red to green or to blue.
        let third = turned(120.0);
        assert!(third[0] < third[1].max(third[2]), "{third:?}");
        assert!((luma(third) - luma(colour)).abs() < 2e-3, "the luma stays");
    }
}
