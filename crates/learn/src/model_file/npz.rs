//! NumPy's `.npz`: named arrays in a zip archive, and a net's parameters as one.
//!
//! The parameters have PyTorch's names and lie in PyTorch's layouts, as in the safetensors file:
//! `torch.from_numpy(numpy.load("model.npz")["0.weight"])` is the tensor of that name. There is no
//! place for a description of the net: who reads parameters says whose they are.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.savez.html>.

use super::ModelError;
use super::tensors::{FileTensor, file_tensors, read_tensors};
use planaria_npy::zip::{self, Packing, ZipError};
use planaria_npy::{Npy, NpyError};

use crate::Network;
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;

/// What the names of the members end in.
const ENDING: &str = ".npy";
/// The most bytes before an array's numbers.
const NPY_HEADER_BYTES_MAX: usize = 12 + 10_000;

/// Why bytes are not named arrays, or not those of a net.
#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    /// The archive cannot be read or written.
    #[error("the archive cannot be used")]
    Zip(#[from] ZipError),
    /// A member is no array.
    #[error("array `{name}` cannot be used")]
    Npy {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: NpyError,
    },
    /// A member's name does not end as an array's.
    #[error("member {name:?} is no array: every name in an .npz file ends in {ENDING}")]
    Name {
        /// The name.
        name: String,
    },
    /// All arrays together are larger than allowed.
    #[error("the arrays have more than {limit} bytes together: no more are read here")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The arrays are not the net's, or the parameters are not.
    #[error("arrays and net do not fit")]
    Model(#[from] ModelError),
}

/// Reads all arrays of a file; unpacked, with their headers, they may have `limit` bytes together.
///
/// # Errors
/// [`NpzError`] when the file is anything but an archive of whole arrays.
pub fn decode(bytes: &[u8], limit: usize) -> Result<BTreeMap<String, Npy>, NpzError> {
    let mut left = limit;
    let mut arrays = BTreeMap::new();
    for (file, member) in zip::members(bytes)? {
        let name = array_name(file)?;
        let unpacked = member.unpack(file, left).map_err(|error| match error {
            ZipError::TooLarge { .. } => NpzError::TooLarge { limit },
            other => other.into(),
        })?;
        left -= unpacked.len();
        arrays.insert(name.to_owned(), array(name, &unpacked)?);
    }
    Ok(arrays)
}

/// Writes arrays under their names; equal arrays give equal bytes.
///
/// # Errors
/// [`NpzError::Zip`] for names and sizes that could not be read back.
pub fn encode(
    packing: Packing,
    arrays: impl IntoIterator<Item = (String, Npy)>,
) -> Result<Vec<u8>, NpzError> {
    let files = arrays.into_iter().map(|(name, array)| (name + ENDING, array.encode()));
    Ok(zip::write(packing, files)?)
}

/// Writes the parameters of a net with PyTorch's names, in its layouts.
///
/// # Errors
/// When they are not the net's or not finite.
pub fn encode_parameters(
    packing: Packing,
    network: &Network,
    parameters: &[f32],
) -> Result<Vec<u8>, NpzError> {
    let tensors = file_tensors(network, parameters)?;
    encode(
        packing,
        tensors.map(|FileTensor { name, shape, values }| {
            let array = ArrayD::from_shape_vec(IxDyn(&shape), values);
            (name, Npy::F32(array.expect("a tensor has as many numbers as its shape says")))
        }),
    )
}

/// Reads the parameters of `network`, laid out as [`Network::parameters`] says.
///
/// Arrays of `float64` and of whole numbers are taken where `float32` can hold them.
///
/// # Errors
/// When the file has not exactly the net's arrays, or one has another shape or a number that is
/// not finite.
pub fn decode_parameters(network: &Network, bytes: &[u8]) -> Result<Vec<f32>, NpzError> {
    let members = zip::members(bytes)?;
    let names = members.keys().map(|file| array_name(file)).collect::<Result<Vec<_>, _>>()?;
    read_tensors(network, &names, |name, len| {
        let file = format!("{name}{ENDING}");
        let member = &members[file.as_str()];
        let unpacked = member.unpack(&file, NPY_HEADER_BYTES_MAX + 8 * len)?;
        let wrong = |source| NpzError::Npy { name: name.to_owned(), source };
        let array = array(name, &unpacked)?.into_f32().map_err(wrong)?;
        Ok(FileTensor {
            name: name.to_owned(),
            shape: array.shape().to_vec(),
            values: array.into_raw_vec_and_offset().0,
        })
    })
}

/// The name without its ending.
fn array_name(file: &str) -> Result<&str, NpzError> {
    file.strip_suffix(ENDING).ok_or_else(|| NpzError::Name { name: file.to_owned() })
}

fn array(name: &str, bytes: &[u8]) -> Result<Npy, NpzError> {
    Npy::decode(bytes).map_err(|source| NpzError::Npy { name: name.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{conv2d::Conv2d, dense::Dense, flatten::Flatten, relu::Relu};
    use crate::{LayerSpec, Shape};

    fn network() -> Network {
        let layers: [LayerSpec; 4] =
            [Conv2d::square(3, 3).into(), Relu {}.into(), Flatten {}.into(), Dense::new(2).into()];
        Network::new(Shape::Image { h: 4, w: 5, c: 2 }, &layers).unwrap()
    }

    fn arrays() -> BTreeMap<String, Npy> {
        let f32s = ArrayD::from_shape_vec(&[2, 2][..], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let u8s = ArrayD::from_shape_vec(&[3][..], vec![7, 8, 9]).unwrap();
        BTreeMap::from([("labels".into(), Npy::U8(u8s)), ("x/images".into(), Npy::F32(f32s))])
    }

    #[test]
    fn arrays_come_back_as_they_were() {
        for packing in [Packing::Stored, Packing::Deflated] {
            let bytes = encode(packing, arrays()).unwrap();
            assert_eq!(decode(&bytes, 1_000).unwrap(), arrays());
        }
    }

    #[test]
    fn all_arrays_together_keep_to_the_limit() {
        let bytes = encode(Packing::Deflated, arrays()).unwrap();
        // Two headers of 128 bytes, 3 and 16 bytes of numbers.
        assert!(decode(&bytes, 275).is_ok());
        let error = decode(&bytes, 274).unwrap_err();
        assert!(matches!(error, NpzError::TooLarge { limit: 274 }), "{error}");
    }

    #[test]
    fn what_is_no_array_is_refused_by_its_name() {
        let text = [("readme.txt".to_owned(), b"hello".to_vec())];
        let error = decode(&zip::write(Packing::Stored, text).unwrap(), 1_000).unwrap_err();
        assert!(matches!(error, NpzError::Name { name } if name == "readme.txt"));
        let text = [("readme.npy".to_owned(), b"hello".to_vec())];
        let error = decode(&zip::write(Packing::Stored, text).unwrap(), 1_000).unwrap_err();
        assert!(
            matches!(error, NpzError::Npy { name, source: NpyError::Magic } if name == "readme")
        );
    }

    #[test]
    fn parameters_come_back_and_lie_as_pytorch_lays_them() {
        let network = network();
        let parameters = network.initial_parameters(1);
        for packing in [Packing::Stored, Packing::Deflated] {
            let bytes = encode_parameters(packing, &network, &parameters).unwrap();
            assert_eq!(decode_parameters(&network, &bytes).unwrap(), parameters);
            let arrays = decode(&bytes, 10_000).unwrap();
            assert_eq!(arrays["0.weight"].shape(), [3, 2, 3, 3]);
            assert_eq!(arrays["3.weight"].shape(), [2, 18]);
        }
    }

    #[test]
    fn parameters_of_other_types_are_taken_where_they_fit() {
        let network = Network::new(Shape::Features(2), &[Dense::new(1).into()]).unwrap();
        let file = |weight: Npy, bias: Npy| {
            encode(Packing::Stored, [("0.weight".to_owned(), weight), ("0.bias".to_owned(), bias)])
        };
        let weight = Npy::F64(ArrayD::from_shape_vec(&[1, 2][..], vec![0.5, -1.0]).unwrap());
        let bias = Npy::I64(ArrayD::from_elem(&[1][..], 3));
        let bytes = file(weight.clone(), bias.clone()).unwrap();
        assert_eq!(decode_parameters(&network, &bytes).unwrap(), [0.5, -1.0, 3.0]);
        let bytes = file(weight, Npy::I64(ArrayD::from_elem(&[1][..], i64::MAX))).unwrap();
        let error = decode_parameters(&network, &bytes).unwrap_err();
        assert!(matches!(error, NpzError::Npy { name, .. } if name == "0.bias"));
        let nan = Npy::F32(ArrayD::from_elem(&[1, 2][..], f32::NAN));
        let error = decode_parameters(&network, &file(nan, bias).unwrap()).unwrap_err();
        assert!(matches!(error, NpzError::Model(ModelError::NotFinite { .. })));
    }

    #[test]
    fn files_of_another_net_are_refused() {
        let network = network();
        let parameters = network.initial_parameters(1);
        let bytes = encode_parameters(Packing::Stored, &network, &parameters).unwrap();
        let arrays = decode(&bytes, 10_000).unwrap();
        let refused = |arrays: BTreeMap<String, Npy>| {
            let bytes = encode(Packing::Stored, arrays).unwrap();
            match decode_parameters(&network, &bytes).unwrap_err() {
                NpzError::Model(error) => error.to_string(),
                other => other.to_string(),
            }
        };
        let mut fewer = arrays.clone();
        fewer.remove("3.bias");
        assert_eq!(refused(fewer), "tensor `3.bias` is missing");
        let mut more = arrays.clone();
        more.insert("more".into(), Npy::U8(ArrayD::zeros(IxDyn(&[1]))));
        assert!(refused(more).contains("5 tensors, the net 4"));
        let mut turned = arrays.clone();
        turned.insert("3.weight".into(), Npy::F32(ArrayD::zeros(IxDyn(&[18, 2]))));
        assert_eq!(refused(turned), "tensor `3.weight` is [18, 2], the net needs [2, 18]");
        let mut huge = arrays;
        huge.insert("3.bias".into(), Npy::U8(ArrayD::zeros(IxDyn(&[100_000]))));
        assert_eq!(refused(huge), "the archive cannot be used");
        let error = encode_parameters(Packing::Stored, &network, &parameters[1..]).unwrap_err();
        assert!(matches!(error, NpzError::Model(ModelError::ParameterCount { .. })));
    }
}
