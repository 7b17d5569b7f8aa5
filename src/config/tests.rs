//! What a config may say, and what a person is told when it cannot be meant.

use super::{Config, check::check, fault::Faults, load::RawConfig, overlay::LaidValue};
use planaria_data::{
    Augmentation, Fit, Invert, Normalise,
    augmentation::{Crop, Cutout, Flip, Padding},
};
use planaria_learn::layer::{dense::Dense, flatten::Flatten};
use planaria_learn::{
    AdamW, Initialiser, Isa, LayerSpec, Loss, Optimiser, Schedule, Sgd, Update,
    loss::CrossEntropy,
    optimiser::schedule::{Cosine, Milestones, OneCycle, WarmUp},
};
use planaria_stages::{
    STAGES, StageKind,
    settings::{EarlyStop, FromSettings, Metric, Part, SourceSettings},
};
use std::path::{Path, PathBuf};

fn checked(text: &str) -> Result<Config, Faults> {
    check(&RawConfig::from_text(Path::new("folder/a.toml"), text))
}

/// Every fault in one line each.
fn faults(text: &str) -> Vec<String> {
    let faults = checked(text).err().map(|faults| faults.to_string()).unwrap_or_default();
    faults.lines().map(str::to_owned).collect()
}

/// A config, and the one thing that a person is told about it.
const FAULTS: &[(&str, &str)] = &[
    ("sed = 1", "1:1: sed: there is no such field: did you mean `seed`?"),
    ("[tarin]\nepochs = 1", "1:2: tarin: there is no such field: did you mean `train`?"),
    ("[train]\nepoch = 1", "2:1: train.epoch: there is no such field: did you mean `epochs`?"),
    ("[train]\nepochs = 0", "2:10: train.epochs: 0 is out of range: choose 1 to 100000"),
    ("[train]\nepochs = -1", "2:10: train.epochs: -1 is out of range: choose 1 to 100000"),
    ("[train]\nepochs = \"3\"", "2:10: train.epochs: must be a whole number, not a text"),
    ("[train]\nepochs = 1.5", "2:10: train.epochs: must be a whole number, not a number"),
    ("train = 3", "1:9: train: must be a section, not a whole number"),
    (
        "seed = 18446744073709551616",
        "1:8: seed: 18446744073709551616 is out of range: choose 0 to 18446744073709551615",
    ),
    ("[pools]\nworkers = 0", "2:11: pools.workers: 0 is out of range: choose 1 to 256"),
    ("[pools.train]\nwindow = 0", "2:10: pools.train.window: 0 is out of range: choose 1 to 64"),
    (
        "[pools.trian]\nwindow = 1",
        "1:8: pools.trian: there is no such field: did you mean `train`?",
    ),
    (
        "[pools]\nhang_after = 2",
        "2:14: pools.hang_after: must be a text in quotes, not a whole number",
    ),
    (
        "[pools]\nhang_after = \"2\"",
        "2:14: pools.hang_after: `2` is no duration: write a number and a unit, as `50ms`, `2s`, `10m` or `1h`",
    ),
    (
        "[pools]\nhang_after = \"1ms\"",
        "2:14: pools.hang_after: 1ms is out of range: choose 50ms to 24h",
    ),
    (
        "[preprocess]\ndeviation = 0",
        "2:13: preprocess.deviation: 0 is out of range: choose 0.000001 to 1000",
    ),
    ("[preprocess]\nmean = nan", "2:8: preprocess.mean: NaN is out of range: choose -1000 to 1000"),
    (
        "[preprocess]\nmean = [0.5, 0.4]",
        "2:8: preprocess.mean: 2 numbers for images of 1 channels: give one number, or one for each",
    ),
    (
        "[preprocess]\nmean = [0.5, \"a\"]",
        "2:8: preprocess.mean: must be a number or a list of numbers, not a list",
    ),
    (
        "[preprocess]\ndeviation = [0]",
        "2:13: preprocess.deviation: 0 is out of range: choose 0.000001 to 1000",
    ),
    (
        "[augment]\nflip = \"alternate\"",
        "2:8: augment.flip: `alternate` is not known: did you mean `alternating`?",
    ),
    ("[augment]\ncrop = 1001", "2:8: augment.crop: 1001 is out of range: choose 0 to 1000"),
    (
        "[preprocess]\nfigures = \"fitted\"\nmean = 0.5",
        "3:8: preprocess.mean: has no meaning when `preprocess.figures` is \"fitted\"",
    ),
    (
        "[clean]\nleaks = \"remov\"",
        "2:9: clean.leaks: `remov` is not known: did you mean `remove`?",
    ),
    (
        "[quarantine]\nitems = 100001",
        "2:9: quarantine.items: 100001 is out of range: choose 0 to 100000",
    ),
    (
        "[drift]\nwindow = 7",
        "2:10: drift.window: 7 predictions say nothing: choose 50 or more, or 0",
    ),
    ("[augment]\ncrop_area = 0", "2:13: augment.crop_area: 0 is out of range: choose 0.01 to 1"),
    ("[augment]\nmixup = 1.5", "2:9: augment.mixup: 1.5 is out of range: choose 0 to 1"),
    ("[augment]\nmagnitude = 31", "2:13: augment.magnitude: 31 is out of range: choose 0 to 30"),
    ("[augment]\nsmoothness = 0", "2:14: augment.smoothness: 0 is out of range: choose 0.5 to 100"),
    ("[source]\nkind = \"folder\"", "2:8: source.kind: \"folder\" needs the path `source.path`"),
    ("[source]\nkind = \"folder\"\npath = \"\"", "3:8: source.path: is empty: give a path"),
    (
        "[source]\nfit = \"stretch\"",
        "2:7: source.fit: has no meaning for the embedded MNIST: set `source.kind` to \"folder\" or \"tar\"",
    ),
    (
        "[source]\nkind = \"folder\"\npath = \"x\"\ntest_labels = \"y\"",
        "4:15: source.test_labels: has no meaning for a folder: set `source.kind` to \"idx\" or \"numpy\"",
    ),
    (
        "[source]\nkind = \"folder\"\npath = \"x\"\n[predict]\nfit = \"centre\"\n[network]\ninput = [2, 2, 3]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\", units = 10 }]",
        "5:7: predict.fit: \"centre\" is for drawings in grey: choose \"contain\" or \"stretch\" for images in colour",
    ),
    (
        "[predict]\nfit = \"strech\"",
        "2:7: predict.fit: `strech` is not known: did you mean `stretch`?",
    ),
    (
        "[train]\nbatch = 60001",
        "2:9: train.batch: 60001 items a step, but there are 60000 training items",
    ),
    ("[train]\nbatch = 2", "train.gradient_shards: 4 shards of a batch of 2: choose 1 to 2"),
    (
        "[source]\ntrain_items = 60001",
        "2:15: source.train_items: 60001 items, but the source has 60000",
    ),
    (
        "[source]\ntest_labels = \"x\"",
        "2:15: source.test_labels: has no meaning for the embedded MNIST: set `source.kind` to \"idx\" or \"numpy\"",
    ),
    (
        "[network]\npreset = \"mnist\"",
        "2:10: network.preset: no network is called `mnist`: there are `mnist-cnn`, `lenet5`, `cifar-cnn`, `mnist-small`, `mnist-res`, `cifar-res`, `tiny-cnn`",
    ),
    (
        "[network]\npreset = \"mnist-cn\"",
        "2:10: network.preset: no network is called `mnist-cn`: did you mean `mnist-cnn`?",
    ),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = []",
        "3:10: network.layers: the net has no layers: it needs at least a `dense` layer with a unit for every class",
    ),
    (
        "[network]\nlayers = [{ kind = \"relu\" }]",
        "2:10: network.layers: need `input = [height, width, channels]` beside them",
    ),
    (
        "[network]\ninput = [28, 28]\nlayers = []",
        "2:9: network.input: must be [height, width, channels], or [features]",
    ),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"con2d\" }]",
        "3:20: network.layers[0].kind: no layer is called `con2d`: did you mean `conv2d`?",
    ),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"conv2d\" }]",
        "3:11: network.layers[0]: needs `filters`",
    ),
    (
        "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"dense\", units = 10 }]",
        "3:11: network.layers[0]: layer 0 (dense) needs features, but gets 28x28x1: put a `flatten` before it",
    ),
    (
        "[network]\ninput = [2, 2, 1]\nlayers = [\n{ kind = \"relu\" },\n{ kind = \"conv2d\", filters = 1 }]",
        "5:1: network.layers[1]: layer 1 (conv2d) needs at least 3x3, but gets 2x2x1: remove a layer before it, pad, or use a larger input",
    ),
    (
        "[network]\ninput = [9, 9, 1]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\", units = 10 }]",
        "2:9: network.input: is 9x9x1, but the images are 28x28x1",
    ),
    (
        "[baselines]\nmodels = [\"linfa\"]",
        "2:10: baselines.models: no baseline is called `linfa`: there are `linfa-logistic-regression`, `linfa-linear-svm`, `linfa-gaussian-naive-bayes`, `linfa-decision-tree`, `linfa-pca-k-means`, `smartcore-k-nearest-neighbours`, `smartcore-random-forest`, `smartcore-extra-trees`, `smartcore-svc`, `smartcore-ridge`",
    ),
    (
        "[baselines]\nmodels = [\"linfa-desicion-tree\"]",
        "2:10: baselines.models: no baseline is called `linfa-desicion-tree`: did you mean `linfa-decision-tree`?",
    ),
    (
        "[control]\nline_bytes = 4096",
        "2:14: control.line_bytes: 4096 is too little for a picture of `limits.image_bytes` (16777216): choose at least 22370648, or smaller pictures",
    ),
    ("seed = ", "1:8: this is no TOML: string values must be quoted, expected literal string"),
];

