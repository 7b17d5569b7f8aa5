//! Smooth activations and their gradients, number by number: sigmoid, tanh, GELU, SiLU.
//!
//! The functions that they are made of, and their errors, stand in [`functions`](super::functions).

use super::arithmetic::Arithmetic;
use super::functions::{erf, exp, sigmoid, tanh};
use super::{Isa, compile};
use std::f32::consts::FRAC_1_SQRT_2;

/// A function that is applied to each number by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `1 / (1 + e^-x)`. Its gradient reads `y`.
    Sigmoid,
    /// The hyperbolic tangent. Its gradient reads `y`.
    Tanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`, not the approximation by tanh. Its gradient reads `x`.
    ///
    /// Largest error: 1.5e-7 of `max(|x|, 1)`. Source: Hendrycks and Gimpel, arXiv:1606.08415.
    Gelu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`. Its gradient reads `x`.
    ///
    /// Computed as `x * sigmoid(2 u)`, which is the same and loses no digits where it is near zero.
    GeluTanh,
    /// `x / (1 + e^-x)`, also called swish. Its gradient reads `x`.
    ///
    /// Source: Elfwing, Uchibe and Doya, arXiv:1702.03118.
    Silu,
}

impl Activation {
    /// True when [`multiply_by_slope`] reads what came out, and not what went in.
    pub(crate) fn slope_reads_output(self) -> bool {
        match self {
            Activation::Sigmoid | Activation::Tanh => true,
            Activation::Gelu | Activation::GeluTanh | Activation::Silu => false,
        }
    }
}

/// Writes `y = f(x)`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn apply(isa: Isa, activation: Activation, x: &[f32], y: &mut [f32]) {
    y.copy_from_slice(x);
    apply_in_place(isa, activation, y);
}

/// Replaces every `x` by `f(x)`.
pub(crate) fn apply_in_place(isa: Isa, activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Sigmoid => compile!(isa, sigmoid_kernel(x => &mut [f32])),
        Activation::Tanh => compile!(isa, tanh_kernel(x => &mut [f32])),
        Activation::Gelu => compile!(isa, gelu_kernel(x => &mut [f32])),
        Activation::GeluTanh => compile!(isa, gelu_tanh_kernel(x => &mut [f32])),
        Activation::Silu => compile!(isa, silu_kernel(x => &mut [f32])),
    }
}

/// Multiplies each `dy` by the slope of the function: `read` is what went in (`x`) or what came out
/// (`y`), see [`Activation::slope_reads_output`].
///
/// # Panics
/// When the lengths differ.
pub(crate) fn multiply_by_slope(isa: Isa, activation: Activation, read: &[f32], dy: &mut [f32]) {
    assert_eq!(read.len(), dy.len(), "a value and its gradient have one shape");
    let pair = (read, dy);
    match activation {
        Activation::Sigmoid => compile!(isa, sigmoid_slope_kernel(pair => (&[f32], &mut [f32]))),
        Activation::Tanh => compile!(isa, tanh_slope_kernel(pair => (&[f32], &mut [f32]))),
        Activation::Gelu => compile!(isa, gelu_slope_kernel(pair => (&[f32], &mut [f32]))),
        Activation::GeluTanh => {
            compile!(isa, gelu_tanh_slope_kernel(pair => (&[f32], &mut [f32])))
        }
        Activation::Silu => compile!(isa, silu_slope_kernel(pair => (&[f32], &mut [f32]))),
    }
}

#[inline(always)]
fn sigmoid_kernel<A: Arithmetic>(x: &mut [f32]) {
    for x in x {
        *x = sigmoid::<A>(*x);
    }
}

#[inline(always)]
fn tanh_kernel<A: Arithmetic>(x: &mut [f32]) {
    for x in x {
        *x = tanh::<A>(*x);
    }
}

#[inline(always)]
fn gelu_kernel<A: Arithmetic>(x: &mut [f32]) {
    for x in x {
        *x *= normal_share::<A>(*x);
    }
}

#[inline(always)]
fn gelu_tanh_kernel<A: Arithmetic>(x: &mut [f32]) {
    for x in x {
        let (twice_u, _) = gelu_tanh_argument::<A>(*x);
        *x *= sigmoid::<A>(twice_u);
    }
}

#[inline(always)]
fn silu_kernel<A: Arithmetic>(x: &mut [f32]) {
    for x in x {
        *x *= sigmoid::<A>(*x);
    }
}

#[inline(always)]
fn sigmoid_slope_kernel<A: Arithmetic>((y, dy): (&[f32], &mut [f32])) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy *= y * (1.0 - y);
    }
}

