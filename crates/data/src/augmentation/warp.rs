//! Shifts, turns, scales and bends an image: an affine map and an elastic field together, so that it is sampled only once.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Vary,
    affine::{Affine, FRACTION, ONE},
    elastic::Field,
};

/// The sub-stream of the elastic field: part of every result's definition. The affine map draws from the main stream.
const STREAM: u32 = 3;

/// How far an image may be warped. The default leaves it as it is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Warp {
    /// Pixels to each side, uniform, separately down and across. From 0.
    pub shift: f32,
    /// Degrees to each side, uniform, about the middle. 0 to 180.
    pub rotate: f32,
    /// 0.1 scales by 0.9 to 1.1, uniform. From 0 to below 1.
    pub scale: f32,
    /// The standard deviation of an elastic displacement, in pixels. From 0. The 34 and 4 of Simard et al. are 1.4 and 4.
    pub elastic: f32,
    /// Over how many pixels the displacement is smoothed: the deviation of a Gaussian. 0.5 to 100.
    pub smoothness: f32,
}

impl Default for Warp {
    fn default() -> Self {
        Warp { shift: 0.0, rotate: 0.0, scale: 0.0, elastic: 0.0, smoothness: 4.0 }
    }
}

impl Vary for Warp {
    fn is_identity(&self) -> bool {
        let Warp { shift, rotate, scale, elastic, smoothness: _ } = *self;
        [shift, rotate, scale, elastic] == [0.0; 4]
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let (h, w, _) = canvas.shape();
        let map = Affine::draw(self, (h, w), &mut key.stream());
        let field = (self.elastic > 0.0).then(|| {
            let mut stream = key.stream().substream(STREAM);
            Field::draw((h, w), self.elastic, self.smoothness, &mut stream)
        });
        resample(canvas, &map, field.as_ref());
    }
}

/// Redraws the image as it is seen through `map` and, when there is one, `field`.
pub(super) fn resample(canvas: &mut Canvas<'_>, map: &Affine, field: Option<&Field>) {
    let (h, w, c) = canvas.shape();
    canvas.redraw(|image, background, out| match c {
        1 => Sampled::<1> { image, h, w, background: [background[0]] }.warp(map, field, out),
        3 => {
            let background = [background[0], background[1], background[2]];
            Sampled::<3> { image, h, w, background }.warp(map, field, out);
        }
        _ => {
            // Rare: every channel for itself, through its own plane.
            let mut plane = vec![0.0; h * w];
            let mut varied = vec![0.0; h * w];
            for (channel, &behind) in background.iter().enumerate() {
                for (to, from) in plane.iter_mut().zip(image[channel..].iter().step_by(c)) {
                    *to = *from;
                }
                let plane = Sampled::<1> { image: &plane, h, w, background: [behind] };
                plane.warp(map, field, &mut varied);
                for (to, from) in out[channel..].iter_mut().step_by(c).zip(&varied) {
                    *to = *from;
                }
            }
        }
    });
}

/// An image `[H, W, C]` that is sampled between its pixels.
struct Sampled<'a, const C: usize> {
    image: &'a [f32],
    h: usize,
    w: usize,
    background: [f32; C],
}

impl<const C: usize> Sampled<'_, C> {
    /// Fills `out` through `map` and, when there is one, `field`.
    fn warp(&self, map: &Affine, field: Option<&Field>, out: &mut [f32]) {
        match field {
            None => self.sample(map, |_| (0, 0), out),
            Some(field) => {
                let shift = |pixel| {
                    let (down, across) = field.at(pixel);
                    ((down * ONE as f32) as i64, (across * ONE as f32) as i64)
                };
                self.sample(map, shift, out);
            }
        }
    }

    /// The pixel's channel, or the background beside the image.
    fn at(&self, y: i64, x: i64, channel: usize) -> f32 {
        let inside = (0..self.h as i64).contains(&y) && (0..self.w as i64).contains(&x);
        if inside {
            self.image[(y as usize * self.w + x as usize) * C + channel]
        } else {
            self.background[channel]
        }
    }

    /// Bilinear sampling at `map` plus `shift(pixel)`; the quick path has all four neighbours inside the image.
    fn sample(&self, map: &Affine, shift: impl Fn(usize) -> (i64, i64), out: &mut [f32]) {
        let mask = (1i64 << FRACTION) - 1;
        let fraction = |place: i64| (place & mask) as i32 as f32 * (1.0 / ONE as f32);
        let (last_y, last_x) = (self.h.saturating_sub(1) as u64, self.w.saturating_sub(1) as u64);
        for (row, line) in out.chunks_exact_mut((self.w * C).max(1)).enumerate() {
            let mut map_y = map.y.wrapping_add(map.y_down.wrapping_mul(row as i64));
            let mut map_x = map.x.wrapping_add(map.x_down.wrapping_mul(row as i64));
            for (column, pixel) in line.chunks_exact_mut(C).enumerate() {
                let (down, across) = shift(row * self.w + column);
                let (y, x) = (map_y.wrapping_add(down), map_x.wrapping_add(across));
                let (top, left) = (y >> FRACTION, x >> FRACTION);
                let (part_y, part_x) = (fraction(y), fraction(x));
                let quick = (top as u64) < last_y && (left as u64) < last_x;
                let begin = if quick { (top as usize * self.w + left as usize) * C } else { 0 };
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let [a, b, d, e] = if quick {
                        let upper = &self.image[begin..begin + 2 * C];
                        let lower = &self.image[begin + self.w * C..begin + self.w * C + 2 * C];
                        [upper[channel], upper[C + channel], lower[channel], lower[C + channel]]
                    } else {
                        [(0, 0), (0, 1), (1, 0), (1, 1)]
                            .map(|(down, across)| self.at(top + down, left + across, channel))
                    };
                    let upper = a + part_x * (b - a);
                    let lower = d + part_x * (e - d);
                    *value = upper + part_y * (lower - upper);
                }
                map_y = map_y.wrapping_add(map.y_across);
                map_x = map_x.wrapping_add(map.x_across);
            }
        }
    }
}
