//! `[network]`: a preset, or layers one by one.

use planaria_learn::{LAYERS, LayerSpec, Network, PRESETS, Shape, ShapeError};
use planaria_stages::settings::NetworkSettings;

use super::{
    nearest,
    section::{Reading, Section},
};

/// The preset of a config that names none.
const DEFAULT_PRESET: &str = "mnist-cnn";

/// Layers that a network may have.
const LAYERS_MAX: usize = 1000;

/// Reads `[network]` and proves that its layers fit together.
pub(super) fn read(reading: &Reading<'_>, mut section: Section<'_>) -> NetworkSettings {
    let faults_before = reading.count();
    let is_custom = section.has("layers") || section.has("input");
    let preset = section.text("preset");
    let input = section.wholes("input", 1..=4096);
    let layers = section.list("layers");
    let settings = if is_custom {
        if preset.is_some() {
            section.fault("preset", "excludes `input` and `layers`: keep the one or the others");
        }
        custom(&section, input, layers)
    } else {
        named(&section, preset.as_deref().unwrap_or(DEFAULT_PRESET))
    };
    section.finish();
    if reading.count() == faults_before
        && let Err(error) = Network::new(settings.input, &settings.layers)
    {
        reading.fault(&field_of(&error, is_custom), error.to_string());
    }
    settings
}

/// What a preset is, whether or not it is known: a fault has been recorded when it is not.
fn named(section: &Section<'_>, name: &str) -> NetworkSettings {
    let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap_or_else(|| {
        let hint = nearest::hint(name, PRESETS.iter().map(|preset| preset.name));
        section.fault("preset", format!("no network is called `{name}`{hint}"));
        &PRESETS[0]
    });
    let layers = (preset.layers)();
    NetworkSettings { name: preset.name.into(), input: preset.input, layers }
}

fn custom(
    section: &Section<'_>,
    input: Option<Vec<usize>>,
    layers: Option<Vec<Section<'_>>>,
) -> NetworkSettings {
    let input = match input.as_deref() {
        Some(&[h, w, c]) => Shape::Image { h, w, c },
        Some(&[features]) => Shape::Features(features),
        Some(_) => {
            section.fault("input", "must be [height, width, channels], or [features]");
            Shape::Features(1)
        }
        None => {
            // A wrong `input` has had its fault already.
            if !section.has("input") {
                section.fault("layers", "need `input = [height, width, channels]` beside them");
            }
            Shape::Features(1)
        }
    };
    let sections = layers.unwrap_or_else(|| {
        section.fault("input", "needs `layers` beside it");
        Vec::new()
    });
    if sections.len() > LAYERS_MAX {
        let message = format!("{} layers: there may be {LAYERS_MAX}", sections.len());
        section.fault("layers", message);
    }
    let layers = sections.into_iter().take(LAYERS_MAX).filter_map(layer).collect();
    NetworkSettings { name: "custom".into(), input, layers }
}

/// One layer, or `None` after a fault.
fn layer(mut section: Section<'_>) -> Option<LayerSpec> {
    let Some(kind) = section.text("kind") else {
        if !section.has("kind") {
            section.own_fault(format!("needs a `kind`: one of {}", LAYERS.join(", ")));
        }
        return None;
    };
    if !LAYERS.contains(&&*kind) {
        let hint = nearest::hint(&kind, LAYERS.iter().copied());
        section.fault("kind", format!("no layer is called `{kind}`{hint}"));
        return None;
    }
    section.read_whole()
}

/// The field that a person must change to make the shapes fit.
fn field_of(error: &ShapeError, is_custom: bool) -> String {
    if !is_custom {
        return "network.preset".into();
    }
    match error {
        ShapeError::Empty => "network.layers".into(),
        ShapeError::EmptyInput { .. } => "network.input".into(),
        // A layer within another is the outer one's matter.
        ShapeError::Layer { layer, .. } => {
            let number = layer.split('.').next().unwrap_or(layer);
            format!("network.layers[{number}]")
        }
    }
}
