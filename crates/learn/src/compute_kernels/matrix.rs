//! `C (+)= A B` on register tiles. Every convolution and dense layer is made of this one product.
//!
//! `A` is read element by element through three strides, so that a transposed matrix, or the
//! patches of an image, need no copy: the operands are views, not slices. The rows of `B` and `C`
//! are contiguous. A tile of `C` stays in registers over the whole sum; each element is one chain
//! of multiply-adds in the order of the sum, whatever tile it falls into: cutting the work
//! elsewhere changes no bit.

use super::vector::Vector;
use super::{Isa, dispatch};
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, Axis};
use std::cell::Cell;

/// `C = start + A B`.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    /// `[rows, outers, inners]`: the sum runs over `outers`, and within it over `inners`; a plain
    /// matrix has one `outer`. Elements may be shared between rows, as those of patches are.
    pub(crate) a: ArrayView3<'a, f32>,
    /// `[outers * inners, columns]`, each row contiguous.
    pub(crate) b: ArrayView2<'a, f32>,
    /// What the sums begin with.
    pub(crate) start: Start<'a>,
    /// `[rows, columns]`, each row contiguous.
    pub(crate) c: ArrayViewMut2<'a, f32>,
    /// Replaces negative results by zero (ReLU).
    pub(crate) clamp: bool,
    /// What will be needed after this product: it is called into the cache on the way.
    pub(crate) ahead: [&'a [f32]; STREAMS],
}

/// So many pieces of memory can be called into the cache at once.
pub(crate) const STREAMS: usize = 3;

impl<'a> Product<'a> {
    /// The product without ReLU, with nothing ahead.
    pub(crate) fn new(
        a: ArrayView3<'a, f32>,
        b: ArrayView2<'a, f32>,
        start: Start<'a>,
        c: ArrayViewMut2<'a, f32>,
    ) -> Self {
        Product { a, b, start, c, clamp: false, ahead: [&[]; STREAMS] }
    }
}

/// What the sums of a product begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Nothing: `C = A B`.
    Zero,
    /// What `C` holds: `C += A B`.
    Sum,
    /// A row of `columns` values: `C = 1 bias + A B`.
    Bias(&'a [f32]),
}

impl<'a> Start<'a> {
    /// A bias, or nothing for a layer without.
    pub(crate) fn bias(bias: &'a [f32]) -> Self {
        if bias.is_empty() { Start::Zero } else { Start::Bias(bias) }
    }
}

/// A plain matrix `[rows, inners]` as the left one of a product: `[rows, 1, inners]`.
pub(crate) fn plain(a: ArrayView2<'_, f32>) -> ArrayView3<'_, f32> {
    a.insert_axis(Axis(1))
}

/// Computes the product.
///
/// # Panics
/// When the shapes disagree, or rows of `b` or `c` are not contiguous.
pub(crate) fn multiply(isa: Isa, product: Product) {
    let task = Task::new(product);
    // SAFETY: the task's promise; its target is borrowed for writing until the call ends.
    unsafe { dispatch!(isa, product_kernel(&task => &Task)) }
}

/// How far the loops run: `rows` of `A` and `C`, `columns` of `B` and `C`, `outers * inners` terms
/// of each sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) outers: usize,
    pub(super) inners: usize,
}

/// The checked arguments of [`multiply`] as pointers: all elements within the extent may be read (of
/// `a`, `b`, `bias`) and written (of `c`).
pub(super) struct Task {
    pub(super) extent: Extent,
    pub(super) a: *const f32,
    /// Of a row, an outer and an inner step.
    pub(super) strides: [isize; 3],
    pub(super) b: *const f32,
    pub(super) b_stride: isize,
    /// Null when there is none.
    pub(super) bias: *const f32,
    pub(super) sum: bool,
    pub(super) c: *mut f32,
    pub(super) c_stride: isize,
    pub(super) clamp: bool,
    pub(super) ahead: Ahead,
}

