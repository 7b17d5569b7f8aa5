//! A decoded item -> one of the shape that all items have.
//!
//! Pixels are kept as bytes, a quarter of the numbers' size: who needs numbers makes them (`Plan::numbers`), in microseconds.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{ConformError, Source, Values, conform};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// A decoded item.
pub(crate) struct Decoded(pub(crate) Arc<Values>);

/// Brings one item to the source's shape.
pub(crate) struct Preprocess(pub(crate) Arc<Plan>);

impl Stage for Preprocess {
    type Task = Decoded;
    type Made = Arc<Values>;

    fn accept(task: Task) -> Option<Decoded> {
        if let Task::Preprocess(decoded) = task { Some(decoded) } else { None }
    }

    fn answer(made: Arc<Values>) -> Outcome {
        Outcome::Preprocess(made)
    }

    fn work(&mut self, decoded: Decoded, pulse: &Pulse) -> Result<Arc<Values>, WorkerError> {
        pulse.beat()?;
        let source = &*self.0.source;
        if decoded.0.shape() == source.shape() {
            return Ok(decoded.0);
        }
        fitted(Arc::unwrap_or_clone(decoded.0), source).map(Arc::new).map_err(failed)
    }
}

/// A decoded item in the source's shape.
///
/// # Errors
/// When it has another, and the source does not say how to bring it there.
pub(crate) fn fitted(values: Values, source: &dyn Source) -> Result<Values, ConformError> {
    match values {
        // The codec of numbers gives the source's own shape.
        Values::Numbers(numbers) => Ok(Values::Numbers(numbers)),
        Values::Pixels(pixels) => conform(pixels, source.shape(), source.fit()).map(Values::Pixels),
    }
}
