//! Pixels -> numbers in [0, 1], standardised.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task},
};
use planaria_data::Pixels;
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item's pixels.
pub(crate) struct Decoded(pub(crate) Arc<Pixels>);

/// Normalises one item.
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
        let mut image = vec![0.0; decoded.0.data.len()];
        self.0.settings.normalise.apply(&decoded.0, &mut image);
        Ok(image)
    }
}
