//! `C (+)= A B` on register tiles. Every convolution and dense layer is made of this one product.
//!
//! `A` is read element by element through three strides, so that a transposed matrix, or the
//! patches of an image, need no copy. The rows of `B` and `C` are contiguous. A tile of `C` stays
//! in registers over the whole sum; each element is one chain of multiply-adds in the order of the
//! sum, whatever tile it falls into: cutting the work elsewhere changes no bit.

use super::vector::Vector;
use super::{Isa, dispatch, span};
use std::cell::Cell;

/// The left matrix: `A(row, outer, inner) = data[row * row_stride + outer * outer_stride + inner *
/// inner_stride]`.
///
/// The sum runs over `outer`, and within it over `inner`; a plain matrix has one `outer`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row_stride: usize,
    pub(crate) outer_stride: usize,
    pub(crate) inner_stride: usize,
}

/// How far the loops run: `rows` of `A` and `C`, `columns` of `B` and `C`, `outers * inners` terms
/// of each sum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) outers: usize,
    pub(crate) inners: usize,
}

/// What the sums begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing: `C = A B`.
    Zero,
    /// What `C` holds: `C += A B`.
    Sum,
    /// A row of `columns` values: `C = 1 bias + A B`.
    Bias(&'a [f32]),
}

/// A matrix whose rows are contiguous and `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    /// What will be needed after this product: it is called into the cache on the way. Empty for
    /// nothing.
    pub(crate) ahead: &'a [f32],
}

/// The place of the product; `clamp` replaces negative results by zero (ReLU).
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
    pub(crate) clamp: bool,
}

/// Multiplies; row `outer * inners + inner` of `b` meets column `(outer, inner)` of `a`.
///
/// # Panics
/// When a slice is too short for the extent, or `c`'s rows overlap.
pub(crate) fn multiply(isa: Isa, extent: Extent, a: Left, b: Right, start: Start, c: Target) {
    let Extent { rows, columns, outers, inners } = extent;
    if rows == 0 || columns == 0 {
        return;
    }
    let depth = outers.checked_mul(inners).expect("a sum's length is a number");
    let axes = [(rows, a.row_stride), (outers, a.outer_stride), (inners, a.inner_stride)];
    assert!(a.data.len() >= span(&axes), "the left matrix holds its rows and columns");
    assert!(
        depth == 0 || b.data.len() >= span(&[(depth, b.stride), (columns, 1)]),
        "the right matrix holds its rows"
    );
    assert!(
        c.data.len() >= span(&[(rows, c.stride), (columns, 1)]),
        "the target holds the product"
    );
    assert!(rows == 1 || c.stride >= columns, "rows of the target do not overlap");
    let bias = match start {
        Start::Bias(bias) => {
            assert!(bias.len() >= columns, "there is a bias for every column");
            bias.as_ptr()
        }
        Start::Zero | Start::Sum => std::ptr::null(),
    };
    let product = Product {
        extent,
        a: a.data.as_ptr(),
        strides: [a.row_stride, a.outer_stride, a.inner_stride],
        b: b.data.as_ptr(),
        b_stride: b.stride,
        bias,
        sum: matches!(start, Start::Sum),
        c: c.data.as_mut_ptr(),
        c_stride: c.stride,
        clamp: c.clamp,
        ahead: Cell::new(b.ahead.as_ptr()),
        ahead_step: b.ahead.len() / (rows.div_ceil(6) * columns.div_ceil(64) * depth.max(1)),
    };
    // SAFETY: every index that `Product` can form was checked against its slice above.
    unsafe { dispatch!(isa, product_kernel(&product => &Product)) }
}

/// The checked arguments of [`multiply`] as pointers.
struct Product {
    extent: Extent,
    a: *const f32,
    /// Of a row, an outer and an inner step.
    strides: [usize; 3],
    b: *const f32,
    b_stride: usize,
    /// Null when there is none.
    bias: *const f32,
    sum: bool,
    c: *mut f32,
    c_stride: usize,
    clamp: bool,
    /// The next line to call into the cache.
    ahead: Cell<*const f32>,
    /// How much of `ahead` goes with each term of each tile's sums, in floats: about all of it in
    /// the end; 0 for nothing.
    ahead_step: usize,
}

