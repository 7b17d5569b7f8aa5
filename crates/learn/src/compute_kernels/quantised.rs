//! Products of bytes: `Y = scale (A B - offset) + bias` with `A` of 7 bits and `B` of 8.
//!
//! Inputs are whole numbers from 0 to 127, weights from -127 to 127. With 7 bits the sum of two
//! products fits 16 bits, so that AVX2's `maddubs`, which saturates there, is exact: every
//! instruction set gives the same integers, and, since each is multiplied and added once with two
//! roundings, the same floats. AVX-512 needs its VNNI extension here; without, AVX2 does the work.
//!
//! Four neighbours of a row of `A` are multiplied at once. The weights are packed for that: 16
//! columns are a panel, and a panel is a row of `[16, 4]` bytes for every four terms of the sum.
//!
//! Source: Jacob et al., "Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference", arXiv:1712.05877, section 2.

use super::quantised_packing::{PANEL, PackedSizes, QUAD, bytes};
use super::quantised_sums::Sums;
#[cfg(target_arch = "x86_64")]
use super::quantised_sums::x86;
use super::{Isa, Kind};
use ndarray::ArrayViewMut2;

/// `Y = scale (A B - offset) + bias`.
#[derive(Debug)]
pub(crate) struct QuantisedProduct<'a> {
    pub(crate) sizes: PackedSizes,
    /// Holds every run, and up to three bytes behind the last one, which do not matter.
    pub(crate) a: &'a [u8],
    /// How far rows and runs of `a` are apart.
    pub(crate) row_stride: usize,
    pub(crate) run_stride: usize,
    /// What [`super::quantised_packing::pack`] wrote.
    pub(crate) packed: &'a [f32],
    /// Replaces negative results by zero (ReLU).
    pub(crate) clamp: bool,
    /// `[rows, columns]`, each row contiguous.
    pub(crate) y: ArrayViewMut2<'a, f32>,
}

/// Computes the product.
///
/// # Panics
/// When a slice is shorter than the sizes say, or rows of `y` are not contiguous.
pub(crate) fn multiply(isa: Isa, product: QuantisedProduct) {
    let QuantisedProduct { sizes, a, row_stride, run_stride, packed, clamp, mut y } = product;
    let PackedSizes { runs, len, columns } = sizes;
    let rows = y.nrows();
    assert!(y.ncols() == columns, "the target holds the product");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(runs > 0, "a sum has a run");
    let end = (rows - 1) * row_stride + (runs - 1) * run_stride + len.next_multiple_of(QUAD);
    assert!(a.len() >= end, "every run is there, to the end of its last quad");
    assert!(packed.len() == sizes.room(), "the weights are packed for these sizes");
    // Steps along an axis of one element mean nothing.
    assert!(columns == 1 || y.strides()[1] == 1, "rows of the target are contiguous");
    let ends = sizes.ends();
    let task = Task {
        runs,
        run_quads: len.div_ceil(QUAD),
        rows,
        columns,
        a: a.as_ptr(),
        row_stride,
        run_stride,
        scales: packed.as_ptr(),
        biases: packed[ends[0]..].as_ptr(),
        offsets: packed[ends[1]..].as_ptr(),
        weights: bytes(&packed[ends[2]..]).as_ptr(),
        clamp,
        y_stride: y.strides()[0],
        y: y.as_mut_ptr(),
    };
    // SAFETY: rows, runs and columns were checked above, and `packed` holds whole panels; `y` is
    // borrowed for writing and walked at its own strides. The instruction sets are those of this
    // CPU.
    unsafe {
        match isa.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if is_x86_feature_detected!("avx512vnni") => x86::vnni(&task),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx2 => x86::avx2(&task),
            Kind::Portable | Kind::PortableFused => kernel::<[i32; PANEL]>(&task),
        }
    }
}

/// The checked arguments of [`multiply`] as pointers.
pub(super) struct Task {
    runs: usize,
    /// Quads of one run.
    run_quads: usize,
    rows: usize,
    columns: usize,
    a: *const u8,
    row_stride: usize,
    run_stride: usize,
    scales: *const f32,
    biases: *const f32,
    offsets: *const f32,
    weights: *const u8,
    clamp: bool,
    y: *mut f32,
    y_stride: isize,
}

/// # Safety
/// The CPU has `S`; the pointers of the task are good for its sizes.
#[inline(always)]
pub(super) unsafe fn kernel<S: Sums>(task: &Task) {
    let (panels, mut panel) = (task.columns.div_ceil(PANEL), 0);
    // SAFETY: the panels lie side by side within the columns.
    unsafe {
        if S::WIDE {
            while panels - panel >= 4 {
                rows::<S, 4>(task, panel);
                panel += 4;
            }
            if panels - panel >= 2 {
                rows::<S, 2>(task, panel);
                panel += 2;
            }
        }
        while panel < panels {
            rows::<S, 1>(task, panel);
            panel += 1;
        }
    }
}

/// All rows of `P` panels.
///
/// # Safety
/// As [`kernel`]; the panels exist.
#[inline(always)]
unsafe fn rows<S: Sums, const P: usize>(task: &Task, panel: usize) {
    let mut row = 0;
    // SAFETY: the tiles lie below one another within the rows.
    unsafe {
        if S::ROWS == 6 {
            while task.rows - row >= 6 {
                tile::<S, 6, P>(task, row, panel);
                row += 6;
            }
        }
        while task.rows - row >= 4 {
            tile::<S, 4, P>(task, row, panel);
            row += 4;
        }
        while row < task.rows {
            tile::<S, 1, P>(task, row, panel);
            row += 1;
        }
    }
}

