//! `[train.loss]` and `train.initialiser`: what a training makes small, and where it begins.

use planaria_learn::{
    INITIALISERS, Initialiser, LOSSES, Loss, Network,
    loss::{BinaryCrossEntropy, CrossEntropy, MeanSquared},
};
use planaria_stages::settings::TrainSettings;

use super::section::{Reading, Section};

/// Reads `[train.loss]`: the loss, and whether its class weights are to come from the data.
pub(super) fn read(mut section: Section<'_>) -> (Loss, bool) {
    let is_balanced = section.is_text("class_weights");
    let kind: fn() -> Loss = Loss::default;
    let loss = match section.choice("kind", kind, &LOSSES)() {
        Loss::CrossEntropy(CrossEntropy { .. }) => Loss::CrossEntropy(CrossEntropy {
            label_smoothing: section.real("label_smoothing", 0.0, 0.0..=1.0) as f32,
            class_weights: class_weights(&mut section),
        }),
        Loss::MeanSquared(MeanSquared {}) => Loss::MeanSquared(MeanSquared {}),
        Loss::BinaryCrossEntropy(BinaryCrossEntropy {}) => {
            Loss::BinaryCrossEntropy(BinaryCrossEntropy {})
        }
    };
    section.finish();
    (loss, is_balanced)
}

/// The weights as they are listed; none of them when they are to come from the data.
fn class_weights(section: &mut Section<'_>) -> Option<Vec<f32>> {
    if section.is_text("class_weights") {
        section.choice("class_weights", (), &[("balanced", ())]);
        return None;
    }
    let weights = section.reals("class_weights", 1e-6..=1e6)?;
    Some(weights.into_iter().map(|weight| weight as f32).collect())
}

/// Reads `initialiser` of `[train]`: a name, or a section with its settings.
pub(super) fn initialiser(train: &mut Section<'_>) -> Initialiser {
    let kind: fn() -> Initialiser = Initialiser::default;
    if train.is_text("initialiser") {
        return train.choice("initialiser", kind, &INITIALISERS)();
    }
    let mut section = train.section("initialiser");
    let initialiser = match section.choice("kind", kind, &INITIALISERS)() {
        Initialiser::Normal { .. } => {
            Initialiser::Normal { deviation: section.real("deviation", 0.02, 0.0..=10.0) as f32 }
        }
        Initialiser::TruncatedNormal { .. } => Initialiser::TruncatedNormal {
            deviation: section.real("deviation", 0.02, 0.0..=10.0) as f32,
        },
        Initialiser::Orthogonal { .. } => {
            Initialiser::Orthogonal { gain: section.real("gain", 1.0, 0.0..=100.0) as f32 }
        }
        Initialiser::Constant { .. } => {
            Initialiser::Constant { value: section.real("value", 0.0, -100.0..=100.0) as f32 }
        }
        plain => plain,
    };
    section.finish();
    initialiser
}

/// Records what does not go with the network: class weights, and names of frozen tensors.
pub(super) fn check(reading: &Reading<'_>, train: &TrainSettings, network: &Network) {
    if let Err(error) = train.loss.check(network.classes()) {
        reading.fault("train.loss.class_weights", error.to_string());
    }
    if let Some(name) = train.update.unknown_frozen(network) {
        let names = network.parameters().iter().map(|spec| spec.name.as_str());
        let hint = super::nearest::hint(name, names);
        let message = format!("no layer or tensor of the network is called `{name}`{hint}");
        reading.fault("train.frozen", message);
    } else if !train.update.moves_something(network) {
        reading.fault("train.frozen", "nothing is left to train: take one out");
    }
}
