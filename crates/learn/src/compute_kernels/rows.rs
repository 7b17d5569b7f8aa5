//! Rows of numbers: sums along them, softmax and layer norm.
//!
//! A sum along a row is [`LANES`] partial sums, the number at `i` added to number `i % LANES`, which
//! are then added in a fixed tree. So its bits depend on the row alone, and not on the vectors that
//! it was computed with.

use super::arithmetic::Arithmetic;
use super::functions::exp;
use super::{Isa, compile};

/// How many partial sums a sum along a row has: the lanes of the widest vectors.
pub(crate) const LANES: usize = 16;

/// Adds partial sums: the second half to the first, until one is left.
#[inline(always)]
fn add_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The sum of `f(row[i], other[i])`; both have one length.
#[inline(always)]
fn sum_of_pairs(row: &[f32], other: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (other_blocks, other_rest) = other.as_chunks::<LANES>();
    for (row, other) in row_blocks.iter().zip(other_blocks) {
        for lane in 0..LANES {
            sums[lane] = f(row[lane], other[lane], sums[lane]);
        }
    }
    for (lane, (&row, &other)) in row_rest.iter().zip(other_rest).enumerate() {
        sums[lane] = f(row, other, sums[lane]);
    }
    add_lanes(sums)
}

/// The greatest of a row; not-a-number is passed over.
#[inline(always)]
fn greatest(row: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            tops[lane] = if block[lane] > tops[lane] { block[lane] } else { tops[lane] };
        }
    }
    tops.iter().chain(rest).fold(f32::NEG_INFINITY, |top, &x| if x > top { x } else { top })
}

/// Replaces each row of `columns` numbers by `e^x / sum of e^x`.
///
/// # Panics
/// When `rows` is not whole rows.
pub(crate) fn softmax(isa: Isa, columns: usize, rows: &mut [f32]) {
    assert!(columns > 0 && rows.len().is_multiple_of(columns), "rows are whole");
    for row in rows.chunks_exact_mut(columns) {
        compile!(isa, softmax_kernel(row => &mut [f32]));
    }
}

#[inline(always)]
fn softmax_kernel<A: Arithmetic>(row: &mut [f32]) {
    let top = greatest(row);
    for x in &mut *row {
        *x = exp::<A>(*x - top);
    }
    let sum = sum_of_pairs(row, row, |x, _, sum| sum + x);
    for x in row {
        *x /= sum;
    }
}

/// Replaces the gradients `dy` of softmax's outputs `y` by those of its inputs: `y (dy - sum of y
/// dy)`, row by row of `columns` numbers.
///
/// # Panics
/// When the lengths differ or rows are not whole.
pub(crate) fn softmax_backward(isa: Isa, columns: usize, y: &[f32], dy: &mut [f32]) {
    assert!(columns > 0 && y.len().is_multiple_of(columns), "rows are whole");
    assert_eq!(y.len(), dy.len(), "a value and its gradient have one shape");
    for (y, dy) in y.chunks_exact(columns).zip(dy.chunks_exact_mut(columns)) {
        let pair = (y, dy);
        compile!(isa, softmax_backward_kernel(pair => (&[f32], &mut [f32])));
    }
}

#[inline(always)]
fn softmax_backward_kernel<A: Arithmetic>((y, dy): (&[f32], &mut [f32])) {
    let sum = sum_of_pairs(y, dy, A::mul_add);
    for (dy, &y) in dy.iter_mut().zip(y) {
        *dy = y * (*dy - sum);
    }
}

/// What layer norm computes a row with: `y = (x - mean) / sqrt(variance + epsilon) * weight +
/// bias`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerNorm<'a> {
    /// One for each column.
    pub(crate) weight: &'a [f32],
    /// One for each column.
    pub(crate) bias: &'a [f32],
    pub(crate) epsilon: f32,
}

/// What layer norm's backward pass needs of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: f32,
    /// `1 / sqrt(variance + epsilon)`
    pub(crate) inverse_deviation: f32,
}

