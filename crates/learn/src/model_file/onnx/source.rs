//! A model that was read: its operators, who reads what, and the tensors that it holds.

use super::constants::Constants;
use super::messages::{Attribute, Graph, Model, Node, OperatorSet, Tensor, ValueInfo};
use super::{FILE_BYTES_MAX, OPSETS, OnnxError, UnknownOperator, shown, wire};
use prost::Message;
use std::collections::BTreeMap;

/// The place of a tensor that lies in another file.
const EXTERNAL: i32 = 1;

/// The parts of a file.
#[derive(Debug)]
pub(super) struct Parts {
    /// The version of its operators.
    pub(super) opset: i64,
    pub(super) graph: Graph,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Takes a file apart.
///
/// # Errors
/// When it is no model, too large, or holds what is never read here.
pub(super) fn parse(bytes: &[u8]) -> Result<Parts, OnnxError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(OnnxError::TooLarge { found: bytes.len() });
    }
    wire::check(bytes)?;
    let model = Model::decode(bytes)?;
    let unsupported = |what| Err(OnnxError::Unsupported { what });
    let Some(graph) = model.graph else { return unsupported("has no graph") };
    if !model.functions.is_empty() {
        return unsupported("defines operators of its own: export it without functions");
    }
    if !graph.sparse_initializer.is_empty() {
        return unsupported("has sparse tensors: export it with dense ones");
    }
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    let tensors = attributes.filter_map(|attribute| attribute.t.as_ref());
    let is_external =
        |tensor: &&Tensor| tensor.data_location == EXTERNAL || !tensor.external_data.is_empty();
    if let Some(tensor) = graph.initializer.iter().chain(tensors).find(is_external) {
        return Err(OnnxError::External { tensor: shown(&tensor.name) });
    }
    let of_onnx = |set: &&OperatorSet| is_own_domain(&set.domain);
    let opset = model.opset_import.iter().find(of_onnx).map_or(0, |set| set.version);
    if !OPSETS.contains(&opset) {
        return Err(OnnxError::Opset { found: opset });
    }
    let metadata = model.metadata_props.into_iter().map(|entry| (entry.key, entry.value));
    Ok(Parts { opset, graph, metadata: metadata.collect() })
}

/// True for the domain of ONNX's own operators.
fn is_own_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// A graph with an index.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// The version of the operators.
    pub(super) opset: i64,
    /// All but what makes constants, in an order in which every value is made before it is read.
    pub(super) nodes: Vec<&'a Node>,
    pub(super) constants: Constants<'a>,
    /// Of every value the numbers of the nodes that read it, in their order.
    readers: BTreeMap<&'a str, Vec<usize>>,
    pub(super) input: &'a ValueInfo,
    pub(super) output: &'a str,
}

impl<'a> Source<'a> {
    /// Indexes a graph whose operators are all `known`.
    ///
    /// # Errors
    /// When operators are not known, names do not fit together, or there is not one input and one
    /// output.
    pub(super) fn new(
        opset: i64,
        graph: &'a Graph,
        known: impl Fn(&str) -> bool,
    ) -> Result<Source<'a>, OnnxError> {
        all_known(graph, known)?;
        let mut constants = Constants::new(&graph.initializer);
        let nodes: Vec<&Node> = graph.node.iter().filter(|node| !constants.fold(node)).collect();
        // Old files list the tensors they hold among the inputs.
        let is_open = |value: &&ValueInfo| !constants.contains(&value.name);
        let inputs: Vec<&ValueInfo> = graph.input.iter().filter(is_open).collect();
        let ([input], [output]) = (&*inputs, &*graph.output) else {
            let what = "has not one input and one output: nets have one of each here";
            return Err(OnnxError::Unsupported { what });
        };
        let readers = readers(&nodes, &input.name, &constants)?;
        Ok(Source { opset, nodes, constants, readers, input, output: &output.name })
    }

    /// The numbers of the nodes that read a value.
    pub(super) fn readers(&self, value: &str) -> &[usize] {
        self.readers.get(value).map_or(&[], Vec::as_slice)
    }
}

/// # Errors
/// With all operators that are not, each once.
fn all_known(graph: &Graph, known: impl Fn(&str) -> bool) -> Result<(), OnnxError> {
    let mut unknown: BTreeMap<(&str, &str), UnknownOperator> = BTreeMap::new();
    for node in &graph.node {
        let is_own = is_own_domain(&node.domain);
        if is_own && known(&node.op_type) {
            continue;
        }
        let domain = if is_own { "" } else { &node.domain };
        let seen = unknown.entry((domain, &node.op_type)).or_insert_with(|| {
            let name = shown(&node.op_type);
            let operator = if is_own { name } else { format!("{}::{name}", shown(domain)) };
            UnknownOperator { operator, count: 0, node: name_of(node) }
        });
        seen.count += 1;
    }
    let unknown: Vec<UnknownOperator> = unknown.into_values().collect();
    if unknown.is_empty() { Ok(()) } else { Err(OnnxError::UnknownOperators(unknown)) }
}

/// Who reads each value; every one must be made before, and once.
fn readers<'a>(
    nodes: &[&'a Node],
    input: &'a str,
    constants: &Constants,
) -> Result<BTreeMap<&'a str, Vec<usize>>, OnnxError> {
    let mut readers = BTreeMap::from([(input, Vec::new())]);
    for (number, node) in nodes.iter().enumerate() {
        for name in node.input.iter().map(String::as_str) {
            match readers.get_mut(name) {
                Some(readers) => readers.push(number),
                // An empty name is an input that is left out.
                None if name.is_empty() || constants.contains(name) => {}
                None => {
                    let problem = format!("reads {:?}, which nothing before it makes", shown(name));
                    return Err(operator_error(node, problem));
                }
            }
        }
        for name in node.output.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            let is_taken = readers.insert(name, Vec::new()).is_some();
            if is_taken || constants.contains(name) {
                let problem = format!("makes {:?}, which is made already", shown(name));
                return Err(operator_error(node, problem));
            }
        }
    }
    Ok(readers)
}

/// A node's name, or that of what it makes.
pub(super) fn name_of(node: &Node) -> String {
    let names = [&node.name].into_iter().chain(&node.output);
    shown(names.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str))
}

/// The error of a node.
pub(super) fn operator_error(node: &Node, problem: String) -> OnnxError {
    OnnxError::Operator { operator: shown(&node.op_type), node: name_of(node), problem }
}

/// An attribute of a node.
pub(super) fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
