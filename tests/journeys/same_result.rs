//! The same config and seed give the same weights, byte for byte, whatever happens on the way.

use serde_json::Value;

use crate::world::{CALM, WATCHFUL, World, training};

/// The report of a run with these flags.
fn report(config: &str, flags: &[&str]) -> Value {
    let world = World::with(config);
    let ended = world.run(&[&["--exit", "--report", "report.json"], flags].concat()).end().with(0);
    assert!(ended.out.contains("0 dead-lettered"), "{}", ended.out);
    world.json("report.json")
}

/// A short training with everything random that there is.
fn small(pools: &str) -> String {
    let augment = "[augment]\nshift = 2.0\nrotate = 10.0\nscale = 0.1\n";
    training(6400, 2, &format!("{augment}{pools}"))
}

#[test]
fn any_number_of_workers_and_every_run_gives_the_same_weights_and_another_seed_others() {
    let flags: [&[&str]; 4] =
        [&["--workers", "1"], &["--workers", "2"], &["--workers", "5"], &["--workers", "2"]];
    let reports = flags.map(|flags| report(&small(CALM), flags));
    for report in &reports {
        assert_eq!(report["weights_sha256"], reports[0]["weights_sha256"], "{report:#}");
        assert_eq!(report["test"], reports[0]["test"]);
        assert_eq!(report["config_sha256"], reports[0]["config_sha256"]);
    }
    assert_eq!(reports[2]["stages"][0]["workers"], 5);
    let other = report(&small(CALM), &["--seed", "2"]);
    assert_eq!(other["seed"], 2);
    assert_ne!(other["weights_sha256"], reports[0]["weights_sha256"]);
}

#[test]
fn killing_actors_at_random_changes_no_weight_and_loses_no_item() {
    let quiet = report(&small(CALM), &[]);
    assert_eq!(quiet["failures"], 0);
    for (workers, plan) in
        [("2", "kills=1000,every=2ms,seed=7"), ("3", "kills=60,every=5ms,seed=8")]
    {
        let wild = report(&small(WATCHFUL), &["--workers", workers, "--chaos", plan]);
        // How many there are is up to the machine: the faster the training, the fewer.
        assert!(wild["failures"].as_u64() > Some(0), "nobody died: {wild:#}");
        assert_eq!(wild["weights_sha256"], quiet["weights_sha256"], "{plan}");
        assert_eq!(wild["test"], quiet["test"], "{plan}");
        let items = &wild["items"];
        assert_eq!(items["accepted"], items["committed"], "{items}");
        assert_eq!(items["accepted"], quiet["items"]["accepted"], "{items}");
    }
}
