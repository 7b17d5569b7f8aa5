//! Normalisations.

use super::super::OnnxError;
use super::super::messages::Node;
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer, float, int, perm};
use super::Settings;
use crate::Shape;
use crate::layer::{batch_norm::BatchNorm, layer_norm::LayerNorm};
use crate::model_file::tensors::FileTensor;

/// The tensors of batch normalisation in the order of the operator's inputs.
const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

pub(super) fn write_batch_norm(
    writer: &mut Writer,
    path: &str,
    layer: &BatchNorm,
    x: write::Flow,
) -> write::Flow {
    let x = writer.matched(path, x);
    let mut inputs = vec![x.name.clone()];
    inputs.extend(BATCH_NORM.map(|own| writer.parameter(path, own, &x)));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let settings = vec![float("epsilon", layer.epsilon)];
    write::Flow { name: writer.node("BatchNormalization", &inputs, path, settings), ..x }
}

/// The operator goes over the last axes: channels are made the last, and then the second again.
pub(super) fn write_layer_norm(
    writer: &mut Writer,
    path: &str,
    layer: &LayerNorm,
    x: write::Flow,
) -> write::Flow {
    let x = writer.matched(path, x);
    let turns: Option<[&[i64]; 2]> = match x.shape {
        Shape::Image { .. } => Some([&[0, 2, 3, 1], &[0, 3, 1, 2]]),
        Shape::Sequence { .. } => Some([&[0, 2, 1], &[0, 2, 1]]),
        Shape::Features(_) => None,
    };
    let at = |part: &str| format!("{path}.{part}");
    let last = match turns {
        Some([turn, _]) => writer.node("Transpose", &[&x.name], &at("turned"), perm(turn)),
        None => x.name.clone(),
    };
    let [weight, bias] = ["weight", "bias"].map(|own| writer.parameter(path, own, &x));
    let settings = vec![int("axis", -1), float("epsilon", layer.epsilon)];
    let output = if turns.is_some() { at("norm") } else { path.to_owned() };
    let norm = writer.node("LayerNormalization", &[&last, &weight, &bias], &output, settings);
    let name = match turns {
        Some([_, turn]) => writer.node("Transpose", &[&norm], path, perm(turn)),
        None => norm,
    };
    write::Flow { name, ..x }
}

pub(super) fn read_batch_norm<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    if Settings(node).int("training_mode", 0) != 0 {
        let problem = "is in training: export the model after `model.eval()`".to_owned();
        return Err(operator_error(node, problem));
    }
    let epsilon = Settings(node).float("epsilon", 1e-5);
    let mut tensors = Vec::new();
    for (place, name) in (1..).zip(BATCH_NORM) {
        tensors.push((name, reader.floats(node, place)?));
    }
    let layer = BatchNorm { epsilon, ..BatchNorm::default() };
    Ok(Step { layers: vec![(layer.into(), tensors)], flow: y })
}

pub(super) fn read_layer_norm<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let axis = Settings(node).int("axis", -1);
    let is_last = y.channel_axis() == y.rank() - 1;
    if !(y.is_channel_axis(axis) && is_last) {
        let problem = "goes over more than the channels, or elsewhere: here each place of an image \
                       or sequence is normalised over its channels";
        return Err(operator_error(node, problem.to_owned()));
    }
    let weight = reader.floats(node, 1)?;
    let bias = match node.input.get(2) {
        Some(name) if !name.is_empty() => reader.floats(node, 2)?,
        _ => {
            let zeros = vec![0.0; weight.values.len()];
            FileTensor { name: "bias".to_owned(), values: zeros, ..weight.clone() }
        }
    };
    let layer = LayerNorm { epsilon: Settings(node).float("epsilon", 1e-5) };
    let tensors = vec![("weight", weight), ("bias", bias)];
    Ok(Step { layers: vec![(layer.into(), tensors)], flow: y })
}
