//! Bytes as a model, every one of them distrusted.

use super::layout::{in_file, shape_in_file};
use super::{
    HEADER_BYTES_MAX, LAYERS_MAX, ModelError, ModelFile, NET_KEY, Net, Precision, RANK_MAX, STEPS,
    check_finite,
};
use crate::{Network, ParameterSpec};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// What PyTorch's batch normalisation counts beside its statistics: no parameter of a formula.
const COUNTER: &str = ".num_batches_tracked";

/// Reads a model; parameters of 16 bits become `f32`, and so do those of bytes with their steps.
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
    let is_of_bytes = |spec: &&ParameterSpec| {
        tensors.tensor(&spec.name).is_ok_and(|tensor| tensor.dtype() == Dtype::I8)
    };
    let steps = network.parameters().iter().filter(is_of_bytes).count();
    let (found, expected) =
        (tensors.names().iter().filter(is_parameter).count(), network.parameters().len() + steps);
    if found != expected {
        return Err(ModelError::TensorCount { found, expected });
    }
    let mut checked = Vec::new();
    for spec in network.parameters() {
        checked.push((spec, checked_data(&tensors, spec)?));
    }
    // Only now, when the file is known to hold them all, is memory taken for the parameters.
    let mut parameters = vec![0.0; network.parameter_count()];
    for (spec, data) in checked {
        let tensor = in_file(spec, spec.view_mut(&mut parameters));
        for (place, value) in tensor.into_iter().enumerate() {
            *value = data.read(place);
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

/// The numbers of a tensor.
enum Data<'a> {
    /// One after the other.
    Plain(Precision, &'a [u8]),
    /// Of bytes: so many of each unit or filter, and the steps of all of them.
    Bytes(usize, &'a [u8], &'a [u8]),
}

impl Data<'_> {
    /// The number at `place`.
    fn read(&self, place: usize) -> f32 {
        match *self {
            Data::Plain(precision, data) => precision.read(data, place),
            Data::Bytes(len, data, steps) => {
                f32::from(data[place] as i8) * Precision::F32.read(steps, place / len)
            }
        }
    }
}

/// The numbers of a tensor that has the name, shape and length of the net's.
fn checked_data<'a>(
    tensors: &SafeTensors<'a>,
    spec: &ParameterSpec,
) -> Result<Data<'a>, ModelError> {
    let expected = shape_in_file(spec);
    let (dtype, data) = tensor_data(tensors, &spec.name, &expected)?;
    if let Some(precision) = Precision::of(dtype) {
        return Ok(Data::Plain(precision, data));
    }
    let units = expected.first().copied().unwrap_or(0);
    if dtype != Dtype::I8 || expected.len() < 2 || units == 0 {
        return Err(wrong(&spec.name, dtype, &expected, &expected));
    }
    let name = format!("{}{STEPS}", spec.name);
    match tensor_data(tensors, &name, &[units])? {
        (Dtype::F32, steps) => Ok(Data::Bytes(spec.len / units, data, steps)),
        (found, _) => Err(wrong(&name, found, &[units], &[units])),
    }
}

/// Type and bytes of the tensor of this name and shape.
fn tensor_data<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    expected: &[usize],
) -> Result<(Dtype, &'a [u8]), ModelError> {
    let Ok(tensor) = tensors.tensor(name) else {
        return Err(ModelError::Missing { name: name.to_owned() });
    };
    let (dtype, data, shape) = (tensor.dtype(), tensor.data(), tensor.shape());
    let size = if dtype == Dtype::I8 { Some(1) } else { Precision::of(dtype).map(Precision::size) };
    let len: usize = expected.iter().product();
    if shape == expected
        && shape.len() <= RANK_MAX
        && size.map(|size| size * len) == Some(data.len())
    {
        return Ok((dtype, data));
    }
    Err(wrong(name, dtype, shape, expected))
}

/// A tensor of another type or shape than is needed.
fn wrong(name: &str, dtype: Dtype, shape: &[usize], expected: &[usize]) -> ModelError {
    let shown = &shape[..shape.len().min(RANK_MAX)];
    let (name, found) = (name.to_owned(), format!("{dtype:?} {shown:?}"));
    ModelError::Tensor { name, found, expected: format!("F32 {expected:?}") }
}
