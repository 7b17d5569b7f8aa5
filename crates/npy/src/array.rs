//! One array as bytes and back.
//!
//! Read are versions 1 to 3 of the header, numbers of one, two, four or eight bytes, little-endian,
//! in C or Fortran order; written is version 1 in C order. Nothing is executed: the header is read
//! as a literal of the one form that NumPy writes, and an array of Python objects is refused.
//!
//! No memory is taken for what a header claims: the numbers must be there, all and no more.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use crate::header::{self, Element, Header};
use ndarray::{ArrayD, ShapeBuilder};

/// What every file begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The most axes of an array.
pub(crate) const RANK_MAX: usize = 8;
/// The longest header, as in NumPy.
pub(crate) const HEADER_BYTES_MAX: usize = 10_000;
/// The most numbers of an array: 2^28, as of a net.
pub(crate) const LEN_MAX: usize = 1 << 28;

/// An array of a `.npy` file.
///
/// Narrower numbers are read as the narrowest of these that holds them all exactly: halves as
/// `F32`, truth values as `U8`, other whole numbers as `I64`.
#[derive(Debug, Clone, PartialEq)]
pub enum Npy {
    /// `float32`.
    F32(ArrayD<f32>),
    /// `float64`.
    F64(ArrayD<f64>),
    /// `uint8`.
    U8(ArrayD<u8>),
    /// `int64`.
    I64(ArrayD<i64>),
}

/// Why bytes are not an array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// Other bytes than a `.npy` begins with.
    #[error("the bytes do not begin as a NumPy array does: is it a .npy file?")]
    Magic,
    /// A version of the format that does not exist.
    #[error("version {major}.{minor} of the format is not known: save the array with numpy.save")]
    Version {
        /// The first number.
        major: u8,
        /// The second.
        minor: u8,
    },
    /// The header is longer than the file or the limit.
    #[error(
        "the header claims {claimed} bytes of a file of {found}: at most {HEADER_BYTES_MAX} are \
         read; the file is cut off or damaged"
    )]
    HeaderLength {
        /// What it claims.
        claimed: usize,
        /// The file's length.
        found: usize,
    },
    /// The header is not the literal that NumPy writes.
    #[error("the header cannot be read at byte {at}: {expected} is missing")]
    Header {
        /// Where in the header.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// Numbers of a kind that is not read.
    #[error(
        "the numbers are of type `{descr}`: little-endian floats of 2, 4 or 8 bytes, whole \
         numbers and truth values are read; convert with array.astype(\"<f4\")"
    )]
    Type {
        /// NumPy's name of the type.
        descr: String,
    },
    /// More axes or numbers than are read.
    #[error(
        "the shape {shape:?} is too large: at most {RANK_MAX} axes and {LEN_MAX} numbers are read"
    )]
    TooLarge {
        /// The shape, its first axes.
        shape: Vec<usize>,
    },
    /// Fewer or more bytes of numbers than the shape needs.
    #[error(
        "{found} bytes of numbers, but the shape {shape:?} needs {expected}: the file is cut off \
         or damaged"
    )]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// The bytes behind the header.
        found: usize,
        /// The bytes that it needs.
        expected: usize,
    },
    /// A number that the wanted type cannot hold.
    #[error("the number {value} at {index} is no {wanted}: store another type")]
    Inexact {
        /// The number.
        value: String,
        /// Its place in C order.
        index: usize,
        /// The wanted type.
        wanted: &'static str,
    },
}