#[test]
fn each_fault_is_told_with_its_place_and_what_would_be_right() {
    for (text, expected) in FAULTS {
        let got = faults(text);
        let got: Vec<&str> =
            got.iter().map(|line| line.strip_prefix("folder/a.toml:").unwrap_or(line)).collect();
        assert_eq!(got, [*expected], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text =
        "[train]\nbatch = 0\nepochs = \"x\"\n[pool]\n[train.optimiser]\nkind = \"adm\"\nrate = 1\n";
    let lines: Vec<String> = faults(text);
    let places: Vec<&str> =
        lines.iter().map(|line| line.split(": ").nth(1).expect("a field")).collect();
    let expected =
        ["train.batch", "train.epochs", "pool", "train.optimiser.kind", "train.optimiser.rate"];
    assert_eq!(places, expected, "{lines:?}");
}

#[test]
fn a_key_of_the_other_optimiser_is_refused() {
    let text = "[train.optimiser]\nkind = \"sgd\"\nbeta1 = 0.9";
    let expected = "folder/a.toml:3:1: train.optimiser.beta1: there is no such field: there are `kind`, `learning_rate`, `momentum`, `nesterov`, `weight_decay`, `decay_all`";
    assert_eq!(faults(text), [expected]);
}

#[test]
fn a_socket_path_too_long_is_told_before_anything_starts() {
    let text = format!("[control]\nsocket = \"{}\"", "/s".repeat(60));
    let told = faults(&text).join("\n");
    assert!(told.starts_with("folder/a.toml:2:10: control.socket: "), "{told}");
    assert!(told.contains("120 bytes, but a Unix socket's path holds 107"), "{told}");
}

#[test]
fn an_empty_file_is_a_good_config() {
    let config = checked("").expect("every value has a default");
    assert_eq!(config.pipeline.network.name, "mnist-cnn");
    assert_eq!(config.pipeline.pools.len(), STAGES.len());
    assert!(config.pipeline.pools.values().all(|pool| pool.workers >= 1));
}

#[test]
fn the_shipped_configs_are_good_and_the_manual_says_the_defaults() {
    let shipped = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name);
        RawConfig::from_file(&path).expect("a shipped config")
    };
    check(&shipped("mnist-quick.toml")).expect("a good config");
    let manual = check(&shipped("mnist.toml")).expect("a good config");
    let mut default = checked("").expect("a good config");
    // But for the augmentation, which is for these digits.
    default.pipeline.augmentation = manual.pipeline.augmentation;
    default.pipeline.config_sha256 = manual.pipeline.config_sha256.clone();
    default.pipeline.config = manual.pipeline.config.clone();
    assert_eq!(format!("{manual:#?}"), format!("{default:#?}"));
}

