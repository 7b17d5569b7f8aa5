//! PyTorch's layouts of tensors beside ours.

use crate::{LayerSpec, Network, Shape};
use ndarray::{ArrayBase, IxDyn, RawData};

/// How a tensor of the file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// A bias.
    Plain { len: usize },
    /// `[F, C, 3, 3]` in the file, `[3, 3, C, F]` here.
    Convolution { c: usize, f: usize },
    /// `[U, C * H * W]` in the file, `[H * W * C, U]` here; plain features are `pixels` = 1.
    Dense { pixels: usize, c: usize, units: usize },
}

impl Layout {
    /// Its shape in the file.
    pub(super) fn shape(&self) -> Vec<usize> {
        match *self {
            Layout::Plain { len } => vec![len],
            Layout::Convolution { c, f } => vec![f, c, 3, 3],
            Layout::Dense { pixels, c, units } => vec![units, pixels * c],
        }
    }

    /// A tensor of ours with its axes in the file's order; that of a dense layer as `[U, C, H *
    /// W]`.
    pub(super) fn in_file<S: RawData<Elem = f32>>(
        &self,
        ours: ArrayBase<S, IxDyn>,
    ) -> ArrayBase<S, IxDyn> {
        match *self {
            Layout::Plain { .. } => ours,
            Layout::Convolution { .. } => ours.permuted_axes(&[3, 2, 0, 1][..]),
            Layout::Dense { pixels, c, units } => ours
                .into_shape_with_order(&[pixels, c, units][..])
                .expect("a weight is contiguous")
                .reversed_axes(),
        }
    }
}

/// The layout of every tensor: a dense layer behind an image takes it as the last image's.
pub(super) fn layouts(network: &Network) -> Vec<Layout> {
    let mut image = match network.input() {
        Shape::Image { h, w, c } => (h * w, c),
        Shape::Features(n) => (1, n),
    };
    let shapes = network.shapes();
    let mut layouts = Vec::new();
    for (spec, &after) in network.layers().iter().zip(&shapes) {
        match *spec {
            LayerSpec::Conv2d { filters } => {
                layouts.push(Layout::Convolution { c: image.1, f: filters });
                layouts.push(Layout::Plain { len: filters });
            }
            LayerSpec::Dense { units } => {
                layouts.push(Layout::Dense { pixels: image.0, c: image.1, units });
                layouts.push(Layout::Plain { len: units });
                image = (1, units);
            }
            LayerSpec::Relu
            | LayerSpec::MaxPool
            | LayerSpec::Dropout { .. }
            | LayerSpec::Flatten => {}
        }
        if let Shape::Image { h, w, c } = after {
            image = (h * w, c);
        }
    }
    layouts
}
