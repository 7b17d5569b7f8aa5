//! The whole way on real digits and real threads, in small: whatever is killed, the same weights.

use planaria_data::augmentation::{Blur, Erase, Mix, Noise, RandAugment};
use planaria_data::{Augmentation, Fit, Invert, Limits, Normalise};
use planaria_learn::layer::{dense::Dense, flatten::Flatten};
use planaria_learn::{
    Adam, Initialiser, Loss, Network, Optimiser, Schedule, Shape, optimiser::schedule::Cosine,
};
use planaria_stages::{
    ChaosPlan, Death, JobError, Pipeline, PipelineEvent, PipelineSettings, PredictError, Results,
    STAGES, SavedModel, StageKind, Strategy, What, settings::*,
};
use std::{future::Future, path::Path, time::Duration};

const PATIENCE: Duration = Duration::from_secs(600);

fn settings(state_dir: &Path) -> PipelineSettings {
    let (input, layers) = Network::preset("tiny-cnn").expect("it is a preset");
    let pool = |kind| PoolSettings {
        workers: 2,
        window: if kind == StageKind::Train { 1 } else { 2 },
        mailbox: if kind == StageKind::Batch { 4 } else { 256 },
        hang_after_ms: 300,
        attempts_max: 1_000, // a starved worker may be taken for hung: no item is given up for it
        strategy: Strategy::OneForOne,
        restarts: None,
    };
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
            update: Optimiser::Adam(Adam { learning_rate: 3e-3, ..Adam::default() }).into(),
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
            deadline_ms: 120_000,
        },
        pools: STAGES.into_iter().map(|kind| (kind, pool(kind))).collect(),
        autoscale: false,
        isa: planaria_learn::Isa::best(),
        supervision: SupervisionSettings {
            restarts: RestartSettings {
                restarts_max: 10_000,
                window_ms: 60_000,
                backoff_min_ms: 0,
                backoff_max_ms: 20,
            },
            abandoned_threads_max: 32,
        },
        state_dir: state_dir.to_owned(),
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends within ten minutes")
}

fn run(change: impl FnOnce(&mut PipelineSettings), chaos: Option<ChaosPlan>) -> Results {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    change(&mut settings);
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        if let Some(chaos) = chaos {
            pipeline.chaos(chaos).expect("nothing else kills");
        }
        within(pipeline.trained()).await.expect("it is trained");
        within(pipeline.drain()).await;
        pipeline.results()
    })
}

fn hash(results: &Results) -> &str {
    results.weights_sha256.as_deref().expect("a model was deployed")
}

fn workers(n: u16) -> impl FnOnce(&mut PipelineSettings) {
    move |settings| settings.pools.values_mut().for_each(|pool| pool.workers = n)
}

#[test]
fn mixed_and_varied_batches_are_the_same_however_many_work_and_whatever_is_killed() {
    let small = |change: fn(&mut PipelineSettings), n| {
        move |settings: &mut PipelineSettings| {
            settings.train_items = Some(640);
            settings.test_items = Some(100);
            let strong = &mut settings.augmentation;
            strong.rand_augment = RandAugment { operations: 2, magnitude: 12 };
            (strong.blur, strong.noise) = (Blur { deviation: 0.8 }, Noise { deviation: 0.05 });
            (strong.erase, strong.mix) = (Erase { chance: 0.3 }, Mix { mixup: 0.4, cutmix: 1.0 });
            change(settings);
            workers(n)(settings);
        }
    };
    let one = run(small(|_| {}, 1), None);
    let kills = ChaosPlan { kills: 60, every_ms: 5, seed: 3 };
    for (n, chaos) in [(2, None), (7, Some(kills))] {
        assert_eq!(hash(&run(small(|_| {}, n), chaos)), hash(&one), "{n} workers");
    }
    let unmixed = run(small(|settings| settings.augmentation.mix = Mix::default(), 2), None);
    assert_ne!(hash(&unmixed), hash(&one));
}

#[test]
fn figures_that_are_fitted_are_those_of_the_training_items_and_go_with_the_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    (settings.fit_normalise, settings.train_items) = (true, Some(300));
    let source = settings.open_source().expect("it is inside");
    let fitted = settings.normalise_for(&*source).expect("there are items");
    assert!((fitted.mean.of(0) - 0.1307).abs() < 0.02, "{fitted:?}");
    let few = PipelineSettings { train_items: Some(3), ..settings.clone() };
    assert_ne!(few.normalise_for(&*source), Some(fitted.clone()), "only those that are trained on");
    let given = PipelineSettings { fit_normalise: false, normalise: fitted, ..settings.clone() };
    let hashes =
        [settings, given].map(|settings| hash(&run(|own| *own = settings, None)).to_owned());
    assert_eq!(hashes[0], hashes[1], "as if they had been given");
}