#[test]
fn a_stage_without_a_value_of_its_own_has_that_of_all_pools() {
    let text = "[pools]\nworkers = 3\nhang_after = \"5s\"\n[pools.train]\nworkers = 1";
    let pools = checked(text).expect("a good config").pipeline.pools;
    assert_eq!((pools[&StageKind::Train].workers, pools[&StageKind::Decode].workers), (1, 3));
    assert_eq!(pools[&StageKind::Compare].hang_after_ms, 5000);
}

fn with_flag(
    text: &str,
    field: &str,
    flag: &'static str,
    value: LaidValue,
) -> Result<Config, Faults> {
    let mut raw = RawConfig::from_text(Path::new("folder/a.toml"), text);
    raw.overlay(field, flag, Some(value));
    check(&raw)
}

#[test]
fn a_flag_wins_over_the_file_and_its_fault_names_the_flag() {
    let text = "[pools]\nworkers = 3\n[pools.train]\nworkers = 1";
    let config = with_flag(text, "pools.workers", "--workers", LaidValue::toml("5"));
    let pools = config.expect("a good config").pipeline.pools;
    assert!(pools.values().all(|pool| pool.workers == 5));
    let fault = with_flag(text, "pools.workers", "--workers", LaidValue::toml("0"));
    let told = fault.expect_err("no worker is no pool").to_string();
    assert_eq!(told, "--workers: 0 is out of range: choose 1 to 256");
}

