//! The result is a function of config, data and seed: not of who else runs, nor of how many workers there are.

use crate::pipelines::{assert_undisturbed, finish, settings, undisturbed, within};
use futures_util::future::join;
use planaria_stages::{ChaosPlan, Pipeline};

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
