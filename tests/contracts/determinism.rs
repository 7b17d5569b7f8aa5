//! The result is a function of config, data and seed: not of who else runs, nor of how many workers there are.

use crate::pipelines::{assert_undisturbed, finish, settings, undisturbed, within};
use futures_util::future::join;
use planaria_baselines::BASELINES;
use planaria_stages::{ChaosPlan, Death, Pipeline, Results, StageKind};
use std::time::Duration;

#[test]
fn two_runs_in_one_process_do_not_disturb_each_other() {
    let (one, two) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let calm = settings(one.path());
    let mut other = settings(two.path());
    other.seed = 2;
    actix_rt::System::new().block_on(async {
        let calm = Pipeline::start(calm).expect("it starts");
        let other = Pipeline::start(other).expect("it starts beside it");
        other.chaos(ChaosPlan { kills: 50, every_ms: 5, seed: 5 }).expect("the only chaos");
        let (calm, other) = within(join(finish(&calm), finish(&other))).await;
        assert_undisturbed(&calm);
        assert_ne!(other.weights_sha256, undisturbed().weights_sha256, "another seed");
        assert_eq!(other.items.accepted, other.items.committed);
    });
}

#[test]
fn mailboxes_windows_and_slices_are_no_part_of_the_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    for (turn, pool) in (0..).zip(settings.pools.values_mut()) {
        (pool.workers, pool.window, pool.mailbox) = (1 + turn % 3, 1 + turn % 4, 64);
    }
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        assert_undisturbed(&finish(&pipeline).await);
    });
}

/// A short training beside every classical model, whose `compare` workers die `deaths` times.
fn compared(workers: u16, deaths: usize) -> Results {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    (settings.train_items, settings.test_items) = (Some(640), Some(600));
    settings.train.epochs = 1;
    settings.baselines.models = BASELINES.iter().map(|known| known.key.to_owned()).collect();
    settings.baselines.train_rows = 300;
    let pool = settings.pools.get_mut(&StageKind::Compare).expect("every stage has a pool");
    (pool.workers, pool.hang_after_ms) = (workers, 100_000);
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let ways = [Death::Panic, Death::Error, Death::Stop, Death::LostThread];
        for death in ways.into_iter().cycle().take(deaths) {
            // Far enough apart that a round can end before the next death.
            tokio::time::sleep(Duration::from_millis(50)).await;
            pipeline.kill("compare", death).expect("there is such a pool");
        }
        finish(&pipeline).await
    })
}

#[test]
fn classical_models_come_out_the_same_for_any_workers_and_through_deaths() {
    let (calm, wild) = (compared(1, 0), compared(3, 40));
    assert_eq!(calm.comparison.len(), BASELINES.len() + 1, "the network is a row as well");
    for (calm, wild) in calm.comparison.iter().zip(&wild.comparison) {
        let mut wild = wild.clone();
        (wild.fit_seconds, wild.predict_seconds) = (calm.fit_seconds, calm.predict_seconds);
        assert_eq!(wild, *calm);
        assert!(calm.accuracy > 0.3, "it has learnt: {calm:?}");
    }
    assert!(wild.failures > 0, "nobody died");
    assert_eq!(wild.items.accepted, calm.items.accepted);
}
