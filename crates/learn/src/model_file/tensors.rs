//! A net's tensors as files hold them: PyTorch's names, PyTorch's layouts, one after another.

use super::layout::{in_file, shape_in_file};
use super::{ModelError, check_finite};
use crate::Network;

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// In C order.
    pub(super) values: Vec<f32>,
}

/// Every tensor of the net as a file holds it, in the net's order.
///
/// # Errors
/// When the parameters are not the net's or not finite.
pub(super) fn file_tensors(
    network: &Network,
    parameters: &[f32],
) -> Result<impl Iterator<Item = FileTensor>, ModelError> {
    let (found, expected) = (parameters.len(), network.parameter_count());
    if found != expected {
        return Err(ModelError::ParameterCount { found, expected });
    }
    for spec in network.parameters() {
        check_finite(&spec.name, &parameters[spec.offset..][..spec.len])?;
    }
    Ok(network.parameters().iter().map(|spec| FileTensor {
        name: spec.name.clone(),
        shape: shape_in_file(spec),
        values: in_file(spec, spec.view(parameters)).iter().copied().collect(),
    }))
}

/// The parameters of the net from a file that has tensors with `names`; `read` gives the one of a
/// name, which is among them, and should have so many numbers.
///
/// # Errors
/// That of `read`, and when the names, shapes and numbers are not exactly the net's and finite.
pub(super) fn read_tensors<E: From<ModelError>>(
    network: &Network,
    names: &[&str],
    mut read: impl FnMut(&str, usize) -> Result<FileTensor, E>,
) -> Result<Vec<f32>, E> {
    let (found, expected) = (names.len(), network.parameters().len());
    if let Some(missing) = network.parameters().iter().find(|s| !names.contains(&s.name.as_str())) {
        return Err(ModelError::Missing { name: missing.name.clone() }.into());
    }
    if found != expected {
        return Err(ModelError::TensorCount { found, expected }.into());
    }
    let mut parameters = vec![0.0; network.parameter_count()];
    for spec in network.parameters() {
        let tensor = read(&spec.name, spec.len)?;
        let expected = shape_in_file(spec);
        if tensor.shape != expected {
            let [found, expected] = [&tensor.shape, &expected].map(|shape| format!("{shape:?}"));
            return Err(ModelError::Tensor { name: tensor.name, found, expected }.into());
        }
        check_finite(&spec.name, &tensor.values)?;
        let ours = in_file(spec, spec.view_mut(&mut parameters));
        ours.into_iter().zip(tensor.values).for_each(|(to, value)| *to = value);
    }
    Ok(parameters)
}
