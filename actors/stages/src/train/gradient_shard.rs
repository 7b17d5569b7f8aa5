//! The gradient of one shard of a batch.

use crate::{batch::Batch, plan::Plan};
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{Shard, ShardLoss, Targets, Workspace};
use std::sync::Arc;

/// What a gradient is computed from.
pub(crate) struct GradientTask {
    /// The weights of version `step`.
    pub(crate) parameters: Arc<Vec<f32>>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) shard: usize,
    pub(crate) epoch: u32,
    /// Memory of an earlier gradient, to be written over; empty when there is none.
    pub(crate) buffer: Vec<f32>,
}

/// A shard's part of the batch's mean gradient.
pub(crate) struct GradientShard {
    pub(crate) gradient: Vec<f32>,
    pub(crate) loss: ShardLoss,
}

pub(crate) fn compute(
    plan: &Plan,
    task: GradientTask,
    workspace: &mut Workspace,
    pulse: &Pulse,
) -> Result<GradientShard, WorkerError> {
    let GradientTask { parameters, batch, shard, epoch, mut buffer } = task;
    let members = batch.shard(shard, plan.settings.train.gradient_shards);
    let numbers = plan.network.input().len();
    buffer.resize(plan.network.parameter_count(), 0.0);
    if members.is_empty() {
        buffer.fill(0.0);
        return Ok(GradientShard {
            gradient: buffer,
            loss: ShardLoss { loss_sum: 0.0, correct: 0 },
        });
    }
    let share = members.len() as f32 / batch.len() as f32;
    let images = &batch.images[members.start * numbers..members.end * numbers];
    let shard = Shard {
        images: plan.network.input().samples(images),
        targets: Targets::Classes(&batch.labels[members.clone()]),
        loss: &plan.settings.train.loss,
        items: &batch.items[members],
        seed: plan.settings.seed,
        epoch,
        scale: batch.scale(&plan.settings.train.loss),
        share,
    };
    let mut beat = || pulse.beat();
    let loss = plan.network.gradient(&parameters, &shard, workspace, &mut buffer, &mut beat)?;
    Ok(GradientShard { gradient: buffer, loss })
}
