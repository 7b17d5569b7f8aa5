//! The stream of batches: in whatever order and shares, from memory, from the cache or from the source, by however many, whoever
//! dies, and from whichever step on: always the same bytes.

mod small;

use planaria_kernel::{
    Schedule, Way,
    host::{Ending, Victim},
};
use planaria_random::{Permutation, Purpose};
use planaria_stages::{
    CacheResult, PipelineSettings, StageKind,
    rehearsal::{Rehearsal, rehearse},
    settings::*,
};
use small::{SIDE, TEST, TRAIN, checkpoints, folder, settings};
use std::path::{Path, PathBuf};

fn run(settings: PipelineSettings, schedule: &Schedule) -> Rehearsal {
    let run = rehearse(settings, schedule).expect("the settings are sound");
    assert_eq!(run.ending, Ending::Over, "{schedule}");
    assert!(run.batches.values().all(|made| made.len() == 1), "made in two ways: {schedule}");
    run
}

fn calm(settings: PipelineSettings) -> Rehearsal {
    run(settings, &Schedule::fifo())
}

/// As many deaths as may come.
fn hardy(mut settings: PipelineSettings, workers: u16) -> PipelineSettings {
    settings.supervision.restarts.restarts_max = 100_000;
    settings.supervision.abandoned_threads_max = 10_000;
    settings.pools.values_mut().for_each(|pool| pool.workers = workers);
    settings
}

/// Eight epochs of six steps, a checkpoint at each.
fn every_step(folder: &Path, resume: Option<Resume>) -> PipelineSettings {
    let mut settings = settings(folder);
    (settings.train.epochs, settings.train.batch) = (8, 2);
    settings.train.gradient_shards = 2;
    settings.checkpoint =
        CheckpointSettings { every_steps: Some(1), keep: 0, ..settings.checkpoint };
    settings.resume = resume;
    settings
}

#[test]
fn the_same_batches_for_1_2_or_7_workers_with_100_kills_and_resumed_at_20_points() {
    let folder = folder();
    let whole = calm(every_step(folder.path(), None));
    let kept = checkpoints(folder.path());
    assert_eq!((whole.batches.len(), kept.len()), (48, 48));
    for workers in [1, 2, 7] {
        let schedule = Schedule::seeded(workers.into()).random_kills(100);
        let killed = run(hardy(every_step(folder.path(), None), workers), &schedule);
        assert!(killed.batches == whole.batches, "{workers} workers: {schedule}");
        assert_eq!(killed.results.weights_sha256, whole.results.weights_sha256);
        assert_eq!(killed.kills.len(), 100, "{schedule}");
    }
    let mut deaths = 0;
    let points = Permutation::new(47, 20, Purpose::Shuffle, 0);
    for (turn, step) in (0..20).map(|at| (at, points.item_at(at) + 1)) {
        let workers = [1, 2, 7][turn as usize % 3];
        let file = kept[step as usize - 1].0.clone();
        let schedule = Schedule::seeded(turn).random_kills(100);
        let settings = hardy(every_step(folder.path(), Some(Resume::File(file))), workers);
        let resumed = run(settings, &schedule);
        let place = format!("from step {step} by {workers} workers: {schedule}");
        assert!(resumed.batches.iter().eq(whole.batches.range(step..)), "{place}");
        assert_eq!(resumed.results.weights_sha256, whole.results.weights_sha256, "{place}");
        deaths += resumed.kills.len();
    }
    assert!(checkpoints(folder.path()) == kept, "they are written again with the same bytes");
    assert!(deaths > 1_000, "{deaths} deaths");
}

/// A cache of its own; `memory_bytes` for the items beside it.
fn cached(folder: &Path, mode: CacheMode, memory_bytes: u64) -> PipelineSettings {
    let mut settings = settings(folder);
    settings.train.epochs = 2;
    settings.cache = CacheSettings { mode, memory_bytes, ..CacheSettings::default() };
    settings
}

const ALL: u64 = 1 << 30;
const NONE: u64 = 0;

fn cache(run: &Rehearsal) -> &CacheResult {
    run.results.cache.as_ref().expect("there is a cache")
}

/// How many items of a stage were committed.
fn committed(run: &Rehearsal, stage: StageKind) -> u64 {
    run.results.stages[stage as usize].committed
}

/// The files of the cache.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("cache")).expect("a folder of the cache");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn assert_same(run: &Rehearsal, other: &Rehearsal, place: &str) {
    assert!(run.batches == other.batches, "{place}: other batches");
    assert_eq!(run.results.weights_sha256, other.results.weights_sha256, "{place}");
    assert_eq!(run.results.test, other.results.test, "{place}");
    assert_eq!(run.results.dead_letters, other.results.dead_letters, "{place}");
}

