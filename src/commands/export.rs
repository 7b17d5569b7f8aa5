//! `planaria export`: a model for other programs.

use planaria_learn::model_file::{self, Packing, Precision, npz, onnx};

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
    let (network, mut file) = open(&args.model)?;
    // What is exported computes with floats.
    file.metadata.remove(model_file::INT8);
    let parameters = &file.parameters;
    let wrong = |error| in_model(&args.model, error);
    let bytes = match format {
        Format::Safetensors => {
            model_file::encode_as(&network, parameters, &file.metadata, precision)
                .map_err(|error| wrong(error.into()))?
        }
        Format::Onnx => onnx::encode(&network, parameters, &file.metadata)
            .map_err(|error| wrong(error.into()))?,
        Format::Npz => npz::encode_parameters(Packing::Deflated, &network, parameters)
            .map_err(|error| wrong(error.into()))?,
    };
    save(&args.out, &bytes)?;
    let rounded: Vec<f32> = parameters.iter().map(|value| precision.rounded(*value)).collect();
    let what = counted(&network, &rounded);
    views::answer(&format!("{}: {what}", args.out.display()))?;
    match measure {
        Some(measure) => measure.compare(&args.model, &args.out),
        None => Ok(()),
    }
}
