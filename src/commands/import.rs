//! `planaria import`: a model of another program, made one of ours.

use planaria_data::{Fit, Invert};
use planaria_learn::{ModelFile, Network, Shape, model_file, model_file::npz, model_file::onnx};
use planaria_stages::{CLASS_NAMES, PREPROCESSING, Preprocessing};
use serde_json::{Map, Value, json};

use super::{
    CommandError,
    model_files::{Format, counted, in_model, open, read, save},
};
use crate::{cli::ImportArgs, views};

/// Reads a file of another program and writes it as a model.
pub(super) fn import(args: &ImportArgs) -> Result<(), CommandError> {
    if Format::of(&args.out)? != Format::Safetensors {
        return Err(CommandError::NoModelEnding { path: args.out.clone() });
    }
    let (network, mut file) = imported(args)?;
    let channels = match network.input() {
        Shape::Image { c, .. } => c,
        Shape::Sequence { .. } | Shape::Features(_) => 1,
    };
    for (flag, found) in [("mean", args.mean.len()), ("deviation", args.deviation.len())] {
        if found > 1 && found != channels {
            return Err(CommandError::Channels { flag, found, channels });
        }
    }
    let preprocessing = preprocessing(args, file.metadata.get(PREPROCESSING))?;
    file.metadata.insert(PREPROCESSING.to_owned(), preprocessing.clone());
    let bytes = model_file::encode(&network, &file.parameters, &file.metadata)
        .map_err(|error| in_model(&args.file, error.into()))?;
    save(&args.out, &bytes)?;
    let what = counted(&network, &file.parameters);
    let out = args.out.display();
    Ok(views::answer(&format!("{out}: {what}\npreprocessing {preprocessing}"))?)
}

/// The net, its parameters and what the file or the model beside it says of them.
fn imported(args: &ImportArgs) -> Result<(Network, ModelFile), CommandError> {
    let format = Format::of(&args.file)?;
    if format == Format::Onnx {
        let bytes = read(&args.file)?;
        return onnx::decode(&bytes).map_err(|error| in_model(&args.file, error.into()));
    }
    let Some(net) = &args.net else {
        return Err(CommandError::WhichNet { path: args.file.clone() });
    };
    let (network, of_net) = open(net)?;
    let bytes = read(&args.file)?;
    let parameters = match format {
        Format::Npz => npz::decode_parameters(&network, &bytes)
            .map_err(|error| in_model(&args.file, error.into()))?,
        Format::Safetensors | Format::Onnx => model_file::decode_parameters(&network, &bytes)
            .map_err(|error| in_model(&args.file, error.into()))?,
    };
    let mut metadata = of_net.metadata;
    // What else it says is of its own weights.
    metadata.retain(|key, _| [PREPROCESSING, CLASS_NAMES].contains(&key.as_str()));
    Ok((network, ModelFile { metadata, parameters }))
}

/// How pictures are preprocessed: as the flags say, else as the file does, else not at all.
fn preprocessing(args: &ImportArgs, stored: Option<&String>) -> Result<String, CommandError> {
    let unusable = |error: serde_json::Error| in_model(&args.file, error.into());
    let mut settings: Map<String, Value> = match stored {
        Some(text) => serde_json::from_str(text).map_err(unusable)?,
        None => Map::new(),
    };
    let flags = [
        ("mean", numbers(&args.mean), json!(0.0)),
        ("deviation", numbers(&args.deviation), json!(1.0)),
        ("invert", args.invert.map(|flag| json!(Invert::from(flag))), json!(Invert::Never)),
        ("fit", args.fit.map(|flag| json!(Fit::from(flag))), json!(Fit::Stretch)),
    ];
    for (key, flag, default) in flags {
        let value = flag.or_else(|| settings.remove(key)).unwrap_or(default);
        settings.insert(key.to_owned(), value);
    }
    let checked: Preprocessing =
        serde_json::from_value(Value::Object(settings)).map_err(unusable)?;
    serde_json::to_string(&checked).map_err(unusable)
}

/// One number for all channels, or one for each.
fn numbers(flag: &[f32]) -> Option<Value> {
    match flag {
        [] => None,
        [one] => Some(json!(one)),
        several => Some(json!(several)),
    }
}
