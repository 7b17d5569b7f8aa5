//! The 3x3 convolution by Winograd's F(4x4, 3x3): a quarter of the direct algorithm's
//! multiplications.
//!
//! Taken for outputs of whole 4x4 tiles and channels and filters in whole groups of 16. The
//! transforms, and why the backward pass is the adjoint of the forward one, stand in
//! `compute_kernels::winograd`. All of a sample's points stay in the second-level cache. `V` is
//! made again from `x` in the backward pass: cheaper than to keep it.

use super::conv2d::Sizes;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, Weights, WeightsMut,
    slice, slice_mut,
};
use crate::compute_kernels::matrix::{Product, Start, plain};
use crate::compute_kernels::winograd::{self, Grid, POINTS};
use crate::compute_kernels::{Isa, elementwise};
use crate::pulse::Stopped;
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Ix4};

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
}

/// Filters at every point, `[POINTS, C, F]`, or `[POINTS, F, C]` when they are transposed.
fn points_of_filters(u: &[f32], [rows, columns]: [usize; 2]) -> ArrayView3<'_, f32> {
    let u = &u[..POINTS * rows * columns];
    ArrayView3::from_shape((POINTS, rows, columns), u).expect("the length is the shape's")
}

/// `M[k] = V[k] U[k]` for every point: `v [POINTS, tiles, C]`, `u [POINTS, C, F]`, `m [POINTS,
/// tiles, F]`.
fn multiply_points(
    pass: &mut Pass,
    v: ArrayView3<f32>,
    u: ArrayView3<f32>,
    mut m: ArrayViewMut3<f32>,
) -> Result<(), Stopped> {
    for ((v, u), m) in v.outer_iter().zip(u.outer_iter()).zip(m.outer_iter_mut()) {
        pass.multiply(Product::new(plain(v), u, Start::Zero, m))?;
    }
    Ok(())
}

/// `dU[k] += V[k]^T M[k]` for every point, shapes as in [`multiply_points`].
fn add_filter_gradient(
    pass: &mut Pass,
    v: ArrayView3<f32>,
    m: ArrayView3<f32>,
    mut du: ArrayViewMut3<f32>,
) -> Result<(), Stopped> {
    for ((v, m), du) in v.outer_iter().zip(m.outer_iter()).zip(du.outer_iter_mut()) {
        pass.multiply(Product::new(plain(v.reversed_axes()), m, Start::Sum, du))?;
    }
    Ok(())
}

impl Layer for Conv2dWinograd {
    fn tensors(&self) -> Vec<Tensor> {
        self.sizes.tensors()
    }

    fn memory(&self, _batch: usize) -> Memory {
        let filters = self.sizes.c * self.sizes.f;
        Memory {
            // U, U transposed, the filters transposed on the way to it, and a bias of zeros.
            prepared: (2 * POINTS + 9) * filters + self.sizes.f,
            sums: POINTS * filters,
            // V and M.
            scratch: self.input.points_len().next_multiple_of(16) + self.output.points_len(),
            ..Memory::default()
        }
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

    fn prepare(&self, isa: Isa, weights: Weights, training: bool, prepared: &mut [f32]) {
        let Sizes { c, f, .. } = self.sizes;
        let filters: ArrayView4<f32> = weights.view(0);
        let (u, rest) = prepared.split_at_mut(POINTS * c * f);
        winograd::transform_filters(isa, c * f, slice(filters), u);
        if training {
            let (u_transposed, rest) = rest.split_at_mut(POINTS * c * f);
            let transposed = &mut rest[..9 * c * f];
            ArrayViewMut4::from_shape((3, 3, f, c), &mut *transposed)
                .expect("there is room for the filters")
                .assign(&filters.permuted_axes([0, 1, 3, 2]));
            winograd::transform_filters(isa, c * f, transposed, u_transposed);
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
        let Conv2dWinograd { sizes, input, output, clamp } = *self;
        let bias = match sizes.bias {
            true => pass.weights.bias(),
            // Never written: zeros.
            false => &pass.prepared[(2 * POINTS + 9) * sizes.c * sizes.f..],
        };
        let (v, m) = own.scratch.split_at_mut(input.points_len().next_multiple_of(16));
        let u = points_of_filters(pass.prepared, [sizes.c, sizes.f]);
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            winograd::transform_input(pass.isa, input, slice(x), v);
            multiply_points(pass, input.points(v), u, output.points_mut(m))?;
            winograd::transform_output(pass.isa, output, m, bias, clamp, slice_mut(y));
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let Conv2dWinograd { sizes, input, output, .. } = *self;
        let Sizes { c, f, .. } = sizes;
        let (_, db) = dw.weight_and_bias::<Ix4>();
        let (v, m) = own.scratch.split_at_mut(input.points_len().next_multiple_of(16));
        let u_transposed = points_of_filters(&pass.prepared[POINTS * c * f..], [f, c]);
        let du = ArrayViewMut3::from_shape((POINTS, c, f), &mut own.sums);
        let mut du = du.expect("there is room for every point");
        for (i, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            let (x, dy) = (slice(x), slice(dy));
            if sizes.bias {
                elementwise::add_rows(pass.isa, dy, db);
            }
            winograd::transform_input(pass.isa, input, x, v);
            winograd::transform_output_gradient(pass.isa, output, dy, m);
            add_filter_gradient(pass, input.points(v), output.points(m), du.view_mut())?;
            if let Some(dx) = &mut dx {
                multiply_points(pass, output.points(m), u_transposed, input.points_mut(v))?;
                let dx = slice_mut(dx.row_mut(i));
                winograd::transform_input_gradient(pass.isa, input, v, dx);
            }
        }
        Ok(())
    }

    fn finish(&self, isa: Isa, _share: f32, own: &mut Own, dw: WeightsMut) {
        let n = self.sizes.c * self.sizes.f;
        let (dw, _) = dw.weight_and_bias::<Ix4>();
        winograd::transform_filter_gradient(isa, n, &own.sums, slice_mut(dw));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::conv2d::Conv2d;
    use crate::layer::gradient_check::{check_convolution, check_layer};
    use crate::shape::Shape;

    #[test]
    fn conv2d_by_winograd_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 6, w: 10, c: 16 }, Conv2d::square(16, 3).into());
        let x = Shape::Image { h: 6, w: 6, c: 16 };
        check_layer(x, Conv2d { bias: false, ..Conv2d::square(32, 3) }.into());
    }

    #[test]
    fn every_instruction_set_convolves_by_winograd_like_the_reference() {
        for [h, w, c, f] in [[6, 6, 16, 16], [10, 6, 16, 32], [6, 14, 48, 16], [26, 26, 32, 64]] {
            let sizes = Sizes { h, w, c, f, bias: true };
            let layer = Conv2dWinograd::new(sizes).expect("these sizes fit");
            check_convolution(&layer, sizes, 1e-4);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_left_to_the_direct_algorithm() {
        for [h, w, c, f] in [[7, 6, 16, 16], [6, 5, 16, 16], [6, 6, 8, 16], [6, 6, 16, 17]] {
            assert!(Conv2dWinograd::new(Sizes { h, w, c, f, bias: true }).is_none());
        }
    }
}
