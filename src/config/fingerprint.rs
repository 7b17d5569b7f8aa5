//! The SHA-256 of all that decides the result of a run.
//!
//! Two files that mean the same have the same fingerprint, however they are written; paths,
//! sockets, pools, supervision and limits are left out, because no result depends on them. Which
//! bytes lie at a source's paths is not part of it either: a model keeps its training data's own
//! SHA-256 beside this one.

use planaria_stages::{PipelineSettings, settings::SamplingSettings};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// It changes when the same settings come to mean something else.
const FORMAT: &str = "planaria config 1";

/// The fingerprint in lower-case hex.
pub fn config_sha256(settings: &PipelineSettings) -> String {
    let digest = Sha256::digest(canonical(settings).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line for each group of settings, always in this order.
pub fn canonical(settings: &PipelineSettings) -> String {
    let source = settings.source.canonical();
    let train = &settings.train;
    let lines = [
        line("format", &FORMAT),
        line("seed", &settings.seed),
        line("source", &(source, settings.train_items, settings.test_items)),
        match settings.fit_normalise {
            true => line("normalise", &"fitted"),
            false => line("normalise", &settings.normalise),
        },
        line("augment", &settings.augmentation),
        line("network", &(settings.network.input, &settings.network.layers)),
        line("train", &(train.epochs, train.batch, train.gradient_shards)),
        line("update", &train.update),
        line("schedule", &train.schedule),
        line("loss", &train.loss),
        line("initialiser", &train.initialiser),
        line("evaluate", &settings.evaluate.every_steps),
        line("baselines", &(&settings.baselines.models, settings.baselines.train_rows)),
        line("predict", &(settings.predict.invert, settings.predict.fit)),
    ];
    // A config without these means what it has always meant.
    let later = [
        train.validation.map(|validation| line("validation", &validation)),
        train.balance_classes.then(|| line("class_weights", &"balanced")),
        (train.sampling != SamplingSettings::default()).then(|| line("sampling", &train.sampling)),
        train.from.as_ref().map(|from| line("from", &from.new)),
        settings.clean.as_ref().map(|clean| line("clean", clean)),
        (settings.evaluate.every_epochs > 1)
            .then(|| line("evaluated_epochs", &settings.evaluate.every_epochs)),
        (!settings.predict.views.is_one()).then(|| line("views", &settings.predict.views)),
    ];
    lines.into_iter().chain(later.into_iter().flatten()).collect()
}

/// A group and its values as JSON; fields come in the order of their declaration.
fn line(group: &str, values: &impl Serialize) -> String {
    let json = serde_json::to_string(values)
        .expect("settings are numbers, texts and lists, and all of them are JSON");
    format!("{group} {json}\n")
}
