//! The rectified linear unit: `y = max(x, 0)`, element by element; the slope at 0 is 0.

use super::{InPlace, Own, Pass, Planned, Samples, SamplesMut, Step, slice, slice_mut};
use crate::compute_kernels::elementwise;
use crate::shape::Shape;

/// Keeps what is positive. Not-a-number stays, so that a training that fails shows it.
#[derive(Debug)]
pub(crate) struct Relu {
    /// True when the layer before clamps its output as it writes it; only the backward pass is left
    /// to do.
    forward_is_done: bool,
}

/// Fits the layer to `x`.
pub(crate) fn plan(x: Shape, forward_is_done: bool) -> Planned {
    Planned { output: x, step: Step::InPlace(Box::new(Relu { forward_is_done })) }
}

impl InPlace for Relu {
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
    use crate::layer::LayerSpec;
    use crate::layer::gradient_check::check_layer;
    use crate::shape::Shape;

    #[test]
    fn relu_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 5, c: 7 }, LayerSpec::Relu);
        check_layer(Shape::Features(33), LayerSpec::Relu);
    }
}
