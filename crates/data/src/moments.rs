//! The mean and the standard deviation of all pixels, found in one pass.
//!
//! Sums of whole numbers: the order in which images come, and in how many parts they are counted, change no bit.

use crate::{Decoder, Limits, Normalise, Pixels, Source, Split, conform};

/// What is summed of one channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Channel {
    sum: u64,
    squares: u64,
}

/// Counts the bytes of images, channel by channel. Room for 2^47 pixels.
///
/// ```
/// use planaria_data::{Moments, Normalise, Pixels};
/// let mut moments = Moments::new(1);
/// moments.add(&Pixels::new(1, 2, 1, vec![0, 255]));
/// assert_eq!(moments.normalise(), Some(Normalise::new(0.5, 0.5)));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moments {
    pixels: u64,
    channels: Vec<Channel>,
}

impl Moments {
    /// Nothing yet of images with so many channels.
    pub fn new(channels: usize) -> Self {
        Moments { pixels: 0, channels: vec![Channel::default(); channels] }
    }

    /// Counts an image.
    ///
    /// # Panics
    /// When it has other channels.
    pub fn add(&mut self, image: &Pixels) {
        assert_eq!(image.c, self.channels.len(), "all images have the same channels");
        self.pixels += (image.h * image.w) as u64;
        // In pieces whose sums fit 32 bits: these are added by vectors.
        const PIECE: usize = 1 << 16;
        for piece in image.data.chunks(PIECE * image.c.max(1)) {
            for (at, channel) in self.channels.iter_mut().enumerate() {
                let bytes = piece.iter().skip(at).step_by(image.c);
                let (mut sum, mut squares) = (0u32, 0u32);
                for &byte in bytes {
                    sum += u32::from(byte);
                    squares += u32::from(byte) * u32::from(byte);
                }
                channel.sum += u64::from(sum);
                channel.squares += u64::from(squares);
            }
        }
    }

    /// Counts what another has counted.
    ///
    /// # Panics
    /// When it has other channels.
    pub fn merge(&mut self, other: &Moments) {
        assert_eq!(other.channels.len(), self.channels.len(), "both have the same channels");
        self.pixels += other.pixels;
        for (own, other) in self.channels.iter_mut().zip(&other.channels) {
            own.sum += other.sum;
            own.squares += other.squares;
        }
    }

    /// Counts the first `items` of a split, each brought to the source's shape. What cannot be read or decoded is left out:
    /// whoever uses it will meet it again and say so.
    pub fn of(source: &dyn Source, split: Split, items: u64, limits: &Limits) -> Moments {
        let mut moments = Moments::new(source.shape().2);
        let mut decoder = Decoder::default();
        let (h, w, _) = source.shape();
        let wanted = source.fit().map(|_| (h, w));
        for index in 0..items.min(source.len(split)) {
            let Ok(raw) = source.read(split, index) else { continue };
            let decoded = decoder.decode(source.codec(), &raw.bytes, limits, wanted);
            let Ok(pixels) = decoded else { continue };
            if let Ok(pixels) = conform(pixels, source.shape(), source.fit()) {
                moments.add(&pixels);
            }
        }
        moments
    }

    /// What brings these images to a mean of 0 and a deviation of 1; a channel of one value gets a deviation of 1. None when no
    /// pixel was counted.
    pub fn normalise(&self) -> Option<Normalise> {
        if self.pixels == 0 {
            return None;
        }
        let figures = self.channels.iter().map(|channel| {
            let (n, sum) = (u128::from(self.pixels), u128::from(channel.sum));
            // n^2 times the variance, exactly: n sum(x^2) - sum(x)^2.
            let variance = n * u128::from(channel.squares) - sum * sum;
            let mean = sum as f64 / n as f64 / 255.0;
            let deviation = (variance as f64).sqrt() / n as f64 / 255.0;
            (mean as f32, if variance == 0 { 1.0 } else { deviation as f32 })
        });
        let (mean, deviation): (Vec<f32>, Vec<f32>) = figures.unzip();
        Some(Normalise::new(mean, deviation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_figures_of_mnist_are_those_that_everybody_uses() {
        let mnist = crate::source::embedded::mnist().expect("it is inside");
        let moments = Moments::of(&mnist, Split::Train, u64::MAX, &Limits::default());
        let normalise = moments.normalise().expect("there are pixels");
        assert!((normalise.mean.of(0) - 0.1307).abs() < 1e-4, "{normalise:?}");
        assert!((normalise.deviation.of(0) - 0.3081).abs() < 1e-4, "{normalise:?}");
    }

    #[test]
    fn nothing_has_no_figures_and_one_value_a_deviation_of_one() {
        assert_eq!(Moments::new(3).normalise(), None);
        let mut moments = Moments::new(1);
        moments.add(&Pixels::new(1, 2, 1, vec![51; 2]));
        assert_eq!(moments.normalise(), Some(Normalise::new(0.2, 1.0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

        #[test]
        fn neither_order_nor_parts_change_a_bit(
            images in prop::collection::vec(prop::collection::vec(any::<u8>(), 12), 1..20),
            cut in 0..20usize,
        ) {
            let counted = |images: &[Vec<u8>]| {
                let mut moments = Moments::new(3);
                images.iter().for_each(|data| moments.add(&Pixels::new(2, 2, 3, data.clone())));
                moments
            };
            let whole = counted(&images);
            let (first, second) = images.split_at(cut.min(images.len()));
            let mut parts = counted(second);
            parts.merge(&counted(first));
            prop_assert_eq!(&parts, &whole);
            let mean = |channel: usize| {
                let values = images.iter().flat_map(|data| data.iter().skip(channel).step_by(3));
                values.map(|&byte| f64::from(byte)).sum::<f64>() / (images.len() * 4) as f64 / 255.0
            };
            let normalise = whole.normalise().expect("there are pixels");
            for channel in 0..3 {
                prop_assert!((f64::from(normalise.mean.of(channel)) - mean(channel)).abs() < 1e-6);
            }
        }
    }
}
