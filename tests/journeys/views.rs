//! A network that looks at an image several times: in evaluations, live and from the saved model alike.

use serde_json::Value;

use crate::{
    drawings,
    world::{World, training},
};

/// The report of a training with these views, and what the runtime and then its model file answer for one picture.
fn answers(views: &str) -> (Value, [Value; 2]) {
    let world = World::with(&training(320, 1, views));
    world.write("one.png", drawings::one(true));
    let mut runtime = world.runtime(&["--report", "report.json"]);
    runtime.until("serving", |status| (status["phase"] == "serving").then_some(()));
    let live = world.ask(&["predict", "one.png", "--json"]).with(0).json();
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
    let report = world.json("report.json");
    let model = report["model_file"].as_str().expect("a model is kept");
    let saved = world.planaria(&["predict", "one.png", "--json", "--model", model]).with(0).json();
    (report, [live, saved])
}

#[test]
fn views_change_what_is_measured_and_answered_but_not_what_is_learnt() {
    let (plain, [once, _]) = answers("");
    let (moved, [live, saved]) = answers("[predict.views]\nshift = 2\n");
    assert_eq!(moved["weights_sha256"], plain["weights_sha256"]);
    assert_ne!(moved["test"]["loss"], plain["test"]["loss"]);
    assert_ne!(live[0]["probabilities"], once[0]["probabilities"]);
    let looks = "the model file looks as the runtime did";
    assert_eq!(live[0]["probabilities"], saved[0]["probabilities"], "{looks}");
}

#[test]
fn views_that_do_not_fit_the_images_are_refused() {
    let world = World::with(&training(320, 1, "[predict.views]\nshift = 28\n"));
    let refused = world.planaria(&["check", "config.toml"]).with(2);
    refused.says(&["predict.views", "28x28", "cannot be moved by 28 pixels"]);
}
