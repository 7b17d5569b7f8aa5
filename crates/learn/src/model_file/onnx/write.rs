//! A net becomes a graph, layer by layer.

use super::OnnxError;
use super::messages::{
    Attribute, Dimension, Graph, Node, Tensor, TensorShape, TensorType, ValueInfo, ValueType,
    attribute_kind, data_type,
};
use super::operators;
use crate::builder::Builder;
use crate::layer::LayerSpec;
use crate::layer::step::Layout;
use crate::model_file::tensors::{FileTensor, file_tensors};
use crate::{Network, Shape};
use std::collections::BTreeMap;

/// What the graph calls its input and its output.
const INPUT: &str = "images";
const OUTPUT: &str = "logits";

/// What flows at some place of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flow {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Places and channels of the image that the features were, when they lie channel by channel
    /// and not, as in our nets, place by place.
    pub(super) image: Option<[usize; 2]>,
}

/// A graph in the making.
pub(super) struct Writer<'a> {
    network: &'a Network,
    parameters: &'a [f32],
    tensors: BTreeMap<String, FileTensor>,
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
}

/// The graph of a net.
///
/// # Errors
/// When the parameters are not the net's or not finite.
pub(super) fn graph(network: &Network, parameters: &[f32]) -> Result<Graph, OnnxError> {
    let tensors = file_tensors(network, parameters)?;
    let tensors = tensors.map(|tensor| (tensor.name.clone(), tensor)).collect();
    let (nodes, initializers) = (Vec::new(), Vec::new());
    let mut writer = Writer { network, parameters, tensors, nodes, initializers };
    let input = Flow { name: INPUT.to_owned(), shape: network.input(), image: None };
    let last = writer.layers("", network.layers(), input)?;
    let last = writer.place_by_place("out", last);
    // A net ends in a dense layer or something behind it, so there is a node that makes the output.
    for node in &mut writer.nodes {
        for name in node.output.iter_mut().chain(&mut node.input).filter(|name| **name == last.name)
        {
            OUTPUT.clone_into(name);
        }
    }
    Ok(Graph {
        node: writer.nodes,
        name: "planaria".to_owned(),
        initializer: writer.initializers,
        input: vec![value(INPUT, network.input())],
        output: vec![value(OUTPUT, Shape::Features(network.classes()))],
        ..Graph::default()
    })
}

