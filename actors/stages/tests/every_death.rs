//! The whole pipeline, killed at every schedule point of a small run: real items, a real training, the real stages.

use planaria_data::{Augmentation, Fit, Invert, Limits, Normalise, source::idx::IdxPaths};
use planaria_kernel::{
    Schedule, Strategy, Way,
    host::{Ending, Victim},
};
use planaria_learn::layer::{
    batch_norm::BatchNorm, conv2d::Conv2d, dense::Dense, dropout::Dropout,
};
use planaria_learn::layer::{flatten::Flatten, max_pool::MaxPool, relu::Relu};
use planaria_learn::{Adam, Initialiser, Loss, Optimiser, Schedule as RateSchedule, Shape, Update};
use planaria_random::{Purpose, Stream};
use planaria_stages::{
    PipelineSettings, STAGES,
    rehearsal::{Rehearsal, rehearse},
    settings::*,
};
use std::path::Path;

const SIDE: usize = 6;
const TRAIN: u32 = 12;
const TEST: u32 = 4;

/// A folder with a source of sixteen tiny pictures in three classes.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, items) in [("train", TRAIN), ("test", TEST)] {
        let mut images = [0x803u32, items, SIDE as u32, SIDE as u32].map(u32::to_be_bytes).concat();
        let mut labels = [0x801u32, items].map(u32::to_be_bytes).concat();
        for item in 0..items {
            let mut stream = Stream::new(items.into(), Purpose::Shuffle, 0, item.into());
            images.extend((0..SIDE * SIDE).map(|_| stream.next_below(256) as u8));
            labels.push((item % 3) as u8);
        }
        std::fs::write(folder.path().join(format!("{name}-images")), images).expect("written");
        std::fs::write(folder.path().join(format!("{name}-labels")), labels).expect("written");
    }
    folder
}

fn settings(folder: &Path) -> PipelineSettings {
    let pool = PoolSettings {
        workers: 2,
        window: 2,
        mailbox: 8,
        hang_after_ms: 1_000,
        attempts_max: 5,
        strategy: Strategy::OneForOne,
        restarts: None,
    };
    PipelineSettings {
        seed: 1,
        config_sha256: "0".repeat(64),
        source: SourceSettings::Idx(IdxPaths {
            train_images: folder.join("train-images"),
            train_labels: folder.join("train-labels"),
            test_images: folder.join("test-images"),
            test_labels: folder.join("test-labels"),
        }),
        train_items: None,
        test_items: None,
        limits: Limits::default(),
        normalise: Normalise::new(0.5, 0.25),
        augmentation: Augmentation::affine(1.0, 5.0, 0.1),
        network: NetworkSettings {
            name: "smallest".to_owned(),
            input: Shape::Image { h: SIDE, w: SIDE, c: 1 },
            layers: vec![
                Conv2d::square(2, 3).into(),
                BatchNorm::default().into(),
                Relu {}.into(),
                MaxPool::default().into(),
                Flatten {}.into(),
                Dropout { rate: 0.25 }.into(),
                Dense::new(3).into(),
            ],
        },
        train: TrainSettings {
            epochs: 1,
            batch: 4,
            gradient_shards: 3,
            loss: Loss::default(),
            initialiser: Initialiser::default(),
            update_slices: 2,
            update: Update {
                clip_norm: Some(0.5),
                ema: Some(0.9),
                ..Optimiser::Adam(Adam { learning_rate: 1e-2, ..Adam::default() }).into()
            },
            schedule: RateSchedule::Constant,
        },
        evaluate: EvaluateSettings { every_steps: None, block: 2 },
        baselines: BaselineSettings { models: Vec::new(), train_rows: 8 },
        predict: PredictSettings {
            invert: Invert::Never,
            fit: Fit::Stretch,
            capacity: 4,
            deadline_ms: 1_000,
        },
        pools: STAGES.into_iter().map(|kind| (kind, pool.clone())).collect(),
        autoscale: false,
        isa: planaria_learn::Isa::best(),
        supervision: SupervisionSettings {
            restarts: RestartSettings {
                restarts_max: 100,
                window_ms: 60_000,
                backoff_min_ms: 0,
                backoff_max_ms: 10,
            },
            abandoned_threads_max: 32,
        },
        state_dir: folder.to_owned(),
    }
}

fn run(folder: &Path, schedule: &Schedule) -> Rehearsal {
    std::fs::create_dir_all(folder.join("models")).expect("a folder for models");
    rehearse(settings(folder), schedule).expect("the settings are sound")
}

/// Compares a disturbed run with the undisturbed one; the message replays it.
fn check(disturbed: &Rehearsal, quiet: &Rehearsal, schedule: &Schedule) {
    assert_eq!(disturbed.ending, Ending::Over, "{schedule}");
    assert_eq!(disturbed.results.weights_sha256, quiet.results.weights_sha256, "{schedule}");
    assert_eq!(disturbed.results.test, quiet.results.test, "{schedule}");
    let (items, calm) = (disturbed.results.items, quiet.results.items);
    assert_eq!(items.accepted, calm.accepted, "{schedule}");
    assert_eq!(items.committed, calm.committed, "{schedule}");
    assert_eq!(items.ready + items.leased + items.dead_lettered, 0, "{schedule}");
    let window = 2 * disturbed.kills.len() as u64;
    assert!(items.redelivered <= window, "{schedule}: {} redelivered", items.redelivered);
}

#[test]
fn a_death_of_any_kind_at_any_point_changes_nothing() {
    let folder = folder();
    let quiet = run(folder.path(), &Schedule::fifo());
    assert_eq!(quiet.ending, Ending::Over);
    let points = quiet.points.len();
    assert!(points > 300, "too few points to mean anything: {points}");
    let mut runs = 0;
    for at in 0..points {
        for way in Way::ALL {
            let schedule = Schedule::fifo().kill(at, Victim::Running, way);
            check(&run(folder.path(), &schedule), &quiet, &schedule);
            runs += 1;
        }
    }
    println!("{points} points, {runs} deaths: the same weights every time");
}

#[test]
fn random_orders_with_up_to_six_deaths_change_nothing() {
    random_orders(1_000);
}

#[test]
#[ignore = "minutes: cargo test --release -p planaria-stages --test every_death -- --ignored --nocapture"]
fn a_hundred_thousand_random_orders_and_every_ninth_pair_change_nothing() {
    random_orders(100_000);
    let folder = folder();
    let quiet = run(folder.path(), &Schedule::fifo());
    let mut runs = 0;
    for first in (0..quiet.points.len()).step_by(3) {
        let once = Schedule::fifo().kill(first, Victim::Running, Way::ALL[first % 6]);
        let points = run(folder.path(), &once).points.len();
        for second in (first + 1..points).step_by(3) {
            let twice = once.clone().kill(second, Victim::Running, Way::ALL[second % 6]);
            check(&run(folder.path(), &twice), &quiet, &twice);
            runs += 1;
        }
    }
    println!("{runs} pairs of deaths: the same weights every time");
}

fn random_orders(seeds: u64) {
    let folder = folder();
    let quiet = run(folder.path(), &Schedule::fifo());
    for seed in 0..seeds {
        let schedule = Schedule::seeded(seed).random_kills(6);
        check(&run(folder.path(), &schedule), &quiet, &schedule);
    }
    println!("{seeds} random orders with up to six deaths: the same weights every time");
}
