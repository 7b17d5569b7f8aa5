//! Statistics of channels and their normalisation: batch norm.
//!
//! `x` is `[rows, C]`: every pixel of an image is a row. A channel's sum runs over the rows of blocks
//! of [`BLOCK`] rows, and then over the blocks, always in their order.
//!
//! Source: Ioffe and Szegedy, "Batch normalization", arXiv:1502.03167.

use super::arithmetic::Arithmetic;
use super::{Isa, compile};

/// Rows that are summed by themselves: few, so that the error stays that of single numbers.
const BLOCK: usize = 64;

/// Channels that are summed together, in registers.
const WIDTH: usize = 64;

/// Adds to `sums [C]` those of the rows of `x [rows, C]`.
///
/// # Panics
/// When rows are not whole.
pub(crate) fn add_sums(isa: Isa, x: &[f32], sums: &mut [f32]) {
    check_rows(x.len(), sums.len());
    let task = (x, sums);
    compile!(isa, sums_kernel(task => (&[f32], &mut [f32])));
}

/// Adds to `sums [C]` the squares `(x - mean)^2` of the rows of `x [rows, C]`.
///
/// # Panics
/// When rows are not whole, or `mean` has not `C` numbers.
pub(crate) fn add_squares(isa: Isa, x: &[f32], mean: &[f32], sums: &mut [f32]) {
    check_rows(x.len(), sums.len());
    assert_eq!(mean.len(), sums.len(), "a channel has a mean");
    let task = (x, mean, sums);
    compile!(isa, squares_kernel(task => (&[f32], &[f32], &mut [f32])));
}

/// Adds to `sums [C]` the products `dy (x - mean)` of the rows.
///
/// # Panics
/// When rows are not whole or lengths disagree.
pub(crate) fn add_products(isa: Isa, x: &[f32], mean: &[f32], dy: &[f32], sums: &mut [f32]) {
    check_rows(x.len(), sums.len());
    assert!(mean.len() == sums.len() && dy.len() == x.len(), "all are for the rows' channels");
    let task = (x, mean, dy, sums);
    compile!(isa, products_kernel(task => (&[f32], &[f32], &[f32], &mut [f32])));
}

/// Writes `y = x * factor + summand` with one factor and summand a channel; `clamp` replaces
/// negative results by zero (ReLU).
///
/// # Panics
/// When rows are not whole or lengths disagree.
pub(crate) fn scale(isa: Isa, channels: Channels, x: &[f32], y: &mut [f32]) {
    check_rows(x.len(), channels.factor.len());
    assert!(channels.factor.len() == channels.summand.len() && x.len() == y.len(), "lengths agree");
    let task = (channels, x, y);
    compile!(isa, scale_kernel(task => (Channels, &[f32], &mut [f32])));
}

/// What [`scale`] does to each channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels<'a> {
    pub(crate) factor: &'a [f32],
    pub(crate) summand: &'a [f32],
    pub(crate) clamp: bool,
}

/// Subtracts `x * slope + offset` from `dx`, with one slope and offset a channel.
///
/// # Panics
/// When rows are not whole or lengths disagree.
pub(crate) fn subtract_line(isa: Isa, x: &[f32], slope: &[f32], offset: &[f32], dx: &mut [f32]) {
    check_rows(x.len(), slope.len());
    assert!(slope.len() == offset.len() && x.len() == dx.len(), "lengths agree");
    let task = (x, slope, offset, dx);
    compile!(isa, subtract_line_kernel(task => (&[f32], &[f32], &[f32], &mut [f32])));
}

fn check_rows(len: usize, channels: usize) {
    assert!(channels > 0 && len.is_multiple_of(channels), "rows are whole");
}

/// Adds `f(row, channel, sum)` over all rows to the sums: the numbers of `channels` from `first` on
/// are `width` neighbours in a row.
#[inline(always)]
fn add_blocks(sums: &mut [f32], rows: usize, f: impl Fn(usize, usize, &mut [f32])) {
    let channels = sums.len();
    for block in (0..rows).step_by(BLOCK) {
        let end = rows.min(block + BLOCK);
        for first in (0..channels).step_by(WIDTH) {
            let width = WIDTH.min(channels - first);
            let mut partial = [0.0f32; WIDTH];
            if width == WIDTH {
                for row in block..end {
                    f(row, first, &mut partial);
                }
            } else {
                for row in block..end {
                    f(row, first, &mut partial[..width]);
                }
            }
            for (sum, &partial) in sums[first..first + width].iter_mut().zip(&partial) {
                *sum += partial;
            }
        }
    }
}

#[inline(always)]
fn sums_kernel<A: Arithmetic>((x, sums): (&[f32], &mut [f32])) {
    let channels = sums.len();
    add_blocks(sums, x.len() / channels, |row, first, partial| {
        let x = &x[row * channels + first..][..partial.len()];
        for (sum, &x) in partial.iter_mut().zip(x) {
            *sum += x;
        }
    });
}

