//! A saved model -> where a training begins: its tensors by their names, and what may be new.

use crate::{model::FILE_BYTES_MAX, settings::FromSettings};
use planaria_learn::{ModelError, Network, ParameterSpec, model_file, weights_sha256};
use std::{io, path::PathBuf};

/// Misfits that are told one by one.
const TOLD_MAX: usize = 8;

/// Why a training cannot begin with a model.
#[derive(Debug, thiserror::Error)]
pub enum FineTuneError {
    /// It cannot be read.
    #[error("`train.from.model`: cannot read {path}: give the path of a saved model")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is far larger than any model.
    #[error("`train.from.model`: {path} has {bytes} bytes, too many for a model: is it one?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Its bytes are no model of ours.
    #[error("`train.from.model`: {path} is no usable model")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// Some of its tensors are not those of this network.
    #[error(
        "`train.from.model`: {path} does not fit this network: {misfits}; name what may begin anew in \
         `train.from.new`, as \"{example}\""
    )]
    Misfit {
        /// The file.
        path: PathBuf,
        /// What does not fit, tensor by tensor.
        misfits: String,
        /// A layer that could begin anew.
        example: String,
    },
    /// `new` names what is not there.
    #[error("`train.from.new`: no layer or tensor of the network is called `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Everything would be new.
    #[error("`train.from.new` names all of the network: leave `[train.from]` out, or name less")]
    AllNew,
}

/// The parameters that a training begins with, and the SHA-256 of the weights of the model that they are from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) parameters: Vec<f32>,
    pub(crate) weights_sha256: String,
}

/// Reads the model, and lays its tensors over `initial`, but for those that may be new.
///
/// # Errors
/// [`FineTuneError`]: unreadable, no model, or not of this network.
pub(crate) fn begin(
    settings: &FromSettings,
    network: &Network,
    initial: Vec<f32>,
) -> Result<Origin, FineTuneError> {
    let path = || settings.model.clone();
    let is_known = |name: &String| network.parameters().iter().any(|spec| spec.is_of(name));
    if let Some(name) = settings.new.iter().find(|name| !is_known(name)) {
        return Err(FineTuneError::Unknown { name: name.clone() });
    }
    let read = |source| FineTuneError::Read { path: path(), source };
    let bytes = std::fs::metadata(&settings.model).map_err(read)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(FineTuneError::TooLarge { path: path(), bytes });
    }
    let bytes = std::fs::read(&settings.model).map_err(read)?;
    let (old, file) = model_file::decode(&bytes)
        .map_err(|source| FineTuneError::Model { path: path(), source })?;
    let (mut parameters, mut misfits, mut taken) = (initial, Vec::new(), 0);
    for spec in network.parameters() {
        if settings.new.iter().any(|name| spec.is_of(name)) {
            continue;
        }
        match old.parameters().iter().find(|other| other.name == spec.name) {
            Some(other) if other.shape == spec.shape => {
                parameters[spec.range()].copy_from_slice(&file.parameters[other.range()]);
                taken += 1;
            }
            other => misfits.push((spec, other)),
        }
    }
    if let Some((first, _)) = misfits.first() {
        let example = first.name.rsplit_once('.').map_or(&*first.name, |(layer, _)| layer);
        let (misfits, example) = (told(&misfits), example.to_owned());
        return Err(FineTuneError::Misfit { path: path(), misfits, example });
    }
    if taken == 0 {
        return Err(FineTuneError::AllNew);
    }
    Ok(Origin { parameters, weights_sha256: weights_sha256(&file.parameters) })
}

/// The first misfits, in words.
fn told(misfits: &[(&ParameterSpec, Option<&ParameterSpec>)]) -> String {
    let one = |(spec, other): &(&ParameterSpec, Option<&ParameterSpec>)| match other {
        Some(other) => {
            format!("`{}` is {:?} there and {:?} here", spec.name, other.shape, spec.shape)
        }
        None => format!("`{}` is not there", spec.name),
    };
    let mut told: Vec<String> = misfits.iter().take(TOLD_MAX).map(one).collect();
    if misfits.len() > TOLD_MAX {
        told.push(format!("and {} more", misfits.len() - TOLD_MAX));
    }
    told.join(", ")
}
