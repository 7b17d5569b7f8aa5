//! All memory of a pass, allocated once.

use crate::Shape;
use crate::compute_kernels::aligned::AlignedFloats;
use crate::layer::{LayerSpec, Own, Samples, SamplesMut};
use crate::network::{Network, SlotPlan};
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// The memory of passes over at most `batch` samples; a pass allocates nothing.
///
/// What an earlier pass left behind, finished or stopped, has no effect on the next.
#[derive(Debug)]
pub struct Workspace {
    batch: usize,
    /// The net it was made for.
    input: Shape,
    layers: Vec<LayerSpec>,
    /// What each step owns.
    pub(crate) own: Vec<Own>,
    /// The activations.
    pub(crate) slots: Vec<Slot>,
    /// Their gradients.
    pub(crate) gradients: Vec<Slot>,
}

impl Workspace {
    /// Allocates what `network` needs.
    pub(crate) fn new(network: &Network, batch: usize) -> Self {
        let memory = network.steps.iter().map(|step| Own::new(step.memory(batch), batch));
        let activations = network.slots.iter().map(|plan| Slot::new(*plan, plan.kept, batch));
        let gradients = network.slots.iter().map(|plan| Slot::new(*plan, plan.whole_shard, batch));
        Workspace {
            batch,
            input: network.input(),
            layers: network.layers().to_vec(),
            own: memory.collect(),
            slots: activations.collect(),
            gradients: gradients.collect(),
        }
    }

    /// How many samples a pass may have.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// # Panics
    /// When it was made for another net or fewer samples.
    pub(crate) fn check(&self, network: &Network, samples: usize) {
        assert!(
            self.input == network.input() && self.layers == network.layers(),
            "a workspace serves the net that it was made for"
        );
        assert!(samples <= self.batch, "{samples} samples in a workspace for {}", self.batch);
    }
}

/// One activation, or its gradient: a row a sample, or one row that all samples use in turn.
#[derive(Debug)]
pub(crate) struct Slot {
    /// What the views of rows look at; an array of `ndarray` would not begin on a cache line.
    data: AlignedFloats,
    len: usize,
    /// From row to row: an odd number of cache lines, so that a column of samples does not fall
    /// into one set of the cache.
    pitch: usize,
    row_per_sample: bool,
}

impl Slot {
    fn new(plan: SlotPlan, row_per_sample: bool, batch: usize) -> Self {
        let pitch = (plan.len.div_ceil(16) | 1) * 16;
        let rows = if row_per_sample { batch } else { 1 };
        Slot { data: AlignedFloats::zeros(rows * pitch), len: plan.len, pitch, row_per_sample }
    }

    /// The rows of `count` samples from `first` on, `[count, len]`.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Samples<'_> {
        let shape = (count, self.len).strides((self.pitch, 1));
        let data = &self.data[self.start(first, count)..];
        ArrayView2::from_shape(shape, data).expect("a pass has no more samples than the workspace")
    }

    /// As [`Slot::rows`], to be written.
    pub(crate) fn rows_mut(&mut self, first: usize, count: usize) -> SamplesMut<'_> {
        let shape = (count, self.len).strides((self.pitch, 1));
        let start = self.start(first, count);
        ArrayViewMut2::from_shape(shape, &mut self.data[start..])
            .expect("a pass has no more samples than the workspace")
    }

    fn start(&self, first: usize, count: usize) -> usize {
        assert!(self.row_per_sample || count == 1, "samples that share a row come one by one");
        if self.row_per_sample { first * self.pitch } else { 0 }
    }
}
