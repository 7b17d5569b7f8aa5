//! Gradients, predictions and optimiser steps agree with PyTorch's, whose values
//! `make_pytorch_values.py` wrote to `data`.
//!
//! PyTorch computed in f64: what differs is our rounding. Bounds are relative to the greatest
//! number of a tensor.

use ndarray::Array2;
use planaria_learn::{
    Adam, Isa, LAYERS, LayerSpec, Loss, Network, Optimiser, ParameterSlice, Predictor, Sgd, Shard,
    Targets, TrainingStep, model_file,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Nets of which the optimisers' steps are compared, too.
const NETS: [&str; 3] = ["direct", "winograd", "pool-first"];

/// Nets of which gradients and predictions are: with the others they have every layer.
const LAYER_NETS: [&str; 6] = ["blocks", "convolutions", "smooth", "pools", "text", "text-mean"];

fn all_nets() -> impl Iterator<Item = &'static str> {
    NETS.into_iter().chain(LAYER_NETS)
}

fn data(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn values(name: &str) -> Value {
    serde_json::from_slice(&data(name)).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// Reads parameters, or a gradient, that PyTorch wrote.
fn read(name: &str) -> (Network, Vec<f32>) {
    let (network, file) = model_file::decode(&data(name)).unwrap();
    (network, file.parameters)
}

fn go_on() -> Result<(), ()> {
    Ok(())
}

fn assert_near(got: &[f32], want: &[f32], error: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let greatest = want.iter().fold(0.0f32, |top, x| top.max(x.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= error * greatest,
            "{what} at {at}: {got} for {want}, greatest {greatest}"
        );
    }
}

/// The gradient of the mean loss, and that loss.
fn gradient(
    network: &Network,
    parameters: &[f32],
    images: &[f32],
    labels: &[u8],
) -> (Vec<f32>, f64) {
    let items: Vec<u64> = (0..labels.len() as u64).collect();
    let scale = 1.0 / labels.len() as f32;
    let images = network.input().samples(images);
    let shard = Shard {
        images,
        targets: Targets::Classes(labels),
        loss: &Loss::default(),
        items: &items,
        seed: 0,
        epoch: 0,
        scale,
        share: 1.0,
    };
    let mut found = vec![f32::NAN; parameters.len()];
    let mut workspace = network.workspace(labels.len());
    let loss =
        network.gradient(parameters, &shard, &mut workspace, &mut found, &mut go_on).unwrap();
    (found, loss.loss_sum / labels.len() as f64)
}

/// The images and labels of a small net's values.
fn samples(values: &Value) -> (Vec<f32>, Vec<u8>) {
    (
        floats(&values["images"]),
        floats(&values["labels"]).iter().map(|&label| label as u8).collect(),
    )
}

#[test]
fn gradients_of_small_nets_are_those_of_pytorch() {
    for name in all_nets() {
        let values = values(&format!("{name}.json"));
        let (images, labels) = samples(&values);
        let (_, expected) = read(&format!("{name}.gradient.safetensors"));
        for isa in Isa::available() {
            let (network, parameters) = read(&format!("{name}.parameters.safetensors"));
            let network = network.with_isa(isa);
            let (found, loss) = gradient(&network, &parameters, &images, &labels);
            assert!((loss - values["loss"].as_f64().unwrap()).abs() < 1e-6, "{name} {isa:?}");
            for spec in network.parameters() {
                let range = spec.offset..spec.offset + spec.len;
                let what = format!("{name} {isa:?} {}", spec.name);
                // Batch norm of few samples enlarges what rounding has spoilt.
                let error = if NETS.contains(&name) { 2e-5 } else { 5e-5 };
                assert_near(&found[range.clone()], &expected[range], error, &what);
            }
        }
    }
}

#[test]
fn predictions_of_small_nets_are_those_of_pytorch() {
    for name in all_nets() {
        let values = values(&format!("{name}.json"));
        let (images, labels) = samples(&values);
        let (network, parameters) = read(&format!("{name}.parameters.safetensors"));
        let mut found = Array2::from_elem((labels.len(), network.classes()), f32::NAN);
        let (mut workspace, images) =
            (network.prediction_workspace(labels.len()), network.input().samples(&images));
        let predictor = Predictor::new(&network, &parameters);
        predictor.predict(images, &mut workspace, found.view_mut(), &mut go_on).unwrap();
        assert_near(found.as_slice().unwrap(), &floats(&values["probabilities"]), 1e-5, name);
    }
}

/// The kinds of these layers and of all within them.
fn kinds(layers: &Value, found: &mut BTreeSet<String>) {
    for layer in layers.as_array().unwrap() {
        found.insert(layer["kind"].as_str().unwrap().to_owned());
        let branches = layer["branches"].as_array().into_iter().flatten();
        let branches = branches.chain([&layer["body"], &layer["shortcut"]]);
        branches.filter(|layers| layers.is_array()).for_each(|layers| kinds(layers, found));
    }
}

#[test]
fn every_layer_is_compared_with_that_of_pytorch() {
    let mut found = BTreeSet::new();
    for name in all_nets() {
        let (network, _) = read(&format!("{name}.parameters.safetensors"));
        kinds(&serde_json::to_value(network.layers()).unwrap(), &mut found);
    }
    let missing: Vec<&&str> = LAYERS.iter().filter(|kind| !found.contains(**kind)).collect();
    assert!(missing.is_empty(), "no stored net has {missing:?}");
}

#[test]
fn four_steps_of_each_optimiser_are_those_of_pytorch() {
    let adam = Optimiser::Adam(Adam { learning_rate: 1e-2, ..Adam::default() });
    let sgd = Optimiser::Sgd(Sgd { learning_rate: 0.1, momentum: 0.9, ..Sgd::default() });
    for name in NETS {
        let (_, gradient) = read(&format!("{name}.gradient.safetensors"));
        for (rule, optimiser) in [("adam", adam), ("sgd", sgd)] {
            let (network, mut parameters) = read(&format!("{name}.parameters.safetensors"));
            let mut state = vec![0.0; optimiser.state_len_per_parameter() * parameters.len()];
            for (step, factor) in [1.0, -0.5, 2.0, 0.25].into_iter().enumerate() {
                let gradient: Vec<f32> = gradient.iter().map(|g| g * factor).collect();
                let (mut new, mut new_state) = (parameters.clone(), state.clone());
                let slice = ParameterSlice {
                    range: 0..new.len(),
                    old: &parameters,
                    old_state: &state,
                    new: &mut new,
                    new_state: &mut new_state,
                };
                let number = step as u64 + 1;
                let step = TrainingStep { number, rate_factor: 1.0, gradient_norm: None };
                network.update(&optimiser.into(), &step, &gradient, slice);
                (parameters, state) = (new, new_state);
            }
            let (_, expected) = read(&format!("{name}.{rule}.safetensors"));
            assert_near(&parameters, &expected, 1e-6, &format!("{name} {rule}"));
        }
    }
}

/// The numbers behind the header.
fn tensors(bytes: &[u8]) -> &[u8] {
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    &bytes[8 + header as usize..]
}

#[test]
fn a_model_is_written_with_the_very_tensors_that_pytorch_wrote() {
    for name in all_nets() {
        let theirs = data(&format!("{name}.parameters.safetensors"));
        let (network, file) = model_file::decode(&theirs).unwrap();
        let ours = model_file::encode(&network, &file.parameters, &file.metadata).unwrap();
        assert_eq!(tensors(&ours), tensors(&theirs), "{name}");
    }
}

/// The numbers that the script's `formula` gives.
fn formula(len: usize, seed: u64) -> impl Iterator<Item = f64> {
    (0..len as u64).map(move |place| {
        let hashed = (place * 2_654_435_761 + seed * 40_503) % (1 << 32);
        let hashed = ((hashed ^ (hashed >> 15)) * 2_246_822_519) % (1 << 32);
        (hashed >> 8) as f64 / (1u64 << 23) as f64 - 1.0
    })
}

#[test]
fn gradients_of_mnist_cnn_are_those_of_pytorch() {
    let values = values("mnist-cnn.json");
    let (input, mut layers) = Network::preset("mnist-cnn").unwrap();
    for layer in &mut layers {
        if let LayerSpec::Dropout(dropout) = layer {
            dropout.rate = 0.0;
        }
    }
    let images: Vec<f32> = formula(3 * 784, 99).map(|x| (x as f32).abs()).collect();
    for isa in Isa::available() {
        let network = Network::new(input, &layers).unwrap().with_isa(isa);
        let mut parameters = Vec::new();
        for (number, (spec, fan_in)) in
            network.parameters().iter().zip([9, 9, 288, 288, 9216, 9216, 128, 128]).enumerate()
        {
            let bound = f64::from(fan_in).sqrt();
            parameters.extend(formula(spec.len, number as u64).map(|x| (x / bound) as f32));
        }
        let (found, loss) = gradient(&network, &parameters, &images, &[3, 1, 4]);
        assert!((loss - values["loss"].as_f64().unwrap()).abs() < 1e-5, "{isa:?}: {loss}");
        for (spec, expected) in
            network.parameters().iter().zip(values["gradients"].as_array().unwrap())
        {
            let found = &found[spec.offset..][..spec.len];
            let number = |key: &str| expected[key].as_f64().unwrap();
            let absolute: f64 = found.iter().map(|g| f64::from(g.abs())).sum();
            let sum: f64 = found.iter().map(|&g| f64::from(g)).sum();
            let what = format!("{isa:?} {}", spec.name);
            assert!((absolute / number("absolute_sum") - 1.0).abs() < 1e-4, "{what}: {absolute}");
            assert!((sum - number("sum")).abs() < 1e-4 * number("absolute_sum"), "{what}: {sum}");
            let places = floats(&expected["places"]);
            for (place, want) in places.iter().zip(floats(&expected["values"])) {
                let got = found[*place as usize];
                let bound = 5e-5 * number("greatest") as f32;
                assert!((got - want).abs() <= bound, "{what} at {place}: {got} for {want}");
            }
        }
    }
}
