//! Operators and layers: each file holds a family, written above read.

mod window;
mod dense;
mod norm;
mod activation;
mod order;
mod embedding;
pub(super) mod patterns;

use super::OnnxError;
use super::messages::Node;
use super::read::{Flow, Reader, Step};
use super::source::{attribute, operator_error};
use super::write::{self, Writer};
use crate::Shape;
use crate::layer::LayerSpec;
use crate::layer::global_pool::Take;

/// The operators that can be read: in the order of layers, then those that patterns are made of,
/// and those that make sizes.
pub const OPERATORS: &[&str] = &[
    "Conv",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ReduceMean",
    "BatchNormalization",
    "LayerNormalization",
    "Gemm",
    "MatMul",
    "Relu",
    "Gelu",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "LogSoftmax",
    "Dropout",
    "Identity",
    "Flatten",
    "Reshape",
    "Transpose",
    "Gather",
    "Cast",
    "Add",
    "Sum",
    "Concat",
    "Mul",
    "Div",
    "Pow",
    "Erf",
    "Constant",
    "Shape",
    "Slice",
    "Unsqueeze",
];

/// Those that see every feature alike, or count them as our layers do: they may stand behind a
/// flattened image.
pub(super) const KEEP_ORDER: &[&str] = &[
    "Gemm",
    "MatMul",
    "BatchNormalization",
    "LayerNormalization",
    "Relu",
    "Gelu",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "Flatten",
    "Reshape",
    "Dropout",
    "Identity",
];

/// Those that may stand where channels are the last axis.
pub(super) const KEEP_CHANNELS_LAST: &[&str] = &[
    "ReduceMean",
    "LayerNormalization",
    "Relu",
    "Gelu",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "Flatten",
    "Reshape",
    "Transpose",
    "Dropout",
    "Identity",
];

/// Writes a layer.
///
/// # Errors
/// When it does not fit what flows to it.
pub(super) fn write(
    writer: &mut Writer,
    path: &str,
    layer: &LayerSpec,
    x: write::Flow,
) -> Result<write::Flow, OnnxError> {
    let shape = write::shape_behind(x.shape, layer)?;
    let keeping = |name: String, x: write::Flow| write::Flow { name, ..x };
    let name = match layer {
        LayerSpec::Conv2d(layer) => window::write_convolution(writer, path, layer, &x),
        LayerSpec::Conv1d(layer) => window::write_sequence_convolution(writer, path, layer, &x),
        LayerSpec::MaxPool(layer) => window::write_max_pool(writer, path, layer, &x),
        LayerSpec::AveragePool(layer) => window::write_average_pool(writer, path, layer, &x),
        LayerSpec::GlobalPool(layer) => window::write_global_pool(writer, path, layer, &x),
        LayerSpec::Dense(_) => dense::write(writer, path, x),
        LayerSpec::Embedding(_) => embedding::write(writer, path, &x),
        LayerSpec::Residual(block) => order::write_residual(writer, path, block, x)?,
        LayerSpec::Concat(block) => order::write_concat(writer, path, block, x)?,
        LayerSpec::Flatten(_) => return Ok(order::write_flatten(writer, path, x)),
        LayerSpec::BatchNorm(layer) => return Ok(norm::write_batch_norm(writer, path, layer, x)),
        LayerSpec::LayerNorm(layer) => return Ok(norm::write_layer_norm(writer, path, layer, x)),
        LayerSpec::Relu(_) => return Ok(keeping(writer.node("Relu", &[&x.name], path, vec![]), x)),
        LayerSpec::Gelu(layer) => {
            return Ok(keeping(activation::write_gelu(writer, path, layer, &x), x));
        }
        LayerSpec::Silu(_) => return Ok(keeping(activation::write_silu(writer, path, &x), x)),
        LayerSpec::Sigmoid(_) => {
            return Ok(keeping(writer.node("Sigmoid", &[&x.name], path, vec![]), x));
        }
        LayerSpec::Tanh(_) => return Ok(keeping(writer.node("Tanh", &[&x.name], path, vec![]), x)),
        LayerSpec::Softmax(_) => {
            let axis = vec![write::int("axis", 1)];
            return Ok(keeping(writer.node("Softmax", &[&x.name], path, axis), x));
        }
        LayerSpec::Dropout(_) => return Ok(x),
    };
    Ok(write::Flow { name, shape, image: None })
}

