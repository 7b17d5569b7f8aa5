//! Softmax and cross-entropy: `loss = -ln p[label]`, `p = softmax(z)`, `dz = (p - one_hot(label)) *
//! scale`.
//!
//! Exponentials and sums are in f64, in the order of the classes: a loss is exact to rounding,
//! whatever the logits.

use ndarray::{ArrayView1, ArrayViewMut1, Zip};

/// Gradients nearer to zero than this become zero: behind some layers they would be denormal
/// numbers, which are slow, and beside an error of 1 they are nothing.
const TINY: f64 = 1e-18;

/// Turns a sample's logits into probabilities.
pub(crate) fn softmax(logits: ArrayView1<f32>, probabilities: ArrayViewMut1<f32>) {
    let (top, sum) = normaliser(logits);
    Zip::from(probabilities).and(logits).for_each(|probability, &logit| {
        *probability = ((f64::from(logit) - top).exp() / sum) as f32;
    });
}

/// Writes the gradient of a sample's logits; returns its loss and whether the label's class is on
/// top (the first of equals).
pub(crate) fn cross_entropy(
    logits: ArrayView1<f32>,
    label: u8,
    scale: f32,
    gradient: ArrayViewMut1<f32>,
) -> (f64, bool) {
    let label = usize::from(label);
    let (top, sum) = normaliser(logits);
    Zip::indexed(gradient).and(logits).for_each(|class, gradient, &logit| {
        let probability = (f64::from(logit) - top).exp() / sum;
        let error = if class == label { probability - 1.0 } else { probability };
        let error = if error.abs() < TINY { 0.0 } else { error };
        *gradient = (error * f64::from(scale)) as f32;
    });
    let loss = sum.ln() - (f64::from(logits[label]) - top);
    (loss, top_class(logits) == label)
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
    let sum = logits.iter().map(|&logit| (f64::from(logit) - top).exp()).sum();
    (top, sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn cross_entropy_agrees_with_values_worked_out_by_hand() {
        // softmax(0, ln 3) = (1/4, 3/4)
        let logits = array![0.0, 3.0f32.ln()];
        let mut gradient = array![9.0, 9.0];
        let (loss, correct) = cross_entropy(logits.view(), 0, 2.0, gradient.view_mut());
        assert!((loss - 4.0f64.ln()).abs() < 1e-6);
        assert!(!correct);
        assert!((gradient[0] + 1.5).abs() < 1e-6 && (gradient[1] - 1.5).abs() < 1e-6);
        let mut probabilities = array![0.0, 0.0];
        softmax(logits.view(), probabilities.view_mut());
        assert!((probabilities[0] - 0.25).abs() < 1e-6 && (probabilities[1] - 0.75).abs() < 1e-6);
    }

    #[test]
    fn great_logits_do_not_overflow() {
        let (logits, mut gradient) = (array![3e38, -3e38, 0.0], array![9.0, 9.0, 9.0]);
        let (loss, correct) = cross_entropy(logits.view(), 0, 1.0, gradient.view_mut());
        assert!(loss == 0.0 && correct);
        assert_eq!(gradient, array![0.0, 0.0, 0.0]);
    }
}
