//! The whole pipeline, killed at every schedule point of a small run: real items, a real training, the real stages.

mod small;

use planaria_kernel::{
    Schedule, Way,
    host::{Ending, Victim},
};
use planaria_random::{Permutation, Purpose};
use planaria_stages::{
    PipelineSettings,
    rehearsal::{Rehearsal, rehearse},
    settings::*,
};
use small::{SIDE, TRAIN, checkpoints, folder, settings};
use std::path::Path;

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
