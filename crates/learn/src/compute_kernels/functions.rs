//! `exp`, `erf`, `tanh` and the logistic function of one f32, without branches: a loop over them
//! becomes vectors.
//!
//! Each is one sequence of operations, so that it has the same bits wherever [`Arithmetic`] rounds
//! alike. The polynomials are least-maximum fits of our own. Not-a-number stays not-a-number.
//!
//! | function | largest error, in units of the last place |
//! | --- | --- |
//! | `exp` | 1.0 |
//! | `erf` | 1.6 |
//! | `tanh` | 1.3 |
//! | `sigmoid` | 2.7 |
//!
//! Units are those of the smallest normal number where a result is smaller still. The tests look at
//! every 251st f32.

use super::arithmetic::Arithmetic;
use std::f32::consts::LOG2_E;

/// `1.5 * 2^23`: a float of this size has no digits behind the point, so adding it rounds to a
/// whole number, which then stands in the last bits.
const ROUND: f32 = 12_582_912.0;

/// The natural logarithm of 2 in two parts; the first has few enough digits that its products with
/// whole numbers up to 2^9 are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `value` unless it is outside of `least..=greatest`; not-a-number stays.
#[inline(always)]
fn clamp(value: f32, least: f32, greatest: f32) -> f32 {
    let value = if value < least { least } else { value };
    if value > greatest { greatest } else { value }
}

/// `c[0] + c[1] x + c[2] x^2 + ...`, from the last coefficient on.
#[inline(always)]
fn polynomial<A: Arithmetic, const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = A::mul_add(sum, x, coefficients[i]);
    }
    sum
}

/// `e^x`; infinite from 88.73 on, zero below -103.98.
#[inline(always)]
pub(super) fn exp<A: Arithmetic>(x: f32) -> f32 {
    const TAIL: [f32; 6] =
        [0.5, 0.166_666_67, 0.041_666_27, 0.008_333_265, 0.001_394_595_6, 1.991_823_2e-4];
    // Beyond these the result is zero or infinite anyway, and the powers of two below exist.
    let x = clamp(x, -110.0, 90.0);
    let shifted = A::mul_add(x, LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let r = A::mul_add(whole, -LN_2[1], A::mul_add(whole, -LN_2[0], x));
    let tail = A::mul_add(r * r, polynomial::<A, 6>(TAIL, r), r);
    // 2^whole in two factors: it need not be a normal number.
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = power >> 1;
    let two_to = |power: i32| f32::from_bits(power.wrapping_add(127).wrapping_shl(23) as u32);
    (1.0 + tail) * two_to(half) * two_to(power.wrapping_sub(half))
}

/// The logistic function `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic>(x: f32) -> f32 {
    let small = exp::<A>(-x.abs());
    let large_share = 1.0 / (1.0 + small);
    if x < 0.0 { small * large_share } else { large_share }
}

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh<A: Arithmetic>(x: f32) -> f32 {
    const ODD: [f32; 6] =
        [-0.333_333_3, 0.133_331_8, -0.053_943_4, 0.021_681_642, -0.008_129, 0.002_097_721_2];
    let (size, square) = (x.abs(), x * x);
    let near = A::mul_add(x * square, polynomial::<A, 6>(ODD, square), x);
    let far = 1.0 - 2.0 / (exp::<A>(2.0 * size) + 1.0);
    if size < 0.64 { near } else { far.copysign(x) }
}

