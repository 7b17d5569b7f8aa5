//! Nets of bytes against their nets of floats, from file to file, and on hostile samples.

use super::*;
use crate::layer::batch_norm::BatchNorm;
use crate::layer::conv2d::Conv2d;
use crate::layer::gradient_check::{go_on, numbers};
use crate::layer::pair::Pair;
use crate::layer::{dense::Dense, flatten::Flatten, max_pool::MaxPool};
use crate::layer::{relu::Relu, residual::Residual};
use crate::model_file::{decode, encode, encode_quantised};
use crate::{Isa, LayerSpec, Shape};
use ndarray::Array2;

const SAMPLES: usize = 9;

/// A net in which every kind of quantised layer follows on another, with odd sizes.
fn network() -> Network {
    let conv = |filters, kernel| Conv2d::square(filters, kernel);
    let padded = |filters| Conv2d { padding: Pair::same(1), ..conv(filters, 3) };
    let block = Residual {
        body: vec![padded(20).into(), BatchNorm::default().into(), Relu {}.into()],
        shortcut: vec![],
    };
    let strided = Conv2d { stride: Pair([2, 1]), bias: false, ..conv(17, 3) };
    let layers: [LayerSpec; 12] = [
        conv(16, 3).into(),
        Relu {}.into(),
        conv(20, 1).into(),
        block.into(),
        padded(16).into(),
        MaxPool::default().into(),
        Relu {}.into(),
        strided.into(),
        Flatten {}.into(),
        Dense::new(19).into(),
        Relu {}.into(),
        Dense::new(5).into(),
    ];
    Network::new(Shape::Image { h: 13, w: 15, c: 3 }, &layers).unwrap()
}

fn images() -> Vec<f32> {
    numbers(SAMPLES * 13 * 15 * 3, 7)
}

fn calibrated(
    network: &Network,
    parameters: &[f32],
    images: &[f32],
) -> Result<Quantised, CalibrationError> {
    let samples = network.input().samples(images);
    Quantised::calibrate(network, parameters, samples, &mut go_on).unwrap()
}

fn quantised(network: &Network, parameters: &[f32]) -> Predictor {
    calibrated(network, parameters, &images()).unwrap().predictor()
}

/// The probabilities of the images, `batch` at a time.
fn predictions(predictor: &Predictor, batch: usize) -> Array2<f32> {
    let (images, mut found) = (images(), Array2::zeros((SAMPLES, predictor.classes())));
    let mut workspace = predictor.workspace(batch);
    let len = predictor.input().len();
    let parts = images.chunks(batch * len).zip(found.axis_chunks_iter_mut(Axis(0), batch));
    for (images, found) in parts {
        let images = predictor.input().samples(images);
        predictor.predict(images, &mut workspace, found, &mut go_on).unwrap();
    }
    found
}

#[test]
fn a_net_of_bytes_answers_nearly_as_its_net_of_floats() {
    let network = network();
    let parameters = network.initial_parameters(3);
    let float = predictions(&Predictor::new(&network, &parameters), SAMPLES);
    let bytes = predictions(&quantised(&network, &parameters), SAMPLES);
    let worst = float.iter().zip(&bytes).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst > 0.0 && worst < 0.01, "{worst}: {float} and {bytes}");
    // The answers differ more from image to image than by the bytes.
    let spread = float.column(0).iter().map(|p| (p - float[[0, 0]]).abs()).fold(0.0, f32::max);
    assert!(spread > worst, "{spread} and {worst}");
}

#[test]
fn a_net_of_bytes_gives_an_image_the_same_bits_whatever_images_are_beside_it() {
    let network = network();
    let predictor = quantised(&network, &network.initial_parameters(3));
    let all = predictions(&predictor, SAMPLES);
    assert_eq!(predictions(&predictor, 1), all);
    assert_eq!(predictions(&predictor, 4), all);
}

#[test]
fn instruction_sets_with_common_bits_have_them_with_bytes_too() {
    let parameters = network().initial_parameters(3);
    let of = |isa: Isa| predictions(&quantised(&network().with_isa(isa), &parameters), 4);
    let expected = of(Isa::deterministic());
    for isa in Isa::available().into_iter().filter(|isa| isa.has_common_bits()) {
        assert_eq!(of(isa), expected, "{isa:?}");
    }
}

