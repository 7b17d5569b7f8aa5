//! Pixels -> pixels of the shape that all items have.
//!
//! They are kept as bytes, a quarter of the numbers' size: who needs numbers makes them (`Plan::numbers`), in microseconds.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Pixels, conform};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item's pixels.
pub(crate) struct Decoded(pub(crate) Arc<Pixels>);

/// Brings one item to the source's shape.
pub(crate) struct Preprocess(pub(crate) Arc<Plan>);

impl Stage for Preprocess {
    type Task = Decoded;
    type Made = Arc<Pixels>;

    fn accept(task: Task) -> Option<Decoded> {
        if let Task::Preprocess(decoded) = task { Some(decoded) } else { None }
    }

    fn answer(made: Arc<Pixels>) -> Outcome {
        Outcome::Preprocess(made)
    }

    fn work(&mut self, decoded: Decoded, pulse: &Pulse) -> Result<Arc<Pixels>, WorkerError> {
        pulse.beat()?;
        let source = &self.0.source;
        if decoded.0.shape() == source.shape() {
            return Ok(decoded.0);
        }
        let pixels = Arc::unwrap_or_clone(decoded.0);
        conform(pixels, source.shape(), source.fit()).map(Arc::new).map_err(failed)
    }
}
