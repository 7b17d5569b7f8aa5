//! `planaria export`: a model for other programs.

use planaria_learn::model_file::{self, Packing, npz, onnx};

use super::{
    CommandError,
    model_files::{Format, counted, in_model, open, save},
};
use crate::{cli::ExportArgs, views};

/// Writes a saved model in another format.
pub(super) fn export(args: &ExportArgs) -> Result<(), CommandError> {
    let format = Format::chosen(args.format, &args.out)?;
    let (network, file) = open(&args.model)?;
    let parameters = &file.parameters;
    let wrong = |error| in_model(&args.model, error);
    let bytes = match format {
        Format::Safetensors => model_file::encode(&network, parameters, &file.metadata)
            .map_err(|error| wrong(error.into()))?,
        Format::Onnx => onnx::encode(&network, parameters, &file.metadata)
            .map_err(|error| wrong(error.into()))?,
        Format::Npz => npz::encode_parameters(Packing::Deflated, &network, parameters)
            .map_err(|error| wrong(error.into()))?,
    };
    save(&args.out, &bytes)?;
    let what = counted(&network, parameters);
    Ok(views::answer(&format!("{}: {what}", args.out.display()))?)
}
