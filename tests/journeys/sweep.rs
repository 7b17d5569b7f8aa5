//! Many trainings in one process: the same table whatever is at once, and nothing begun that is wrong.

use rustix::process::Signal;
use serde_json::Value;
use std::fs;

use crate::world::{CALM, Ended, World, training, until};

const GRID: &str = "[values]\n\"train.optimiser.learning_rate\" = [0.001, 0.01]\n\
                    \"train.batch\" = [32, 64]\n";

/// A sweep of a small training with these flags, to its end.
fn swept(world: &World, sweep: &str, flags: &[&str]) -> Ended {
    world.write("sweep.toml", sweep);
    let ours = ["train", "config.toml", "--state", "state", "--sweep", "sweep.toml"];
    let report = ["--report", "report.json"];
    world.planaria(&[&ours[..], &report[..], flags].concat())
}

fn small() -> World {
    World::with(&training(640, 1, CALM))
}

/// The report of a sweep without what a clock says.
fn timeless(mut report: Value) -> Value {
    report["seconds"].take();
    for row in report["trials"].as_array_mut().expect("rows") {
        row["seconds"].take();
    }
    report
}

/// The model files in the state folder.
fn models(world: &World) -> Vec<String> {
    let mut open = vec![world.path("state")];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let is_folder = entry.file_type().expect("a type").is_dir();
            match entry.file_name().into_string().expect("UTF-8") {
                _ if is_folder => open.push(entry.path()),
                name if name.ends_with(".safetensors") => files.push(name),
                _ => {}
            }
        }
    }
    files
}

#[test]
fn a_grid_trains_every_combination_and_keeps_the_best_whatever_is_at_once() {
    let (one, two) = (small(), small());
    let ended = swept(&one, GRID, &[]).with(0).says(&["trial 4/4  learning_rate=0.01  batch=64"]);
    swept(&two, &format!("parallel = 3\n{GRID}"), &["--workers", "1"]).with(0);
    let report = timeless(one.json("report.json"));
    assert_eq!(report, timeless(two.json("report.json")));
    let rows = report["trials"].as_array().expect("rows");
    let accuracies: Vec<f64> = rows.iter().filter_map(|row| row["accuracy"].as_f64()).collect();
    assert!(accuracies.len() == 4 && accuracies.is_sorted_by(|a, b| a >= b), "{accuracies:?}");
    assert_eq!((&report["best"], &report["measured_on"]), (&rows[0]["number"], &"test".into()));
    let best = rows[0]["weights_sha256"].as_str().expect("it has weights");
    assert!(ended.out.contains(&format!("* {}", report["best"])), "{}", ended.out);
    assert!(ended.out.contains("accuracy on the test items") && ended.out.contains(best));
    let kept = models(&one);
    assert!(kept.len() == 1 && kept[0].contains(&best[..12]), "{kept:?}");
    assert!(rows[0]["model_file"].is_string() && rows[1]["model_file"].is_null(), "{report:#}");
    swept(&two, GRID, &["--keep-all"]).with(0);
    assert_eq!(models(&two).len(), 4);
}

#[test]
fn a_trial_is_the_training_that_its_values_alone_would_be() {
    let world = small();
    swept(&world, GRID, &[]).with(0);
    let report = world.json("report.json");
    let rows = report["trials"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["number"] == 4).expect("the fourth trial");
    assert_eq!(row["values"]["train.batch"], 64);
    let alone = ["train", "config.toml", "--state", "state", "--socket", "control.sock"];
    let set = ["--set", "train.batch=64", "--set", "train.optimiser.learning_rate=0.01"];
    world.planaria(&[&alone[..], &set, &["--report", "alone.json"]].concat()).with(0);
    let alone = world.json("alone.json");
    assert_eq!(row["weights_sha256"], alone["weights_sha256"]);
    assert_eq!(row["config_sha256"], alone["config_sha256"]);
}

#[test]
fn a_random_search_draws_the_same_trials_again_and_others_with_another_seed() {
    let sweep = "kind = \"random\"\ntrials = 3\nmetric = \"loss\"\n[values]\n\
                 \"train.optimiser.learning_rate\" = { from = 1e-4, to = 1e-1, scale = \"log\" }\n\
                 \"train.schedule\" = { choose = [\"constant\", \"cosine\"] }\n";
    let report = |flags: &[&str]| {
        let world = small();
        swept(&world, sweep, flags).with(0);
        timeless(world.json("report.json"))
    };
    let first = report(&[]);
    assert_eq!(first, report(&[]));
    let other = report(&["--seed", "2"]);
    assert_ne!(first["trials"][0]["values"], other["trials"][0]["values"]);
}

#[test]
fn a_trial_that_cannot_be_meant_stops_the_sweep_before_anything_is_trained() {
    let world = small();
    let sweep =
        "[values]\n\"train.optimiser.learning_rte\" = [0.001, 0.01]\n\"train.batch\" = [32, 0]\n";
    let ended = swept(&world, sweep, &[]).with(2).says(&[
        "trial 1 and 3 more: train.optimiser.learning_rte: there is no such field: did you mean \
         `learning_rate`?",
        "trial 2 and 1 more: train.batch: 0 is out of range",
        "sweep.toml: 2 faults",
    ]);
    assert!(ended.out.is_empty() && !world.path("state").exists(), "{ended:?}");
    swept(&world, "[values]\nseed = 1", &[]).with(2).says(&["sweep.toml:2:8", "must be a list"]);
}

#[test]
fn a_trial_that_diverges_is_a_row_with_its_reason_and_alone_fails_the_sweep() {
    let world = small();
    let wild = "\"train.optimiser\" = [{ kind = \"sgd\", learning_rate = 1000 }";
    let both = format!("metric = \"loss\"\n[values]\n{wild}, {{ kind = \"adam\" }}]\n");
    let ended = swept(&world, &both, &[]).with(0);
    assert!(ended.out.contains("failed: step"), "{}", ended.out);
    let report = world.json("report.json");
    assert_eq!((&report["best"], &report["trials"][1]["state"]), (&2.into(), &"failed".into()));
    let reason = report["trials"][1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("the loss is"), "{reason}");
    swept(&world, &format!("[values]\n{wild}]\n"), &[]).with(1).says(&["no trial has a result"]);
}

#[test]
fn ctrl_c_ends_a_sweep_with_the_table_so_far() {
    let world = small();
    world.write("sweep.toml", "[values]\n\"train.epochs\" = [1, 100000, 2]\n");
    let args = ["train", "config.toml", "--state", "state", "--sweep", "sweep.toml"];
    let running = world.start(args);
    until("a second trial", || {
        let said = fs::read_to_string(world.path("0.err")).ok()?;
        said.contains("trial 2/3  epochs=100000  begins").then_some(())
    });
    running.signal(Signal::INT);
    let ended = running.end().with(1).says(&["stopped after 1 of 3 trials"]);
    assert!(ended.out.contains("* 1") && ended.out.contains("stopped"), "{}", ended.out);
    assert!(ended.out.contains("1 of 3 trained"), "{}", ended.out);
}

#[test]
fn the_sweep_that_is_shipped_is_a_good_one() {
    let world = World::with(&training(256, 1, CALM));
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/sweep.toml");
    let sweep = fs::read_to_string(shipped).expect("it is shipped");
    let ended = swept(&world, &sweep, &[]).with(0);
    assert!(ended.out.contains("4 of 4 trained"), "{}", ended.out);
}
