//! What a training makes small: how far a net's output is from what it should be.
//!
//! A loss is one file and one line in [`LOSSES`]. All are of one sample and in f64, in the order of
//! the classes, with `libm`'s functions: the same bits on every machine.

mod cross_entropy;
mod mean_squared;
mod binary_cross_entropy;
mod targets;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::CrossEntropy;
pub use mean_squared::MeanSquared;
pub use targets::{Target, Targets};

use crate::{Named, ShardLoss};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

/// Every loss by its name in a config, with its defaults.
pub const LOSSES: [Named<Loss>; 3] = [
    ("cross-entropy", || Loss::CrossEntropy(CrossEntropy::default())),
    ("mean-squared", || Loss::MeanSquared(MeanSquared::default())),
    ("binary-cross-entropy", || Loss::BinaryCrossEntropy(BinaryCrossEntropy::default())),
];

/// Gradients nearer to zero than this become zero: behind some layers they would be denormal
/// numbers, which are slow, and beside an error of 1 they are nothing.
const TINY: f64 = 1e-18;

/// What a training makes small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Loss {
    /// Of the softmax over all classes.
    CrossEntropy(CrossEntropy),
    /// Of the outputs as they are.
    MeanSquared(MeanSquared),
    /// Of the sigmoid of every class by itself.
    BinaryCrossEntropy(BinaryCrossEntropy),
}

impl Default for Loss {
    fn default() -> Self {
        Loss::CrossEntropy(CrossEntropy::default())
    }
}

/// Why a loss is none for a net.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LossError {
    /// Class weights and classes differ in number.
    #[error("{weights} class weights for {classes} classes: give one for each")]
    WeightCount {
        /// How many weights there are.
        weights: usize,
        /// How many classes the net tells apart.
        classes: usize,
    },
    /// A class weight that is not above zero, or not finite.
    #[error("class {class} has the weight {weight}: choose a number above 0")]
    Weight {
        /// Whose weight it is.
        class: usize,
        /// The weight.
        weight: f32,
    },
}

/// What each loss says of itself, for one sample.
trait Rule {
    /// Writes the gradient of the logits times `scale`; returns the loss, not scaled.
    fn loss(
        &self,
        logits: ArrayView1<f32>,
        target: Target<'_>,
        scale: f32,
        gradient: ArrayViewMut1<f32>,
    ) -> f64;

    /// Turns logits into what the net says of each class.
    fn probabilities(&self, logits: ArrayView1<f32>, probabilities: ArrayViewMut1<f32>) {
        softmax(logits, probabilities);
    }

    /// How much the sample counts in the mean of a batch.
    fn weight(&self, _target: Target<'_>) -> f64 {
        1.0
    }
}

impl Loss {
    /// Writes the gradient of a sample's logits times `scale`; returns its loss, not scaled, and
    /// whether the class that should be on top is (the first of equals).
    pub fn loss(
        &self,
        logits: ArrayView1<f32>,
        target: Target<'_>,
        scale: f32,
        gradient: ArrayViewMut1<f32>,
    ) -> (f64, bool) {
        let loss = self.rule().loss(logits, target, scale, gradient);
        (loss, top_class(logits) == target.top())
    }

    /// The losses of a shard, summed in the order of its samples, and the gradients of its logits
    /// `[N, K]`.
    ///
    /// # Panics
    /// When there are not as many logits as targets.
    pub fn of_shard(
        &self,
        logits: ArrayView2<f32>,
        targets: &Targets<'_>,
        scale: f32,
        mut gradients: ArrayViewMut2<f32>,
    ) -> ShardLoss {
        assert_eq!(logits.nrows(), targets.len(), "every sample has its target");
        let mut total = ShardLoss { loss_sum: 0.0, correct: 0 };
        let rows = logits.outer_iter().zip(gradients.outer_iter_mut());
        for (sample, (logits, gradient)) in rows.enumerate() {
            let (loss, correct) = self.loss(logits, targets.of(sample), scale, gradient);
            total.loss_sum += loss;
            total.correct += u32::from(correct);
        }
        total
    }

    /// What the sum of a whole batch's losses, and so the gradient of each of its shards, is
    /// multiplied by for the mean: 1 / samples, or 1 / the sum of the weights of their classes.
    pub fn batch_scale(&self, targets: &Targets<'_>) -> f32 {
        let weights = (0..targets.len()).map(|sample| self.rule().weight(targets.of(sample)));
        (1.0 / weights.sum::<f64>()) as f32
    }

    /// Turns a sample's logits into what the net says of each class, from 0 to 1: a softmax, or for
    /// [`BinaryCrossEntropy`] the sigmoid of each.
    pub fn probabilities(&self, logits: ArrayView1<f32>, probabilities: ArrayViewMut1<f32>) {
        self.rule().probabilities(logits, probabilities);
    }

    /// Whether it goes with a net of so many classes.
    ///
    /// # Errors
    /// [`LossError`] for class weights that do not.
    pub fn check(&self, classes: usize) -> Result<(), LossError> {
        let Loss::CrossEntropy(CrossEntropy { class_weights: Some(weights), .. }) = self else {
            return Ok(());
        };
        if weights.len() != classes {
            return Err(LossError::WeightCount { weights: weights.len(), classes });
        }
        let wrong = weights.iter().position(|weight| !(weight.is_normal() && *weight > 0.0));
        wrong.map_or(Ok(()), |class| Err(LossError::Weight { class, weight: weights[class] }))
    }

    /// Its name in [`LOSSES`].
    pub fn name(&self) -> &'static str {
        match self {
            Loss::CrossEntropy(_) => "cross-entropy",
            Loss::MeanSquared(_) => "mean-squared",
            Loss::BinaryCrossEntropy(_) => "binary-cross-entropy",
        }
    }

    fn rule(&self) -> &dyn Rule {
        match self {
            Loss::CrossEntropy(rule) => rule,
            Loss::MeanSquared(rule) => rule,
            Loss::BinaryCrossEntropy(rule) => rule,
        }
    }
}

/// Turns a sample's logits into probabilities that sum to one.
pub(crate) fn softmax(logits: ArrayView1<f32>, probabilities: ArrayViewMut1<f32>) {
    let (top, sum) = normaliser(logits);
    Zip::from(probabilities).and(logits).for_each(|probability, &logit| {
        *probability = (libm::exp(f64::from(logit) - top) / sum) as f32;
    });
}

/// The first class with the greatest value.
pub(crate) fn top_class(values: ArrayView1<f32>) -> usize {
    let mut top = 0;
    for (class, &value) in values.iter().enumerate() {
        if value > values[top] {
            top = class;
        }
    }
    top
}

/// The greatest logit and the sum of `exp(logit - greatest)`, in the order of the classes:
/// `ndarray`'s own sum has another.
fn normaliser(logits: ArrayView1<f32>) -> (f64, f64) {
    let top = f64::from(logits[top_class(logits)]);
    let sum = logits.iter().map(|&logit| libm::exp(f64::from(logit) - top)).sum();
    (top, sum)
}

/// A gradient as it is stored: nothing when it is next to nothing.
fn stored(error: f64, scale: f32) -> f32 {
    let error = if error.abs() < TINY { 0.0 } else { error };
    (error * f64::from(scale)) as f32
}

#[cfg(test)]
mod tests;
