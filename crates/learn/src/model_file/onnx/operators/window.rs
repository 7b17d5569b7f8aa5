//! What looks at an image or a sequence through a window: `Conv` and the pools.

mod settings;

use super::super::OnnxError;
use super::super::messages::{Attribute, Node};
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer, int, ints};
use super::{Settings, one};
use crate::Shape;
use crate::layer::average_pool::AveragePool;
use crate::layer::global_pool::{GlobalPool, Take};
use crate::layer::{
    conv1d::Conv1d, conv2d::Conv2d, flatten::Flatten, max_pool::MaxPool, pair::Pair,
};
use settings::Window;

pub(super) fn write_convolution(
    writer: &mut Writer,
    path: &str,
    layer: &Conv2d,
    x: &write::Flow,
) -> String {
    let Conv2d { kernel, stride, padding, dilation, groups, .. } = *layer;
    let settings = window(&kernel.0, &stride.0, &padding.0);
    write_filters(writer, path, x, settings, (&dilation.0, groups))
}

pub(super) fn write_sequence_convolution(
    writer: &mut Writer,
    path: &str,
    layer: &Conv1d,
    x: &write::Flow,
) -> String {
    let Conv1d { kernel, stride, padding, dilation, groups, .. } = *layer;
    let settings = window(&[kernel], &[stride], &[padding]);
    write_filters(writer, path, x, settings, (&[dilation], groups))
}

/// The operator with its weight and its bias.
fn write_filters(
    writer: &mut Writer,
    path: &str,
    x: &write::Flow,
    mut settings: Vec<Attribute>,
    (dilation, groups): (&[usize], usize),
) -> String {
    let mut inputs = vec![x.name.clone(), writer.parameter(path, "weight", x)];
    if writer.has(&format!("{path}.bias")) {
        inputs.push(writer.parameter(path, "bias", x));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    settings.push(ints("dilations", &whole(dilation)));
    settings.push(int("group", groups as i64));
    writer.node("Conv", &inputs, path, settings)
}

pub(super) fn write_max_pool(
    writer: &mut Writer,
    path: &str,
    layer: &MaxPool,
    x: &write::Flow,
) -> String {
    let MaxPool { kernel, stride, padding } = *layer;
    let settings = window(&kernel.0, &stride.unwrap_or(kernel).0, &padding.0);
    writer.node("MaxPool", &[&x.name], path, settings)
}

pub(super) fn write_average_pool(
    writer: &mut Writer,
    path: &str,
    layer: &AveragePool,
    x: &write::Flow,
) -> String {
    let AveragePool { kernel, stride, padding, count_padding } = *layer;
    let mut settings = window(&kernel.0, &stride.unwrap_or(kernel).0, &padding.0);
    settings.push(int("count_include_pad", count_padding.into()));
    writer.node("AveragePool", &[&x.name], path, settings)
}

/// The one place that is left of a sequence is flattened away.
pub(super) fn write_global_pool(
    writer: &mut Writer,
    path: &str,
    layer: &GlobalPool,
    x: &write::Flow,
) -> String {
    let operator = match layer.take {
        Take::Average => "GlobalAveragePool",
        Take::Max => "GlobalMaxPool",
    };
    if let Shape::Sequence { .. } = x.shape {
        let pooled = writer.node(operator, &[&x.name], &format!("{path}.pooled"), vec![]);
        return writer.node("Flatten", &[&pooled], path, vec![]);
    }
    writer.node(operator, &[&x.name], path, vec![])
}

/// The settings of a window.
fn window(kernel: &[usize], stride: &[usize], padding: &[usize]) -> Vec<Attribute> {
    vec![
        ints("kernel_shape", &whole(kernel)),
        ints("strides", &whole(stride)),
        ints("pads", &whole(&[padding, padding].concat())),
    ]
}

fn whole(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}

pub(super) fn read_convolution<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let weight = reader.floats(node, 1)?;
    let [filters, _, kernel @ ..] = &*weight.shape else {
        return Err(operator_error(node, "has a weight of fewer than 3 axes".to_owned()));
    };
    let (filters, window) = (*filters, Window::read(node, kernel, y.shape)?);
    let groups = usize::try_from(Settings(node).int("group", 1));
    let groups = groups.map_err(|_| operator_error(node, "has no group".to_owned()))?;
    let mut tensors = vec![("weight", weight)];
    let bias = node.input.get(2).is_some_and(|name| !name.is_empty());
    if bias {
        tensors.push(("bias", reader.floats(node, 2)?));
    }
    let Window { kernel, stride, padding, dilation } = window;
    let layer = match (&*kernel, &*stride, &*padding, &*dilation) {
        (&[h, w], &[down, across], &[top, left], &[rows, columns]) => Conv2d {
            filters,
            kernel: Pair([h, w]),
            stride: Pair([down, across]),
            padding: Pair([top, left]),
            dilation: Pair([rows, columns]),
            groups,
            bias,
        }
        .into(),
        (&[kernel], &[stride], &[padding], &[dilation]) => {
            Conv1d { filters, kernel, stride, padding, dilation, groups, bias }.into()
        }
        _ => return Err(operator_error(node, "is over neither images nor sequences".to_owned())),
    };
    Ok(Step { layers: vec![(layer, tensors)], flow: y })
}

