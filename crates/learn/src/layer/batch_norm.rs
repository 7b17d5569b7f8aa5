//! Batch normalisation: `y = (x - mean) / sqrt(variance + epsilon) * weight + bias`, channel by
//! channel.
//!
//! While training, mean and variance are those of the gradient shard, over its samples and all
//! places; the running ones, which predictions use, follow the mean over the shards. A sample's own
//! mean and squared deviations are merged in the order of the samples (Chan et al.), so nothing
//! cancels.
//!
//! Two steps share one memory: `Observe` looks at every sample, and `Normalise` begins when it has
//! seen all; on the way back `Normalise` sums what `Observe` then takes off.
//!
//! Source: Ioffe and Szegedy, "Batch normalization", arXiv:1502.03167; T. Chan, G. Golub, R.
//! LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

use super::Build;
use super::step::{
    Backward, InPlace, Initial, Layer, Layout, Memory, Own, Pass, Rows, Samples, SamplesMut,
    Tensor, Weights, WeightsMut, slice, slice_mut,
};
use crate::Isa;
use crate::builder::Builder;
use crate::compute_kernels::normalisation::{self, Channels};
use crate::network::Role;
use crate::pulse::Stopped;
use crate::shape::{Problem, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of batch normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchNorm {
    /// How much of the running statistics is the latest batch's, from 0 to 1.
    pub momentum: f32,
    /// What is added to the variance, more than 0.
    pub epsilon: f32,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { momentum: 0.1, epsilon: 1e-5 }
    }
}

impl Build for BatchNorm {
    fn example() -> Self {
        BatchNorm::default()
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let BatchNorm { momentum, epsilon } = *self;
        if !(0.0..=1.0).contains(&momentum) {
            let (name, range) = ("momentum", "from 0 to 1");
            return Err(net.problem(Problem::OutOfRange { name, value: momentum.into(), range }));
        }
        if !(1e-12..=1.0).contains(&epsilon) {
            let (name, range) = ("epsilon", "from 1e-12 to 1");
            return Err(net.problem(Problem::OutOfRange { name, value: epsilon.into(), range }));
        }
        let (places, channels) = net.shape().places_and_channels();
        let sizes = Sizes { places, channels };
        let normalise =
            Normalise { sizes, layout: net.channels_layout(), momentum, epsilon, clamp: false };
        if net.training() {
            net.in_place(Observe(sizes))?;
            net.map_after_all(normalise)
        } else {
            net.map_alike(Rescale(normalise))
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    places: usize,
    channels: usize,
}

/// What both steps keep in `Own::sums`, each by channel.
struct Sums<'a> {
    mean: &'a mut [f32],
    /// The sum of squared deviations; with all samples `1 / sqrt(variance + epsilon)`.
    spread: &'a mut [f32],
    /// The variance that the running one follows.
    variance: &'a mut [f32],
    /// The gradients of bias and weight.
    d_bias: &'a mut [f32],
    d_weight: &'a mut [f32],
    /// `weight / sqrt(variance + epsilon)`.
    factor: &'a mut [f32],
}

impl Sizes {
    fn memory(self) -> Memory {
        Memory { sums: 6 * self.channels, scratch: 2 * self.channels, ..Memory::default() }
    }

    fn sums(self, own: &mut Own) -> (Sums<'_>, &mut [f32]) {
        let mut parts = own.sums.chunks_exact_mut(self.channels);
        let mut next = || parts.next().expect("there is room for six numbers a channel");
        let (mean, spread, variance) = (next(), next(), next());
        let (d_bias, d_weight, factor) = (next(), next(), next());
        (Sums { mean, spread, variance, d_bias, d_weight, factor }, &mut own.scratch)
    }
}

/// Merges every sample into mean and squared deviations.
#[derive(Debug)]
struct Observe(Sizes);

impl InPlace for Observe {
    fn memory(&self) -> Memory {
        self.0.memory()
    }

    fn spares_readers(&self) -> bool {
        true
    }

    fn reads_output_again(&self) -> bool {
        true
    }

