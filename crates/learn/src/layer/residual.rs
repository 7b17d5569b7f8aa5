//! A residual block: `y = body(x) + shortcut(x)`; without shortcut layers the shortcut is `x`
//! itself.
//!
//! Source: He et al., "Deep residual learning for image recognition", arXiv:1512.03385.

use super::{Build, LayerSpec};
use crate::builder::Builder;
use crate::shape::{Problem, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of a residual block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The layers of the branch.
    pub body: Vec<LayerSpec>,
    /// The layers beside it; none for `x` as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcut: Vec<LayerSpec>,
}

impl Build for Residual {
    fn example() -> Self {
        Residual { body: vec![LayerSpec::Relu(super::relu::Relu {})], shortcut: Vec::new() }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        if self.body.is_empty() {
            return Err(net.problem(Problem::Zero { what: "layers in `body`" }));
        }
        let x = net.fork();
        let body = net.branch("body", &self.body, x)?;
        let shortcut = match self.shortcut.is_empty() {
            true => x,
            false => net.branch("shortcut", &self.shortcut, x)?,
        };
        if body.shape != shortcut.shape {
            let advice = "give `body` and `shortcut` layers whose outputs have one shape";
            let (one, other) = (body.shape, shortcut.shape);
            return Err(net.problem(Problem::Mismatch { one, other, advice }));
        }
        net.add(body, shortcut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::conv2d::Conv2d;
    use crate::layer::dense::Dense;
    use crate::layer::gradient_check::check_layer;
    use crate::layer::relu::Relu;
    use crate::{Network, Shape};

    fn convolution(filters: usize) -> LayerSpec {
        Conv2d::square(filters, 3).into()
    }

    #[test]
    fn residual_has_the_gradient_of_finite_differences() {
        let x = Shape::Image { h: 6, w: 5, c: 3 };
        let body = vec![Relu {}.into(), convolution(3)];
        let identity = Residual { body: vec![Relu {}.into()], shortcut: Vec::new() };
        check_layer(x, identity.into());
        let both = Residual { body: body.clone(), shortcut: vec![convolution(3)] };
        check_layer(x, both.into());
        let within = Residual { body: vec![Residual::example().into()], shortcut: Vec::new() };
        check_layer(x, within.into());
        let features = Residual { body: vec![Dense::new(7).into()], shortcut: Vec::new() };
        check_layer(Shape::Features(7), features.into());
    }

    #[test]
    fn branches_of_different_shapes_are_refused() {
        let block = Residual { body: vec![convolution(3)], shortcut: Vec::new() };
        let x = Shape::Image { h: 6, w: 5, c: 3 };
        let error = Network::new(x, &[block.into()]).unwrap_err().to_string();
        assert!(error.starts_with("layer 0 (residual) joins 4x3x3 and 6x5x3"), "{error}");
        let deep = Residual { body: vec![convolution(0)], shortcut: Vec::new() };
        let error = Network::new(x, &[deep.into()]).unwrap_err().to_string();
        assert!(error.starts_with("layer 0.body.0 (conv2d) has 0 filters"), "{error}");
    }
}
