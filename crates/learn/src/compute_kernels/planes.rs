//! Many products of matrices of one shape, one plane after the other: the points of Winograd's
//! algorithm, the rows of a convolution. What the next plane needs is called into the cache during
//! the current one.

use super::matrix::{Ahead, Product, STREAMS, Start, Task, product_kernel};
use super::vector::Vector;
use super::{Isa, dispatch};
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, Axis};

/// `C[k] = start + A[k] B[k]` for every plane `k`; each plane is as in [`Product`].
#[derive(Debug)]
pub(crate) struct Planes<'a> {
    /// `[planes, rows, outers, inners]`.
    pub(crate) a: ArrayView4<'a, f32>,
    /// `[planes, outers * inners, columns]`; all planes may share one.
    pub(crate) b: ArrayView3<'a, f32>,
    pub(crate) start: Start<'a>,
    /// `[planes, rows, columns]`.
    pub(crate) c: ArrayViewMut3<'a, f32>,
    pub(crate) clamp: bool,
}

impl Planes<'_> {
    /// Multiplications and additions of one plane.
    pub(crate) fn operations(&self) -> usize {
        let (_, rows, columns) = self.c.dim();
        2 * rows * columns * self.b.dim().1
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.c.dim().0
    }
}

/// Computes all products.
///
/// # Panics
/// When the numbers of planes differ, or as [`multiply`](super::matrix::multiply).
pub(crate) fn multiply(isa: Isa, planes: Planes) {
    let count = planes.count();
    let Planes { a, b, start, mut c, clamp } = planes;
    assert!(a.dim().0 == count && b.dim().0 == count, "every plane has its matrices");
    if count == 0 {
        return;
    }
    let steps = [a.strides()[0], b.strides()[0], c.strides()[0]];
    // All planes have the shape and the strides of the first.
    let (a, b) = (a.index_axis(Axis(0), 0), b.index_axis(Axis(0), 0));
    let product = Product::new(a, b, start, c.index_axis_mut(Axis(0), 0));
    let first = Task::new(Product { clamp, ..product });
    let task = PlanesTask { first, count, steps };
    // SAFETY: every plane lies in the views, `steps` apart; `c` is borrowed for writing.
    unsafe { dispatch!(isa, planes_kernel(&task => &PlanesTask)) }
}

/// The checked arguments of [`multiply`].
struct PlanesTask {
    first: Task,
    count: usize,
    /// From plane to plane, of `a`, `b` and `c`.
    steps: [isize; 3],
}

/// # Safety
/// The CPU has `V`; the promise of [`Task`] holds for all planes.
#[inline(always)]
unsafe fn planes_kernel<V: Vector>(all: &PlanesTask) {
    let PlanesTask { first, count, steps } = all;
    let extent = first.extent;
    let depth = extent.outers * extent.inners;
    let read_again = if first.sum { extent.rows * extent.columns } else { 0 };
    let lens = [extent.rows * depth, depth * extent.columns, read_again];
    for plane in 0..*count {
        let mut bases = [first.a, first.b, first.c.cast_const()];
        let mut ahead = [(std::ptr::null(), 0); STREAMS];
        for axis in 0..STREAMS {
            bases[axis] = bases[axis].wrapping_offset(plane as isize * steps[axis]);
            if plane + 1 < *count && steps[axis] != 0 {
                ahead[axis] = (bases[axis].wrapping_offset(steps[axis]), lens[axis]);
            }
        }
        let [a, b, c] = bases;
        let task = Task { a, b, c: c.cast_mut(), ahead: Ahead::new(ahead), ..*first };
        // SAFETY: the caller's promise.
        unsafe { product_kernel::<V>(&task) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::matrix;
    use crate::layer::gradient_check::array;
    use ndarray::{Array3, Array4};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn planes_have_the_bits_of_single_products(
            count in 0usize..5, rows in 1usize..15, columns in 1usize..70, depth in 0usize..9,
            kind in 0usize..3, clamp: bool, shares: bool,
        ) {
            let a: Array4<f32> = array((count, rows, 1, depth), 1);
            let b: Array3<f32> = array((if shares { 1 } else { count }, depth, columns), 2);
            let b = b.broadcast((count, depth, columns));
            prop_assume!(b.is_some());
            let b = b.expect("the planes were counted");
            let bias = array(columns, 3).to_vec();
            let start = [Start::Zero, Start::Sum, Start::Bias(&bias)][kind];
            let before: Array3<f32> = array((count, rows, columns), 4);
            for isa in Isa::available() {
                let (mut all, mut single) = (before.clone(), before.clone());
                multiply(isa, Planes { a: a.view(), b, start, c: all.view_mut(), clamp });
                let operands = a.outer_iter().zip(b.outer_iter()).zip(single.outer_iter_mut());
                for ((a, b), c) in operands {
                    matrix::multiply(isa, Product { clamp, ..Product::new(a, b, start, c) });
                }
                prop_assert_eq!(all, single);
            }
        }
    }
}
