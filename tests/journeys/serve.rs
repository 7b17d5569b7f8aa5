//! After the training: predictions until told to stop, and an end that loses nothing.

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    client::pictures,
    drawings,
    first_run::check_answer,
    world::{ENDLESS, Running, World, training},
};

/// A runtime that has trained and serves.
fn serving(world: &World) -> Running<'_> {
    let mut runtime = world.runtime(&["--report", "report.json"]);
    runtime.until("serving", |status| (status["phase"] == "serving").then_some(()));
    runtime
}

#[test]
fn a_trained_runtime_answers_predictions_until_a_signal_ends_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let world = World::with(&training(320, 1, ""));
        world.write("one.png", drawings::one(true));
        let runtime = serving(&world);
        let answers = world.ask(&["predict", "one.png", "--json"]).with(0).json();
        check_answer(&answers[0], "one.png");
        runtime.signal(signal);
        let ended = runtime.end().with(0);
        assert!(ended.out.contains("tiny-cnn") && ended.out.contains("ended"), "{}", ended.out);
        is_swept(&world);
        let report = world.json("report.json");
        let stages = report["stages"].as_array().expect("a list of stages");
        let predict = stages.iter().find(|stage| stage["name"] == "predict");
        let predict = predict.expect("the stage that answers");
        assert_eq!(predict["committed"], 1, "the last report is of the end: {predict}");
    }
}

#[test]
fn predictions_unlike_those_it_was_measured_on_are_an_event_and_in_the_status() {
    let world = World::with(&training(320, 1, "[drift]\nwindow = 50\n"));
    let runtime = serving(&world);
    let names: Vec<String> = (0..10).map(|number| format!("{number}.png")).collect();
    let mut client = world.client();
    for _ in 0..5 {
        client.call("predict", pictures(&names, &drawings::one(true)));
    }
    let events = world.ask(&["events"]).with(0).out;
    assert!(events.contains("drift: of the last 50 predictions"), "{events}");
    let status = world.ask(&["status"]).with(0).out;
    assert!(status.contains("drift    of the last 50 predictions"), "{status}");
    let status = world.ask(&["status", "--json"]).with(0).json();
    assert_eq!(status["drift"]["items"], 50);
    let now = status["drift"]["classes"]["now"].as_array().expect("a share each");
    assert!(now.iter().any(|share| *share == 1.0), "all are the same picture: {status}");
    // From the model's file alone, too.
    let model = status["model"]["file"].as_str().expect("its file").to_owned();
    let files: Vec<String> = (0..60).map(|number| format!("{number}.png")).collect();
    files.iter().for_each(|file| world.write(file, drawings::one(true)));
    let args = ["predict", "--model", &model].into_iter().chain(files.iter().map(String::as_str));
    let args: Vec<&str> = args.collect();
    world.planaria(&args).with(0).says(&["drift: of the last 60 predictions"]);
    runtime.signal(Signal::TERM);
    runtime.end().with(0);
}

/// Neither the socket nor its lock is left.
fn is_swept(world: &World) {
    for name in ["control.sock", "control.sock.lock"] {
        assert!(!world.path(name).exists(), "{name} is left");
    }
}

#[test]
fn stop_ends_a_serving_runtime_with_0_and_returns_when_it_has_ended() {
    let world = World::with(&training(320, 1, ""));
    let runtime = serving(&world);
    let said = world.ask(&["stop", "--json"]).with(0).json();
    assert_eq!(said["stopped"], true);
    is_swept(&world);
    runtime.end().with(0);
    world.ask(&["status"]).with(1).says(&["no runtime at control.sock", "planaria run CONFIG"]);
}

#[test]
fn stop_in_mid_training_drains_and_says_how_far_it_came() {
    let world = World::with(&training(640, ENDLESS, ""));
    let mut runtime = world.runtime(&["--report", "report.json"]);
    runtime.until_a_model();
    world.ask(&["stop"]).with(0);
    let steps = format!("of {}", 640 / 32 * ENDLESS);
    runtime.end().with(1).says(&["stopped before training was finished", &steps, "run again"]);
    is_swept(&world);
    let items = &world.json("report.json")["items"];
    assert_eq!(items["accepted"], items["committed"], "what was accepted has ended: {items}");
}

#[test]
fn whatever_waits_when_a_runtime_is_stopped_is_answered_before_it_ends() {
    let world = World::with(&training(320, 1, ""));
    let runtime = serving(&world);
    let picture = drawings::one(true);
    let mut clients: Vec<_> = (0..8).map(|_| world.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let names: Vec<String> = (0..32).map(|picture| format!("{number}/{picture}")).collect();
        client.send("predict", pictures(&names, &picture));
    }
    runtime.signal(Signal::TERM);
    for client in &mut clients {
        let answer = client.answer().expect("who has asked is answered");
        let predictions = answer["result"]["predictions"].as_array().expect("a list");
        assert_eq!(predictions.len(), 32, "{answer}");
        let is_answered = |one: &Value| one["class"].is_u64() || one["error"].is_string();
        assert!(predictions.iter().all(is_answered), "{answer}");
        assert!(client.is_closed(), "and only once");
    }
    runtime.end().with(0);
}

#[test]
fn who_waits_for_a_first_model_is_told_when_none_will_come() {
    let world = World::with(&training(60_000, ENDLESS, ""));
    let mut client = {
        let runtime = world.runtime(&[]);
        let mut client = world.client();
        client.send("predict", pictures(&["one".into()], &drawings::one(true)));
        let status = world.client().call("status", Value::Null);
        assert_eq!(status["result"]["model"], Value::Null, "too late to mean anything");
        runtime.signal(Signal::INT);
        runtime.end().with(1);
        client
    };
    let answer = client.answer().expect("who has asked is answered");
    let error = answer["result"]["predictions"][0]["error"].as_str().expect("an error");
    assert!(error.contains("stopping"), "{error}");
}