/// The name and type of an input or output: floats, a batch of a shape.
fn value(name: &str, shape: Shape) -> ValueInfo {
    let sides = match shape {
        Shape::Image { h, w, c } => vec![c, h, w],
        Shape::Sequence { length, channels } => vec![channels, length],
        Shape::Features(n) => vec![n],
    };
    let batch = Dimension { dim_param: Some("batch".to_owned()), ..Dimension::default() };
    let side = |side| Dimension { dim_value: Some(side as i64), ..Dimension::default() };
    let dim = [batch].into_iter().chain(sides.into_iter().map(side)).collect();
    let tensor = TensorType { elem_type: data_type::FLOAT, shape: Some(TensorShape { dim }) };
    let r#type = Some(ValueType { tensor_type: Some(tensor) });
    ValueInfo { name: name.to_owned(), r#type }
}

impl Writer<'_> {
    /// Layers, one after another; `path` is the place of the list, empty for the net's own.
    pub(super) fn layers(
        &mut self,
        path: &str,
        layers: &[LayerSpec],
        mut flow: Flow,
    ) -> Result<Flow, OnnxError> {
        for (number, layer) in layers.iter().enumerate() {
            let path =
                if path.is_empty() { number.to_string() } else { format!("{path}.{number}") };
            flow = operators::write(self, &path, layer, flow)?;
        }
        Ok(flow)
    }

    /// Appends an operator; returns what it makes. `output` is the layer's place, and what of it.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<Attribute>,
    ) -> String {
        let output = format!("layer.{output}");
        self.nodes.push(Node {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: operator.to_owned(),
            attribute,
            ..Node::default()
        });
        output
    }

    /// True when the layer has such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Keeps a tensor of the layer at `path` in the graph, for what flows to it: as PyTorch lays it,
    /// or with its features in our order where they flow so.
    ///
    /// # Panics
    /// When the net has no such tensor, or the graph has it already.
    pub(super) fn parameter(&mut self, path: &str, own: &str, x: &Flow) -> String {
        let name = format!("{path}.{own}");
        let tensor = self.tensors.remove(&name).expect("a layer writes each of its tensors once");
        let is_turned = self.order(path).is_some() && x.image.is_none();
        let ours = self.network.parameters().iter().find(|spec| spec.name == name);
        let ours = ours.filter(|spec| is_turned && counted_features(spec.layout).is_some());
        match ours.map(|spec| spec.view(self.parameters)) {
            // A dense layer's `[D, U]` as `[U, D]`; a number for every feature is as it is.
            Some(ours) => {
                let values: Vec<f32> = ours.reversed_axes().iter().copied().collect();
                self.floats(&name, &tensor.shape, &values)
            }
            None => self.floats(&name, &tensor.shape, &tensor.values),
        }
    }

    /// Keeps floats in the graph.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, data_type::FLOAT, raw)
    }

    /// Keeps one float in the graph.
    pub(super) fn scalar(&mut self, name: &str, value: f32) -> String {
        self.floats(&format!("layer.{name}"), &[], &[value])
    }

    /// Keeps whole numbers in the graph.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, &[values.len()], data_type::INT64, raw)
    }

    fn tensor(&mut self, name: &str, shape: &[usize], data_type: i32, raw: Vec<u8>) -> String {
        self.initializers.push(Tensor {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: raw,
            ..Tensor::default()
        });
        name.to_owned()
    }

    /// Places and channels that the layer at `path` takes its features for, if our order of them is
    /// another than PyTorch's.
    fn order(&self, path: &str) -> Option<[usize; 2]> {
        let name = format!("{path}.weight");
        let spec = self.network.parameters().iter().find(|spec| spec.name == name);
        spec.and_then(|spec| counted_features(spec.layout))
    }

    /// What flows, in an order that the parameters of the layer at `path` can have.
    pub(super) fn matched(&mut self, path: &str, x: Flow) -> Flow {
        if x.image == self.order(path) { x } else { self.place_by_place(path, x) }
    }

    /// The features as they lie in our nets: all channels of a place side by side.
    pub(super) fn place_by_place(&mut self, path: &str, x: Flow) -> Flow {
        let Some([places, c]) = x.image else { return x };
        let split = self.integers(&format!("layer.{path}.split"), &[0, c as i64, places as i64]);
        let name = self.node("Reshape", &[&x.name, &split], &format!("{path}.image"), Vec::new());
        let name = self.node("Transpose", &[&name], &format!("{path}.turned"), perm(&[0, 2, 1]));
        let name = self.node("Flatten", &[&name], &format!("{path}.features"), Vec::new());
        Flow { name, image: None, ..x }
    }
}

/// Places and channels of the image that a tensor's features once were, if our order of them is
/// another than PyTorch's.
pub(super) fn counted_features(layout: Layout) -> Option<[usize; 2]> {
    match layout {
        Layout::Dense { places, c } | Layout::Channels { places, c } if places > 1 && c > 1 => {
            Some([places, c])
        }
        Layout::Same | Layout::Convolution | Layout::Dense { .. } | Layout::Channels { .. } => None,
    }
}

/// The shape behind a layer.
///
/// # Errors
/// When the layer does not fit there.
pub(super) fn shape_behind(shape: Shape, layer: &LayerSpec) -> Result<Shape, crate::ShapeError> {
    let mut builder = Builder::new(shape, false)?;
    builder.layers(std::slice::from_ref(layer))?;
    Ok(builder.shape())
}

/// A setting of whole numbers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    let (name, kind) = (name.to_owned(), attribute_kind::INTS);
    Attribute { name, kind, ints: values.to_vec(), ..Attribute::default() }
}

/// A setting of one whole number.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    let (name, kind) = (name.to_owned(), attribute_kind::INT);
    Attribute { name, kind, i: Some(value), ..Attribute::default() }
}

/// The setting of a transposition.
pub(super) fn perm(axes: &[i64]) -> Vec<Attribute> {
    vec![ints("perm", axes)]
}

/// A setting of one float.
pub(super) fn float(name: &str, value: f32) -> Attribute {
    let (name, kind) = (name.to_owned(), attribute_kind::FLOAT);
    Attribute { name, kind, f: Some(value), ..Attribute::default() }
}