#[test]
fn the_number_of_workers_changes_nothing_and_the_seed_everything() {
    let two = run(|_| {}, None);
    assert!(two.test.as_ref().expect("it was evaluated").accuracy > 0.7, "{:?}", two.test);
    for n in [1, 5] {
        let other = run(workers(n), None);
        assert_eq!(hash(&other), hash(&two), "{n} workers");
        assert_eq!(other.test, two.test);
        assert_eq!(other.items.accepted, two.items.accepted);
    }
    let other = run(|settings| settings.seed = 2, None);
    assert_ne!(hash(&other), hash(&two));
    let slices = run(|settings| settings.train.update_slices = 7, None);
    assert_eq!(hash(&slices), hash(&two), "slices of the update are no part of the result");
}

#[test]
fn chaos_of_every_kind_changes_nothing_and_loses_nothing() {
    let quiet = run(|_| {}, None);
    let chaos = ChaosPlan { kills: 150, every_ms: 5, seed: 7 };
    let killed = run(|_| {}, Some(chaos));
    assert_eq!(hash(&killed), hash(&quiet));
    assert_eq!(killed.test, quiet.test);
    assert!(killed.failures > 0, "somebody died"); // how many is up to the machine
    assert_eq!(killed.items.accepted, quiet.items.accepted);
    assert_eq!(killed.items.committed, quiet.items.committed);
    assert_eq!(killed.items.dead_lettered, 0);
    assert_eq!(killed.items.ready + killed.items.leased, 0);
}

#[test]
fn a_training_resumed_from_each_checkpoint_under_chaos_ends_in_the_same_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let resumed = |resume: Option<Resume>, n: u16, chaos| {
        let change = |settings: &mut PipelineSettings| {
            settings.checkpoint.every_steps = Some(17);
            settings.checkpoint.keep = 0;
            settings.state_dir = folder.path().to_owned();
            settings.resume = resume;
            settings.pools.values_mut().for_each(|pool| pool.workers = n);
        };
        run(change, chaos)
    };
    let whole = resumed(None, 2, None);
    let files = std::fs::read_dir(folder.path().join("checkpoints")).expect("checkpoints");
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 8, "every 17 of 124 steps, and at the end of both epochs: {files:?}");
    for (n, file) in files.into_iter().enumerate() {
        let chaos = ChaosPlan { kills: 20, every_ms: 5, seed: n as u64 };
        let chaos = n.is_multiple_of(3).then_some(chaos);
        let results = resumed(Some(Resume::File(file.clone())), [1, 3][n % 2], chaos);
        assert_eq!(hash(&results), hash(&whole), "{}", file.display());
        assert_eq!(results.test, whole.test);
        assert_eq!(results.training.loss_curve, whole.training.loss_curve);
        assert_eq!(results.training.evaluations, whole.training.evaluations);
        assert!(results.training.resumed_from.is_some());
    }
}

#[test]
fn predictions_asked_for_before_the_first_model_wait_for_it_and_are_all_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let mut png = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_fn(40, 60, |x, y| {
        image::Luma([if x / 6 == 3 && y > 9 { 0 } else { 255 }])
    })
    .write_to(&mut png, image::ImageFormat::Png)
    .expect("in memory");
    let png = png.into_inner();
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        pipeline.chaos(ChaosPlan { kills: 60, every_ms: 5, seed: 3 }).expect("nothing else kills");
        let asked: Vec<_> = (0..50)
            .map(|_| (pipeline.clone(), png.clone()))
            .map(|(pipeline, png)| actix_rt::spawn(async move { pipeline.predict(png).await }))
            .collect();
        for answer in asked {
            let answer = within(answer).await.expect("the task lives").expect("an answer");
            assert!(answer.model > 0 && answer.probabilities.len() == 10);
        }
        let refused = within(pipeline.predict(b"no picture".to_vec())).await;
        assert!(matches!(refused, Err(PredictError::BadImage { .. })), "{refused:?}");
        within(pipeline.trained()).await.expect("it is trained");
        within(pipeline.drain()).await;
        let late = within(pipeline.predict(png)).await;
        assert_eq!(late, Err(PredictError::Stopping));
    });
}

#[test]
fn draining_in_the_middle_ends_everything_that_was_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        while pipeline.status().step < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pipeline.kill("train", Death::Panic).expect("there are trainers");
        within(pipeline.drain()).await;
        let items = pipeline.status().items;
        assert_eq!(items.accepted, items.committed);
        assert_eq!(within(pipeline.trained()).await, Err(JobError::Stopped));
    });
}

#[test]
fn scaling_up_and_down_in_the_middle_changes_nothing() {
    let quiet = run(|_| {}, None);
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    // A starved worker must not be taken for a hung one here: its death would be told.
    settings.pools.values_mut().for_each(|pool| pool.hang_after_ms = 60_000);
    let results = actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        for (step, workers) in [(3, 4), (20, 1), (40, 3)] {
            while pipeline.status().step < step {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for stage in ["train", "augment", "evaluate"] {
                let scaled = pipeline.scale(stage, workers).expect("there is such a stage");
                assert_eq!(scaled.to, workers);
            }
        }
        assert!(pipeline.scale("trian", 2).is_err() && pipeline.scale("train", 0).is_err());
        within(pipeline.trained()).await.expect("it is trained");
        within(pipeline.drain()).await;
        let died = |event: &PipelineEvent| matches!(event.what, What::Died { .. });
        let events = pipeline.events(0, usize::MAX).events;
        assert_eq!(events.iter().find(|event| died(event)), None, "who retires does not die");
        pipeline.results()
    });
    assert_eq!(hash(&results), hash(&quiet));
    assert_eq!(results.items.committed, quiet.items.committed);
}

