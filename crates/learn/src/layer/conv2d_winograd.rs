//! The 3x3 convolution by Winograd's F(4x4, 3x3): a quarter of the direct algorithm's
//! multiplications.
//!
//! Taken for stride 1 and channels and filters in whole groups of 16. The transforms, and why the
//! backward pass is the adjoint of the forward one, stand in `compute_kernels::winograd`. The points
//! of the images that are worked on together stay in the second-level cache: one large image, or so
//! many small ones that the filters, which may be larger than that cache, are read seldom. `V` is
//! made again from `x` in the backward pass: cheaper than to keep it.
//!
//! The largest error against the exact result is 1e-4 of the largest result, in the forward pass
//! and in all gradients, for numbers spread evenly around zero; the direct algorithm's is 1e-5. The
//! tests assert both.

use super::conv2d::tensors;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, Weights, WeightsMut,
    slice, slice_mut,
};
use crate::compute_kernels::convolution::ConvSizes;
use crate::compute_kernels::matrix::Start;
use crate::compute_kernels::planes::Planes;
use crate::compute_kernels::winograd::{self, Grid, POINTS};
use crate::compute_kernels::winograd_pooled::{self, Pooled};
use crate::compute_kernels::{Isa, elementwise, winograd_filters};
use crate::pulse::Stopped;
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis, Ix4, Slice};

/// So many tiles make a good product: images that have fewer are taken together.
const TILES: usize = 48;

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct Conv2dWinograd {
    sizes: ConvSizes,
    bias: bool,
    /// 2x2 max-pooling on the way out.
    pool: bool,
    /// ReLU behind it.
    clamp: bool,
}

impl Conv2dWinograd {
    /// The plan, or `None` for sizes that do not fit.
    pub(crate) fn new(sizes: ConvSizes, bias: bool) -> Option<Self> {
        let ConvSizes { c, f, kernel, stride, padding, dilation, groups, .. } = sizes;
        let is_3x3 = kernel == [3, 3] && stride == [1, 1] && dilation == [1, 1] && groups == 1;
        let fits = is_3x3 && padding[0] <= 2 && padding[1] <= 2 && c % 16 == 0 && f % 16 == 0;
        fits.then_some(Conv2dWinograd { sizes, bias, pool: false, clamp: false })
    }

    /// How at most `samples` images are taken together.
    fn grid(&self, samples: usize) -> Grid {
        let ConvSizes { h, w, c, f, padding, .. } = self.sizes;
        let one = Grid { h, w, padding, c, f, images: 1 };
        Grid { images: TILES.div_ceil(one.tiles()).min(samples.max(1)), ..one }
    }

    /// The number of weights of one place of the kernel.
    fn filters(&self) -> usize {
        self.sizes.c * self.sizes.f
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
    m: ArrayViewMut3<f32>,
) -> Result<(), Stopped> {
    let a = v.insert_axis(Axis(2));
    pass.multiply_planes(Planes { a, b: u, start: Start::Zero, c: m, clamp: false })
}

/// `dU[k] += V[k]^T M[k]` for every point, shapes as in [`multiply_points`].
fn add_filter_gradient(
    pass: &mut Pass,
    v: ArrayView3<f32>,
    m: ArrayView3<f32>,
    du: ArrayViewMut3<f32>,
) -> Result<(), Stopped> {
    let a = v.permuted_axes([0, 2, 1]).insert_axis(Axis(2));
    pass.multiply_planes(Planes { a, b: m, start: Start::Sum, c: du, clamp: false })
}

impl Layer for Conv2dWinograd {
    fn tensors(&self) -> Vec<Tensor> {
        tensors(self.sizes, &self.sizes.kernel, self.bias)
    }

    fn memory(&self, batch: usize) -> Memory {
        let (filters, grid) = (self.filters(), self.grid(batch));
        Memory {
            // U, U transposed, and the filters transposed on the way to it.
            prepared: (2 * POINTS + 9) * filters,
            sums: POINTS * filters,
            // V and M.
            scratch: grid.input_points_len().next_multiple_of(16) + grid.output_points_len(),
            saved: if self.pool { grid.oh() / 2 * (grid.ow() / 2) * grid.f } else { 0 },
            ..Memory::default()
        }
    }