#[test]
fn batches_are_the_same_from_memory_from_the_cache_and_from_the_source_whoever_dies() {
    let plain = calm(cached(folder().path(), CacheMode::Off, ALL));
    assert!(plain.results.cache.is_none());
    let modes = [
        (CacheMode::Off, NONE),
        (CacheMode::Auto, ALL),
        (CacheMode::Auto, NONE),
        (CacheMode::On, ALL),
        (CacheMode::On, NONE),
    ];
    for (at, (mode, memory)) in modes.into_iter().enumerate() {
        let folder = folder();
        for turn in 0..3 {
            let place = format!("{mode:?} with {memory} bytes of memory, turn {turn}");
            let schedule = Schedule::seeded(10 * at as u64 + turn).random_kills(8);
            let settings = hardy(cached(folder.path(), mode, memory), 1 + turn as u16);
            assert_same(&run(settings, &schedule), &plain, &place);
        }
        let is_cached = mode == CacheMode::On || mode == CacheMode::Auto && memory == NONE;
        assert_eq!(folder.path().join("cache").exists(), is_cached, "{mode:?}, {memory}");
    }
}

#[test]
fn the_second_run_begins_with_the_cache_and_reads_nothing_of_the_source() {
    for memory in [ALL, NONE] {
        let folder = folder();
        let first = calm(cached(folder.path(), CacheMode::On, memory));
        let items = u64::from(TRAIN + TEST);
        assert_eq!((cache(&first).items_before, cache(&first).is_whole), (0, true));
        assert_eq!(committed(&first, StageKind::Decode), items);
        let second = calm(cached(folder.path(), CacheMode::On, memory));
        assert_eq!((cache(&second).items_before, cache(&second).damaged), (items, 0));
        assert_eq!(committed(&second, StageKind::Ingest), 0);
        assert_same(&second, &first, "from the cache");
        // In memory each is read once, else once a use: two epochs, two evaluations.
        let reads = if memory == ALL { items } else { 2 * items };
        assert_eq!(cache(&second).reads, reads);
        assert_eq!(files(folder.path()).len(), 1);
    }
}

#[test]
fn a_changed_file_or_another_setting_never_meets_an_old_cache() {
    let folder = folder();
    let on = || cached(folder.path(), CacheMode::On, NONE);
    let before = calm(on());
    // One pixel of one picture.
    let path = folder.path().join("train-images");
    let mut images = std::fs::read(&path).expect("written");
    images[16 + 5 * SIDE * SIDE] ^= 0x80;
    std::fs::write(&path, images).expect("written");
    let after = calm(on());
    assert_eq!(cache(&after).items_before, 0);
    assert_ne!(after.results.weights_sha256, before.results.weights_sha256);
    let uncached = calm(cached(folder.path(), CacheMode::Off, NONE));
    assert_same(&after, &uncached, "as if there had never been a cache");
    let fewer = calm(PipelineSettings { train_items: Some(8), ..on() });
    assert_eq!(cache(&fewer).items_before, 0, "of fewer items");
    let other = calm(PipelineSettings {
        limits: planaria_data::Limits { image_bytes: 1 << 20, ..on().limits },
        ..on()
    });
    assert_eq!(cache(&other).items_before, 0, "with another limit other items may be lost");
    assert_eq!(files(folder.path()).len(), 4);
    // What makes no difference to a preprocessed item does not ask for another file.
    let same = calm(PipelineSettings { seed: 9, ..on() });
    assert_eq!(cache(&same).items_before, u64::from(TRAIN + TEST));
}

#[test]
fn a_torn_or_foreign_cache_is_told_and_made_again() {
    let folder = folder();
    let on = || cached(folder.path(), CacheMode::On, NONE);
    let whole = calm(on());
    let file = files(folder.path()).remove(0);
    let bytes = std::fs::read(&file).expect("it is whole");
    for at in (0..bytes.len()).step_by(7) {
        let mut torn = bytes.clone();
        torn[at] ^= 0x10;
        std::fs::write(&file, &torn).expect("written");
        let again = calm(on());
        assert_same(&again, &whole, &format!("byte {at}"));
        let result = cache(&again);
        assert!(result.damaged > 0 || result.items_before == 0, "byte {at}: {result:?}");
        assert!(std::fs::read(&file).expect("it is whole") == bytes, "byte {at} is repaired");
    }
    for len in [0, 50, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&file, &bytes[..len]).expect("written");
        assert_same(&calm(on()), &whole, &format!("cut to {len} bytes"));
        assert!(std::fs::read(&file).expect("it is whole") == bytes, "cut to {len}");
    }
}

