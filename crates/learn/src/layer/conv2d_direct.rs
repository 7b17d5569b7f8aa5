//! The convolution as products of matrices that read the patches of the image where they lie:
//! nothing is unrolled. It takes every size.
//!
//! A row of outputs is one product: the pixels of a patch that lie side by side are neighbours in
//! the image, so patches are a view. With dilation or groups they are neighbours channel by channel
//! only, and each row of the kernel is a product of its own. Sums run over `KH, KW, C` in this
//! order. An image with padding is first copied into one with a margin.
//!
//! Backward: `dW = patches(x)^T dY`; `dY W^T` are the gradients of the patches, which are added to
//! the image row by row. Where filters are few, several pixels are computed together
//! (`conv2d_pixels`): all sizes here are then those of the wide convolution.
//!
//! Source: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv:1603.07285, chapters 2
//! and 4.

use super::conv2d::tensors;
use super::conv2d_pixels::Pixels;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, Weights, WeightsMut,
    slice, slice_mut,
};
use crate::Isa;
use crate::compute_kernels::convolution::{self, ConvSizes};
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Product, Start, plain};
use crate::compute_kernels::planes::Planes;
use crate::pulse::Stopped;
use ndarray::{
    ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, ArrayViewMut3, IxDyn, ShapeBuilder, s,
};

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2dDirect {
    /// Those of the products.
    sizes: ConvSizes,
    /// From the layer's own filters to those of the products.
    pixels: Pixels,
    bias: bool,
    /// ReLU on the way out.
    clamp: bool,
    /// The first axis of a kernel that tensors have: 1 for sequences, which have no rows.
    first_axis: usize,
}

impl Conv2dDirect {
    pub(crate) fn new(mut sizes: ConvSizes, bias: bool) -> Self {
        let is_pointwise = sizes.kernel == [1, 1] && sizes.stride == [1, 1];
        if is_pointwise && !sizes.is_padded() {
            // All pixels in one row: a single product.
            (sizes.h, sizes.w) = (1, sizes.h * sizes.w);
        }
        let pixels = Pixels::best(sizes);
        Conv2dDirect { sizes: pixels.wide(), pixels, bias, clamp: false, first_axis: 0 }
    }

    /// The same for sequences, which are images of one row.
    pub(crate) fn of_sequences(self) -> Self {
        Conv2dDirect { first_axis: 1, ..self }
    }

    /// The parts of a patch that are neighbours in the image: how many numbers each has, and how
    /// many there are in a row of the kernel.
    fn run(&self) -> [usize; 2] {
        let [_, kw] = self.sizes.kernel;
        if self.rows_are_runs() { [kw * self.sizes.c, 1] } else { [self.sizes.group_c(), kw] }
    }

    /// True when all pixels of a patch's row are neighbours in the image.
    fn rows_are_runs(&self) -> bool {
        self.sizes.dilation[1] == 1 && self.sizes.groups == 1
    }

    /// Where the pixel lies that output pixel `[row, 0]` sees at `place` of the kernel, in the
    /// channels of `group`.
    fn origin(&self, row: usize, [kh, kw]: [usize; 2], group: usize) -> usize {
        let ConvSizes { c, stride, dilation, .. } = self.sizes;
        let (y, x) = (row * stride[0] + kh * dilation[0], kw * dilation[1]);
        (y * self.sizes.padded_w() + x) * c + group * self.sizes.group_c()
    }

    /// How much of the scratch holds the padded image, and its gradient: nothing without padding.
    fn margined(&self) -> usize {
        if self.sizes.is_padded() { self.sizes.padded_len().next_multiple_of(16) } else { 0 }
    }

