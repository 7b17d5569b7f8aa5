//! What a second terminal can ask while the first one trains.

use serde_json::Value;
use std::{path::Path, thread};

use crate::{
    client::{Client, pictures},
    drawings,
    first_run::check_answer,
    world::{CALM, ENDLESS, WATCHFUL, World, training},
};

/// A training that does not end by itself.
fn endless(pools: &str) -> World {
    let world = World::with(&training(640, ENDLESS, pools));
    world.write("one.png", drawings::one(true));
    world
}

#[test]
fn status_shows_stages_workers_items_and_model_while_the_training_runs() {
    let world = endless(CALM);
    let mut runtime = world.runtime(&["--workers", "2"]);
    runtime.until_a_model();
    let screen = world.ask(&["status", "--workers"]).with(0).out;
    let process = format!("process {}", runtime.process());
    for text in [
        &process,
        "training tiny-cnn",
        "epoch",
        "loss",
        "of the test items right",
        "train/1",
        "predict/2",
    ] {
        assert!(screen.contains(text), "{text} is missing in:\n{screen}");
    }
    let status = world.ask(&["status", "--json"]).with(0).json();
    assert_eq!(status["pid"], runtime.process());
    assert_eq!(status["phase"], "training");
    assert!(status["step"].as_u64() > Some(0) && status["loss"].is_f64(), "{status:#}");
    assert!(status["restarts"].is_u64() && status["epoch"].is_u64(), "{status:#}");
    balance(&status["items"]);
    let stages = status["stages"].as_array().expect("a list");
    assert_eq!(stages.len(), 11);
    for stage in stages {
        balance(&stage["items"]);
        assert!(stage["mailbox"]["filled"].as_u64() <= stage["mailbox"]["capacity"].as_u64());
        let workers = stage["workers"].as_array().expect("a list");
        assert_eq!(workers.len(), 2, "{stage:#}");
        assert!(workers.iter().all(|worker| worker["incarnation"] == 1), "{stage:#}");
    }
}

/// Every item is somewhere, and in one place.
fn balance(items: &Value) {
    let number = |name: &str| items[name].as_u64().expect("a number");
    let found = ["ready", "leased", "committed", "dead_lettered"].map(number).iter().sum::<u64>();
    assert_eq!(number("accepted"), found, "{items}");
}

#[test]
fn a_prediction_asked_for_before_the_first_model_waits_for_it() {
    let world = World::with(&training(60_000, 1, ""));
    world.write("one.png", drawings::one(true));
    let runtime = world.runtime(&[]);
    let mut client = world.client();
    assert_eq!(client.call("status", Value::Null)["result"]["model"], Value::Null, "too late");
    let answers = world.ask(&["predict", "one.png", "--json"]).with(0).json();
    check_answer(&answers[0], "one.png");
    assert_eq!(answers[0]["model"], 1);
    drop(runtime);
}

#[test]
fn predictions_come_from_the_newest_model_while_the_training_runs() {
    let world = endless(CALM);
    let mut runtime = world.runtime(&[]);
    let mut before = runtime.until_a_model();
    for _ in 0..3 {
        let answers = world.ask(&["predict", "one.png", "--json"]).with(0).json();
        check_answer(&answers[0], "one.png");
        let model = answers[0]["model"].as_u64().expect("a version");
        assert!(model >= before, "{model} is older than {before}");
        before = runtime.until("a newer model", |status| {
            status["model"]["version"].as_u64().filter(|version| *version > model)
        });
    }
    let table = world.ask(&["predict", "one.png"]).with(0).out;
    assert!(table.contains("one.png") && table.contains('%'), "{table}");
}

#[test]
fn under_chaos_every_prediction_asked_for_is_answered_exactly_once() {
    let world = endless(WATCHFUL);
    let mut runtime = world.runtime(&["--workers", "2"]);
    runtime.until_a_model();
    let said =
        world.ask(&["chaos", "--kills", "100", "--every", "50ms", "--seed", "7"]).with(0).out;
    assert!(said.contains("100 kills"), "{said}");
    world.ask(&["chaos", "--kills", "1"]).with(1).says(&["a chaos plan is running"]);
    let (socket, picture) = (world.path("control.sock"), drawings::one(false));
    let asked: usize = thread::scope(|scope| {
        let ask = |name| ask_under_chaos(&socket, name, &picture);
        let clients = ["a", "b", "c"].map(|name| scope.spawn(move || ask(name)));
        clients.into_iter().map(|client| client.join().expect("all is answered")).sum()
    });
    assert!(asked >= 30, "each client asks at least once: {asked}");
    let status = world.client().call("status", Value::Null);
    assert!(status["result"]["failures"].as_u64() > Some(0), "nobody died: {status:#}");
    runtime.must_live();
}

/// Asks for ten pictures in three requests at once, again and again until the chaos is over.
fn ask_under_chaos(socket: &Path, client: &str, picture: &[u8]) -> usize {
    let mut asked = 0;
    loop {
        let mut connection = Client::try_connect(socket).expect("the runtime listens");
        let left = connection.call("status", Value::Null)["result"]["chaos_left"].as_u64();
        let names: Vec<String> =
            (asked..asked + 10).map(|number| format!("{client}{number}")).collect();
        let requests = [&names[..1], &names[1..4], &names[4..]];
        let ids = requests.map(|names| connection.send("predict", pictures(names, picture)));
        connection.hang_up();
        for (id, names) in ids.into_iter().zip(requests) {
            let answer = connection.answer().expect("an answer to every request");
            assert_eq!(answer["id"], id, "{answer}");
            let predictions = answer["result"]["predictions"].as_array().expect("a list");
            assert!(predictions.iter().all(|one| one["class"].is_u64()), "{answer}");
            let answered = predictions.iter().map(|one| one["name"].as_str());
            assert!(answered.eq(names.iter().map(|name| Some(name.as_str()))), "{answer}");
        }
        assert!(connection.is_closed(), "nothing is answered twice");
        asked += names.len();
        if left == Some(0) {
            return asked;
        }
    }
}
