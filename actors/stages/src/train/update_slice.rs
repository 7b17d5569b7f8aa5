//! The optimiser's step on one slice of the parameters: sum of the shards in shard order, then element by element.

use super::GradientShard;
use crate::plan::Plan;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::sum_shards;
use std::{ops::Range, sync::Arc};

/// Numbers between two heartbeats: some tens of microseconds of work.
const STRETCH: usize = 1 << 16;

/// What a slice is computed from.
pub(crate) struct UpdateTask {
    /// All gradient shards of the step, in shard order.
    pub(crate) shards: Vec<Arc<GradientShard>>,
    pub(crate) parameters: Arc<Vec<f32>>,
    /// The slice as the step before left it.
    pub(crate) before: Arc<UpdatedSlice>,
    /// Which parameters these are.
    pub(crate) range: Range<usize>,
    /// The step, from 0.
    pub(crate) step: u64,
    /// Memory of an earlier slice, to be written over.
    pub(crate) buffer: UpdatedSlice,
}

/// A slice of a version: its parameters, and what the optimiser remembers of them.
#[derive(Default)]
pub(crate) struct UpdatedSlice {
    pub(crate) parameters: Vec<f32>,
    pub(crate) state: Vec<f32>,
}

pub(crate) fn compute(
    plan: &Plan,
    task: UpdateTask,
    gradient: &mut Vec<f32>,
    pulse: &Pulse,
) -> Result<UpdatedSlice, WorkerError> {
    let UpdateTask { shards, parameters, before, range, step, buffer } = task;
    let train = &plan.settings.train;
    let UpdatedSlice { parameters: mut updated, mut state } = buffer;
    gradient.resize(range.len(), 0.0);
    updated.resize(range.len(), 0.0);
    state.resize(range.len() * train.optimiser.state_len_per_parameter(), 0.0);
    for (n, stretch) in gradient.chunks_mut(STRETCH).enumerate() {
        pulse.beat()?;
        let from = range.start + n * STRETCH;
        let parts: Vec<&[f32]> =
            shards.iter().map(|shard| &shard.gradient[from..from + stretch.len()]).collect();
        sum_shards(&parts, stretch);
    }
    let factor = train.schedule.factor(step, plan.steps());
    let old = &parameters[range];
    train.optimiser.step(step + 1, factor, gradient, old, &before.state, &mut updated, &mut state);
    pulse.beat()?;
    Ok(UpdatedSlice { parameters: updated, state })
}
