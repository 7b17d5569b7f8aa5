//! A rectangle of the image, of random size, ratio and place, enlarged to the whole: objects come near and are cut.
//!
//! Source: Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842, section 6: the area is uniform from `area` to
//! all of the image's, the ratio of the sides from 3/4 to 4/3. Sampled bilinearly, the outermost pixels on the outermost.

use serde::{Deserialize, Serialize};

use super::{
    Canvas, Key, Vary,
    affine::{Affine, ONE},
    rectangle,
    warp::resample,
};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 5;

/// How small a part of the image may become the whole.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResizedCrop {
    /// The least share of the image's area, above 0. 1 crops nothing.
    pub area: f32,
}

impl Default for ResizedCrop {
    fn default() -> Self {
        ResizedCrop { area: 1.0 }
    }
}

impl Vary for ResizedCrop {
    fn is_identity(&self) -> bool {
        self.area >= 1.0
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        let mut stream = key.stream().substream(STREAM);
        let (h, w, _) = canvas.shape();
        let share = stream.next_between(self.area, 1.0);
        let ratio = rectangle::ratio(0.75, &mut stream);
        let (rows, columns) = rectangle::placed((h, w), share, ratio, &mut stream);
        // From the first pixel of the part to its last, in as many steps as the image has.
        let step = |part: usize, whole: usize| {
            let steps = whole.saturating_sub(1).max(1) as f64;
            (part.saturating_sub(1) as f64 / steps * ONE) as i64
        };
        let fixed = |place: usize| (place as f64 * ONE) as i64;
        let map = Affine {
            y: fixed(rows.start),
            x: fixed(columns.start),
            y_down: step(rows.len(), h),
            x_down: 0,
            y_across: 0,
            x_across: step(columns.len(), w),
        };
        resample(canvas, &map, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;

    #[test]
    fn the_corners_of_the_part_become_the_corners_of_the_whole() {
        let (h, w) = (24, 36);
        let levels = Levels { black: vec![-1e6], white: vec![1e6] };
        for item in 0..200 {
            // Each pixel says where it is.
            let image: Vec<f32> = (0..h * w).map(|at| (at / w * 100 + at % w) as f32).collect();
            let mut canvas = Canvas::new(image, (h, w, 1), &levels);
            let key = Key { seed: 1, epoch: 0, item };
            ResizedCrop { area: 0.2 }.vary(&mut canvas, key);
            let out = canvas.into_image();
            let mut stream = key.stream().substream(STREAM);
            let share = stream.next_between(0.2, 1.0);
            let ratio = rectangle::ratio(0.75, &mut stream);
            let (rows, columns) = rectangle::placed((h, w), share, ratio, &mut stream);
            let first = (rows.start * 100 + columns.start) as f32;
            let last = ((rows.end - 1) * 100 + columns.end - 1) as f32;
            assert!((out[0] - first).abs() < 0.1, "item {item}: {} is not {first}", out[0]);
            assert!((out[h * w - 1] - last).abs() < 0.1, "item {item}: {}", out[h * w - 1]);
        }
    }
}
