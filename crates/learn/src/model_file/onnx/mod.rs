//! ONNX: a net and its parameters for other runtimes, and nets of other programs for this one.
//!
//! Written is opset 17. The input is called `images` and lies as PyTorch's, `[batch, C, H, W]` (a
//! sequence as `[batch, C, L]`, features as `[batch, D]`); the output is called `logits`, `[batch,
//! classes]`, without the softmax; `batch` is open. Drop-out is left out. The file's metadata are
//! the caller's: how images are preprocessed stands there.
//!
//! Read are files of opsets 9 to 28 whose operators make layers that there are here, see
//! [`OPERATORS`]. Every byte is distrusted: a file is limited in size and in pieces, tensors that
//! lie in other files are refused outright, whatever they are for, and all operators that are not
//! known are named at once.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/docs/Operators.md> and `IR.md` beside it.

mod messages;
mod wire;
mod numbers;
mod constants;
mod source;
mod read;
mod write;
mod operators;

use super::tensors::{FileTensor, read_tensors};
use super::{ModelError, ModelFile, NET_KEY};
use crate::{Network, ShapeError};
use messages::{Entry, Model, OperatorSet};
pub use operators::OPERATORS;
use prost::Message;
use source::{Parts, Source};
use std::collections::BTreeMap;
use std::fmt;
use write::counted_features;

/// The largest file that is read: protobuf's own limit.
const FILE_BYTES_MAX: usize = (1 << 31) - 1;
/// The versions of ONNX's operators that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=28;

/// The version that is written, and that of the file format that belongs to it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Writes the net and its parameters; equal arguments give equal bytes.
///
/// # Errors
/// When the parameters are not the net's or not finite.
pub fn encode(
    network: &Network,
    parameters: &[f32],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, OnnxError> {
    let entries = metadata.iter();
    let entries = entries.map(|(key, value)| Entry { key: key.clone(), value: value.clone() });
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "planaria".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "images lie as [batch, channels, height, width]; logits have no softmax"
            .to_owned(),
        graph: Some(write::graph(network, parameters)?),
        metadata_props: entries.collect(),
        ..Model::default()
    };
    // A message may come in parts. Without this one a model is refused: as the last it shows that
    // nothing was cut off.
    let opset_import = vec![OperatorSet { domain: String::new(), version: OPSET }];
    let last = Model { opset_import, ..Model::default() };
    Ok([model.encode_to_vec(), last.encode_to_vec()].concat())
}

/// Reads a net and its parameters.
///
/// A softmax at the end is taken off: it is what makes probabilities of logits here, too.
///
/// # Errors
/// When the bytes are anything but a model of the layers that there are here.
pub fn decode(bytes: &[u8]) -> Result<(Network, ModelFile), OnnxError> {
    let Parts { opset, graph, mut metadata } = source::parse(bytes)?;
    let source = Source::new(opset, &graph, |operator| OPERATORS.contains(&operator))?;
    let (input, found) = read::net(&source)?;
    let network = Network::new(input, &found.layers)?;
    let flattened: BTreeMap<String, [usize; 2]> = found.flattened.into_iter().collect();
    let mut tensors: BTreeMap<String, FileTensor> = found.tensors.into_iter().collect();
    for spec in network.parameters() {
        let (takes, gets) = (counted_features(spec.layout), flattened.get(&spec.name));
        match (takes, gets, tensors.get_mut(&spec.name)) {
            (Some([places, _]), None, Some(tensor)) => turn(tensor, places),
            (Some(takes), Some(gets), _) if takes != *gets => {
                let what = "flattens an image in an order that there is not here";
                return Err(OnnxError::Unsupported { what });
            }
            _ => {}
        }
    }
    let names: Vec<String> = tensors.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let parameters = read_tensors(&network, &names, |name, _| {
        let missing = || ModelError::Missing { name: name.to_owned() };
        tensors.remove(name).ok_or_else(missing)
    })?;
    metadata.remove(NET_KEY);
    Ok((network, ModelFile { metadata, parameters }))
}

/// Lays features that are in our order, so many `places` one after another, as PyTorch lays them.
fn turn(tensor: &mut FileTensor, places: usize) {
    let features = tensor.shape.last().copied().unwrap_or(0);
    let channels = features / places;
    // A tensor of another length is refused afterwards.
    for row in tensor.values.chunks_exact_mut((channels * places).max(1)) {
        let ours = row.to_vec();
        for (place, ours) in ours.chunks_exact(channels.max(1)).enumerate() {
            for (channel, value) in ours.iter().enumerate() {
                row[channel * places + place] = *value;
            }
        }
    }
}

/// Why bytes are no net of ours, or a net cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// More bytes than a protobuf message may have.
    #[error("the file has {found} bytes: at most {FILE_BYTES_MAX} are read")]
    TooLarge {
        /// Its bytes.
        found: usize,
    },
    /// The bytes are not the format's.
    #[error("the bytes are no ONNX model: the file is cut off, damaged or something else")]
    Damaged,
    /// The bytes are the format's but not the message's.
    #[error("the bytes are no ONNX model")]
    Format(#[from] prost::DecodeError),
    /// So many nodes and names that they would fill the memory.
    #[error("the model has more than {} nodes, names and other pieces", wire::PIECES_MAX)]
    TooManyPieces,
    /// Numbers that lie in another file.
    #[error(
        "tensor {tensor:?} lies in another file: external data are never read; save the model in \
         one file with onnx.save(model, path, save_as_external_data=False)"
    )]
    External {
        /// The tensor's name.
        tensor: String,
    },
    /// Something of the file that is not read here.
    #[error("the model {what}")]
    Unsupported {
        /// What it is or has.
        what: &'static str,
    },
    /// A version of the operators that is not read.
    #[error("the model uses opset {found}: {} to {} are read; convert it with onnx.version_converter",
        OPSETS.start(), OPSETS.end())]
    Opset {
        /// The version.
        found: i64,
    },
    /// Operators that make no layer.
    #[error("{} not known here: {}", if .0.len() == 1 { "an operator is" } else { "operators are" },
        .0.iter().map(UnknownOperator::to_string).collect::<Vec<_>>().join(", "))]
    UnknownOperators(Vec<UnknownOperator>),
    /// The input is not one batch of samples.
    #[error("the input {name:?} {problem}")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An operator that is known, but not as it is used.
    #[error("{operator} (node {node:?}) {problem}")]
    Operator {
        /// The operator.
        operator: String,
        /// The node's name, or that of its first output.
        node: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor that cannot be used.
    #[error("tensor {name:?} {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The layers do not fit together.
    #[error("the model's layers make no network")]
    Shape(#[from] ShapeError),
    /// The parameters do not fit the net.
    #[error("the model's parameters cannot be used")]
    Model(#[from] ModelError),
}

/// An operator that makes no layer here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOperator {
    /// Its name, with the domain if it is not one of ONNX's own.
    pub operator: String,
    /// How many nodes of the model are such.
    pub count: usize,
    /// The first of them.
    pub node: String,
}

impl fmt::Display for UnknownOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnknownOperator { operator, count, node } = self;
        match count {
            1 => write!(f, "{operator} (node {node:?})"),
            _ => write!(f, "{count} x {operator} (first: node {node:?})"),
        }
    }
}

/// A name of the file, as much of it as an error should show.
fn shown(name: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    name.chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests;
