//! Items -> a batch, in the epoch's order; each mixed with the next, where the config says so.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task},
};
use planaria_data::augmentation::Key;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{Loss, Targets, ndarray::ArrayView2};
use std::{ops::Range, sync::Arc};

/// An item's variant for an epoch.
pub(crate) struct Variant {
    pub(crate) image: Vec<f32>,
    pub(crate) label: u8,
    /// The key of its random numbers: its number in the source, where it comes once an epoch.
    pub(crate) item: u64,
}

/// The items of a batch, in order, and the epoch that it belongs to.
pub(crate) struct Members {
    pub(crate) variants: Vec<Arc<Variant>>,
    pub(crate) epoch: u32,
}

/// A batch: `images [N, H, W, C]` and what belongs to them.
pub(crate) struct Batch {
    pub(crate) images: Vec<f32>,
    pub(crate) labels: Vec<u8>,
    pub(crate) items: Vec<u64>,
    /// `[N, K]`: the share of each class, where items are mixed; else nothing, and the labels are the targets.
    pub(crate) shares: Vec<f32>,
}

impl Batch {
    /// How many items it holds.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// What the outputs for some of its items should be.
    pub(crate) fn targets(&self, items: Range<usize>) -> Targets<'_> {
        if self.shares.is_empty() {
            return Targets::Classes(&self.labels[items]);
        }
        let classes = self.shares.len() / self.len();
        let shares = &self.shares[items.start * classes..items.end * classes];
        let values = ArrayView2::from_shape((items.len(), classes), shares);
        Targets::Values(values.expect("every item has a share for each class"))
    }

    /// What the sum of its items' losses is multiplied by for their mean.
    pub(crate) fn scale(&self, loss: &Loss) -> f32 {
        loss.batch_scale(&self.targets(0..self.len()))
    }

    /// The items of gradient shard `shard` of `shards`: sizes differ by one at most, and depend on nothing else.
    pub(crate) fn shard(&self, shard: usize, shards: usize) -> Range<usize> {
        self.len() * shard / shards..self.len() * (shard + 1) / shards
    }
}

/// Gathers one batch.
pub(crate) struct Gather(pub(crate) Arc<Plan>);

impl Stage for Gather {
    type Task = Members;
    type Made = Batch;

    fn accept(task: Task) -> Option<Members> {
        if let Task::Batch(members) = task { Some(members) } else { None }
    }

    fn answer(made: Batch) -> Outcome {
        Outcome::Batch(made)
    }

    fn work(&mut self, members: Members, pulse: &Pulse) -> Result<Batch, WorkerError> {
        pulse.beat()?;
        let Members { variants, epoch } = members;
        let numbers = variants.iter().map(|variant| variant.image.len()).sum();
        let mut images = Vec::with_capacity(numbers);
        for variant in &variants {
            images.extend_from_slice(&variant.image);
        }
        let labels = variants.iter().map(|variant| variant.label).collect();
        let items = variants.iter().map(|variant| variant.item).collect();
        let mut batch = Batch { images, labels, items, shares: Vec::new() };
        pulse.beat()?;
        mix(&self.0, &mut batch, epoch);
        Ok(batch)
    }
}

/// Mixes each item with the next, and makes the shares of their labels its target.
fn mix(plan: &Plan, batch: &mut Batch, epoch: u32) {
    let mix = plan.settings.augmentation.mix;
    if mix.is_identity() {
        return;
    }
    let (seed, classes) = (plan.settings.seed, plan.network.classes());
    let keys = batch.items.iter().map(|&item| Key { seed, epoch, item });
    let own = mix.apply(&mut batch.images, plan.source.shape(), keys);
    batch.shares = vec![0.0; batch.labels.len() * classes];
    let next = batch.labels.iter().cycle().skip(1);
    let pairs = batch.labels.iter().zip(next).zip(own);
    for (shares, ((&label, &next), own)) in batch.shares.chunks_exact_mut(classes).zip(pairs) {
        shares[usize::from(label)] += own;
        shares[usize::from(next)] += 1.0 - own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_shards_cover_a_batch_without_gap_or_overlap() {
        for n in [0usize, 1, 3, 5, 63, 64] {
            let batch = Batch {
                images: Vec::new(),
                labels: vec![0; n],
                items: vec![0; n],
                shares: Vec::new(),
            };
            for shards in 1..9 {
                let covered: Vec<usize> =
                    (0..shards).flat_map(|g| batch.shard(g, shards)).collect();
                assert_eq!(covered, (0..n).collect::<Vec<_>>(), "{n} items in {shards} shards");
            }
        }
    }

    #[test]
    fn the_targets_of_a_mixed_batch_are_the_shares_of_its_shard() {
        let shares = vec![1.0, 0.0, 0.25, 0.75, 0.5, 0.5];
        let batch =
            Batch { images: Vec::new(), labels: vec![0, 1, 0], items: vec![7, 8, 9], shares };
        let Targets::Values(values) = batch.targets(1..3) else { panic!("they are shares") };
        assert_eq!(values.as_slice(), Some(&[0.25, 0.75, 0.5, 0.5][..]));
        assert_eq!(batch.scale(&Loss::default()), 1.0 / 3.0);
    }
}
