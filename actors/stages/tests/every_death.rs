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
use planaria_random::{Permutation, Purpose, Stream};
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
        config: String::new(),
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
        fit_normalise: false,
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
            balance_classes: false,
            from: None,
            validation: None,
            sampling: SamplingSettings::default(),
        },
        evaluate: EvaluateSettings { every_steps: None, block: 2 },
        checkpoint: CheckpointSettings { every_steps: Some(2), ..CheckpointSettings::default() },
        cache: CacheSettings::default(),
        resume: None,
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
    let (training, calm) = (&disturbed.results.training, &quiet.results.training);
    assert_eq!(training.loss_curve, calm.loss_curve, "{schedule}");
    assert_eq!(training.evaluations, calm.evaluations, "{schedule}");
    assert_eq!(training.checkpoint, calm.checkpoint, "{schedule}");
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

/// The checkpoints in the folder, oldest first: their names and bytes.
fn checkpoints(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder.join("checkpoints")).expect("a folder of checkpoints");
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("it is whole")))
        .collect()
}

#[test]
fn going_on_from_any_checkpoint_gives_the_same_bytes() {
    let folder = folder();
    let every_step = |resume| {
        let mut settings = settings(folder.path());
        settings.train.epochs = 3;
        settings.train.update.ema = Some(0.9);
        settings.checkpoint =
            CheckpointSettings { every_steps: Some(1), keep: 0, ..settings.checkpoint };
        settings.resume = resume;
        settings
    };
    let rehearsed = |settings, schedule: &Schedule| {
        let run = rehearse(settings, schedule).expect("the settings are sound");
        assert_eq!(run.ending, Ending::Over, "{schedule}");
        run.results
    };
    let whole = rehearsed(every_step(None), &Schedule::fifo());
    let kept = checkpoints(folder.path());
    assert_eq!(kept.len(), 9, "one a step, in three epochs");
    for (file, _) in &kept {
        for seed in 0..4 {
            let mut again = every_step(Some(Resume::File(file.clone())));
            again.train.update_slices = 1 + seed as usize; // no part of the result
            again.pools.values_mut().for_each(|pool| pool.workers = 1 + seed as u16 % 3);
            let schedule = Schedule::seeded(seed).random_kills(4);
            let results = rehearsed(again, &schedule);
            let place = format!("{}: {schedule}", file.display());
            assert_eq!(results.weights_sha256, whole.weights_sha256, "{place}");
            assert_eq!(results.test, whole.test, "{place}");
            assert_eq!(results.training.loss_curve, whole.training.loss_curve, "{place}");
            assert_eq!(results.training.evaluations, whole.training.evaluations, "{place}");
            assert_eq!(results.training.steps, 9, "{place}");
            assert!(checkpoints(folder.path()) == kept, "later checkpoints are the same: {place}");
        }
    }
}

/// Six of the training items choose among the versions, one a step; the training ends when two in a row are no better.
fn choosing(folder: &Path) -> PipelineSettings {
    let mut settings = settings(folder);
    (settings.train.batch, settings.train.epochs) = (2, 8);
    settings.evaluate.every_steps = Some(1);
    settings.train.validation = Some(ValidationSettings {
        items: Part::Share(0.5),
        metric: Metric::Loss,
        keep_best: true,
        early_stop: Some(EarlyStop { patience: 2, min_delta: 0.0 }),
    });
    settings
}

#[test]
fn a_training_stops_early_and_keeps_the_best_version_whatever_dies() {
    let folder = folder();
    let quiet = rehearse(choosing(folder.path()), &Schedule::fifo()).expect("sound settings");
    assert_eq!(quiet.ending, Ending::Over);
    let training = &quiet.results.training;
    let losses: Vec<f64> = training
        .evaluations
        .iter()
        .map(|point| point.validation.expect("six items are set aside").loss)
        .collect();
    let best = training.best.clone().expect("there is a best version");
    assert!(training.stopped_early && training.steps < 24, "{losses:?}");
    assert_eq!(training.steps, best.step + 2, "two in a row were no better: {losses:?}");
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!((best.value, losses[best.step as usize - 1]), (least, least));
    let chosen = quiet.results.validation.as_ref().expect("it has a score");
    assert_eq!(chosen.loss, least, "the best version is the one that is reported");
    assert_eq!(chosen.confusion.iter().flatten().sum::<u64>(), 6);
    for at in (0..quiet.points.len()).step_by(5) {
        let schedule =
            Schedule::fifo().kill(at, Victim::Running, Way::ALL[at / 5 % Way::ALL.len()]);
        let killed = rehearse(choosing(folder.path()), &schedule).expect("sound settings");
        check(&killed, &quiet, &schedule);
        assert_eq!(killed.results.training.best, training.best, "{schedule}");
        assert!(killed.results.training.stopped_early, "{schedule}");
    }
    for seed in 0..200 {
        let schedule = Schedule::seeded(seed).random_kills(6);
        let mut settings = choosing(folder.path());
        settings.pools.values_mut().for_each(|pool| pool.workers = 1 + seed as u16 % 3);
        let killed = rehearse(settings, &schedule).expect("sound settings");
        check(&killed, &quiet, &schedule);
    }
}

