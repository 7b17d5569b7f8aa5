//! What changes no number: flattening, and the blocks in which branches meet.

use super::super::OnnxError;
use super::super::messages::Node;
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer, int};
use super::Settings;
use crate::Shape;
use crate::layer::{concat::Concat, flatten::Flatten, residual::Residual};

pub(super) fn write_flatten(writer: &mut Writer, path: &str, x: write::Flow) -> write::Flow {
    let name = writer.node("Flatten", &[&x.name], path, Vec::new());
    let image = order_behind(x.shape).or(x.image);
    write::Flow { name, shape: Shape::Features(x.shape.len()), image }
}

pub(super) fn write_residual(
    writer: &mut Writer,
    path: &str,
    block: &Residual,
    x: write::Flow,
) -> Result<String, OnnxError> {
    let x = writer.place_by_place(path, x);
    let mut names = Vec::new();
    for (name, layers) in [("body", &block.body), ("shortcut", &block.shortcut)] {
        names.push(write_branch(writer, &format!("{path}.{name}"), layers, &x)?);
    }
    Ok(writer.node("Add", &[&names[0], &names[1]], path, Vec::new()))
}

pub(super) fn write_concat(
    writer: &mut Writer,
    path: &str,
    block: &Concat,
    x: write::Flow,
) -> Result<String, OnnxError> {
    let x = writer.place_by_place(path, x);
    let mut names = Vec::new();
    for (number, layers) in block.branches.iter().enumerate() {
        names.push(write_branch(writer, &format!("{path}.branches.{number}"), layers, &x)?);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(writer.node("Concat", &names, path, vec![int("axis", 1)]))
}

fn write_branch(
    writer: &mut Writer,
    path: &str,
    layers: &[crate::LayerSpec],
    x: &write::Flow,
) -> Result<String, OnnxError> {
    let end = writer.layers(path, layers, x.clone())?;
    Ok(writer.place_by_place(path, end).name)
}

pub(super) fn read_flatten<'a>(node: &'a Node, y: Flow<'a>) -> Result<Step<'a>, OnnxError> {
    match Settings(node).int("axis", 1) {
        1 => Ok(flattened(y)),
        axis => Err(operator_error(node, format!("flattens from axis {axis}: 1 is read here"))),
    }
}

/// A reshape that flattens: to the batch, or whatever is left, and all features.
pub(super) fn read_reshape<'a>(
    reader: &Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let Some(sides) = node.input.get(1).and_then(|name| reader.source.constants.sizes(name)) else {
        let problem =
            "has a shape that the file does not hold: use torch.nn.Flatten, or flatten(1)";
        return Err(operator_error(node, problem.to_owned()));
    };
    let len = y.shape.len() as i64;
    match *sides {
        // 0 is the batch as it is; -1 is what is left. An example's batch of 1 is what is left, too.
        [-1..=1, features] if features == len => Ok(flattened(y)),
        [0 | 1, -1] => Ok(flattened(y)),
        _ => {
            let shown = &sides[..sides.len().min(8)];
            let problem =
                format!("reshapes to {shown:?}: only flattening, [-1, {len}], is read here");
            Err(operator_error(node, problem))
        }
    }
}

/// Channels that are the last axis are flattened as our nets do it.
fn flattened(y: Flow) -> Step {
    let image = order_behind(y.shape).filter(|_| !y.channels_last).or(y.image);
    super::one(Flatten {}.into(), Flow { image, channels_last: false, ..y })
}

/// A transposition that makes channels the last axis, or the second again.
pub(super) fn read_transpose<'a>(node: &'a Node, y: Flow<'a>) -> Result<Step<'a>, OnnxError> {
    let perm = Settings(node).ints("perm").unwrap_or(&[]);
    // PyTorch's exporter may count an axis from the end.
    let perm: Vec<i64> = perm.iter().take(8).map(|&axis| y.axis_from_begin(axis)).collect();
    let channels_last = match (y.shape, y.channels_last, &*perm) {
        (Shape::Image { .. }, false, [0, 2, 3, 1]) => true,
        (Shape::Image { .. }, true, [0, 3, 1, 2]) => false,
        (Shape::Sequence { .. }, last, [0, 2, 1]) => !last,
        _ => {
            let problem = format!("turns axes to {perm:?}: only channels are moved here");
            return Err(operator_error(node, problem));
        }
    };
    Ok(super::nothing(Flow { channels_last, ..y }))
}

/// Places and channels of what is flattened, if our order of its numbers is another.
fn order_behind(shape: Shape) -> Option<[usize; 2]> {
    let (places, channels) = shape.places_and_channels();
    (places > 1 && channels > 1).then_some([places, channels])
}
