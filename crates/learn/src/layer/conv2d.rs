//! The 3x3 convolution without padding, stride 1, by the direct algorithm: it takes images of any
//! size.
//!
//! `x [H, W, C]`, `w [3, 3, C, F]`, `b [F]` give `y [OH, OW, F]` with `OH = H - 2`, `OW = W - 2`.
//! Three pixels side by side are contiguous in `x`, so a row of outputs is a product of matrices
//! that read the image where it lies: nothing is unrolled. Sums run over `KH, KW, C` in this order.
//! Backward: `dW = patches(x)^T dY`; `dX` is the convolution of `dY`, with a margin of two zeros,
//! by the filters turned around.
//!
//! Source: Dumoulin and Visin, "A guide to convolution arithmetic", arXiv:1603.07285, chapters 2
//! and 4.

use super::conv2d_winograd::Conv2dWinograd;
use super::{Backward, Layer, Memory, Own, Pass, Place, Planned, Rows, RowsMut, Step, Tensor};
use crate::compute_kernels::elementwise;
use crate::compute_kernels::matrix::{Extent, Left, Right, Start, Target};
use crate::pulse::Stopped;
use crate::shape::{Shape, ShapeError};

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) h: usize,
    pub(crate) w: usize,
    pub(crate) c: usize,
    pub(crate) f: usize,
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

    /// How many weights, without the bias.
    pub(crate) fn weights(&self) -> usize {
        9 * self.c * self.f
    }

    /// The tensors of any convolution.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let weight =
            Tensor { name: "weight", shape: vec![3, 3, self.c, self.f], fan_in: 9 * self.c };
        vec![weight, Tensor { name: "bias", shape: vec![self.f], fan_in: 9 * self.c }]
    }
}

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2d {
    sizes: Sizes,
    /// ReLU on the way out.
    clamp: bool,
}

/// Fits the layer to `x`: by Winograd's algorithm where the sizes suit it, else directly.
pub(crate) fn plan(place: Place, x: Shape, filters: usize) -> Result<Planned, ShapeError> {
    let [h, w, c] = place.image(x, 3)?;
    if filters == 0 {
        return Err(ShapeError::Zero { layer: place.number, kind: place.kind, what: "filters" });
    }
    let sizes = Sizes { h, w, c, f: filters };
    let output = Shape::Image { h: sizes.oh(), w: sizes.ow(), c: filters };
    let step = match Conv2dWinograd::new(sizes) {
        Some(layer) => Step::Map(Box::new(layer)),
        None => Step::Map(Box::new(Conv2d { sizes, clamp: false })),
    };
    Ok(Planned { output, step })
}

impl Layer for Conv2d {
    fn tensors(&self) -> Vec<Tensor> {
        self.sizes.tensors()
    }

