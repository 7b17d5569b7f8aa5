//! The one operation in which CPUs differ: `a * b + c`, rounded once or twice.
//!
//! All else (sums, products, quotients, roots, comparisons) IEEE 754 fixes to the last bit. So a
//! kernel that names its operations and their order gives the same bits on every CPU that rounds
//! `a * b + c` once, whatever the width of its vectors. Kernels for plain loops take an
//! [`Arithmetic`] and are compiled once an instruction set by `compile!`; the compiler turns their
//! loops into vectors and may not change a result.

/// How `a * b + c` is computed.
pub(super) trait Arithmetic: Copy {
    /// `a * b + c`.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// Rounded once, by the CPU's instruction; only for functions compiled with it.
#[derive(Clone, Copy)]
pub(super) struct Fused;

/// Rounded twice: fast on every CPU, but not the bits of [`Fused`].
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "every such CPU rounds once"))]
#[derive(Clone, Copy)]
pub(super) struct Separate;

/// Rounded once, on CPUs without the instruction: the bits of [`Fused`], some twenty times slower.
///
/// The product of two f32 is exact in f64. The sum is rounded *to odd*: towards the neighbour whose
/// last bit is one, unless it is exact. Rounding that to f32 is as good as rounding the exact sum
/// once, since f64 has more than two bits to spare, also where the result is denormal.
///
/// Source: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms
/// using rounding to odd", IEEE Transactions on Computers 57 (2008).
#[cfg_attr(target_arch = "aarch64", allow(dead_code, reason = "every such CPU rounds once"))]
#[derive(Clone, Copy)]
pub(super) struct Emulated;

impl Arithmetic for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl Arithmetic for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

impl Arithmetic for Emulated {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        let (product, summand) = (f64::from(a) * f64::from(b), f64::from(c));
        let sum = product + summand;
        // Knuth's two-sum: `sum + error` is exact. It is not-a-number where `sum` is not finite,
        // and then the comparison with zero is false.
        let virtual_summand = sum - product;
        let error = (product - (sum - virtual_summand)) + (summand - virtual_summand);
        let bits = sum.to_bits();
        let even = bits & 1 == 0;
        // One step away from zero when the error has the sum's sign, else one towards it.
        let away = (error > 0.0) == (sum > 0.0);
        let step = if away { 1 } else { u64::MAX };
        let step = if even && error.abs() > 0.0 { step } else { 0 };
        f64::from_bits(bits.wrapping_add(step)) as f32
    }
}

/// What the portable kernels use: the compiler may be told that every CPU has the instruction.
#[cfg(any(target_arch = "aarch64", target_feature = "fma"))]
pub(super) type Plain = Fused;
/// What the portable kernels use.
#[cfg(not(any(target_arch = "aarch64", target_feature = "fma")))]
pub(super) type Plain = Separate;

/// What the portable kernels with the bits of [`Fused`] use.
#[cfg(any(target_arch = "aarch64", target_feature = "fma"))]
pub(super) type SameBits = Fused;
/// What the portable kernels with the bits of [`Fused`] use.
#[cfg(not(any(target_arch = "aarch64", target_feature = "fma")))]
pub(super) type SameBits = Emulated;

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_random::{Purpose, Stream};

    /// Any float: normal, denormal, zero, infinite or not a number.
    fn any(stream: &mut Stream) -> f32 {
        f32::from_bits(stream.next_u32())
    }

    #[test]
    fn emulated_multiply_adds_have_the_bits_of_fused_ones() {
        let mut stream = Stream::new(1, Purpose::Baseline, 0, 0);
        for round in 0..2_000_000 {
            let (a, b) = (any(&mut stream), any(&mut stream));
            let c = match round % 4 {
                0 => any(&mut stream),
                // Near the product, where most bits cancel.
                1 => -(a * b),
                2 => a * b * (1.0 + stream.next_unit()),
                _ => (a * b) * f32::EPSILON * stream.next_between(-1.0, 1.0),
            };
            let (found, expected) = (Emulated::mul_add(a, b, c), a.mul_add(b, c));
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{a:e} * {b:e} + {c:e}: {found:e} for {expected:e}"
            );
        }
    }

    #[test]
    fn emulated_multiply_adds_round_halves_and_denormals_once() {
        // The product lies just beside the middle between two floats; rounding twice loses that.
        let a = 1.0 + f32::EPSILON;
        for c in [1.0, 16_777_216.0, -1.0, f32::MIN_POSITIVE, 1e-45, -1e-45, 0.0, -0.0] {
            for b in [a, -a, 0.5, f32::MIN_POSITIVE, f32::EPSILON / 2.0, 0.0, -0.0] {
                assert_eq!(
                    Emulated::mul_add(a, b, c).to_bits(),
                    a.mul_add(b, c).to_bits(),
                    "{a} * {b} + {c}"
                );
            }
        }
    }
}
