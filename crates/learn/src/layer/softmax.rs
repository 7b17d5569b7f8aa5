//! Softmax: `y = e^x / sum of e^x` over the channels of each place, or over all features.
//!
//! Shapes stay as they are. The greatest of a row is taken off first, so nothing overflows. A net
//! for classes needs none at its end: the loss and predictions have their own.

use super::Build;
use super::step::{
    Backward, Layer, Memory, Own, Pass, Rows, Samples, SamplesMut, slice, slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::rows;
use crate::pulse::Stopped;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// Softmax has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {}

impl Build for Softmax {
    fn example() -> Self {
        Softmax {}
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let (_, channels) = net.shape().places_and_channels();
        net.map_alike(SoftmaxPlan { channels })
    }
}

/// The plan for one number of channels.
#[derive(Debug)]
struct SoftmaxPlan {
    channels: usize,
}

/// About how many operations one number costs.
const COST: usize = 32;

impl Layer for SoftmaxPlan {
    fn memory(&self, _batch: usize) -> Memory {
        Memory { scratch: self.channels, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        y.assign(&x);
        for y in y.outer_iter_mut() {
            for y in slice_mut(y).chunks_exact_mut(self.channels) {
                rows::softmax(pass.isa, self.channels, y);
                pass.beat.work(COST * y.len())?;
            }
        }
        Ok(())
    }

    /// `dx = y (dy - sum of y dy)`, with `y` made once more: a layer in place may have changed it.
    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let Some(mut dx) = call.dx else { return Ok(()) };
        let (channels, y) = (self.channels, &mut own.scratch[..self.channels]);
        dx.assign(&call.dy);
        for (x, dx) in call.x.outer_iter().zip(dx.outer_iter_mut()) {
            let places = slice(x).chunks_exact(channels);
            for (x, dx) in places.zip(slice_mut(dx).chunks_exact_mut(channels)) {
                y.copy_from_slice(x);
                rows::softmax(pass.isa, channels, y);
                rows::softmax_backward(pass.isa, channels, y, dx);
                pass.beat.work(COST * y.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::formula_check::check_formula;
    use crate::layer::gradient_check::check_layer;

    fn exact(channels: usize) -> impl Fn(&[f64], &[f64]) -> Vec<f64> {
        move |x, _| {
            let places = x.chunks_exact(channels).flat_map(|x| {
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                x.iter().map(move |x| x.exp() / sum)
            });
            places.collect()
        }
    }

    #[test]
    fn softmax_is_its_formula_on_every_instruction_set() {
        check_formula(Shape::Image { h: 2, w: 3, c: 5 }, Softmax {}.into(), exact(5));
        check_formula(Shape::Sequence { length: 3, channels: 17 }, Softmax {}.into(), exact(17));
        check_formula(Shape::Features(33), Softmax {}.into(), exact(33));
    }

    #[test]
    fn softmax_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 2, c: 4 }, Softmax {}.into());
        check_layer(Shape::Sequence { length: 2, channels: 5 }, Softmax {}.into());
        check_layer(Shape::Features(6), Softmax {}.into());
    }
}