/// # Safety
/// The CPU has `V`; all elements within the extent may be read (of `a`, `b`, `bias`) and written
/// (of `c`).
#[inline(always)]
unsafe fn product_kernel<V: Vector>(product: &Product) {
    let columns = product.extent.columns;
    let mut column = 0;
    // SAFETY: the panels lie side by side within `columns`; `rest` is what is left, less than a
    // vector.
    unsafe {
        if V::WIDE {
            while columns - column >= 4 * V::LANES {
                panel::<V, 4, false>(product, column, 0);
                column += 4 * V::LANES;
            }
        }
        while columns - column >= 2 * V::LANES {
            panel::<V, 2, false>(product, column, 0);
            column += 2 * V::LANES;
        }
        if columns - column >= V::LANES {
            panel::<V, 1, false>(product, column, 0);
            column += V::LANES;
        }
        let rest = columns - column;
        if rest > 0 {
            panel::<V, 1, true>(product, column, rest);
        }
    }
}

/// All rows of `NR` vectors of columns. `PARTIAL`: only the first `rest` lanes exist.
///
/// # Safety
/// As `product_kernel`; the panel lies within the columns.
#[inline(always)]
unsafe fn panel<V: Vector, const NR: usize, const PARTIAL: bool>(
    product: &Product,
    column: usize,
    rest: usize,
) {
    let rows = product.extent.rows;
    let mut row = 0;
    // SAFETY: the tiles lie below one another within `rows`.
    unsafe {
        if V::WIDE && NR <= 2 {
            while rows - row >= 12 {
                tile::<V, 12, NR, PARTIAL>(product, row, column, rest);
                row += 12;
            }
        }
        while rows - row >= 6 {
            tile::<V, 6, NR, PARTIAL>(product, row, column, rest);
            row += 6;
        }
        match rows - row {
            5 => tile::<V, 5, NR, PARTIAL>(product, row, column, rest),
            4 => tile::<V, 4, NR, PARTIAL>(product, row, column, rest),
            3 => tile::<V, 3, NR, PARTIAL>(product, row, column, rest),
            2 => tile::<V, 2, NR, PARTIAL>(product, row, column, rest),
            1 => tile::<V, 1, NR, PARTIAL>(product, row, column, rest),
            _ => {}
        }
    }
}

/// `MR` rows by `NR` vectors, kept in registers over the whole sum.
///
/// # Safety
/// As `product_kernel`; the tile lies within the extent.
#[inline(always)]
unsafe fn tile<V: Vector, const MR: usize, const NR: usize, const PARTIAL: bool>(
    product: &Product,
    row: usize,
    column: usize,
    rest: usize,
) {
    let Extent { outers, inners, .. } = product.extent;
    let [row_stride, outer_stride, inner_stride] = product.strides;
    // SAFETY: all pointers stay within the tile's rows and columns and within the sum; see the
    // caller's promise.
    unsafe {
        let mut sums = begin::<V, MR, NR, PARTIAL>(product, row, column, rest);
        let mut b = product.b.add(column);
        let mut ahead = product.ahead.get();
        for outer in 0..outers {
            let mut a = product.a.wrapping_add(row * row_stride + outer * outer_stride);
            for _ in 0..inners {
                let mut right = [V::splat(0.0); NR];
                for j in 0..NR {
                    right[j] = get::<V, PARTIAL>(b.add(j * V::LANES), rest);
                }
                if product.ahead_step > 0 {
                    V::prefetch(ahead);
                    ahead = ahead.wrapping_add(product.ahead_step);
                }
                for i in 0..MR {
                    let left = V::splat(*a.add(i * row_stride));
                    for j in 0..NR {
                        sums[i][j] = left.mul_add(right[j], sums[i][j]);
                    }
                }
                a = a.wrapping_add(inner_stride);
                b = b.wrapping_add(product.b_stride);
            }
        }
        product.ahead.set(ahead);
        for i in 0..MR {
            let c = product.c.add((row + i) * product.c_stride + column);
            for j in 0..NR {
                let sum = sums[i][j];
                let sum = if product.clamp { V::splat(0.0).max(sum) } else { sum };
                if PARTIAL { sum.store_first(c, rest) } else { sum.store(c.add(j * V::LANES)) }
            }
        }
    }
}

