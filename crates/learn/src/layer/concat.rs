//! Branches side by side: the channels of all their outputs, in the order of the branches; a branch
//! without layers hands on `x` itself.
//!
//! Source: Szegedy et al., "Going deeper with convolutions", arXiv:1409.4842.

use super::{Build, LayerSpec};
use crate::builder::Builder;
use crate::shape::{Problem, Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of a concatenation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The layers of each branch.
    pub branches: Vec<Vec<LayerSpec>>,
}

impl Build for Concat {
    fn example() -> Self {
        Concat { branches: vec![vec![LayerSpec::Relu(super::relu::Relu {})], Vec::new()] }
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        if self.branches.is_empty() {
            return Err(net.problem(Problem::Zero { what: "branches" }));
        }
        let x = net.fork();
        let mut parts = Vec::new();
        for (number, layers) in self.branches.iter().enumerate() {
            parts.push(net.branch(&format!("branches.{number}"), layers, x)?);
        }
        let mut joint = parts[0].shape;
        for part in &parts[1..] {
            joint = match beside(joint, part.shape) {
                Some(shape) => shape,
                None => {
                    let advice = "branches must agree in all but the channels";
                    let (one, other) = (parts[0].shape, part.shape);
                    return Err(net.problem(Problem::Mismatch { one, other, advice }));
                }
            };
        }
        net.join(&parts, joint)
    }
}

/// The shape of two outputs side by side.
fn beside(one: Shape, other: Shape) -> Option<Shape> {
    match (one, other) {
        (Shape::Image { h, w, c }, Shape::Image { h: h2, w: w2, c: c2 }) if (h, w) == (h2, w2) => {
            Some(Shape::Image { h, w, c: c.checked_add(c2)? })
        }
        (
            Shape::Sequence { length, channels },
            Shape::Sequence { length: length2, channels: channels2 },
        ) if length == length2 => {
            Some(Shape::Sequence { length, channels: channels.checked_add(channels2)? })
        }
        (Shape::Features(n), Shape::Features(n2)) => Some(Shape::Features(n.checked_add(n2)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::layer::conv2d::Conv2d;
    use crate::layer::dense::Dense;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn concat_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 4, w: 5, c: 3 }, Concat::example().into());
        let convolution = |filters| LayerSpec::from(Conv2d::square(filters, 3));
        let branches = vec![vec![convolution(2)], vec![convolution(3)]];
        check_layer(Shape::Image { h: 5, w: 4, c: 2 }, Concat { branches }.into());
        let branches = vec![vec![Dense::new(4).into()], Vec::new(), vec![Dense::new(1).into()]];
        check_layer(Shape::Features(6), Concat { branches }.into());
    }

    #[test]
    fn branches_that_do_not_stand_side_by_side_are_refused() {
        let branches = vec![vec![Conv2d::square(2, 3).into()], Vec::new()];
        let x = Shape::Image { h: 5, w: 5, c: 1 };
        let error = Network::new(x, &[Concat { branches }.into()]).unwrap_err().to_string();
        assert!(error.starts_with("layer 0 (concat) joins 3x3x2 and 5x5x1"), "{error}");
    }
}
