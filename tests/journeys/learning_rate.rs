//! Which learning rate fits: the same curve every time, a rate within it, and nothing left behind.

use serde_json::Value;
use std::fs;

use crate::world::{CALM, World, training};

/// Looks for the rate of a small training.
fn found(world: &World, flags: &[&str]) -> Value {
    let ours = ["lr-find", "config.toml", "--state", "state", "--to", "100", "--json"];
    world.planaria(&[&ours[..], flags].concat()).with(0).json()
}

#[test]
fn a_learning_rate_is_found_the_same_for_any_workers_and_nothing_is_kept() {
    let world = World::with(&training(2000, 9, CALM));
    let (one, three) = (found(&world, &["--workers", "1"]), found(&world, &["--workers", "3"]));
    assert_eq!(one, three);
    let rate = one["suggested"].as_f64().expect("the loss falls");
    assert!((1e-4..1.0).contains(&rate), "{rate}");
    let points = one["points"].as_array().expect("a curve");
    assert!((10..=62).contains(&points.len()), "one epoch at most: {}", points.len());
    let rates: Vec<f64> = points.iter().filter_map(|point| point["rate"].as_f64()).collect();
    assert!((rates[0] / 1e-6 - 1.0).abs() < 1e-3 && rates.is_sorted(), "{rates:?}");
    let left = fs::read_dir(world.path("state")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no model stays");
    let screen = world.planaria(&["lr-find", "config.toml", "--state", "state"]).with(0).out;
    assert!(screen.contains("suggested") && screen.contains("\u{2588}"), "{screen}");
}

#[test]
fn rates_that_cannot_be_meant_are_refused() {
    let world = World::with(&training(2000, 1, CALM));
    let ask = |from: &str, to: &str| {
        world.planaria(&["lr-find", "config.toml", "--from", from, "--to", to])
    };
    ask("1", "0.1").with(2).says(&["the rate is to grow"]);
    ask("0", "1").with(2).says(&["is no learning rate"]);
    ask("1e-6", "fast").with(2).says(&["is no learning rate"]);
}
