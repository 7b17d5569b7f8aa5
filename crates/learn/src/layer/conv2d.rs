//! Convolutions of images: kernels of any size, stride, padding, dilation and groups.
//!
//! `x [H, W, C]`, `w [KH, KW, C / groups, F]`, `b [F]` give `y [OH, OW, F]`; see
//! `compute_kernels::convolution` for the sizes. Three algorithms share the work: Winograd's for 3x3
//! with stride 1 (`conv2d_winograd`), a loop over channels for depthwise convolutions
//! (`conv2d_depthwise`), and products of matrices that read the patches where they lie for all
//! others (`conv2d_direct`).

use super::Build;
use super::conv2d_depthwise::Conv2dDepthwise;
use super::conv2d_direct::Conv2dDirect;
use super::conv2d_winograd::Conv2dWinograd;
use super::pair::Pair;
use super::quantised::QuantisedConv2d;
use super::step::{Layout, Tensor};
use crate::builder::Builder;
use crate::compute_kernels::convolution::ConvSizes;
use crate::shape::{Problem, Shape, ShapeError};
use serde::{Deserialize, Serialize};

/// The settings of a convolution of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// How many filters.
    pub filters: usize,
    /// Rows and columns of a filter.
    #[serde(default = "three", skip_serializing_if = "is_three")]
    pub kernel: Pair,
    /// How far a filter moves.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Rows and columns of zeros on each side of the image; less than a filter reaches.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
    /// The distance between the pixels that a filter sees.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: Pair,
    /// Into so many groups channels and filters are cut; a filter sees the channels of its group.
    #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
    pub groups: usize,
    /// Whether each filter has a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

fn three() -> Pair {
    Pair::same(3)
}

fn is_three(value: &Pair) -> bool {
    *value == three()
}

fn one() -> Pair {
    Pair::same(1)
}

fn is_one(value: &Pair) -> bool {
    *value == one()
}

fn zero() -> Pair {
    Pair::same(0)
}

fn is_zero(value: &Pair) -> bool {
    *value == zero()
}

fn one_group() -> usize {
    1
}

fn is_one_group(value: &usize) -> bool {
    *value == 1
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Conv2d {
    /// So many filters of `kernel` rows and columns with a bias each: stride 1, no padding.
    pub const fn square(filters: usize, kernel: usize) -> Self {
        Conv2d {
            filters,
            kernel: Pair::same(kernel),
            stride: Pair::same(1),
            padding: Pair::same(0),
            dilation: Pair::same(1),
            groups: 1,
            bias: true,
        }
    }

    /// The sizes for images of `[h, w, c]`.
    pub(crate) fn sizes(
        &self,
        net: &Builder,
        [h, w, c]: [usize; 3],
    ) -> Result<ConvSizes, ShapeError> {
        let Conv2d { filters: f, kernel, stride, padding, dilation, groups, .. } = *self;
        let counts = [
            (f, "filters"),
            (groups, "groups"),
            (kernel.0[0].min(kernel.0[1]), "rows or columns of its kernel"),
            (stride.0[0].min(stride.0[1]), "stride"),
            (dilation.0[0].min(dilation.0[1]), "dilation"),
        ];
        for (count, what) in counts {
            if count == 0 {
                return Err(net.problem(Problem::Zero { what }));
            }
        }
        let (kernel, stride, padding, dilation) = (kernel.0, stride.0, padding.0, dilation.0);
        let sizes = ConvSizes { h, w, c, f, kernel, stride, padding, dilation, groups };
        for axis in [0, 1] {
            self.check_axis(net, axis)?;
        }
        let least = [0, 1].map(|axis| sizes.reach(axis).saturating_sub(2 * padding[axis]));
        if h < least[0] || w < least[1] {
            let (found, least) = (net.shape(), format!("{}x{}", least[0], least[1]));
            return Err(net.problem(Problem::TooSmall { found, least }));
        }
        for (channels, what) in [(c, "channels"), (f, "filters")] {
            if !channels.is_multiple_of(groups) {
                return Err(net.problem(Problem::Groups { groups, channels, what }));
            }
        }
        Ok(sizes)
    }

    /// Refuses settings whose sizes cannot be counted, or that look at nothing but padding.
    fn check_axis(&self, net: &Builder, axis: usize) -> Result<(), ShapeError> {
        const LIMIT: usize = 1 << 16;
        let (kernel, dilation) = (self.kernel.0[axis], self.dilation.0[axis]);
        for (name, value) in
            [("kernel", kernel), ("dilation", dilation), ("stride", self.stride.0[axis])]
        {
            if value > LIMIT {
                let (value, range) = (value as f64, "at most 65536");
                return Err(net.problem(Problem::OutOfRange { name, value, range }));
            }
        }
        let padding = self.padding.0[axis];
        if padding > dilation * (kernel - 1) {
            let (name, value) = ("padding", padding as f64);
            let range = "less than the kernel reaches";
            return Err(net.problem(Problem::OutOfRange { name, value, range }));
        }
        Ok(())
    }
}

impl Build for Conv2d {
    fn example() -> Self {
        Conv2d::square(1, 3)
    }

    fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
        let sizes = self.sizes(net, net.image(one())?)?;
        let output = Shape::Image { h: sizes.oh(), w: sizes.ow(), c: sizes.f };
        let may_take_bytes = QuantisedConv2d::takes(sizes);
        if let Some(by) = may_take_bytes.then(|| net.take_input_scale()).flatten() {
            net.map(QuantisedConv2d::new(sizes, self.bias, by), output)
        } else if let Some(layer) = Conv2dWinograd::new(sizes, self.bias) {
            net.map(layer, output)
        } else if let Some(layer) = Conv2dDepthwise::new(sizes, self.bias) {
            net.map(layer, output)
        } else {
            net.map(Conv2dDirect::new(sizes, self.bias), output)
        }
    }
}

