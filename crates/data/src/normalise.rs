//! From bytes to the numbers a network learns well from.

use serde::{Deserialize, Serialize};

use crate::{Numbers, Pixels, Values, augmentation::Levels};

/// Maps a byte to `(byte / 255 - mean) / deviation`, for all channels alike or each by its own figures.
///
/// ```
/// use planaria_data::{Normalise, Pixels};
/// let normalise = Normalise::new(vec![0.0, 1.0], 0.5);
/// let mut out = [0.0; 2];
/// normalise.apply(&Pixels::new(1, 1, 2, vec![255, 255]), &mut out);
/// assert_eq!(out, [2.0, 0.0]);
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// The mean of the training pixels, of 0..1.
    pub mean: PerChannel,
    /// Their standard deviation; not 0.
    pub deviation: PerChannel,
}

/// One number for all channels, or one for each: written as `0.5` or as `[0.4, 0.5, 0.6]`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    /// The same for all.
    All(f32),
    /// In the order of the channels.
    Each(Vec<f32>),
}

impl From<f32> for PerChannel {
    fn from(number: f32) -> Self {
        PerChannel::All(number)
    }
}

impl From<Vec<f32>> for PerChannel {
    /// A list of one number is that number for all channels.
    fn from(numbers: Vec<f32>) -> Self {
        match numbers[..] {
            [number] => PerChannel::All(number),
            _ => PerChannel::Each(numbers),
        }
    }
}

impl PerChannel {
    /// The number of a channel.
    ///
    /// # Panics
    /// When there is none: [`Normalise::check`] tells before.
    pub fn of(&self, channel: usize) -> f32 {
        match self {
            PerChannel::All(number) => *number,
            PerChannel::Each(numbers) => numbers[channel],
        }
    }

    fn fits(&self, channels: usize) -> bool {
        match self {
            PerChannel::All(_) => true,
            PerChannel::Each(numbers) => numbers.len() == channels,
        }
    }
}

/// Why pixels cannot be normalised like this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NormaliseError {
    /// Other numbers than channels.
    #[error("`{name}` must be one number, or {channels}: one for each channel")]
    Channels {
        /// `mean` or `deviation`.
        name: &'static str,
        /// Channels of the pixels.
        channels: usize,
    },
    /// A number that gives no numbers.
    #[error("`{name}` must be finite, and the deviation not 0")]
    Number {
        /// `mean` or `deviation`.
        name: &'static str,
    },
}

/// Numbers that are computed at once: whole vectors of every machine, for as many channels as there are.
const RUN: usize = 16;

impl Normalise {
    /// Joins a mean and a deviation, each a number or a list of one for each channel.
    pub fn new(mean: impl Into<PerChannel>, deviation: impl Into<PerChannel>) -> Self {
        Normalise { mean: mean.into(), deviation: deviation.into() }
    }

    /// Proves that pixels of so many channels can be normalised: what [`Normalise::apply`] relies on.
    ///
    /// # Errors
    /// [`NormaliseError`]: a list of another length, a number that is not finite, a deviation of 0.
    pub fn check(&self, channels: usize) -> Result<(), NormaliseError> {
        for (name, numbers) in [("mean", &self.mean), ("deviation", &self.deviation)] {
            if !numbers.fits(channels) {
                return Err(NormaliseError::Channels { name, channels });
            }
            let is_usable = |number: f32| number.is_finite() && (name == "mean" || number != 0.0);
            if !(0..channels).all(|channel| is_usable(numbers.of(channel))) {
                return Err(NormaliseError::Number { name });
            }
        }
        Ok(())
    }

    /// Writes the normalised pixels; `out [H, W, C]` in the order of `pixels`.
    ///
    /// # Panics
    /// When `out` is not as long as `pixels.data`, or a list is shorter than the channels.
    pub fn apply(&self, pixels: &Pixels, out: &mut [f32]) {
        assert_eq!(out.len(), pixels.data.len(), "every byte gives one number");
        // A run holds whole pixels and whole vectors. Arithmetic vectorises; a table of 256 values is slower to look up.
        let run = RUN * pixels.c.max(1);
        let laid_out = |numbers: &PerChannel| -> Vec<f32> {
            (0..run).map(|at| numbers.of(at % pixels.c.max(1))).collect()
        };
        let (mean, deviation) = (laid_out(&self.mean), laid_out(&self.deviation));
        for (numbers, bytes) in out.chunks_mut(run).zip(pixels.data.chunks(run)) {
            let figures = mean.iter().zip(&deviation);
            for ((number, &byte), (mean, deviation)) in numbers.iter_mut().zip(bytes).zip(figures) {
                *number = (f32::from(byte) / 255.0 - mean) / deviation;
            }
        }
    }

