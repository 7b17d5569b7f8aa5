//! Average pooling: `x [H, W, C]` gives `y [OH, OW, C]`, the mean of each window.

use super::Build;
use super::pair::Pair;
use super::window_pool::{self, Pooling, WindowPool};
use crate::builder::Builder;
use crate::compute_kernels::windows::Divisor;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// The settings of average pooling, with PyTorch's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Rows and columns of a window.
    #[serde(default = "two")]
    pub kernel: Pair,
    /// How far windows are apart; as far as they are large when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// Rows and columns of zeros on each side of the image, at most half of a window.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
    /// Whether padding counts in the mean.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub count_padding: bool,
}

fn two() -> Pair {
    Pair::same(2)
}

fn zero() -> Pair {
    Pair::same(0)
}

fn is_zero(value: &Pair) -> bool {
    *value == zero()
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Build for AveragePool {
    fn example() -> Self {
        AveragePool { kernel: two(), stride: None, padding: zero(), count_padding: true }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let stride = self.stride.unwrap_or(self.kernel);
        let windows = window_pool::fit(net, self.kernel, stride, self.padding)?;
        let divisor = if self.count_padding { Divisor::Window } else { Divisor::Covered };
        let plan = WindowPool::new(windows, Pooling::Average(divisor));
        net.map(plan, window_pool::output(windows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn average_pool_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 4, w: 7, c: 3 }, AveragePool::example().into());
        let overlapping = AveragePool {
            kernel: Pair([3, 2]),
            stride: Some(Pair([2, 1])),
            padding: Pair::same(1),
            count_padding: false,
        };
        check_layer(Shape::Image { h: 5, w: 4, c: 5 }, overlapping.into());
    }
}
