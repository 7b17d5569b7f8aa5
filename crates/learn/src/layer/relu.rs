//! The rectified linear unit: `y = max(x, 0)`, element by element; the slope at 0 is 0.

use super::Build;
use super::step::{InPlace, Own, Pass, Samples, SamplesMut, slice, slice_mut};
use crate::builder::Builder;
use crate::compute_kernels::elementwise;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// ReLU has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Build for Relu {
    fn example() -> Self {
        Relu {}
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let forward_is_done = net.clamp_last();
        net.in_place(Clamp { forward_is_done })
    }
}

/// Keeps what is positive. Not-a-number stays, so that a training that fails shows it.
#[derive(Debug)]
struct Clamp {
    /// True when the layer before clamps its output as it writes it; only the backward pass is left
    /// to do.
    forward_is_done: bool,
}

impl InPlace for Clamp {
    fn reads_output_again(&self) -> bool {
        true
    }

    fn forward(&self, pass: &mut Pass, mut y: SamplesMut, _own: &mut Own) {
        if self.forward_is_done {
            return;
        }
        for y in y.outer_iter_mut() {
            elementwise::clamp(pass.isa, slice_mut(y));
        }
    }

    fn backward(&self, pass: &mut Pass, y: Samples, mut dy: SamplesMut, _own: &mut Own) {
        for (y, dy) in y.outer_iter().zip(dy.outer_iter_mut()) {
            elementwise::mask(pass.isa, slice(y), slice_mut(dy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::check_layer;
    use crate::shape::Shape;

    #[test]
    fn relu_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 5, c: 7 }, Relu {}.into());
        check_layer(Shape::Features(33), Relu {}.into());
    }
}
