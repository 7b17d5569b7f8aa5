//! 2x2 max-pooling: `x [H, W, C]` gives `y [H / 2, W / 2, C]`, rounded down; a last odd row or
//! column has no effect.
//!
//! Of equal values the first, row by row, gets the gradient, as in PyTorch.

use super::{Backward, Layer, Memory, Own, Pass, Place, Planned, Rows, RowsMut, Step};
use crate::compute_kernels::pooling::{self, Cells, Pooled};
use crate::pulse::Stopped;
use crate::shape::{Shape, ShapeError};

/// The plan for images of one shape.
#[derive(Debug)]
pub(crate) struct MaxPool {
    cells: Cells,
    /// ReLU on the way out.
    clamp: bool,
}

/// Fits the layer to `x`.
pub(crate) fn plan(place: Place, x: Shape) -> Result<Planned, ShapeError> {
    let [h, w, c] = place.image(x, 2)?;
    let output = Shape::Image { h: h / 2, w: w / 2, c };
    Ok(Planned {
        output,
        step: Step::Map(Box::new(MaxPool { cells: Cells { h, w, c }, clamp: false })),
    })
}

impl Layer for MaxPool {
    fn memory(&self, _batch: usize) -> Memory {
        let Cells { h, w, c } = self.cells;
        Memory { saved: (h / 2) * (w / 2) * c, ..Memory::default() }
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
        x: Rows,
        mut y: RowsMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        for i in 0..x.count {
            let saved = own.saved_of(pass.first + i);
            let pooled = Pooled { y: y.row(i), places: &mut own.saved[saved], clamp: self.clamp };
            pooling::pool(pass.isa, self.cells, x.row(i), pooled);
            pass.beat.work(x.len)?;
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Some(mut dx) = call.dx else { return Ok(()) };
        for i in 0..dx.count {
            let saved = own.saved_of(pass.first + i);
            pooling::unpool(pass.isa, self.cells, call.dy.row(i), &own.saved[saved], dx.row(i));
            pass.beat.work(dx.len)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute_kernels::{Isa, reference};
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::{check_layer, numbers};

    #[test]
    fn max_pool_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 4, w: 6, c: 3 }, LayerSpec::MaxPool);
        check_layer(Shape::Image { h: 5, w: 7, c: 17 }, LayerSpec::MaxPool);
    }

    #[test]
    fn every_instruction_set_pools_like_the_reference() {
        for [h, w, c] in [[2, 2, 1], [5, 4, 3], [6, 7, 16], [4, 4, 33]] {
            // Few different values, so that many cells have equal ones.
            let x: Vec<f32> = numbers(h * w * c, 1).iter().map(|x| (x * 3.0).round()).collect();
            let (expected, expected_places) = reference::pool(&x, [h, w, c]);
            for isa in Isa::available() {
                let (mut y, mut places) = (expected.clone(), expected_places.clone());
                y.fill(9.0);
                places.fill(9);
                let cells = Cells { h, w, c };
                pooling::pool(
                    isa,
                    cells,
                    &x,
                    Pooled { y: &mut y, places: &mut places, clamp: false },
                );
                assert_eq!(y, expected, "{isa:?}");
                assert_eq!(places, expected_places, "{isa:?}");
                let mut dx = vec![9.0; x.len()];
                pooling::unpool(isa, cells, &y, &places, &mut dx);
                let kept: f32 = dx.iter().sum();
                assert_eq!(kept, y.iter().sum::<f32>(), "{isa:?}");
                let (again, _) =
                    reference::pool(&dx.iter().map(|d| d.abs()).collect::<Vec<_>>(), [h, w, c]);
                assert_eq!(again, y.iter().map(|y| y.abs()).collect::<Vec<_>>(), "{isa:?}");
            }
        }
    }
}
