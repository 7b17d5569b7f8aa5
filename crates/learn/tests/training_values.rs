//! Losses, steps and learning rates agree with PyTorch's, whose values `make_training_values.py`
//! wrote to `data/training.json`.
//!
//! PyTorch computed in f64: what differs is our rounding.

use ndarray::{Array2, ArrayView2};
use planaria_learn::optimiser::gradient_norm;
use planaria_learn::{
    LayerSpec, Loss, Network, ParameterSlice, Schedule, Shape, Targets, TrainingStep, Update,
};
use serde_json::Value;
use std::path::PathBuf;

fn values() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/training.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

fn cases<'a>(values: &'a Value, of: &str, least: usize) -> &'a [Value] {
    let cases = values[of].as_array().unwrap();
    assert!(cases.len() >= least, "too few {of} to mean anything");
    cases
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The numbers that the script's `formula` gives.
fn formula(len: usize, seed: u64) -> Vec<f32> {
    let number = |place: u64| {
        let hashed = (place * 2_654_435_761 + seed * 40_503) % (1 << 32);
        let hashed = ((hashed ^ (hashed >> 15)) * 2_246_822_519) % (1 << 32);
        ((hashed >> 8) as f64 / f64::from(1 << 23) - 1.0) as f32
    };
    (0..len as u64).map(number).collect()
}

fn assert_near(got: &[f32], want: &[f64], error: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(got) - want).abs() <= error, "{what} at {at}: {got} for {want}");
    }
}

#[test]
fn losses_and_their_gradients_are_those_of_pytorch() {
    let (samples, classes) = (6, 5);
    let logits: Vec<f32> = formula(samples * classes, 1).iter().map(|x| 8.0 * x).collect();
    let logits = ArrayView2::from_shape((samples, classes), &logits).unwrap();
    let soft: Vec<f32> = formula(samples * classes, 2).iter().map(|x| x.abs()).collect();
    let soft = ArrayView2::from_shape((samples, classes), &soft).unwrap();
    for case in cases(&values(), "losses", 10) {
        let loss: Loss = serde_json::from_value(case["loss"].clone()).unwrap();
        let targets = match case["soft"].as_bool().unwrap() {
            true => Targets::Values(soft),
            false => Targets::Classes(&[3, 0, 4, 4, 1, 2]),
        };
        let mut gradients = Array2::from_elem((samples, classes), f32::NAN);
        let scale = loss.batch_scale(&targets);
        let found = loss.of_shard(logits, &targets, scale, gradients.view_mut());
        let (mean, want) = (found.loss_sum * f64::from(scale), case["mean"].as_f64().unwrap());
        assert!((mean / want - 1.0).abs() < 1e-6, "{case}: {mean} for {want}");
        let found = gradients.as_slice().unwrap();
        assert_near(found, &floats(&case["gradient"]), 1e-7, &case["loss"].to_string());
    }
}

#[test]
fn twenty_steps_of_each_optimiser_are_those_of_pytorch() {
    let layers =
        serde_json::json!([{ "kind": "dense", "units": 5 }, { "kind": "dense", "units": 3 }]);
    let layers: Vec<LayerSpec> = serde_json::from_value(layers).unwrap();
    let network = Network::new(Shape::Features(6), &layers).unwrap();
    let schedule: Schedule = serde_json::from_str(r#"{"kind":"cosine"}"#).unwrap();
    let count = network.parameter_count();
    for case in cases(&values(), "steps", 8) {
        let update: Update = serde_json::from_value(case["update"].clone()).unwrap();
        let mut parameters = formula(count, 7);
        let mut state = vec![0.0; update.state_len_per_parameter() * count];
        for number in 1..=20 {
            let gradient = formula(count, 99 + number);
            let norm = gradient_norm(network.squared_norms(&update, 0..count, &gradient));
            let (mut new, mut new_state) = (vec![f32::NAN; count], vec![f32::NAN; state.len()]);
            let slice = ParameterSlice {
                range: 0..count,
                old: &parameters,
                old_state: &state,
                new: &mut new,
                new_state: &mut new_state,
            };
            let rate_factor = schedule.factor(number, 20, 20);
            let step = TrainingStep { number, rate_factor, gradient_norm: Some(norm) };
            network.update(&update, &step, &gradient, slice);
            (parameters, state) = (new, new_state);
        }
        let what = case["update"].to_string();
        assert_near(&parameters, &floats(&case["parameters"]), 3e-6, &what);
        match update.average(&state) {
            Some(average) => assert_near(average, &floats(&case["average"]), 3e-6, &what),
            None => assert!(case["average"].is_null(), "{what}"),
        }
    }
}

#[test]
fn learning_rates_are_those_of_pytorch() {
    for case in cases(&values(), "schedules", 10) {
        let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).unwrap();
        let number = |key: &str| case[key].as_u64().unwrap();
        let (total, per_epoch) = (number("total"), number("per_epoch"));
        let found: Vec<f32> =
            (1..=total).map(|step| schedule.factor(step, total, per_epoch)).collect();
        assert_near(&found, &floats(&case["factors"]), 1e-6, &case["schedule"].to_string());
    }
}
