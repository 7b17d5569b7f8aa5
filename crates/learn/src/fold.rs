//! A net for predictions out of a net for training: equal answers but for rounding, fewer steps.
//!
//! Drop-out is left out. Batch normalisation right behind a convolution or a dense layer is folded
//! into its weights: `(x W + b - mean) factor + bias = x (W factor) + ((b - mean) factor + bias)`.

use crate::builder::Builder;
use crate::compute_kernels::quantised_packing::InputScale;
use crate::layer::LayerSpec;
use crate::layer::batch_norm::BatchNorm;
use crate::layer::concat::Concat;
use crate::layer::conv2d::Conv2d;
use crate::layer::dense::Dense;
use crate::layer::residual::Residual;
use crate::network::ParameterSpec;
use crate::plan::Plan;
use crate::{Shape, ShapeError};
use std::collections::BTreeMap;
use std::ops::Range;

/// How a net predicts: its steps, its tensors, and what these are made of.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) plan: Plan,
    pub(crate) layers: Vec<LayerSpec>,
    pub(crate) tensors: Vec<ParameterSpec>,
    pieces: Vec<Piece>,
}

/// Parameters of the folded net, made of the net's.
#[derive(Debug)]
enum Piece {
    /// As they are.
    Same(Range<usize>),
    /// Weight and bias of a layer, together with the normalisation behind it.
    Normalised {
        weight: Range<usize>,
        bias: Option<Range<usize>>,
        /// Its weight, bias, running mean and running variance.
        norm: [Range<usize>; 4],
        epsilon: f32,
    },
}

impl Folded {
    /// Folds the net of these layers, whose tensors are `tensors`.
    ///
    /// # Errors
    /// None for layers that make a net.
    pub(crate) fn new(
        input: Shape,
        layers: &[LayerSpec],
        tensors: &[ParameterSpec],
    ) -> Result<Folded, ShapeError> {
        Ok(Folded::with_input_scales(input, layers, tensors, BTreeMap::new())?.0)
    }

    /// The same with layers that compute with bytes: those of the folded net at the places of
    /// `scales`. What is left of `scales` belongs to no layer that could.
    ///
    /// # Errors
    /// As [`Folded::new`].
    pub(crate) fn with_input_scales(
        input: Shape,
        layers: &[LayerSpec],
        tensors: &[ParameterSpec],
        scales: BTreeMap<String, InputScale>,
    ) -> Result<(Folded, BTreeMap<String, InputScale>), ShapeError> {
        let mut folding = Folding { tensors, pieces: Vec::new() };
        let layers = folding.layers("", layers);
        let mut builder = Builder::new(input, false)?.with_input_scales(scales);
        builder.layers(&layers)?;
        let plan = Plan::new(&mut builder);
        let (tensors, pieces) = (builder.parameters, folding.pieces);
        Ok((Folded { plan, layers, tensors, pieces }, builder.input_scales))
    }

    /// The folded net's parameters out of the net's.
    pub(crate) fn parameters(&self, parameters: &[f32]) -> Vec<f32> {
        let mut folded = Vec::new();
        for piece in &self.pieces {
            piece.write(parameters, &mut folded);
        }
        let expected = self.tensors.last().map_or(0, |spec| spec.offset + spec.len);
        assert_eq!(folded.len(), expected, "folding keeps the order of the tensors");
        folded
    }
}

impl Piece {
    /// Appends the piece to the folded net's parameters.
    fn write(&self, parameters: &[f32], folded: &mut Vec<f32>) {
        let Piece::Normalised { weight, bias, norm, epsilon } = self else {
            let Piece::Same(range) = self else { unreachable!("there are two kinds of pieces") };
            folded.extend(&parameters[range.clone()]);
            return;
        };
        let [scale, shift, mean, variance] =
            norm.each_ref().map(|range| &parameters[range.clone()]);
        let factor = |(scale, variance): (&f32, &f32)| {
            f64::from(*scale) / (f64::from(*variance) + f64::from(*epsilon)).sqrt()
        };
        let factors: Vec<f64> = scale.iter().zip(variance).map(factor).collect();
        // The channels are the last axis of the weight.
        for row in parameters[weight.clone()].chunks_exact(factors.len()) {
            folded.extend(row.iter().zip(&factors).map(|(w, f)| (f64::from(*w) * f) as f32));
        }
        let before = bias.as_ref().map(|range| &parameters[range.clone()]);
        folded.extend((0..factors.len()).map(|channel| {
            let before = before.map_or(0.0, |bias| f64::from(bias[channel]));
            let centred = before - f64::from(mean[channel]);
            (centred * factors[channel] + f64::from(shift[channel])) as f32
        }));
    }
}

/// A walk through the layers in the order of their tensors.
struct Folding<'a> {
    tensors: &'a [ParameterSpec],
    pieces: Vec<Piece>,
}

