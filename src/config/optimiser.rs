//! `[train.optimiser]`, and what goes for every optimiser: clipping and the average of the weights.

use planaria_learn::{Adam, AdamW, OPTIMISERS, Optimiser, Sgd, Update};

use super::section::Section;

/// Reads the keys of `[train]` that say how a step moves the parameters.
pub(super) fn read(train: &mut Section<'_>) -> Update {
    Update {
        clip_norm: train.real_or_none("clip_norm", 1e-6..=1e6).map(|norm| norm as f32),
        ema: train.real_or_none("ema", 0.0..=0.999_999).map(|ema| ema as f32),
        frozen: train.texts("frozen").unwrap_or_default(),
        optimiser: optimiser(train.section("optimiser")),
    }
}

fn optimiser(mut section: Section<'_>) -> Optimiser {
    let kinds = OPTIMISERS.map(|(name, optimiser)| (name, optimiser()));
    let optimiser = match section.choice("kind", Optimiser::Adam(Adam::default()), &kinds) {
        Optimiser::Sgd(sgd) => Optimiser::Sgd(Sgd {
            learning_rate: rate(&mut section, sgd.learning_rate),
            momentum: section.real("momentum", 0.9, 0.0..=0.9999) as f32,
            nesterov: section.truth("nesterov", sgd.nesterov),
            weight_decay: decay(&mut section, sgd.weight_decay),
            decay_all: section.truth("decay_all", sgd.decay_all),
        }),
        Optimiser::Adam(adam) => Optimiser::Adam(self::adam(&mut section, adam)),
        Optimiser::AdamW(AdamW { weight_decay, .. }) => {
            let adam = adam(&mut section, Adam { weight_decay, ..Adam::default() });
            let Adam { learning_rate, beta1, beta2, epsilon, weight_decay, decay_all } = adam;
            Optimiser::AdamW(AdamW {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                decay_all,
            })
        }
    };
    section.finish();
    optimiser
}

fn adam(section: &mut Section<'_>, default: Adam) -> Adam {
    Adam {
        learning_rate: rate(section, default.learning_rate),
        beta1: section.real("beta1", 0.9, 0.0..=0.9999) as f32,
        beta2: section.real("beta2", 0.999, 0.0..=0.999_999) as f32,
        epsilon: section.real("epsilon", 1e-8, 1e-12..=1.0) as f32,
        weight_decay: decay(section, default.weight_decay),
        decay_all: section.truth("decay_all", default.decay_all),
    }
}

fn rate(section: &mut Section<'_>, default: f32) -> f32 {
    let rate = section.real_or_none("learning_rate", 1e-9..=1000.0);
    rate.map_or(default, |rate| rate as f32)
}

fn decay(section: &mut Section<'_>, default: f32) -> f32 {
    section.real_or_none("weight_decay", 0.0..=10.0).map_or(default, |decay| decay as f32)
}
