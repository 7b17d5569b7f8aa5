//! Items -> a batch, in the epoch's order.

use crate::stage::{Outcome, Stage, Task};
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{Loss, Targets};
use std::{ops::Range, sync::Arc};

/// An item's variant for an epoch.
pub(crate) struct Variant {
    pub(crate) image: Vec<f32>,
    pub(crate) label: u8,
    /// The item's number in the source: the key of its drop-out.
    pub(crate) item: u64,
}

/// The items of a batch, in order.
pub(crate) struct Members(pub(crate) Vec<Arc<Variant>>);

/// A batch: `images [N, H, W, C]` and what belongs to them.
pub(crate) struct Batch {
    pub(crate) images: Vec<f32>,
    pub(crate) labels: Vec<u8>,
    pub(crate) items: Vec<u64>,
}

impl Batch {
    /// How many items it holds.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// What the sum of its items' losses is multiplied by for their mean.
    pub(crate) fn scale(&self, loss: &Loss) -> f32 {
        loss.batch_scale(&Targets::Classes(&self.labels))
    }

    /// The items of gradient shard `shard` of `shards`: sizes differ by one at most, and depend on nothing else.
    pub(crate) fn shard(&self, shard: usize, shards: usize) -> Range<usize> {
        self.len() * shard / shards..self.len() * (shard + 1) / shards
    }
}

/// Gathers one batch.
pub(crate) struct Gather;

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
        let members = members.0;
        let numbers = members.iter().map(|variant| variant.image.len()).sum();
        let mut images = Vec::with_capacity(numbers);
        for variant in &members {
            images.extend_from_slice(&variant.image);
        }
        let labels = members.iter().map(|variant| variant.label).collect();
        let items = members.iter().map(|variant| variant.item).collect();
        Ok(Batch { images, labels, items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_shards_cover_a_batch_without_gap_or_overlap() {
        for n in [0usize, 1, 3, 5, 63, 64] {
            let batch = Batch { images: Vec::new(), labels: vec![0; n], items: vec![0; n] };
            for shards in 1..9 {
                let covered: Vec<usize> =
                    (0..shards).flat_map(|g| batch.shard(g, shards)).collect();
                assert_eq!(covered, (0..n).collect::<Vec<_>>(), "{n} items in {shards} shards");
            }
        }
    }
}
