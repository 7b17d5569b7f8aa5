//! One row times a matrix: what a dense layer does for a single sample.
//!
//! The matrix is read once and there is little else to do, so all is about reading it: whole rows
//! at a time, called into the cache before they are needed, and not at all where the sample's number
//! is zero. Skipping those is exact as long as the weights are finite: a product with zero changes
//! no sum. The other terms are added in their order, with the bits of [`matrix::multiply`] (but for
//! the sign of a zero).

use super::matrix::Start;
use super::vector::Vector;
use super::{Isa, dispatch};
use ndarray::ArrayView2;

/// Numbers of the row that are looked at together for zeros.
const BLOCK: usize = 256;

/// So many rows of the matrix are called into the cache ahead.
const AHEAD: usize = 6;

/// `y = start + x w`, with `x [D]`, `w [D, U]`, `y [U]`.
#[derive(Debug)]
pub(crate) struct OneRow<'a> {
    pub(crate) x: &'a [f32],
    /// Its rows are contiguous.
    pub(crate) w: ArrayView2<'a, f32>,
    pub(crate) start: Start<'a>,
    /// Replaces negative results by zero (ReLU).
    pub(crate) clamp: bool,
    pub(crate) y: &'a mut [f32],
}

/// Computes the product.
///
/// # Panics
/// When the shapes disagree, or rows of `w` are not contiguous.
pub(crate) fn multiply(isa: Isa, product: OneRow) {
    let OneRow { x, w, start, clamp, y } = product;
    let (depth, columns) = w.dim();
    assert!(x.len() == depth && y.len() == columns, "the shapes fit");
    assert!(columns == 1 || depth == 0 || w.strides()[1] == 1, "rows of the matrix are contiguous");
    match start {
        Start::Zero => y.fill(0.0),
        Start::Bias(bias) => y.copy_from_slice(bias),
        Start::Sum => {}
    }
    let (stride, w) = (w.strides()[0], w.as_ptr());
    let task = Task { x, w, stride, columns, clamp, y: y.as_mut_ptr() };
    // SAFETY: `w` is that of a view of `x.len()` rows and `columns` numbers each, `y` has `columns`.
    unsafe { dispatch!(isa, row_kernel(&task => &Task)) }
}

/// The checked arguments of [`multiply`]; `y` holds what the sums begin with.
struct Task<'a> {
    x: &'a [f32],
    w: *const f32,
    stride: isize,
    columns: usize,
    clamp: bool,
    y: *mut f32,
}

/// # Safety
/// The CPU has `V`; `w` holds a row of `columns` for every `x`, and `y` holds `columns`.
#[inline(always)]
unsafe fn row_kernel<V: Vector>(task: &Task) {
    let mut column = 0;
    // SAFETY: the panels lie side by side within the columns; `rest` is less than a vector.
    unsafe {
        while task.columns - column >= 8 * V::LANES {
            panel::<V, 8, false>(task, column, 0);
            column += 8 * V::LANES;
        }
        while task.columns - column >= 2 * V::LANES {
            panel::<V, 2, false>(task, column, 0);
            column += 2 * V::LANES;
        }
        while column < task.columns {
            let rest = (task.columns - column).min(V::LANES);
            panel::<V, 1, true>(task, column, rest);
            column += rest;
        }
    }
}

/// `N` vectors of columns from `column` on; `PARTIAL`: only the first `rest` lanes exist.
///
/// # Safety
/// As `row_kernel`; the panel lies within the columns.
#[inline(always)]
unsafe fn panel<V: Vector, const N: usize, const PARTIAL: bool>(
    task: &Task,
    column: usize,
    rest: usize,
) {
    // SAFETY: rows are below the length of `x`, columns within the panel; prefetches may be
    // anywhere.
    unsafe {
        let y = task.y.add(column);
        let mut sums = [V::splat(0.0); N];
        for j in 0..N {
            let at = y.wrapping_add(j * V::LANES);
            sums[j] = if PARTIAL { V::load_first(at, rest) } else { V::load(at) };
        }
        for (block, x) in task.x.chunks(BLOCK).enumerate() {
            let mut places = [0u16; BLOCK + AHEAD];
            let count = places_of_nonzeros(x, &mut places);
            let w = task.w.offset((block * BLOCK) as isize * task.stride).add(column);
            for i in 0..count {
                let ahead = w.wrapping_offset(places[i + AHEAD] as isize * task.stride);
                let place = usize::from(places[i]);
                let (value, w) = (V::splat(x[place]), w.offset(place as isize * task.stride));
                for j in 0..N {
                    V::prefetch(ahead.wrapping_add(j * V::LANES));
                    let at = w.wrapping_add(j * V::LANES);
                    let w = if PARTIAL { V::load_first(at, rest) } else { V::load(at) };
                    sums[j] = value.mul_add(w, sums[j]);
                }
            }
        }
        for j in 0..N {
            let sum = if task.clamp { V::splat(0.0).max(sums[j]) } else { sums[j] };
            let at = y.wrapping_add(j * V::LANES);
            if PARTIAL { sum.store_first(at, rest) } else { sum.store(at) }
        }
    }
}

/// Writes where `x` is not zero, in order, and returns how many such places there are; the next
/// [`AHEAD`] entries point behind the block.
#[inline(always)]
fn places_of_nonzeros(x: &[f32], places: &mut [u16; BLOCK + AHEAD]) -> usize {
    let mut count = 0;
    for (place, &x) in x.iter().enumerate() {
        places[count] = place as u16;
        count += usize::from(x != 0.0);
    }
    for (i, place) in places[count..count + AHEAD].iter_mut().enumerate() {
        *place = (x.len() + i) as u16;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::matrix::{self, Product, plain};
    use crate::layer::gradient_check::{array, numbers};
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_row_has_the_bits_of_a_product_of_matrices(
            depth in 0usize..600, columns in 1usize..200, gap in 0usize..3, kind in 0usize..3,
            clamp: bool, zeros in 0usize..10,
        ) {
            let mut x = numbers(depth, 1);
            for (at, x) in x.iter_mut().enumerate() {
                *x = if (at * 7) % 10 < zeros { 0.0 } else { *x };
            }
            let w: Array2<f32> = array((depth, columns + gap), 2);
            let (w, bias) = (w.slice(s![.., ..columns]), numbers(columns, 3));
            let start = [Start::Zero, Start::Sum, Start::Bias(&bias)][kind];
            for isa in Isa::available() {
                let mut expected: Array2<f32> = array((1, columns), 4);
                let mut found = expected.clone().into_raw_vec_and_offset().0;
                let row = ArrayView2::from_shape((1, depth), &x).unwrap();
                let product = Product::new(plain(row), w, start, expected.view_mut());
                matrix::multiply(isa, Product { clamp, ..product });
                multiply(isa, OneRow { x: &x, w, start, clamp, y: &mut found });
                prop_assert_eq!(&found, expected.as_slice().unwrap(), "{:?}", isa);
            }
        }
    }
}