pub(super) fn read_max_pool<'a>(node: &'a Node, y: Flow<'a>) -> Result<Step<'a>, OnnxError> {
    let [kernel, stride, padding] = Window::read(node, &[], y.shape)?.of_images(node)?;
    let stride = Some(stride).filter(|stride| *stride != kernel);
    Ok(one(MaxPool { kernel, stride, padding }.into(), y))
}

pub(super) fn read_average_pool<'a>(node: &'a Node, y: Flow<'a>) -> Result<Step<'a>, OnnxError> {
    let [kernel, stride, padding] = Window::read(node, &[], y.shape)?.of_images(node)?;
    let stride = Some(stride).filter(|stride| *stride != kernel);
    let count_padding = Settings(node).int("count_include_pad", 0) != 0;
    Ok(one(AveragePool { kernel, stride, padding, count_padding }.into(), y))
}

/// All places become one. Of a sequence our layer leaves features: a flattening behind it changes
/// nothing.
pub(super) fn read_global_pool(take: Take, y: Flow) -> Step {
    one(GlobalPool { take }.into(), y)
}

/// The mean over all places, with or without their axes.
pub(super) fn read_mean<'a>(
    reader: &Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let listed = node.input.get(1).and_then(|name| reader.source.constants.sizes(name));
    let stated = Settings(node).ints("axes").map(|axes| axes.iter().take(8).copied().collect());
    let axes: Vec<i64> = stated.or(listed).unwrap_or_default();
    let mut axes: Vec<i64> = axes.into_iter().map(|axis| y.axis_from_begin(axis)).collect();
    axes.sort_unstable();
    let places: Vec<i64> = (1..y.rank()).filter(|&axis| axis != y.channel_axis()).collect();
    if places.is_empty() || axes != places {
        let problem = "is not over all places of an image or a sequence".to_owned();
        return Err(operator_error(node, problem));
    }
    let keeps_axes = Settings(node).int("keepdims", 1) != 0;
    if keeps_axes && y.channels_last {
        let problem = "keeps axes where channels are the last: let it drop them".to_owned();
        return Err(operator_error(node, problem));
    }
    let mut layers = vec![(GlobalPool { take: Take::Average }.into(), Vec::new())];
    if !keeps_axes && matches!(y.shape, Shape::Image { .. }) {
        layers.push((Flatten {}.into(), Vec::new()));
    }
    Ok(Step { layers, flow: Flow { channels_last: false, ..y } })
}