#[test]
fn two_runs_at_once_make_one_cache_and_the_same_batches() {
    let folder = folder();
    let on = || cached(folder.path(), CacheMode::On, NONE);
    let runs = std::thread::scope(|scope| {
        let threads =
            [1, 2, 3, 4].map(|seed| scope.spawn(move || run(on(), &Schedule::seeded(seed))));
        threads.map(|thread| thread.join().expect("it ends"))
    });
    for run in &runs {
        assert_same(run, &runs[0], "beside others");
    }
    assert_eq!(files(folder.path()).len(), 1);
    assert_eq!(cache(&calm(on())).items_before, u64::from(TRAIN + TEST));
}

#[test]
fn a_death_at_any_point_of_a_run_that_makes_or_reads_a_cache_changes_nothing() {
    let (folder, cold) = (folder(), folder());
    let on = |folder: &Path| PipelineSettings {
        train_items: Some(8),
        ..hardy(cached(folder, CacheMode::On, NONE), 2)
    };
    let first = calm(on(folder.path()));
    for at in (0..first.points.len()).step_by(3) {
        let schedule = Schedule::fifo().kill(at, Victim::Running, Way::ALL[at / 3 % 6]);
        let place = schedule.to_string();
        assert_same(&run(on(folder.path()), &schedule), &first, &place);
        let made = run(on(cold.path()), &schedule);
        assert_same(&made, &first, &place);
        assert_eq!((cache(&made).items_before, cache(&made).is_whole), (0, true), "{place}");
        std::fs::remove_dir_all(cold.path().join("cache")).expect("it is there");
    }
}

#[test]
fn a_cache_that_has_no_room_is_told_and_the_run_goes_on() {
    let folder = folder();
    let mut settings = cached(folder.path(), CacheMode::On, NONE);
    let whole = calm(settings.clone());
    settings.cache.limit_bytes = 100;
    settings.limits.image_bytes = 1 << 20;
    let without = calm(settings);
    assert!(without.results.cache.is_none());
    assert_same(&without, &whole, "without a cache");
    assert_eq!(files(folder.path()).len(), 1, "nothing goes in vain");
}

/// What comes of an epoch in each way of sampling.
fn sampled(folder: &Path, sampling: SamplingSettings, resume: Option<Resume>) -> PipelineSettings {
    let mut settings = every_step(folder, resume);
    (settings.train.epochs, settings.train.batch) = (3, 5);
    settings.train.sampling = sampling;
    settings
}

/// The labels of a batch are the last of its bytes.
fn labels(batch: &[u8], len: usize) -> &[u8] {
    &batch[batch.len() - len..]
}

#[test]
fn shares_and_last_batches_are_the_same_for_any_workers_whoever_dies_and_from_any_step() {
    let shares = ClassShares::Given(vec![1.0, 3.0, 0.0]);
    let ways = [
        (None, LastBatch::Drop, 2),
        (None, LastBatch::Keep, 3),
        (None, LastBatch::Fill, 3),
        (Some(ClassShares::Equal), LastBatch::Drop, 2),
        (Some(shares.clone()), LastBatch::Keep, 3),
        (Some(shares.clone()), LastBatch::Fill, 3),
    ];
    for (classes, last_batch, steps) in ways {
        let sampling = SamplingSettings { classes, last_batch };
        let folder = folder();
        let whole = calm(sampled(folder.path(), sampling.clone(), None));
        assert_eq!(whole.batches.len(), 3 * steps, "{sampling:?}");
        let batch = |step: u64| whole.batches[&step].first().expect("it was made").as_slice();
        let items = |step: u64| batch(step).len() / (SIDE * SIDE * 4 + 9);
        let last = if last_batch == LastBatch::Keep { 2 } else { 5 };
        assert_eq!(items(steps as u64 - 1), last, "{sampling:?}");
        if sampling.classes.as_ref() == Some(&shares) {
            let all = (0..2).flat_map(|step| labels(batch(step), items(step)));
            let all: Vec<u8> = all.chain(labels(batch(2), 2)).copied().collect();
            let count = |class: u8| all.iter().filter(|label| **label == class).count();
            assert_eq!([0, 1, 2].map(count), [3, 9, 0], "{sampling:?}: {all:?}");
        }
        for (turn, (file, _)) in (0u64..).zip(checkpoints(folder.path())) {
            let settings = sampled(folder.path(), sampling.clone(), Some(Resume::File(file)));
            let schedule = Schedule::seeded(turn).random_kills(6);
            let resumed = run(hardy(settings, 1 + turn as u16 % 3), &schedule);
            let place = format!("{sampling:?} from step {}: {schedule}", turn + 1);
            assert!(resumed.batches.iter().eq(whole.batches.range(turn + 1..)), "{place}");
            assert_eq!(resumed.results.weights_sha256, whole.results.weights_sha256, "{place}");
        }
    }
}
