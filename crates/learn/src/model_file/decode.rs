//! Bytes as a model, every one of them distrusted.

use super::layout::{in_file, shape_in_file};
use super::{
    HEADER_BYTES_MAX, LAYERS_MAX, ModelError, ModelFile, NET_KEY, Net, Precision, RANK_MAX,
    check_finite,
};
use crate::{Network, ParameterSpec};
use safetensors::SafeTensors;
use std::collections::BTreeMap;

/// What PyTorch's batch normalisation counts beside its statistics: no parameter of a formula.
const COUNTER: &str = ".num_batches_tracked";

/// Reads a model; parameters of 16 bits become `f32`.
///
/// # Errors
/// When the bytes are anything but one finite tensor of the right shape for every parameter of the
/// net that they describe.
pub fn decode(bytes: &[u8]) -> Result<(Network, ModelFile), ModelError> {
    check_header(bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(ModelError::Format)?;
    let stored = header.metadata().clone().unwrap_or_default();
    let mut metadata: BTreeMap<String, String> = BTreeMap::from_iter(stored);
    let net: Net = serde_json::from_str(&metadata.remove(NET_KEY).ok_or(ModelError::NoNet)?)
        .map_err(ModelError::Net)?;
    if net.layers.len() > LAYERS_MAX {
        return Err(ModelError::TooManyLayers { found: net.layers.len() });
    }
    let network = Network::new(net.input, &net.layers)?;
    let parameters = decode_parameters(&network, bytes)?;
    Ok((network, ModelFile { metadata, parameters }))
}

/// Reads the parameters of `network`, laid out as [`Network::parameters`] says; whatever else the
/// file says of itself is passed over. So are the counters that PyTorch's batch normalisation keeps.
///
/// # Errors
/// When the bytes are anything but one finite tensor of the right shape for every parameter.
pub fn decode_parameters(network: &Network, bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
    check_header(bytes)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(ModelError::Format)?;
    let is_parameter = |name: &&&str| !name.ends_with(COUNTER);
    let (found, expected) =
        (tensors.names().iter().filter(is_parameter).count(), network.parameters().len());
    if found != expected {
        return Err(ModelError::TensorCount { found, expected });
    }
    let mut checked = Vec::new();
    for spec in network.parameters() {
        checked.push((spec, checked_data(&tensors, spec)?));
    }
    // Only now, when the file is known to hold them all, is memory taken for the parameters.
    let mut parameters = vec![0.0; network.parameter_count()];
    for (spec, (precision, data)) in checked {
        let tensor = in_file(spec, spec.view_mut(&mut parameters));
        for (place, value) in tensor.into_iter().enumerate() {
            *value = precision.read(data, place);
        }
        check_finite(&spec.name, &parameters[spec.offset..][..spec.len])?;
    }
    Ok(parameters)
}

/// # Errors
/// When the header is longer than the file or than what is read.
fn check_header(bytes: &[u8]) -> Result<(), ModelError> {
    let found = bytes.len();
    let claimed =
        bytes.first_chunk().map_or(u64::MAX, |first: &[u8; 8]| u64::from_le_bytes(*first));
    if claimed > HEADER_BYTES_MAX as u64 || claimed + 8 > found as u64 {
        return Err(ModelError::Header { claimed, found });
    }
    Ok(())
}

/// Type and bytes of a tensor that has the name, shape and length of the net's.
fn checked_data<'a>(
    tensors: &SafeTensors<'a>,
    spec: &ParameterSpec,
) -> Result<(Precision, &'a [u8]), ModelError> {
    let name = spec.name.clone();
    let Ok(tensor) = tensors.tensor(&name) else { return Err(ModelError::Missing { name }) };
    let (expected, shape) = (shape_in_file(spec), tensor.shape());
    if let Some(precision) = Precision::of(tensor.dtype()) {
        let fits = shape == expected && tensor.data().len() == precision.size() * spec.len;
        if fits && shape.len() <= RANK_MAX {
            return Ok((precision, tensor.data()));
        }
    }
    let shown = &shape[..shape.len().min(RANK_MAX)];
    let found = format!("{:?} {shown:?}", tensor.dtype());
    Err(ModelError::Tensor { name, found, expected: format!("F32 {expected:?}") })
}
