//! `RawConfig` -> `Config`, or every fault at once.
//!
//! Every key is read here or in the sections' own files, with its default, its range and its place.
//! What spans sections is checked last, and only when the sections themselves are right.

use planaria_baselines::{BASELINES, Baseline};
use planaria_data::{Fit, Invert};
use planaria_learn::{Isa, Network, Shape, Views};
use planaria_stages::{
    PipelineSettings,
    settings::{
        BaselineSettings, CheckpointSettings, EvaluateSettings, NetworkSettings, PredictSettings,
        SourceSettings,
    },
};
use std::{collections::BTreeMap, env, path::PathBuf};

use super::{
    Config, ControlSettings, augment, cache, clean, data, drift,
    explain::DataFacts,
    fault::Faults,
    fingerprint,
    load::RawConfig,
    loss, network, overlay, pools,
    section::{Reading, Section},
    source, training,
};
use crate::{
    doors::{control_socket::ControlLimits, socket_path},
    jobs::JobSettings,
};

/// Checks everything.
///
/// # Errors
/// `Faults`: all that is wrong, in the order of the file.
pub fn check(raw: &RawConfig) -> Result<Config, Faults> {
    let reading = Reading::new(raw);
    let Some(table) = overlay::table(&reading) else {
        // Half a file would only give faults that are not the person's.
        return reading.finish(()).map(|()| unreachable!("there is at least one fault"));
    };
    let mut root = Section::root(&reading, &table);
    let mut config = read(&reading, &mut root);
    root.finish();
    if reading.count() == 0 {
        check_across(&reading, &config);
    }
    config.pipeline.config = fingerprint::canonical(&config.pipeline);
    config.pipeline.config_sha256 = fingerprint::config_sha256(&config.pipeline);
    reading.finish(config)
}

/// Reads every section; faults go to `reading`, their fields to the defaults.
fn read(reading: &Reading<'_>, root: &mut Section<'_>) -> Config {
    let seed = root.whole("seed", 1, 0..=u64::MAX);
    let mut source_section = root.section("source");
    let source = source::read(&mut source_section);
    let train_items = source_section.whole_or_none("train_items", 1..=u64::MAX);
    let test_items = source_section.whole_or_none("test_items", 1..=u64::MAX);
    source_section.finish();
    let network = network::read(reading, root.section("network"));
    let is_drawings = !source.is_pictures() && channels(&network) == Some(1);
    let (normalise, fit_normalise) = data::normalise(root.section("preprocess"), network.input);
    let supervision = pools::read_supervision(root.section("supervision"));
    let (pools, autoscale) = pools::read(root.section("pools"), supervision.restarts);
    let pipeline = PipelineSettings {
        seed,
        config_sha256: String::new(),
        config: String::new(),
        source,
        train_items,
        test_items,
        limits: data::limits(root.section("limits")),
        normalise,
        fit_normalise,
        clean: clean::read(root),
        quarantine: clean::quarantine(root.section("quarantine")),
        augmentation: augment::augmentation(root.section("augment")),
        train: training::read(root.section("train")),
        evaluate: evaluate(root.section("evaluate")),
        checkpoint: checkpoint(root.section("checkpoint")),
        cache: cache::read(root.section("cache")),
        resume: None,
        baselines: baselines(root.section("baselines")),
        predict: predict(root.section("predict"), is_drawings, network.input),
        drift: drift::read(root.section("drift")),
        network,
        pools,
        autoscale,
        isa: instructions(root.section("compute")),
        supervision,
        state_dir: state_dir(root.section("state")),
    };
    Config { pipeline, control: control(root.section("control")), jobs: jobs(root.section("jobs")) }
}

/// `[compute]`.
fn instructions(mut section: Section<'_>) -> Isa {
    let instructions = section.text("instructions");
    let name = instructions.as_deref().unwrap_or("fastest");
    let isa = match name {
        "fastest" => Some(Isa::best()),
        "deterministic" => Some(Isa::deterministic()),
        name => Isa::named(name),
    };
    if isa.is_none() {
        let here: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
        let message = format!(
            "`{name}` is not known, or not on this CPU: choose \"fastest\", \"deterministic\" or one \
             of {}",
            here.join(", ")
        );
        section.fault("instructions", message);
    }
    section.finish();
    isa.unwrap_or(Isa::best())
}

