//! A model leaves for other programs and comes back: export, import, and files that are neither.

use serde_json::Value;
use std::fs;

use crate::{
    drawings,
    world::{World, training},
};

/// Trained a little; returns the path of its model and the identity of its weights.
fn trained() -> (World, String, String) {
    let world = World::with(&training(640, 1, ""));
    world.run(&["--exit", "--report", "report.json"]).end().with(0);
    let report = world.json("report.json");
    let text = |key: &str| report[key].as_str().expect("a text").to_owned();
    let (model, weights) = (text("model_file"), text("weights_sha256"));
    world.write("one.png", drawings::one(true));
    (world, model, weights)
}

fn answer(world: &World, model: &str) -> Value {
    world.planaria(&["predict", "--model", model, "one.png", "--json"]).with(0).json()[0].clone()
}

#[test]
fn a_model_comes_back_from_every_format_with_the_same_weights_and_answers() {
    let (world, model, weights) = trained();
    let expected = answer(&world, &model);
    assert_eq!(expected["model"], weights.as_str());
    for (file, net) in [
        ("model.onnx", &[][..]),
        ("model.npz", &["--net", &model]),
        ("model.safetensors", &["--net", &model]),
    ] {
        let said = world.planaria(&["export", &model, "--out", file]).with(0).out;
        assert!(said.contains(file) && said.contains(&weights), "{said}");
        let import = ["import", file, "--out", "back.safetensors"];
        let said = world.planaria(&[&import[..], net].concat()).with(0).out;
        assert!(said.contains(&weights) && said.contains("\"mean\":"), "{said}");
        assert_eq!(answer(&world, "back.safetensors"), expected, "{file}");
    }
    world.planaria(&["export", &model, "--format", "onnx", "--out", "net"]).with(0);
    let bytes = |name: &str| fs::read(world.path(name)).expect("it was written");
    assert_eq!(bytes("net"), bytes("model.onnx"));
    let flags = ["--mean", "0.5", "--deviation", "0.25", "--invert", "always", "--fit", "contain"];
    let import = ["import", "model.onnx", "--out", "other.safetensors"];
    let said = world.planaria(&[&import[..], &flags].concat()).with(0).out;
    assert!(said.contains("\"invert\":\"always\",\"fit\":\"contain\""), "{said}");
    assert_ne!(answer(&world, "other.safetensors")["probabilities"], expected["probabilities"]);
}

#[test]
fn a_model_in_16_bits_is_half_as_large_and_says_what_that_costs() {
    let (world, model, weights) = trained();
    let export = |precision: &str, more: &[&str]| {
        let args = ["export", &model, "--out", "small.safetensors", "--precision", precision];
        world.planaria(&[&args[..], more].concat())
    };
    let size = |name: &str| fs::metadata(world.path(name)).expect("it was written").len();
    let label = |name: &str| answer(&world, name)["class"].clone();
    for precision in ["bf16", "f16"] {
        let said = export(precision, &["--measure", "config.toml"]).with(0).out;
        assert!(
            said.contains("accuracy on 200 test items: ") && !said.contains(&weights),
            "{said}"
        );
        assert_eq!(said.matches("% right").count(), 2, "{said}");
        assert!(size("small.safetensors") < size(&model) * 2 / 3, "{precision}");
        assert_eq!(label("small.safetensors"), label(&model), "{precision}");
    }
    assert!(export("f32", &[]).with(0).out.contains(&weights));
    let npz = ["export", &model, "--out", "model.npz", "--precision", "f16"];
    world.planaria(&npz).with(2).says(&["only a .safetensors file holds weights in 16 bits"]);
    world.write("other.toml", training(640, 1, "").replace("tiny-cnn", "tiny"));
    export("f16", &["--measure", "other.toml"]).with(2).says(&["other.toml", "tiny-cnn"]);
}

