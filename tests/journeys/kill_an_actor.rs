//! Actors that a person kills, one, some or all, and what is left of it: a new incarnation.

use serde_json::Value;

use crate::world::{CALM, ENDLESS, Running, WATCHFUL, World, training};

/// A training that does not end by itself.
fn endless(pools: &str) -> World {
    World::with(&training(640, ENDLESS, pools))
}

/// The incarnation of a worker.
fn incarnation(status: &Value, name: &str) -> Option<u64> {
    let stages = status["stages"].as_array()?.iter();
    let mut workers = stages.flat_map(|stage| stage["workers"].as_array().expect("a list"));
    workers.find(|worker| worker["name"] == name)?["incarnation"].as_u64()
}

/// Waits until training goes on after what has been done to it.
fn goes_on(runtime: &mut Running<'_>) {
    let step = runtime.until("a status", |status| status["step"].as_u64());
    runtime
        .until("further steps", |status| (status["step"].as_u64() > Some(step + 20)).then_some(()));
}

#[test]
fn a_worker_killed_in_any_way_gets_a_new_incarnation_and_the_training_goes_on() {
    let world = endless(WATCHFUL);
    let mut runtime = world.runtime(&["--workers", "2"]);
    runtime.until_a_model();
    for (incarnation_before, how) in (1..).zip(["stop", "panic", "error", "lost-thread", "hang"]) {
        let said = world.ask(&["kill", "train/1", "--how", how]).with(0).out;
        assert!(said.contains("killed train/1"), "{how}: {said}");
        runtime.until(how, |status| {
            (incarnation(status, "train/1") > Some(incarnation_before)).then_some(())
        });
        goes_on(&mut runtime);
    }
    let status = world.client().call("status", Value::Null);
    assert!(status["result"]["failures"].as_u64() >= Some(5), "{status:#}");
    assert_eq!(status["result"]["items"]["dead_lettered"], 0, "{status:#}");
    world.ask(&["stop"]).with(0);
    runtime.end().with(1).says(&["stopped before training was finished"]);
}

#[test]
fn a_stage_the_supervisor_or_all_can_be_killed_and_come_back() {
    let world = endless(WATCHFUL);
    let mut runtime = world.runtime(&["--workers", "2"]);
    runtime.until_a_model();
    let killed = world.ask(&["kill", "train", "--json"]).with(0).json();
    assert_eq!(killed["killed"], serde_json::json!(["train/1", "train/2"]));
    for worker in ["train/1", "train/2"] {
        runtime.until(worker, |status| incarnation(status, worker).filter(|number| *number > 1));
    }
    goes_on(&mut runtime);
    world.ask(&["kill", "supervisor", "--how", "panic"]).with(0);
    goes_on(&mut runtime);
    let killed = world.ask(&["kill", "all", "--json"]).with(0).json();
    assert_eq!(killed["killed"].as_array().map(Vec::len), Some(22), "{killed}");
    for stage in ["ingest", "decode", "preprocess", "augment", "batch", "evaluate", "predict"] {
        let worker = format!("{stage}/2");
        runtime.until(stage, |status| incarnation(status, &worker).filter(|number| *number > 1));
    }
    runtime.until("train", |status| incarnation(status, "train/2").filter(|number| *number > 2));
    goes_on(&mut runtime);
}

#[test]
fn a_name_that_does_not_exist_kills_nobody_and_is_told_the_names_there_are() {
    let world = endless(CALM);
    let mut runtime = world.runtime(&["--workers", "2"]);
    for name in ["trian/1", "train/3", "train/0", "train/x", "", "/", "TRAIN"] {
        world.ask(&["kill", name]).with(1).says(&["train", "predict", "supervisor", "all"]);
    }
    world.ask(&["kill", "train/1", "--how", "axe"]).with(2).says(&["lost-thread"]);
    runtime.until_a_model();
    let status = world.client().call("status", Value::Null);
    assert_eq!(status["result"]["failures"], 0, "{status:#}");
}