#[inline(always)]
fn squares_kernel<A: Arithmetic>((x, mean, sums): (&[f32], &[f32], &mut [f32])) {
    let channels = sums.len();
    add_blocks(sums, x.len() / channels, |row, first, partial| {
        let x = &x[row * channels + first..][..partial.len()];
        let mean = &mean[first..][..partial.len()];
        for (sum, (&x, &mean)) in partial.iter_mut().zip(x.iter().zip(mean)) {
            *sum = A::mul_add(x - mean, x - mean, *sum);
        }
    });
}

#[inline(always)]
fn products_kernel<A: Arithmetic>((x, mean, dy, sums): (&[f32], &[f32], &[f32], &mut [f32])) {
    let channels = sums.len();
    add_blocks(sums, x.len() / channels, |row, first, partial| {
        let x = &x[row * channels + first..][..partial.len()];
        let dy = &dy[row * channels + first..][..partial.len()];
        let mean = &mean[first..][..partial.len()];
        for (sum, ((&x, &mean), &dy)) in partial.iter_mut().zip(x.iter().zip(mean).zip(dy)) {
            *sum = A::mul_add(dy, x - mean, *sum);
        }
    });
}

#[inline(always)]
fn scale_kernel<A: Arithmetic>((channels, x, y): (Channels, &[f32], &mut [f32])) {
    let Channels { factor, summand, clamp } = channels;
    let least = if clamp { 0.0 } else { f32::NEG_INFINITY };
    let rows = x.chunks_exact(factor.len()).zip(y.chunks_exact_mut(factor.len()));
    for (x, y) in rows {
        for ((y, &x), (&factor, &summand)) in y.iter_mut().zip(x).zip(factor.iter().zip(summand)) {
            let value = A::mul_add(x, factor, summand);
            *y = if least > value { least } else { value };
        }
    }
}

#[inline(always)]
fn subtract_line_kernel<A: Arithmetic>(
    (x, slope, offset, dx): (&[f32], &[f32], &[f32], &mut [f32]),
) {
    for (x, dx) in x.chunks_exact(slope.len()).zip(dx.chunks_exact_mut(slope.len())) {
        for ((dx, &x), (&slope, &offset)) in dx.iter_mut().zip(x).zip(slope.iter().zip(offset)) {
            *dx -= A::mul_add(x, slope, offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;

    /// The sum over rows of `f(index)` for each channel, in f64.
    fn sums(rows: usize, channels: usize, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..channels)
            .map(|channel| (0..rows).map(|row| f(row * channels + channel, channel)).sum())
            .collect()
    }

    fn near(got: &[f32], want: &[f64], what: &str) {
        for (&got, want) in got.iter().zip(want) {
            let got = f64::from(got);
            assert!((got - want).abs() <= 1e-5 * (1.0 + want.abs()), "{what}: {got} for {want}");
        }
    }

    #[test]
    fn sums_of_channels_are_the_exact_ones_on_every_instruction_set() {
        for isa in Isa::available() {
            for [rows, channels] in [[1, 1], [3, 5], [64, 16], [65, 64], [200, 67], [130, 130]] {
                let (x, dy) = (numbers(rows * channels, 1), numbers(rows * channels, 2));
                let mean = numbers(channels, 3);
                let double = |x: f32| f64::from(x);
                let mut found = vec![1.0; channels];
                add_sums(isa, &x, &mut found);
                let want = sums(rows, channels, |at, _| double(x[at]));
                near(&found, &want.iter().map(|sum| sum + 1.0).collect::<Vec<_>>(), "sums");
                let mut found = vec![0.0; channels];
                add_squares(isa, &x, &mean, &mut found);
                let off = |at: usize, channel: usize| double(x[at]) - double(mean[channel]);
                near(&found, &sums(rows, channels, |at, c| off(at, c).powi(2)), "squares");
                let mut found = vec![0.0; channels];
                add_products(isa, &x, &mean, &dy, &mut found);
                let want = sums(rows, channels, |at, c| off(at, c) * double(dy[at]));
                near(&found, &want, "products");
            }
        }
    }

    #[test]
    fn channels_are_scaled_each_by_its_own_numbers() {
        for isa in Isa::available() {
            for [rows, channels] in [[1, 1], [4, 7], [3, 40]] {
                let (x, dy) = (numbers(rows * channels, 1), numbers(rows * channels, 2));
                let [a, b] = [3, 4].map(|seed| numbers(channels, seed));
                for clamp in [false, true] {
                    let mut y = vec![9.0; x.len()];
                    scale(isa, Channels { factor: &a, summand: &b, clamp }, &x, &mut y);
                    for (at, &y) in y.iter().enumerate() {
                        let want = x[at] * a[at % channels] + b[at % channels];
                        let want = if clamp { want.max(0.0) } else { want };
                        assert!((y - want).abs() < 1e-6, "{isa:?} {y} for {want}");
                    }
                }
                let mut dx = dy.clone();
                subtract_line(isa, &x, &a, &b, &mut dx);
                for (at, &dx) in dx.iter().enumerate() {
                    let want = dy[at] - (a[at % channels] * x[at] + b[at % channels]);
                    assert!((dx - want).abs() < 1e-6, "{isa:?} {dx} for {want}");
                }
            }
        }
    }
}