#[test]
fn a_model_of_bytes_is_small_answers_alike_and_says_what_that_costs() {
    let (world, model, _) = trained();
    let out = "int8.safetensors";
    let quantise = |model: &str, more: &[&str]| {
        let args = ["quantise", model, "--calibrate", "config.toml"];
        world.planaria(&[&args[..], more].concat())
    };
    let said = quantise(&model, &["--out", out]).with(0).out;
    assert!(said.contains("calibrated on 500 items; with bytes compute layers"), "{said}");
    assert!(said.contains("accuracy on 200 test items: "), "{said}");
    let size = |name: &str| fs::metadata(world.path(name)).expect("it was written").len();
    assert!(size(out) < size(&model) * 2 / 3);
    let [floats, bytes] = [&model, out].map(|model| answer(&world, model));
    assert_eq!(bytes["class"], floats["class"]);
    assert_ne!(bytes["probabilities"], floats["probabilities"]);
    assert_ne!(bytes["model"], floats["model"]);
    let first = fs::read(world.path(out)).expect("it was written");
    quantise(&model, &["--out", out]).with(0);
    assert!(fs::read(world.path(out)).expect("it was written") == first, "the same bytes again");
    // What is exported of it computes with floats.
    world.planaria(&["export", out, "--out", "floats.safetensors"]).with(0);
    assert_eq!(answer(&world, "floats.safetensors")["model"], bytes["model"]);
    quantise(out, &["--out", "x.safetensors"]).with(2).says(&["computes with bytes already"]);
    quantise(&model, &["--out", "x.onnx"]).with(2).says(&["a model is a .safetensors file"]);
    let place = first.windows(4).position(|word| word == b"zero").expect("it says what is 0");
    let mut damaged = first.clone();
    damaged[place + 3] = b'a';
    world.write("damaged.safetensors", damaged);
    let predict = ["predict", "--model", "damaged.safetensors", "one.png"];
    world
        .planaria(&predict)
        .with(1)
        .says(&["metadata `int8` cannot be used", "quantise the model"]);
}

#[test]
fn files_that_are_no_models_are_refused_with_what_is_wrong_with_them() {
    let (world, model, _) = trained();
    world.planaria(&["export", &model, "--out", "model.onnx"]).with(0);
    world.planaria(&["export", &model, "--out", "model.npz"]).with(0);
    let whole = fs::read(world.path("model.onnx")).expect("it was written");
    world.write("cut.onnx", &whole[..whole.len() / 2]);
    world.write("text.onnx", "no model at all");
    let operator = whole.windows(4).position(|word| word == b"Relu").expect("it has one");
    let mut unknown = whole.clone();
    unknown[operator..operator + 4].copy_from_slice(b"Rela");
    world.write("unknown.onnx", unknown);
    let import = |file: &str, code: i32, texts: &[&str]| {
        let ended = world.planaria(&["import", file, "--out", "new.safetensors"]);
        ended.with(code).says(texts);
        assert!(!world.path("new.safetensors").exists(), "{file}: nothing is written");
    };
    import("cut.onnx", 1, &["cut.onnx: cannot use it", "cut off"]);
    import("text.onnx", 1, &["no ONNX model"]);
    import("unknown.onnx", 1, &["an operator is not known here: Rela"]);
    import("missing.onnx", 1, &["missing.onnx", "No such file"]);
    import("model.npz", 2, &["holds only weights", "`--net`"]);
    import("model.pt", 2, &["ends in no format of models"]);
    let out = |out: &str| world.planaria(&["import", "model.onnx", "--out", out]);
    out("new.onnx").with(2).says(&["a model is a .safetensors file"]);
    out("nowhere/new.safetensors").with(1).says(&["its folder does not exist"]);
    let mean = ["import", "model.onnx", "--out", "new.safetensors", "--mean", "1,2,3"];
    world.planaria(&mean).with(2).says(&["--mean: 3 numbers for 1 channels"]);
    world.planaria(&["export", "cut.onnx", "--out", "new.npz"]).with(1).says(&["cannot use it"]);
    world.planaria(&["export", &model, "--out", "new"]).with(2).says(&["ends in no format"]);
}
