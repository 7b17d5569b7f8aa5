//! One item -> the numbers of its variant for this epoch, keyed by (seed, epoch, item): whichever worker makes it, it is the same.

use crate::{
    flow::samples::Sample,
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Decoder, Values, augmentation::Key};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// A preprocessed item, and when it is wanted.
pub(crate) struct Original {
    pub(crate) sample: Sample,
    pub(crate) epoch: u32,
    /// The key of its random numbers in that epoch.
    pub(crate) draw: u64,
}

/// An item's variant.
pub(crate) struct Varied {
    pub(crate) image: Vec<f32>,
    /// What it was made of, when that was not in memory: its place there, and the values.
    pub(crate) recalled: Option<(u64, Arc<Values>)>,
}

/// Varies one item.
pub(crate) struct Augment {
    plan: Arc<Plan>,
    /// Memory from one item to the next; what comes out does not depend on it.
    decoder: Decoder,
}

impl Augment {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Augment { plan, decoder: Decoder::default() }
    }
}

impl Stage for Augment {
    type Task = Original;
    type Made = Varied;

    fn accept(task: Task) -> Option<Original> {
        if let Task::Augment(original) = task { Some(original) } else { None }
    }

    fn answer(made: Varied) -> Outcome {
        Outcome::Augment(made)
    }

    fn work(&mut self, original: Original, pulse: &Pulse) -> Result<Varied, WorkerError> {
        pulse.beat()?;
        let Plan { settings, .. } = &*self.plan;
        let Original { sample, epoch, draw } = original;
        let values = self.plan.values(&sample, &mut self.decoder)?;
        let address = sample.address;
        let key = Key { seed: settings.seed, epoch, item: draw };
        let mut image = Vec::new();
        self.plan.numbers(&values, &mut image);
        self.plan.check_numbers(&image).map_err(|error| {
            let name = self.plan.name_of(address.split, address.index);
            failed(format!("{name}: {error}"))
        })?;
        let shape = values.shape();
        let levels = settings.normalise.levels(shape.2);
        let image = settings.augmentation.apply(image, shape, &levels, key);
        Ok(Varied { image, recalled: sample.recalled(values) })
    }
}
