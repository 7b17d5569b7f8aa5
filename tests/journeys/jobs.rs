//! Jobs of a runtime that may be killed at any moment: `serve`, `submit`, `jobs`, `job`, `result`, `cancel`, `retry`.

use serde_json::{Value, json};
use std::fs;

use crate::{
    client::Client,
    world::{ENDLESS, Running, World, training, until},
};

/// A job file of this config.
const TRAIN: &str = "kind = \"train\"\nconfig = \"config.toml\"\n";

/// A folder with a config of so many epochs, and a checkpoint at each step.
fn world(epochs: u32) -> World {
    let more = "[checkpoint]\nevery_steps = 1\nkeep = 2\n";
    let world = World::with(&training(640, epochs, more));
    world.write("job.toml", TRAIN);
    world
}

fn serve<'w>(world: &'w World, flags: &[&str]) -> Running<'w> {
    let ours = ["serve", "config.toml", "--state", "state", "--socket", "control.sock"];
    world.start(ours.iter().chain(flags))
}

/// A runtime that answers.
fn runtime(world: &World) -> Running<'_> {
    let mut running = serve(world, &[]);
    let socket = world.path("control.sock");
    until("a runtime that answers", || {
        running.must_live();
        Client::try_connect(&socket).map(|mut client| client.call("ping", Value::Null))
    });
    running
}

fn submit(world: &World, key: &str) -> Value {
    world.ask(&["submit", "job.toml", "--json", "--idempotency-key", key]).with(0).json()
}

fn job(world: &World, id: u64) -> Value {
    world.client().call("job", json!({ "id": id }))["result"].clone()
}

fn until_state(world: &World, id: u64, state: &str) -> Value {
    until(state, || Some(job(world, id)).filter(|job| job["state"] == state))
}

/// The result of a job and the bytes of its model.
fn result(world: &World, id: u64) -> (Value, Vec<u8>) {
    let (id, folder) = (id.to_string(), format!("out-{id}"));
    world.ask(&["result", &id, "--out", &folder]).with(0);
    let model = fs::read(world.path(&format!("{folder}/model.safetensors")));
    (world.json(&format!("{folder}/result.json")), model.expect("the model is there"))
}

/// What an undisturbed runtime makes of the job.
fn undisturbed(epochs: u32) -> (Value, Vec<u8>) {
    let world = world(epochs);
    let runtime = runtime(&world);
    submit(&world, "a");
    until_state(&world, 1, "done");
    let result = result(&world, 1);
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
    result
}

#[test]
fn a_job_is_submitted_waited_for_and_gives_its_result() {
    let world = world(1);
    let runtime = runtime(&world);
    let ended = world.ask(&["submit", "job.toml", "--wait", "--json"]).with(0).json();
    assert_eq!((&ended["id"], &ended["state"]), (&json!(1), &json!("done")));
    assert_eq!(ended["result"]["weights_sha256"].as_str().map(str::len), Some(64));
    let list = world.ask(&["jobs"]).with(0).out;
    assert!(list.contains("train") && list.contains("done"), "{list}");
    let shown = world.ask(&["job", "1"]).with(0).out;
    assert!(shown.contains("accepted") && shown.contains("weights_sha256"), "{shown}");
    let (result, model) = result(&world, 1);
    assert_eq!(result, ended["result"]);
    world.write("model.safetensors", model);
    let score = "kind = \"evaluate\"\nmodel_of = 1\nconfig = \"config.toml\"\n";
    world.write("score.toml", score);
    let scored = world.ask(&["submit", "score.toml", "--wait", "--json"]).with(0).json();
    assert_eq!(scored["result"]["weights_sha256"], result["weights_sha256"]);
    assert_eq!(scored["result"]["test"]["accuracy"], result["test"]["accuracy"]);
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
}

#[test]
fn a_job_tells_what_its_cleaning_has_set_aside_and_another_inspects_a_table() {
    let world =
        World::with(&training(640, 1, "[clean]\noutliers = \"remove\"\noutlier_range = 1.0\n"));
    world.write("job.toml", TRAIN);
    world.write("rows.csv", "a,kind\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n7,x\n8,y\n");
    let runtime = runtime(&world);
    let ended = world.ask(&["submit", "job.toml", "--wait", "--json"]).with(0).json();
    let removed = ended["result"]["cleaning"]["train"]["outliers"]["removed"].as_u64();
    world.ask(&["result", "1", "--out", "out"]).with(0);
    let told = fs::read_to_string(world.path("out/set-aside.jsonl")).expect("the list is there");
    assert_eq!(removed, Some(told.lines().count() as u64), "{told}");
    assert!(
        told.contains("\"reason\":\"outlier\"") && told.contains("its brightness is"),
        "{told}"
    );
    world.write("look.toml", "kind = \"inspect\"\ndata = \"rows.csv\"\nlabel = \"kind\"\n");
    let ended = world.ask(&["submit", "look.toml", "--wait", "--json"]).with(0).json();
    assert_eq!(ended["result"]["columns"][0]["kind"], "whole", "{ended}");
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
}

