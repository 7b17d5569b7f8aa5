//! A matrix turned around, block by block, so that every cache line is touched once.

use super::vector::Vector;
use super::{Isa, dispatch};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Writes `to[j, i] = from[i, j]`.
///
/// # Panics
/// When the shapes disagree, or rows are not contiguous.
pub(crate) fn transpose(isa: Isa, from: ArrayView2<f32>, mut to: ArrayViewMut2<f32>) {
    let (rows, columns) = from.dim();
    assert_eq!(to.dim(), (columns, rows), "the target has the shape of the transposed matrix");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(columns == 1 || from.strides()[1] == 1, "rows of the matrix are contiguous");
    assert!(rows == 1 || to.strides()[1] == 1, "rows of the target are contiguous");
    let strides = [from.strides()[0], to.strides()[0]];
    let task = Task { rows, columns, from: from.as_ptr(), to: to.as_mut_ptr(), strides };
    // SAFETY: every row and column is one of a view, at the view's own strides, checked above.
    unsafe { dispatch!(isa, transpose_kernel(&task => &Task)) }
}

/// The checked arguments of [`transpose`].
struct Task {
    /// Of `from`.
    rows: usize,
    columns: usize,
    from: *const f32,
    to: *mut f32,
    /// From row to row, of `from` and `to`.
    strides: [isize; 2],
}

/// # Safety
/// The CPU has `V`; `from` holds `rows` of `columns` numbers, `to` `columns` of `rows`.
#[inline(always)]
unsafe fn transpose_kernel<V: Vector>(task: &Task) {
    let [from_stride, to_stride] = task.strides;
    for first_row in (0..task.rows).step_by(V::LANES) {
        for first_column in (0..task.columns).step_by(V::LANES) {
            let rows = V::LANES.min(task.rows - first_row);
            let columns = V::LANES.min(task.columns - first_column);
            // SAFETY: the block lies within the matrix.
            unsafe {
                let from = task.from.offset(first_row as isize * from_stride).add(first_column);
                let to = task.to.offset(first_column as isize * to_stride).add(first_row);
                if rows == V::LANES && columns == V::LANES {
                    V::transpose(from, from_stride, to, to_stride);
                } else {
                    edge(from, to, [rows, columns], task.strides);
                }
            }
        }
    }
}

/// Turns a block around that is no whole one.
///
/// # Safety
/// `from` holds `rows` of `columns` numbers, `to` `columns` of `rows`.
#[inline(always)]
unsafe fn edge(
    from: *const f32,
    to: *mut f32,
    [rows, columns]: [usize; 2],
    [from_stride, to_stride]: [isize; 2],
) {
    for column in 0..columns {
        for row in 0..rows {
            // SAFETY: row and column are those of the block.
            unsafe {
                let value = *from.offset(row as isize * from_stride).add(column);
                *to.offset(column as isize * to_stride).add(row) = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::array;
    use ndarray::{Array2, s};

    #[test]
    fn every_number_of_a_matrix_finds_its_place_in_the_transposed_one() {
        for (rows, columns) in [(1, 1), (16, 16), (17, 48), (48, 16), (5, 40), (40, 5), (33, 70)] {
            let from: Array2<f32> = array((rows, columns + 3), 1);
            let from = from.slice(s![.., ..columns]);
            for isa in Isa::available() {
                let mut to: Array2<f32> = array((columns, rows + 2), 2);
                let before = to.clone();
                transpose(isa, from, to.slice_mut(s![.., ..rows]));
                assert_eq!(to.slice(s![.., ..rows]), from.t(), "{isa:?} {rows}x{columns}");
                assert_eq!(to.slice(s![.., rows..]), before.slice(s![.., rows..]));
            }
        }
    }
}
