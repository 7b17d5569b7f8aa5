//! Gradient shards and their sum, always in the same tree.

use crate::compute_kernels::{Isa, elementwise};
use crate::loss::{Loss, Targets};
use ndarray::ArrayViewD;

/// A fixed slice of a batch: what one call of [`crate::Network::gradient`] works on.
#[derive(Debug, Clone)]
pub struct Shard<'a> {
    /// `[N, H, W, C]`, usually from 0 to 1, or `[N, D]` for a net of features; in standard layout.
    pub images: ArrayViewD<'a, f32>,
    /// What the outputs should be: one class a sample, or values.
    pub targets: Targets<'a>,
    /// How far they are from it.
    pub loss: &'a Loss,
    /// The samples' keys: what drop-out draws depends on them, and not on their place.
    pub items: &'a [u64],
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// What the gradient is multiplied by: [`Loss::batch_scale`] of the whole batch, for the mean.
    pub scale: f32,
    /// The shard's part of the batch: its samples / those of the whole batch.
    pub share: f32,
}

/// What a shard's forward pass found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShardLoss {
    /// The sum of the samples' losses, not scaled.
    pub loss_sum: f64,
    /// How many samples had their label's class on top.
    pub correct: u32,
}

/// How many numbers are summed at a time: a few blocks fit into the first-level cache.
const BLOCK: usize = 1_024;

/// Writes the sum of all `parts` to `out`, in a tree whose shape depends on their number alone.
///
/// `n` parts are the first `next_power_of_two(n) / 2` plus the others, each summed by the same
/// rule; every number by itself, so that slices may be summed apart. One pass over memory.
///
/// # Panics
/// When there are no parts or the lengths differ.
pub fn sum_shards(parts: &[&[f32]], out: &mut [f32]) {
    assert!(!parts.is_empty(), "a sum has at least one part");
    assert!(parts.iter().all(|part| part.len() == out.len()), "all parts have one length");
    for start in (0..out.len()).step_by(BLOCK) {
        let end = out.len().min(start + BLOCK);
        sum_block(parts, start, &mut out[start..end]);
    }
}

/// Sums the numbers from `start` on.
fn sum_block(parts: &[&[f32]], start: usize, out: &mut [f32]) {
    let isa = Isa::best();
    let slice = |part: &&'_ [f32]| -> std::ops::Range<usize> {
        debug_assert!(part.len() >= start + out.len());
        start..start + out.len()
    };
    match parts {
        [one] => out.copy_from_slice(&one[slice(one)]),
        [left, right] => {
            let (a, b) = (slice(left), slice(right));
            elementwise::add(isa, &left[a], &right[b], out);
        }
        _ => {
            let (left, right) = parts.split_at(parts.len().next_power_of_two() / 2);
            sum_block(left, start, out);
            let mut block = [0.0; BLOCK];
            let other = &mut block[..out.len()];
            sum_block(right, start, other);
            elementwise::add_to(isa, other, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;
    use proptest::prelude::*;

    /// The tree of one number, as the contract says it.
    fn tree(parts: &[f32]) -> f32 {
        if parts.len() == 1 {
            return parts[0];
        }
        let (left, right) = parts.split_at(parts.len().next_power_of_two() / 2);
        tree(left) + tree(right)
    }

    proptest! {
        #[test]
        fn shards_are_summed_in_the_tree_of_their_number(
            count in 1usize..20, len in 0usize..3_000, cut in 0usize..3_000,
        ) {
            let parts: Vec<Vec<f32>> = (0..count).map(|part| numbers(len, part as u64)).collect();
            let slices: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
            let mut sum = vec![9.0; len];
            sum_shards(&slices, &mut sum);
            for at in 0..len {
                let column: Vec<f32> = parts.iter().map(|part| part[at]).collect();
                prop_assert_eq!(sum[at].to_bits(), tree(&column).to_bits());
            }
            let cut = cut.min(len);
            let tails: Vec<&[f32]> = parts.iter().map(|part| &part[cut..]).collect();
            let mut tail = vec![9.0; len - cut];
            sum_shards(&tails, &mut tail);
            prop_assert_eq!(&sum[cut..], &tail[..]);
        }
    }
}