impl Npy {
    /// Reads a file.
    ///
    /// # Errors
    /// [`NpyError`] when it is anything but one whole array of numbers.
    pub fn decode(bytes: &[u8]) -> Result<Npy, NpyError> {
        let (header, data) = Header::split(bytes)?;
        let found = data.len();
        let Some(len) = header.len() else {
            let shape = header.shape.into_iter().take(RANK_MAX + 1).collect();
            return Err(NpyError::TooLarge { shape });
        };
        let expected = len * header.element.bytes();
        if found != expected {
            return Err(NpyError::Length { shape: header.shape, found, expected });
        }
        Ok(match header.element {
            Element::F2 => Npy::F32(array(&header, data, |b| widened(u16::from_le_bytes(b)))),
            Element::F4 => Npy::F32(array(&header, data, f32::from_le_bytes)),
            Element::F8 => Npy::F64(array(&header, data, f64::from_le_bytes)),
            Element::B1 | Element::U1 => Npy::U8(array(&header, data, u8::from_le_bytes)),
            Element::I1 => Npy::I64(array(&header, data, |b| i8::from_le_bytes(b).into())),
            Element::I2 => Npy::I64(array(&header, data, |b| i16::from_le_bytes(b).into())),
            Element::U2 => Npy::I64(array(&header, data, |b| u16::from_le_bytes(b).into())),
            Element::I4 => Npy::I64(array(&header, data, |b| i32::from_le_bytes(b).into())),
            Element::U4 => Npy::I64(array(&header, data, |b| u32::from_le_bytes(b).into())),
            Element::I8 => Npy::I64(array(&header, data, i64::from_le_bytes)),
            Element::U8 => {
                let wide = array(&header, data, u64::from_le_bytes);
                let too_great = |&number: &u64| i64::try_from(number).is_err();
                if let Some(index) = wide.iter().position(too_great) {
                    let value = wide.iter().nth(index).map(u64::to_string).unwrap_or_default();
                    return Err(NpyError::Inexact { value, index, wanted: "int64" });
                }
                Npy::I64(wide.mapv(|number| number as i64))
            }
        })
    }

    /// The bytes of a file; equal arrays give equal bytes.
    ///
    /// # Panics
    /// When the array has more than eight axes: it could not be read back.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = header::write(self.element(), self.shape());
        match self {
            Npy::F32(array) => array.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
            Npy::F64(array) => array.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
            Npy::U8(array) => bytes.extend(array),
            Npy::I64(array) => array.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        }
        bytes
    }

    /// The lengths of its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Npy::F32(array) => array.shape(),
            Npy::F64(array) => array.shape(),
            Npy::U8(array) => array.shape(),
            Npy::I64(array) => array.shape(),
        }
    }

    /// The numbers as weights are kept: a `float64` is rounded to the nearest `float32`.
    ///
    /// # Errors
    /// [`NpyError::Inexact`] at the first whole number that a `float32` cannot hold, and at the
    /// first finite `float64` that is beyond its range.
    pub fn into_f32(self) -> Result<ArrayD<f32>, NpyError> {
        match self {
            Npy::F32(array) => Ok(array),
            Npy::U8(array) => Ok(array.mapv(f32::from)),
            Npy::F64(array) => {
                let beyond = |x: &f64| x.is_finite() && !(*x as f32).is_finite();
                all_but(beyond, &array).map(|()| array.mapv(|x| x as f32))
            }
            Npy::I64(array) => {
                let rounded = |x: &i64| (*x as f32) as i128 != i128::from(*x);
                all_but(rounded, &array).map(|()| array.mapv(|x| x as f32))
            }
        }
    }

    fn element(&self) -> Element {
        match self {
            Npy::F32(_) => Element::F4,
            Npy::F64(_) => Element::F8,
            Npy::U8(_) => Element::U1,
            Npy::I64(_) => Element::I8,
        }
    }
}

/// # Errors
/// At the first number that is `wrong`.
fn all_but<T: ToString>(wrong: impl FnMut(&T) -> bool, array: &ArrayD<T>) -> Result<(), NpyError> {
    match array.iter().position(wrong) {
        None => Ok(()),
        Some(index) => {
            let value = array.iter().nth(index).map(T::to_string).unwrap_or_default();
            Err(NpyError::Inexact { value, index, wanted: "float32" })
        }
    }
}

/// The numbers of `data`, each of `N` bytes, as an array in C order.
fn array<T: Clone, const N: usize>(
    header: &Header,
    data: &[u8],
    number: impl Fn([u8; N]) -> T,
) -> ArrayD<T> {
    let numbers = data.as_chunks().0.iter().map(|&bytes| number(bytes)).collect();
    let shape = (&*header.shape).set_f(header.is_fortran);
    let array = ArrayD::from_shape_vec(shape, numbers).expect("the length is the shape's");
    array.as_standard_layout().into_owned()
}

