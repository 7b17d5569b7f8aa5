//! Left and right exchanged: at random, or in turn from epoch to epoch.

use serde::{Deserialize, Serialize};

use super::{Canvas, Key, Vary};

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 1;

/// When an image is flipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flip {
    /// Never.
    #[default]
    Never,
    /// With an even chance, anew in every epoch.
    Random,
    /// With an even chance in the first epoch, and then the other way round in each epoch: any two that follow one another show
    /// both sides of every item, so that fewer epochs see more.
    ///
    /// Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498.
    Alternating,
}

impl Flip {
    fn is_due(self, key: Key) -> bool {
        let coin = |key: Key| key.stream().substream(STREAM).next_u32() & 1;
        match self {
            Flip::Never => false,
            Flip::Random => coin(key) == 1,
            Flip::Alternating => (coin(Key { epoch: 0, ..key }) + key.epoch % 2) % 2 == 1,
        }
    }
}

impl Vary for Flip {
    fn is_identity(&self) -> bool {
        *self == Flip::Never
    }

    fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        if !self.is_due(key) {
            return;
        }
        let (_, w, c) = canvas.shape();
        for row in canvas.image_mut().chunks_exact_mut((w * c).max(1)) {
            match c {
                1 => row.reverse(),
                3 => row.as_chunks_mut::<3>().0.reverse(),
                _ => {
                    let (left, right) = row.split_at_mut(w / 2 * c);
                    let pairs = left.chunks_exact_mut(c).zip(right.rchunks_exact_mut(c));
                    pairs.for_each(|(a, b)| a.swap_with_slice(b));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;
    use planaria_random::{Purpose, Stream};

    fn flipped(flip: Flip, epoch: u32, item: u64) -> bool {
        let levels = Levels { black: vec![0.0], white: vec![1.0] };
        let mut canvas = Canvas::new(vec![1.0, 2.0], (1, 2, 1), &levels);
        flip.vary(&mut canvas, Key { seed: 5, epoch, item });
        canvas.into_image() == [2.0, 1.0]
    }

    #[test]
    fn every_second_epoch_shows_the_other_side_of_each_item() {
        for item in 0..100 {
            let first = flipped(Flip::Alternating, 0, item);
            for epoch in 1..6 {
                let other = flipped(Flip::Alternating, epoch, item);
                assert_eq!(other, first ^ (epoch % 2 == 1), "item {item}, epoch {epoch}");
            }
        }
    }

    #[test]
    fn half_of_the_items_are_flipped() {
        for flip in [Flip::Random, Flip::Alternating] {
            for epoch in 0..3 {
                let count = (0..2_000).filter(|&item| flipped(flip, epoch, item)).count();
                // Five standard deviations of 2,000 coins are 112.
                assert!(count.abs_diff(1_000) < 112, "{flip:?}, epoch {epoch}: {count} of 2000");
            }
        }
    }

    #[test]
    fn a_row_is_turned_round_pixel_by_pixel() {
        for c in 1..5usize {
            for w in 1..6usize {
                let image: Vec<f32> = (0..2 * w * c).map(|at| at as f32).collect();
                let levels = Levels { black: vec![0.0; c], white: vec![1.0; c] };
                let item = (0..).find(|&item| flipped(Flip::Random, 0, item)).expect("one is");
                let mut canvas = Canvas::new(image.clone(), (2, w, c), &levels);
                Flip::Random.vary(&mut canvas, Key { seed: 5, epoch: 0, item });
                let turned = |at: usize| {
                    let (row, x, channel) = (at / (w * c), at / c % w, at % c);
                    image[(row * w + w - 1 - x) * c + channel]
                };
                let expected: Vec<f32> = (0..2 * w * c).map(turned).collect();
                assert_eq!(canvas.into_image(), expected, "{w} pixels of {c} channels");
            }
        }
    }

    #[test]
    fn the_stream_is_that_of_the_augmentations() {
        // Drawn by hand: a change of purpose or sub-stream would change every result.
        let mut stream = Stream::new(5, Purpose::Augment, 2, 7).substream(1);
        assert_eq!(flipped(Flip::Random, 2, 7), stream.next_u32() & 1 == 1);
    }
}