    fn forward(&self, pass: &mut Pass, x: SamplesMut, own: &mut Own) {
        let Sizes { places, channels } = self.0;
        let (sums, scratch) = self.0.sums(own);
        let (mean, deviations) = scratch.split_at_mut(channels);
        for (sample, x) in (pass.first..).zip(x.outer_iter()) {
            let x = slice(x);
            mean.fill(0.0);
            deviations.fill(0.0);
            normalisation::add_sums(pass.isa, x, mean);
            mean.iter_mut().for_each(|mean| *mean /= places as f32);
            normalisation::add_squares(pass.isa, x, mean, deviations);
            // `sample` samples before this one, each of as many places.
            let weight = 1.0 / (sample + 1) as f32;
            let cross = (sample * places) as f32 * weight;
            for channel in 0..channels {
                let (mean, m2) = (mean[channel], deviations[channel]);
                if sample == 0 {
                    (sums.mean[channel], sums.spread[channel]) = (mean, m2);
                } else {
                    let step = mean - sums.mean[channel];
                    sums.mean[channel] += step * weight;
                    sums.spread[channel] += m2 + step * step * cross;
                }
            }
        }
    }

    /// `dx -= (d_bias + (x - mean) / deviation * d_weight) * factor / N`.
    fn backward(&self, pass: &mut Pass, x: Samples, mut dx: SamplesMut, own: &mut Own) {
        let Sizes { places, channels } = self.0;
        let (sums, scratch) = self.0.sums(own);
        let (offset, slope) = scratch.split_at_mut(channels);
        let share = 1.0 / (pass.samples * places) as f32;
        for channel in 0..channels {
            let factor = sums.factor[channel] * share;
            slope[channel] = factor * sums.d_weight[channel] * sums.spread[channel];
            offset[channel] = factor * sums.d_bias[channel] - slope[channel] * sums.mean[channel];
        }
        for (x, dx) in x.outer_iter().zip(dx.outer_iter_mut()) {
            normalisation::subtract_line(pass.isa, slice(x), slope, offset, slice_mut(dx));
        }
    }
}

/// Normalises when all samples are observed.
#[derive(Debug)]
struct Normalise {
    sizes: Sizes,
    layout: Layout,
    momentum: f32,
    epsilon: f32,
    /// ReLU on the way out.
    clamp: bool,
}

impl Normalise {
    /// `weight / sqrt(variance + epsilon)`, and what is then added.
    fn factor_and_offset(&self, weights: Weights, channel: usize) -> (f32, f32) {
        let [weight, bias, mean, variance] = [0, 1, 2, 3].map(|n| weights.slice(n)[channel]);
        let factor = weight / (variance + self.epsilon).sqrt();
        (factor, bias - mean * factor)
    }
}

impl Layer for Normalise {
    fn tensors(&self) -> Vec<Tensor> {
        let (momentum, layout) = (self.momentum, self.layout);
        let tensor = |name, role, value| Tensor {
            name,
            shape: vec![self.sizes.channels],
            role,
            initial: Initial::Constant(value),
            layout,
        };
        vec![
            tensor("weight", Role::Scale, 1.0),
            tensor("bias", Role::Bias, 0.0),
            tensor("running_mean", Role::Statistic { momentum }, 0.0),
            tensor("running_var", Role::Statistic { momentum }, 1.0),
        ]
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        true
    }

    fn clamp_output(&mut self) -> bool {
        self.clamp = true;
        true
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped> {
        let Sizes { places, channels } = self.sizes;
        let (sums, offset) = self.sizes.sums(own);
        let (weight, bias) = (pass.weights.slice(0), pass.weights.slice(1));
        if pass.first == 0 {
            let count = (pass.samples * places) as f32;
            for (channel, weight) in weight.iter().enumerate() {
                let m2 = sums.spread[channel];
                // As PyTorch's: the running variance is that of a sample drawn from a population.
                sums.variance[channel] = m2 / (count - 1.0).max(1.0);
                sums.spread[channel] = 1.0 / (m2 / count + self.epsilon).sqrt();
                sums.factor[channel] = weight * sums.spread[channel];
            }
        }
        for channel in 0..channels {
            offset[channel] = bias[channel] - sums.mean[channel] * sums.factor[channel];
        }
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            let summand = &offset[..channels];
            let channels = Channels { factor: sums.factor, summand, clamp: self.clamp };
            normalisation::scale(pass.isa, channels, slice(x), slice_mut(y));
            pass.beat.work(x.len())?;
        }
        Ok(())
    }

