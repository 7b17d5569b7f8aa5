//! From a gradient to the next parameters, each number by itself: slices of any size give the same
//! bits.

pub mod schedule;

use crate::Isa;
use crate::compute_kernels::update::{self, AdamStep, Slices};
use serde::{Deserialize, Serialize};

/// The rule by which parameters follow their gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent: `m = momentum m + g`, `w = w - learning_rate m`, as in PyTorch.
    Sgd {
        /// The length of a step.
        #[serde(default = "default_sgd_rate")]
        learning_rate: f32,
        /// How much of the last step's direction is kept, from 0 to less than 1.
        #[serde(default)]
        momentum: f32,
    },
    /// Adam with bias correction, as in PyTorch.
    ///
    /// Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980,
    /// algorithm 1.
    Adam {
        /// The length of a step.
        #[serde(default = "default_adam_rate")]
        learning_rate: f32,
        /// How slowly the mean of the gradient forgets.
        #[serde(default = "default_beta1")]
        beta1: f32,
        /// How slowly the mean of its square forgets.
        #[serde(default = "default_beta2")]
        beta2: f32,
        /// What keeps the division finite.
        #[serde(default = "default_epsilon")]
        epsilon: f32,
    },
}

fn default_sgd_rate() -> f32 {
    1e-2
}

fn default_adam_rate() -> f32 {
    1e-3
}

fn default_beta1() -> f32 {
    0.9
}

fn default_beta2() -> f32 {
    0.999
}

fn default_epsilon() -> f32 {
    1e-8
}

impl Optimiser {
    /// How many numbers of state go with each parameter: 0 for plain descent, 1 with momentum, 2
    /// for Adam. All begin at zero.
    pub fn state_len_per_parameter(&self) -> usize {
        match self {
            Optimiser::Sgd { momentum: 0.0, .. } => 0,
            Optimiser::Sgd { .. } => 1,
            Optimiser::Adam { .. } => 2,
        }
    }