impl Task {
    /// # Panics
    /// When the shapes disagree, or rows of `b` or `c` are not contiguous.
    pub(super) fn new(product: Product) -> Task {
        let Product { a, b, start, mut c, clamp, ahead } = product;
        let (rows, outers, inners) = a.dim();
        let (depth, columns) = b.dim();
        assert!(outers * inners == depth, "every term of a sum has a row of the right matrix");
        assert!(c.dim() == (rows, columns), "the target holds the product");
        // Steps along an axis of one element, or in an empty array, mean nothing.
        let [b_is_read, c_is_written] = [depth, rows].map(|len| len > 0 && columns > 1);
        assert!(
            (!b_is_read || b.strides()[1] == 1) && (!c_is_written || c.strides()[1] == 1),
            "rows of the right matrix and of the target are contiguous"
        );
        let bias = match start {
            Start::Bias(bias) => {
                assert!(bias.len() >= columns, "there is a bias for every column");
                bias.as_ptr()
            }
            Start::Zero | Start::Sum => std::ptr::null(),
        };
        // Every element within the extent is one of a view, at the view's own strides.
        Task {
            extent: Extent { rows, columns, outers, inners },
            a: a.as_ptr(),
            strides: [0, 1, 2].map(|axis| a.strides()[axis]),
            b: b.as_ptr(),
            b_stride: b.strides()[0],
            bias,
            sum: matches!(start, Start::Sum),
            c_stride: c.strides()[0],
            c: c.as_mut_ptr(),
            clamp,
            ahead: Ahead::new(ahead.map(|memory| (memory.as_ptr(), memory.len()))),
        }
    }
}

/// What is called into the cache during a product: about all of it, in equal steps, one of each
/// piece with each term of each tile's sums.
pub(super) struct Ahead {
    /// How many floats each piece has.
    lens: [usize; STREAMS],
    /// The next lines.
    next: Cell<[*const f32; STREAMS]>,
    /// From line to line, in floats.
    steps: Cell<[usize; STREAMS]>,
}

impl Ahead {
    pub(super) fn new(pieces: [(*const f32, usize); STREAMS]) -> Self {
        let lens = pieces.map(|piece| piece.1);
        // A piece of nothing has no address that could be called: one of another piece stands in.
        let some = pieces.iter().find(|piece| piece.1 > 0).map_or(pieces[0].0, |piece| piece.0);
        let next = pieces.map(|(first, len)| if len > 0 { first } else { some });
        Ahead { lens, next: Cell::new(next), steps: Cell::new([0; STREAMS]) }
    }

    fn is_empty(&self) -> bool {
        self.lens == [0; STREAMS]
    }

    /// Spreads the pieces over so many terms.
    fn spread(&self, terms: usize) {
        self.steps.set(self.lens.map(|len| len.div_ceil(terms.max(1))));
    }
}

/// How many tiles a product has.
#[inline(always)]
fn tiles<V: Vector>(rows: usize, columns: usize) -> usize {
    let fours = if V::WIDE { columns / (4 * V::LANES) } else { 0 };
    let rest = columns - fours * 4 * V::LANES;
    let narrow = rest / (2 * V::LANES) + (rest % (2 * V::LANES)).div_ceil(V::LANES);
    let tall = if V::WIDE { rows / 12 } else { 0 };
    fours * rows.div_ceil(6) + narrow * (tall + (rows - 12 * tall).div_ceil(6))
}