#[test]
fn paths_in_the_file_are_relative_to_it_and_those_of_flags_to_us() {
    let config = checked("[state]\ndir = \"state\"").expect("a good config");
    assert_eq!(config.pipeline.state_dir, PathBuf::from("folder/state"));
    let flag = LaidValue::Path("here".into());
    let config = with_flag("[state]\ndir = \"x\"", "state.dir", "--state", flag);
    assert_eq!(config.expect("a good config").pipeline.state_dir, PathBuf::from("here"));
}

#[test]
fn layers_and_optimisers_are_read_as_they_are_written() {
    let text = "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\", units = 10 }]\n\
                [train.optimiser]\nkind = \"sgd\"\nmomentum = 0.5";
    let pipeline = checked(text).expect("a good config").pipeline;
    assert_eq!(pipeline.network.layers, [LayerSpec::from(Flatten {}), Dense::new(10).into()]);
    let sgd = Optimiser::Sgd(Sgd { learning_rate: 0.01, momentum: 0.5, ..Sgd::default() });
    assert_eq!(pipeline.train.update, sgd.into());
    let text = "[train]\nclip_norm = 1\nema = 0.99\n[train.optimiser]\nkind = \"adamw\"\nbeta2 = 0.95\ndecay_all = true";
    let update = checked(text).expect("a good config").pipeline.train.update;
    let adamw = AdamW { beta2: 0.95, decay_all: true, ..AdamW::default() };
    let expected = Update::from(Optimiser::AdamW(adamw));
    assert_eq!(update, Update { clip_norm: Some(1.0), ema: Some(0.99), ..expected });
}

#[test]
fn losses_and_initialisers_are_read_as_they_are_written() {
    let train = |text: &str| checked(text).expect("a good config").pipeline.train;
    let text = "[train.loss]\nlabel_smoothing = 0.1\nclass_weights = [1,1,1,1,1,1,1,1,1,2.5]";
    let mut weights = vec![1.0; 10];
    weights[9] = 2.5;
    let loss = CrossEntropy { label_smoothing: 0.1, class_weights: Some(weights) };
    assert_eq!(train(text).loss, Loss::CrossEntropy(loss));
    let text = "[train]\ninitialiser = \"kaiming-normal\"\nfrozen = [\"0\"]";
    assert_eq!(train(text).initialiser, Initialiser::KaimingNormal);
    assert_eq!(train(text).update.frozen, ["0"]);
    let text = "[train]\ninitialiser = { kind = \"orthogonal\", gain = 2 }";
    assert_eq!(train(text).initialiser, Initialiser::Orthogonal { gain: 2.0 });
}

