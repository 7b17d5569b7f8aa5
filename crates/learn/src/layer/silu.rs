//! The sigmoid-weighted linear unit, also called swish: `y = x / (1 + e^-x)`, number by number.
//!
//! Shapes stay as they are. Source: Elfwing, Uchibe and Doya, arXiv:1702.03118.

use super::Build;
use super::smooth::Smooth;
use crate::builder::Builder;
use crate::compute_kernels::activation::Activation;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// Silu has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

impl Build for Silu {
    fn example() -> Self {
        Silu {}
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        net.map_alike(Smooth(Activation::Silu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::formula_check::check_formula;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn silu_is_its_formula_on_every_instruction_set() {
        for x in [Shape::Image { h: 3, w: 2, c: 5 }, Shape::Features(33)] {
            check_formula(x, Silu {}.into(), |x, _| {
                x.iter().map(|x| x / (1.0 + (-x).exp())).collect()
            });
        }
    }

    #[test]
    fn silu_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 5, c: 7 }, Silu {}.into());
        check_layer(Shape::Sequence { length: 4, channels: 6 }, Silu {}.into());
        check_layer(Shape::Features(33), Silu {}.into());
    }
}