    fn memory(&self, _batch: usize) -> Memory {
        // The filters turned around, and a gradient with its margin.
        let Sizes { h, w, f, .. } = self.sizes;
        let margined = (h + 2) * (w + 2) * f;
        Memory { prepared: self.sizes.weights(), scratch: margined, ..Memory::default() }
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn prepare(&self, _isa: crate::Isa, weights: &[f32], training: bool, own: &mut Own) {
        if !training {
            return;
        }
        let Sizes { c, f, .. } = self.sizes;
        for tap in 0..9 {
            let from = &weights[tap * c * f..][..c * f];
            let to = &mut own.prepared[(8 - tap) * c * f..][..c * f];
            transpose(from, [c, f], to);
        }
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Rows,
        mut y: RowsMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        let Sizes { c, f, .. } = self.sizes;
        let (weights, bias) = pass.weights.split_at(9 * c * f);
        for i in 0..x.count {
            let image = Image { data: x.row(i), w: self.sizes.w, c };
            convolve(
                pass,
                image,
                Filters { weights, bias: Some(bias), f, clamp: self.clamp },
                y.row(i),
            )?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        for i in 0..dy.count {
            self.add_weight_gradient(pass, x.row(i), dy.row(i), dw)?;
            if let Some(dx) = &mut dx {
                self.input_gradient(pass, dy.row(i), own, dx.row(i))?;
            }
        }
        Ok(())
    }
}

impl Conv2d {
    /// Adds one sample's gradient of weights and bias to `dw`.
    fn add_weight_gradient(
        &self,
        pass: &mut Pass,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) -> Result<(), Stopped> {
        let Sizes { w, c, f, .. } = self.sizes;
        let (oh, ow) = (self.sizes.oh(), self.sizes.ow());
        let (dw, db) = dw.split_at_mut(self.sizes.weights());
        elementwise::add_rows(pass.isa, dy, db);
        for kh in 0..3 {
            let extent = Extent { rows: 3 * c, columns: f, outers: oh, inners: ow };
            let data = &x[kh * w * c..];
            let a = Left { data, row_stride: 1, outer_stride: w * c, inner_stride: c };
            let target = Target { data: &mut dw[kh * 3 * c * f..], stride: f, clamp: false };
            pass.multiply(
                extent,
                a,
                Right { data: dy, stride: f, ahead: &[] },
                Start::Sum,
                target,
            )?;
        }
        Ok(())
    }

    /// Writes one sample's gradient of the image.
    fn input_gradient(
        &self,
        pass: &mut Pass,
        dy: &[f32],
        own: &mut Own,
        dx: &mut [f32],
    ) -> Result<(), Stopped> {
        let Sizes { w, c, f, .. } = self.sizes;
        let ow = self.sizes.ow();
        // The margin is zero from the beginning: nothing else is ever written there.
        for (row, from) in dy.chunks_exact(ow * f).enumerate() {
            own.scratch[((row + 2) * (w + 2) + 2) * f..][..ow * f].copy_from_slice(from);
        }
        let image = Image { data: &own.scratch, w: w + 2, c: f };
        let filters = Filters { weights: &own.prepared, bias: None, f: c, clamp: false };
        convolve(pass, image, filters, dx)
    }
}

/// An image `[H, w, c]`.
#[derive(Clone, Copy)]
struct Image<'a> {
    data: &'a [f32],
    w: usize,
    c: usize,
}

/// Filters `[3, 3, C, f]`.
#[derive(Clone, Copy)]
struct Filters<'a> {
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    f: usize,
    clamp: bool,
}

/// Writes `y [H - 2, w - 2, f]`, row by row.
fn convolve(pass: &mut Pass, image: Image, filters: Filters, y: &mut [f32]) -> Result<(), Stopped> {
    let Image { data, w, c } = image;
    let f = filters.f;
    let extent = Extent { rows: w - 2, columns: f, outers: 3, inners: 3 * c };
    let start = filters.bias.map_or(Start::Zero, Start::Bias);
    for (row, y) in y.chunks_exact_mut((w - 2) * f).enumerate() {
        let a = Left {
            data: &data[row * w * c..],
            row_stride: c,
            outer_stride: w * c,
            inner_stride: 1,
        };
        let b = Right { data: filters.weights, stride: f, ahead: &[] };
        pass.multiply(extent, a, b, start, Target { data: y, stride: f, clamp: filters.clamp })?;
    }
    Ok(())
}

/// Writes `from [rows, columns]` as `to [columns, rows]`.
pub(crate) fn transpose(from: &[f32], [rows, columns]: [usize; 2], to: &mut [f32]) {
    for row in 0..rows {
        for column in 0..columns {
            to[column * rows + row] = from[row * columns + column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::{check_convolution, check_layer};

    #[test]
    fn conv2d_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 5, w: 4, c: 3 }, LayerSpec::Conv2d { filters: 2 });
        check_layer(Shape::Image { h: 6, w: 7, c: 1 }, LayerSpec::Conv2d { filters: 5 });
    }

    #[test]
    fn every_instruction_set_convolves_like_the_reference() {
        for [h, w, c, f] in
            [[3, 3, 1, 1], [4, 7, 3, 5], [9, 15, 2, 16], [28, 28, 1, 32], [5, 8, 17, 33]]
        {
            let sizes = Sizes { h, w, c, f };
            check_convolution(&Conv2d { sizes, clamp: false }, sizes, 1e-5);
        }
    }
}