    /// The filters `[depth, F]` of the products, and a bias for each if there are any.
    fn filters<'a>(
        &self,
        weights: Weights<'a>,
        prepared: &'a [f32],
    ) -> (ArrayView2<'a, f32>, &'a [f32]) {
        let (depth, f) = (self.sizes.depth(), self.sizes.f);
        let (weight, bias) = if self.pixels.is_wide() {
            let (weight, bias) = prepared[depth * f..].split_at(depth * f);
            (weight, if self.bias { bias } else { &[] })
        } else {
            (weights.slice(0), weights.bias())
        };
        (
            ArrayView2::from_shape((depth, f), weight).expect("the weight has the layer's sizes"),
            bias,
        )
    }

    /// Computes the output `[OH, OW, F]` of the padded image `x`, when all pixels of a patch's row are
    /// neighbours.
    fn convolve_runs(
        &self,
        pass: &mut Pass,
        x: &[f32],
        y: ArrayViewMut3<f32>,
    ) -> Result<(), Stopped> {
        let ConvSizes { c, f, kernel: [kh, kw], stride, dilation, .. } = self.sizes;
        let ([oh, ow], row) = ([self.sizes.oh(), self.sizes.ow()], self.sizes.padded_w() * c);
        let (weight, bias) = self.filters(pass.weights, pass.prepared);
        let weights = weight.broadcast((oh, self.sizes.depth(), f));
        let b = weights.expect("all rows have one weight");
        let strides = (stride[0] * row, stride[1] * c, dilation[0] * row, 1);
        let patches = ArrayView4::from_shape((oh, ow, kh, kw * c).strides(strides), x);
        let a = patches.expect("every patch lies in the image");
        let start = Start::bias(bias);
        pass.multiply_planes(Planes { a, b, start, c: y, clamp: self.clamp })
    }

    /// Computes row `row` of the output, `[OW, F]`, of the padded image `x`.
    fn convolve_row(
        &self,
        pass: &mut Pass,
        x: &[f32],
        row: usize,
        mut y: ArrayViewMut2<f32>,
    ) -> Result<(), Stopped> {
        let ConvSizes { c, kernel: [kh, _], stride, dilation, groups, .. } = self.sizes;
        let (ow, [len, runs]) = (self.sizes.ow(), self.run());
        let (weight, bias) = self.filters(pass.weights, pass.prepared);
        let group_f = self.sizes.group_f();
        for group in 0..groups {
            let filters = group * group_f..(group + 1) * group_f;
            for k in 0..kh {
                let strides = (stride[1] * c, dilation[1] * c, 1);
                let patches = view(&x[self.origin(row, [k, 0], group)..], [ow, runs, len], strides);
                let terms = k * runs * len..(k + 1) * runs * len;
                let start = match (k, bias) {
                    (0, []) => Start::Zero,
                    (0, bias) => Start::Bias(&bias[filters.clone()]),
                    _ => Start::Sum,
                };
                let y = y.slice_mut(s![.., filters.clone()]);
                let weight = weight.slice(s![terms, filters.clone()]);
                let clamp = self.clamp && k + 1 == kh;
                pass.multiply(Product { clamp, ..Product::new(patches, weight, start, y) })?;
            }
        }
        Ok(())
    }

    /// Adds one sample's gradient of the weights to `dw [KH * KW * C / groups, F]`.
    fn add_weight_gradient(
        &self,
        pass: &mut Pass,
        x: &[f32],
        dy: ArrayView2<f32>,
        mut dw: ArrayViewMut2<f32>,
    ) -> Result<(), Stopped> {
        let ConvSizes { c, kernel: [kh, _], stride, groups, .. } = self.sizes;
        let ([len, runs], group_f) = (self.run(), self.sizes.group_f());
        let strides = (1, stride[0] * self.sizes.padded_w() * c, stride[1] * c);
        let shape = [len, self.sizes.oh(), self.sizes.ow()];
        for group in 0..groups {
            let filters = group * group_f..(group + 1) * group_f;
            for part in 0..kh * runs {
                let place = [part / runs, part % runs];
                let transposed = view(&x[self.origin(0, place, group)..], shape, strides);
                let dw = dw.slice_mut(s![part * len..(part + 1) * len, filters.clone()]);
                let dy = dy.slice(s![.., filters.clone()]);
                pass.multiply(Product::new(transposed, dy, Start::Sum, dw))?;
            }
        }
        Ok(())
    }

    /// Adds one sample's gradient of the image to the padded `dx`; `patches` is scratch for a row's.
    fn add_input_gradient(
        &self,
        pass: &mut Pass,
        dy: ArrayView3<f32>,
        patches: &mut [f32],
        dx: &mut [f32],
    ) -> Result<(), Stopped> {
        let (group_f, depth) = (self.sizes.group_f(), self.sizes.depth());
        let transposed = &pass.prepared[..depth * self.sizes.f];
        let transposed = ArrayView3::from_shape((self.sizes.groups, group_f, depth), transposed);
        let transposed = transposed.expect("there is room for the filters");
        for (row, dy) in dy.outer_iter().enumerate() {
            for (group, filters) in transposed.outer_iter().enumerate() {
                let dy = dy.slice(s![.., group * group_f..(group + 1) * group_f]);
                let to = ArrayViewMut2::from_shape((self.sizes.ow(), depth), &mut *patches);
                let to = to.expect("there is room for a row of patches");
                pass.multiply(Product::new(plain(dy), filters, Start::Zero, to))?;
                convolution::add_patches(pass.isa, self.sizes, [row, group], patches, dx);
            }
        }
        Ok(())
    }
}

