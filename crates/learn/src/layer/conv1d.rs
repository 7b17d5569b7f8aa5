//! Convolutions of sequences: `x [L, C]`, `w [K, C / groups, F]`, `b [F]` give `y [OL, F]` with `OL =
//! (L + 2 padding - dilation (K - 1) - 1) / stride + 1`, rounded down.
//!
//! A sequence is an image of one row: see `conv2d_direct`.

use super::Build;
use super::conv2d::Conv2d;
use super::conv2d_depthwise::Conv2dDepthwise;
use super::conv2d_direct::Conv2dDirect;
use super::pair::Pair;
use crate::builder::Builder;
use crate::shape::{Problem, Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of a convolution of sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1d {
    /// How many filters.
    pub filters: usize,
    /// Places that a filter sees.
    #[serde(default = "three", skip_serializing_if = "is_three")]
    pub kernel: usize,
    /// How far a filter moves.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: usize,
    /// Places of zeros at each end; less than a filter reaches.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
    /// The distance between the places that a filter sees.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: usize,
    /// Into so many groups channels and filters are cut; a filter sees the channels of its group.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Whether each filter has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

fn three() -> usize {
    3
}

fn is_three(value: &usize) -> bool {
    *value == 3
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Conv1d {
    /// So many filters of `kernel` places with a bias each: stride 1, no padding.
    pub const fn new(filters: usize, kernel: usize) -> Self {
        let (stride, padding, dilation, groups) = (1, 0, 1, 1);
        Conv1d { filters, kernel, stride, padding, dilation, groups, bias: true }
    }
}

impl Build for Conv1d {
    fn example() -> Self {
        Conv1d::new(1, 3)
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let Conv1d { filters, kernel, stride, padding, dilation, groups, bias } = *self;
        let Shape::Sequence { length, channels } = net.shape() else {
            return Err(net.problem(Problem::NeedsSequence { found: net.shape() }));
        };
        let image = Conv2d {
            filters,
            kernel: Pair([1, kernel]),
            stride: Pair([1, stride]),
            padding: Pair([0, padding]),
            dilation: Pair([1, dilation]),
            groups,
            bias,
        };
        let sizes = image.sizes(net, [1, length, channels])?;
        let output = Shape::Sequence { length: sizes.ow(), channels: filters };
        match Conv2dDepthwise::new(sizes, bias) {
            Some(layer) => net.map(layer.of_sequences(), output),
            None => net.map(Conv2dDirect::new(sizes, bias).of_sequences(), output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::layer::LayerSpec;
    use crate::layer::dense::Dense;
    use crate::layer::global_pool::{GlobalPool, Take};
    use ndarray::ArrayD;

    #[test]
    fn a_convolution_of_sequences_is_that_of_images_of_one_row() {
        let one = Conv1d { stride: 2, padding: 1, ..Conv1d::new(4, 3) };
        let depthwise = Conv1d { groups: 4, dilation: 2, ..Conv1d::new(4, 2) };
        let global = GlobalPool { take: Take::Average };
        let layers: [LayerSpec; 4] =
            [one.into(), depthwise.into(), global.into(), Dense::new(2).into()];
        let network = Network::new(Shape::Sequence { length: 9, channels: 3 }, &layers);
        let network = network.expect("the layers fit");
        assert_eq!(network.parameters()[0].shape, [3, 3, 4]);
        assert_eq!(network.parameters()[2].shape, [2, 1, 4]);
        let same = |layer: Conv1d| Conv2d {
            filters: 4,
            kernel: Pair([1, layer.kernel]),
            stride: Pair([1, layer.stride]),
            padding: Pair([0, layer.padding]),
            dilation: Pair([1, layer.dilation]),
            groups: layer.groups,
            bias: true,
        };
        let layers: [LayerSpec; 5] = [
            same(one).into(),
            same(depthwise).into(),
            global.into(),
            crate::layer::flatten::Flatten {}.into(),
            Dense::new(2).into(),
        ];
        let images = Network::new(Shape::Image { h: 1, w: 9, c: 3 }, &layers);
        let images = images.expect("the layers fit");
        let parameters = network.initial_parameters(3);
        let numbers = crate::layer::gradient_check::numbers(2 * 27, 5);
        let gradient = |network: &Network, shape: &[usize]| {
            let samples = ArrayD::from_shape_vec(shape, numbers.clone()).unwrap();
            let mut found = vec![0.0; parameters.len()];
            let shard = crate::Shard {
                images: samples.view(),
                targets: crate::Targets::Classes(&[0, 1]),
                loss: &crate::Loss::default(),
                items: &[0, 1],
                seed: 1,
                epoch: 0,
                scale: 0.5,
                share: 1.0,
            };
            let mut workspace = network.workspace(2);
            let mut go_on = crate::layer::gradient_check::go_on;
            network.gradient(&parameters, &shard, &mut workspace, &mut found, &mut go_on).unwrap();
            found
        };
        assert_eq!(gradient(&network, &[2, 9, 3]), gradient(&images, &[2, 1, 9, 3]));
    }
}
