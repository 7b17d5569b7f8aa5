//! Adam: a step for every weight in the measure of its own gradients.

use super::{Rule, Stride};
use crate::Isa;
use crate::compute_kernels::update::{self, AdamStep, Slices};
use serde::{Deserialize, Serialize};

/// Adam with bias correction, as in PyTorch: `g = gradient + weight_decay w`, `m` and `v` the
/// running means of `g` and `g^2`, `w = w - learning_rate m' / (sqrt(v') + epsilon)`.
///
/// Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm
/// 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// The length of a step.
    pub learning_rate: f32,
    /// How slowly the mean of the gradient forgets.
    pub beta1: f32,
    /// How slowly the mean of its square forgets.
    pub beta2: f32,
    /// What keeps the division finite.
    pub epsilon: f32,
    /// How strongly weights are drawn to zero, as a part of the gradient; from 0.
    pub weight_decay: f32,
    /// Draws biases and the weights of normalisations too, as PyTorch does unless told otherwise.
    pub decay_all: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_all: false,
        }
    }
}

impl Adam {
    /// The coefficients of a step without any decay.
    pub(super) fn coefficients(&self, stride: &Stride) -> AdamStep {
        let Adam { learning_rate, beta1, beta2, epsilon, .. } = *self;
        let bias = |beta: f32| 1.0 - libm::pow(f64::from(beta), stride.number as f64);
        let rate = f64::from(learning_rate) * f64::from(stride.rate_factor) / bias(beta1);
        AdamStep {
            scale: stride.scale,
            decay: 0.0,
            keep: 1.0,
            beta1,
            beta2,
            epsilon,
            rate: rate as f32,
            correction: (1.0 / bias(beta2).sqrt()) as f32,
        }
    }
}

impl Rule for Adam {
    fn moments(&self) -> usize {
        2
    }

    fn decays_all(&self) -> bool {
        self.decay_all
    }

    fn step(&self, isa: Isa, stride: &Stride, slices: Slices) {
        let decay = if stride.decays { self.weight_decay } else { 0.0 };
        update::adam(isa, AdamStep { decay, ..self.coefficients(stride) }, slices);
    }
}