#[inline(always)]
fn tanh_slope_kernel<A: Arithmetic>((y, dy): (&[f32], &mut [f32])) {
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy *= A::mul_add(-y, y, 1.0);
    }
}

#[inline(always)]
fn gelu_slope_kernel<A: Arithmetic>((x, dy): (&[f32], &mut [f32])) {
    for (dy, &x) in dy.iter_mut().zip(x) {
        *dy *= A::mul_add(x, normal_density::<A>(x), normal_share::<A>(x));
    }
}

#[inline(always)]
fn gelu_tanh_slope_kernel<A: Arithmetic>((x, dy): (&[f32], &mut [f32])) {
    for (dy, &x) in dy.iter_mut().zip(x) {
        let (twice_u, slope) = gelu_tanh_argument::<A>(x);
        // The argument's slope is great: `1 - share` would lose too many digits.
        let (share, rest) = (sigmoid::<A>(twice_u), sigmoid::<A>(-twice_u));
        *dy *= share * A::mul_add(x * slope, rest, 1.0);
    }
}

#[inline(always)]
fn silu_slope_kernel<A: Arithmetic>((x, dy): (&[f32], &mut [f32])) {
    for (dy, &x) in dy.iter_mut().zip(x) {
        let share = sigmoid::<A>(x);
        *dy *= share * A::mul_add(x, 1.0 - share, 1.0);
    }
}

/// `2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3)`, and its slope. Beyond 20, where the function is `x` or
/// zero, both stand still: their powers would overflow.
#[inline(always)]
fn gelu_tanh_argument<A: Arithmetic>(x: f32) -> (f32, f32) {
    const LINEAR: f32 = 1.595_769_2; // 2 sqrt(2 / pi)
    const CUBIC: f32 = 0.071_354_82; // 0.044715 of it
    let x = if x > 20.0 { 20.0 } else { x };
    let x = if x < -20.0 { -20.0 } else { x };
    let square = x * x;
    (x * A::mul_add(CUBIC, square, LINEAR), A::mul_add(3.0 * CUBIC, square, LINEAR))
}

/// The share of a standard normal distribution below `x`.
#[inline(always)]
fn normal_share<A: Arithmetic>(x: f32) -> f32 {
    A::mul_add(0.5, erf::<A>(x * FRAC_1_SQRT_2), 0.5)
}

/// The density of the standard normal distribution at `x`.
#[inline(always)]
fn normal_density<A: Arithmetic>(x: f32) -> f32 {
    const AT_ZERO: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
    AT_ZERO * exp::<A>(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;

    const ALL: [Activation; 5] = [
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
    ];

    /// The functions in f64; GELU by integrating the density.
    fn exact(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                x / (1.0 + (-2.0 * u).exp())
            }
            Activation::Gelu => {
                let steps = 2_000;
                let width = x / f64::from(steps);
                let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
                // Simpson's rule.
                let sum: f64 = (0..steps)
                    .map(|i| {
                        let t = f64::from(i) * width;
                        let middle = 4.0 * density(t + width / 2.0);
                        (density(t) + middle + density(t + width)) * width / 6.0
                    })
                    .sum();
                x * (0.5 + sum)
            }
        }
    }

    fn some_numbers() -> Vec<f32> {
        numbers(203, 1).iter().map(|x| x * 9.0).chain([0.0, -0.0, 40.0, -40.0]).collect()
    }

    #[test]
    fn activations_are_near_the_exact_ones_on_every_instruction_set() {
        for isa in Isa::available() {
            for activation in ALL {
                let (x, mut y) = (some_numbers(), some_numbers());
                apply(isa, activation, &x, &mut y);
                for (&x, &y) in x.iter().zip(&y) {
                    let error = (f64::from(y) - exact(activation, f64::from(x))).abs();
                    let bound = 2e-7 * f64::from(x.abs().max(1.0));
                    assert!(error <= bound, "{isa:?} {activation:?}({x}) = {y}: {error}");
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_finite_differences() {
        for isa in Isa::available() {
            for activation in ALL {
                let x = some_numbers();
                let (mut read, mut slopes) = (x.clone(), vec![2.0; x.len()]);
                if activation.slope_reads_output() {
                    apply_in_place(isa, activation, &mut read);
                }
                multiply_by_slope(isa, activation, &read, &mut slopes);
                for (&x, &slope) in x.iter().zip(&slopes) {
                    let of = |x: f64| exact(activation, x);
                    let wanted = (of(f64::from(x) + 1e-4) - of(f64::from(x) - 1e-4)) / 1e-4;
                    let error = (f64::from(slope) - wanted).abs();
                    assert!(error <= 2e-6, "{isa:?} {activation:?} at {x}: {slope} for {wanted}");
                }
            }
        }
    }
}
