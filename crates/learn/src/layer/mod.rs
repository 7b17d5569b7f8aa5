//! The layers. Each file holds one: its settings, its shapes, forward above backward; the table at
//! the head names them all, and every general test walks it.
//!
//! A new layer is a file, its `mod` line and a line in the table. The file has
//! - a struct of its settings, read by serde, that refuses unknown ones;
//! - `Build` for it: it looks at the shape at its place (`net.shape()`), refuses what does not fit
//!   with `net.problem(..)`, and appends a step: `net.map` for a `step::Layer` that writes a new
//!   value (`net.map_alike` when the numbers keep their meaning), or `net.in_place` for a
//!   `step::InPlace` that changes the current one;
//! - that step: sizes and no numbers, with its tensors, the memory it wants, forward and backward.
//!   Layers in place may follow and change `y`: a way back that needs more than signs reads `x` again
//!   (`reads_input_again`) or keeps what it needs in `Own::saved`;
//! - tests: `gradient_check::check_layer`, and `formula_check::check_formula` with the formula in f64.
//!
//! Then it needs a place in one of the nets of `tests/make_pytorch_values.py` and a section in
//! `docs/layers.md`: tests say so. `relu`, `silu`, `layer_norm` and `dense` are good models.

#[macro_use]
mod table;
pub mod conv2d;
pub(crate) mod conv2d_direct;
mod conv2d_pixels;
pub(crate) mod conv2d_depthwise;
pub(crate) mod conv2d_winograd;
pub mod conv1d;
pub mod max_pool;
pub mod average_pool;
pub mod global_pool;
pub(crate) mod window_pool;
pub mod dense;
pub mod batch_norm;
pub mod layer_norm;
pub mod relu;
pub mod gelu;
pub mod silu;
pub mod sigmoid;
pub mod tanh;
pub mod softmax;
pub mod dropout;
pub mod flatten;
pub mod residual;
pub mod concat;
pub mod embedding;
pub(crate) mod quantised;
pub(crate) mod smooth;
pub(crate) mod copy;
pub(crate) mod join;
pub mod pair;
pub(crate) mod step;
#[cfg(test)]
pub(crate) mod gradient_check;
#[cfg(test)]
pub(crate) mod formula_check;

use crate::builder::Builder;
use crate::shape::ShapeError;
use serde::{Deserialize, Serialize};

layers! {
    "conv2d" => conv2d::Conv2d,
    "conv1d" => conv1d::Conv1d,
    "max-pool" => max_pool::MaxPool,
    "average-pool" => average_pool::AveragePool,
    "global-pool" => global_pool::GlobalPool,
    "dense" => dense::Dense,
    "batch-norm" => batch_norm::BatchNorm,
    "layer-norm" => layer_norm::LayerNorm,
    "relu" => relu::Relu,
    "gelu" => gelu::Gelu,
    "silu" => silu::Silu,
    "sigmoid" => sigmoid::Sigmoid,
    "tanh" => tanh::Tanh,
    "softmax" => softmax::Softmax,
    "dropout" => dropout::Dropout,
    "flatten" => flatten::Flatten,
    "residual" => residual::Residual,
    "concat" => concat::Concat,
    "embedding" => embedding::Embedding,
}

/// What every layer's settings can do.
pub(crate) trait Build: Sized {
    /// The smallest sensible settings: what the specifications of all layers begin with.
    fn example() -> Self;

    /// Appends the layer to a net, at the builder's place.
    ///
    /// # Errors
    /// When it does not fit there.
    fn build(&self, net: &mut Builder) -> Result<(), ShapeError>;
}
