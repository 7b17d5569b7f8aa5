//! A runtime that nobody could ask: killed with `kill -9`, and what the next one finds.

use crate::world::{ENDLESS, World, training};

#[test]
fn a_runtime_killed_with_kill_nine_leaves_nothing_that_hinders_the_next_one() {
    let world = World::with(&training(640, ENDLESS, ""));
    let mut first = world.runtime(&[]);
    first.until_a_model();
    first.kill_nine();
    assert!(world.path("control.sock").exists(), "nobody could remove the socket");
    world.ask(&["status"]).with(1).says(&["no runtime at control.sock"]);
    let reference = World::with(&training(640, 2, ""));
    for world in [&world, &reference] {
        let flags = ["--exit", "--epochs", "2", "--report", "report.json"];
        world.run(&flags).end().with(0);
    }
    assert!(!world.path("control.sock").exists(), "the next one has cleared up");
    let weights = |world: &World| world.json("report.json")["weights_sha256"].clone();
    assert_eq!(weights(&world), weights(&reference));
    let models = std::fs::read_dir(world.path("state/models")).expect("the folder of models");
    for file in models {
        let name = file.expect("a file").file_name().into_string().expect("UTF-8");
        assert!(name.ends_with(".safetensors"), "{name} is left");
    }
}
