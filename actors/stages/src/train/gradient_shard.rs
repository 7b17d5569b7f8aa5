//! The gradient of one shard of a batch.

use crate::{batch::Batch, plan::Plan};
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{Shard, ShardGradient, ShardLoss, Workspace};
use std::sync::Arc;

/// What a gradient is computed from.
pub(crate) struct GradientTask {
    /// The weights of version `step`.
    pub(crate) parameters: Arc<Vec<f32>>,
    pub(crate) batch: Arc<Batch>,
    pub(crate) shard: usize,
    pub(crate) epoch: u32,
    /// Memory of an earlier gradient, to be written over, if there is one.
    pub(crate) buffer: Option<ShardGradient>,
}

/// A shard's part of the batch's mean gradient.
pub(crate) struct GradientShard {
    pub(crate) gradient: ShardGradient,
    pub(crate) loss: ShardLoss,
}

pub(crate) fn compute(
    plan: &Plan,
    task: GradientTask,
    workspace: &mut Workspace,
    pulse: &Pulse,
) -> Result<GradientShard, WorkerError> {
    let GradientTask { parameters, batch, shard, epoch, buffer } = task;
    let members = batch.shard(shard, plan.settings.train.gradient_shards);
    let numbers = plan.network.input().len();
    let mut gradient = buffer.unwrap_or_else(|| plan.network.shard_gradient(workspace.batch()));
    let share = members.len() as f32 / batch.len() as f32;
    let images = &batch.images[members.start * numbers..members.end * numbers];
    let shard = Shard {
        images: plan.network.input().samples(images),
        targets: batch.targets(members.clone()),
        loss: &plan.settings.train.loss,
        items: &batch.items[members],
        seed: plan.settings.seed,
        epoch,
        scale: batch.scale(&plan.settings.train.loss),
        share,
    };
    let mut beat = || pulse.beat();
    let loss =
        plan.network.gradient_of_shard(&parameters, &shard, workspace, &mut gradient, &mut beat)?;
    Ok(GradientShard { gradient, loss })
}
