//! Varies a training image: a little shifted, turned, and larger or smaller, differently in every epoch.
//!
//! The variation is a pure function of the image, the settings and the item's stream: a killed worker's item comes out the
//! same when it is done again. Sine and cosine are our own polynomials in plain IEEE arithmetic: equal bits on every machine.

use planaria_random::Stream;
use serde::{Deserialize, Serialize};

/// How far an image may be varied. The default varies nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Pixels to each side, uniform, separately down and across. From 0.
    pub shift: f32,
    /// Degrees to each side, uniform, about the middle. 0 to 180.
    pub rotate: f32,
    /// 0.1 scales by 0.9 to 1.1, uniform. From 0 to below 1.
    pub scale: f32,
}

impl Augmentation {
    /// True when every image stays as it is.
    pub fn is_identity(&self) -> bool {
        *self == Augmentation::default()
    }

    /// Writes the varied `image [H, W, C]` to `out`, both of `shape (H, W, C)`; outside the image lies `background`.
    ///
    /// One affine map with bilinear sampling. Takes four numbers from `stream` whatever the settings, so that changing one
    /// setting leaves the others' draws alone. Values stay between the least and the greatest of image and background, up to
    /// rounding. An identity is an exact copy.
    ///
    /// # Panics
    /// When `image` or `out` does not hold `H * W * C` numbers.
    pub fn apply(
        &self,
        image: &[f32],
        shape: (usize, usize, usize),
        background: f32,
        stream: &mut Stream,
        out: &mut [f32],
    ) {
        let (h, w, c) = shape;
        assert_eq!(image.len(), h * w * c, "the image has its shape");
        assert_eq!(out.len(), h * w * c, "the output has the image's shape");
        let map = self.draw((h, w), stream);
        if self.is_identity() {
            return out.copy_from_slice(image);
        }
        match c {
            1 => sample::<1>(Sampled { image, h, w, background }, &map, out),
            3 => sample::<3>(Sampled { image, h, w, background }, &map, out),
            _ => {
                // Rare: every channel for itself, through its own plane.
                let mut plane = vec![0.0; h * w];
                let mut varied = vec![0.0; h * w];
                for channel in 0..c {
                    for (to, from) in plane.iter_mut().zip(image[channel..].iter().step_by(c)) {
                        *to = *from;
                    }
                    sample::<1>(Sampled { image: &plane, h, w, background }, &map, &mut varied);
                    for (to, from) in out[channel..].iter_mut().step_by(c).zip(&varied) {
                        *to = *from;
                    }
                }
            }
        }
    }

    /// Draws the map from places in the output to places in the image: `p = middle + R(-angle) (q - middle - shift) / scale`.
    fn draw(&self, (h, w): (usize, usize), stream: &mut Stream) -> Affine {
        let down = f64::from(stream.next_between(-self.shift, self.shift));
        let across = f64::from(stream.next_between(-self.shift, self.shift));
        let (sin, cos) = sin_cos(f64::from(stream.next_between(-self.rotate, self.rotate)));
        let scale = f64::from(1.0 + stream.next_between(-self.scale, self.scale)).max(1e-3);
        let (sin, cos) = (sin / scale, cos / scale);
        let (middle_y, middle_x) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
        let (from_y, from_x) = (-middle_y - down, -middle_x - across);
        let fixed = |value: f64| (value * ONE).round() as i64;
        Affine {
            y: fixed(middle_y + cos * from_y - sin * from_x),
            x: fixed(middle_x + sin * from_y + cos * from_x),
            y_down: fixed(cos),
            x_down: fixed(sin),
            y_across: fixed(-sin),
            x_across: fixed(cos),
        }
    }
}

/// Fraction bits of a coordinate: a hundredth of a pixel after 10,000 steps, and no image is too large for an `i64`.
const FRACTION: u32 = 20;
const ONE: f64 = (1u32 << FRACTION) as f64;