fn evaluate(mut section: Section<'_>) -> EvaluateSettings {
    let settings = EvaluateSettings {
        every_epochs: section.whole("every_epochs", 1, 1..=100_000),
        every_steps: section.whole_or_none("every_steps", 1..=u64::MAX),
        block: section.whole("block", 100, 1..=100_000),
    };
    section.finish();
    settings
}

/// One model of each library, and both quick.
const DEFAULT_BASELINES: [&str; 2] = ["linfa-logistic-regression", "smartcore-random-forest"];

fn baselines(mut section: Section<'_>) -> BaselineSettings {
    let default = || DEFAULT_BASELINES.map(str::to_owned).into();
    let models = section.texts("models").unwrap_or_else(default);
    for (index, model) in models.iter().enumerate() {
        if Baseline::find(model).is_none() {
            let hint = super::nearest::hint(model, BASELINES.iter().map(|known| known.key));
            section.fault("models", format!("no baseline is called `{model}`{hint}"));
        }
        if models[..index].contains(model) {
            section.fault("models", format!("`{model}` is named twice: keep one"));
        }
    }
    let train_rows = section.whole("train_rows", 10_000, 100..=10_000_000);
    section.finish();
    BaselineSettings { models, train_rows }
}

/// Channels of the images that a network takes; none when a fault has left it without.
fn channels(network: &NetworkSettings) -> Option<usize> {
    match network.input {
        Shape::Image { c, .. } => Some(c),
        Shape::Sequence { .. } | Shape::Features(_) => None,
    }
}

fn checkpoint(mut section: Section<'_>) -> CheckpointSettings {
    let otherwise = CheckpointSettings::default();
    let settings = CheckpointSettings {
        every_epochs: section.whole("every_epochs", otherwise.every_epochs, 0..=100_000),
        every_steps: section.whole_or_none("every_steps", 1..=u64::MAX),
        keep: section.whole("keep", otherwise.keep, 0..=1_000_000),
    };
    section.finish();
    settings
}

/// Drawings are made to look like MNIST's; pictures in colour, and of a folder, have been learnt as they are.
fn predict(mut section: Section<'_>, is_drawings: bool, input: Shape) -> PredictSettings {
    let inverts = [("auto", Invert::Auto), ("never", Invert::Never), ("always", Invert::Always)];
    let fits = [
        ("stretch", Fit::Stretch),
        ("contain", Fit::Contain),
        ("cover", Fit::Cover),
        ("centre", Fit::Centre),
    ];
    let (invert, fit) =
        if is_drawings { (Invert::Auto, Fit::Centre) } else { (Invert::Never, Fit::Stretch) };
    let settings = PredictSettings {
        invert: section.choice("invert", invert, &inverts),
        fit: section.choice("fit", fit, &fits),
        capacity: section.whole("capacity", 256, 1..=65_536),
        deadline_ms: section.duration("deadline", 120_000, 10..=3_600_000),
        views: views(&mut section, input),
    };
    section.finish();
    settings
}

/// How often a picture is looked at: `[predict.views]`.
fn views(predict: &mut Section<'_>, input: Shape) -> Views {
    let mut section = predict.section("views");
    let views =
        Views { mirror: section.truth("mirror", false), shift: section.whole("shift", 0, 0..=64) };
    if let Err(reason) = views.check(input) {
        section.own_fault(reason);
    }
    section.finish();
    views
}

fn control(mut section: Section<'_>) -> ControlSettings {
    let socket = section.path("socket").unwrap_or_else(socket_path::default_path);
    if let Err(error) = socket_path::check_length(&socket) {
        section.fault("socket", error.to_string());
    }
    let limits = ControlLimits {
        line_bytes: section.whole("line_bytes", 32 << 20, 4096..=1 << 30),
        clients: section.whole("clients", 64, 1..=4096),
        idle_ms: section.duration("idle_max", 600_000, 100..=24 * 3_600_000),
        line_ms: section.duration("line_max", 30_000, 100..=3_600_000),
    };
    section.finish();
    ControlSettings { socket, limits }
}

/// `[jobs]`.
fn jobs(mut section: Section<'_>) -> JobSettings {
    let settings = JobSettings {
        queue_max: section.whole("queue_max", 1000, 1..=1_000_000),
        keep: section.whole("keep", 10_000, 1..=10_000_000),
        deaths_max: section.whole("deaths_max", 3, 1..=1000),
        drain_ms: section.duration("drain_max", 30_000, 100..=24 * 3_600_000),
    };
    section.finish();
    settings
}

