//! Adam with weight decay beside the gradient.

use super::{Adam, Rule, Stride};
use crate::Isa;
use crate::compute_kernels::update::{self, AdamStep, Slices};
use serde::{Deserialize, Serialize};

/// [`Adam`], but weights shrink by themselves: `w = (1 - learning_rate weight_decay) w -
/// learning_rate m' / (sqrt(v') + epsilon)`, as in PyTorch.
///
/// Source: Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv:1711.05101.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// The length of a step.
    pub learning_rate: f32,
    /// How slowly the mean of the gradient forgets.
    pub beta1: f32,
    /// How slowly the mean of its square forgets.
    pub beta2: f32,
    /// What keeps the division finite.
    pub epsilon: f32,
    /// How fast weights shrink, times the learning rate; from 0.
    pub weight_decay: f32,
    /// Shrinks biases and the weights of normalisations too, as PyTorch does unless told otherwise.
    pub decay_all: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { learning_rate, beta1, beta2, epsilon, .. } = Adam::default();
        AdamW { learning_rate, beta1, beta2, epsilon, weight_decay: 1e-2, decay_all: false }
    }
}

impl Rule for AdamW {
    fn moments(&self) -> usize {
        2
    }

    fn decays_all(&self) -> bool {
        self.decay_all
    }

    fn step(&self, isa: Isa, stride: &Stride, slices: Slices) {
        let AdamW { learning_rate, beta1, beta2, epsilon, weight_decay, .. } = *self;
        let adam = Adam { learning_rate, beta1, beta2, epsilon, ..Adam::default() };
        let rate = f64::from(learning_rate) * f64::from(stride.rate_factor);
        let keep = (1.0 - rate * f64::from(weight_decay)) as f32;
        let keep = if stride.decays { keep } else { 1.0 };
        update::adam(isa, AdamStep { keep, ..adam.coefficients(stride) }, slices);
    }
}