impl Folding<'_> {
    /// The layers of the new net, for those at `path`; a path ends in a dot.
    fn layers(&mut self, path: &str, layers: &[LayerSpec]) -> Vec<LayerSpec> {
        let mut kept = Vec::new();
        let mut numbered = layers.iter().enumerate().peekable();
        while let Some((number, layer)) = numbered.next() {
            let own = format!("{path}{number}.");
            let norm = numbered.peek().and_then(|(number, next)| match next {
                LayerSpec::BatchNorm(norm) => Some((*norm, format!("{path}{number}."))),
                _ => None,
            });
            match (layer, norm) {
                (LayerSpec::Dropout(_), _) => {}
                (LayerSpec::Residual(Residual { body, shortcut }), _) => {
                    let body = self.branch(&format!("{own}body."), body);
                    let shortcut = self.branch(&format!("{own}shortcut."), shortcut);
                    kept.push(Residual { body, shortcut }.into());
                }
                (LayerSpec::Concat(Concat { branches }), _) => {
                    let branches = branches.iter().enumerate().map(|(branch, layers)| {
                        self.layers(&format!("{own}branches.{branch}."), layers)
                    });
                    kept.push(Concat { branches: branches.collect() }.into());
                }
                (layer, Some((norm, behind))) if with_bias(layer).is_some() => {
                    kept.extend(with_bias(layer));
                    self.pieces.push(self.normalised(&own, &behind, norm));
                    numbered.next();
                }
                (layer, _) => {
                    kept.push(layer.clone());
                    let own = self.tensors.iter().filter(|spec| spec.name.starts_with(&own));
                    self.pieces.extend(own.map(|spec| Piece::Same(spec.range())));
                }
            }
        }
        kept
    }

    /// As [`Folding::layers`]; a branch that would lose all its layers keeps them.
    fn branch(&mut self, path: &str, layers: &[LayerSpec]) -> Vec<LayerSpec> {
        let kept = self.layers(path, layers);
        if kept.is_empty() { layers.to_vec() } else { kept }
    }

    fn normalised(&self, layer: &str, norm: &str, BatchNorm { epsilon, .. }: BatchNorm) -> Piece {
        let find = |layer: &str, name: &str| {
            let spec = self.tensors.iter().find(|spec| spec.name == format!("{layer}{name}"))?;
            Some(spec.range())
        };
        let weight = find(layer, "weight").expect("a convolution or dense layer has a weight");
        let norm = ["weight", "bias", "running_mean", "running_var"]
            .map(|name| find(norm, name).expect("batch normalisation has four tensors"));
        Piece::Normalised { weight, bias: find(layer, "bias"), norm, epsilon }
    }
}

/// The layer with a bias, if normalisation can be folded into it.
fn with_bias(layer: &LayerSpec) -> Option<LayerSpec> {
    match *layer {
        LayerSpec::Conv2d(layer) => Some(Conv2d { bias: true, ..layer }.into()),
        LayerSpec::Dense(layer) => Some(Dense { bias: true, ..layer }.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::layer::gradient_check::{go_on, numbers};
    use crate::layer::{batch_norm::BatchNorm, conv2d::Conv2d, dense::Dense, dropout::Dropout};
    use crate::layer::{flatten::Flatten, relu::Relu, residual::Residual};
    use crate::{LayerSpec, Network, Predictor, Shape};
    use ndarray::Array2;

    #[test]
    fn a_folded_net_answers_as_the_formula_of_batch_norm_says() {
        let norm = BatchNorm::default();
        let layers: [LayerSpec; 2] = [Dense { units: 2, bias: false }.into(), norm.into()];
        let network = Network::new(Shape::Features(3), &layers).unwrap();
        // weight [3, 2], then scale, shift, mean and variance of two channels
        let weight = [1.0, -2.0, 0.5, 1.5, 2.0, 0.25];
        let parameters = [&weight[..], &[2.0, 0.5, 0.1, -0.3, 0.7, -0.2, 4.0, 0.25]].concat();
        let x = [0.3f32, -0.9, 0.4];
        let logit = |channel: usize| {
            let sum: f32 = (0..3).map(|i| x[i] * weight[2 * i + channel]).sum();
            let [scale, shift, mean, variance] = [6, 8, 10, 12].map(|at| parameters[at + channel]);
            (sum - mean) / (variance + norm.epsilon).sqrt() * scale + shift
        };
        let predictor = Predictor::new(&network, &parameters);
        let mut found = Array2::zeros((1, 2));
        let images = network.input().samples(&x);
        let mut workspace = network.prediction_workspace(1);
        predictor.predict(images, &mut workspace, found.view_mut(), &mut go_on).unwrap();
        let expected = 1.0 / (1.0 + (logit(1) - logit(0)).exp());
        assert!((found[[0, 0]] - expected).abs() < 1e-6, "{found} for {expected}");
    }

    #[test]
    fn nets_with_blocks_fold_to_fewer_steps_and_keep_their_tensors_in_order() {
        let conv = |filters| LayerSpec::from(Conv2d { bias: false, ..Conv2d::square(filters, 3) });
        let norm = || LayerSpec::from(BatchNorm::default());
        let block = Residual {
            body: vec![conv(4), norm(), Relu {}.into(), Dropout { rate: 0.5 }.into()],
            shortcut: vec![conv(4)],
        };
        let layers =
            [conv(3), norm(), block.into(), norm(), Flatten {}.into(), Dense::new(2).into()];
        let network = Network::new(Shape::Image { h: 7, w: 8, c: 1 }, &layers).unwrap();
        let predictor = Predictor::new(&network, &network.initial_parameters(1));
        let mut found = Array2::zeros((2, 2));
        let images = numbers(2 * 56, 3);
        let mut workspace = network.prediction_workspace(2);
        let images = network.input().samples(&images);
        predictor.predict(images, &mut workspace, found.view_mut(), &mut go_on).unwrap();
        assert!(found.iter().all(|p| *p > 0.0 && *p < 1.0), "{found}");
    }
}
