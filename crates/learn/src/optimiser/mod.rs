//! From a gradient to the next parameters, each number by itself: slices of any size give the same
//! bits.
//!
//! An optimiser is one file and one line in [`OPTIMISERS`]. What is common to all of them (which
//! tensors it may move, clipping, the average of the weights) is [`Update`]'s.

mod sgd;
mod adam;
mod adamw;
mod update;
pub mod schedule;

pub use adam::Adam;
pub use adamw::AdamW;
pub use sgd::Sgd;
pub use update::{NORM_BLOCK, ParameterSlice, TrainingStep, Update, gradient_norm};

use crate::compute_kernels::update::Slices;
use crate::{Isa, Named};
use serde::{Deserialize, Serialize};

/// Every optimiser by its name in a config, with PyTorch's settings.
pub const OPTIMISERS: [Named<Optimiser>; 3] = [
    ("sgd", || Optimiser::Sgd(Sgd::default())),
    ("adam", || Optimiser::Adam(Adam::default())),
    ("adamw", || Optimiser::AdamW(AdamW::default())),
];

/// The rule by which parameters follow their gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Optimiser {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam, its weight decay a part of the gradient.
    Adam(Adam),
    /// Adam, its weight decay beside the gradient.
    AdamW(AdamW),
}

impl Optimiser {
    /// The length of a step before the schedule's factor.
    pub fn learning_rate(&self) -> f32 {
        match self {
            Optimiser::Sgd(Sgd { learning_rate, .. })
            | Optimiser::Adam(Adam { learning_rate, .. })
            | Optimiser::AdamW(AdamW { learning_rate, .. }) => *learning_rate,
        }
    }

    /// How many numbers of state go with each parameter: 0 for plain descent, 1 with momentum, 2
    /// for Adam. All begin at zero.
    pub fn state_len_per_parameter(&self) -> usize {
        self.rule().moments()
    }

    fn rule(&self) -> &dyn Rule {
        match self {
            Optimiser::Sgd(rule) => rule,
            Optimiser::Adam(rule) => rule,
            Optimiser::AdamW(rule) => rule,
        }
    }
}

/// What each optimiser says of itself.
trait Rule {
    /// How many moments it keeps of each parameter, 0 to 2.
    fn moments(&self) -> usize;
    /// True when its weight decay goes for every tensor and not for weights alone.
    fn decays_all(&self) -> bool;
    /// Makes the next parameters and moments.
    ///
    /// # Panics
    /// When the lengths differ.
    fn step(&self, isa: Isa, stride: &Stride, slices: Slices);
}

/// What a rule must know of the step and the tensor.
#[derive(Debug, Clone, Copy)]
struct Stride {
    /// The step, from 1.
    number: u64,
    /// What the learning rate is multiplied by.
    rate_factor: f32,
    /// What the gradient is multiplied by: less than 1 when it is clipped.
    scale: f32,
    /// True for a tensor that weight decay goes for.
    decays: bool,
}

#[cfg(test)]
mod tests;
