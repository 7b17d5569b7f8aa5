//! `[train]`: how the network is trained.

use planaria_stages::settings::{FromSettings, TrainSettings};

use super::{loss, optimiser, sampling, schedule, section::Section, validation};

/// Reads `[train]` and the sections in it.
pub(super) fn read(mut section: Section<'_>) -> TrainSettings {
    let (loss, balance_classes) = loss::read(section.section("loss"));
    let settings = TrainSettings {
        epochs: section.whole("epochs", 10, 1..=100_000),
        batch: section.whole("batch", 128, 1..=65_536),
        gradient_shards: section.whole("gradient_shards", 4, 1..=1024),
        update_slices: section.whole("update_slices", 4, 1..=1024),
        schedule: schedule::read(&mut section),
        update: optimiser::read(&mut section),
        initialiser: super::loss::initialiser(&mut section),
        loss,
        balance_classes,
        from: from(&mut section),
        validation: validation::read(&mut section),
        sampling: sampling::read(&mut section),
    };
    if settings.gradient_shards > settings.batch {
        let (shards, batch) = (settings.gradient_shards, settings.batch);
        let message = format!("{shards} shards of a batch of {batch}: choose 1 to {batch}");
        section.fault("gradient_shards", message);
    }
    section.finish();
    settings
}

/// Reads `[train.from]`: the saved model to begin with.
fn from(train: &mut Section<'_>) -> Option<FromSettings> {
    let is_there = train.has("from");
    let mut section = train.section("from");
    let model = section.path("model");
    if is_there && !section.has("model") {
        section.own_fault("needs `model`: the path of a saved model");
    }
    let new = section.texts("new").unwrap_or_default();
    section.finish();
    model.map(|model| FromSettings { model, new })
}
