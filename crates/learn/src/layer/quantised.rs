//! Dense layers and convolutions of bytes, for predictions: `y = scale (q(x) W - offset) + b`.
//!
//! They take the tensors of the layers that they stand for, as floats, and pack them once; what
//! flows between steps stays float. See `compute_kernels::quantised` for the numbers.

use super::conv2d::tensors;
use super::dense::DensePlan;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, Weights, slice,
    slice_mut,
};
use crate::Isa;
use crate::compute_kernels::convolution::ConvSizes;
use crate::compute_kernels::pooling::{self, Cells, Pooled};
use crate::compute_kernels::quantised::{QuantisedProduct, multiply};
use crate::compute_kernels::quantised_packing::{
    InputScale, PackedSizes, bytes_mut, pack, quantise,
};
use crate::pulse::{OPERATIONS, Stopped};
use ndarray::{ArrayViewMut2, s};

/// Bytes behind the last input that a product may read.
const SLACK: usize = 4;

/// A dense layer of bytes.
#[derive(Debug)]
pub(crate) struct QuantisedDense {
    pub(crate) plan: DensePlan,
    pub(crate) by: InputScale,
}

impl QuantisedDense {
    fn sizes(&self) -> PackedSizes {
        PackedSizes { runs: 1, len: self.plan.inputs, columns: self.plan.units }
    }

    /// From row to row of the inputs.
    fn pitch(&self) -> usize {
        self.plan.inputs.next_multiple_of(SLACK)
    }
}

impl Layer for QuantisedDense {
    fn tensors(&self) -> Vec<Tensor> {
        self.plan.tensors()
    }

    fn memory(&self, batch: usize) -> Memory {
        let scratch = batch * self.pitch() / 4;
        Memory { prepared: self.sizes().room(), scratch, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::All
    }

    fn reads_input_again(&self) -> bool {
        false
    }

    fn clamp_output(&mut self) -> bool {
        self.plan.clamp_output()
    }

    fn prepare(&self, _isa: Isa, weights: Weights, _training: bool, prepared: &mut [f32]) {
        pack(self.sizes(), self.by, weights.slice(0), weights.bias(), prepared);
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        let (inputs, pitch, sizes) = (self.plan.inputs, self.pitch(), self.sizes());
        let a = bytes_mut(&mut own.scratch);
        for (x, a) in x.outer_iter().zip(a.chunks_exact_mut(pitch)) {
            quantise(pass.isa, self.by, slice(x), &mut a[..inputs]);
        }
        let row_operations = 2 * inputs * self.plan.units;
        // Whole tiles of 6 and of 4 rows, at least one.
        let turn = (OPERATIONS / row_operations.max(1) / 12).max(1) * 12;
        for first in (0..x.nrows()).step_by(turn) {
            let rows = turn.min(x.nrows() - first);
            let y = y.slice_mut(s![first..first + rows, ..]);
            let product = QuantisedProduct {
                sizes,
                a: &a[first * pitch..],
                row_stride: pitch,
                run_stride: 0,
                packed: pass.prepared,
                clamp: self.plan.clamp,
                y,
            };
            multiply(pass.isa, product);
            pass.beat.work(rows * row_operations)?;
        }
        Ok(())
    }

    fn backward(&self, _: &mut Pass, _: Backward, _: &mut Own) -> Result<(), Stopped> {
        unreachable!("nets of bytes are planned for predictions only")
    }
}

/// A convolution of bytes, with neighbouring pixels and one group.
#[derive(Debug)]
pub(crate) struct QuantisedConv2d {
    sizes: ConvSizes,
    bias: bool,
    by: InputScale,
    /// ReLU on the way out.
    clamp: bool,
    /// 2x2 max-pooling on the way out.
    pool: bool,
}

impl QuantisedConv2d {
    /// True for a convolution that this algorithm takes.
    pub(crate) fn takes(sizes: ConvSizes) -> bool {
        sizes.groups == 1 && sizes.dilation[1] == 1
    }

    /// The plan.
    ///
    /// # Panics
    /// When it does not take the convolution.
    pub(crate) fn new(mut sizes: ConvSizes, bias: bool, by: InputScale) -> Self {
        assert!(QuantisedConv2d::takes(sizes), "one group of neighbouring pixels");
        let is_pointwise = sizes.kernel == [1, 1] && sizes.stride == [1, 1];
        if is_pointwise && !sizes.is_padded() {
            // All pixels in one row: a single product.
            (sizes.h, sizes.w) = (1, sizes.h * sizes.w);
        }
        QuantisedConv2d { sizes, bias, by, clamp: false, pool: false }
    }

