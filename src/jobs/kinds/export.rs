//! `export`: a model in another format.

use planaria_learn::{model_file::Precision, weights_sha256};
use serde_json::json;

use super::{Failure, Made, Outcome, Work};
use crate::{
    cli::ModelFormat,
    commands::{
        export,
        model_files::{Format, open},
    },
    jobs::spec::Exporting,
};

/// Writes the model in the format that is asked for.
pub(super) async fn export(work: &Work, job: Exporting) -> Result<Outcome, Failure> {
    let path = work.model(&job.which).await?;
    work.in_a_thread(move |_| {
        let (format, ending) = match job.format {
            ModelFormat::Safetensors => (Format::Safetensors, "safetensors"),
            ModelFormat::Onnx => (Format::Onnx, "onnx"),
            ModelFormat::Npz => (Format::Npz, "npz"),
        };
        let precision = Precision::from(job.precision);
        if format != Format::Safetensors && precision != Precision::F32 {
            return Err(Failure::Job(
                "only a safetensors file holds weights in 16 bits: leave `precision` out".into(),
            ));
        }
        let (network, file) = open(&path).map_err(Failure::job)?;
        let bytes = export::encoded(&path, (&network, &file), format, precision);
        let bytes = bytes.map_err(Failure::job)?;
        let rounded: Vec<f32> =
            file.parameters.iter().map(|value| precision.rounded(*value)).collect();
        let result = json!({ "weights_sha256": weights_sha256(&rounded) });
        Ok(Some(Made { result, files: vec![(format!("model.{ending}"), bytes)] }))
    })
    .await
}