#[test]
fn workers_that_move_by_themselves_change_nothing() {
    let quiet = run(|_| {}, None);
    let moving = run(|settings| settings.autoscale = true, None);
    assert_eq!(hash(&moving), hash(&quiet));
}

#[test]
fn every_strategy_leads_to_the_same_weights() {
    let quiet = run(|_| {}, None);
    for strategy in [Strategy::RestForOne, Strategy::OneForAll] {
        let change = |settings: &mut PipelineSettings| {
            settings.pools.values_mut().for_each(|pool| pool.strategy = strategy);
        };
        let killed = run(change, Some(ChaosPlan { kills: 60, every_ms: 5, seed: 11 }));
        assert_eq!(hash(&killed), hash(&quiet), "{strategy:?}");
        assert_eq!(killed.items.dead_lettered, 0);
    }
}

/// A folder of red and blue pictures of 6x6; one of another size and one that is none are among those to learn from.
fn red_and_blue() -> tempfile::TempDir {
    let world = tempfile::tempdir().expect("a folder");
    for (split, items) in [("train", 20), ("test", 5)] {
        for (class, colour) in [("red", [200, 0, 0]), ("blue", [0, 0, 200])] {
            let folder = world.path().join(split).join(class);
            std::fs::create_dir_all(&folder).expect("a folder");
            for item in 0..items {
                let pixel = image::Rgb(colour.map(|value: u8| value.saturating_add(item)));
                let picture = image::RgbImage::from_pixel(6, 6, pixel);
                picture.save(folder.join(format!("{item:02}.png"))).expect("a picture");
            }
        }
    }
    let train = world.path().join("train");
    image::RgbImage::new(7, 6).save(train.join("red/large.png")).expect("a picture");
    std::fs::write(train.join("blue/torn.jpg"), [0xff, 0xd8, 0xff, 0]).expect("a file");
    world
}

fn learn_colours(settings: &mut PipelineSettings, world: &Path) {
    settings.source = SourceSettings::Folder { path: world.to_owned(), fit: None };
    (settings.train_items, settings.test_items) = (None, None);
    settings.normalise = Normalise::new(vec![0.4, 0.1, 0.4], vec![0.5, 0.5, 0.25]);
    settings.network = NetworkSettings {
        name: "colours".to_owned(),
        input: Shape::Image { h: 6, w: 6, c: 3 },
        layers: vec![Flatten {}.into(), Dense::new(2).into()],
    };
    (settings.train.batch, settings.train.epochs) = (6, 10);
    settings.predict.invert = Invert::Never;
    settings.state_dir = world.to_owned();
    for kind in [StageKind::Decode, StageKind::Preprocess] {
        let pool = settings.pools.get_mut(&kind).expect("every stage has a pool");
        (pool.attempts_max, pool.hang_after_ms) = (2, 60_000);
    }
}

#[test]
fn a_folder_of_pictures_is_learnt_by_the_names_of_its_classes_and_bad_pictures_are_named() {
    let world = red_and_blue();
    let results = run(|settings| learn_colours(settings, world.path()), None);
    let test = results.test.as_ref().expect("it was evaluated");
    assert_eq!((test.accuracy, test.confusion.len()), (1.0, 2));
    assert_eq!(results.class_names, ["blue", "red"]);
    let mut given_up: Vec<_> = results.dead_letters.iter().collect();
    given_up.sort_by_key(|letter| &letter.stage);
    let expected = [
        ("decode", "train/blue/torn.jpg", "the JPEG file is damaged"),
        ("preprocess", "train/red/large.png", "a picture of 6x7 pixels where 6x6 are needed"),
    ];
    assert_eq!(given_up.len(), expected.len(), "{given_up:?}");
    for (letter, (stage, name, cause)) in given_up.into_iter().zip(expected) {
        let found = letter.name.as_ref().is_some_and(|found| found.ends_with(name));
        assert!(letter.stage == stage && found && letter.cause.contains(cause), "{letter:?}");
    }
    let file = results.model_file.expect("a model was deployed");
    let mut model = SavedModel::open(Path::new(&file)).expect("it opens");
    let mut png = std::io::Cursor::new(Vec::new());
    let blue = image::RgbImage::from_pixel(60, 30, image::Rgb([10, 20, 255]));
    blue.write_to(&mut png, image::ImageFormat::Png).expect("in memory");
    let answer = model.predict(png.get_ref()).expect("it is a picture");
    assert_eq!((answer.class, answer.class_names), (0, vec!["blue".to_owned(), "red".to_owned()]));
}
