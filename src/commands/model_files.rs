//! Files of models: which format they have, reading and writing them.

use planaria_durable::whole_file;
use planaria_learn::{ModelFile, Network, model_file, weights_sha256};
use std::{
    error::Error,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::CommandError;
use crate::cli::ModelFormat;

/// The most bytes that are read of a file.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// A format of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    Onnx,
    Npz,
}

impl Format {
    /// The format that a file's name ends in.
    pub(super) fn of(path: &Path) -> Result<Format, CommandError> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("onnx") => Ok(Format::Onnx),
            Some("npz") => Ok(Format::Npz),
            _ => Err(CommandError::ModelEnding { path: PathBuf::from(path) }),
        }
    }

    /// That of the flag, else that of the name.
    pub(super) fn chosen(flag: Option<ModelFormat>, path: &Path) -> Result<Format, CommandError> {
        match flag {
            Some(ModelFormat::Safetensors) => Ok(Format::Safetensors),
            Some(ModelFormat::Onnx) => Ok(Format::Onnx),
            Some(ModelFormat::Npz) => Ok(Format::Npz),
            None => Format::of(path),
        }
    }
}

/// The error of a file's content.
pub(super) fn in_model(path: &Path, source: Box<dyn Error + Send + Sync>) -> CommandError {
    CommandError::ModelFile { path: path.to_owned(), source }
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let unread = |error: std::io::Error| in_model(path, error.into());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let problem = format!("more than {FILE_BYTES_MAX} bytes are too many for a model");
        return Err(in_model(path, problem.into()));
    }
    Ok(bytes)
}

/// A model of ours.
pub(crate) fn open(path: &Path) -> Result<(Network, ModelFile), CommandError> {
    model_file::decode(&read(path)?).map_err(|error| in_model(path, error.into()))
}

/// Writes a file, whole or not at all.
pub(super) fn save(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    whole_file::write(path, bytes).map_err(|error| CommandError::WriteModel(Box::new(error)))
}

/// What to say of a model that was written.
pub(super) fn counted(network: &Network, parameters: &[f32]) -> String {
    let count = network.parameter_count();
    format!("{count} parameters, weights_sha256 {}", weights_sha256(parameters))
}