/// What a tile's sums begin with.
///
/// # Safety
/// As `tile`.
#[inline(always)]
unsafe fn begin<V: Vector, const MR: usize, const NR: usize, const PARTIAL: bool>(
    product: &Product,
    row: usize,
    column: usize,
    rest: usize,
) -> [[V; NR]; MR] {
    // SAFETY: bias and target hold the tile's columns; a null bias is not read.
    unsafe {
        let mut sums = [[V::splat(0.0); NR]; MR];
        for i in 0..MR {
            for j in 0..NR {
                let at = column + j * V::LANES;
                if product.sum {
                    sums[i][j] =
                        get::<V, PARTIAL>(product.c.add((row + i) * product.c_stride + at), rest);
                } else if !product.bias.is_null() {
                    sums[i][j] = get::<V, PARTIAL>(product.bias.add(at), rest);
                }
            }
        }
        sums
    }
}

/// A whole vector, or its first `rest` lanes.
///
/// # Safety
/// As `Vector::load` or `Vector::load_first`.
#[inline(always)]
unsafe fn get<V: Vector, const PARTIAL: bool>(from: *const f32, rest: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if PARTIAL { V::load_first(from, rest) } else { V::load(from) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::reference;
    use proptest::prelude::*;

    /// Numbers from -1 to 1, different for every `seed`.
    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut stream =
            planaria_random::Stream::new(seed, planaria_random::Purpose::Baseline, 0, 0);
        (0..len).map(|_| stream.next_between(-1.0, 1.0)).collect()
    }

    fn check(extent: Extent, gap: usize, kind: usize, clamp: bool) {
        let Extent { rows, columns, outers, inners } = extent;
        let a = numbers(rows * (outers * inners + gap) + 1, 1);
        let b = numbers(outers * inners * (columns + gap), 2);
        let bias = numbers(columns, 3);
        let before = numbers(rows * (columns + gap), 4);
        let left = Left {
            data: &a,
            row_stride: outers * inners + gap,
            outer_stride: inners,
            inner_stride: 1,
        };
        let right = Right { data: &b, stride: columns + gap, ahead: &[] };
        let start = [Start::Zero, Start::Sum, Start::Bias(&bias)][kind];
        let mut expected = before.clone();
        let target = Target { data: &mut expected, stride: columns + gap, clamp };
        reference::multiply(extent, left, right, start, target);
        for isa in Isa::available() {
            let mut c = before.clone();
            multiply(
                isa,
                extent,
                left,
                right,
                start,
                Target { data: &mut c, stride: columns + gap, clamp },
            );
            for (i, (got, want)) in c.iter().zip(&expected).enumerate() {
                let bound = 1e-6 * (outers * inners + 1) as f32;
                assert!((got - want).abs() <= bound, "{isa:?} {extent:?} at {i}: {got} for {want}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_multiplies_like_the_reference(
            rows in 1usize..40, columns in 1usize..150, outers in 1usize..4, inners in 0usize..20,
            gap in 0usize..3, kind in 0usize..3, clamp: bool,
        ) {
            check(Extent { rows, columns, outers, inners }, gap, kind, clamp);
        }
    }

    #[test]
    fn tiles_are_right_at_every_edge() {
        for rows in [1, 3, 5, 6, 7, 11, 12, 13] {
            for columns in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65] {
                check(Extent { rows, columns, outers: 2, inners: 7 }, 0, 1, false);
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_whatever_rows_stand_beside_it() {
        let (a, b) = (numbers(40 * 30, 5), numbers(30 * 50, 6));
        let right = Right { data: &b, stride: 50, ahead: &[] };
        for isa in Isa::available() {
            let product = |first: usize, rows: usize| {
                let mut c = vec![0.0; rows * 50];
                let left = Left {
                    data: &a[first * 30..],
                    row_stride: 30,
                    outer_stride: 0,
                    inner_stride: 1,
                };
                let extent = Extent { rows, columns: 50, outers: 1, inners: 30 };
                let target = Target { data: &mut c, stride: 50, clamp: false };
                multiply(isa, extent, left, right, Start::Zero, target);
                c
            };
            let all = product(0, 40);
            for row in 0..40 {
                assert_eq!(product(row, 1), all[row * 50..][..50], "{isa:?} row {row}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "the right matrix holds its rows")]
    fn a_short_matrix_is_refused() {
        let left = Left { data: &[0.0; 4], row_stride: 2, outer_stride: 0, inner_stride: 1 };
        let right = Right { data: &[0.0; 3], stride: 2, ahead: &[] };
        let extent = Extent { rows: 2, columns: 2, outers: 1, inners: 2 };
        let target = Target { data: &mut [0.0; 4], stride: 2, clamp: false };
        multiply(Isa::best(), extent, left, right, Start::Zero, target);
    }
}
