//! The smallest pipeline that has all of a real one: sixteen tiny pictures in three classes, and a net with a layer of each kind.

use planaria_data::{Augmentation, Fit, Invert, Limits, Normalise, source::idx::IdxPaths};
use planaria_kernel::Strategy;
use planaria_learn::layer::{
    batch_norm::BatchNorm, conv2d::Conv2d, dense::Dense, dropout::Dropout,
};
use planaria_learn::layer::{flatten::Flatten, max_pool::MaxPool, relu::Relu};
use planaria_learn::{Adam, Initialiser, Loss, Optimiser, Schedule as RateSchedule, Shape, Update};
use planaria_random::{Purpose, Stream};
use planaria_stages::{PipelineSettings, STAGES, settings::*};
use std::path::Path;

pub(crate) const SIDE: usize = 6;
pub(crate) const TRAIN: u32 = 12;
pub(crate) const TEST: u32 = 4;

/// A folder with a source of sixteen tiny pictures in three classes.
pub(crate) fn folder() -> tempfile::TempDir {
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

pub(crate) fn settings(folder: &Path) -> PipelineSettings {
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
        clean: None,
        quarantine: QuarantineSettings::default(),
        drift: DriftSettings::default(),
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
        evaluate: EvaluateSettings { every_epochs: 1, every_steps: None, block: 2 },
        checkpoint: CheckpointSettings { every_steps: Some(2), ..CheckpointSettings::default() },
        cache: CacheSettings::default(),
        resume: None,
        baselines: BaselineSettings { models: Vec::new(), train_rows: 8 },
        predict: PredictSettings {
            invert: Invert::Never,
            fit: Fit::Stretch,
            views: planaria_learn::Views::default(),
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

/// The checkpoints in the folder, oldest first: their names and bytes.
pub(crate) fn checkpoints(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder.join("checkpoints")).expect("a folder of checkpoints");
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("it is whole")))
        .collect()
}