/// Normalises one row.
///
/// The variance is that of the row itself (divided by its length), from its mean: two passes.
///
/// Source: Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450.
///
/// # Panics
/// When the lengths differ, or the row is empty.
pub(crate) fn layer_norm(isa: Isa, norm: LayerNorm, x: &[f32], y: &mut [f32]) -> Moments {
    let columns = [y.len(), norm.weight.len(), norm.bias.len()];
    assert!(columns.iter().all(|&len| len == x.len()), "weight and bias are for the row's columns");
    assert!(!x.is_empty(), "a row has a mean");
    let task = (norm, x, y);
    compile!(isa, layer_norm_kernel(task => (LayerNorm, &[f32], &mut [f32]); Moments))
}

#[inline(always)]
fn layer_norm_kernel<A: Arithmetic>((norm, x, y): (LayerNorm, &[f32], &mut [f32])) -> Moments {
    let count = x.len() as f32;
    let mean = sum_of_pairs(x, x, |x, _, sum| sum + x) / count;
    let squares = sum_of_pairs(x, x, |x, _, sum| A::mul_add(x - mean, x - mean, sum));
    let inverse_deviation = 1.0 / (squares / count + norm.epsilon).sqrt();
    let factors = norm.weight.iter().zip(norm.bias);
    for ((y, &x), (&weight, &bias)) in y.iter_mut().zip(x).zip(factors) {
        *y = A::mul_add((x - mean) * inverse_deviation, weight, bias);
    }
    Moments { mean, inverse_deviation }
}

/// The slices of layer norm's backward pass over one row; all have its length.
#[derive(Debug)]
pub(crate) struct LayerNormBackward<'a> {
    pub(crate) moments: Moments,
    pub(crate) weight: &'a [f32],
    pub(crate) x: &'a [f32],
    pub(crate) dy: &'a [f32],
    /// Is written.
    pub(crate) dx: &'a mut [f32],
    /// Are added to.
    pub(crate) dweight: &'a mut [f32],
    pub(crate) dbias: &'a mut [f32],
}

/// Writes the gradient of a row, and adds those of weight and bias.
///
/// With `n = (x - mean) / deviation` and `g = dy weight`: `dx = (g - mean of g - n (mean of g n)) /
/// deviation`.
///
/// # Panics
/// When the lengths differ.
pub(crate) fn layer_norm_backward(isa: Isa, call: LayerNormBackward) {
    let LayerNormBackward { weight, x, dy, dx, dweight, dbias, .. } = &call;
    let columns = [weight.len(), dy.len(), dx.len(), dweight.len(), dbias.len()];
    assert!(columns.iter().all(|&len| len == x.len()), "all slices are for the row's columns");
    compile!(isa, layer_norm_backward_kernel(call => LayerNormBackward))
}

