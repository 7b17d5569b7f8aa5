//! `planaria export`: a model for other programs.

use planaria_learn::{
    ModelFile, Network,
    model_file::{self, Packing, Precision, npz, onnx},
};
use std::path::Path;

use super::{
    CommandError,
    measure::Measure,
    model_files::{Format, counted, in_model, open, save},
};
use crate::{cli::ExportArgs, views};

/// Writes a saved model in another format.
pub(super) fn export(args: &ExportArgs) -> Result<(), CommandError> {
    let format = Format::chosen(args.format, &args.out)?;
    let precision = Precision::from(args.precision);
    let is_plain = precision == Precision::F32 && args.measure.is_none();
    if format != Format::Safetensors && !is_plain {
        return Err(CommandError::PrecisionOfFormat { path: args.out.clone() });
    }
    let measure = args.measure.as_deref().map(Measure::by_config).transpose()?;
    let (network, file) = open(&args.model)?;
    let parameters = &file.parameters;
    let bytes = encoded(&args.model, (&network, &file), format, precision)?;
    save(&args.out, &bytes)?;
    let rounded: Vec<f32> = parameters.iter().map(|value| precision.rounded(*value)).collect();
    let what = counted(&network, &rounded);
    views::answer(&format!("{}: {what}", args.out.display()))?;
    match measure {
        Some(measure) => measure.compare(&args.model, &args.out),
        None => Ok(()),
    }
}

/// The bytes of a model in another format.
pub(crate) fn encoded(
    path: &Path,
    (network, file): (&Network, &ModelFile),
    format: Format,
    precision: Precision,
) -> Result<Vec<u8>, CommandError> {
    let mut metadata = file.metadata.clone();
    // What is exported computes with floats.
    metadata.remove(model_file::INT8);
    let parameters = &file.parameters;
    let wrong = |error| in_model(path, error);
    match format {
        Format::Safetensors => model_file::encode_as(network, parameters, &metadata, precision)
            .map_err(|error| wrong(error.into())),
        Format::Onnx => {
            onnx::encode(network, parameters, &metadata).map_err(|error| wrong(error.into()))
        }
        Format::Npz => npz::encode_parameters(Packing::Deflated, network, parameters)
            .map_err(|error| wrong(error.into())),
    }
}