/// # Safety
/// The CPU has `V`; the promise of [`Task`] holds.
#[inline(always)]
pub(super) unsafe fn product_kernel<V: Vector>(task: &Task) {
    let Extent { rows, outers, inners, .. } = task.extent;
    if rows == 0 {
        return;
    }
    if !task.ahead.is_empty() {
        task.ahead.spread(tiles::<V>(rows, task.extent.columns) * outers * inners);
    }
    let columns = task.extent.columns;
    let mut column = 0;
    // SAFETY: the panels lie side by side within `columns`; `rest` is what is left, less than a
    // vector.
    unsafe {
        if V::WIDE {
            while columns - column >= 4 * V::LANES {
                panel::<V, 4, false>(task, column, 0);
                column += 4 * V::LANES;
            }
        }
        while columns - column >= 2 * V::LANES {
            panel::<V, 2, false>(task, column, 0);
            column += 2 * V::LANES;
        }
        if columns - column >= V::LANES {
            panel::<V, 1, false>(task, column, 0);
            column += V::LANES;
        }
        let rest = columns - column;
        if rest > 0 {
            panel::<V, 1, true>(task, column, rest);
        }
    }
}

/// All rows of `NR` vectors of columns. `PARTIAL`: only the first `rest` lanes exist.
///
/// # Safety
/// As `product_kernel`; the panel lies within the columns.
#[inline(always)]
unsafe fn panel<V: Vector, const NR: usize, const PARTIAL: bool>(
    task: &Task,
    column: usize,
    rest: usize,
) {
    let rows = task.extent.rows;
    let mut row = 0;
    // SAFETY: the tiles lie below one another within `rows`.
    unsafe {
        if V::WIDE && NR <= 2 {
            while rows - row >= 12 {
                tile::<V, 12, NR, PARTIAL>(task, row, column, rest);
                row += 12;
            }
        }
        while rows - row >= 6 {
            tile::<V, 6, NR, PARTIAL>(task, row, column, rest);
            row += 6;
        }
        match rows - row {
            5 => tile::<V, 5, NR, PARTIAL>(task, row, column, rest),
            4 => tile::<V, 4, NR, PARTIAL>(task, row, column, rest),
            3 => tile::<V, 3, NR, PARTIAL>(task, row, column, rest),
            2 => tile::<V, 2, NR, PARTIAL>(task, row, column, rest),
            1 => tile::<V, 1, NR, PARTIAL>(task, row, column, rest),
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
    task: &Task,
    row: usize,
    column: usize,
    rest: usize,
) {
    let Extent { outers, inners, .. } = task.extent;
    let [row_stride, outer_stride, inner_stride] = task.strides;
    // SAFETY: all pointers stay within the tile's rows and columns and within the sum; see the
    // caller's promise.
    unsafe {
        let mut sums = begin::<V, MR, NR, PARTIAL>(task, row, column, rest);
        let mut b = task.b.wrapping_add(column);
        let (looks_ahead, steps) = (!task.ahead.is_empty(), task.ahead.steps.get());
        let mut ahead = task.ahead.next.get();
        for outer in 0..outers {
            let mut a =
                task.a.wrapping_offset(row as isize * row_stride + outer as isize * outer_stride);
            for _ in 0..inners {
                let mut right = [V::splat(0.0); NR];
                for j in 0..NR {
                    right[j] = get::<V, PARTIAL>(b.add(j * V::LANES), rest);
                }
                if looks_ahead {
                    for stream in 0..STREAMS {
                        V::prefetch(ahead[stream]);
                        ahead[stream] = ahead[stream].wrapping_add(steps[stream]);
                    }
                }
                for i in 0..MR {
                    let left = V::splat(*a.offset(i as isize * row_stride));
                    for j in 0..NR {
                        sums[i][j] = left.mul_add(right[j], sums[i][j]);
                    }
                }
                a = a.wrapping_offset(inner_stride);
                b = b.wrapping_offset(task.b_stride);
            }
        }
        task.ahead.next.set(ahead);
        for i in 0..MR {
            let c = task.c.offset((row + i) as isize * task.c_stride).add(column);
            for j in 0..NR {
                let sum = sums[i][j];
                let sum = if task.clamp { V::splat(0.0).max(sum) } else { sum };
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
    task: &Task,
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
                if task.sum {
                    sums[i][j] = get::<V, PARTIAL>(
                        task.c.offset((row + i) as isize * task.c_stride).add(at),
                        rest,
                    );
                } else if !task.bias.is_null() {
                    sums[i][j] = get::<V, PARTIAL>(task.bias.add(at), rest);
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
    use crate::layer::gradient_check::array;
    use ndarray::{Array2, Array3, s};
    use proptest::prelude::*;

    /// Multiplies matrices whose rows are `gap` numbers apart.
    fn check(extent: Extent, gap: usize, kind: usize, clamp: bool) {
        let Extent { rows, columns, outers, inners } = extent;
        let a: Array3<f32> = array((rows, outers, inners + gap), 1);
        let b: Array2<f32> = array((outers * inners, columns + gap), 2);
        let (a, b) = (a.slice(s![.., .., ..inners]), b.slice(s![.., ..columns]));
        let bias = array(columns, 3).to_vec();
        let before: Array2<f32> = array((rows, columns + gap), 4);
        let start = [Start::Zero, Start::Sum, Start::Bias(&bias)][kind];
        let product = |isa: Option<Isa>| {
            let mut all = before.clone();
            let c = all.slice_mut(s![.., ..columns]);
            let product = Product { clamp, ..Product::new(a, b, start, c) };
            match isa {
                Some(isa) => multiply(isa, product),
                None => reference::multiply(product),
            }
            all
        };
        let expected = product(None);
        for isa in Isa::available() {
            for ((at, got), want) in product(Some(isa)).indexed_iter().zip(&expected) {
                let bound = 1e-6 * (outers * inners + 1) as f32;
                let what = format!("{isa:?} {extent:?} at {at:?}");
                assert!((got - want).abs() <= bound, "{what}: {got} for {want}");
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
    fn a_matrix_may_be_read_in_any_direction() {
        let (a, b): (Array2<f32>, Array2<f32>) = (array((9, 7), 1), array((9, 20), 2));
        let turned = a.slice(s![..;-1, ..;-1]);
        for isa in Isa::available() {
            let product = |a: ArrayView2<f32>| {
                let mut c = Array2::zeros((7, 20));
                multiply(isa, Product::new(plain(a), b.view(), Start::Zero, c.view_mut()));
                c
            };
            assert_eq!(product(turned.t()), product(turned.to_owned().t()), "{isa:?}");
        }
    }

    #[test]
    fn a_row_has_the_same_bits_whatever_rows_stand_beside_it() {
        let (a, b): (Array2<f32>, Array2<f32>) = (array((40, 30), 5), array((30, 50), 6));
        for isa in Isa::available() {
            let product = |a: ArrayView2<f32>| {
                let mut c = Array2::zeros((a.nrows(), 50));
                multiply(isa, Product::new(plain(a), b.view(), Start::Zero, c.view_mut()));
                c
            };
            let all = product(a.view());
            for row in 0..40 {
                let alone = product(a.slice(s![row..row + 1, ..]));
                assert_eq!(alone.row(0), all.row(row), "{isa:?} row {row}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "every term of a sum has a row of the right matrix")]
    fn a_short_matrix_is_refused() {
        let (a, b) = (Array2::zeros((2, 2)), Array2::zeros((1, 2)));
        let mut c = Array2::zeros((2, 2));
        multiply(Isa::best(), Product::new(plain(a.view()), b.view(), Start::Zero, c.view_mut()));
    }

    #[test]
    #[should_panic(expected = "rows of the right matrix and of the target are contiguous")]
    fn a_right_matrix_whose_rows_are_columns_is_refused() {
        let (a, b) = (Array2::zeros((2, 2)), Array2::zeros((2, 2)));
        let mut c = Array2::zeros((2, 2));
        multiply(Isa::best(), Product::new(plain(a.view()), b.t(), Start::Zero, c.view_mut()));
    }
}
