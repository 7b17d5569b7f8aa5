//! Layer normalisation: `y = (x - mean) / sqrt(variance + epsilon) * weight + bias`, with mean and
//! variance over the channels of each place, or over all features of a sample.
//!
//! Shapes stay as they are; `weight` and `bias` are `[C]`, or `[D]` for features. The same as
//! PyTorch's `LayerNorm(C)` of images whose channels come last. Samples and places do not see one
//! another.
//!
//! Source: Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450.

use super::Build;
use super::step::{
    Backward, Initial, Layer, Layout, Memory, Own, Pass, Rows, Samples, SamplesMut, Tensor, slice,
    slice_mut,
};
use crate::builder::Builder;
use crate::compute_kernels::rows::{self, LayerNormBackward};
use crate::network::Role;
use crate::pulse::Stopped;
use crate::shape::{Problem, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of layer normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerNorm {
    /// What is added to the variance, from 1e-12 to 1.
    pub epsilon: f32,
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { epsilon: 1e-5 }
    }
}

impl Build for LayerNorm {
    fn example() -> Self {
        LayerNorm::default()
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let epsilon = self.epsilon;
        if !(1e-12..=1.0).contains(&epsilon) {
            let (name, range) = ("epsilon", "from 1e-12 to 1");
            return Err(net.problem(Problem::OutOfRange { name, value: epsilon.into(), range }));
        }
        let (_, channels) = net.shape().places_and_channels();
        let layout = net.channels_layout();
        net.map_alike(LayerNormPlan { channels, layout, epsilon })
    }
}

/// The plan for one number of channels.
#[derive(Debug)]
struct LayerNormPlan {
    channels: usize,
    layout: Layout,
    epsilon: f32,
}

/// About how many operations one number costs.
const COST: usize = 8;

impl LayerNormPlan {
    fn norm<'a>(&self, pass: &Pass<'a, '_>) -> rows::LayerNorm<'a> {
        let (weight, bias) = (pass.weights.slice(0), pass.weights.slice(1));
        rows::LayerNorm { weight, bias, epsilon: self.epsilon }
    }
}

impl Layer for LayerNormPlan {
    fn tensors(&self) -> Vec<Tensor> {
        let tensor = |name, role, value| Tensor {
            name,
            shape: vec![self.channels],
            role,
            initial: Initial::Constant(value),
            layout: self.layout,
        };
        vec![tensor("weight", Role::Scale, 1.0), tensor("bias", Role::Bias, 0.0)]
    }

    fn memory(&self, _batch: usize) -> Memory {
        // A place's output once more, and its gradient when nobody needs it.
        Memory { scratch: 2 * self.channels, ..Memory::default() }
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
        let norm = self.norm(pass);
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let places = slice(x).chunks_exact(self.channels);
            for (x, y) in places.zip(slice_mut(y).chunks_exact_mut(self.channels)) {
                rows::layer_norm(pass.isa, norm, x, y);
                pass.beat.work(COST * x.len())?;
            }
        }
        Ok(())
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let (channels, norm) = (self.channels, self.norm(pass));
        let Backward { x, dy, mut dx, dw } = call;
        let [dweight, dbias] = dw.slices();
        let (y, unasked) = own.scratch.split_at_mut(channels);
        for (row, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            let mut dx = dx.as_mut().map(|dx| slice_mut(dx.row_mut(row)));
            let places = slice(x).chunks_exact(channels).zip(slice(dy).chunks_exact(channels));
            for (place, (x, dy)) in places.enumerate() {
                let moments = rows::layer_norm(pass.isa, norm, x, y);
                let dx = match &mut dx {
                    Some(dx) => &mut dx[place * channels..][..channels],
                    None => &mut unasked[..channels],
                };
                let (weight, dweight, dbias) = (norm.weight, &mut *dweight, &mut *dbias);
                let call = LayerNormBackward { moments, weight, x, dy, dx, dweight, dbias };
                rows::layer_norm_backward(pass.isa, call);
                pass.beat.work(3 * COST * x.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::formula_check::check_formula;
    use crate::layer::gradient_check::check_layer;
    use crate::{Network, Shape};

    fn exact(channels: usize) -> impl Fn(&[f64], &[f64]) -> Vec<f64> {
        move |x, parameters| {
            let (weight, bias) = parameters.split_at(channels);
            let mut y = Vec::new();
            for x in x.chunks_exact(channels) {
                let mean = x.iter().sum::<f64>() / channels as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
                let normal = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
                y.extend(normal.zip(weight.iter().zip(bias)).map(|(n, (w, b))| n * w + b));
            }
            y
        }
    }

    #[test]
    fn layer_norm_is_its_formula_on_every_instruction_set() {
        let norm = LayerNorm::default();
        check_formula(Shape::Image { h: 2, w: 3, c: 5 }, norm.into(), exact(5));
        check_formula(Shape::Sequence { length: 3, channels: 17 }, norm.into(), exact(17));
        check_formula(Shape::Features(33), norm.into(), exact(33));
    }

    #[test]
    fn layer_norm_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 2, c: 4 }, LayerNorm::default().into());
        check_layer(Shape::Sequence { length: 3, channels: 5 }, LayerNorm::default().into());
        check_layer(Shape::Features(16), LayerNorm { epsilon: 0.1 }.into());
    }

    #[test]
    fn an_epsilon_out_of_range_is_refused() {
        for epsilon in [0.0, -1.0, 2.0, f32::NAN] {
            let error = Network::new(Shape::Features(3), &[LayerNorm { epsilon }.into()]);
            let text = error.unwrap_err().to_string();
            assert!(text.starts_with("layer 0 (layer-norm) has epsilon ="), "{text}");
        }
    }
}
