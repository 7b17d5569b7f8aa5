//! The hyperbolic tangent: `y = tanh(x)`, number by number.
//!
//! Shapes stay as they are. Its slope is `1 - y^2`.

use super::Build;
use super::smooth::Smooth;
use crate::builder::Builder;
use crate::compute_kernels::activation::Activation;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// Tanh has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tanh {}

impl Build for Tanh {
    fn example() -> Self {
        Tanh {}
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        net.map_alike(Smooth(Activation::Tanh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::formula_check::check_formula;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn tanh_is_its_formula_on_every_instruction_set() {
        for x in [Shape::Image { h: 3, w: 2, c: 5 }, Shape::Features(33)] {
            check_formula(x, Tanh {}.into(), |x, _| x.iter().map(|x| x.tanh()).collect());
        }
    }

    #[test]
    fn tanh_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 5, c: 7 }, Tanh {}.into());
        check_layer(Shape::Sequence { length: 4, channels: 6 }, Tanh {}.into());
        check_layer(Shape::Features(33), Tanh {}.into());
    }
}
