//! The 3x3 convolution by Winograd's F(4x4, 3x3): a quarter of the direct algorithm's
//! multiplications.
//!
//! Taken for outputs of whole 4x4 tiles and channels and filters in whole groups of 16. The
//! transforms, and why the backward pass is the adjoint of the forward one, stand in
//! `compute_kernels::winograd`. All of a sample's points stay in the second-level cache. `V` is
//! made again from `x` in the backward pass: cheaper than to keep it.

use super::conv2d::{Sizes, transpose};
use super::{Backward, Layer, Memory, Own, Pass, Rows, RowsMut, Tensor};
use crate::compute_kernels::matrix::{Extent, Left, Right, Start, Target};
use crate::compute_kernels::winograd::{self, Grid, POINTS};
use crate::compute_kernels::{Isa, elementwise};
use crate::pulse::Stopped;

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2dWinograd {
    sizes: Sizes,
    /// Tiles of the image.
    input: Grid,
    /// The same tiles with the output's channels.
    output: Grid,
    /// ReLU on the way out.
    clamp: bool,
}

impl Conv2dWinograd {
    /// The plan, or `None` for sizes that do not fit.
    pub(crate) fn new(sizes: Sizes) -> Option<Self> {
        let Sizes { c, f, .. } = sizes;
        let (oh, ow) = (sizes.oh(), sizes.ow());
        if oh % 4 != 0 || ow % 4 != 0 || c % 16 != 0 || f % 16 != 0 {
            return None;
        }
        let (tile_rows, tile_columns) = (oh / 4, ow / 4);
        let input = Grid { tile_rows, tile_columns, channels: c };
        let output = Grid { tile_rows, tile_columns, channels: f };
        Some(Conv2dWinograd { sizes, input, output, clamp: false })
    }

    /// `M[k] = V[k] U[k]` for every point: `from` has `a.channels`, `to` has `b.channels`.
    fn multiply_points(
        &self,
        pass: &mut Pass,
        (a, from): (Grid, &[f32]),
        filters: &[f32],
        (b, to): (Grid, &mut [f32]),
    ) -> Result<(), Stopped> {
        let (inners, columns) = (a.channels, b.channels);
        let extent = Extent { rows: a.tiles(), columns, outers: 1, inners };
        for k in 0..POINTS {
            let data = &from[k * a.pitch()..];
            let left = Left { data, row_stride: inners, outer_stride: 0, inner_stride: 1 };
            let right =
                Right { data: &filters[k * inners * columns..], stride: columns, ahead: &[] };
            let target = Target { data: &mut to[k * b.pitch()..], stride: columns, clamp: false };
            pass.multiply(extent, left, right, Start::Zero, target)?;
        }
        Ok(())
    }

    /// `dU[k] += V[k]^T M[k]` for every point.
    fn add_filter_gradient(
        &self,
        pass: &mut Pass,
        v: &[f32],
        m: &[f32],
        du: &mut [f32],
    ) -> Result<(), Stopped> {
        let Sizes { c, f, .. } = self.sizes;
        let extent = Extent { rows: c, columns: f, outers: 1, inners: self.input.tiles() };
        for k in 0..POINTS {
            let data = &v[k * self.input.pitch()..];
            let left = Left { data, row_stride: 1, outer_stride: 0, inner_stride: c };
            let right = Right { data: &m[k * self.output.pitch()..], stride: f, ahead: &[] };
            let target = Target { data: &mut du[k * c * f..], stride: f, clamp: false };
            pass.multiply(extent, left, right, Start::Sum, target)?;
        }
        Ok(())
    }
}

impl Layer for Conv2dWinograd {
    fn tensors(&self) -> Vec<Tensor> {
        self.sizes.tensors()
    }

    fn memory(&self, _batch: usize) -> Memory {
        let filters = self.sizes.c * self.sizes.f;
        Memory {
            // U, U transposed, and the filters transposed on the way to it.
            prepared: (2 * POINTS + 9) * filters,
            sums: POINTS * filters,
            // V and M.
            scratch: self.input.points_len().next_multiple_of(16) + self.output.points_len(),
            ..Memory::default()
        }
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn prepare(&self, isa: Isa, weights: &[f32], training: bool, own: &mut Own) {
        let Sizes { c, f, .. } = self.sizes;
        let (u, rest) = own.prepared.split_at_mut(POINTS * c * f);
        winograd::transform_filters(isa, c * f, weights, u);
        if training {
            let (u_transposed, transposed) = rest.split_at_mut(POINTS * c * f);
            for tap in 0..9 {
                let to = &mut transposed[tap * c * f..][..c * f];
                transpose(&weights[tap * c * f..][..c * f], [c, f], to);
            }
            winograd::transform_filters(isa, c * f, transposed, u_transposed);
            own.sums.fill(0.0);
        }
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Rows,
        mut y: RowsMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        let bias = &pass.weights[self.sizes.weights()..];
        let (v, m) = own.scratch.split_at_mut(self.input.points_len().next_multiple_of(16));
        for i in 0..x.count {
            winograd::transform_input(pass.isa, self.input, x.row(i), v);
            self.multiply_points(pass, (self.input, v), &own.prepared, (self.output, m))?;
            winograd::transform_output(pass.isa, self.output, m, bias, self.clamp, y.row(i));
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let Sizes { c, f, .. } = self.sizes;
        let db = &mut dw[self.sizes.weights()..];
        let (v, m) = own.scratch.split_at_mut(self.input.points_len().next_multiple_of(16));
        let u_transposed = &own.prepared[POINTS * c * f..];
        for i in 0..dy.count {
            elementwise::add_rows(pass.isa, dy.row(i), db);
            winograd::transform_input(pass.isa, self.input, x.row(i), v);
            winograd::transform_output_gradient(pass.isa, self.output, dy.row(i), m);
            self.add_filter_gradient(pass, v, m, &mut own.sums)?;
            if let Some(dx) = &mut dx {
                self.multiply_points(pass, (self.output, m), u_transposed, (self.input, v))?;
                winograd::transform_input_gradient(pass.isa, self.input, v, dx.row(i));
            }
        }
        Ok(())
    }

    fn finish(&self, isa: Isa, own: &mut Own, dw: &mut [f32]) {
        let n = self.sizes.c * self.sizes.f;
        winograd::transform_filter_gradient(isa, n, &own.sums, &mut dw[..9 * n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::{check_convolution, check_layer};
    use crate::shape::Shape;

    #[test]
    fn conv2d_by_winograd_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 6, w: 10, c: 16 }, LayerSpec::Conv2d { filters: 16 });
    }

    #[test]
    fn every_instruction_set_convolves_by_winograd_like_the_reference() {
        for [h, w, c, f] in [[6, 6, 16, 16], [10, 6, 16, 32], [6, 14, 48, 16], [26, 26, 32, 64]] {
            let sizes = Sizes { h, w, c, f };
            let layer = Conv2dWinograd::new(sizes).expect("these sizes fit");
            check_convolution(&layer, sizes, 1e-4);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_left_to_the_direct_algorithm() {
        for [h, w, c, f] in [[7, 6, 16, 16], [6, 5, 16, 16], [6, 6, 8, 16], [6, 6, 16, 17]] {
            assert!(Conv2dWinograd::new(Sizes { h, w, c, f }).is_none());
        }
    }
}