#[test]
fn going_on_from_any_checkpoint_chooses_the_same_version() {
    let folder = folder();
    let every_step = |resume| {
        let mut settings = choosing(folder.path());
        settings.checkpoint =
            CheckpointSettings { every_steps: Some(1), keep: 0, ..settings.checkpoint };
        settings.resume = resume;
        settings
    };
    let whole = rehearse(every_step(None), &Schedule::fifo()).expect("sound settings").results;
    let kept = checkpoints(folder.path());
    assert_eq!(kept.len() as u64, whole.training.steps);
    for (file, _) in &kept {
        for seed in 0..4 {
            let again = every_step(Some(Resume::File(file.clone())));
            let schedule = Schedule::seeded(seed).random_kills(4);
            let run = rehearse(again, &schedule).expect("sound settings");
            let place = format!("{}: {schedule}", file.display());
            assert_eq!(run.ending, Ending::Over, "{place}");
            assert_eq!(run.results.weights_sha256, whole.weights_sha256, "{place}");
            assert_eq!(run.results.validation, whole.validation, "{place}");
            assert_eq!(run.results.test, whole.test, "{place}");
            let (training, before) = (&run.results.training, &whole.training);
            assert_eq!(training.evaluations, before.evaluations, "{place}");
            assert_eq!((training.steps, &training.best), (before.steps, &before.best), "{place}");
            assert!(checkpoints(folder.path()) == kept, "later checkpoints are the same: {place}");
        }
    }
}

#[test]
fn nothing_is_learnt_from_the_items_that_are_set_aside() {
    let (one, two) = (folder(), folder());
    let seen = |folder: &Path| {
        let mut settings = choosing(folder);
        settings.train.epochs = 1;
        settings.evaluate.every_steps = None;
        rehearse(settings, &Schedule::fifo()).expect("sound settings").results
    };
    let before = seen(one.path());
    // Other pixels in the items that the permutation of the seed sets aside, and in no other.
    let aside = Permutation::new(TRAIN.into(), 1, Purpose::Validation, 0);
    let path = two.path().join("train-images");
    let mut images = std::fs::read(&path).expect("written");
    for item in (0..6).map(|at| aside.item_at(at) as usize) {
        let pixels = 16 + item * SIDE * SIDE..16 + (item + 1) * SIDE * SIDE;
        images[pixels].iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    }
    std::fs::write(&path, images).expect("written");
    let after = seen(two.path());
    assert_eq!(after.weights_sha256, before.weights_sha256);
    assert_eq!(after.test, before.test);
    assert_ne!(after.validation, before.validation);
}

#[test]
fn a_checkpoint_that_is_not_of_this_training_is_refused_with_what_differs() {
    let folder = folder();
    let steps = |change: &dyn Fn(&mut PipelineSettings)| {
        let mut settings = settings(folder.path());
        settings.config = "seed 1\ntrain [1,4,3]\n".to_owned();
        settings.resume = Some(Resume::Latest);
        change(&mut settings);
        rehearse(settings, &Schedule::fifo()).map(|run| run.results.training.steps)
    };
    let refusal = |change: &dyn Fn(&mut PipelineSettings)| {
        let error: &dyn std::error::Error = &steps(change).expect_err("it is refused");
        error.to_string()
    };
    let none = refusal(&|_| {});
    assert!(none.starts_with("there is no checkpoint of this config in "), "{none}");
    assert_eq!(steps(&|settings| settings.resume = None).expect("it runs"), 3);
    assert_eq!(steps(&|_| {}).expect("the last step is done"), 3);
    let file = checkpoints(folder.path()).pop().expect("there are some").0;
    let other = refusal(&|settings| settings.config = "seed 1\ntrain [1,4,2]\n".to_owned());
    assert!(other.ends_with("its `train` is [1,4,3], but here it is [1,4,2]"), "{other}");
    let whole = std::fs::read(&file).expect("it is whole");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("cut");
    let cut = refusal(&|_| {});
    assert!(cut.contains("resume from an older checkpoint"), "{cut}");
    std::fs::write(&file, vec![0; 8 << 20]).expect("far too long");
    let long = refusal(&|_| {});
    assert!(long.ends_with("is it one?"), "{long}");
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