/// `R` rows by `P` panels, kept in registers over the whole sum.
///
/// # Safety
/// As [`kernel`]; the tile lies within rows and panels.
#[inline(always)]
unsafe fn tile<S: Sums, const R: usize, const P: usize>(task: &Task, row: usize, panel: usize) {
    let panel_bytes = task.runs * task.run_quads * PANEL * QUAD;
    // SAFETY: inputs are read within their runs, rounded up to quads; weights, scales, biases and
    // offsets within their panels; results are written within rows and columns.
    unsafe {
        let mut sums = [[S::load(task.offsets.add(panel * PANEL)); P]; R];
        for p in 1..P {
            for sums in &mut sums {
                sums[p] = S::load(task.offsets.add((panel + p) * PANEL));
            }
        }
        let mut weights = task.weights.add(panel * panel_bytes);
        for run in 0..task.runs {
            let mut a = task.a.add(row * task.row_stride + run * task.run_stride);
            for _ in 0..task.run_quads {
                for r in 0..R {
                    for p in 0..P {
                        let inputs = a.add(r * task.row_stride);
                        sums[r][p] = sums[r][p].add(inputs, weights.add(p * panel_bytes));
                    }
                }
                a = a.wrapping_add(QUAD);
                weights = weights.wrapping_add(PANEL * QUAD);
            }
        }
        for r in 0..R {
            for p in 0..P {
                let column = (panel + p) * PANEL;
                let to = task.y.offset((row + r) as isize * task.y_stride).add(column);
                let (scales, biases) = (task.scales.add(column), task.biases.add(column));
                let n = PANEL.min(task.columns - column);
                sums[r][p].finish(scales, biases, task.clamp, to, n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::quantised_packing::{InputScale, column_scales, pack, to_byte};
    use crate::layer::gradient_check::numbers;
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    /// Rows that overlap as those of patches do, against the plain loop over whole numbers.
    fn check(sizes: PackedSizes, rows: usize, step: usize, zero: u8, clamp: bool) {
        let PackedSizes { runs, len, columns } = sizes;
        let by = InputScale { scale: 0.037, zero };
        let run_stride = rows * step + len + 3;
        let a: Vec<u8> =
            numbers(runs * run_stride + 3, 1).iter().map(|x| (x.abs() * 1e4) as u8 & 127).collect();
        let (weight, bias) = (numbers(runs * len * columns, 2), numbers(columns, 3));
        let mut packed = vec![0.0; sizes.room()];
        pack(sizes, by, &weight, &bias, &mut packed);
        let scales = column_scales(&weight, columns);
        let expected = |row: usize, column: usize| {
            let scale = scales[column];
            let product = |t: usize| {
                let input = a[row * step + t / len * run_stride + t % len];
                let term = to_byte(weight[t * columns + column], scale);
                (i32::from(input) - i32::from(zero)) * i32::from(term)
            };
            let y = (0..runs * len).map(product).sum::<i32>() as f32 * (scale * by.scale)
                + bias[column];
            if clamp { y.max(0.0) } else { y }
        };
        for isa in Isa::available() {
            let mut all = Array2::from_elem((rows, columns + 2), 7.0);
            let y = all.slice_mut(s![.., ..columns]);
            let (a, packed, row_stride) = (&a, &packed, step);
            multiply(isa, QuantisedProduct { sizes, a, row_stride, run_stride, packed, clamp, y });
            for ((row, column), got) in all.indexed_iter() {
                let want = if column < columns { expected(row, column) } else { 7.0 };
                assert_eq!(*got, want, "{isa:?} {sizes:?} at {row}, {column}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_integers_of_the_plain_loop(
            rows in 1usize..15, columns in 1usize..140, runs in 1usize..4, len in 1usize..40,
            step in 1usize..9, zero in 0u8..128, clamp: bool,
        ) {
            check(PackedSizes { runs, len, columns }, rows, step, zero, clamp);
        }
    }

    #[test]
    fn the_greatest_products_do_not_saturate() {
        let sizes = PackedSizes { runs: 1, len: 64, columns: 16 };
        let mut packed = vec![0.0; sizes.room()];
        let by = InputScale { scale: 1.0, zero: 0 };
        for sign in [-127.0, 127.0] {
            pack(sizes, by, &[sign; 64 * 16], &[], &mut packed);
            for isa in Isa::available() {
                let mut y = Array2::zeros((1, 16));
                let (a, packed, clamp) = (&[127; 64], &packed, false);
                let (row_stride, run_stride, to) = (64, 64, y.view_mut());
                multiply(
                    isa,
                    QuantisedProduct { sizes, a, row_stride, run_stride, packed, clamp, y: to },
                );
                assert!(y.iter().all(|y| *y == 64.0 * 127.0 * sign), "{isa:?}: {y}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "every run is there")]
    fn inputs_that_end_too_early_are_refused() {
        let sizes = PackedSizes { runs: 1, len: 5, columns: 1 };
        let packed = vec![0.0; sizes.room()];
        let (a, packed, clamp) = (&[0; 7], &packed, false);
        let (row_stride, run_stride, mut y) = (5, 5, Array2::zeros((1, 1)));
        let y = y.view_mut();
        let product = QuantisedProduct { sizes, a, row_stride, run_stride, packed, clamp, y };
        multiply(Isa::best(), product);
    }
}