    /// Writes the normalised numbers of an item: of bytes as [`Normalise::apply`], of numbers `(number - mean) / deviation`.
    ///
    /// # Panics
    /// When `out` is not as long as the item has numbers, or a list is shorter than the channels.
    pub fn apply_to(&self, values: &Values, out: &mut [f32]) {
        match values {
            Values::Pixels(pixels) => self.apply(pixels, out),
            Values::Numbers(Numbers { shape: (_, _, c), data }) => {
                assert_eq!(out.len(), data.len(), "every number gives one number");
                let places = data.chunks(*c).zip(out.chunks_mut(*c));
                for (channel, (from, to)) in
                    places.flat_map(|(from, to)| from.iter().zip(to).enumerate())
                {
                    *to = (from - self.mean.of(channel)) / self.deviation.of(channel);
                }
            }
        }
    }

    /// The way back, to be looked at: numbers `[H, W, C]` as bytes, each rounded, and cut off at black and white.
    ///
    /// # Panics
    /// When `numbers` are not those of an image of `shape (H, W, C)`, or a list is shorter than the channels.
    pub fn pixels(&self, numbers: &[f32], shape: (usize, usize, usize)) -> Pixels {
        let (h, w, c) = shape;
        let byte = |(at, number): (usize, &f32)| {
            let channel = at % c.max(1);
            let light = number * self.deviation.of(channel) + self.mean.of(channel);
            (light * 255.0).round().clamp(0.0, 255.0) as u8
        };
        Pixels::new(h, w, c, numbers.iter().enumerate().map(byte).collect())
    }

    /// What black and white are in each of `channels` channels.
    pub fn levels(&self, channels: usize) -> Levels {
        let all = |light: f32| {
            let value = move |channel| (light - self.mean.of(channel)) / self.deviation.of(channel);
            (0..channels).map(value).collect()
        };
        Levels { black: all(0.0), white: all(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_standard_scores() {
        let normalise = Normalise::new(0.1307, 0.3081);
        let mut out = [0.0; 3];
        normalise.apply(&Pixels::new(1, 3, 1, vec![0, 51, 255]), &mut out);
        // By hand: -0.1307 / 0.3081, (0.2 - 0.1307) / 0.3081, 0.8693 / 0.3081.
        for (number, expected) in out.iter().zip([-0.424_213, 0.224_927, 2.821_487]) {
            assert!((number - expected).abs() < 1e-5, "{number} is not {expected}");
        }
        assert_eq!(normalise.levels(1).black[0].to_bits(), out[0].to_bits());
    }

    #[test]
    fn every_channel_has_its_own_figures_in_every_pixel() {
        let normalise = Normalise::new(vec![0.0, 0.5, 1.0], vec![1.0, 0.5, 0.25]);
        let pixels = Pixels::new(5, 11, 3, [0, 255, 51].repeat(55));
        let mut out = vec![f32::NAN; 165];
        normalise.apply(&pixels, &mut out);
        // By hand: (0 - 0) / 1, (1 - 0.5) / 0.5, (0.2 - 1) / 0.25.
        for pixel in out.chunks(3) {
            let wrong = pixel.iter().zip([0.0, 1.0, -3.2]).any(|(a, b)| (a - b).abs() > 1e-6);
            assert!(!wrong, "{pixel:?}");
        }
        assert_eq!(normalise.pixels(&out, pixels.shape()), pixels, "and back again");
        assert_eq!(normalise.levels(3).black, [0.0, -1.0, -4.0]);
        assert_eq!(normalise.levels(3).white, [1.0, 1.0, 0.0]);
    }

    #[test]
    fn one_number_is_written_as_a_number_and_several_as_a_list() {
        for (normalise, text) in [
            (Normalise::new(0.5, 0.25), r#"{"mean":0.5,"deviation":0.25}"#),
            (Normalise::new(vec![0.5, 0.0], 0.25), r#"{"mean":[0.5,0.0],"deviation":0.25}"#),
        ] {
            assert_eq!(serde_json::to_string(&normalise).expect("it is JSON"), text);
            assert_eq!(serde_json::from_str::<Normalise>(text).expect("it is ours"), normalise);
        }
        let whole: Normalise = serde_json::from_str(r#"{"mean":0,"deviation":1}"#).expect("ours");
        assert_eq!(whole, Normalise::new(0.0, 1.0));
    }

    #[test]
    fn what_gives_no_numbers_is_refused() {
        let channels = |name| Err(NormaliseError::Channels { name, channels: 3 });
        let number = |name| Err(NormaliseError::Number { name });
        let check = |normalise: Normalise| normalise.check(3);
        assert_eq!(check(Normalise::new(0.5, vec![1.0, 2.0, 3.0])), Ok(()));
        assert_eq!(check(Normalise::new(vec![0.5, 0.5], 1.0)), channels("mean"));
        assert_eq!(check(Normalise::new(0.5, Vec::new())), channels("deviation"));
        assert_eq!(check(Normalise::new(f32::NAN, 1.0)), number("mean"));
        assert_eq!(check(Normalise::new(0.0, vec![1.0, 0.0, 1.0])), number("deviation"));
    }
}
