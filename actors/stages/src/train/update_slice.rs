//! The optimiser's step on one slice of the parameters: sum of the shards in shard order, then element by element.

use super::GradientShard;
use crate::plan::Plan;
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{NORM_BLOCK, ParameterSlice, TrainingStep, gradient_norm, sum_shards};
use std::{ops::Range, sync::Arc};

/// Numbers between two heartbeats: some tens of microseconds of work. Whole blocks of a norm.
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
    gradient: &mut Vec<f32>,
    pulse: &Pulse,
) -> Result<UpdatedSlice, WorkerError> {
    let UpdateTask { shards, parameters, before, range, step, buffer } = task;
    let train = &plan.settings.train;
    let UpdatedSlice { parameters: mut updated, mut state, .. } = buffer;
    gradient.resize(range.len(), 0.0);
    updated.resize(range.len(), 0.0);
    state.resize(range.len() * train.update.state_len_per_parameter(), 0.0);
    for (n, stretch) in gradient.chunks_mut(STRETCH).enumerate() {
        pulse.beat()?;
        sum(&shards, range.start + n * STRETCH, stretch);
    }
    let number = step + 1;
    let rate_factor = train.schedule.factor(number, plan.steps(), plan.steps_per_epoch);
    let gradient_norm = train.update.clip_norm.map(|_| norm(plan, &shards, pulse)).transpose()?;
    let start = range.start;
    let slice = ParameterSlice {
        gradient,
        old: &parameters[range.clone()],
        range,
        old_state: &before.state,
        new: &mut updated,
        new_state: &mut state,
    };
    let step = TrainingStep { number, rate_factor, gradient_norm };
    plan.network.update(&train.update, &step, slice);
    pulse.beat()?;
    let not_finite = first_not_finite(gradient).or_else(|| first_not_finite(&updated));
    let not_finite = not_finite.map(|at| start + at);
    Ok(UpdatedSlice { parameters: updated, state, not_finite })
}

/// The place of the first number that is infinite or none. Whole blocks are looked at without a branch a number.
fn first_not_finite(numbers: &[f32]) -> Option<usize> {
    const BLOCK: usize = 1 << 10;
    let is_sound = |block: &[f32]| block.iter().fold(true, |sound, x| sound & x.is_finite());
    let (n, block) = numbers.chunks(BLOCK).enumerate().find(|(_, block)| !is_sound(block))?;
    Some(n * BLOCK + block.iter().position(|x| !x.is_finite())?)
}

/// Writes the sum of the shards' gradients from the parameter `from` on.
fn sum(shards: &[Arc<GradientShard>], from: usize, stretch: &mut [f32]) {
    let parts: Vec<&[f32]> =
        shards.iter().map(|shard| &shard.gradient[from..from + stretch.len()]).collect();
    sum_shards(&parts, stretch);
}

/// The length of the whole gradient. Every slice of a step finds it for itself, with the same bits:
/// so nobody waits for another.
fn norm(plan: &Plan, shards: &[Arc<GradientShard>], pulse: &Pulse) -> Result<f64, WorkerError> {
    let (count, mut stretch) = (plan.network.parameter_count(), vec![0.0; STRETCH]);
    let mut squares = Vec::with_capacity(count.div_ceil(NORM_BLOCK));
    for from in (0..count).step_by(STRETCH) {
        pulse.beat()?;
        let range = from..count.min(from + STRETCH);
        let stretch = &mut stretch[..range.len()];
        sum(shards, from, stretch);
        squares.extend(plan.network.squared_norms(&plan.settings.train.update, range, stretch));
    }
    Ok(gradient_norm(squares))
}
