//! A quantised net as bytes: a quarter of the size.
//!
//! Weights that are computed with bytes are tensors of type `I8`, `[units, ...]`, each with a tensor
//! of steps beside it, such as `3.weight_scale [units]`: a weight is its byte times its unit's step.
//! The metadata key `int8` says how the inputs of these layers become bytes. All else is `f32`.

use super::encode::{FileLayout, begin};
use super::layout::{in_file, shape_in_file};
use super::{INT8, ModelError, Precision, STEPS, check_finite};
use crate::ParameterSpec;
use crate::compute_kernels::quantised_packing::{column_scales, to_byte};
use crate::quantise::Quantised;
use std::collections::BTreeMap;

/// Writes a quantised net; equal arguments give equal bytes.
///
/// # Errors
/// When a number is not finite, or the metadata cannot be kept.
pub fn encode_quantised(
    net: &Quantised,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, ModelError> {
    let (network, parameters) = (net.network(), net.parameters());
    let mut metadata = metadata.clone();
    metadata.insert(INT8.to_owned(), net.scales_text()?);
    let (weights, others): (Vec<_>, Vec<_>) =
        network.parameters().iter().partition(|spec| net.is_of_bytes(spec));
    // What has four bytes a number goes first: then all of it is aligned.
    let f32s = others.iter().map(|spec| (spec.name.clone(), shape_in_file(spec)));
    let steps = weights.iter().map(|spec| (format!("{}{STEPS}", spec.name), vec![units(spec)]));
    let wide = f32s.chain(steps).map(|(name, shape)| {
        let len = 4 * shape.iter().product::<usize>();
        FileLayout { name, dtype: Precision::F32.dtype(), shape, len }
    });
    let narrow = weights.iter().map(|spec| FileLayout {
        name: spec.name.clone(),
        dtype: "I8",
        shape: shape_in_file(spec),
        len: spec.len,
    });
    let mut bytes = begin(network, &metadata, wide.chain(narrow))?;
    for spec in network.parameters() {
        check_finite(&spec.name, &parameters[spec.range()])?;
    }
    for spec in others {
        for value in in_file(spec, spec.view(parameters)) {
            bytes.extend(value.to_le_bytes());
        }
    }
    let scales = |spec: &ParameterSpec| column_scales(&parameters[spec.range()], units(spec));
    for spec in &weights {
        bytes.extend(scales(spec).into_iter().flat_map(f32::to_le_bytes));
    }
    for spec in weights {
        let (scales, len) = (scales(spec), spec.len / units(spec));
        let tensor = in_file(spec, spec.view(parameters));
        bytes.extend(tensor.iter().enumerate().map(|(at, w)| to_byte(*w, scales[at / len]) as u8));
    }
    Ok(bytes)
}

/// How many units or filters a weight has: its last axis, the first in a file.
fn units(spec: &ParameterSpec) -> usize {
    spec.shape.last().copied().unwrap_or(1)
}
