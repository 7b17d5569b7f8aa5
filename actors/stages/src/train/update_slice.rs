//! The optimiser's step on one slice of the parameters: block by block the sum of the shards in shard order, then
//! every number by itself.

use super::GradientShard;
use crate::plan::Plan;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{NORM_BLOCK, ParameterSlice, ShardGradient, TrainingStep, gradient_norm};
use std::{ops::Range, sync::Arc};

/// Numbers between two heartbeats while a norm is found: some tens of microseconds of work. Whole blocks of a norm.
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
    /// The first of the flat parameters here whose gradient, or whose new value, is infinite or no number.
    pub(crate) not_finite: Option<usize>,
}

impl UpdatedSlice {
    /// The n-th of `planes` numbers that the optimiser remembers, of each parameter.
    pub(crate) fn plane(&self, n: usize, planes: usize) -> &[f32] {
        let len = self.state.len() / planes;
        &self.state[n * len..(n + 1) * len]
    }
}

pub(crate) fn compute(
    plan: &Plan,
    task: UpdateTask,
    pulse: &Pulse,
) -> Result<UpdatedSlice, WorkerError> {
    let UpdateTask { shards, parameters, before, range, step, buffer } = task;
    let train = &plan.settings.train;
    let UpdatedSlice { parameters: mut updated, mut state, .. } = buffer;
    updated.resize(range.len(), 0.0);
    state.resize(range.len() * train.update.state_len_per_parameter(), 0.0);
    let number = step + 1;
    let rate_factor = train.schedule.factor(number, plan.steps(), plan.steps_per_epoch);
    let shards: Vec<&ShardGradient> = shards.iter().map(|shard| &shard.gradient).collect();
    let gradient_norm = train.update.clip_norm.map(|_| norm(plan, &shards, pulse)).transpose()?;
    let slice = ParameterSlice {
        old: &parameters[range.clone()],
        range,
        old_state: &before.state,
        new: &mut updated,
        new_state: &mut state,
    };
    let step = TrainingStep { number, rate_factor, gradient_norm };
    let mut beat = || pulse.beat();
    let not_finite =
        plan.network.update_from_shards(&train.update, &step, &shards, slice, &mut beat)?;
    Ok(UpdatedSlice { parameters: updated, state, not_finite })
}

/// The length of the whole gradient. Every slice of a step finds it for itself, with the same bits:
/// so nobody waits for another.
fn norm(plan: &Plan, shards: &[&ShardGradient], pulse: &Pulse) -> Result<f64, WorkerError> {
    let (count, mut stretch) = (plan.network.parameter_count(), vec![0.0; STRETCH]);
    let mut squares = Vec::with_capacity(count.div_ceil(NORM_BLOCK));
    for from in (0..count).step_by(STRETCH) {
        pulse.beat()?;
        let range = from..count.min(from + STRETCH);
        let stretch = &mut stretch[..range.len()];
        plan.network.sum_gradients(shards, range.clone(), stretch);
        squares.extend(plan.network.squared_norms(&plan.settings.train.update, range, stretch));
    }
    Ok(gradient_norm(squares))
}
