//! Products with a matrix: `Gemm`, and `MatMul` with an `Add` behind it, are dense layers.

use super::super::OnnxError;
use super::super::messages::Node;
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer, int};
use super::Settings;
use crate::layer::dense::Dense;
use crate::model_file::tensors::FileTensor;

pub(super) fn write(writer: &mut Writer, path: &str, x: write::Flow) -> String {
    let x = writer.matched(path, x);
    let mut inputs = vec![x.name.clone(), writer.parameter(path, "weight", &x)];
    if writer.has(&format!("{path}.bias")) {
        inputs.push(writer.parameter(path, "bias", &x));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    writer.node("Gemm", &inputs, path, vec![int("transB", 1)])
}

pub(super) fn read_gemm<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let settings = Settings(node);
    if settings.int("transA", 0) != 0
        || settings.float("alpha", 1.0) != 1.0
        || settings.float("beta", 1.0) != 1.0
    {
        let problem = "scales or turns its input: here a product is plain".to_owned();
        return Err(operator_error(node, problem));
    }
    let weight = reader.floats(node, 1)?;
    let weight = if settings.int("transB", 0) == 0 { turned(node, weight)? } else { weight };
    let bias = match node.input.get(2) {
        Some(name) if !name.is_empty() => Some(flat(reader.floats(node, 2)?)),
        _ => None,
    };
    Ok(dense(weight, bias, y))
}

/// A product, and the sum behind it if that is a bias.
pub(super) fn read_product<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let weight = reader.floats(node, 1)?;
    let weight = turned(node, weight)?;
    if let &[next] = reader.source.readers(y.name)
        && reader.source.output != y.name
    {
        let next = reader.source.nodes[next];
        let place =
            next.input.iter().position(|name| reader.source.constants.tensor(name).is_some());
        if let ("Add", [_, _], Some(place), [output]) =
            (&*next.op_type, &*next.input, place, &*next.output)
        {
            let bias = flat(reader.floats(next, place)?);
            return Ok(dense(weight, Some(bias), Flow { name: output, ..y }));
        }
    }
    Ok(dense(weight, None, y))
}

fn dense(weight: FileTensor, bias: Option<FileTensor>, flow: Flow) -> Step {
    // A weight without rows is refused by the layer, one without axes by its shape.
    let units = weight.shape.first().copied().unwrap_or(0);
    let layer = Dense { units, bias: bias.is_some() };
    let tensors = [("weight", weight)].into_iter().chain(bias.map(|bias| ("bias", bias)));
    Step { layers: vec![(layer.into(), tensors.collect())], flow }
}

/// A bias `[1, U]` as `[U]`.
fn flat(bias: FileTensor) -> FileTensor {
    match &*bias.shape {
        &[1, units] => FileTensor { shape: vec![units], ..bias },
        _ => bias,
    }
}

/// A weight `[D, U]` as `[U, D]`.
fn turned(node: &Node, weight: FileTensor) -> Result<FileTensor, OnnxError> {
    let &[rows, columns] = &*weight.shape else {
        return Err(operator_error(node, "multiplies by what is no matrix".to_owned()));
    };
    let values = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| (row, column)))
        .map(|(row, column)| weight.values[row * columns + column])
        .collect();
    Ok(FileTensor { name: weight.name, shape: vec![columns, rows], values })
}
