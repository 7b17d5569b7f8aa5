//! What goes for every loss, and values worked out by hand.

use super::*;
use crate::layer::gradient_check::numbers;
use ndarray::{Array1, array, aview1, aview2};
use proptest::prelude::*;

/// Every loss, with all its settings and without.
fn losses() -> Vec<Loss> {
    let class_weights = Some(vec![0.5, 2.0, 1.0, 3.0]);
    let mut losses: Vec<Loss> = LOSSES.iter().map(|(_, loss)| loss()).collect();
    losses.push(Loss::CrossEntropy(CrossEntropy { label_smoothing: 0.1, class_weights }));
    losses
}

/// The loss and its gradient in f64 of logits.
fn of(loss: &Loss, logits: &[f32], target: Target<'_>) -> (f64, Array1<f32>) {
    let mut gradient = Array1::from_elem(logits.len(), 9.0);
    let (value, _) = loss.loss(aview1(logits), target, 1.0, gradient.view_mut());
    (value, gradient)
}

proptest! {
    #[test]
    fn gradients_are_the_slopes_of_their_losses(
        seed in 0u64..1_000, soft in any::<bool>(), label in 0usize..4,
    ) {
        let logits: Vec<f32> = numbers(4, seed).iter().map(|x| 5.0 * x).collect();
        let values: Vec<f32> = numbers(4, seed + 1).iter().map(|x| x.abs() / 2.0).collect();
        let target =
            if soft { Target::Values(aview1(&values)) } else { Target::Class(label) };
        for loss in losses() {
            let (_, gradient) = of(&loss, &logits, target);
            for class in 0..4 {
                let moved = |by: f32| {
                    let mut logits = logits.clone();
                    logits[class] += by;
                    (of(&loss, &logits, target).0, f64::from(logits[class]))
                };
                let ((above, right), (below, left)) = (moved(1e-3), moved(-1e-3));
                let slope = (above - below) / (right - left);
                let found = f64::from(gradient[class]);
                prop_assert!((found - slope).abs() < 1e-5, "{loss:?}: {found} for {slope}");
            }
        }
    }
}

#[test]
fn cross_entropy_agrees_with_values_worked_out_by_hand() {
    // softmax(0, ln 3) = (1/4, 3/4)
    let logits = array![0.0, 3.0f32.ln()];
    let mut gradient = array![9.0, 9.0];
    let plain = Loss::default();
    let (loss, correct) = plain.loss(logits.view(), Target::Class(0), 2.0, gradient.view_mut());
    assert!((loss - 4.0f64.ln()).abs() < 1e-6);
    assert!(!correct);
    assert!((gradient[0] + 1.5).abs() < 1e-6 && (gradient[1] - 1.5).abs() < 1e-6);
    let mut probabilities = array![0.0, 0.0];
    plain.probabilities(logits.view(), probabilities.view_mut());
    assert!((probabilities[0] - 0.25).abs() < 1e-6 && (probabilities[1] - 0.75).abs() < 1e-6);
    // Smoothed by a fifth: 0.9 and 0.1 are wanted.
    let smooth = CrossEntropy { label_smoothing: 0.2, class_weights: None };
    let (loss, gradient) = of(&Loss::CrossEntropy(smooth), &[0.0, 3.0f32.ln()], Target::Class(0));
    assert!((loss - (0.9 * 4.0f64.ln() + 0.1 * (4.0f64 / 3.0).ln())).abs() < 1e-6);
    assert!((gradient[0] + 0.65).abs() < 1e-6 && (gradient[1] - 0.65).abs() < 1e-6);
}

#[test]
fn squares_and_sigmoids_agree_with_values_worked_out_by_hand() {
    let (squared, gradient) = of(&LOSSES[1].1(), &[3.0, -1.0], Target::Class(0));
    assert_eq!((squared, gradient), (2.5, array![2.0, -1.0]));
    // sigmoid(ln 3) = 3/4
    let (logits, binary) = ([3.0f32.ln(), 0.0], LOSSES[2].1());
    let (loss, gradient) = of(&binary, &logits, Target::Class(1));
    assert!((loss - (4.0f64.ln() + 2.0f64.ln()) / 2.0).abs() < 1e-6);
    assert!((gradient[0] - 0.375).abs() < 1e-6 && (gradient[1] + 0.25).abs() < 1e-6);
    let mut probabilities = array![9.0, 9.0];
    binary.probabilities(aview1(&logits), probabilities.view_mut());
    assert!((probabilities[0] - 0.75).abs() < 1e-6 && (probabilities[1] - 0.5).abs() < 1e-6);
}