/// A view of some of `x`; its numbers may overlap.
fn view(x: &[f32], shape: [usize; 3], strides: (usize, usize, usize)) -> ArrayView3<'_, f32> {
    let [a, b, c] = shape;
    ArrayView3::from_shape((a, b, c).strides(strides), x).expect("every patch lies in the image")
}

impl Layer for Conv2dDirect {
    fn tensors(&self) -> Vec<Tensor> {
        let narrow = self.pixels.narrow;
        tensors(narrow, &narrow.kernel[self.first_axis..], self.bias)
    }

    fn memory(&self, _batch: usize) -> Memory {
        // The filters transposed, and as they are when the layer's own are not; the padded image, its
        // gradient, and the patches of a row.
        let (depth, f, ow) = (self.sizes.depth(), self.sizes.f, self.sizes.ow());
        let scratch = 2 * self.margined() + ow * depth;
        let sums = if self.pixels.is_wide() { (depth + 1) * f } else { 0 };
        Memory { prepared: depth * f + sums, sums, scratch, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::One
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn prepare(&self, _isa: Isa, weights: Weights, training: bool, prepared: &mut [f32]) {
        let ConvSizes { f, groups, .. } = self.sizes;
        let (group_f, depth) = (self.sizes.group_f(), self.sizes.depth());
        if self.pixels.is_wide() {
            self.pixels.spread(weights.slice(0), weights.bias(), &mut prepared[depth * f..]);
        }
        if !training {
            return;
        }
        let (to, rest) = prepared.split_at_mut(depth * f);
        let weight = if self.pixels.is_wide() { &rest[..depth * f] } else { weights.slice(0) };
        let weight = ArrayView2::from_shape((depth, f), weight);
        let weight = weight.expect("the weight has the layer's sizes");
        let to = ArrayViewMut3::from_shape((groups, group_f, depth), to);
        let mut to = to.expect("there is room for the filters");
        for (group, mut to) in to.outer_iter_mut().enumerate() {
            to.assign(&weight.slice(s![.., group * group_f..(group + 1) * group_f]).t());
        }
    }

    fn begin_backward(&self, own: &mut Own) {
        own.sums.fill(0.0);
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let x = padded(self.sizes, slice(x), &mut own.scratch);
            let shape = (self.sizes.oh(), self.sizes.ow(), self.sizes.f);
            let mut y = y.into_shape_with_order(shape).expect("a row is an image");
            if self.rows_are_runs() {
                self.convolve_runs(pass, x, y)?;
                continue;
            }
            for (row, y) in y.outer_iter_mut().enumerate() {
                self.convolve_row(pass, x, row, y)?;
            }
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let (depth, oh, ow, f) =
            (self.sizes.depth(), self.sizes.oh(), self.sizes.ow(), self.sizes.f);
        let (dw, db) = if self.pixels.is_wide() {
            own.sums.split_at_mut(depth * f)
        } else {
            let (dw, db) = dw.weight_and_bias::<IxDyn>();
            (slice_mut(dw), db)
        };
        let dw = ArrayViewMut2::from_shape((depth, f), dw);
        let mut dw = dw.expect("the gradient has the layer's sizes");
        let (margined, rest) = own.scratch.split_at_mut(self.margined());
        let (d_margined, patches) = rest.split_at_mut(self.margined());
        for (i, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            if self.bias {
                elementwise::add_rows(pass.isa, slice(dy), db);
            }
            let x = padded(self.sizes, slice(x), margined);
            let flat = dy.into_shape_with_order((oh * ow, f)).expect("a row is an image");
            self.add_weight_gradient(pass, x, flat, dw.view_mut())?;
            let Some(dx) = &mut dx else { continue };
            let (dx, dy) = (slice_mut(dx.row_mut(i)), flat.into_shape_with_order((oh, ow, f)));
            let dy = dy.expect("a row is an image");
            if self.sizes.is_padded() {
                let d_margined = &mut d_margined[..self.sizes.padded_len()];
                d_margined.fill(0.0);
                self.add_input_gradient(pass, dy, patches, d_margined)?;
                convolution::crop(self.sizes, d_margined, dx);
            } else {
                dx.fill(0.0);
                self.add_input_gradient(pass, dy, patches, dx)?;
            }
        }
        Ok(())
    }

    fn finish(&self, _isa: Isa, _share: f32, own: &mut Own, dw: WeightsMut) {
        if self.pixels.is_wide() {
            let (dw, db) = dw.weight_and_bias::<IxDyn>();
            self.pixels.gather(&own.sums, slice_mut(dw), db);
        }
    }
}

/// The image with its margin, in `room` if there is one; the margin there is zero from the
/// beginning, since nothing else is ever written to it.
pub(super) fn padded<'a>(sizes: ConvSizes, x: &'a [f32], room: &'a mut [f32]) -> &'a [f32] {
    if !sizes.is_padded() {
        return x;
    }
    let room = &mut room[..sizes.padded_len()];
    convolution::pad(sizes, x, room);
    room
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::check_convolution;
    use proptest::prelude::*;

    #[test]
    fn every_instruction_set_convolves_like_the_reference() {
        for sizes in [[3, 3, 1, 1], [4, 7, 3, 5], [9, 15, 2, 16], [28, 28, 1, 32], [5, 8, 17, 33]] {
            for kernel in [1, 3] {
                let sizes = ConvSizes::plain(sizes, kernel);
                check_convolution(&Conv2dDirect::new(sizes, true), sizes, 1e-5);
            }
        }
    }

    #[test]
    fn a_kernel_of_one_column_keeps_its_groups_apart() {
        let (kernel, stride, padding) = ([3, 1], [1, 2], [2, 0]);
        let (dilation, groups) = ([1, 2], 2);
        let sizes =
            ConvSizes { h: 2, w: 3, c: 2, f: 10, kernel, stride, padding, dilation, groups };
        check_convolution(&Conv2dDirect::new(sizes, true), sizes, 1e-5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn every_instruction_set_convolves_any_sizes_like_the_reference(
            h in 1usize..9, w in 1usize..9, c in 1usize..4, f in 1usize..7, groups in 1usize..4,
            kernel in [1usize..5, 1usize..4], stride in [1usize..4, 1usize..3],
            dilation in [1usize..3, 1usize..4], padding in [0usize..3, 0usize..3],
        ) {
            let padding = [0, 1].map(|axis| padding[axis].min(dilation[axis] * (kernel[axis] - 1)));
            let (c, f) = (c * groups, f * groups);
            let sizes = ConvSizes { h, w, c, f, kernel, stride, padding, dilation, groups };
            if h + 2 * padding[0] >= sizes.reach(0) && w + 2 * padding[1] >= sizes.reach(1) {
                check_convolution(&Conv2dDirect::new(sizes, true), sizes, 1e-5);
            }
        }
    }
}