fn state_dir(mut section: Section<'_>) -> PathBuf {
    let dir = section.path("dir");
    section.finish();
    dir.unwrap_or_else(default_state_dir)
}

/// `$XDG_STATE_HOME/planaria`, else `~/.local/state/planaria`, else `planaria-state` where we are.
fn default_state_dir() -> PathBuf {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match (absolute("XDG_STATE_HOME"), absolute("HOME")) {
        (Some(state), _) => state.join("planaria"),
        (None, Some(home)) => home.join(".local/state/planaria"),
        (None, None) => PathBuf::from("planaria-state"),
    }
}

/// What no section can see alone.
fn check_across(reading: &Reading<'_>, config: &Config) {
    let pipeline = &config.pipeline;
    let (lines, images) = (config.control.limits.line_bytes, pipeline.limits.image_bytes);
    // Base64 makes four bytes of three; a kilobyte is for the rest of the line.
    let needed = images.div_ceil(3) * 4 + 1024;
    if lines < needed {
        let message = format!(
            "{lines} is too little for a picture of `limits.image_bytes` ({images}): \
             choose at least {needed}, or smaller pictures"
        );
        reading.fault("control.line_bytes", message);
    }
    if pipeline.predict.fit == Fit::Centre && channels(&pipeline.network) != Some(1) {
        let message = "\"centre\" is for drawings in grey: choose \"contain\" or \"stretch\" for \
                       images in colour";
        reading.fault("predict.fit", message);
    }
    if let Ok(network) = Network::new(pipeline.network.input, &pipeline.network.layers) {
        loss::check(reading, &pipeline.train, &network);
    }
    if let SourceSettings::Mnist = pipeline.source {
        for (field, message) in against_data(pipeline, &DataFacts::MNIST) {
            reading.fault(field, message);
        }
    }
}

/// What does not fit the data: the field and what is wrong with it.
pub(super) fn against_data(
    settings: &PipelineSettings,
    data: &DataFacts,
) -> BTreeMap<&'static str, String> {
    let mut faults = BTreeMap::new();
    let (input, items) = (settings.network.input, data.shape);
    if input != items {
        let what = match items {
            Shape::Features(_) => "rows have",
            Shape::Image { .. } | Shape::Sequence { .. } => "images are",
        };
        faults.insert("network.input", format!("is {input}, but the {what} {items}"));
    }
    if matches!(items, Shape::Features(_)) && !settings.augmentation.is_identity() {
        let message = "has no meaning for rows of numbers: leave the section out";
        faults.insert("augment", message.to_owned());
    }
    if let (Shape::Features(_), Some(clean)) = (items, &settings.clean) {
        faults.extend(
            clean::for_pictures(clean).map(|field| {
                (field, "has no meaning for rows of numbers: leave it out".to_owned())
            }),
        );
    }
    let splits = [
        ("source.train_items", settings.train_items, data.train_items),
        ("source.test_items", settings.test_items, data.test_items),
    ];
    for (field, wanted, there) in splits {
        if let Some(wanted) = wanted.filter(|wanted| *wanted > there) {
            faults.insert(field, format!("{wanted} items, but the source has {there}"));
        }
    }
    let train_items = settings.train_items.unwrap_or(data.train_items).min(data.train_items);
    let aside = settings.train.validation.map_or(0, |validation| validation.items.of(train_items));
    if settings.train.validation.is_some() && (aside == 0 || aside >= train_items) {
        let message = format!(
            "sets {aside} of {train_items} training items aside: at least one must be on either side"
        );
        faults.insert("train.validation.items", message);
        return faults;
    }
    let train_items = train_items - aside;
    let last_batch = settings.train.sampling.last_batch;
    if last_batch.steps(train_items, settings.train.batch as u64) == 0 {
        let batch = settings.train.batch;
        let message = format!("{batch} items a step, but there are {train_items} training items");
        faults.insert("train.batch", message);
    }
    if settings.baselines.train_rows as u64 > train_items && !settings.baselines.models.is_empty() {
        let rows = settings.baselines.train_rows;
        let message = format!("{rows} rows, but there are {train_items} training items");
        faults.insert("baselines.train_rows", message);
    }
    faults
}
