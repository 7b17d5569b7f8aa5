//! Pixels -> the shape that all items have, and numbers: [0, 1], standardised.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Pixels, conform};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item's pixels.
pub(crate) struct Decoded(pub(crate) Arc<Pixels>);

/// Brings one item to the source's shape and normalises it.
pub(crate) struct Preprocess(pub(crate) Arc<Plan>);

impl Stage for Preprocess {
    type Task = Decoded;
    type Made = Vec<f32>;

    fn accept(task: Task) -> Option<Decoded> {
        if let Task::Preprocess(decoded) = task { Some(decoded) } else { None }
    }

    fn answer(made: Vec<f32>) -> Outcome {
        Outcome::Preprocess(made)
    }

    fn work(&mut self, decoded: Decoded, pulse: &Pulse) -> Result<Vec<f32>, WorkerError> {
        pulse.beat()?;
        let Plan { source, settings, .. } = &*self.0;
        let fitted = if decoded.0.shape() == source.shape() {
            decoded.0
        } else {
            let pixels = Arc::unwrap_or_clone(decoded.0);
            Arc::new(conform(pixels, source.shape(), source.fit()).map_err(failed)?)
        };
        let mut image = vec![0.0; fitted.data.len()];
        settings.normalise.apply(&fitted, &mut image);
        Ok(image)
    }
}