/// Reads an operator that is the only one to read `x`.
///
/// # Errors
/// When it is used as no layer here works.
pub(super) fn read<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    x: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let place = if node.op_type == "Gather" { 1 } else { 0 };
    let is_there = node.input.get(place).is_some_and(|name| name == x.name);
    let Some(output) = node.output.first().filter(|_| is_there) else {
        let problem = format!("does not take what flows as its input {place}");
        return Err(operator_error(node, problem));
    };
    let y = Flow { name: output, ..x };
    match &*node.op_type {
        "Conv" => window::read_convolution(reader, node, y),
        "MaxPool" => window::read_max_pool(node, y),
        "AveragePool" => window::read_average_pool(node, y),
        "GlobalAveragePool" => Ok(window::read_global_pool(Take::Average, y)),
        "GlobalMaxPool" => Ok(window::read_global_pool(Take::Max, y)),
        "ReduceMean" => window::read_mean(reader, node, y),
        "BatchNormalization" => norm::read_batch_norm(reader, node, y),
        "LayerNormalization" => norm::read_layer_norm(reader, node, y),
        "Gemm" => dense::read_gemm(reader, node, y),
        "MatMul" => dense::read_product(reader, node, y),
        "Relu" => Ok(one(crate::layer::relu::Relu {}.into(), y)),
        "Gelu" => activation::read_gelu(node, y),
        "Sigmoid" => Ok(one(crate::layer::sigmoid::Sigmoid {}.into(), y)),
        "Tanh" => Ok(one(crate::layer::tanh::Tanh {}.into(), y)),
        // At the end it makes probabilities of logits, as predictions do here.
        "Softmax" | "LogSoftmax" if is_output(reader, node, y) => Ok(nothing(y)),
        "Softmax" => activation::read_softmax(reader, node, y),
        "Flatten" => order::read_flatten(node, y),
        "Reshape" => order::read_reshape(reader, node, y),
        "Transpose" => order::read_transpose(node, y),
        "Gather" => embedding::read(reader, node, y),
        "Cast" => embedding::read_cast(reader, node, y),
        "Dropout" | "Identity" => Ok(nothing(y)),
        _ => Err(operator_error(node, "is not used as in any layer here".to_owned())),
    }
}

/// True for the operator that makes the output, of all classes.
fn is_output(reader: &Reader, node: &Node, y: Flow) -> bool {
    let is_last = reader.source.output == y.name && matches!(y.shape, Shape::Features(_));
    is_last && y.image.is_none() && y.is_channel_axis(Settings(node).int("axis", -1))
}

/// No layer.
fn nothing(flow: Flow) -> Step {
    Step { layers: Vec::new(), flow }
}

/// A layer without parameters.
fn one(layer: LayerSpec, flow: Flow) -> Step {
    Step { layers: vec![(layer, Vec::new())], flow }
}

/// The settings of a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a>(pub(super) &'a Node);

impl<'a> Settings<'a> {
    /// A whole number, or its default.
    pub(super) fn int(self, name: &str, default: i64) -> i64 {
        attribute(self.0, name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    /// A float, or its default.
    pub(super) fn float(self, name: &str, default: f32) -> f32 {
        attribute(self.0, name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    /// Whole numbers, if they are set.
    pub(super) fn ints(self, name: &str) -> Option<&'a [i64]> {
        attribute(self.0, name).map(|attribute| &*attribute.ints)
    }

    /// A text, or its default.
    pub(super) fn text(self, name: &str, default: &'static str) -> &'a [u8] {
        let text = attribute(self.0, name).and_then(|attribute| attribute.s.as_deref());
        text.unwrap_or(default.as_bytes())
    }
}