    fn packed(&self) -> PackedSizes {
        let ConvSizes { c, f, kernel: [runs, kw], .. } = self.sizes;
        PackedSizes { runs, len: kw * c, columns: f }
    }

    /// Floats that hold the bytes of the padded image.
    fn image_room(&self) -> usize {
        (self.sizes.padded_len() + SLACK).div_ceil(64) * 16
    }

    /// Writes the bytes of the image `x` to the middle of `padded`, and its margin.
    fn quantise_image(&self, isa: Isa, x: &[f32], padded: &mut [u8]) {
        let ConvSizes { w, c, padding, .. } = self.sizes;
        if !self.sizes.is_padded() {
            return quantise(isa, self.by, x, &mut padded[..x.len()]);
        }
        padded.fill(self.by.zero);
        for (row, x) in x.chunks_exact(w * c).enumerate() {
            let at = ((row + padding[0]) * self.sizes.padded_w() + padding[1]) * c;
            quantise(isa, self.by, x, &mut padded[at..at + x.len()]);
        }
    }

    /// Computes row `row` of the output, `[OW, F]`, of the padded image.
    fn convolve_row(
        &self,
        pass: &mut Pass,
        image: &[u8],
        row: usize,
        y: &mut [f32],
    ) -> Result<(), Stopped> {
        let ConvSizes { c, f, stride, dilation, .. } = self.sizes;
        let (ow, padded_row) = (self.sizes.ow(), self.sizes.padded_w() * c);
        let y = ArrayViewMut2::from_shape((ow, f), y).expect("a row has all its columns");
        let product = QuantisedProduct {
            sizes: self.packed(),
            a: &image[row * stride[0] * padded_row..],
            row_stride: stride[1] * c,
            run_stride: dilation[0] * padded_row,
            packed: pass.prepared,
            clamp: self.clamp && !self.pool,
            y,
        };
        multiply(pass.isa, product);
        pass.beat.work(2 * ow * f * self.sizes.depth())
    }
}

impl Layer for QuantisedConv2d {
    fn tensors(&self) -> Vec<Tensor> {
        tensors(self.sizes, &self.sizes.kernel, self.bias)
    }

    fn memory(&self, _batch: usize) -> Memory {
        let row = self.sizes.ow() * self.sizes.f;
        // The rows that are pooled together, and which of each cell was the greatest.
        let (rows, saved) = if self.pool { (2 * row, row / 2) } else { (0, 0) };
        let scratch = self.image_room() + rows;
        Memory { prepared: self.packed().room(), scratch, saved, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::One
    }

    fn reads_input_again(&self) -> bool {
        false
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn pool_output(&mut self) -> bool {
        // A pointwise convolution's rows are not the image's; only the first pooling is its own.
        let will = !self.pool && self.sizes.kernel != [1, 1];
        self.pool |= will;
        will
    }

    fn prepare(&self, _isa: Isa, weights: Weights, _training: bool, prepared: &mut [f32]) {
        pack(self.packed(), self.by, weights.slice(0), weights.bias(), prepared);
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        let (ow, f) = (self.sizes.ow(), self.sizes.f);
        let (image, rows) = own.scratch.split_at_mut(self.image_room());
        let image = bytes_mut(image);
        let cells = Cells { h: 2, w: ow, c: f };
        for (sample, (x, y)) in (pass.first..).zip(x.outer_iter().zip(y.outer_iter_mut())) {
            self.quantise_image(pass.isa, slice(x), image);
            let len = if self.pool { ow / 2 * f } else { ow * f };
            for (row, y) in slice_mut(y).chunks_exact_mut(len).enumerate() {
                if !self.pool {
                    self.convolve_row(pass, image, row, y)?;
                    continue;
                }
                for (half, to) in rows.chunks_exact_mut(ow * f).enumerate() {
                    self.convolve_row(pass, image, 2 * row + half, to)?;
                }
                let places = slice_mut(own.saved.row_mut(sample));
                pooling::pool(pass.isa, cells, rows, Pooled { y, places, clamp: self.clamp });
            }
        }
        Ok(())
    }

    fn backward(&self, _: &mut Pass, _: Backward, _: &mut Own) -> Result<(), Stopped> {
        unreachable!("nets of bytes are planned for predictions only")
    }
}
