//! Builders of tiny pipelines: two thousand real digits, a net of 2,530 parameters, two epochs.

use planaria_data::{Augmentation, Fit, Invert, Limits, Normalise};
use planaria_learn::{
    Adam, Initialiser, Loss, Network, Optimiser, Schedule, optimiser::schedule::Cosine,
};
use planaria_stages::{
    Death, Pipeline, PipelineSettings, Results, STAGES, StageKind, Strategy, settings::*,
    status::Status,
};
use std::{future::Future, path::Path, sync::OnceLock, time::Duration};

/// No wait of a test is longer: who runs into this bound hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// What every test changes a little. Nothing here depends on how fast the machine is: no item is given up and no slot
/// escalates because a starved worker was taken for hung.
pub(crate) fn settings(state_dir: &Path) -> PipelineSettings {
    let (input, layers) = Network::preset("tiny-cnn").expect("it is a preset");
    let pool = |kind| PoolSettings {
        workers: 2,
        window: if kind == StageKind::Train { 1 } else { 2 },
        mailbox: if kind == StageKind::Batch { 4 } else { 256 },
        hang_after_ms: 300,
        attempts_max: 1_000,
        strategy: Strategy::OneForOne,
        restarts: None,
    };
    let adam = Adam { learning_rate: 3e-3, ..Adam::default() };
    PipelineSettings {
        seed: 1,
        config_sha256: "0".repeat(64),
        config: String::new(),
        source: SourceSettings::Mnist,
        train_items: Some(2_000),
        test_items: Some(500),
        limits: Limits::default(),
        normalise: Normalise::new(0.1307, 0.3081),
        fit_normalise: false,
        clean: None,
        quarantine: QuarantineSettings::default(),
        drift: DriftSettings::default(),
        augmentation: Augmentation::affine(1.0, 5.0, 0.05),
        network: NetworkSettings { name: "tiny-cnn".to_owned(), input, layers },
        train: TrainSettings {
            epochs: 2,
            batch: 32,
            gradient_shards: 4,
            loss: Loss::default(),
            initialiser: Initialiser::default(),
            update_slices: 3,
            update: Optimiser::Adam(adam).into(),
            schedule: Schedule::Cosine(Cosine::default()),
            balance_classes: false,
            from: None,
            validation: None,
            sampling: SamplingSettings::default(),
        },
        evaluate: EvaluateSettings { every_epochs: 1, every_steps: Some(20), block: 100 },
        checkpoint: CheckpointSettings::default(),
        cache: CacheSettings::default(),
        resume: None,
        baselines: BaselineSettings { models: Vec::new(), train_rows: 1_000 },
        predict: PredictSettings {
            invert: Invert::Auto,
            fit: Fit::Contain,
            views: planaria_learn::Views::default(),
            capacity: 100,
            deadline_ms: 300_000,
        },
        pools: STAGES.into_iter().map(|kind| (kind, pool(kind))).collect(),
        autoscale: false,
        isa: planaria_learn::Isa::best(),
        supervision: SupervisionSettings {
            restarts: RestartSettings {
                restarts_max: 1_000_000,
                window_ms: 60_000,
                backoff_min_ms: 0,
                backoff_max_ms: 20,
            },
            abandoned_threads_max: 1_024,
        },
        state_dir: state_dir.to_owned(),
    }
}

/// Waits for what must happen, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends within ten minutes")
}

/// Waits until the pipeline looks like this.
pub(crate) async fn until(pipeline: &Pipeline, looks: impl Fn(&Status) -> bool) {
    let look = async {
        while !looks(&pipeline.status()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(look).await;
}

/// Orders a death until somebody lives to get the order.
pub(crate) async fn kill(pipeline: &Pipeline, target: &str, death: Death) {
    let order = async {
        while pipeline.kill(target, death).expect("there is such an actor").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(order).await;
}

/// Trains to the end, and ends.
pub(crate) async fn finish(pipeline: &Pipeline) -> Results {
    within(pipeline.trained()).await.expect("it is trained");
    within(pipeline.drain()).await;
    pipeline.results()
}

/// The result of an undisturbed run, computed once.
pub(crate) fn undisturbed() -> &'static Results {
    static RESULTS: OnceLock<Results> = OnceLock::new();
    RESULTS.get_or_init(|| {
        let run = || {
            let folder = tempfile::tempdir().expect("a folder");
            actix_rt::System::new().block_on(async {
                let pipeline = Pipeline::start(settings(folder.path())).expect("it starts");
                finish(&pipeline).await
            })
        };
        // A thread of its own: whoever asks may be inside a system already.
        std::thread::spawn(run).join().expect("it is undisturbed")
    })
}

/// Every item ended by a commit, and the weights and scores are those of an undisturbed run.
pub(crate) fn assert_undisturbed(results: &Results) {
    let expected = undisturbed();
    assert!(expected.weights_sha256.is_some(), "a model was deployed");
    assert_eq!(results.weights_sha256, expected.weights_sha256);
    assert_eq!(results.test, expected.test);
    let (items, all) = (&results.items, expected.items.accepted);
    assert_eq!((items.accepted, items.committed, items.dead_lettered), (all, all, 0));
}
