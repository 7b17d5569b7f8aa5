//! Stochastic gradient descent, plain or with momentum.

use super::{Rule, Stride};
use crate::Isa;
use crate::compute_kernels::update::{self, DescentStep, MomentumStep, Slices};
use serde::{Deserialize, Serialize};

/// `g = gradient + weight_decay w`, `m = momentum m + g`, `w = w - learning_rate m`, as in PyTorch;
/// with Nesterov's `w - learning_rate (g + momentum m)`.
///
/// Source: Sutskever et al., "On the importance of initialization and momentum in deep learning",
/// ICML 2013; the scaling by the learning rate is PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// The length of a step.
    pub learning_rate: f32,
    /// How much of the last step's direction is kept, from 0 to less than 1.
    pub momentum: f32,
    /// Looks one step of the momentum ahead. Without momentum it is nothing.
    pub nesterov: bool,
    /// How strongly weights are drawn to zero, as a part of the gradient; from 0.
    pub weight_decay: f32,
    /// Draws biases and the weights of normalisations too, as PyTorch does unless told otherwise.
    pub decay_all: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd {
            learning_rate: 1e-2,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            decay_all: false,
        }
    }
}

impl Rule for Sgd {
    fn moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn decays_all(&self) -> bool {
        self.decay_all
    }

    fn step(&self, isa: Isa, stride: &Stride, slices: Slices) {
        let Sgd { learning_rate, momentum, nesterov, weight_decay, .. } = *self;
        let decay = if stride.decays { weight_decay } else { 0.0 };
        let descent =
            DescentStep { scale: stride.scale, decay, rate: learning_rate * stride.rate_factor };
        if momentum == 0.0 {
            update::descend(isa, descent, slices);
        } else {
            update::momentum(isa, MomentumStep { descent, momentum, nesterov }, slices);
        }
    }
}
