//! A model as bytes and back: the safetensors format, with PyTorch's names and PyTorch's layouts.
//!
//! Convolutions lie as `[F, C, 3, 3]`, dense layers as `[U, D]`, and the dense layer behind a
//! flattened image counts its inputs as `C, H, W`: `torch.nn.Sequential.load_state_dict` takes the
//! file's tensors as they are. Equal models give equal bytes: the header is written here, sorted,
//! because the library's metadata is a hash map whose order changes from run to run.
//!
//! Parameters are `f32`; [`encode_as`] rounds them to 16 bits, [`encode_quantised`] writes those of
//! 8 bits, and [`decode`] reads them all.
//!
//! Reading distrusts every byte; what is accepted is exactly the tensors of the net in the
//! metadata, and the counters that PyTorch's batch normalisation keeps beside them.
//!
//! Beside it stand the formats of other programs: [`npz`] has the same tensors in NumPy's archive,
//! [`onnx`] the whole net for other runtimes.
//!
//! Source: <https://github.com/huggingface/safetensors>, "Format".

mod layout;
mod tensors;
mod precision;
mod encode;
mod bytes;
mod decode;
pub mod npz;
pub mod onnx;

pub use bytes::encode_quantised;
pub use decode::{decode, decode_parameters};
pub use encode::{encode, encode_as};
pub use planaria_npy as npy;
pub use planaria_npy::{Packing, ZipError};
pub use precision::Precision;

use crate::{LayerSpec, Shape, ShapeError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The longest header: 1 MiB.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// The most axes of a tensor.
const RANK_MAX: usize = 8;
/// The most layers of a net in a file: as many as fit a reader's patience.
const LAYERS_MAX: usize = 1_000;
/// The metadata key that describes the net.
const NET_KEY: &str = "net";
/// The metadata key that says how layers make bytes of their inputs: that of a quantised net.
pub const INT8: &str = "int8";
/// What the name of a weight's tensor of steps ends in.
const STEPS: &str = "_scale";

/// What a file says beside its net.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// Free text by key; the key `net` is the file's own.
    pub metadata: BTreeMap<String, String>,
    /// The parameters, laid out as [`crate::Network::parameters`] says.
    pub parameters: Vec<f32>,
}

/// Why bytes are not a model, or a model cannot become bytes.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Too short, or a header that claims too much.
    #[error(
        "the header claims {claimed} bytes of a file of {found}: at most 1 MiB is read; the file \
         is damaged or no model"
    )]
    Header {
        /// What the first eight bytes say.
        claimed: u64,
        /// The file's length.
        found: usize,
    },
    /// The format itself is violated.
    #[error("the bytes are not safetensors: export the model again")]
    Format(#[source] safetensors::SafeTensorError),
    /// The metadata does not describe a net.
    #[error("metadata `net` is missing: only models with a description of their net can be read")]
    NoNet,
    /// The description of the net cannot be read.
    #[error("metadata `net` cannot be read")]
    Net(#[source] serde_json::Error),
    /// The described net has too many layers.
    #[error("the net has {found} layers: at most {LAYERS_MAX} are read")]
    TooManyLayers {
        /// How many it has.
        found: usize,
    },
    /// The described layers make no network.
    #[error("the layers in metadata `net` make no network")]
    Shape(#[from] ShapeError),
    /// The number of tensors is wrong.
    #[error(
        "the file has {found} tensors, the net {expected}: file and net do not belong together"
    )]
    TensorCount {
        /// In the file.
        found: usize,
        /// In the net.
        expected: usize,
    },
    /// A tensor of the net is not in the file.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor has another type or shape than the net's.
    #[error("tensor `{name}` is {found}, the net needs {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape in the net.
        expected: String,
    },
    /// A parameter is infinite or not a number.
    #[error("tensor `{name}` holds {value} at {index}: the training failed or the file is damaged")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// The place in the tensor.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// A parameter does not fit into fewer bits.
    #[error("tensor `{name}` holds {value} at {index}, too large for {precision}: write it as f32")]
    TooLarge {
        /// The tensor's name.
        name: String,
        /// The place in the tensor.
        index: usize,
        /// What is there.
        value: f32,
        /// The name of the precision.
        precision: &'static str,
    },
    /// The metadata say in no usable way how layers make bytes of their inputs.
    #[error("metadata `int8` cannot be used ({reason}): quantise the model again")]
    Int8 {
        /// What is wrong.
        reason: String,
    },
    /// The parameters are not the net's.
    #[error("{found} parameters for a net of {expected}")]
    ParameterCount {
        /// How many were given.
        found: usize,
        /// How many the net has.
        expected: usize,
    },
    /// The metadata use the key that is the file's own.
    #[error("metadata key `net` is the file's own: choose another")]
    ReservedKey,
    /// The header would be longer than what is read back.
    #[error("the header would have {found} bytes: shorten the metadata, at most 1 MiB is read")]
    HeaderTooLong {
        /// How long it would be.
        found: usize,
    },
}

