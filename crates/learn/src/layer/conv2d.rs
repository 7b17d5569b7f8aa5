//! The 3x3 convolution without padding, stride 1, by the direct algorithm: it takes images of any
//! size.
//!
//! `x [H, W, C]`, `w [3, 3, C, F]`, `b [F]` give `y [OH, OW, F]` with `OH = H - 2`, `OW = W - 2`.
//! Three pixels side by side are contiguous in `x`, so a row of outputs is a product of matrices
//! that read the image where it lies: its patches are a view, and nothing is unrolled. Sums run
//! over `KH, KW, C` in this order.
//! Backward: `dW = patches(x)^T dY`; `dX` is the convolution of `dY`, with a margin of two zeros,
//! by the filters turned around.
//!
//! Source: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv:1603.07285, chapters 2
//! and 4.

use super::Build;
use super::conv2d_winograd::Conv2dWinograd;
use super::pair::Pair;
use super::step::{
    Backward, Layer, Layout, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, Weights, slice,
};
use crate::builder::Builder;
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Product, Start};
use crate::pulse::Stopped;
use crate::shape::{Problem, Shape, ShapeError};
use ndarray::{
    ArrayView1, ArrayView3, ArrayView4, ArrayViewMut1, ArrayViewMut3, ArrayViewMut4, Axis,
    ShapeBuilder, s,
};
use serde::{Deserialize, Serialize};

/// The settings of a convolution of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// How many filters.
    pub filters: usize,
    /// Whether each filter has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Conv2d {
    /// So many filters with a bias each, stride 1, no padding.
    pub const fn square(filters: usize, _kernel: usize) -> Self {
        Conv2d { filters, bias: true }
    }
}

impl Build for Conv2d {
    fn example() -> Self {
        Conv2d::square(1, 3)
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let [h, w, c] = net.image(Pair::same(3))?;
        if self.filters == 0 {
            return Err(net.problem(Problem::Zero { what: "filters" }));
        }
        let sizes = Sizes { h, w, c, f: self.filters, bias: self.bias };
        let output = Shape::Image { h: sizes.oh(), w: sizes.ow(), c: self.filters };
        match Conv2dWinograd::new(sizes) {
            Some(layer) => net.map(layer, output),
            None => net.map(Conv2dDirect { sizes, clamp: false }, output),
        }
    }
}

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
    pub(crate) f: usize,
    pub(crate) bias: bool,
}

impl Sizes {
    /// Rows of the output.
    pub(crate) fn oh(&self) -> usize {
        self.h - 2
    }

    /// Columns of the output.
    pub(crate) fn ow(&self) -> usize {
        self.w - 2
    }

    /// A sample's input as `[H, W, C]`.
    fn input<'a>(&self, x: ArrayView1<'a, f32>) -> ArrayView3<'a, f32> {
        x.into_shape_with_order((self.h, self.w, self.c)).expect("a row is an image")
    }

    /// A sample's output, or its gradient, as `[OH, OW, F]`.
    fn output<'a>(&self, y: ArrayView1<'a, f32>) -> ArrayView3<'a, f32> {
        y.into_shape_with_order((self.oh(), self.ow(), self.f)).expect("a row is an image")
    }

    /// The tensors of any convolution.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let (shape, fan_in) = (vec![3, 3, self.c, self.f], 9 * self.c);
        let mut tensors = vec![Tensor::weight(shape, fan_in, Layout::Convolution)];
        tensors.extend(self.bias.then(|| Tensor::bias(self.f, fan_in)));
        tensors
    }
}

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2dDirect {
    sizes: Sizes,
    /// ReLU on the way out.
    clamp: bool,
}

impl Layer for Conv2dDirect {
    fn tensors(&self) -> Vec<Tensor> {
        self.sizes.tensors()
    }

