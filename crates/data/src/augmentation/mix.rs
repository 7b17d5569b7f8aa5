//! Mixes each item of a batch with the one after it, and their labels in the same shares: mixup and cutmix.
//!
//! The one after the last is the first. What comes out depends on the batch's items and the [`Key`] of each alone, so it is the
//! same whoever assembles the batch.
//!
//! Sources: Zhang et al., "mixup: beyond empirical risk minimization", arXiv:1710.09412 (the share of the item is drawn from
//! Beta(alpha, alpha)); Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features",
//! arXiv:1905.04899 (a rectangle with the image's ratio, its area from the same draw, its middle uniform).

use planaria_random::Stream;
use serde::{Deserialize, Serialize};

use super::Key;

/// The sub-stream of this augmentation: part of every result's definition.
const STREAM: u32 = 12;

/// How strongly items are mixed. The default mixes none; with both, each item draws which of the two it gets.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// The alpha of mixup, from 0 (none) to 1; 0.2 is the paper's for ImageNet.
    pub mixup: f32,
    /// The alpha of cutmix, from 0 (none) to 1, which is the paper's.
    pub cutmix: f32,
}

impl Mix {
    /// True when every batch stays as it is.
    pub fn is_identity(&self) -> bool {
        self.mixup == 0.0 && self.cutmix == 0.0
    }

    /// Mixes `images [N, H, W, C]` in their place. Returns the share of each item in its own place, 0 to 1; what is left belongs
    /// to the item after it.
    ///
    /// # Panics
    /// When there are not as many images of `shape (H, W, C)` as keys.
    pub fn apply(
        &self,
        images: &mut [f32],
        shape: (usize, usize, usize),
        keys: impl ExactSizeIterator<Item = Key>,
    ) -> Vec<f32> {
        let (h, w, c) = shape;
        let len = h * w * c;
        assert_eq!(images.len(), keys.len() * len, "every image has its key");
        if self.is_identity() || keys.len() < 2 || len == 0 {
            return vec![1.0; keys.len()];
        }
        // The last is mixed with the first as it was.
        let first = images[..len].to_vec();
        let mut shares = Vec::with_capacity(keys.len());
        for (at, key) in keys.enumerate() {
            let (own, rest) = images[at * len..].split_at_mut(len);
            let other = if rest.is_empty() { &first[..] } else { &rest[..len] };
            shares.push(self.mix(own, other, shape, key));
        }
        shares
    }

    /// Mixes `other` into `own`; returns the share that is left of it.
    fn mix(
        &self,
        own: &mut [f32],
        other: &[f32],
        (h, w, c): (usize, usize, usize),
        key: Key,
    ) -> f32 {
        let mut stream = key.stream().substream(STREAM);
        let is_cut = stream.next_u32() & 1 == 1;
        let is_cut =
            if self.mixup == 0.0 || self.cutmix == 0.0 { self.cutmix > 0.0 } else { is_cut };
        if !is_cut {
            let share = beta(self.mixup, &mut stream);
            for (own, other) in own.iter_mut().zip(other) {
                *own = share * *own + (1.0 - share) * other;
            }
            return share;
        }
        let side = (1.0 - beta(self.cutmix, &mut stream)).max(0.0).sqrt();
        let mut span = |n: usize| {
            let middle = stream.next_below(n.min(u32::MAX as usize) as u32) as usize;
            let half = (side * n as f32 / 2.0).round() as usize;
            middle.saturating_sub(half)..(middle + half).min(n)
        };
        let (rows, columns) = (span(h), span(w));
        for y in rows.clone() {
            let line = (y * w + columns.start) * c..(y * w + columns.end) * c;
            own[line.clone()].copy_from_slice(&other[line]);
        }
        1.0 - (rows.len() * columns.len()) as f32 / (h * w) as f32
    }
}

/// Draws from Beta(alpha, alpha), for an alpha above 0 and up to 1.
///
/// Source: Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen", Metrika 8, 1964: two powers of uniform
/// numbers, taken when they sum to at most 1; for an alpha of 1 every second pair is, for smaller ones more.
fn beta(alpha: f32, stream: &mut Stream) -> f32 {
    let power = 1.0 / f64::from(alpha.clamp(1e-3, 1.0));
    // After so many pairs without one there is something wrong with the numbers: half is as good as any.
    for _ in 0..200 {
        let mut draw = || libm::pow(1.0 - f64::from(stream.next_unit()), power);
        let (a, b) = (draw(), draw());
        if a + b <= 1.0 && a + b > 0.0 {
            return (a / (a + b)) as f32;
        }
    }
    0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(n: u64) -> impl ExactSizeIterator<Item = Key> {
        (0..n as u32).map(|item| Key { seed: 4, epoch: 2, item: u64::from(item) })
    }

    /// Images of one value each: item `i` is `i` everywhere.
    fn plain(n: usize, len: usize) -> Vec<f32> {
        (0..n).flat_map(|item| vec![item as f32; len]).collect()
    }

    #[test]
    fn every_item_is_mixed_with_the_next_in_the_share_that_is_given_back() {
        let (n, shape) = (50, (8, 6, 3));
        let len = 8 * 6 * 3;
        for mix in [
            Mix { mixup: 0.4, cutmix: 0.0 },
            Mix { mixup: 0.0, cutmix: 1.0 },
            Mix { mixup: 0.4, cutmix: 1.0 },
        ] {
            let mut images = plain(n, len);
            let shares = mix.apply(&mut images, shape, keys(n as u64));
            let mut mixed = 0;
            for (item, share) in shares.iter().enumerate() {
                let (own, next) = (item as f32, ((item + 1) % n) as f32);
                let expected = share * own + (1.0 - share) * next;
                let image = &images[item * len..(item + 1) * len];
                let mean = image.iter().sum::<f32>() / len as f32;
                assert!((mean - expected).abs() < 1e-3, "{mix:?}, item {item}: {mean}, {expected}");
                let is_cut = image.iter().any(|value| *value != image[0]);
                assert!(!is_cut || mix.cutmix > 0.0, "{mix:?}: mixup leaves no edge");
                mixed += usize::from((0.05..0.95).contains(share));
            }
            assert!(mixed > n / 5, "{mix:?}: {mixed} of {n} are mixed");
        }
    }

    #[test]
    fn one_item_alone_or_no_alpha_changes_nothing() {
        let image = plain(1, 12);
        let mut same = image.clone();
        let shares = Mix { mixup: 1.0, cutmix: 1.0 }.apply(&mut same, (2, 2, 3), keys(1));
        assert_eq!((same, shares), (image, vec![1.0]));
        let mut same = plain(3, 12);
        assert_eq!(Mix::default().apply(&mut same, (2, 2, 3), keys(3)), [1.0; 3]);
        assert_eq!(same, plain(3, 12));
    }

    #[test]
    fn shares_have_the_mean_and_variance_of_the_beta_distribution() {
        for alpha in [0.1f32, 0.2, 0.5, 1.0] {
            let n = 4_000;
            let draw = |item| {
                let mut stream = Key { seed: 1, epoch: 0, item }.stream().substream(STREAM);
                f64::from(beta(alpha, &mut stream))
            };
            let draws: Vec<f64> = (0..n).map(draw).collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / n as f64;
            let expected = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
            // Five standard errors of a mean with a deviation of at most 0.5.
            assert!((mean - 0.5).abs() < 0.04, "{alpha}: {mean}");
            assert!((variance - expected).abs() < 0.012, "{alpha}: {variance}, not {expected}");
        }
    }
}
