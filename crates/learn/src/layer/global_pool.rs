//! Global pooling: all places become one. `x [H, W, C]` gives `[1, 1, C]`, and a sequence `[L, C]`
//! gives features `[C]`.

use super::Build;
use super::window_pool::{Pooling, WindowPool};
use crate::builder::Builder;
use crate::compute_kernels::windows::{Divisor, Windows};
use crate::shape::{Problem, Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of global pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalPool {
    /// What is taken of each channel.
    #[serde(default)]
    pub take: Take,
}

/// What is taken of all places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// Their mean.
    #[default]
    Average,
    /// The greatest.
    Max,
}

impl Build for GlobalPool {
    fn example() -> Self {
        GlobalPool { take: Take::Average }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let (h, w, c, output) = match net.shape() {
            Shape::Image { h, w, c } => (h, w, c, Shape::Image { h: 1, w: 1, c }),
            Shape::Sequence { length, channels } => {
                (1, length, channels, Shape::Features(channels))
            }
            found @ Shape::Features(_) => {
                return Err(net.problem(Problem::NeedsImage { found }));
            }
        };
        let (kernel, stride, padding) = ([h, w], [1, 1], [0, 0]);
        let pooling = match self.take {
            Take::Average => Pooling::Average(Divisor::Covered),
            Take::Max => Pooling::Max,
        };
        net.map(WindowPool::new(Windows { h, w, c, kernel, stride, padding }, pooling), output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn global_pool_has_the_gradient_of_finite_differences() {
        for take in [Take::Average, Take::Max] {
            check_layer(Shape::Image { h: 4, w: 3, c: 5 }, GlobalPool { take }.into());
        }
    }
}
