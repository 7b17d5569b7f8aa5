//! A training that begins with a saved model: what is frozen stays, what is new is named, the rest goes on.

use planaria_learn::{Network, model_file, ndarray::ArrayD};
use serde_json::Value;
use std::fs;

use crate::{
    drawings,
    world::{CALM, Ended, World, training},
};

/// Trains `config.toml` with these flags.
fn train(world: &World, flags: &[&str]) -> Ended {
    let ours = ["train", "config.toml", "--state", "state", "--socket", "control.sock"];
    world.planaria(&[&ours[..], &["--report", "report.json"], flags].concat())
}

/// A world with a model, `old.safetensors`, and the report of its training.
fn with_a_model() -> (World, Value) {
    let world = World::with(&training(640, 6, CALM));
    train(&world, &[]).with(0);
    let report = world.json("report.json");
    let model = report["model_file"].as_str().expect("a model is kept");
    fs::copy(world.path(model), world.path("old.safetensors")).expect("it is there");
    (world, report)
}

/// The network and the parameters in a model file.
fn opened(world: &World, file: &str) -> (Network, Vec<f32>) {
    let bytes = fs::read(world.path(file)).expect("it is there");
    let (network, file) = model_file::decode(&bytes).expect("it is a model");
    (network, file.parameters)
}

fn tensor(model: &(Network, Vec<f32>), name: &str) -> ArrayD<f32> {
    model.0.tensor(&model.1, name).expect("there is such a tensor").to_owned()
}

#[test]
fn frozen_layers_stay_and_the_others_go_on_from_the_model_for_any_workers() {
    let (world, before) = with_a_model();
    let from = "[train.from]\nmodel = \"old.safetensors\"\n";
    let config = training(640, 1, &format!("{from}{CALM}"));
    world.write("config.toml", config.replace("[train]\n", "[train]\nfrozen = [\"0\"]\n"));
    train(&world, &[]).with(0);
    let report = world.json("report.json");
    assert_eq!(report["training"]["from_weights_sha256"], before["weights_sha256"]);
    let losses = |report: &Value| {
        report["training"]["loss_curve"][0]["loss"].as_f64().expect("a first loss")
    };
    assert!(losses(&report) < losses(&before) / 1.5, "it begins where the model has ended");
    let old = opened(&world, "old.safetensors");
    let new = opened(&world, report["model_file"].as_str().expect("a model is kept"));
    assert_eq!(tensor(&old, "0.weight"), tensor(&new, "0.weight"));
    assert_ne!(tensor(&old, "7.weight"), tensor(&new, "7.weight"));
    train(&world, &["--workers", "3"]).with(0);
    assert_eq!(world.json("report.json")["weights_sha256"], report["weights_sha256"]);
}

#[test]
fn a_head_of_another_size_is_new_only_when_the_config_says_so() {
    let (world, _) = with_a_model();
    let layers = "input = [28, 28, 1]\nlayers = [\n\
                  { kind = \"conv2d\", filters = 4 }, { kind = \"relu\" }, { kind = \"max-pool\" },\n\
                  { kind = \"flatten\" }, { kind = \"dense\", units = 12 }]";
    let plain = training(640, 1, CALM).replace("preset = \"tiny-cnn\"", layers);
    let from = |more: &str| format!("{plain}[train.from]\nmodel = \"old.safetensors\"\n{more}");
    world.write("config.toml", from(""));
    let told = ["old.safetensors does not fit this network", "`4.weight`", "`train.from.new`, as"];
    train(&world, &[]).with(1).says(&told);
    world.write("config.toml", from("new = [\"4\"]\n"));
    train(&world, &[]).with(0);
    let report = world.json("report.json");
    let new = opened(&world, report["model_file"].as_str().expect("a model is kept"));
    assert_eq!(tensor(&new, "4.weight").shape()[1], 12);
    for (more, told) in [
        ("new = [\"5\"]\n", "no layer or tensor of the network is called `5`"),
        ("new = [\"0\", \"4\"]\n", "names all of the network"),
    ] {
        world.write("config.toml", from(more));
        train(&world, &[]).with(1).says(&[told]);
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_before_anything_is_trained() {
    let from = "[train.from]\nmodel = \"old.safetensors\"\n";
    let world = World::with(&training(640, 1, &format!("{from}{CALM}")));
    train(&world, &[]).with(1).says(&["cannot read", "old.safetensors", "saved model"]);
    world.write("old.safetensors", "a text");
    train(&world, &[]).with(1).says(&["old.safetensors is no usable model"]);
}

#[test]
fn balanced_classes_get_their_weights_from_the_items_that_are_trained_on() {
    let aside = "[train.validation]\nitems = 160\n[train.loss]\nclass_weights = \"balanced\"\n";
    let world = World::with(&training(640, 1, &format!("{aside}{CALM}")));
    train(&world, &[]).with(0);
    let report = world.json("report.json");
    let weights = report["training"]["class_weights"].as_array().expect("a list");
    let items: Vec<f64> =
        weights.iter().map(|weight| 48.0 / weight.as_f64().expect("a weight")).collect();
    assert!(items.iter().all(|items| (items - items.round()).abs() < 1e-3), "{items:?}");
    assert_eq!(items.iter().sum::<f64>().round(), 480.0, "640 less those set aside");
    train(&world, &["--workers", "3"]).with(0);
    assert_eq!(world.json("report.json")["weights_sha256"], report["weights_sha256"]);
}

#[test]
fn a_net_of_binary_cross_entropy_answers_each_class_by_itself_from_its_file_too() {
    let loss = "[train.loss]\nkind = \"binary-cross-entropy\"\n";
    let world = World::with(&training(640, 1, &format!("{loss}{CALM}")));
    train(&world, &[]).with(0);
    let report = world.json("report.json");
    world.write("digit.png", drawings::one(true));
    let model = report["model_file"].as_str().expect("a model is kept");
    let answers =
        world.planaria(&["predict", "--model", model, "digit.png", "--json"]).with(0).json();
    let shares = answers[0]["probabilities"].as_array().expect("one for each class");
    let sum: f64 = shares.iter().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() > 1e-4, "these are no shares of one whole: {shares:?}");
}
