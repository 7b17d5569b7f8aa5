//! What RandAugment does to the tones of an image, channel by channel, in light from 0 (black) to 1 (white).

use super::{Canvas, canvas::Change};

/// One function for every channel of every pixel.
struct Each<F>(F);

impl<F: FnMut(f32) -> f32> Change for Each<F> {
    #[inline]
    fn colour(&mut self, light: [f32; 3]) -> [f32; 3] {
        light.map(&mut self.0)
    }

    #[inline]
    fn grey(&mut self, light: f32) -> f32 {
        (self.0)(light)
    }
}

/// Turns round what is as bright as `threshold` or brighter.
pub(super) fn solarise(canvas: &mut Canvas<'_>, threshold: f32) {
    canvas.in_light(Each(
        |light| if light >= threshold && threshold < 1.0 { 1.0 - light } else { light },
    ));
}

/// Keeps the first so many of eight bits.
pub(super) fn posterise(canvas: &mut Canvas<'_>, bits: u32) {
    let mask = 0xffu32 << (8 - bits.clamp(1, 8));
    canvas.in_light(Each(|light| (byte(light) as u32 & mask & 0xff) as f32 / 255.0));
}

/// Light as one of 256 steps.
fn byte(light: f32) -> usize {
    (light * 255.0).round().clamp(0.0, 255.0) as usize
}

/// Makes the darkest value of each channel black and the brightest white; a channel of one value stays.
pub(super) fn stretch(canvas: &mut Canvas<'_>) {
    let c = canvas.shape().2;
    let levels = canvas.levels();
    for channel in 0..c {
        let (black, white) = (levels.black[channel], levels.white[channel]);
        let values = canvas.image().iter().skip(channel).step_by(c);
        let (least, most) = values.fold((f32::MAX, f32::MIN), |(least, most), &value| {
            (least.min(value), most.max(value))
        });
        let range = most - least;
        if range > 0.0 {
            for value in canvas.image_mut().iter_mut().skip(channel).step_by(c) {
                let light = (*value - least) / range;
                *value = (black + light * (white - black)).clamp(black, white);
            }
        }
    }
}

/// Makes every step of 256 equally frequent in each channel, as far as whole steps can: a histogram's equalisation as Pillow
/// does it.
pub(super) fn equalise(canvas: &mut Canvas<'_>) {
    let c = canvas.shape().2;
    let levels = canvas.levels();
    for channel in 0..c {
        let (black, white) = (levels.black[channel], levels.white[channel]);
        let step_of = |value: f32| byte((value - black) / (white - black));
        let mut counts = [0usize; 256];
        for &value in canvas.image().iter().skip(channel).step_by(c) {
            counts[step_of(value)] += 1;
        }
        let last = counts.iter().rev().copied().find(|&count| count > 0).unwrap_or(0);
        let width = (counts.iter().sum::<usize>() - last) / 255;
        if width == 0 {
            continue;
        }
        let mut sum = width / 2;
        let table = counts.map(|count| {
            let step = (sum / width).min(255);
            sum += count;
            (black + step as f32 / 255.0 * (white - black)).clamp(black, white)
        });
        for value in canvas.image_mut().iter_mut().skip(channel).step_by(c) {
            *value = table[step_of(*value)];
        }
    }
}

/// Moves every pixel inside the border away from the mean of its neighbourhood, in which it counts five times: sharper for a
/// `factor` above 1, softer below.
pub(super) fn sharpen(canvas: &mut Canvas<'_>, factor: f32) {
    let (h, w, c) = canvas.shape();
    let old = canvas.image().to_vec();
    let levels = canvas.levels();
    for y in 1..h.saturating_sub(1) {
        for x in 1..w.saturating_sub(1) {
            for channel in 0..c {
                let at = |y: usize, x: usize| old[(y * w + x) * c + channel];
                let line = |y: usize| at(y, x - 1) + at(y, x) + at(y, x + 1);
                let value = at(y, x);
                let soft = (line(y - 1) + line(y) + line(y + 1) + 4.0 * value) / 13.0;
                canvas.image_mut()[(y * w + x) * c + channel] = (soft + (value - soft) * factor)
                    .clamp(levels.black[channel], levels.white[channel]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    fn after(image: &[f32], operation: impl Fn(&mut Canvas<'_>)) -> Vec<f32> {
        let levels = Levels { black: vec![-1.0], white: vec![1.0] };
        let side = image.len().isqrt();
        let mut canvas = Canvas::new(image.to_vec(), (side, image.len() / side, 1), &levels);
        operation(&mut canvas);
        canvas.into_image()
    }

    #[test]
    fn tones_are_those_that_were_asked_for() {
        assert_eq!(after(&[-1.0, -0.5, 0.5, 1.0], |c| solarise(c, 0.5)), [-1.0, -0.5, -0.5, -1.0]);
        assert_eq!(after(&[-0.5, 0.0, 0.25, 0.5], stretch), [-1.0, 0.0, 0.5, 1.0]);
        assert_eq!(after(&[0.25; 4], stretch), [0.25; 4]);
        // 0.5 of the light is the byte 128, of which one bit stays; 0.25 is 64, of which none does.
        let two = after(&[0.0, -0.5, 1.0, -1.0], |c| posterise(c, 1));
        assert!((two[0] - (128.0 / 255.0 * 2.0 - 1.0)).abs() < 1e-6 && two[1] == -1.0, "{two:?}");
    }

    #[test]
    fn equalised_tones_are_spread_evenly() {
        // All of the lower half: the equalised ones reach from black to white.
        let image: Vec<f32> = (0..64 * 64).map(|at| (at % 128) as f32 / 127.5 - 1.0).collect();
        let out = after(&image, equalise);
        assert_eq!(out.iter().copied().fold(f32::MAX, f32::min), -1.0);
        assert!(out.iter().copied().fold(f32::MIN, f32::max) > 0.98);
        let mean = out.iter().sum::<f32>() / out.len() as f32;
        // Whole steps: the width of one is cut from 15.9 pixels to 15.
        assert!(mean.abs() < 0.1, "{mean}");
    }

    #[test]
    fn sharpening_by_one_changes_nothing_and_by_nought_smooths() {
        let mut dot = vec![0.0; 25];
        dot[12] = 1.0;
        let same = after(&dot, |c| sharpen(c, 1.0));
        assert!(same.iter().zip(&dot).all(|(a, b)| (a - b).abs() < 1e-6));
        let soft = after(&dot, |c| sharpen(c, 0.0));
        assert!((soft[12] - 5.0 / 13.0).abs() < 1e-6 && (soft[6] - 1.0 / 13.0).abs() < 1e-6);
    }
}
