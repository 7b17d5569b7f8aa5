//! All memory of a pass, allocated once.

use crate::compute_kernels::aligned::AlignedFloats;
use crate::layer::step::{Own, Samples, SamplesMut};
use crate::plan::{Plan, SlotPlan};
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};

/// The memory of passes over at most `batch` samples; a pass allocates nothing.
///
/// What an earlier pass left behind, finished or stopped, has no effect on the next.
#[derive(Debug)]
pub struct Workspace {
    batch: usize,
    /// The plan that it was made for.
    plan: u64,
    /// What training makes of the weights, by step.
    pub(crate) prepared: Vec<AlignedFloats>,
    pub(crate) memory: Memory,
}

/// What a pass writes.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The steps' own.
    pub(crate) own: Vec<Own>,
    /// The values.
    pub(crate) slots: Vec<Slot>,
    /// Their gradients.
    pub(crate) gradients: Gradients,
    /// A gradient on its way to be added to another.
    pub(crate) spare: Spare,
}

impl Workspace {
    /// Allocates what passes along `plan`, whose number is `id`, need. `training`: with the way
    /// back.
    pub(crate) fn new(plan: &Plan, id: u64, batch: usize, training: bool) -> Self {
        let mut own: Vec<Own> = Vec::new();
        for step in &plan.steps {
            if step.own == own.len() {
                own.push(Own::new(step.memory(batch), batch));
            }
        }
        let prepared: Vec<AlignedFloats> = if training { prepared(plan) } else { Vec::new() };
        let slots = plan.slots.iter().map(|slot| Slot::new(*slot, batch)).collect();
        let memory = Memory {
            own,
            slots,
            gradients: Gradients::new(plan, if training { batch } else { 0 }),
            spare: Spare::new(plan, if training { batch } else { 0 }),
        };
        Workspace { batch, plan: id, prepared, memory }
    }

    /// How many samples a pass may have.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// # Panics
    /// When it was made for another plan or fewer samples.
    pub(crate) fn check(&self, plan: u64, samples: usize) {
        assert!(self.plan == plan, "a workspace serves the net that it was made for");
        assert!(samples <= self.batch, "{samples} samples in a workspace for {}", self.batch);
    }
}

/// Room for what every step makes of its weights.
pub(crate) fn prepared(plan: &Plan) -> Vec<AlignedFloats> {
    plan.steps.iter().map(|step| AlignedFloats::zeros(step.memory(1).prepared)).collect()
}

/// From row to row: an odd number of cache lines, so that a column of samples does not fall into
/// one set of the cache.
fn pitch(len: usize) -> usize {
    (len.div_ceil(16) | 1) * 16
}

/// Floats for a value in at most `batch` rows.
fn room(plan: SlotPlan, batch: usize) -> usize {
    pitch(plan.len) * if plan.row_per_sample { batch } else { batch.min(1) }
}

/// Where a sample's row begins.
fn start(plan: SlotPlan, first: usize, count: usize) -> usize {
    assert!(plan.row_per_sample || count == 1, "samples that share a row come one by one");
    if plan.row_per_sample { first * pitch(plan.len) } else { 0 }
}

/// Rows in flat memory.
fn rows(data: &[f32], plan: SlotPlan, first: usize, count: usize) -> Samples<'_> {
    let shape = (count, plan.len).strides((pitch(plan.len), 1));
    ArrayView2::from_shape(shape, &data[start(plan, first, count)..])
        .expect("a pass has no more samples than the workspace")
}

/// As [`rows`], to be written.
fn rows_mut(data: &mut [f32], plan: SlotPlan, first: usize, count: usize) -> SamplesMut<'_> {
    let shape = (count, plan.len).strides((pitch(plan.len), 1));
    ArrayViewMut2::from_shape(shape, &mut data[start(plan, first, count)..])
        .expect("a pass has no more samples than the workspace")
}

/// One value: a row a sample, or one row that all samples use in turn.
#[derive(Debug)]
pub(crate) struct Slot {
    /// What the views of rows look at; an array of `ndarray` would not begin on a cache line.
    data: AlignedFloats,
    plan: SlotPlan,
}

impl Slot {
    fn new(plan: SlotPlan, batch: usize) -> Self {
        Slot { data: AlignedFloats::zeros(room(plan, batch)), plan }
    }

    /// The rows of `count` samples from `first` on, `[count, len]`.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Samples<'_> {
        rows(&self.data, self.plan, first, count)
    }

    /// As [`Slot::rows`], to be written.
    pub(crate) fn rows_mut(&mut self, first: usize, count: usize) -> SamplesMut<'_> {
        rows_mut(&mut self.data, self.plan, first, count)
    }
}

/// The gradients of all values, in pieces of memory that values share in turn.
#[derive(Debug)]
pub(crate) struct Gradients {
    buffers: Vec<AlignedFloats>,
}

impl Gradients {
    fn new(plan: &Plan, batch: usize) -> Self {
        let mut rooms: Vec<usize> = Vec::new();
        for slot in &plan.gradients {
            rooms.resize(rooms.len().max(slot.buffer + 1), 0);
            rooms[slot.buffer] = rooms[slot.buffer].max(room(*slot, batch));
        }
        Gradients { buffers: rooms.into_iter().map(AlignedFloats::zeros).collect() }
    }

    /// The rows of one value's gradient, to be written.
    pub(crate) fn rows_mut(&mut self, of: SlotPlan, first: usize, count: usize) -> SamplesMut<'_> {
        rows_mut(&mut self.buffers[of.buffer], of, first, count)
    }

    /// The rows of two values' gradients, to be written.
    pub(crate) fn two_mut(
        &mut self,
        one: SlotPlan,
        other: SlotPlan,
        first: usize,
        count: usize,
    ) -> (SamplesMut<'_>, SamplesMut<'_>) {
        let both = self.buffers.get_disjoint_mut([one.buffer, other.buffer]);
        let [a, b] = both.expect("values of one step do not share memory");
        (rows_mut(a, one, first, count), rows_mut(b, other, first, count))
    }
}

/// Room for a gradient that is to be added to another.
#[derive(Debug)]
pub(crate) struct Spare(AlignedFloats);

impl Spare {
    fn new(plan: &Plan, batch: usize) -> Self {
        let added = plan.steps.iter().zip(&plan.adds).filter(|(_, adds)| **adds);
        let rooms = added.map(|(step, _)| room(plan.gradients[step.x], batch));
        Spare(AlignedFloats::zeros(rooms.max().unwrap_or(0)))
    }

    /// `count` rows of `len` numbers.
    pub(crate) fn first_rows_mut(&mut self, len: usize, count: usize) -> SamplesMut<'_> {
        rows_mut(&mut self.0, SlotPlan { len, row_per_sample: true, buffer: 0 }, 0, count)
    }
}