    fn begin_backward(&self, own: &mut Own) {
        let (sums, _) = self.sizes.sums(own);
        sums.d_bias.fill(0.0);
        sums.d_weight.fill(0.0);
    }

    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped> {
        let channels = self.sizes.channels;
        let (sums, scratch) = self.sizes.sums(own);
        let (products, zeros) = scratch.split_at_mut(channels);
        zeros.fill(0.0);
        let Backward { x, dy, mut dx, .. } = call;
        for (row, (x, dy)) in x.outer_iter().zip(dy.outer_iter()).enumerate() {
            let (x, dy) = (slice(x), slice(dy));
            normalisation::add_sums(pass.isa, dy, sums.d_bias);
            products.fill(0.0);
            normalisation::add_products(pass.isa, x, sums.mean, dy, products);
            let products = products.iter().zip(&*sums.spread);
            for (sum, (product, spread)) in sums.d_weight.iter_mut().zip(products) {
                *sum += product * spread;
            }
            if let Some(dx) = &mut dx {
                let channels = Channels { factor: sums.factor, summand: zeros, clamp: false };
                normalisation::scale(pass.isa, channels, dy, slice_mut(dx.row_mut(row)));
            }
            pass.beat.work(2 * x.len())?;
        }
        Ok(())
    }

    fn finish(&self, _isa: Isa, share: f32, own: &mut Own, dw: WeightsMut) {
        let (sums, _) = self.sizes.sums(own);
        let [weight, bias, mean, variance] = dw.slices();
        weight.copy_from_slice(sums.d_weight);
        bias.copy_from_slice(sums.d_bias);
        for channel in 0..self.sizes.channels {
            mean[channel] = sums.mean[channel] * share;
            variance[channel] = sums.variance[channel] * share;
        }
    }
}

/// The same by the running statistics, for predictions.
#[derive(Debug)]
struct Rescale(Normalise);

impl Layer for Rescale {
    fn tensors(&self) -> Vec<Tensor> {
        self.0.tensors()
    }

    fn memory(&self, _batch: usize) -> Memory {
        Memory { prepared: 2 * self.0.sizes.channels, ..Memory::default() }
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn reads_input_again(&self) -> bool {
        false
    }

    fn clamp_output(&mut self) -> bool {
        self.0.clamp = true;
        true
    }

    fn prepare(&self, _isa: Isa, weights: Weights, _training: bool, prepared: &mut [f32]) {
        let channels = self.0.sizes.channels;
        for channel in 0..channels {
            let (factor, offset) = self.0.factor_and_offset(weights, channel);
            (prepared[channel], prepared[channels + channel]) = (factor, offset);
        }
    }

    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        mut y: SamplesMut,
        _own: &mut Own,
    ) -> Result<(), Stopped> {
        let (factor, summand) = pass.prepared.split_at(self.0.sizes.channels);
        let channels = Channels { factor, summand, clamp: self.0.clamp };
        for (x, y) in x.outer_iter().zip(y.outer_iter_mut()) {
            normalisation::scale(pass.isa, channels, slice(x), slice_mut(y));
            pass.beat.work(x.len())?;
        }
        Ok(())
    }

    fn backward(&self, _pass: &mut Pass, _call: Backward, _own: &mut Own) -> Result<(), Stopped> {
        unreachable!("a plan for predictions has no way back")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layer::gradient_check::check_layer;

    #[test]
    fn batch_norm_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 3, w: 5, c: 7 }, BatchNorm::default().into());
        check_layer(Shape::Features(6), BatchNorm::default().into());
    }
}
