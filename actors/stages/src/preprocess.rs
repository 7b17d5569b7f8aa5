//! A decoded item -> one of the shape that all items have, kept on disk where there is a cache.
//!
//! Pixels are kept as bytes, a quarter of the numbers' size: who needs numbers makes them (`Plan::numbers`), in microseconds.

use crate::{
    ingest::Address,
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{ConformError, Source, Values, conform};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// One item of the stage.
pub(crate) enum Decoded {
    /// A decoded item of the source.
    Item { values: Arc<Values>, address: Address, label: u8 },
    /// All of them are preprocessed or lost: the cache can be put in place.
    All,
}

/// What came of it.
pub(crate) enum Preprocessed {
    Item(Arc<Values>),
    /// The cache is in place, or has said why not.
    All,
}

/// Brings one item to the source's shape.
pub(crate) struct Preprocess(pub(crate) Arc<Plan>);

impl Stage for Preprocess {
    type Task = Decoded;
    type Made = Preprocessed;

    fn accept(task: Task) -> Option<Decoded> {
        if let Task::Preprocess(decoded) = task { Some(decoded) } else { None }
    }

    fn answer(made: Preprocessed) -> Outcome {
        Outcome::Preprocess(made)
    }

    fn work(&mut self, decoded: Decoded, pulse: &Pulse) -> Result<Preprocessed, WorkerError> {
        pulse.beat()?;
        let Plan { source, cache, .. } = &*self.0;
        match decoded {
            Decoded::Item { values, address, label } => {
                let values = match values.shape() == source.shape() {
                    true => values,
                    false => {
                        let fitted = fitted(Arc::unwrap_or_clone(values), &**source);
                        Arc::new(fitted.map_err(failed)?)
                    }
                };
                if let Some(cache) = cache {
                    cache.keep(address, label, &values);
                }
                Ok(Preprocessed::Item(values))
            }
            Decoded::All => {
                if let Some(cache) = cache {
                    cache.finish();
                }
                Ok(Preprocessed::All)
            }
        }
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