    /// Makes the next parameters and state of a slice. `step` counts from 1; `rate_factor`
    /// multiplies the learning rate.
    ///
    /// State lies as all first moments, then all second ones: `[m..., v...]`.
    ///
    /// # Panics
    /// When lengths disagree, or `step` is 0.
    #[allow(clippy::too_many_arguments)]
    pub fn step(
        &self,
        step: u64,
        rate_factor: f32,
        gradient: &[f32],
        old: &[f32],
        old_state: &[f32],
        new: &mut [f32],
        new_state: &mut [f32],
    ) {
        assert!(step > 0, "steps count from 1");
        let len = self.state_len_per_parameter() * gradient.len();
        assert!(old_state.len() == len && new_state.len() == len, "the state has {len} numbers");
        let half = gradient.len().min(len);
        let (old_m, old_v) = old_state.split_at(half);
        let (new_m, new_v) = new_state.split_at_mut(half);
        let slices =
            Slices { gradient, old, old_state: [old_m, old_v], new, new_state: [new_m, new_v] };
        match *self {
            Optimiser::Sgd { learning_rate, momentum: 0.0 } => {
                update::descend(learning_rate * rate_factor, slices);
            }
            Optimiser::Sgd { learning_rate, momentum } => {
                update::momentum(Isa::best(), learning_rate * rate_factor, momentum, slices);
            }
            Optimiser::Adam { learning_rate, beta1, beta2, epsilon } => {
                let bias = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
                let rate = f64::from(learning_rate) * f64::from(rate_factor) / bias(beta1);
                let correction = bias(beta2).sqrt() as f32;
                let step = AdamStep { beta1, beta2, epsilon, rate: rate as f32, correction };
                update::adam(Isa::best(), step, slices);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;
    use proptest::prelude::*;

    const RULES: [Optimiser; 3] = [
        Optimiser::Sgd { learning_rate: 0.1, momentum: 0.0 },
        Optimiser::Sgd { learning_rate: 0.1, momentum: 0.9 },
        Optimiser::Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    ];

    /// A step over everything, cut at `cut`.
    fn stepped(rule: Optimiser, len: usize, cut: usize) -> (Vec<f32>, Vec<f32>) {
        let state_len = rule.state_len_per_parameter();
        let (gradient, old) = (numbers(len, 1), numbers(len, 2));
        let state: Vec<f32> = numbers(state_len * len, 3).iter().map(|x| x.abs()).collect();
        let (mut new, mut new_state) = (vec![9.0; len], vec![9.0; state_len * len]);
        for range in [0..cut, cut..len] {
            let pick = |state: &[f32]| -> Vec<f32> {
                (0..state_len).flat_map(|i| state[i * len..][range.clone()].to_vec()).collect()
            };
            let (old_part, mut new_part) = (pick(&state), pick(&new_state));
            rule.step(
                3,
                0.5,
                &gradient[range.clone()],
                &old[range.clone()],
                &old_part,
                &mut new[range.clone()],
                &mut new_part,
            );
            for i in 0..state_len {
                let part = &new_part[i * range.len()..][..range.len()];
                new_state[i * len..][range.clone()].copy_from_slice(part);
            }
        }
        (new, new_state)
    }

    proptest! {
        #[test]
        fn slices_of_any_size_give_the_same_bits(
            len in 0usize..200, cut in 0usize..200, rule in 0usize..3,
        ) {
            let rule = RULES[rule];
            prop_assert_eq!(stepped(rule, len, cut.min(len)), stepped(rule, len, 0));
        }
    }

    #[test]
    fn first_step_of_adam_moves_every_weight_by_the_learning_rate() {
        let (mut new, mut state) = ([0.0; 3], [0.0; 6]);
        RULES[2].step(1, 1.0, &[1.0, -0.01, 50.0], &[0.0; 3], &[0.0; 6], &mut new, &mut state);
        for (got, want) in new.iter().zip([-1e-3, 1e-3, -1e-3]) {
            assert!((got - want).abs() < 1e-8, "{new:?}");
        }
    }

    #[test]
    fn momentum_adds_up_over_steps() {
        let mut weights = vec![1.0];
        let mut state = vec![0.0];
        for step in 1..=2 {
            let (mut new, mut new_state) = (vec![0.0], vec![0.0]);
            RULES[1].step(step, 1.0, &[1.0], &weights, &state, &mut new, &mut new_state);
            (weights, state) = (new, new_state);
        }
        // m = 1, then 1.9: 1 - 0.1 * 1 - 0.1 * 1.9
        assert!((weights[0] - 0.71).abs() < 1e-6 && (state[0] - 1.9).abs() < 1e-6);
    }

    #[test]
    fn moments_of_a_dead_gradient_end_at_zero_and_not_in_denormals() {
        let (mut weights, mut state) = (vec![0.5; 20], vec![1e-30; 40]);
        for step in 1..2_000 {
            let (mut new, mut new_state) = (vec![0.0; 20], vec![0.0; 40]);
            RULES[2].step(step, 1.0, &[0.0; 20], &weights, &state, &mut new, &mut new_state);
            (weights, state) = (new, new_state);
            assert!(state.iter().all(|x| *x == 0.0 || x.is_normal()));
        }
        assert!(state.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn a_gradient_that_is_not_a_number_shows_in_the_weights() {
        for rule in RULES {
            let state = vec![0.0; rule.state_len_per_parameter()];
            let (mut new, mut new_state) = ([0.0], state.clone());
            rule.step(1, 1.0, &[f32::NAN], &[1.0], &state, &mut new, &mut new_state);
            assert!(new[0].is_nan(), "{rule:?}");
        }
    }

    #[test]
    fn settings_default_to_those_of_pytorch() {
        let rule: Optimiser = serde_json::from_str(r#"{"kind":"adam"}"#).unwrap();
        assert_eq!(rule, RULES[2]);
        let rule: Optimiser =
            serde_json::from_str(r#"{"kind":"sgd","learning_rate":0.1}"#).unwrap();
        assert_eq!(rule, RULES[0]);
    }
}
