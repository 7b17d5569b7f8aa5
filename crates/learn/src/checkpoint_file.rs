//! The state of a training as bytes and back: texts and named tensors of f32, exact to the bit, as safetensors.
//!
//! What the tensors mean is the caller's affair; a tensor may be given in pieces, so that nobody copies it before it is
//! written. Equal arguments give equal bytes. Reading distrusts every byte: who takes a tensor says its length, and gets it
//! whole and finite or an error that names it.
//!
//! Source: <https://github.com/huggingface/safetensors>, "Format".

use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use std::collections::BTreeMap;

/// The longest header: 4 MiB. It holds the losses of a whole training.
const HEADER_BYTES_MAX: usize = 4 << 20;

/// Why bytes are no state of a training, or a state cannot become bytes.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFileError {
    /// Too short, or a header that claims too much.
    #[error(
        "the header claims {claimed} bytes of a file of {found}: at most 4 MiB is read; the file is \
         cut off, damaged or no checkpoint"
    )]
    Header {
        /// What the first eight bytes say.
        claimed: u64,
        /// The file's length.
        found: usize,
    },
    /// The format itself is violated.
    #[error("the bytes are not safetensors: the file is cut off, damaged or no checkpoint")]
    Format(#[source] safetensors::SafeTensorError),
    /// A tensor is not in the file.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor is in the file that nobody asked for.
    #[error("tensor `{name}` does not belong to this training")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A tensor has another type or length.
    #[error("tensor `{name}` is {found}, this training needs {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape that are needed.
        expected: String,
    },
    /// A number is infinite or none.
    #[error("tensor `{name}` holds {value} at {index}: the training failed or the file is damaged")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// The place in the tensor.
        index: usize,
        /// What is there.
        value: f32,
    },
    /// The header would be longer than what is read back.
    #[error("the header would have {found} bytes: at most 4 MiB is read")]
    HeaderTooLong {
        /// How long it would be.
        found: usize,
    },
    /// The texts cannot be written.
    #[error("the texts cannot be written")]
    Texts(#[source] serde_json::Error),
}

/// A tensor in the header, in the order of the fields that the format's own writer uses.
#[derive(Serialize)]
struct TensorHeader {
    dtype: &'static str,
    shape: [usize; 1],
    data_offsets: [usize; 2],
}

/// Writes texts and tensors; the pieces of a tensor follow each other. Names are plain words without quotes.
///
/// # Errors
/// [`CheckpointFileError::NotFinite`], and when the texts are longer than what is read back.
pub fn encode(
    texts: &BTreeMap<String, String>,
    tensors: &[(String, Vec<&[f32]>)],
) -> Result<Vec<u8>, CheckpointFileError> {
    let mut header = format!("{{\"__metadata__\":{}", json(texts)?);
    let mut end = 0;
    for (name, pieces) in tensors {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let data_offsets = [end, end + 4 * len];
        let tensor = TensorHeader { dtype: "F32", shape: [len], data_offsets };
        header.push_str(&format!(",{}:{}", json(name)?, json(&tensor)?));
        end += 4 * len;
    }
    header.push('}');
    // The format wants the data aligned to eight bytes: the header ends in spaces.
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    if padded > HEADER_BYTES_MAX {
        return Err(CheckpointFileError::HeaderTooLong { found: padded });
    }
    let mut bytes = Vec::with_capacity(8 + padded + end);
    bytes.extend((padded as u64).to_le_bytes());
    bytes.extend(header.into_bytes());
    for (name, pieces) in tensors {
        let mut first = 0;
        for piece in pieces {
            check_finite(name, first, piece)?;
            bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
            first += piece.len();
        }
    }
    Ok(bytes)
}

fn json(value: &impl Serialize) -> Result<String, CheckpointFileError> {
    serde_json::to_string(value).map_err(CheckpointFileError::Texts)
}

/// Bytes that have the form of a state; what is in them is asked for by name.
#[derive(Debug)]
pub struct CheckpointFile<'a> {
    texts: BTreeMap<String, String>,
    tensors: SafeTensors<'a>,
}