    fn rows(&self) -> Rows {
        if self.grid(usize::MAX).images > 1 { Rows::All } else { Rows::One }
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn pool_output(&mut self) -> bool {
        // Only the first pooling is its own.
        let will = !self.pool && self.sizes.oh() > 1 && self.sizes.ow() > 1;
        self.pool |= will;
        will
    }

    fn prepare(&self, isa: Isa, weights: Weights, training: bool, prepared: &mut [f32]) {
        let ConvSizes { c, f, .. } = self.sizes;
        let filters: ArrayView4<f32> = weights.view(0);
        let (u, rest) = prepared.split_at_mut(POINTS * c * f);
        winograd_filters::transform_filters(isa, c * f, slice(filters), u);
        if training {
            let (u_transposed, transposed) = rest.split_at_mut(POINTS * c * f);
            ArrayViewMut4::from_shape((3, 3, f, c), &mut *transposed)
                .expect("there is room for the filters")
                .assign(&filters.permuted_axes([0, 1, 3, 2]));
            winograd_filters::transform_filters(isa, c * f, transposed, u_transposed);
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
        let grid = self.grid(x.nrows());
        let (bias, clamp) = (pass.weights.bias(), self.clamp);
        let (v, m) = own.scratch.split_at_mut(grid.input_points_len().next_multiple_of(16));
        let u = points_of_filters(pass.prepared, [self.sizes.c, self.sizes.f]);
        let groups = x.axis_chunks_iter(Axis(0), grid.images);
        let mut first = pass.first;
        for (x, mut y) in groups.zip(y.axis_chunks_iter_mut(Axis(0), grid.images)) {
            let images = x.nrows();
            for (image, x) in x.outer_iter().enumerate() {
                winograd::transform_input(pass.isa, grid, image, slice(x), v);
            }
            let (points, products) =
                (grid.input_points(images, v), grid.output_points_mut(images, m));
            multiply_points(pass, points, u, products)?;
            for (image, y) in y.outer_iter_mut().enumerate() {
                let y = slice_mut(y);
                if self.pool {
                    let places = slice_mut(own.saved.row_mut(first + image));
                    let to = Pooled { bias, clamp, y, places };
                    winograd_pooled::transform_output(pass.isa, grid, image, m, to);
                } else {
                    winograd::transform_output(pass.isa, grid, image, m, (bias, clamp), y);
                }
            }
            first += images;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Backward { x, dy, mut dx, dw } = call;
        let (grid, ConvSizes { c, f, .. }) = (self.grid(x.nrows()), self.sizes);
        let (_, db) = dw.weight_and_bias::<Ix4>();
        if self.rows() == Rows::All {
            db.fill(0.0);
        }
        let (v, m) = own.scratch.split_at_mut(grid.input_points_len().next_multiple_of(16));
        let u_transposed = points_of_filters(&pass.prepared[POINTS * c * f..], [f, c]);
        let du = ArrayViewMut3::from_shape((POINTS, c, f), &mut own.sums);
        let mut du = du.expect("there is room for every point");
        for first in (0..x.nrows()).step_by(grid.images) {
            let images = grid.images.min(x.nrows() - first);
            for image in 0..images {
                let (x, dy) = (slice(x.row(first + image)), slice(dy.row(first + image)));
                if self.bias {
                    elementwise::add_rows(pass.isa, dy, db);
                }
                winograd::transform_input(pass.isa, grid, image, x, v);
                if self.pool {
                    let places = slice(own.saved.row(pass.first + first + image));
                    winograd_pooled::transform_gradient(pass.isa, grid, image, (dy, places), m);
                } else {
                    winograd::transform_output_gradient(pass.isa, grid, image, dy, m);
                }
            }
            let products = grid.output_points(images, m);
            add_filter_gradient(pass, grid.input_points(images, v), products, du.view_mut())?;
            let Some(dx) = &mut dx else { continue };
            multiply_points(pass, products, u_transposed, grid.input_points_mut(images, v))?;
            let members = Slice::from(first..first + images);
            let mut dx = dx.slice_axis_mut(Axis(0), members);
            for (image, dx) in dx.outer_iter_mut().enumerate() {
                winograd::transform_input_gradient(pass.isa, grid, image, v, slice_mut(dx));
            }
        }
        Ok(())
    }

    fn finish(&self, isa: Isa, _share: f32, own: &mut Own, dw: WeightsMut) {
        let (dw, _) = dw.weight_and_bias::<Ix4>();
        let dw = slice_mut(dw);
        dw.fill(0.0);
        winograd_filters::transform_filter_gradient(isa, self.filters(), &own.sums, dw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::conv2d::Conv2d;
    use crate::layer::gradient_check::{check_convolution, check_layer};
    use crate::layer::pair::Pair;
    use crate::layer::{Build, max_pool::MaxPool, relu::Relu, residual::Residual};
    use crate::shape::Shape;
    use proptest::prelude::*;

    #[test]
    fn conv2d_by_winograd_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 6, w: 10, c: 16 }, Conv2d::square(16, 3).into());
        let x = Shape::Image { h: 7, w: 5, c: 16 };
        let padding = Pair::same(1);
        check_layer(x, Conv2d { bias: false, padding, ..Conv2d::square(32, 3) }.into());
    }

    #[test]
    fn conv2d_by_winograd_with_pooling_has_the_gradient_of_finite_differences() {
        // Both branches shrink the image alike; that of the convolution pools as it writes.
        let padding = Pair::same(1);
        let convolution = Conv2d { padding, ..Conv2d::square(16, 3) };
        let body = vec![convolution.into(), Relu {}.into(), MaxPool::example().into()];
        let block = Residual { body, shortcut: vec![MaxPool::example().into()] };
        check_layer(Shape::Image { h: 7, w: 6, c: 16 }, block.into());
    }

    #[test]
    fn only_the_first_of_two_poolings_is_done_by_the_convolution() {
        let convolution = Conv2d { padding: Pair::same(1), ..Conv2d::square(16, 3) };
        let twice = [MaxPool::example().into(), MaxPool::example().into()];
        let body = [vec![convolution.into()], twice.to_vec()].concat();
        let block = Residual { body, shortcut: twice.to_vec() };
        check_layer(Shape::Image { h: 8, w: 9, c: 16 }, block.into());
    }

    #[test]
    fn every_instruction_set_convolves_by_winograd_like_the_reference() {
        for [h, w, c, f] in [[6, 6, 16, 16], [10, 6, 16, 32], [6, 14, 48, 16], [26, 26, 32, 64]] {
            let sizes = ConvSizes::plain([h, w, c, f], 3);
            let layer = Conv2dWinograd::new(sizes, true).expect("these sizes fit");
            check_convolution(&layer, sizes, 1e-4);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_instruction_set_convolves_images_of_any_size_by_winograd(
            h in 1usize..14, w in 1usize..14, padding in [0usize..3, 0usize..3],
        ) {
            let sizes = ConvSizes { padding, ..ConvSizes::plain([h, w, 16, 32], 3) };
            if h + 2 * padding[0] >= 3 && w + 2 * padding[1] >= 3 {
                let layer = Conv2dWinograd::new(sizes, true).expect("these sizes fit");
                check_convolution(&layer, sizes, 1e-4);
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_left_to_the_direct_algorithm() {
        let fits = ConvSizes::plain([7, 6, 16, 16], 3);
        assert!(Conv2dWinograd::new(fits, true).is_some());
        let others = [
            ConvSizes { c: 8, ..fits },
            ConvSizes { f: 17, ..fits },
            ConvSizes { kernel: [3, 2], ..fits },
            ConvSizes { stride: [1, 2], ..fits },
            ConvSizes { dilation: [2, 1], ..fits },
            ConvSizes { groups: 16, ..fits },
        ];
        assert!(others.iter().all(|&sizes| Conv2dWinograd::new(sizes, true).is_none()));
    }
}
