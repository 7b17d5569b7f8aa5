//! What is wrong from the beginning is refused at once, with what, where and what to do; nothing has been started then.

use crate::pipelines::{finish, settings, within};
use planaria_data::source::idx::IdxPaths;
use planaria_learn::{Optimiser, Sgd};
use planaria_stages::{JobError, Pipeline, PipelineSettings, settings::SourceSettings};
use std::{error::Error, fs, iter, path::Path};

/// An IDX file: magic number, dimensions, bytes.
fn idx(magic: u32, dimensions: &[u32], bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let header = iter::once(magic).chain(dimensions.iter().copied());
    header.flat_map(u32::to_be_bytes).chain(bytes).collect()
}

/// Writes a set of 64 training and 32 test images of two classes: white on the left, white on the right.
fn write_set(folder: &Path) -> IdxPaths {
    let pixel = |at: u32| if (at % 28 < 14) == (at / 784).is_multiple_of(2) { 255 } else { 0 };
    let images = |n: u32| idx(0x803, &[n, 28, 28], (0..n * 784).map(pixel));
    let labels = |n: u32| idx(0x801, &[n], (0..n).map(|at| (at % 2) as u8));
    let put = |name: &str, bytes| {
        fs::write(folder.join(name), bytes).expect("a file");
        folder.join(name)
    };
    IdxPaths {
        train_images: put("train-images", images(64)),
        train_labels: put("train-labels", labels(64)),
        test_images: put("test-images", images(32)),
        test_labels: put("test-labels", labels(32)),
    }
}

fn of_files(state_dir: &Path, paths: &IdxPaths) -> PipelineSettings {
    let mut settings = settings(state_dir);
    settings.source = SourceSettings::Idx(paths.clone());
    settings
}

/// What a start with these settings is refused with: every cause, joined.
fn refusal(settings: PipelineSettings) -> String {
    let state_dir = settings.state_dir.clone();
    let error = actix_rt::System::new().block_on(async { Pipeline::start(settings).err() });
    let error = error.expect("it is refused");
    assert!(!state_dir.join("models").exists(), "nothing has been started");
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[test]
fn a_damaged_file_of_the_source_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = write_set(folder.path());
    let state = folder.path().join("state");
    for path in [&paths.train_images, &paths.train_labels, &paths.test_images, &paths.test_labels] {
        let whole = fs::read(path).expect("it was written");
        let lies = [&whole[..4], &u32::MAX.to_be_bytes(), &whole[8..]].concat();
        let damages = [whole[..whole.len() - 1].to_vec(), Vec::new(), b"garbage!".to_vec(), lies];
        for damaged in damages {
            fs::write(path, damaged).expect("a file");
            let said = refusal(of_files(&state, &paths));
            assert!(said.contains(&path.display().to_string()), "{said}");
        }
        fs::write(path, whole).expect("a file");
    }
    fs::remove_file(&paths.test_images).expect("it is there");
    let said = refusal(of_files(&state, &paths));
    assert!(said.contains("test-images"), "{said}");
}

#[test]
fn files_of_a_users_own_are_trained_on_like_the_embedded_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = of_files(&folder.path().join("state"), &write_set(folder.path()));
    settings.train.epochs = 20;
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let test = finish(&pipeline).await.test.expect("it was evaluated");
        assert!(test.accuracy > 0.99, "left and right are told apart: {test:?}");
    });
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_flag_that_changes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "no folder").expect("a file");
    let said = refusal(settings(&file.join("state")));
    assert!(said.contains(&file.display().to_string()) && said.contains("--state"), "{said}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_job_with_what_to_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    let sgd = Sgd { learning_rate: 1e30, momentum: 0.9, ..Sgd::default() };
    settings.train.update = Optimiser::Sgd(sgd).into();
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        let Err(JobError::Failed { reason }) = within(pipeline.trained()).await else {
            panic!("such a training fails");
        };
        assert!(reason.contains("train.optimiser.learning_rate"), "{reason}");
        assert!(
            reason.contains("(epoch 1)") && reason.contains(".weight` is not finite"),
            "{reason}"
        );
        assert!(reason.ends_with("there is no checkpoint"), "{reason}");
    });
}
