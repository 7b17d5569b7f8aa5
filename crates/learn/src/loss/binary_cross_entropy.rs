//! Binary cross-entropy of every class by itself: `loss = sum_k (ln(1 + exp(z_k)) - z_k t_k) / K`,
//! `dz = (sigmoid(z) - t) / K`.

use super::{Rule, Target, stored};
use ndarray::{ArrayView1, ArrayViewMut1, Zip};
use serde::{Deserialize, Serialize};

/// Binary cross-entropy of the sigmoids, as PyTorch's `BCEWithLogitsLoss`: with labels, each class
/// against all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BinaryCrossEntropy {}

impl Rule for BinaryCrossEntropy {
    fn loss(
        &self,
        logits: ArrayView1<f32>,
        target: Target<'_>,
        scale: f32,
        gradient: ArrayViewMut1<f32>,
    ) -> f64 {
        let (classes, mut loss) = (logits.len() as f64, 0.0);
        Zip::indexed(gradient).and(logits).for_each(|class, gradient, &logit| {
            let (logit, wanted) = (f64::from(logit), target.value(class));
            *gradient = stored((sigmoid(logit) - wanted) / classes, scale);
            let rest = libm::log1p(libm::exp(-logit.abs()));
            // Not `max`: what is not a number stays it.
            loss += if logit < 0.0 { 0.0 } else { logit } - logit * wanted + rest;
        });
        loss / classes
    }

    fn probabilities(&self, logits: ArrayView1<f32>, probabilities: ArrayViewMut1<f32>) {
        Zip::from(probabilities).and(logits).for_each(|probability, &logit| {
            *probability = sigmoid(f64::from(logit)) as f32;
        });
    }
}

/// `1 / (1 + exp(-z))`, of great numbers too.
fn sigmoid(z: f64) -> f64 {
    let small = libm::exp(-z.abs());
    if z < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}