/// The description of a net in the metadata.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Net {
    input: Shape,
    layers: Vec<LayerSpec>,
}

/// # Errors
/// At the first number that is infinite or none.
fn check_finite(name: &str, values: &[f32]) -> Result<(), ModelError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(ModelError::NotFinite { name: name.to_owned(), index, value: values[index] })
        }
    }
}

/// SHA-256 of the parameters' little-endian bytes, in hexadecimal: the weights' identity.
pub fn weights_sha256(parameters: &[f32]) -> String {
    let mut hash = Sha256::new();
    for block in parameters.chunks(1_024) {
        let mut bytes = [0; 4 * 1_024];
        for (to, value) in bytes.chunks_exact_mut(4).zip(block) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        hash.update(&bytes[..4 * block.len()]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::layer::{batch_norm::BatchNorm, conv2d::Conv2d, dense::Dense, flatten::Flatten};
    use crate::layer::{max_pool::MaxPool, relu::Relu};
    use proptest::prelude::*;
    use safetensors::{Dtype, SafeTensors, tensor::TensorView};

    fn network() -> Network {
        let layers: [LayerSpec; 6] = [
            Conv2d::square(3, 3).into(),
            Relu {}.into(),
            MaxPool::default().into(),
            Flatten {}.into(),
            Dense::new(4).into(),
            Dense::new(2).into(),
        ];
        Network::new(Shape::Image { h: 6, w: 8, c: 2 }, &layers).unwrap()
    }

    fn metadata() -> BTreeMap<String, String> {
        (0..20).map(|i| (format!("key {i}"), format!("value \"{i}\""))).collect()
    }

    #[test]
    fn a_model_comes_back_as_it_was() {
        let network = network();
        let parameters = network.initial_parameters(1);
        let bytes = encode(&network, &parameters, &metadata()).unwrap();
        let (read, file) = decode(&bytes).unwrap();
        assert_eq!(file, ModelFile { metadata: metadata(), parameters: parameters.clone() });
        assert_eq!((read.input(), read.layers()), (network.input(), network.layers()));
        assert_eq!(encode(&read, &file.parameters, &file.metadata).unwrap(), bytes);
    }

    #[test]
    fn tensors_lie_as_pytorch_lays_them() {
        let network = network();
        let parameters = network.initial_parameters(1);
        let bytes = encode(&network, &parameters, &BTreeMap::new()).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let at = |name: &str, place: usize| {
            let data = file.tensor(name).unwrap().data();
            f32::from_le_bytes(data[4 * place..][..4].try_into().unwrap())
        };
        let ours = |name: &str| network.tensor(&parameters, name).unwrap();
        assert_eq!(file.tensor("0.weight").unwrap().shape(), [3, 2, 3, 3]);
        // filter 2, channel 1, row 0, column 2
        assert_eq!(at("0.weight", ((2 * 2 + 1) * 3) * 3 + 2), ours("0.weight")[[0, 2, 1, 2]]);
        // unit 3, channel 2, row 1, column 0 of the pooled 2 x 3 x 3
        assert_eq!(file.tensor("4.weight").unwrap().shape(), [4, 18]);
        assert_eq!(at("4.weight", 3 * 18 + (2 * 2 + 1) * 3), ours("4.weight")[[3 * 3 + 2, 3]]);
        assert_eq!(at("5.weight", 4 + 3), ours("5.weight")[[3, 1]]);
    }

    #[test]
    fn parameters_that_are_not_finite_are_refused_both_ways() {
        let network = network();
        let mut parameters = network.initial_parameters(1);
        let mut bytes = encode(&network, &parameters, &BTreeMap::new()).unwrap();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert!(matches!(decode(&bytes), Err(ModelError::NotFinite { index: 1, .. })));
        parameters[7] = f32::NAN;
        let error = encode(&network, &parameters, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().starts_with("tensor `0.weight` holds NaN at 7"));
    }

    #[test]
    fn a_model_in_16_bits_is_half_as_long_and_comes_back_rounded() {
        let network = network();
        let mut parameters = network.initial_parameters(1);
        let whole = encode(&network, &parameters, &metadata()).unwrap();
        for precision in [Precision::Bf16, Precision::F16] {
            let bytes = encode_as(&network, &parameters, &metadata(), precision).unwrap();
            assert!(whole.len() - bytes.len() >= 2 * parameters.len() - 64, "{precision:?}");
            let (_, file) = decode(&bytes).unwrap();
            let rounded: Vec<f32> = parameters.iter().map(|p| precision.rounded(*p)).collect();
            assert_eq!(file.parameters, rounded);
            // Writing it again loses nothing more.
            let again = encode_as(&network, &file.parameters, &file.metadata, precision).unwrap();
            assert_eq!(again, bytes);
        }
        parameters[3] = 70_000.0;
        let error = encode_as(&network, &parameters, &metadata(), Precision::F16).unwrap_err();
        assert!(error.to_string().contains("70000 at 3, too large for f16"), "{error}");
    }

    #[test]
    fn files_of_another_net_are_refused() {
        let network = network();
        let bytes = encode(&network, &network.initial_parameters(1), &BTreeMap::new()).unwrap();
        let replace = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let mut bytes = bytes.clone();
            let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
            bytes[at.unwrap()..][..from.len()].copy_from_slice(to.as_bytes());
            decode(&bytes).unwrap_err().to_string()
        };
        assert!(
            replace("units\\\":4", "units\\\":5")
                .contains("tensor `4.weight` is F32 [4, 18], the net needs F32 [5, 18]")
        );
        assert!(replace("\"5.bias\"", "\"5.biaz\"").contains("tensor `5.bias` is missing"));
        assert!(replace("\"net\"", "\"nat\"").contains("metadata `net` is missing"));
        assert!(replace("filters\\\":3", "filters\\\":0").contains("make no network"));
        assert!(replace("\"F32\"", "\"I32\"").contains("is I32"));
    }

    /// A file that PyTorch's tools wrote: any tensors, no metadata.
    fn plain_file(tensors: &[(String, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let view = |(name, dtype, shape, data): &'_ (String, Dtype, Vec<usize>, Vec<u8>)| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), data.clone().leak()).unwrap())
        };
        safetensors::serialize(tensors.iter().map(view), None).unwrap()
    }

    #[test]
    fn weights_of_pytorch_are_read_for_a_net_that_is_known() {
        let layers: [LayerSpec; 3] =
            [Dense::new(3).into(), BatchNorm::default().into(), Dense::new(2).into()];
        let network = Network::new(Shape::Features(2), &layers).unwrap();
        let parameters = network.initial_parameters(1);
        let mut tensors: Vec<_> = tensors::file_tensors(&network, &parameters)
            .unwrap()
            .map(|tensor| {
                let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (tensor.name, Dtype::F32, tensor.shape, bytes)
            })
            .collect();
        tensors.push(("1.num_batches_tracked".into(), Dtype::I64, vec![], vec![0; 8]));
        assert_eq!(decode_parameters(&network, &plain_file(&tensors)).unwrap(), parameters);
        assert!(matches!(decode(&plain_file(&tensors)), Err(ModelError::NoNet)));
        tensors.push(("2.more".into(), Dtype::F32, vec![], vec![0; 4]));
        let error = decode_parameters(&network, &plain_file(&tensors)).unwrap_err();
        assert!(matches!(error, ModelError::TensorCount { found: 9, expected: 8 }), "{error}");
    }

    #[test]
    fn metadata_keep_their_bounds() {
        let network = network();
        let parameters = network.initial_parameters(1);
        let long = BTreeMap::from([("k".to_owned(), "x".repeat(HEADER_BYTES_MAX))]);
        assert!(matches!(
            encode(&network, &parameters, &long),
            Err(ModelError::HeaderTooLong { .. })
        ));
        let reserved = BTreeMap::from([("net".to_owned(), String::new())]);
        assert!(matches!(encode(&network, &parameters, &reserved), Err(ModelError::ReservedKey)));
        assert!(matches!(
            encode(&network, &parameters[1..], &long),
            Err(ModelError::ParameterCount { .. })
        ));
    }

    #[test]
    fn the_weights_hash_is_that_of_their_bytes() {
        // sha256sum of no bytes, and of 00 00 80 3f
        assert_eq!(
            weights_sha256(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(weights_sha256(&[1.0]), SHA_OF_ONE);
        assert_ne!(weights_sha256(&[1.0; 1_025]), weights_sha256(&[1.0; 1_024]));
    }

    const SHA_OF_ONE: &str = "e00e5eb9444182f352323374ef4e08ebcb784725fdd4fd612d7730540b3e0c8c";

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_behind_a_fitting_length_make_decoding_panic(
            header in "[\\[\\]{}\",:a-z0-9_ ]{0,200}", tail in 0usize..40,
        ) {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend(vec![0; tail]);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn every_truncation_is_refused(cut in 0.0f64..1.0) {
            let network = network();
            let bytes = encode(&network, &network.initial_parameters(1), &metadata()).unwrap();
            let cut = (cut * bytes.len() as f64) as usize;
            prop_assert!(decode(&bytes[..cut]).is_err());
            let mut longer = bytes;
            longer.extend(vec![0; cut + 1]);
            prop_assert!(decode(&longer).is_err());
        }

        #[test]
        fn a_flipped_bit_never_panics_and_never_brings_back_the_same_model(
            place in 0.0f64..1.0, bit in 0u8..8,
        ) {
            let network = network();
            let bytes = encode(&network, &network.initial_parameters(1), &metadata()).unwrap();
            let mut flipped = bytes.clone();
            flipped[(place * bytes.len() as f64) as usize] ^= 1 << bit;
            if let Ok((read, file)) = decode(&flipped) {
                prop_assert_eq!(file.parameters.len(), read.parameter_count());
            }
        }
    }
}