#[test]
fn a_training_that_does_not_go_with_the_network_is_refused() {
    let told = |text: &str| faults(text).join("\n");
    let wrong = told("[train.loss]\nclass_weights = [1, 2]");
    assert!(wrong.contains("class_weights: 2 class weights for 10 classes"), "{wrong}");
    let wrong = told("[train.loss]\nclass_weights = [1, 0]");
    assert!(wrong.contains("class_weights: 0 is out of range"), "{wrong}");
    let wrong = told("[train.loss]\nkind = \"mean-squared\"\nlabel_smoothing = 0.1");
    assert!(wrong.contains("label_smoothing: there is no such field"), "{wrong}");
    let wrong = told("[train]\nfrozen = [\"0.wight\"]");
    assert!(wrong.contains("is called `0.wight`: did you mean `0.weight`?"), "{wrong}");
    let all = "[network]\npreset = \"tiny-cnn\"\n[train]\nfrozen = [\"0\", \"6\", \"7\"]";
    assert!(told(all).contains("nothing is left to train"), "{}", told(all));
}

#[test]
fn a_schedule_is_a_name_or_a_section_with_its_settings() {
    let schedule = |text: &str| {
        let config = checked(&format!("[train]\n{text}"));
        config.expect("a good config").pipeline.train.schedule
    };
    let cosine = Schedule::Cosine(Cosine::default());
    assert_eq!(schedule("schedule = \"cosine\""), cosine);
    let one_cycle = OneCycle { peak: 0.2, ..OneCycle::default() };
    assert_eq!(schedule("schedule = { peak = 0.2 }"), Schedule::OneCycle(one_cycle));
    let milestones = Milestones { epochs: vec![3, 5], factor: 0.5 };
    let text = "schedule = { kind = \"milestones\", epochs = [3, 5], factor = 0.5 }";
    assert_eq!(schedule(text), Schedule::Milestones(milestones));
    let warm = WarmUp { steps: 10, epochs: 0.5, then: Box::new(cosine) };
    let text = "[train.schedule]\nkind = \"cosine\"\nwarm_up_steps = 10\nwarm_up_epochs = 0.5";
    assert_eq!(schedule(text), Schedule::WarmUp(warm));
}

#[test]
fn a_wrong_schedule_is_refused_where_it_stands() {
    let told = |text: &str| faults(text).join("\n");
    let wrong = told("[train]\nschedule = \"warm-up\"");
    assert!(wrong.contains("train.schedule: `warm-up` is not known"), "{wrong}");
    let wrong = told("[train.schedule]\nkind = \"cosine\"\npeak = 0.5");
    assert!(wrong.contains("train.schedule.peak: there is no such field"), "{wrong}");
    let wrong = told("[train]\nschedule = 3");
    assert!(wrong.contains("train.schedule: must be a section, not a whole number"), "{wrong}");
    let wrong = told("[train]\nema = 1.5\n[train.optimiser]\nkind = \"sgd\"\nnesterov = 1");
    assert!(wrong.contains("train.ema: 1.5 is out of range: choose 0 to 0.999999"), "{wrong}");
    assert!(wrong.contains("nesterov: must be true or false, not a whole number"), "{wrong}");
}

#[test]
fn a_folder_of_pictures_is_relative_to_the_file_and_answers_pictures_as_they_are() {
    let text = "[source]\nkind = \"folder\"\npath = \"pets\"\nfit = \"contain\"\n\
                [preprocess]\nmean = [0.5, 0.4, 0.3]\ndeviation = 0.25\n\
                [augment]\nflip = \"alternating\"\ncrop = 2\ncutout = 8\n\
                [network]\ninput = [32, 32, 3]\n\
                layers = [{ kind = \"flatten\" }, { kind = \"dense\", units = 10 }]";
    let pipeline = checked(text).expect("a good config").pipeline;
    let SourceSettings::Folder { path, fit } = pipeline.source else { panic!("it is a folder") };
    assert_eq!((path, fit), (PathBuf::from("folder/pets"), Some(Fit::Contain)));
    assert_eq!(pipeline.normalise, Normalise::new(vec![0.5, 0.4, 0.3], 0.25));
    let expected = Augmentation {
        flip: Flip::Alternating,
        crop: Crop { pixels: 2, padding: Padding::Reflect },
        cutout: Cutout { side: 8 },
        ..Augmentation::default()
    };
    assert_eq!(pipeline.augmentation, expected);
    assert_eq!((pipeline.predict.invert, pipeline.predict.fit), (Invert::Never, Fit::Stretch));
}

