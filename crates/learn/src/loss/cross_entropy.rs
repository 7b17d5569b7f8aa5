//! Cross-entropy of a softmax: `loss = -sum_k q_k ln p_k`, `p = softmax(z)`, `dz = p sum(q) - q`,
//! with `q` the target, smoothed and weighted.

use super::{Rule, Target, normaliser, stored};
use ndarray::{ArrayView1, ArrayViewMut1, Zip};
use serde::{Deserialize, Serialize};

/// Cross-entropy of a softmax, as PyTorch's `CrossEntropyLoss`.
///
/// Source of the smoothing: Szegedy et al., "Rethinking the Inception architecture",
/// arXiv:1512.00567, section 7.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropy {
    /// The share of a target that goes to all classes alike, from 0 to 1.
    pub label_smoothing: f32,
    /// How much each class counts, above 0. A batch's mean is over the weights of its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
}

impl CrossEntropy {
    fn class_weight(&self, class: usize) -> f64 {
        self.class_weights.as_ref().map_or(1.0, |weights| f64::from(weights[class]))
    }
}

impl Rule for CrossEntropy {
    fn loss(
        &self,
        logits: ArrayView1<f32>,
        target: Target<'_>,
        scale: f32,
        gradient: ArrayViewMut1<f32>,
    ) -> f64 {
        let smoothing = f64::from(self.label_smoothing);
        let evenly = smoothing / logits.len() as f64;
        let wanted = |class: usize| {
            self.class_weight(class) * ((1.0 - smoothing) * target.value(class) + evenly)
        };
        let all: f64 = (0..logits.len()).map(wanted).sum();
        let (top, sum) = normaliser(logits);
        let log_sum = libm::log(sum);
        let mut loss = 0.0;
        Zip::indexed(gradient).and(logits).for_each(|class, gradient, &logit| {
            let (above, wanted) = (f64::from(logit) - top, wanted(class));
            *gradient = stored(libm::exp(above) / sum * all - wanted, scale);
            loss += wanted * (log_sum - above);
        });
        loss
    }

    fn weight(&self, target: Target<'_>) -> f64 {
        match target {
            Target::Class(label) => self.class_weight(label),
            Target::Values(_) => 1.0,
        }
    }
}
