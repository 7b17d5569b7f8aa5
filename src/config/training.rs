//! `[train]`: how the network is trained.

use planaria_learn::{Optimiser, Schedule};
use planaria_stages::settings::TrainSettings;

use super::section::Section;

/// The kinds of optimiser that `[train.optimiser]` can name.
#[derive(Clone, Copy)]
enum Kind {
    Sgd,
    Adam,
}

/// Reads `[train]` and `[train.optimiser]`.
pub(super) fn read(mut section: Section<'_>) -> TrainSettings {
    let schedules = [
        ("constant", Schedule::Constant),
        ("cosine", Schedule::Cosine),
        ("one-cycle", Schedule::OneCycle),
    ];
    let settings = TrainSettings {
        epochs: section.whole("epochs", 10, 1..=100_000),
        batch: section.whole("batch", 128, 1..=65_536),
        gradient_shards: section.whole("gradient_shards", 4, 1..=1024),
        update_slices: section.whole("update_slices", 4, 1..=1024),
        schedule: section.choice("schedule", Schedule::OneCycle, &schedules),
        optimiser: optimiser(section.section("optimiser")),
    };
    if settings.gradient_shards > settings.batch {
        let (shards, batch) = (settings.gradient_shards, settings.batch);
        let message = format!("{shards} shards of a batch of {batch}: choose 1 to {batch}");
        section.fault("gradient_shards", message);
    }
    section.finish();
    settings
}

fn optimiser(mut section: Section<'_>) -> Optimiser {
    let rates = 1e-9..=1000.0;
    let kinds = [("sgd", Kind::Sgd), ("adam", Kind::Adam)];
    let optimiser = match section.choice("kind", Kind::Adam, &kinds) {
        Kind::Sgd => Optimiser::Sgd {
            learning_rate: section.real("learning_rate", 0.01, rates) as f32,
            momentum: section.real("momentum", 0.9, 0.0..=0.9999) as f32,
        },
        Kind::Adam => Optimiser::Adam {
            learning_rate: section.real("learning_rate", 0.001, rates) as f32,
            beta1: section.real("beta1", 0.9, 0.0..=0.9999) as f32,
            beta2: section.real("beta2", 0.999, 0.0..=0.999_999) as f32,
            epsilon: section.real("epsilon", 1e-8, 1e-12..=1.0) as f32,
        },
    };
    section.finish();
    optimiser
}