impl<'a> CheckpointFile<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`CheckpointFileError::Header`] and [`CheckpointFileError::Format`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, CheckpointFileError> {
        let found = bytes.len();
        let claimed =
            bytes.first_chunk().map_or(u64::MAX, |first: &[u8; 8]| u64::from_le_bytes(*first));
        if claimed > HEADER_BYTES_MAX as u64 || claimed + 8 > found as u64 {
            return Err(CheckpointFileError::Header { claimed, found });
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(CheckpointFileError::Format)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(CheckpointFileError::Format)?;
        let texts = BTreeMap::from_iter(header.metadata().clone().unwrap_or_default());
        Ok(CheckpointFile { texts, tensors })
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// True when there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// A tensor of `len` numbers.
    ///
    /// # Errors
    /// When it is missing, of another type or length, or not finite.
    pub fn tensor(&self, name: &str, len: usize) -> Result<Vec<f32>, CheckpointFileError> {
        let Ok(tensor) = self.tensors.tensor(name) else {
            return Err(CheckpointFileError::Missing { name: name.to_owned() });
        };
        let fits = tensor.dtype() == Dtype::F32 && tensor.shape() == [len];
        if !fits || tensor.data().len() != 4 * len {
            let shown = &tensor.shape()[..tensor.shape().len().min(8)];
            let found = format!("{:?} {shown:?}", tensor.dtype());
            let expected = format!("F32 [{len}]");
            return Err(CheckpointFileError::Tensor { name: name.to_owned(), found, expected });
        }
        let chunks = tensor.data().as_chunks().0.iter();
        let values: Vec<f32> = chunks.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        check_finite(name, 0, &values)?;
        Ok(values)
    }

    /// Proves that the file holds no other tensors than these.
    ///
    /// # Errors
    /// [`CheckpointFileError::Unexpected`].
    pub fn only(&self, names: &[String]) -> Result<(), CheckpointFileError> {
        let mut found = self.tensors.names();
        found.sort_unstable();
        match found.into_iter().find(|found| !names.iter().any(|name| name == found)) {
            None => Ok(()),
            Some(name) => Err(CheckpointFileError::Unexpected { name: name.to_owned() }),
        }
    }
}

fn check_finite(name: &str, first: usize, values: &[f32]) -> Result<(), CheckpointFileError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (index, value) = (first + at, values[at]);
            Err(CheckpointFileError::NotFinite { name: name.to_owned(), index, value })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts() -> BTreeMap<String, String> {
        (0..9).map(|i| (format!("key {i}"), format!("line \"{i}\"\nand another"))).collect()
    }

    fn bytes() -> Vec<u8> {
        let tensors = vec![
            ("parameters".to_owned(), vec![&[1.0, -0.0, f32::MIN_POSITIVE / 4.0][..], &[7.5]]),
            ("state.0".to_owned(), vec![&[0.1][..]]),
        ];
        encode(&texts(), &tensors).expect("all of it is finite")
    }

    #[test]
    fn a_state_comes_back_to_the_bit_and_equal_states_are_equal_bytes() {
        let bytes = bytes();
        let file = CheckpointFile::open(&bytes).expect("it was just written");
        assert!(texts().iter().all(|(key, text)| file.text(key) == Some(text)));
        let values = file.tensor("parameters", 4).expect("it is there");
        let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        let wanted = [1.0, -0.0, f32::MIN_POSITIVE / 4.0, 7.5].map(f32::to_bits);
        assert_eq!(bits, wanted);
        assert_eq!(file.tensor("state.0", 1).expect("it is there"), [0.1]);
        file.only(&["parameters".to_owned(), "state.0".to_owned()]).expect("nothing else");
        assert_eq!(bytes, self::bytes());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let bytes = bytes();
        let file = CheckpointFile::open(&bytes).expect("it was just written");
        let told = |name: &str, len| file.tensor(name, len).expect_err("it is wrong").to_string();
        assert_eq!(told("best", 4), "tensor `best` is missing");
        assert_eq!(
            told("parameters", 5),
            "tensor `parameters` is F32 [4], this training needs F32 [5]"
        );
        let left = file.only(&["parameters".to_owned()]).expect_err("one is left").to_string();
        assert_eq!(left, "tensor `state.0` does not belong to this training");
        assert!(file.has("state.0") && !file.has("state.1"));
    }

    #[test]
    fn a_number_that_is_none_is_neither_written_nor_read() {
        let tensors = vec![("a".to_owned(), vec![&[1.0][..], &[2.0, f32::NAN]])];
        let told = encode(&texts(), &tensors).expect_err("NaN is no state").to_string();
        assert!(told.starts_with("tensor `a` holds NaN at 2: "), "{told}");
        let mut bytes = bytes();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let file = CheckpointFile::open(&bytes).expect("the header is whole");
        let told = file.tensor("state.0", 1).expect_err("infinity is no state").to_string();
        assert!(told.starts_with("tensor `state.0` holds inf at 0: "), "{told}");
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let bytes = bytes();
        for len in 0..bytes.len() {
            CheckpointFile::open(&bytes[..len]).expect_err("it is cut");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        CheckpointFile::open(&longer).expect_err("something follows it");
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_make_the_reader_panic(
            damage in proptest::collection::vec((0usize..600, any::<u8>()), 1..8),
        ) {
            let mut bytes = bytes();
            for (at, byte) in damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok(file) = CheckpointFile::open(&bytes) {
                let _ = (file.tensor("parameters", 4), file.tensor("state.0", 1), file.only(&[]));
            }
        }
    }
}