/// An affine map in fixed point: where the first output pixel lies in the image, and the steps down and across.
struct Affine {
    y: i64,
    x: i64,
    y_down: i64,
    x_down: i64,
    y_across: i64,
    x_across: i64,
}

#[derive(Clone, Copy)]
struct Sampled<'a> {
    image: &'a [f32],
    h: usize,
    w: usize,
    background: f32,
}

impl Sampled<'_> {
    /// The pixel's channel, or the background beside the image.
    fn at<const C: usize>(&self, y: i64, x: i64, channel: usize) -> f32 {
        let inside = (0..self.h as i64).contains(&y) && (0..self.w as i64).contains(&x);
        if inside {
            self.image[(y as usize * self.w + x as usize) * C + channel]
        } else {
            self.background
        }
    }
}

/// Fills `out` through `map`, bilinearly; the quick path has all four neighbours inside the image.
fn sample<const C: usize>(from: Sampled<'_>, map: &Affine, out: &mut [f32]) {
    let mask = (1i64 << FRACTION) - 1;
    let fraction = |place: i64| (place & mask) as i32 as f32 * (1.0 / ONE as f32);
    let (last_y, last_x) = (from.h.saturating_sub(1) as u64, from.w.saturating_sub(1) as u64);
    for (row, line) in out.chunks_exact_mut((from.w * C).max(1)).enumerate() {
        let mut y = map.y.wrapping_add(map.y_down.wrapping_mul(row as i64));
        let mut x = map.x.wrapping_add(map.x_down.wrapping_mul(row as i64));
        for pixel in line.chunks_exact_mut(C) {
            let (top, left) = (y >> FRACTION, x >> FRACTION);
            let (part_y, part_x) = (fraction(y), fraction(x));
            let quick = (top as u64) < last_y && (left as u64) < last_x;
            let begin = if quick { (top as usize * from.w + left as usize) * C } else { 0 };
            for (channel, value) in pixel.iter_mut().enumerate() {
                let [a, b, d, e] = if quick {
                    let upper = &from.image[begin..begin + 2 * C];
                    let lower = &from.image[begin + from.w * C..begin + from.w * C + 2 * C];
                    [upper[channel], upper[C + channel], lower[channel], lower[C + channel]]
                } else {
                    [(0, 0), (0, 1), (1, 0), (1, 1)]
                        .map(|(down, across)| from.at::<C>(top + down, left + across, channel))
                };
                let upper = a + part_x * (b - a);
                let lower = d + part_x * (e - d);
                *value = upper + part_y * (lower - upper);
            }
            y = y.wrapping_add(map.y_across);
            x = x.wrapping_add(map.x_across);
        }
    }
}

/// Sine and cosine of an angle in degrees, exact at multiples of 90, within 1e-13 elsewhere, by addition and multiplication.
///
/// Source: Taylor series to x^13 and x^12 on -45 to 45 degrees.
fn sin_cos(degrees: f64) -> (f64, f64) {
    let quarters = (degrees / 90.0).round();
    let x = (degrees - quarters * 90.0) * (std::f64::consts::PI / 180.0);
    let square = x * x;
    let series = |last: i32, first: i32| {
        // 1 - x^2/(n (n+1)) (1 - ...), from the innermost term outwards.
        (first..=last)
            .rev()
            .step_by(2)
            .fold(1.0, |sum, n| 1.0 - square / f64::from(n * (n + 1)) * sum)
    };
    let (sin, cos) = (x * series(12, 2), series(11, 1));
    match (quarters as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_those_of_the_library_and_exact_at_right_angles() {
        for tenth in -7_200..=7_200 {
            let degrees = f64::from(tenth) / 10.0;
            let (sin, cos) = sin_cos(degrees);
            let expected = degrees.to_radians().sin_cos();
            assert!((sin - expected.0).abs() < 1e-12 && (cos - expected.1).abs() < 1e-12);
        }
        let right = [0.0, 90.0, 180.0, 270.0, -90.0].map(sin_cos);
        assert_eq!(right, [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (-1.0, 0.0)]);
    }
}
