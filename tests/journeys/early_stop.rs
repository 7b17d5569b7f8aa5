//! A training that sets items aside, ends when it gains nothing any more, and reports its best version.

use serde_json::Value;

use crate::world::{CALM, ENDLESS, WATCHFUL, World, training, until};

/// Sixty-four digits learnt by heart: those set aside soon gain nothing.
fn by_heart(pools: &str) -> String {
    let aside = "[train.validation]\nitems = 64\nmetric = \"loss\"\npatience = 2\n";
    training(128, 60, &format!("{aside}{pools}")).replace("0.005", "0.02")
}

fn train(world: &World, flags: &[&str]) -> (Value, String) {
    let ours = ["train", "config.toml", "--state", "state", "--socket", "control.sock"];
    let ended = world.planaria(&[&ours[..], &["--report", "report.json"], flags].concat()).with(0);
    (world.json("report.json"), ended.out)
}

#[test]
fn a_training_that_gains_nothing_any_more_ends_and_its_best_version_is_reported() {
    let world = World::with(&by_heart(CALM));
    let (report, screen) = train(&world, &[]);
    let training = &report["training"];
    assert_eq!(training["stopped_early"], true, "{training:#}");
    let (steps, best) = (training["steps"].as_u64(), &training["best"]);
    let evaluations = training["evaluations"].as_array().expect("a list");
    let losses: Vec<f64> =
        evaluations.iter().filter_map(|point| point["validation"]["loss"].as_f64()).collect();
    assert!(losses.len() < 60, "it has ended early: {}", losses.len());
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(best["value"].as_f64(), Some(least));
    // Two steps an epoch, and an evaluation after each epoch.
    assert_eq!(steps, best["step"].as_u64().map(|step| step + 4));
    assert_eq!(report["validation"]["loss"].as_f64(), Some(least));
    assert!(screen.contains("best validation loss"), "{screen}");
    assert!(screen.contains("where nothing was gained any more"), "{screen}");
    let model = report["model_file"].as_str().expect("a model is kept");
    assert!(
        model.contains(&format!("-step-{:06}-", best["step"].as_u64().unwrap_or(0))),
        "{model}"
    );
}

#[test]
fn an_early_end_is_the_same_for_any_workers_through_chaos_and_after_kill_nine() {
    let world = World::with(&by_heart(CALM));
    let (calm, _) = train(&world, &[]);
    let other = World::with(&by_heart(WATCHFUL));
    let chaos = ["--exit", "--report", "report.json", "--workers", "3"];
    let wild = [&chaos[..], &["--chaos", "kills=40,every=10ms,seed=3"]].concat();
    other.run(&wild).end().with(0);
    let wild = other.json("report.json");
    assert!(wild["failures"].as_u64() > Some(0), "somebody died");
    let killed = World::with(&by_heart(CALM));
    let running = killed.run(&["--exit"]);
    until("a checkpoint", || {
        let folder = std::fs::read_dir(killed.path("state/checkpoints")).ok()?;
        folder.flatten().find(|file| file.path().extension().is_some_and(|end| end == "checkpoint"))
    });
    running.kill_nine();
    let (resumed, _) = train(&killed, &["--resume", "--workers", "1"]);
    assert!(resumed["training"]["resumed_from"].as_u64() > Some(0), "it has gone on");
    for report in [wild, resumed] {
        assert_eq!(report["weights_sha256"], calm["weights_sha256"]);
        assert_eq!(report["training"]["evaluations"], calm["training"]["evaluations"]);
        assert_eq!(report["training"]["best"], calm["training"]["best"]);
        assert_eq!(report["test"], calm["test"]);
    }
}

#[test]
fn a_sweep_is_sorted_by_the_items_that_are_set_aside() {
    let config = training(640, 1, &format!("[train.validation]\nitems = 0.25\n{CALM}"));
    let world = World::with(&config);
    world.write("sweep.toml", "[values]\n\"train.optimiser.learning_rate\" = [0.001, 0.01]\n");
    let (report, screen) = train(&world, &["--sweep", "sweep.toml"]);
    assert_eq!(report["measured_on"], "validation");
    assert!(screen.contains("accuracy on the validation items"), "{screen}");
    let best = report["trials"][0]["values"]["train.optimiser.learning_rate"].to_string();
    let set = format!("train.optimiser.learning_rate={best}");
    let (alone, _) = train(&world, &["--set", &set]);
    assert_eq!(report["trials"][0]["accuracy"], alone["validation"]["accuracy"]);
    assert_eq!(report["trials"][0]["weights_sha256"], alone["weights_sha256"]);
}

#[test]
fn all_that_could_be_trained_is_trained_while_something_is_gained() {
    let endless = training(64, ENDLESS, CALM);
    let never = "[train.validation]\nitems = 0.5\npatience = 100000\n";
    let world = World::with(&format!("{endless}{never}"));
    let (report, _) = train(&world, &["--epochs", "3"]);
    assert_eq!(report["training"]["stopped_early"], false);
    assert_eq!(report["training"]["steps"], 3);
}

#[test]
fn a_training_is_evaluated_after_every_so_many_epochs_and_after_the_last() {
    let world = World::with(&training(64, 5, "[evaluate]\nevery_epochs = 2\n"));
    let (report, _) = train(&world, &[]);
    let evaluations = report["training"]["evaluations"].as_array().expect("a list");
    let epochs: Vec<&Value> = evaluations.iter().map(|point| &point["epoch"]).collect();
    assert_eq!(epochs, [2, 4, 5]);
}
