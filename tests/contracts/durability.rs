//! What is on disk is whole, whatever died while it was written.

use crate::pipelines::{finish, settings};
use planaria_stages::{ChaosPlan, Pipeline, SavedModel};
use std::fs;

#[test]
fn after_chaos_every_model_file_opens_and_the_last_one_has_the_weights_that_were_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    settings.evaluate.every_steps = Some(4);
    let results = actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        pipeline.chaos(ChaosPlan { kills: 100, every_ms: 4, seed: 9 }).expect("the only chaos");
        finish(&pipeline).await
    });
    let last = results.model_file.expect("a model was deployed");
    let reported = results.weights_sha256.expect("it has weights");
    let saved = SavedModel::open(last.as_ref()).expect("the last model opens");
    assert_eq!(saved.weights_sha256(), reported);
    assert_eq!(saved.metadata()["weights_sha256"], reported);
    let files = fs::read_dir(folder.path().join("models")).expect("the folder of models");
    let models = files.flatten().map(|file| file.path());
    let models = models.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    let mut opened = 0;
    for path in models {
        SavedModel::open(&path).expect("a model file is whole or not there");
        opened += 1;
    }
    assert!(opened >= 2, "the newest and the one before are kept");
}
