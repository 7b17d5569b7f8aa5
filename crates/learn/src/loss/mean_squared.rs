//! Mean squares: `loss = sum_k (z_k - t_k)^2 / K`, `dz = 2 (z - t) / K`.

use super::{Rule, Target, stored};
use ndarray::{ArrayView1, ArrayViewMut1, Zip};
use serde::{Deserialize, Serialize};

/// Mean squares of the outputs as they are, as PyTorch's `MSELoss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanSquared {}

impl Rule for MeanSquared {
    fn loss(
        &self,
        logits: ArrayView1<f32>,
        target: Target<'_>,
        scale: f32,
        gradient: ArrayViewMut1<f32>,
    ) -> f64 {
        let (classes, mut squares) = (logits.len() as f64, 0.0);
        Zip::indexed(gradient).and(logits).for_each(|class, gradient, &logit| {
            let error = f64::from(logit) - target.value(class);
            *gradient = stored(2.0 * error / classes, scale);
            squares += error * error;
        });
        squares / classes
    }
}
