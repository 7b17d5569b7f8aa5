//! A control socket that cannot be had: who has it is not harmed.

use std::os::unix::fs::PermissionsExt;

use crate::world::{ENDLESS, World, training};

#[test]
fn a_second_runtime_at_the_same_socket_is_refused_and_the_first_goes_on() {
    let world = World::with(&training(640, ENDLESS, ""));
    let mut first = world.runtime(&[]);
    let process = format!("process {}", first.process());
    for _ in 0..3 {
        let refused = world.run(&["--exit"]).end().with(1);
        refused.says(&["in use by a running runtime", &process, "planaria stop --socket"]);
    }
    assert!(first.until_a_model() >= 1);
    let mode = std::fs::metadata(world.path("control.sock")).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "it is for its owner alone");
    world.ask(&["stop"]).with(0);
    first.end().with(1);
}

#[test]
fn two_runtimes_with_sockets_of_their_own_share_a_state_folder_in_peace() {
    let world = World::with(&training(640, 4, ""));
    let names = ["a.sock", "b.sock", "c.sock"];
    let runtimes = names.map(|name| world.run_at(name, &["--exit"]));
    let outs = runtimes.map(|runtime| runtime.end().with(0).out);
    let weights =
        |out: &str| out.lines().find(|line| line.starts_with("weights")).map(str::to_owned);
    assert!(weights(&outs[0]).is_some(), "{}", outs[0]);
    assert!(outs.iter().all(|out| weights(out) == weights(&outs[0])), "{outs:?}");
}

#[test]
fn a_socket_path_that_is_too_long_is_refused_by_every_command() {
    let world = World::with(&training(320, 1, ""));
    let path = "s".repeat(108);
    let message = "108 bytes, but a Unix socket's path holds 107";
    world.run_at(&path, &["--exit"]).end().with(2).says(&[message, "--socket"]);
    for command in ["status", "stop"] {
        world.planaria(&[command, "--socket", &path]).with(2).says(&[message, "--socket"]);
    }
}

#[test]
fn a_socket_path_that_is_taken_by_something_else_is_left_alone() {
    let world = World::with(&training(320, 1, ""));
    world.write("control.sock", "precious");
    world.run(&["--exit"]).end().with(1).says(&["a plain file at this path", "remove it"]);
    let left = std::fs::read_to_string(world.path("control.sock")).expect("it is there");
    assert_eq!(left, "precious");
    world.ask(&["status"]).with(1).says(&["control.sock"]);
}