/// The tensors of any convolution; `places`: the axes of a kernel.
pub(crate) fn tensors(sizes: ConvSizes, places: &[usize], bias: bool) -> Vec<Tensor> {
    let (shape, fan_in) = ([places, &[sizes.group_c(), sizes.f]].concat(), sizes.depth());
    let mut tensors = vec![Tensor::weight(shape, fan_in, Layout::Convolution)];
    tensors.extend(bias.then(|| Tensor::bias(sizes.f, fan_in)));
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::layer::gradient_check::check_layer;
    use crate::layer::{LayerSpec, dense::Dense, flatten::Flatten};

    #[test]
    fn conv2d_has_the_gradient_of_finite_differences() {
        check_layer(Shape::Image { h: 5, w: 4, c: 3 }, Conv2d::square(2, 3).into());
        let plain = Conv2d::square(5, 3);
        check_layer(Shape::Image { h: 6, w: 7, c: 1 }, Conv2d { bias: false, ..plain }.into());
        let everything = Conv2d {
            filters: 6,
            kernel: Pair([3, 2]),
            stride: Pair([2, 1]),
            padding: Pair([1, 2]),
            dilation: Pair([2, 3]),
            groups: 2,
            bias: true,
        };
        check_layer(Shape::Image { h: 7, w: 6, c: 4 }, everything.into());
        let depthwise = Conv2d { groups: 5, padding: Pair::same(1), ..Conv2d::square(5, 3) };
        check_layer(Shape::Image { h: 5, w: 6, c: 5 }, depthwise.into());
        check_layer(Shape::Image { h: 3, w: 4, c: 5 }, Conv2d::square(4, 1).into());
    }

    /// The error of a net that begins with this layer on an image of 8x8x6.
    fn error(layer: Conv2d) -> String {
        let layers: [LayerSpec; 3] = [layer.into(), Flatten {}.into(), Dense::new(2).into()];
        let network = Network::new(Shape::Image { h: 8, w: 8, c: 6 }, &layers);
        network.expect_err("the settings are refused").to_string()
    }

    #[test]
    fn settings_that_make_no_convolution_are_refused_with_their_reason() {
        let plain = Conv2d::square(4, 3);
        let refused = [
            (Conv2d { stride: Pair([0, 1]), ..plain }, "has 0 stride"),
            (Conv2d { groups: 4, ..plain }, "has 4 groups, which do not divide 6 channels"),
            (Conv2d { groups: 3, ..plain }, "has 3 groups, which do not divide 4 filters"),
            (Conv2d { padding: Pair::same(3), ..plain }, "has padding = 3: it must be less than"),
            (Conv2d { kernel: Pair([9, 1]), ..plain }, "needs at least 9x1, but gets 8x8x6"),
            (Conv2d { dilation: Pair::same(usize::MAX), ..plain }, "at most 65536"),
        ];
        for (layer, reason) in refused {
            let found = error(layer);
            assert!(found.contains(reason), "{layer:?}: {found}");
        }
    }
}
