//! Pools that a person makes larger and smaller while they work, and what can be seen of it.

use serde_json::Value;
use std::fs;

use crate::world::{CALM, ENDLESS, World, training, until};

/// How many workers of a stage the status shows.
fn workers(status: &Value, stage: &str) -> Option<usize> {
    let stages = status["stages"].as_array()?;
    let stage = stages.iter().find(|shown| shown["name"] == stage)?;
    stage["workers"].as_array().map(Vec::len)
}

/// Asks the runtime for what must succeed, and checks what it prints.
fn prints(world: &World, args: &[&str], texts: &[&str]) {
    let out = world.ask(args).with(0).out;
    for text in texts {
        assert!(out.contains(text), "`{text}` is missing in:\n{out}");
    }
}

#[test]
fn a_stage_gets_more_and_fewer_workers_while_it_trains_and_the_events_tell_it() {
    let world = World::with(&training(640, ENDLESS, CALM));
    let mut runtime = world.runtime(&["--workers", "2"]);
    runtime.until_a_model();
    prints(&world, &["scale", "train", "4"], &["train: 2 -> 4 workers"]);
    runtime.until("four", |status| (workers(status, "train") == Some(4)).then_some(()));
    prints(&world, &["kill", "train/4", "--how", "panic"], &["killed train/4"]);
    runtime.until("a death", |status| status["failures"].as_u64().filter(|deaths| *deaths > 0));
    let scaled = world.ask(&["scale", "train", "1", "--json"]).with(0).json();
    assert_eq!((&scaled["from"], &scaled["to"]), (&4.into(), &1.into()));
    runtime.until("one", |status| (workers(status, "train") == Some(1)).then_some(()));
    world.ask(&["kill", "train/2"]).with(1).says(&["train/1-1"]);
    let told = ["train/4        started", "scaled from 2 to 4 workers", "scaled from 4 to 1"];
    prints(&world, &["events"], &told);
    let lines = world.ask(&["events", "--json"]).with(0).out;
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    let died = events.iter().find(|event| event["event"] == "died").expect("somebody died");
    assert_eq!((&died["worker"], &died["kind"]), (&"train/4".into(), &"panic".into()));
    let since = died["number"].to_string();
    let rest = world.ask(&["events", "--json", "--since", &since]).with(0).out;
    let first: Value = serde_json::from_str(rest.lines().next().expect("a line")).expect("JSON");
    assert_eq!(&first, died);
}

#[test]
fn whoever_scales_what_cannot_be_is_told_what_can() {
    let world = World::with(&training(640, ENDLESS, CALM));
    let _runtime = world.runtime(&[]);
    world.ask(&["scale", "trian", "2"]).with(1).says(&["trian", "train", "predict"]);
    world.ask(&["scale", "train", "0"]).with(2).says(&["0 is not in"]);
    world.ask(&["scale", "train", "5000"]).with(1).says(&["4096"]);
    world.ask(&["scale", "train"]).with(2).says(&["planaria scale train 4"]);
    prints(&world, &["scale", "auto"], &["bottleneck"]);
    prints(&world, &["scale", "manual"], &["keep"]);
}

#[test]
fn whoever_follows_the_events_sees_the_runtime_to_its_end() {
    let world = World::with(&training(640, ENDLESS, CALM));
    let mut runtime = world.runtime(&[]);
    let follower = world.start(["events", "--follow", "--socket", "control.sock"]);
    // The follower is the second program started here: what it says is in the file of that number.
    until("an event", || {
        runtime.must_live();
        fs::read_to_string(world.path("1.out")).ok().filter(|seen| seen.contains("started"))
    });
    world.ask(&["stop"]).with(0);
    runtime.end();
    follower.end().with(0);
}