#[test]
fn a_net_of_bytes_comes_back_from_its_file_with_the_same_bits_in_a_third_of_the_size() {
    let network = network();
    let parameters = network.initial_parameters(3);
    let net = calibrated(&network, &parameters, &images()).unwrap();
    assert_eq!(net.layers(), ["2", "3.body.0", "4", "7", "9"]);
    let metadata = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let bytes = encode_quantised(&net, &metadata).unwrap();
    let (read, file) = decode(&bytes).unwrap();
    assert_eq!(file.metadata["a"], "b");
    assert_eq!(file.parameters, net.parameters());
    let expected = predictions(&net.predictor(), 4);
    assert_eq!(predictions(&Predictor::of_file(&read, &file).unwrap(), 4), expected);
    let mut plain = file.metadata.clone();
    plain.remove(INT8);
    let of_floats = encode(&read, &file.parameters, &plain).unwrap();
    assert!(bytes.len() * 3 < of_floats.len(), "{} and {}", bytes.len(), of_floats.len());
    // Without the ranges of inputs it is a net of floats with rounded weights.
    let floats = decode(&of_floats).unwrap().1;
    let answers = predictions(&Predictor::of_file(&read, &floats).unwrap(), 4);
    assert_eq!(answers, predictions(&Predictor::new(&read, net.parameters()), 4));
    assert_ne!(answers, expected);
}

#[test]
fn a_file_that_says_of_its_bytes_what_cannot_be_is_refused() {
    let network = network();
    let net = calibrated(&network, &network.initial_parameters(3), &images()).unwrap();
    let (read, mut file) = decode(&encode_quantised(&net, &BTreeMap::new()).unwrap()).unwrap();
    for (text, expected) in [
        ("", "EOF"),
        ("[]", "invalid type"),
        (r#"{"2":{"scale":0.1}}"#, "missing field `zero`"),
        (r#"{"2":{"scale":0.1,"zero":1,"more":2}}"#, "unknown field"),
        (r#"{"2":{"scale":0.1,"zero":128}}"#, "layer 2: no bytes by"),
        (r#"{"2":{"scale":0.1,"zero":-1}}"#, "invalid value"),
        (r#"{"2":{"scale":0.0,"zero":1}}"#, "layer 2: no bytes by"),
        (r#"{"2":{"scale":-1.0,"zero":1}}"#, "layer 2: no bytes by"),
        (r#"{"2":{"scale":1e40,"zero":1}}"#, "out of range"),
        (r#"{"0":{"scale":0.1,"zero":1}}"#, "layer 0 is none that computes with bytes"),
        (r#"{"77":{"scale":0.1,"zero":1}}"#, "layer 77 is none that computes with bytes"),
    ] {
        file.metadata.insert(INT8.to_owned(), text.to_owned());
        let error = Predictor::of_file(&read, &file).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("quantise"), "{text}: {error}");
    }
}

#[test]
fn hostile_samples_are_refused_with_their_place() {
    let network = network();
    let mut parameters = network.initial_parameters(3);
    let refused = |parameters: &[f32], images: &[f32]| {
        calibrated(&network, parameters, images).unwrap_err().to_string()
    };
    assert_eq!(calibrated(&network, &parameters, &[]).unwrap_err(), CalibrationError::NoSamples);
    let len = network.input().len();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut images = images();
        images[2 * len + 17] = value;
        let error = refused(&parameters, &images);
        assert!(error.starts_with(&format!("sample 2 holds {value} at 17")), "{error}");
    }
    parameters[0] = 1e30;
    let error = refused(&parameters, &vec![1e20; len]);
    assert!(error.starts_with("what reaches layer 2 is not finite"), "{error}");
    // Samples of nothing but zeros say nothing of the scale; the net answers all the same.
    parameters.fill(0.0);
    let net = calibrated(&network, &parameters, &vec![0.0; len]).unwrap();
    assert!(predictions(&net.predictor(), 4).iter().all(|p| *p == 0.2));
}

#[test]
fn nets_that_bytes_cannot_serve_are_refused() {
    let small = Network::new(Shape::Features(8), &[Dense::new(20).into()]).unwrap();
    let found = calibrated(&small, &small.initial_parameters(1), &[0.5; 16]).unwrap_err();
    assert_eq!(found, CalibrationError::NothingToGain);
    let grouped = Conv2d { groups: 2, ..Conv2d::square(32, 3) };
    let layers: [LayerSpec; 3] = [grouped.into(), Flatten {}.into(), Dense::new(2).into()];
    let grouped = Network::new(Shape::Image { h: 3, w: 3, c: 32 }, &layers).unwrap();
    let found = calibrated(&grouped, &grouped.initial_parameters(1), &[0.5; 288]).unwrap_err();
    assert_eq!(found, CalibrationError::NothingToGain);
}