/// The error function `2 / sqrt(pi) * (integral of e^(-t^2) from 0 to x)`.
#[inline(always)]
pub(super) fn erf<A: Arithmetic>(x: f32) -> f32 {
    const NEAR: [f32; 7] = [
        0.128_379_17,
        -0.376_126_26,
        0.112_836_03,
        -0.026_854_444,
        0.005_189_535_7,
        -8.020_842e-4,
        7.889_123e-5,
    ];
    // log(1 - erf(t)) + t^2.
    const FAR: [f32; 8] = [
        1.824_594_2e-4,
        -1.129_552,
        0.366_727_6,
        -0.108_361_54,
        0.025_171_803,
        -0.004_190_853_3,
        4.385_294_7e-4,
        -2.144_552_5e-5,
    ];
    let square = x * x;
    let near = A::mul_add(x, polynomial::<A, 7>(NEAR, square), x);
    // From 4 on it is 1.
    let size = clamp(x.abs(), 0.0, 4.0);
    let rest = exp::<A>(A::mul_add(-size, size, polynomial::<A, 8>(FAR, size)));
    if x.abs() < 0.98 { near } else { (1.0 - rest).copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::arithmetic::{Emulated, Fused};

    /// erf in f64: a power series near zero, a continued fraction beyond.
    fn erf_in_double(x: f64) -> f64 {
        let size = x.abs();
        let value = if size < 2.5 {
            let mut term = size;
            let mut sum = 0.0;
            for n in 0..60 {
                let n = f64::from(n);
                sum += term / (2.0 * n + 1.0);
                term *= -size * size / (n + 1.0);
            }
            sum * 2.0 / std::f64::consts::PI.sqrt()
        } else {
            let fraction = (1..=100).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (size + f));
            1.0 - (-size * size).exp() / (std::f64::consts::PI.sqrt() * (size + fraction))
        };
        value.copysign(x)
    }

    /// The error of `got` in units of the last place of `want`.
    fn units(got: f32, want: f64) -> f64 {
        if want.abs() > f64::from(f32::MAX) {
            // Half a unit above the greatest number rounding gives infinity.
            return if f64::from(got).abs() >= f64::from(f32::MAX) { 0.0 } else { f64::INFINITY };
        }
        let nearest = (want as f32).abs().max(f32::MIN_POSITIVE);
        let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
        (f64::from(got) - want).abs() / unit
    }

    /// Asserts that no error is above `bound` units at every `step`-th f32 up to infinity, of both
    /// signs.
    fn check(name: &str, step: usize, bound: f64, of: fn(f32) -> f32, exact: fn(f64) -> f64) {
        let mut worst = (0.0, 0.0);
        for bits in (0..f32::INFINITY.to_bits()).step_by(step) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let error = units(of(x), exact(f64::from(x)));
                assert!(error <= bound, "{name}({x:e}) = {:e}: {error} units", of(x));
                worst = if error > worst.0 { (error, x) } else { worst };
            }
        }
        println!("{name}: {:.3} units at {:e}", worst.0, worst.1);
    }

    fn exact_sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn functions_are_as_exact_as_their_table_says() {
        let step = 251;
        check("exp", step, 1.0, exp::<Fused>, f64::exp);
        check("erf", step, 1.6, erf::<Fused>, erf_in_double);
        check("tanh", step, 1.3, tanh::<Fused>, f64::tanh);
        check("sigmoid", step, 2.7, sigmoid::<Fused>, exact_sigmoid);
    }

    #[test]
    fn functions_have_the_same_bits_where_multiply_adds_are_emulated() {
        for bits in (0..f32::INFINITY.to_bits()).step_by(40_009) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let pairs = [
                    (exp::<Fused>(x), exp::<Emulated>(x)),
                    (erf::<Fused>(x), erf::<Emulated>(x)),
                    (tanh::<Fused>(x), tanh::<Emulated>(x)),
                    (sigmoid::<Fused>(x), sigmoid::<Emulated>(x)),
                ];
                assert!(pairs.iter().all(|(a, b)| a.to_bits() == b.to_bits()), "{x:e}: {pairs:?}");
            }
        }
    }

    #[test]
    fn functions_are_right_at_the_ends() {
        let infinite = f32::INFINITY;
        assert_eq!((exp::<Fused>(infinite), exp::<Fused>(-infinite)), (infinite, 0.0));
        assert_eq!((exp::<Fused>(0.0), exp::<Fused>(89.0)), (1.0, infinite));
        assert_eq!((tanh::<Fused>(infinite), tanh::<Fused>(-infinite)), (1.0, -1.0));
        assert_eq!((erf::<Fused>(infinite), erf::<Fused>(-infinite)), (1.0, -1.0));
        assert_eq!((sigmoid::<Fused>(infinite), sigmoid::<Fused>(-infinite)), (1.0, 0.0));
        for of in [exp::<Fused>, erf::<Fused>, tanh::<Fused>, sigmoid::<Fused>] {
            assert!(of(f32::NAN).is_nan());
        }
    }
}
