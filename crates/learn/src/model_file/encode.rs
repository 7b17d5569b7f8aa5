//! A model as bytes.

use super::layout::{in_file, shape_in_file};
use super::{HEADER_BYTES_MAX, ModelError, NET_KEY, Net, Precision, check_finite};
use crate::Network;
use serde::Serialize;
use std::collections::BTreeMap;

/// A tensor in the header, in the order of the fields that the format's own writer uses.
#[derive(Debug, Serialize)]
struct TensorHeader {
    dtype: &'static str,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Writes the model; equal arguments give equal bytes.
///
/// # Errors
/// When the parameters are not the net's or not finite, or the metadata cannot be kept.
pub fn encode(
    network: &Network,
    parameters: &[f32],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, ModelError> {
    encode_as(network, parameters, metadata, Precision::F32)
}

/// As [`encode`], with every parameter rounded to `precision`.
///
/// # Errors
/// As [`encode`], and when a parameter is too large for `precision`.
pub fn encode_as(
    network: &Network,
    parameters: &[f32],
    metadata: &BTreeMap<String, String>,
    precision: Precision,
) -> Result<Vec<u8>, ModelError> {
    let (found, expected) = (parameters.len(), network.parameter_count());
    if found != expected {
        return Err(ModelError::ParameterCount { found, expected });
    }
    let dtype = precision.dtype();
    let tensors = network.parameters().iter().map(|spec| {
        let name = spec.name.clone();
        FileLayout { name, dtype, shape: shape_in_file(spec), len: precision.size() * spec.len }
    });
    let mut bytes = begin(network, metadata, tensors)?;
    for spec in network.parameters() {
        let values = &parameters[spec.offset..][..spec.len];
        check_finite(&spec.name, values)?;
        if let Some(index) = values.iter().position(|v| !precision.rounded(*v).is_finite()) {
            let (name, value) = (spec.name.clone(), values[index]);
            return Err(ModelError::TooLarge { name, index, value, precision: precision.name() });
        }
        for value in in_file(spec, spec.view(parameters)) {
            precision.write(*value, &mut bytes);
        }
    }
    Ok(bytes)
}

/// A tensor that a file is to hold.
#[derive(Debug, Clone)]
pub(super) struct FileLayout {
    pub(super) name: String,
    pub(super) dtype: &'static str,
    pub(super) shape: Vec<usize>,
    /// In bytes.
    pub(super) len: usize,
}

/// A file up to the tensors' data, which are to follow in the order of `tensors`; there is room for
/// them.
///
/// # Errors
/// When the metadata cannot be kept.
pub(super) fn begin(
    network: &Network,
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = FileLayout>,
) -> Result<Vec<u8>, ModelError> {
    let (mut header, data) = header(network, metadata, tensors)?;
    // The format wants the data aligned to eight bytes: the header ends in spaces.
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > HEADER_BYTES_MAX {
        return Err(ModelError::HeaderTooLong { found: header.len() });
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + data);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    Ok(bytes)
}

/// The header as JSON, metadata first, then the tensors; and how many bytes of data follow.
fn header(
    network: &Network,
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = FileLayout>,
) -> Result<(Vec<u8>, usize), ModelError> {
    if metadata.contains_key(NET_KEY) {
        return Err(ModelError::ReservedKey);
    }
    let net = Net { input: network.input(), layers: network.layers().to_vec() };
    let mut metadata = metadata.clone();
    metadata.insert(NET_KEY.to_owned(), serde_json::to_string(&net).map_err(ModelError::Net)?);
    let mut text = format!(
        "{{\"__metadata__\":{}",
        serde_json::to_string(&metadata).map_err(ModelError::Net)?
    );
    let mut end = 0;
    for FileLayout { name, dtype, shape, len } in tensors {
        let tensor = TensorHeader { dtype, shape, data_offsets: [end, end + len] };
        let tensor = serde_json::to_string(&tensor).map_err(ModelError::Net)?;
        text.push_str(&format!(",\"{name}\":{tensor}"));
        end += len;
    }
    text.push('}');
    Ok((text.into_bytes(), end))
}
