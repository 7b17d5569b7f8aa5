//! What supervision cannot handle ends the job with the cause, and nothing hangs.

use crate::pipelines::{kill, settings, until, within};
use planaria_stages::{Death, JobError, KillError, Pipeline, PipelineSettings, status::Phase};
use std::path::Path;

/// A job that lasts until somebody dies twice: nobody is taken for hung, and one death is one too many.
fn fragile(state_dir: &Path) -> PipelineSettings {
    let mut settings = settings(state_dir);
    settings.train.epochs = 100_000;
    settings.supervision.restarts.restarts_max = 0;
    settings.pools.values_mut().for_each(|pool| pool.hang_after_ms = 3_600_000);
    settings
}

/// Kills one actor that may not die, and gives the reason that the job ends with.
fn reason_after_the_death_of(actor: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = fragile(folder.path());
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        until(&pipeline, |status| status.step > 0).await;
        kill(&pipeline, actor, Death::Panic).await;
        let Err(JobError::Failed { reason }) = within(pipeline.trained()).await else {
            panic!("the job fails");
        };
        within(pipeline.drain()).await;
        assert_eq!(pipeline.status().phase, Phase::Failed);
        assert_eq!(pipeline.kill("train", Death::Stop), Err(KillError::Stopped));
        assert!(within(pipeline.predict(Vec::new())).await.is_err(), "nobody answers any more");
        reason
    })
}

#[test]
fn a_worker_that_fails_too_often_ends_the_job_which_names_it() {
    let reason = reason_after_the_death_of("train/1");
    assert!(reason.contains("train/1") && reason.contains("killed, as ordered"), "{reason}");
    assert!(reason.contains("supervision.restarts_max"), "it says what to do: {reason}");
}

#[test]
fn a_supervisor_that_fails_too_often_ends_the_job_and_nothing_hangs() {
    let reason = reason_after_the_death_of("supervisor");
    assert!(reason.contains("supervisor"), "{reason}");
}
