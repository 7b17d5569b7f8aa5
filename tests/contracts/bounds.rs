//! Every queue is bounded, and a full one makes its producer wait or says "busy".

use crate::pipelines::{assert_undisturbed, finish, settings, undisturbed, until, within};
use actix_rt::task::JoinHandle;
use futures_util::future::join_all;
use planaria_stages::{Death, Pipeline, PredictError, StageKind, Status};
use std::{future::Future, pin::pin, task::Poll};

/// The stages whose producers are stages, with mailboxes as small as may be.
const TINY: [(StageKind, u64); 5] = [
    (StageKind::Ingest, 3),
    (StageKind::Decode, 2),
    (StageKind::Preprocess, 1),
    (StageKind::Augment, 5),
    (StageKind::Batch, 1),
];

#[test]
fn no_mailbox_ever_holds_more_than_its_bound_and_tiny_ones_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    for (kind, mailbox) in TINY {
        settings.pools.get_mut(&kind).expect("every stage has a pool").mailbox = mailbox;
    }
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let watch = watch(&pipeline, |status| {
            for stage in &status.stages {
                let mailbox = stage.mailbox;
                assert!(mailbox.filled <= mailbox.capacity, "{}: {mailbox:?}", stage.name);
                let held = stage.workers.iter().map(|worker| worker.leases);
                assert!(held.max() <= Some(2), "{}: more leases than the window", stage.name);
            }
        });
        let results = finish(&pipeline).await;
        assert_undisturbed(&results);
        within(watch).await.expect("no mailbox was too full");
    });
}

/// Looks at the pipeline again and again until its last step.
fn watch(pipeline: &Pipeline, holds: impl Fn(&Status) + 'static) -> JoinHandle<()> {
    let pipeline = pipeline.clone();
    actix_rt::spawn(async move {
        let is_over = |status: &Status| {
            holds(status);
            status.step == status.steps
        };
        until(&pipeline, is_over).await;
    })
}

#[test]
fn who_asks_when_too_many_wait_is_told_busy_and_the_others_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    settings.predict.capacity = 3;
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let mut asked = pin!(join_all((0..10).map(|_| pipeline.predict(b"no picture".to_vec()))));
        // All ten are asked in one step, and before a model is deployed none is answered.
        let asked_at_once =
            std::future::poll_fn(|context| Poll::Ready(asked.as_mut().poll(context)));
        let early = asked_at_once.await;
        assert!(early.is_pending(), "three of them wait");
        let had_no_model = pipeline.status().model.is_none();
        let answers = within(asked).await;
        let is_busy = |answer: &&Result<_, _>| **answer == Err(PredictError::Busy { capacity: 3 });
        let busy = answers.iter().filter(is_busy).count();
        let bad = |answer: &&Result<_, _>| matches!(answer, Err(PredictError::BadImage { .. }));
        assert_eq!(busy + answers.iter().filter(bad).count(), 10, "{answers:?}");
        assert!(busy <= 7 && (busy == 7 || !had_no_model), "{busy} were told busy");
        finish(&pipeline).await;
    });
}

#[test]
fn training_waits_for_a_slow_evaluation_instead_of_piling_versions_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    settings.evaluate.every_steps = Some(1);
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let watch = watch(&pipeline, |status| {
            let deployed = status.model.as_ref().map_or(0, |model| model.version);
            // One version is evaluated or deployed, two wait.
            assert!(status.step <= deployed + 3, "step {}, model {deployed}", status.step);
        });
        until(&pipeline, |status| status.step > 0).await;
        pipeline.kill("evaluate", Death::Hang).expect("there is such a stage");
        let results = finish(&pipeline).await;
        within(watch).await.expect("no version too many waited");
        assert_eq!(results.weights_sha256, undisturbed().weights_sha256);
        let deploy = results.stages.iter().find(|stage| stage.name == "deploy");
        assert_eq!(deploy.map(|stage| stage.committed), Some(results.training.steps));
    });
}