#[test]
fn the_fingerprint_depends_on_what_decides_the_result_and_on_nothing_else() {
    let sha256 = |text: &str| checked(text).expect("a good config").pipeline.config_sha256;
    let plain = sha256("");
    let same = [
        "# a remark",
        "seed = 0x1",
        "[pools]\nworkers = 7\nwindow = 3",
        "[train]\nupdate_slices = 2",
        "[control]\nclients = 3",
        "[state]\ndir = \"x\"",
        "[supervision]\nrestarts_max = 1",
        "[limits]\nsource_bytes = 1000000000",
    ];
    for text in same {
        assert_eq!(sha256(text), plain, "{text}");
    }
    let other = [
        "seed = 2",
        "[train]\nepochs = 2",
        "[train]\ngradient_shards = 2",
        "[train]\nschedule = \"cosine\"",
        "[train.optimiser]\nlearning_rate = 0.002",
        "[train.loss]\nlabel_smoothing = 0.1",
        "[train]\ninitialiser = \"kaiming-normal\"",
        "[train]\nema = 0.9",
        "[augment]\nshift = 1",
        "[augment]\nflip = \"random\"",
        "[augment]\ncutout = 8",
        "[augment]\ncrop_area = 0.5",
        "[augment]\nrand_augment = 2",
        "[augment]\nhue = 20",
        "[augment]\ngrey = 0.1",
        "[augment]\nblur = 1",
        "[augment]\nnoise = 0.1",
        "[augment]\nerase = 0.5",
        "[augment]\nmixup = 0.2",
        "[augment]\ncutmix = 1",
        "[preprocess]\nmean = 0",
        "[preprocess]\nfigures = \"fitted\"",
        "[source]\ntrain_items = 60000",
        "[network]\npreset = \"tiny-cnn\"",
        "[baselines]\nmodels = []",
    ];
    for text in other {
        assert_ne!(sha256(text), plain, "{text}");
    }
    assert_eq!(plain.len(), 64);
}

#[test]
fn class_weights_can_be_balanced_and_a_training_can_begin_with_a_model() {
    let train = |text: &str| checked(text).expect("a good config").pipeline;
    let plain = train("");
    assert!(!plain.train.balance_classes && plain.train.from.is_none());
    let balanced = train("[train.loss]\nclass_weights = \"balanced\"");
    assert!(balanced.train.balance_classes && balanced.train.loss == Loss::default());
    assert_ne!(balanced.config_sha256, plain.config_sha256);
    let tuned = train("[train.from]\nmodel = \"a.safetensors\"\nnew = [\"11\"]");
    let model = PathBuf::from("folder/a.safetensors");
    assert_eq!(tuned.train.from, Some(FromSettings { model, new: vec!["11".to_owned()] }));
    assert_ne!(tuned.config_sha256, plain.config_sha256);
    for (text, told) in [
        ("[train.loss]\nclass_weights = \"balance\"", "did you mean `balanced`?"),
        ("[train.from]\nnew = [\"11\"]", "train.from: needs `model`"),
        ("[train.from]\nmodle = \"x\"\nmodel = \"x\"", "did you mean `model`?"),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].contains(told), "{text}: {faults:?}");
    }
}

#[test]
fn what_is_set_aside_is_read_as_it_is_written_and_refused_where_it_stands() {
    let aside = |text: &str| {
        let config = checked(&format!("[train.validation]\n{text}")).expect(text).pipeline;
        (config.train.validation.expect("some items are set aside"), config.config_sha256)
    };
    assert!(checked("").expect("a good config").pipeline.train.validation.is_none());
    let (share, sha256) = aside("items = 0.2");
    assert_eq!((share.items, share.metric), (Part::Share(0.2), Metric::Accuracy));
    assert!(share.keep_best && share.early_stop.is_none());
    let text = "items = 5000\nmetric = \"loss\"\nkeep_best = false\npatience = 3\nmin_delta = 0.01";
    let (count, other_sha256) = aside(text);
    let stop = EarlyStop { patience: 3, min_delta: 0.01 };
    assert_eq!((count.items, count.early_stop), (Part::Items(5000), Some(stop)));
    assert!(!count.keep_best && sha256 != other_sha256);
    for (text, told) in [
        ("", "train.validation: needs `items`"),
        ("items = 60000", "train.validation.items: sets 60000 of 60000 training items aside"),
        ("items = 0.000001", "train.validation.items: sets 0 of 60000 training items aside"),
        ("items = 1.5", "train.validation.items: 1.5 is out of range"),
        ("items = 59999", "train.batch: 128 items a step, but there are 1 training items"),
        ("items = 9\nmin_delta = 1", "has no meaning without `patience`"),
        ("items = 9\npatience = 0", "train.validation.patience: 0 is out of range"),
        ("items = 9\nmetric = \"acuracy\"", "did you mean `accuracy`?"),
    ] {
        let faults = faults(&format!("[baselines]\nmodels = []\n[train.validation]\n{text}"));
        assert!(faults.len() == 1 && faults[0].contains(told), "{text}: {faults:?}");
    }
}