#[test]
fn a_runtime_killed_in_mid_training_finishes_the_job_to_the_same_bytes_when_it_is_started_again() {
    // So many that none is done before somebody has looked twice.
    let expected = undisturbed(50);
    let world = world(50);
    let first = runtime(&world);
    assert_eq!(submit(&world, "a")["is_new"], true);
    until("some steps", || (job(&world, 1)["progress"].as_u64() > Some(5)).then_some(()));
    first.kill_nine();
    let second = runtime(&world);
    let again = submit(&world, "a");
    assert_eq!((&again["id"], &again["is_new"]), (&json!(1), &json!(false)), "the same key");
    let ended = until_state(&world, 1, "done");
    assert_eq!(ended["attempts"], 2);
    let timeline: Vec<&str> = ended["timeline"]
        .as_array()
        .expect("a timeline")
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    let ends = timeline.iter().filter(|what| **what == "done").count();
    assert!(
        timeline.contains(&"died") && timeline.contains(&"resumed") && ends == 1,
        "{timeline:?}"
    );
    assert_eq!(result(&world, 1), expected);
    assert_eq!(world.ask(&["jobs", "--json"]).json().as_array().map(Vec::len), Some(1));
    world.ask(&["stop"]).with(0);
    let said = second.end().with(0);
    said.says(&["the last runtime died in job 1: it goes on"]);
}

#[test]
fn a_job_is_paused_resumed_cancelled_and_tried_again() {
    let world = world(ENDLESS);
    let runtime = runtime(&world);
    submit(&world, "a");
    submit(&world, "b");
    until_state(&world, 1, "running");
    world.ask(&["pause", "1"]).with(0);
    until_state(&world, 1, "paused");
    until_state(&world, 2, "running");
    world.ask(&["cancel", "2"]).with(0);
    until_state(&world, 2, "cancelled");
    world.ask(&["resume", "1"]).with(0);
    until_state(&world, 1, "running");
    world.ask(&["retry", "1"]).with(1).says(&["job 1 is running: it cannot be"]);
    world.ask(&["retry", "2"]).with(0);
    until_state(&world, 2, "queued");
    world.ask(&["cancel", "3"]).with(1).says(&["there is no job 3"]);
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
    let next = self::runtime(&world);
    until_state(&world, 1, "running");
    world.ask(&["cancel", "1"]).with(0);
    world.ask(&["cancel", "2"]).with(0);
    world.ask(&["stop"]).with(0);
    next.end().with(0).says(&["jobs: 2 waiting"]);
}

#[test]
fn a_job_in_which_the_process_dies_three_times_is_set_aside_and_the_next_one_runs() {
    // No checkpoint: nothing tells this job from one whose input kills the process.
    let world = World::with(&training(640, ENDLESS, "[checkpoint]\nevery_epochs = 0\n"));
    world.write("job.toml", TRAIN);
    world.write("next.toml", format!("{TRAIN}priority = -1\n[set]\n\"train.epochs\" = 1\n"));
    let mut runtime = self::runtime(&world);
    submit(&world, "a");
    world.ask(&["submit", "next.toml"]).with(0);
    for attempt in 1..=3 {
        until("the attempt", || (job(&world, 1)["attempts"] == attempt).then_some(()));
        runtime.kill_nine();
        runtime = self::runtime(&world);
    }
    let aside = until_state(&world, 1, "set-aside");
    let error = aside["error"].as_str().expect("a reason");
    assert!(error.contains("the process died 3 times in this job"), "{error}");
    until_state(&world, 2, "done");
    world.ask(&["stop"]).with(0);
    runtime.end().with(0).says(&["job 1 is set aside"]);
}

#[test]
fn who_submits_more_than_may_wait_is_told_busy_and_what_was_accepted_stays() {
    let world = World::with(&training(640, ENDLESS, "[jobs]\nqueue_max = 2\n"));
    world.write("job.toml", TRAIN);
    let runtime = runtime(&world);
    submit(&world, "a");
    until_state(&world, 1, "running");
    submit(&world, "b");
    submit(&world, "c");
    let busy = world.ask(&["submit", "job.toml"]).with(1);
    busy.says(&["busy: 2 jobs wait, and no more may (`jobs.queue_max`)"]);
    let again = submit(&world, "c");
    assert_eq!((&again["id"], &again["is_new"]), (&json!(3), &json!(false)));
    world.ask(&["stop"]).with(0);
    runtime.end().with(0);
}