    fn memory(&self, _batch: usize) -> Memory {
        // The filters turned around, and a gradient with its margin.
        let Sizes { h, w, c, f, .. } = self.sizes;
        Memory { prepared: 9 * f * c, scratch: (h + 2) * (w + 2) * f, ..Memory::default() }
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

    fn prepare(&self, _isa: crate::Isa, weights: Weights, training: bool, prepared: &mut [f32]) {
        if !training {
            return;
        }
        let Sizes { c, f, .. } = self.sizes;
        let turned = ArrayViewMut4::from_shape((3, 3, f, c), prepared);
        let filters: ArrayView4<f32> = weights.view(0);
        turned
            .expect("there is room for the filters")
            .assign(&filters.slice(s![..;-1, ..;-1, .., ..]).permuted_axes([0, 1, 3, 2]));
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        let (weight, bias) = (pass.weights.view(0), Start::bias(pass.weights.bias()));
        let filters = Filters { weight, start: bias, clamp: self.clamp };
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let (oh, ow, f) = (self.sizes.oh(), self.sizes.ow(), self.sizes.f);
            let y = y.into_shape_with_order((oh, ow, f)).expect("a row is an image");
            convolve(pass, self.sizes.input(x), filters, y)?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let (mut dw, db) = dw.weight_and_bias();
        for (i, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            if self.sizes.bias {
                elementwise::add_rows(pass.isa, slice(dy), db);
            }
            let dy = self.sizes.output(dy);
            self.add_weight_gradient(pass, self.sizes.input(x), dy, dw.view_mut())?;
            if let Some(dx) = &mut dx {
                self.input_gradient(pass, dy, own, dx.row_mut(i))?;
            }
        }
        Ok(())
    }
}

impl Conv2dDirect {
    /// Adds one sample's gradient of the weights to `dw [3, 3, C, F]`.
    fn add_weight_gradient(
        &self,
        pass: &mut Pass,
        x: ArrayView3<f32>,
        dy: ArrayView3<f32>,
        dw: ArrayViewMut4<f32>,
    ) -> Result<(), Stopped> {
        let (oh, ow, f) = dy.dim();
        let dy = dy.into_shape_with_order((oh * ow, f)).expect("a gradient is contiguous");
        let dw = dw.into_shape_with_order((3, 3 * self.sizes.c, f));
        let patches = patches(x);
        for (kh, dw) in dw.expect("a gradient is contiguous").outer_iter_mut().enumerate() {
            // [OH, OW, 3 * C] as [3 * C, OH, OW].
            let transposed = patches.index_axis(Axis(2), kh).permuted_axes([2, 0, 1]);
            pass.multiply(Product::new(transposed, dy, Start::Sum, dw))?;
        }
        Ok(())
    }

    /// Writes one sample's gradient of the image.
    fn input_gradient(
        &self,
        pass: &mut Pass,
        dy: ArrayView3<f32>,
        own: &mut Own,
        dx: ArrayViewMut1<f32>,
    ) -> Result<(), Stopped> {
        let Sizes { h, w, c, f, .. } = self.sizes;
        // The margin is zero from the beginning: nothing else is ever written there.
        let margined = ArrayViewMut3::from_shape((h + 2, w + 2, f), &mut own.scratch);
        let mut margined = margined.expect("there is room for the margin");
        margined.slice_mut(s![2..h, 2..w, ..]).assign(&dy);
        let turned = ArrayView4::from_shape((3, 3, f, c), pass.prepared);
        let weight = turned.expect("there is room for the filters");
        let filters = Filters { weight, start: Start::Zero, clamp: false };
        let dx = dx.into_shape_with_order((h, w, c)).expect("a row is an image");
        convolve(pass, margined.view(), filters, dx)
    }
}

/// Filters `[3, 3, C, F]`, and what their sums begin with.
#[derive(Clone, Copy)]
struct Filters<'a> {
    weight: ArrayView4<'a, f32>,
    start: Start<'a>,
    clamp: bool,
}

/// Convolves `x [H, W, C]` to `y [H - 2, W - 2, F]`, row by row.
fn convolve(
    pass: &mut Pass,
    x: ArrayView3<f32>,
    filters: Filters,
    mut y: ArrayViewMut3<f32>,
) -> Result<(), Stopped> {
    let Filters { weight, start, clamp } = filters;
    let (_, _, c, f) = weight.dim();
    let weight = weight.into_shape_with_order((9 * c, f)).expect("filters are contiguous");
    for (patches, y) in patches(x).outer_iter().zip(y.outer_iter_mut()) {
        pass.multiply(Product { clamp, ..Product::new(patches, weight, start, y) })?;
    }
    Ok(())
}

/// The patches of an image `[H, W, C]`, read where they lie: `[H - 2, W - 2, 3, 3 * C]`. Patches
/// that overlap share their numbers.
fn patches<'a>(x: ArrayView3<'a, f32>) -> ArrayView4<'a, f32> {
    let (h, w, c) = x.dim();
    let shape = (h - 2, w - 2, 3, 3 * c).strides((w * c, c, w * c, 1));
    ArrayView4::from_shape(shape, slice(x)).expect("every patch lies in the image")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::{check_convolution, check_layer};

    #[test]
    fn conv2d_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 5, w: 4, c: 3 }, Conv2d::square(2, 3).into());
        check_layer(
            Shape::Image { h: 6, w: 7, c: 1 },
            Conv2d { bias: false, ..Conv2d::square(5, 3) }.into(),
        );
    }

    #[test]
    fn every_instruction_set_convolves_like_the_reference() {
        for [h, w, c, f] in
            [[3, 3, 1, 1], [4, 7, 3, 5], [9, 15, 2, 16], [28, 28, 1, 32], [5, 8, 17, 33]]
        {
            let sizes = Sizes { h, w, c, f, bias: true };
            check_convolution(&Conv2dDirect { sizes, clamp: false }, sizes, 1e-5);
        }
    }
}
