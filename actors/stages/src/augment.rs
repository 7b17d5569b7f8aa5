//! One item -> the numbers of its variant for this epoch, keyed by (seed, epoch, item): whichever worker makes it, it is the same.

use crate::{
    flow::samples::Sample,
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Split, augmentation::Key};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// A preprocessed item, and when it is wanted.
pub(crate) struct Original {
    pub(crate) sample: Arc<Sample>,
    pub(crate) epoch: u32,
}

/// Varies one item.
pub(crate) struct Augment(pub(crate) Arc<Plan>);

impl Stage for Augment {
    type Task = Original;
    type Made = Vec<f32>;

    fn accept(task: Task) -> Option<Original> {
        if let Task::Augment(original) = task { Some(original) } else { None }
    }

    fn answer(made: Vec<f32>) -> Outcome {
        Outcome::Augment(made)
    }

    fn work(&mut self, original: Original, pulse: &Pulse) -> Result<Vec<f32>, WorkerError> {
        pulse.beat()?;
        let Plan { settings, .. } = &*self.0;
        let Original { sample, epoch } = original;
        let key = Key { seed: settings.seed, epoch, item: sample.item };
        let mut image = Vec::new();
        self.0.numbers(&sample.values, &mut image);
        self.0.check_numbers(&image).map_err(|error| {
            let name = self.0.name_of(Split::Train, sample.item);
            failed(format!("{name}: {error}"))
        })?;
        let shape = sample.values.shape();
        let levels = settings.normalise.levels(shape.2);
        Ok(settings.augmentation.apply(image, shape, &levels, key))
    }
}
