//! A matrix turned around, block by block, so that every cache line is touched once.

use super::vector::Vector;
use super::{Isa, dispatch};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Rows and columns of a block: a cache line of floats.
const SIDE: usize = 16;

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
    for first_row in (0..task.rows).step_by(SIDE) {
        for first_column in (0..task.columns).step_by(SIDE) {
            let rows = SIDE.min(task.rows - first_row);
            let columns = SIDE.min(task.columns - first_column);
            // SAFETY: the block lies within the matrix; `true` only for a whole one.
            unsafe {
                if (rows, columns) == (SIDE, SIDE) {
                    block::<true>(task, [first_row, first_column], [SIDE, SIDE]);
                } else {
                    block::<false>(task, [first_row, first_column], [rows, columns]);
                }
            }
        }
    }
}

/// Turns one block around; `WHOLE`: all its sides are [`SIDE`].
///
/// # Safety
/// As `transpose_kernel`; the block lies within the matrix.
#[inline(always)]
unsafe fn block<const WHOLE: bool>(task: &Task, first: [usize; 2], sides: [usize; 2]) {
    let [rows, columns] = if WHOLE { [SIDE, SIDE] } else { sides };
    let [from_stride, to_stride] = task.strides;
    // SAFETY: rows and columns are those of the block.
    unsafe {
        let from = task.from.offset(first[0] as isize * from_stride).add(first[1]);
        let to = task.to.offset(first[1] as isize * to_stride).add(first[0]);
        for column in 0..columns {
            let mut line = [0.0f32; SIDE];
            for row in 0..rows {
                line[row] = *from.offset(row as isize * from_stride).add(column);
            }
            let to = to.offset(column as isize * to_stride);
            std::ptr::copy_nonoverlapping(line.as_ptr(), to, rows);
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
