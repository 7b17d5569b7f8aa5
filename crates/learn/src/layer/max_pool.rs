//! Max-pooling: `x [H, W, C]` gives `y [OH, OW, C]`, the greatest of each window; what does not fill
//! a last window has no effect.
//!
//! Of equal values the first, row by row, gets the gradient, as in PyTorch. 2x2 windows side by side
//! have a way of their own, and a convolution before them may pool as it writes.

use super::Build;
use super::pair::Pair;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, slice, slice_mut,
};
use super::window_pool::{self, Pooling, WindowPool};
use crate::builder::Builder;
use crate::compute_kernels::pooling::{self, Cells, Pooled};
use crate::compute_kernels::windows::Windows;
use crate::pulse::Stopped;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// The settings of max-pooling, with PyTorch's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxPool {
    /// Rows and columns of a window.
    #[serde(skip_serializing_if = "is_two")]
    pub kernel: Pair,
    /// How far windows are apart; as far as they are large when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Rows and columns on each side of the image that are never the greatest, at most half of a
    /// window.
    #[serde(skip_serializing_if = "is_zero")]
    pub padding: Pair,
}

fn is_two(value: &Pair) -> bool {
    *value == Pair::same(2)
}

fn is_zero(value: &Pair) -> bool {
    *value == Pair::same(0)
}

impl Default for MaxPool {
    fn default() -> Self {
        MaxPool { kernel: Pair::same(2), stride: None, padding: Pair::same(0) }
    }
}

impl Build for MaxPool {
    fn example() -> Self {
        MaxPool::default()
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let stride = self.stride.unwrap_or(self.kernel);
        let windows = window_pool::fit(net, self.kernel, stride, self.padding)?;
        let output = window_pool::output(windows);
        let Windows { h, w, c, kernel, stride, padding } = windows;
        if (kernel, stride, padding) != ([2, 2], [2, 2], [0, 0]) {
            return net.map(WindowPool::new(windows, Pooling::Max), output);
        }
        if net.pool_last(output) {
            return Ok(());
        }
        net.map(MaxPoolPlan { cells: Cells { h, w, c }, clamp: false }, output)
    }
}

/// The plan of 2x2 windows side by side for images of one shape.
#[derive(Debug)]
struct MaxPoolPlan {
    cells: Cells,
    /// ReLU on the way out.
    clamp: bool,
}

impl Layer for MaxPoolPlan {
    fn memory(&self, _batch: usize) -> Memory {
        let Cells { h, w, c } = self.cells;
        Memory { saved: (h / 2) * (w / 2) * c, ..Memory::default() }
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

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        for (sample, (x, y)) in (pass.first..).zip(x.outer_iter().zip(y.outer_iter_mut())) {
            let places = slice_mut(own.saved.row_mut(sample));
            let pooled = Pooled { y: slice_mut(y), places, clamp: self.clamp };
            pooling::pool(pass.isa, self.cells, slice(x), pooled);
            pass.beat.work(x.len())?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Some(mut dx) = call.dx else { return Ok(()) };
        let rows = call.dy.outer_iter().zip(dx.outer_iter_mut());
        for (sample, (dy, dx)) in (pass.first..).zip(rows) {
            let (places, dx) = (slice(own.saved.row(sample)), slice_mut(dx));
            pooling::unpool(pass.isa, self.cells, slice(dy), places, dx);
            pass.beat.work(dx.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::compute_kernels::{Isa, reference};
    use crate::layer::gradient_check::{array, check_layer};
    use ndarray::Array3;

    #[test]
    fn max_pool_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 4, w: 6, c: 3 }, MaxPool::default().into());
        check_layer(Shape::Image { h: 5, w: 7, c: 17 }, MaxPool::default().into());
        let stride = Some(Pair([2, 1]));
        let overlapping = MaxPool { kernel: Pair([3, 2]), stride, padding: Pair::same(1) };
        check_layer(Shape::Image { h: 5, w: 4, c: 5 }, overlapping.into());
    }

    #[test]
    fn every_instruction_set_pools_like_the_reference() {
        for [h, w, c] in [[2, 2, 1], [5, 4, 3], [6, 7, 16], [4, 4, 33]] {
            // Few different values, so that many cells have equal ones.
            let x: Array3<f32> = array((h, w, c), 1).mapv(|x: f32| (x * 3.0).round());
            let (expected, expected_places) = reference::pool(x.view());
            let dy: Array3<f32> = array(expected.dim(), 2);
            let expected_dx = reference::unpool(x.dim(), dy.view(), expected_places.view());
            let cells = Cells { h, w, c };
            for isa in Isa::available() {
                let mut y = Array3::from_elem(expected.dim(), 9.0);
                let mut places = Array3::from_elem(expected.dim(), 9);
                let (to, noted) = (slice_mut(y.view_mut()), slice_mut(places.view_mut()));
                let pooled = Pooled { y: to, places: noted, clamp: false };
                pooling::pool(isa, cells, slice(x.view()), pooled);
                assert_eq!((&y, &places), (&expected, &expected_places), "{isa:?}");
                let mut dx = Array3::from_elem(x.dim(), 9.0);
                let (dy, places) = (slice(dy.view()), slice(places.view()));
                pooling::unpool(isa, cells, dy, places, slice_mut(dx.view_mut()));
                assert_eq!(dx, expected_dx, "{isa:?}");
            }
        }
    }
}
