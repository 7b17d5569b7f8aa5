//! The Gaussian error linear unit: `y = x / 2 * (1 + erf(x / sqrt(2)))`, number by number, or its
//! approximation `y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
//!
//! Shapes stay as they are. Source: Hendrycks and Gimpel, arXiv:1606.08415.

use super::Build;
use super::smooth::Smooth;
use crate::builder::Builder;
use crate::compute_kernels::activation::Activation;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

/// The settings of GELU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gelu {
    /// By which formula; the names are PyTorch's.
    #[serde(skip_serializing_if = "is_exact")]
    pub approximate: Approximate,
}

/// The formulas of GELU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approximate {
    /// By the error function.
    #[default]
    None,
    /// By the hyperbolic tangent: at most 0.0005 off, and what GPT-2 and BERT were trained with.
    Tanh,
}

fn is_exact(approximate: &Approximate) -> bool {
    *approximate == Approximate::None
}

impl Build for Gelu {
    fn example() -> Self {
        Gelu::default()
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        net.map_alike(Smooth(match self.approximate {
            Approximate::None => Activation::Gelu,
            Approximate::Tanh => Activation::GeluTanh,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::LayerSpec;
    use crate::layer::formula_check::check_formula;
    use crate::layer::gradient_check::check_layer;
    use crate::{Network, Shape};

    const TANH: Gelu = Gelu { approximate: Approximate::Tanh };

    /// `erf` by its power series, which converges everywhere; up to 4 it loses few digits.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn gelu_is_its_formula_on_every_instruction_set() {
        let exact = |x: &f64| x / 2.0 * (1.0 + erf(x / 2f64.sqrt()));
        let by_tanh = |x: &f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x / 2.0 * (1.0 + u.tanh())
        };
        for x in [Shape::Image { h: 3, w: 2, c: 5 }, Shape::Features(33)] {
            check_formula(x, Gelu::default().into(), |x, _| x.iter().map(exact).collect());
            check_formula(x, TANH.into(), |x, _| x.iter().map(by_tanh).collect());
        }
    }

    #[test]
    fn gelu_has_the_gradient_of_finite_differences() {
        for gelu in [Gelu::default(), TANH] {
            check_layer(Shape::Image { h: 3, w: 5, c: 7 }, gelu.into());
            check_layer(Shape::Sequence { length: 4, channels: 6 }, gelu.into());
            check_layer(Shape::Features(33), gelu.into());
        }
    }

    #[test]
    fn a_formula_that_does_not_exist_is_refused() {
        let read = |text| serde_json::from_str::<LayerSpec>(text);
        assert_eq!(read(r#"{"kind":"gelu","approximate":"tanh"}"#).unwrap(), TANH.into());
        let error = read(r#"{"kind":"gelu","approximate":"fast"}"#).unwrap_err().to_string();
        assert!(error.contains("`fast`") && error.contains("`tanh`"), "{error}");
    }

    #[test]
    fn an_activation_keeps_the_order_in_which_pytorch_flattens_an_image() {
        use crate::layer::{dense::Dense, flatten::Flatten};
        let layers: [LayerSpec; 3] = [Flatten {}.into(), TANH.into(), Dense::new(1).into()];
        let network = Network::new(Shape::Image { h: 1, w: 2, c: 3 }, &layers).unwrap();
        let same: [LayerSpec; 2] = [Flatten {}.into(), Dense::new(1).into()];
        let expected = Network::new(Shape::Image { h: 1, w: 2, c: 3 }, &same).unwrap();
        assert_eq!(network.parameters()[0].layout, expected.parameters()[0].layout);
    }
}
