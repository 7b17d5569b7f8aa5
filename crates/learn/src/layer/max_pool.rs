//! 2x2 max-pooling: `x [H, W, C]` gives `y [H / 2, W / 2, C]`, rounded down; a last odd row or
//! column has no effect.
//!
//! Of equal values the first, row by row, gets the gradient, as in PyTorch.

use super::Build;
use super::pair::Pair;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, slice, slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::pooling::{self, Cells, Pooled};
use crate::pulse::Stopped;
use crate::shape::{Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of max-pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {}

impl Build for MaxPool {
    fn example() -> Self {
        MaxPool {}
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let [h, w, c] = net.image(Pair::same(2))?;
        let output = Shape::Image { h: h / 2, w: w / 2, c };
        if net.pool_last(output) {
            return Ok(());
        }
        net.map(MaxPoolPlan { cells: Cells { h, w, c }, clamp: false }, output)
    }
}

/// The plan for images of one shape.
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
    use crate::compute_kernels::{Isa, reference};
    use crate::layer::gradient_check::{array, check_layer};
    use ndarray::Array3;

    #[test]
    fn max_pool_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 4, w: 6, c: 3 }, MaxPool {}.into());
        check_layer(Shape::Image { h: 5, w: 7, c: 17 }, MaxPool {}.into());
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
