//! What every stage's worker is: a pure function from its own task to its own outcome, behind the kernel's one type.

use crate::{
    augment, batch, checkpoint, compare, decode, deploy, evaluate, flow::PipelineFlow, ingest,
    predict, preprocess, train,
};
use planaria_data::{RawItem, Values};
use planaria_kernel::{ItemId, Pulse, Worker, WorkerError};

/// A message to a worker: all that it needs for one item.
pub(crate) enum Task {
    Ingest(ingest::Address),
    Decode(decode::Raw),
    Preprocess(preprocess::Decoded),
    Augment(augment::Original),
    Batch(batch::Members),
    Train(train::TrainTask),
    Checkpoint(checkpoint::Keeping),
    Evaluate(evaluate::Block),
    Deploy(deploy::Candidate),
    Predict(predict::Request),
    Compare(compare::Round),
}

/// A worker's answer.
pub(crate) enum Outcome {
    Ingest(RawItem),
    Decode(Values),
    Preprocess(preprocess::Preprocessed),
    Augment(augment::Varied),
    Batch(batch::Batch),
    Train(train::TrainOutcome),
    Checkpoint(checkpoint::Written),
    Evaluate(evaluate::Scored),
    Deploy(deploy::Deployed),
    Predict(predict::Answer),
    Compare(compare::RoundOutcome),
}

/// The work of one stage.
pub(crate) trait Stage: Sized + 'static {
    /// What it takes.
    type Task;
    /// What it makes.
    type Made;

    /// Takes the stage's task out of the message; none when the message is another stage's.
    fn accept(task: Task) -> Option<Self::Task>;

    /// Puts what was made into the answer.
    fn answer(made: Self::Made) -> Outcome;

    /// Does the work. It must not depend on what this worker did before.
    ///
    /// # Errors
    /// Ends the worker; the item goes to another, or is given up after too many attempts.
    fn work(&mut self, task: Self::Task, pulse: &Pulse) -> Result<Self::Made, WorkerError>;
}

/// Lets the kernel run a stage.
pub(crate) struct StageWorker<S>(pub(crate) S);

impl<S: Stage> Worker<PipelineFlow> for StageWorker<S> {
    fn handle(&mut self, item: ItemId, task: Task, pulse: &Pulse) -> Result<Outcome, WorkerError> {
        let task = S::accept(task).ok_or_else(|| {
            WorkerError::Failed(format!("item {} is another stage's: a bug, report it", item.0))
        })?;
        Ok(S::answer(self.0.work(task, pulse)?))
    }
}

/// Makes an error of the work from anything that can be shown.
pub(crate) fn failed(error: impl std::fmt::Display) -> WorkerError {
    WorkerError::Failed(error.to_string())
}