#[inline(always)]
fn layer_norm_backward_kernel<A: Arithmetic>(call: LayerNormBackward) {
    let LayerNormBackward { moments, weight, x, dy, dx, dweight, dbias } = call;
    let Moments { mean, inverse_deviation } = moments;
    let count = x.len() as f32;
    // `dx` first holds n, then the result; `g` is made twice.
    for (n, &x) in dx.iter_mut().zip(x) {
        *n = (x - mean) * inverse_deviation;
    }
    for ((dweight, &n), (dbias, &dy)) in dweight.iter_mut().zip(&*dx).zip(dbias.iter_mut().zip(dy))
    {
        *dweight = A::mul_add(dy, n, *dweight);
        *dbias += dy;
    }
    let mean_g = sum_of_pairs(dy, weight, A::mul_add) / count;
    let mut sums = [0.0; LANES];
    for (at, ((&dy, &weight), &n)) in dy.iter().zip(weight).zip(&*dx).enumerate() {
        sums[at % LANES] = A::mul_add(dy * weight, n, sums[at % LANES]);
    }
    let mean_gn = add_lanes(sums) / count;
    for (dx, (&dy, &weight)) in dx.iter_mut().zip(dy.iter().zip(weight)) {
        *dx = A::mul_add(-*dx, mean_gn, A::mul_add(dy, weight, -mean_g)) * inverse_deviation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::numbers;

    fn near(got: &[f32], want: &[f64], what: &str) {
        let top = want.iter().fold(0.0f64, |top, x| top.max(x.abs()));
        for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
            let error = (f64::from(got) - want).abs();
            assert!(error <= 2e-6 * top, "{what} at {at}: {got} for {want}");
        }
    }

    fn double(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    fn exact_softmax(x: &[f64]) -> Vec<f64> {
        let sum: f64 = x.iter().map(|x| x.exp()).sum();
        x.iter().map(|x| x.exp() / sum).collect()
    }

    #[test]
    fn softmax_and_its_gradient_are_the_exact_ones_on_every_instruction_set() {
        for isa in Isa::available() {
            for columns in [1, 2, 10, 16, 17, 100] {
                let (x, dy) = (numbers(3 * columns, 1), numbers(3 * columns, 2));
                let (mut y, mut dx) = (x.clone(), dy.clone());
                softmax(isa, columns, &mut y);
                softmax_backward(isa, columns, &y, &mut dx);
                for row in 0..3 {
                    let at = row * columns..(row + 1) * columns;
                    let exact = exact_softmax(&double(&x[at.clone()]));
                    near(&y[at.clone()], &exact, "softmax");
                    let dy = double(&dy[at.clone()]);
                    let sum: f64 = exact.iter().zip(&dy).map(|(y, dy)| y * dy).sum();
                    let exact: Vec<f64> =
                        exact.iter().zip(&dy).map(|(y, dy)| y * (dy - sum)).collect();
                    let floor = exact.iter().fold(1e-3f64, |top, x| top.max(x.abs()));
                    let off = dx[at].iter().zip(&exact).map(|(&a, b)| (f64::from(a) - b).abs());
                    assert!(off.fold(0.0, f64::max) < 2e-6 * floor, "{isa:?} {columns}");
                }
            }
        }
    }

    #[test]
    fn softmax_of_huge_numbers_is_finite() {
        let mut row = [1e30, 1e30, -1e30, f32::NEG_INFINITY];
        softmax(Isa::best(), 4, &mut row);
        assert_eq!(row, [0.5, 0.5, 0.0, 0.0]);
    }

    /// Layer norm in f64; also the sum of its outputs times `dy`, whose slopes are the gradients.
    fn exact_layer_norm(x: &[f64], weight: &[f64], bias: &[f64], dy: &[f64]) -> (Vec<f64>, f64) {
        let count = x.len() as f64;
        let mean = x.iter().sum::<f64>() / count;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        let n = x.iter().map(|x| (x - mean) / (variance + f64::from(1e-5f32)).sqrt());
        let y: Vec<f64> = n.zip(weight.iter().zip(bias)).map(|(n, (w, b))| n * w + b).collect();
        let loss = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
        (y, loss)
    }

    #[test]
    fn layer_norm_and_its_gradients_are_the_exact_ones_on_every_instruction_set() {
        for isa in Isa::available() {
            for columns in [2, 5, 16, 33, 64] {
                let [x, weight, bias, dy] = [1, 2, 3, 4].map(|seed| numbers(columns, seed));
                let norm = LayerNorm { weight: &weight, bias: &bias, epsilon: 1e-5 };
                let (mut y, mut dx) = (vec![9.0; columns], vec![9.0; columns]);
                let moments = layer_norm(isa, norm, &x, &mut y);
                let (mut dweight, mut dbias) = (vec![0.0; columns], vec![0.0; columns]);
                layer_norm_backward(
                    isa,
                    LayerNormBackward {
                        moments,
                        weight: &weight,
                        x: &x,
                        dy: &dy,
                        dx: &mut dx,
                        dweight: &mut dweight,
                        dbias: &mut dbias,
                    },
                );
                let all = [&x, &weight, &bias].map(|part| double(part));
                let dy = double(&dy);
                near(&y, &exact_layer_norm(&all[0], &all[1], &all[2], &dy).0, "layer norm");
                for (part, found) in [dx, dweight, dbias].iter().enumerate() {
                    let slopes: Vec<f64> = (0..columns)
                        .map(|at| {
                            let loss = |step: f64| {
                                let mut moved = all.clone();
                                moved[part][at] += step;
                                exact_layer_norm(&moved[0], &moved[1], &moved[2], &dy).1
                            };
                            (loss(1e-5) - loss(-1e-5)) / 2e-5
                        })
                        .collect();
                    let top = slopes.iter().fold(1e-2f64, |top, x| top.max(x.abs()));
                    let off = found.iter().zip(&slopes).map(|(&a, b)| (f64::from(a) - b).abs());
                    let worst = off.fold(0.0, f64::max);
                    assert!(worst < 2e-5 * top, "{isa:?} {columns} part {part}: {worst} of {top}");
                }
            }
        }
    }
}
