//! A batch -> the next version of the weights, in leased items: gradient shards, then slices of the optimiser's step, then
//! the new version as one piece. A death anywhere leaves the old version and the full places.

mod gradient_shard;
mod update_slice;

pub(crate) use gradient_shard::{GradientShard, GradientTask};
pub(crate) use update_slice::{UpdateTask, UpdatedSlice};

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task},
};
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::Workspace;
use std::sync::Arc;

/// One item of a training step.
pub(crate) enum TrainTask {
    /// The gradient of one shard of the batch.
    Gradient(GradientTask),
    /// The optimiser's step on one slice of the parameters.
    Update(UpdateTask),
    /// All slices, to be joined to the next version.
    Publish(Vec<Arc<UpdatedSlice>>, Vec<f32>),
}

/// What came of it.
pub(crate) enum TrainOutcome {
    Gradient(GradientShard),
    Update(UpdatedSlice),
    Publish(Vec<f32>),
}

/// Does any item of a training step.
pub(crate) struct Train {
    plan: Arc<Plan>,
    workspace: Workspace,
}

impl Train {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let train = &plan.settings.train;
        let workspace = plan.network.workspace(train.batch.div_ceil(train.gradient_shards));
        Train { plan, workspace }
    }
}

impl Stage for Train {
    type Task = TrainTask;
    type Made = TrainOutcome;

    fn accept(task: Task) -> Option<TrainTask> {
        if let Task::Train(task) = task { Some(task) } else { None }
    }

    fn answer(made: TrainOutcome) -> Outcome {
        Outcome::Train(made)
    }

    fn work(&mut self, task: TrainTask, pulse: &Pulse) -> Result<TrainOutcome, WorkerError> {
        pulse.beat()?;
        match task {
            TrainTask::Gradient(task) => {
                let shard = gradient_shard::compute(&self.plan, task, &mut self.workspace, pulse)?;
                Ok(TrainOutcome::Gradient(shard))
            }
            TrainTask::Update(task) => {
                let slice = update_slice::compute(&self.plan, task, pulse)?;
                Ok(TrainOutcome::Update(slice))
            }
            TrainTask::Publish(slices, mut parameters) => {
                parameters.clear();
                for slice in slices {
                    parameters.extend_from_slice(&slice.parameters);
                }
                Ok(TrainOutcome::Publish(parameters))
            }
        }
    }
}