#[test]
fn no_text_makes_the_checker_panic() {
    let manual = include_str!("../../configs/mnist.toml");
    for end in (0..manual.len()).filter(|end| manual.is_char_boundary(*end)).step_by(7) {
        let _ = checked(&manual[..end]).map_err(|faults| faults.render(false));
    }
    for hostile in [
        "\u{0}",
        "[[[[",
        "a.b.c.d = 1",
        "\u{feff}seed = 1",
        "seed = 1\r\n[train]\r\n",
        "[[network]]",
        "[network]\nlayers = [1, [], {}]\ninput = [99999999999999999999]",
    ] {
        let _ = checked(hostile).map_err(|faults| faults.render(false));
    }
    let _ =
        checked(&format!("seed = {}", "[".repeat(100_000))).map_err(|faults| faults.render(false));
}

#[test]
fn instructions_are_chosen_by_name_and_the_flag_for_common_bits_wins() {
    let isa = |text: &str| checked(text).expect("a good config").pipeline.isa;
    assert_eq!(isa(""), Isa::best());
    assert_eq!(isa("[compute]\ninstructions = \"portable\""), Isa::named("portable").unwrap());
    let wrong = faults("[compute]\ninstructions = \"sse9\"").join("\n");
    assert!(wrong.contains("compute.instructions: `sse9` is not known, or not on"), "{wrong}");
    let flag = LaidValue::text("deterministic");
    let text = "[compute]\ninstructions = \"portable\"";
    let config = with_flag(text, "compute.instructions", "--deterministic-isa", flag);
    assert!(config.expect("a good config").pipeline.isa.has_common_bits());
}

#[test]
fn any_value_is_laid_over_any_key_and_checked_as_if_it_stood_in_the_file() {
    let text = "[network]\ninput = [28, 28, 1]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\", units = 10 }]\n\
                [train]\nschedule = \"cosine\"";
    let set =
        |field: &str, value: &str| with_flag(text, field, "--set", LaidValue::from_argument(value));
    let good = |field: &str, value: &str| set(field, value).expect(value).pipeline;
    assert_eq!(good("train.epochs", "3").train.epochs, 3);
    assert_eq!(good("train.schedule", "constant").train.schedule, Schedule::Constant);
    assert_eq!(good("network.layers[1].units", "12").network.layers[1], Dense::new(12).into());
    assert_eq!(good("state.dir", "x").state_dir, PathBuf::from("folder/x"));
    for (field, value, told) in [
        ("train.epoch", "3", "--set: there is no such field: did you mean `epochs`?"),
        ("trian.epochs", "3", "--set: there is no such field: did you mean `train`?"),
        ("train.epochs", "many", "--set: must be a whole number, not a text"),
        ("train.epochs", "[3", "--set: `[3` is no value of TOML"),
        ("train.epochs.more", "3", "--set: must be a whole number, not a section"),
        ("train.schedule.floor", "0.1", "`floor` would be in what is no section"),
        ("network.layers[7].units", "3", "there is no item 7 in a list of 2"),
        ("network.layers[x]", "3", "is no key"),
        (
            "network.layers[1].kind",
            "dens",
            "--set: no layer is called `dens`: did you mean `dense`?",
        ),
        ("", "3", "is no key"),
        ("train..epochs", "3", "is no key"),
    ] {
        let faults = set(field, value).expect_err(field).to_string();
        assert!(faults.contains(told), "{field}={value}: {faults}");
    }
}
