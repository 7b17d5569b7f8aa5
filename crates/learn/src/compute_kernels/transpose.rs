//! A matrix turned around, block by block, so that every cache line is touched once.

use super::arithmetic::Arithmetic;
use super::{Isa, compile};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

/// Rows and columns of a block: a cache line of floats.
const SIDE: usize = 16;

/// Writes `to[j, i] = from[i, j]`.
///
/// # Panics
/// When the shapes disagree, or rows are not contiguous.
pub(crate) fn transpose(isa: Isa, from: ArrayView2<f32>, mut to: ArrayViewMut2<f32>) {
    let (rows, columns) = from.dim();
    assert_eq!(to.dim(), (columns, rows), "the target has the shape of the transposed matrix");
    for (i, from) in from.axis_chunks_iter(Axis(0), SIDE).enumerate() {
        let to = to.slice_mut(s![.., i * SIDE..(i * SIDE + SIDE).min(rows)]);
        let task = Strip { from, to };
        compile!(isa, transpose_kernel(task => Strip));
    }
}

/// At most [`SIDE`] rows, and the columns that they become.
struct Strip<'a> {
    from: ArrayView2<'a, f32>,
    to: ArrayViewMut2<'a, f32>,
}

#[inline(always)]
fn transpose_kernel<A: Arithmetic>(mut strip: Strip) {
    let (rows, columns) = strip.from.dim();
    let whole = if rows == SIDE { columns - columns % SIDE } else { 0 };
    let mut from: [&[f32]; SIDE] = [&[]; SIDE];
    for (from, row) in from.iter_mut().zip(strip.from.outer_iter()) {
        *from = row.to_slice().expect("rows of the matrix are contiguous");
    }
    for first in (0..whole).step_by(SIDE) {
        let mut block = [[0.0f32; SIDE]; SIDE];
        for (i, from) in from.iter().enumerate() {
            for (block, &value) in block.iter_mut().zip(&from[first..first + SIDE]) {
                block[i] = value;
            }
        }
        for (j, block) in block.iter().enumerate() {
            let mut to = strip.to.row_mut(first + j);
            to.as_slice_mut().expect("rows of the target are contiguous").copy_from_slice(block);
        }
    }
    let mut rest = strip.to.slice_mut(s![whole.., ..]);
    rest.assign(&strip.from.slice(s![.., whole..]).t());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::array;
    use ndarray::Array2;

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
