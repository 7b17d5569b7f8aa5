//! The numbers of a tensor, whichever of the format's fields they are in.

use super::OnnxError;
use super::messages::{Tensor, data_type};
use planaria_npy::array::widened;

/// The most axes of a tensor.
const RANK_MAX: usize = 8;
/// The most numbers of a tensor: 2^28, as of a net.
const LEN_MAX: usize = 1 << 28;

/// A tensor's shape.
pub(super) fn shape(tensor: &Tensor) -> Result<Vec<usize>, OnnxError> {
    let sides = tensor.dims.iter().take(RANK_MAX + 1);
    let shape: Option<Vec<usize>> = sides.map(|&side| usize::try_from(side).ok()).collect();
    let fits = |shape: &Vec<usize>| {
        let len = shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side.max(1)));
        shape.len() <= RANK_MAX && len.is_some_and(|len| len <= LEN_MAX)
    };
    shape.filter(fits).ok_or_else(|| {
        let shown: Vec<i64> = tensor.dims.iter().copied().take(RANK_MAX + 1).collect();
        let limits = format!("at most {RANK_MAX} axes and {LEN_MAX} numbers are read");
        wrong(tensor, format!("has the shape {shown:?}: {limits}"))
    })
}

/// Floats of any width; a double is rounded to the nearest single.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f32>, OnnxError> {
    let list = tensor.raw_data.is_empty();
    Ok(match tensor.data_type {
        data_type::FLOAT if list => counted(tensor, &tensor.float_data)?.to_vec(),
        data_type::FLOAT => whole(tensor)?.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        data_type::DOUBLE if list => {
            counted(tensor, &tensor.double_data)?.iter().map(|&x| x as f32).collect()
        }
        data_type::DOUBLE => whole(tensor)?.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        data_type::FLOAT16 if list => {
            // Two bytes of each number are used.
            let numbers = counted(tensor, &tensor.int32_data)?.iter();
            numbers.map(|&bits| widened(bits as u16)).collect()
        }
        data_type::FLOAT16 => {
            whole(tensor)?.iter().map(|b| widened(u16::from_le_bytes(*b))).collect()
        }
        other => return Err(wrong(tensor, format!("has numbers of type {other}, not floats"))),
    })
}

/// Whole numbers, such as a shape or axes.
pub(super) fn integers(tensor: &Tensor) -> Result<Vec<i64>, OnnxError> {
    let list = tensor.raw_data.is_empty();
    Ok(match tensor.data_type {
        data_type::INT64 if list => counted(tensor, &tensor.int64_data)?.to_vec(),
        data_type::INT64 => whole(tensor)?.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        data_type::INT32 if list => {
            counted(tensor, &tensor.int32_data)?.iter().map(|&number| number.into()).collect()
        }
        data_type::INT32 => whole(tensor)?.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
        other => {
            return Err(wrong(tensor, format!("has numbers of type {other}, not whole ones")));
        }
    })
}

/// The raw bytes, `N` a number.
fn whole<const N: usize>(tensor: &Tensor) -> Result<&[[u8; N]], OnnxError> {
    match tensor.raw_data.as_chunks() {
        (numbers, []) => counted(tensor, numbers),
        _ => {
            let found = tensor.raw_data.len();
            Err(wrong(tensor, format!("has {found} bytes, {N} a number: they are cut off")))
        }
    }
}

/// The numbers, if there are as many as the shape says.
fn counted<'a, T>(tensor: &Tensor, numbers: &'a [T]) -> Result<&'a [T], OnnxError> {
    let shape = shape(tensor)?;
    let (found, expected) = (numbers.len(), shape.iter().product::<usize>());
    if found == expected {
        return Ok(numbers);
    }
    let problem = format!("has {found} numbers, but its shape {shape:?} needs {expected}");
    Err(wrong(tensor, problem))
}

pub(super) fn wrong(tensor: &Tensor, problem: String) -> OnnxError {
    OnnxError::Tensor { name: super::shown(&tensor.name), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data_type: i32, dims: &[i64]) -> Tensor {
        Tensor { dims: dims.to_vec(), data_type, name: "t".into(), ..Tensor::default() }
    }

    #[test]
    fn floats_are_read_from_every_field() {
        let raw =
            |data_type, raw: &[u8]| Tensor { raw_data: raw.to_vec(), ..tensor(data_type, &[1]) };
        let cases = [
            Tensor { float_data: vec![1.5], ..tensor(1, &[1]) },
            Tensor { double_data: vec![1.5], ..tensor(11, &[1]) },
            Tensor { int32_data: vec![0x3e00], ..tensor(10, &[1]) },
            raw(1, &1.5f32.to_le_bytes()),
            raw(11, &1.5f64.to_le_bytes()),
            raw(10, &[0, 0x3e]),
        ];
        for case in cases {
            assert_eq!(floats(&case).unwrap(), [1.5], "{case:?}");
            assert!(integers(&case).is_err());
        }
    }

    #[test]
    fn whole_numbers_are_read_from_every_field() {
        let cases = [
            Tensor { int64_data: vec![-1], ..tensor(7, &[]) },
            Tensor { int32_data: vec![-1], ..tensor(6, &[]) },
            Tensor { raw_data: vec![255; 8], ..tensor(7, &[1, 1]) },
            Tensor { raw_data: vec![255; 4], ..tensor(6, &[1]) },
        ];
        for case in cases {
            assert_eq!(integers(&case).unwrap(), [-1], "{case:?}");
            assert!(floats(&case).is_err());
        }
    }

    #[test]
    fn numbers_that_do_not_fill_their_shape_are_refused() {
        let refused = |tensor: Tensor| floats(&tensor).unwrap_err().to_string();
        let short = Tensor { float_data: vec![1.0], ..tensor(1, &[2]) };
        assert_eq!(refused(short), "tensor \"t\" has 1 numbers, but its shape [2] needs 2");
        let cut = Tensor { raw_data: vec![0; 7], ..tensor(1, &[2]) };
        assert_eq!(refused(cut), "tensor \"t\" has 7 bytes, 4 a number: they are cut off");
        for dims in [&[-1][..], &[1 << 29], &[1 << 40, 1 << 40], &[0, i64::MAX, 2], &[1; 9]] {
            assert!(refused(tensor(1, dims)).contains("has the shape"), "{dims:?}");
        }
    }
}
