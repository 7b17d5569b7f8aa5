//! Numbers of 16 bits in files: half the size, and rounded.
//!
//! `bf16` is the upper half of an `f32`: 8 bits of exponent, 7 of fraction. `f16` is IEEE 754's
//! binary16: 5 bits of exponent, 10 of fraction; what is greater than 65,504 does not fit. Both
//! round to the nearest, of two equally near to the even one; reading them is exact.

use safetensors::Dtype;

/// How a file holds a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As it is.
    #[default]
    F32,
    /// In 16 bits, with the range of `f32`.
    Bf16,
    /// In 16 bits, three of them more for the fraction than `bf16` has.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::F16];

    /// `"f32"`, `"bf16"` or `"f16"`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name)
    }

    /// The format's name for it.
    pub(super) fn dtype(self) -> &'static str {
        match self {
            Precision::F32 => "F32",
            Precision::Bf16 => "BF16",
            Precision::F16 => "F16",
        }
    }

    /// The one that a tensor has, if it is one of these.
    pub(super) fn of(dtype: Dtype) -> Option<Precision> {
        match dtype {
            Dtype::F32 => Some(Precision::F32),
            Dtype::BF16 => Some(Precision::Bf16),
            Dtype::F16 => Some(Precision::F16),
            _ => None,
        }
    }

    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        if self == Precision::F32 { 4 } else { 2 }
    }

    /// The number after it was written and read; infinite when it does not fit.
    pub fn rounded(self, value: f32) -> f32 {
        match self {
            Precision::F32 => value,
            Precision::Bf16 => from_bf16(to_bf16(value)),
            Precision::F16 => from_f16(to_f16(value)),
        }
    }

    /// Appends the bytes of a finite number.
    pub(super) fn write(self, value: f32, bytes: &mut Vec<u8>) {
        match self {
            Precision::F32 => bytes.extend(value.to_le_bytes()),
            Precision::Bf16 => bytes.extend(to_bf16(value).to_le_bytes()),
            Precision::F16 => bytes.extend(to_f16(value).to_le_bytes()),
        }
    }

    /// Reads the number at `place` of a tensor's bytes.
    pub(super) fn read(self, data: &[u8], place: usize) -> f32 {
        let size = self.size();
        let half = || u16::from_le_bytes([data[size * place], data[size * place + 1]]);
        match self {
            Precision::F32 => f32::from_bits(u32::from_le_bytes(std::array::from_fn(|byte| {
                data[size * place + byte]
            }))),
            Precision::Bf16 => from_bf16(half()),
            Precision::F16 => from_f16(half()),
        }
    }
}

/// Drops `dropped` bits, rounding to the nearest, of two equally near to the even one.
fn round_off(bits: u32, dropped: u32) -> u32 {
    let (half, odd) = (1 << (dropped - 1), (bits >> dropped) & 1);
    (bits + (half - 1) + odd) >> dropped
}

fn to_bf16(value: f32) -> u16 {
    // A finite number's bits leave room above them: rounding up ends at infinity.
    round_off(value.to_bits(), 16) as u16
}

fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, magnitude) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    let exponent = (magnitude >> 23) as i32 - 127;
    let rounded = if exponent >= 16 {
        0x7c00 // infinite
    } else if exponent >= -14 {
        // Biased by 15 instead of 127; rounding up may end at the next exponent, or at infinity.
        round_off(magnitude - (112 << 23), 13)
    } else if exponent >= -25 {
        // A multiple of 2^-24: the leading one is written out.
        let fraction = (magnitude & 0x007f_ffff) | 0x0080_0000;
        round_off(fraction, (-1 - exponent) as u32)
    } else {
        0
    };
    (sign | rounded) as u16
}

fn from_f16(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10) & 31, bits & 0x3ff);
    match exponent {
        0 => sign * f32::from(fraction) * 2f32.powi(-24),
        31 if fraction == 0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * f32::from(fraction | 0x400) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_those_of_the_formats() {
        // As NumPy's float16 and PyTorch's bfloat16 write them.
        let stored: [(f32, u16, u16); 11] = [
            (0.0, 0x0000, 0x0000),
            (-1.0, 0xbc00, 0xbf80),
            (0.1, 0x2e66, 0x3dcd),
            (1.0 / 3.0, 0x3555, 0x3eab),
            (65_504.0, 0x7bff, 0x4780),
            (65_520.0, 0x7c00, 0x4780),
            (6.0e-8, 0x0001, 0x3381),
            (2.0e-8, 0x0000, 0x32ac),
            (6.097_555e-5, 0x03ff, 0x3880),
            (1.000_976_6, 0x3c01, 0x3f80),
            (-3.3, 0xc29a, 0xc053),
        ];
        for (value, half, brain) in stored {
            assert_eq!(to_f16(value), half, "{value} as f16");
            assert_eq!(to_bf16(value), brain, "{value} as bf16");
        }
    }

    #[test]
    fn of_two_equally_near_numbers_the_even_one_is_taken() {
        assert_eq!([to_bf16(1.0 + 1.0 / 256.0), to_bf16(1.0 + 3.0 / 256.0)], [0x3f80, 0x3f82]);
        assert_eq!([to_f16(1.0 + 1.0 / 2048.0), to_f16(1.0 + 3.0 / 2048.0)], [0x3c00, 0x3c02]);
        assert_eq!([to_f16(2f32.powi(-25)), to_f16(3.0 * 2f32.powi(-25))], [0, 2]);
    }

    #[test]
    fn every_number_of_16_bits_comes_back_as_it_was() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (from_f16(bits), from_bf16(bits));
            assert!(half.is_nan() || to_f16(half) == bits, "f16 {bits:#x} is {half}");
            assert!(brain.is_nan() || to_bf16(brain) == bits, "bf16 {bits:#x} is {brain}");
        }
    }
}