#[test]
fn great_logits_do_not_overflow() {
    let (logits, mut gradient) = (array![3e38, -3e38, 0.0], array![9.0, 9.0, 9.0]);
    let target = Target::Class(0);
    let (loss, correct) = Loss::default().loss(logits.view(), target, 1.0, gradient.view_mut());
    assert!(loss == 0.0 && correct);
    assert_eq!(gradient, array![0.0, 0.0, 0.0]);
    for loss in losses() {
        assert!(of(&loss, &[3e38, -3e38, 0.0, 1.0], Target::Class(1)).0.is_finite(), "{loss:?}");
    }
}

#[test]
fn a_logit_that_is_not_a_number_shows_in_the_loss() {
    for loss in losses() {
        assert!(of(&loss, &[0.0, f32::NAN, 0.0, 1.0], Target::Class(0)).0.is_nan(), "{loss:?}");
    }
}

#[test]
fn a_class_is_the_same_as_one_for_it_and_zero_for_the_others() {
    let logits = [0.3, -2.0, 1.5, 0.1];
    for loss in losses() {
        let values = array![0.0, 0.0, 1.0, 0.0];
        let class = of(&loss, &logits, Target::Class(2));
        assert_eq!(of(&loss, &logits, Target::Values(values.view())), class, "{loss:?}");
    }
}

#[test]
fn weighted_shards_add_up_to_the_weighted_mean_of_the_batch() {
    let weights = vec![1.0, 3.0];
    let loss = CrossEntropy { class_weights: Some(weights), ..CrossEntropy::default() };
    let loss = Loss::CrossEntropy(loss);
    let logits = aview2(&[[0.0, 1.0], [0.5, 0.0], [2.0, 1.0]]);
    let labels = [0, 1, 1];
    let scale = loss.batch_scale(&Targets::Classes(&labels));
    assert!((scale - 1.0 / 7.0).abs() < 1e-9);
    let single = |at: usize| {
        of(&Loss::default(), &logits.row(at).to_vec(), Target::Class(labels[at].into())).0
    };
    let mean = (single(0) + 3.0 * single(1) + 3.0 * single(2)) / 7.0;
    let mut sum = 0.0;
    for range in [0..1, 1..3] {
        let mut gradients = ndarray::Array2::zeros((range.len(), 2));
        let part = logits.slice(ndarray::s![range.clone(), ..]);
        let targets = Targets::Classes(&labels[range]);
        sum += loss.of_shard(part, &targets, scale, gradients.view_mut()).loss_sum;
    }
    assert!((sum * f64::from(scale) - mean).abs() < 1e-7);
}

#[test]
fn class_weights_that_do_not_go_with_the_net_are_refused() {
    let check = |weights: &[f32]| {
        let class_weights = Some(weights.to_vec());
        Loss::CrossEntropy(CrossEntropy { class_weights, ..CrossEntropy::default() }).check(2)
    };
    assert_eq!(check(&[1.0, 0.5]), Ok(()));
    assert_eq!(Loss::default().check(2), Ok(()));
    let told = |weights: &[f32]| check(weights).unwrap_err().to_string();
    assert_eq!(told(&[1.0]), "1 class weights for 2 classes: give one for each");
    for wrong in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(told(&[1.0, wrong]).starts_with("class 1 has the weight"), "{wrong}");
    }
}

#[test]
fn every_loss_is_written_under_its_name_and_read_again() {
    for (name, loss) in LOSSES {
        let json = serde_json::to_value(loss()).unwrap();
        assert_eq!(json["kind"], name);
        assert_eq!(loss().name(), name);
        let bare = serde_json::json!({ "kind": name });
        assert_eq!(serde_json::from_value::<Loss>(bare).unwrap(), loss());
        let strange = serde_json::json!({ "kind": name, "rate": 1 });
        assert!(serde_json::from_value::<Loss>(strange).is_err(), "{name}");
    }
}