/// A half as the single that equals it.
pub fn widened(half: u16) -> f32 {
    let magnitude = match ((half >> 10) & 31, half & 1023) {
        // 2^-24 is the smallest half above zero.
        (0, fraction) => f32::from(fraction) / (1 << 24) as f32,
        (31, fraction) => f32::from_bits(0x7f80_0000 | u32::from(fraction) << 13),
        (exponent, fraction) => {
            f32::from_bits((u32::from(exponent) + 112) << 23 | u32::from(fraction) << 13)
        }
    };
    f32::from_bits(magnitude.to_bits() | u32::from(half & 0x8000) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{IxDyn, arr0};
    use proptest::prelude::*;

    /// A version 1 file with this header and these bytes behind it.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn dict(descr: &str, is_fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {is_fortran}, 'shape': {shape}, }}\n")
    }

    fn array<T>(shape: &[usize], numbers: Vec<T>) -> ArrayD<T> {
        ArrayD::from_shape_vec(shape, numbers).unwrap()
    }

    #[test]
    fn an_array_is_written_as_numpy_writes_it() {
        // numpy.save of numpy.array([[1, 2, 3]], dtype=numpy.float32), numpy 2.4.
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend([1.0f32, 2.0, 3.0].map(f32::to_le_bytes).concat());
        assert_eq!(Npy::F32(array(&[1, 3], vec![1.0, 2.0, 3.0])).encode(), expected);
    }

    #[test]
    fn every_type_comes_back_as_it_was() {
        let arrays = [
            Npy::F32(array(&[2, 1, 2], vec![1.5, -0.0, f32::MAX, f32::MIN_POSITIVE])),
            Npy::F64(array(&[3], vec![f64::INFINITY, 1e300, -7.0])),
            Npy::U8(array(&[2, 2], vec![0, 1, 254, 255])),
            Npy::I64(array(&[1], vec![i64::MIN])),
            Npy::F32(arr0(3.0).into_dyn()),
            Npy::F64(ArrayD::zeros(IxDyn(&[0, 5]))),
        ];
        for array in arrays {
            assert_eq!(Npy::decode(&array.encode()), Ok(array));
        }
    }

    #[test]
    fn narrow_numbers_are_widened_exactly() {
        let read = |descr: &str, data: &[u8]| {
            Npy::decode(&file(&dict(descr, "False", "(2,)"), data)).unwrap()
        };
        let whole = |a: i64, b: i64| Npy::I64(array(&[2], vec![a, b]));
        assert_eq!(read("|b1", &[0, 1]), Npy::U8(array(&[2], vec![0, 1])));
        assert_eq!(read("|i1", &[255, 1]), whole(-1, 1));
        assert_eq!(read("<i2", &[254, 255, 1, 2]), whole(-2, 513));
        assert_eq!(read("<u2", &[254, 255, 1, 2]), whole(65_534, 513));
        assert_eq!(read("<i4", &[255, 255, 255, 255, 1, 0, 0, 0]), whole(-1, 1));
        assert_eq!(read("<u4", &[255, 255, 255, 255, 1, 0, 0, 0]), whole(4_294_967_295, 1));
        assert_eq!(read("<f2", &[0, 0x3c, 0, 0xc0]), Npy::F32(array(&[2], vec![1.0, -2.0])));
    }

    #[test]
    fn halves_are_what_the_standard_says() {
        let cases = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (half, single) in cases {
            assert_eq!(widened(half).to_bits(), f32::to_bits(single), "{half:#06x}");
        }
        assert!(widened(0x7e00).is_nan());
    }

    #[test]
    fn fortran_order_is_turned_into_c_order() {
        let bytes = file(&dict("|u1", "True", "(2, 3)"), &[1, 4, 2, 5, 3, 6]);
        assert_eq!(Npy::decode(&bytes), Ok(Npy::U8(array(&[2, 3], vec![1, 2, 3, 4, 5, 6]))));
    }

    #[test]
    fn version_2_is_read_and_python_objects_are_not() {
        let header = dict("|u1", "False", "(1,)");
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.push(9);
        assert_eq!(Npy::decode(&bytes), Ok(Npy::U8(array(&[1], vec![9]))));
        bytes[6] = 4;
        assert_eq!(Npy::decode(&bytes), Err(NpyError::Version { major: 4, minor: 0 }));
        let error = Npy::decode(&file(&dict("|O", "False", "(1,)"), &[0; 8])).unwrap_err();
        assert_eq!(error, NpyError::Type { descr: "|O".into() });
        assert!(Npy::decode(&file(&dict(">f4", "False", "(1,)"), &[0; 4])).is_err());
    }

    #[test]
    fn what_is_no_header_of_numpy_is_refused_with_its_place() {
        let refused = |header: &str| Npy::decode(&file(header, &[0])).unwrap_err().to_string();
        assert!(refused("").contains("at byte 0"));
        assert!(refused("{'descr': '|u1'}").contains("`fortran_order`"));
        assert!(refused("{'descr': '|u1', 'descr': '|u1', }").contains("another key"));
        assert!(refused("{'descr': __import__('os'), }").contains("a quoted text"));
        assert!(refused(&dict("|u1", "Maybe", "(1,)")).contains("True or False"));
        assert!(refused(&dict("|u1", "False", "(1 2)")).contains("`,` or `)`"));
        assert!(refused(&dict("|u1", "False", "(-1,)")).contains("a whole number"));
        assert!(refused(&dict("|u1", "False", "(99999999999999999999,)")).contains("whole number"));
        assert!(refused(&format!("{}x", dict("|u1", "False", "(1,)"))).contains("the end"));
    }

    #[test]
    fn shapes_beyond_the_limits_are_refused_before_memory_is_taken() {
        for shape in [
            "(268435457,)",
            "(18446744073709551615, 18446744073709551615)",
            "(0, 18446744073709551615, 18446744073709551615)",
            "(1, 1, 1, 1, 1, 1, 1, 1, 1)",
        ] {
            let error = Npy::decode(&file(&dict("<f8", "False", shape), &[])).unwrap_err();
            assert!(matches!(error, NpyError::TooLarge { .. }), "{shape}: {error}");
        }
        let error = Npy::decode(&file(&dict("<f8", "False", "(268435456,)"), &[1])).unwrap_err();
        assert!(matches!(error, NpyError::Length { found: 1, expected: 2_147_483_648, .. }));
    }

    #[test]
    fn numbers_that_a_weight_cannot_hold_are_refused() {
        let as_weights =
            |array: Npy| array.into_f32().map(|array| array.into_raw_vec_and_offset().0);
        assert_eq!(
            as_weights(Npy::I64(array(&[2], vec![-3, 1 << 40]))),
            Ok(vec![-3.0, 2f32.powi(40)])
        );
        let error = as_weights(Npy::I64(array(&[2], vec![0, (1 << 24) + 1]))).unwrap_err();
        assert_eq!(error.to_string(), "the number 16777217 at 1 is no float32: store another type");
        assert!(as_weights(Npy::I64(array(&[1], vec![i64::MAX]))).is_err());
        assert!(as_weights(Npy::F64(array(&[1], vec![1e39]))).is_err());
        assert_eq!(as_weights(Npy::F64(array(&[1], vec![0.1]))), Ok(vec![0.1]));
    }

    #[test]
    fn every_cut_is_refused_and_so_is_every_tail() {
        let bytes = Npy::F32(array(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])).encode();
        for cut in 0..bytes.len() {
            assert!(Npy::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [bytes, vec![0]].concat();
        assert!(matches!(Npy::decode(&longer), Err(NpyError::Length { .. })));
    }

    proptest! {
        #[test]
        fn no_change_of_a_byte_makes_reading_panic(place in 0usize..144, byte in any::<u8>()) {
            let mut bytes = Npy::F32(array(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])).encode();
            bytes[place] = byte;
            let _ = Npy::decode(&bytes).map(Npy::into_f32);
        }

        #[test]
        fn no_header_makes_reading_panic(header in "[{}()',: a-z0-9<|]{0,80}", tail in 0usize..9) {
            let _ = Npy::decode(&file(&header, &vec![1; tail]));
        }
    }
}
