//! The layers. Each file holds one, forward above backward; `LAYERS` names them all.
//!
//! A layer is a plan: it holds sizes and no numbers. What it computes with, and what `backward`
//! needs of `forward`, lies in `Own` memory that the workspace allocated once. Image layers are run
//! sample by sample, so that a sample's images stay in the cache; layers of features see all
//! samples of a shard at once, so that their weights are read once.
//!
//! What flows between layers are `ndarray` views `[N, D]` into the workspace, which a layer for
//! images reads as `[H, W, C]`; weights come as views in their tensors' shapes. Making a view
//! allocates nothing.

pub(crate) mod conv2d;
pub(crate) mod conv2d_winograd;
pub(crate) mod relu;
pub(crate) mod max_pool;
pub(crate) mod dropout;
pub(crate) mod flatten;
pub(crate) mod dense;
#[cfg(test)]
pub(crate) mod gradient_check;

use crate::compute_kernels::Isa;
use crate::compute_kernels::aligned::AlignedFloats;
use crate::compute_kernels::matrix::{Product, multiply};
use crate::pulse::{Beat, OPERATIONS, Stopped};
use crate::shape::{Shape, ShapeError};
use ndarray::{
    Array1, Array2, ArrayView, ArrayView1, ArrayView2, ArrayViewD, ArrayViewMut, ArrayViewMut1,
    ArrayViewMut2, ArrayViewMutD, Axis, Dimension,
};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// One layer as a config names it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerSpec {
    /// A 3x3 convolution without padding, stride 1: `[H, W, C]` gives `[H - 2, W - 2, filters]`.
    Conv2d {
        /// How many filters, each with a bias.
        filters: usize,
    },
    /// Negative values become zero.
    Relu,
    /// The greatest of each 2x2 cell: `[H, W, C]` gives `[H / 2, W / 2, C]`, rounded down.
    MaxPool,
    /// While training, switches features off at random and scales the others up to keep the mean.
    Dropout {
        /// The share that is switched off, at least 0 and less than 1.
        rate: f32,
    },
    /// The image as features, `[H, W, C]` read in this order.
    Flatten,
    /// Every unit sees every feature: `[D]` gives `[units]`.
    Dense {
        /// How many units, each with a bias.
        units: usize,
    },
}

/// Every kind of layer with the smallest example of it: the list that the specifications of all
/// layers walk.
pub const LAYERS: [(&str, LayerSpec); 6] = [
    ("conv2d", LayerSpec::Conv2d { filters: 1 }),
    ("relu", LayerSpec::Relu),
    ("max-pool", LayerSpec::MaxPool),
    ("dropout", LayerSpec::Dropout { rate: 0.5 }),
    ("flatten", LayerSpec::Flatten),
    ("dense", LayerSpec::Dense { units: 1 }),
];

impl LayerSpec {
    /// The kind's name in configs.
    pub fn kind(&self) -> &'static str {
        match self {
            LayerSpec::Conv2d { .. } => "conv2d",
            LayerSpec::Relu => "relu",
            LayerSpec::MaxPool => "max-pool",
            LayerSpec::Dropout { .. } => "dropout",
            LayerSpec::Flatten => "flatten",
            LayerSpec::Dense { .. } => "dense",
        }
    }

    /// The layer for inputs of shape `x`, or why there is none; `number` is its place in the net.
    pub(crate) fn plan(&self, number: usize, x: Shape) -> Result<Planned, ShapeError> {
        let place = Place { number, kind: self.kind() };
        match *self {
            LayerSpec::Conv2d { filters } => conv2d::plan(place, x, filters),
            LayerSpec::Relu => Ok(relu::plan(x, false)),
            LayerSpec::MaxPool => max_pool::plan(place, x),
            LayerSpec::Dropout { rate } => dropout::plan(place, x, rate),
            LayerSpec::Flatten => Ok(flatten::plan(x)),
            LayerSpec::Dense { units } => dense::plan(place, x, units),
        }
    }
}

/// Where a layer stands, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) number: usize,
    pub(crate) kind: &'static str,
}

impl Place {
    /// The sides of an image, each at least `least`.
    pub(crate) fn image(self, x: Shape, least: usize) -> Result<[usize; 3], ShapeError> {
        let Place { number: layer, kind } = self;
        match x {
            Shape::Features(found) => Err(ShapeError::NeedsImage { layer, kind, found }),
            Shape::Image { h, w, c } if h >= least && w >= least => Ok([h, w, c]),
            found => Err(ShapeError::ImageTooSmall { layer, kind, found, least }),
        }
    }
}

/// A layer that fits its input.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) output: Shape,
    pub(crate) step: Step,
}

/// What a layer does to memory.
#[derive(Debug)]
pub(crate) enum Step {
    /// Reads one activation and writes the next.
    Map(Box<dyn Layer>),
    /// Changes an activation where it lies.
    InPlace(Box<dyn InPlace>),
    /// Only calls it by another shape.
    Rename,
}

/// A tensor of a layer's parameters.
#[derive(Debug)]
pub(crate) struct Tensor {
    /// `weight` or `bias`.
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    /// How many numbers a sum of the layer has: the spread of the first weights.
    pub(crate) fan_in: usize,
}

/// How much memory a layer wants beside its input and output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Floats made from the weights once a pass.
    pub(crate) prepared: usize,
    /// Floats summed over the samples of a shard.
    pub(crate) sums: usize,
    /// Floats that hold nothing between two calls.
    pub(crate) scratch: usize,
    /// Bytes that `forward` leaves for `backward`, for every sample.
    pub(crate) saved: usize,
    /// Random words for one sample.
    pub(crate) words: usize,
}

/// The memory that a layer wanted.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) prepared: AlignedFloats,
    pub(crate) sums: AlignedFloats,
    pub(crate) scratch: AlignedFloats,
    /// `[batch, saved]`.
    pub(crate) saved: Array2<u8>,
    pub(crate) words: Array1<u32>,
}

impl Own {
    /// Allocates for at most `batch` samples.
    pub(crate) fn new(memory: Memory, batch: usize) -> Self {
        Own {
            prepared: AlignedFloats::zeros(memory.prepared),
            sums: AlignedFloats::zeros(memory.sums),
            scratch: AlignedFloats::zeros(memory.scratch),
            saved: Array2::zeros((batch, memory.saved)),
            words: Array1::zeros(memory.words),
        }
    }
}

/// Samples below one another, `[N, D]`: each row is contiguous, and rows may be apart.
pub(crate) type Samples<'a> = ArrayView2<'a, f32>;

/// As [`Samples`], to be written.
pub(crate) type SamplesMut<'a> = ArrayViewMut2<'a, f32>;

/// The numbers of a view in order: the door from views to the kernels that walk slices.
///
/// # Panics
/// When the view is not contiguous, as rows of [`Samples`] and tensors of weights are.
pub(crate) fn slice<'a, T, D: Dimension>(view: ArrayView<'a, T, D>) -> &'a [T] {
    view.to_slice().expect("rows and tensors are contiguous")
}

/// As [`slice()`], to be written.
pub(crate) fn slice_mut<'a, T, D: Dimension>(view: ArrayViewMut<'a, T, D>) -> &'a mut [T] {
    view.into_slice().expect("rows and tensors are contiguous")
}

/// A layer's parameters, each in its tensor's shape; empty for a layer without.
#[derive(Debug, Clone)]
pub(crate) struct Weights<'a> {
    pub(crate) weight: ArrayViewD<'a, f32>,
    pub(crate) bias: ArrayView1<'a, f32>,
}

impl<'a> Weights<'a> {
    /// Those of a layer without parameters.
    pub(crate) fn none() -> Self {
        Weights { weight: ArrayView1::from(&[]).into_dyn(), bias: ArrayView1::from(&[]) }
    }

    /// The weight with the axes that the layer knows it has.
    pub(crate) fn weight<D: Dimension>(&self) -> ArrayView<'a, f32, D> {
        self.weight.clone().into_dimensionality().expect("a layer's weight has the layer's axes")
    }
}

/// As [`Weights`], to be written: their gradient.
#[derive(Debug)]
pub(crate) struct WeightsMut<'a> {
    pub(crate) weight: ArrayViewMutD<'a, f32>,
    pub(crate) bias: ArrayViewMut1<'a, f32>,
}

impl<'a> WeightsMut<'a> {
    /// That of a layer without parameters.
    pub(crate) fn none() -> Self {
        WeightsMut {
            weight: ArrayViewMut1::from(&mut []).into_dyn(),
            bias: ArrayViewMut1::from(&mut []),
        }
    }

    /// Weight and bias, the weight with the axes that the layer knows it has.
    pub(crate) fn split<D: Dimension>(self) -> (ArrayViewMut<'a, f32, D>, &'a mut [f32]) {
        let weight = self.weight.into_dimensionality();
        (weight.expect("a layer's weight has the layer's axes"), slice_mut(self.bias))
    }
}

/// What drop-out draws from: the keys of a training pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws<'a> {
    pub(crate) seed: u64,
    pub(crate) epoch: u32,
    /// One key a sample of the shard.
    pub(crate) items: &'a [u64],
}

/// What a layer sees of the pass that it takes part in.
pub(crate) struct Pass<'a, 'b> {
    pub(crate) isa: Isa,
    /// The layer's own parameters.
    pub(crate) weights: Weights<'a>,
    /// The number in the shard of the first row that is passed.
    pub(crate) first: usize,
    /// `None` when predicting.
    pub(crate) draws: Option<Draws<'a>>,
    pub(crate) beat: &'a mut Beat<'b>,
}

impl Pass<'_, '_> {
    /// Multiplies as `matrix::multiply` does, so many rows at a time that the pulse is called in
    /// between.
    ///
    /// A row's sums do not depend on the rows beside it: cutting changes no bit.
    pub(crate) fn multiply(&mut self, product: Product) -> Result<(), Stopped> {
        let Product { mut a, b, start, mut c, clamp, mut ahead } = product;
        let row_operations = 2 * b.len();
        // Whole tiles of 12 rows, at least one.
        let turn = (OPERATIONS / row_operations.max(1) / 12).max(1) * 12;
        while !c.is_empty() {
            let rows = turn.min(c.nrows());
            let (a_now, a_later) = a.split_at(Axis(0), rows);
            let (c_now, c_later) = c.split_at(Axis(0), rows);
            multiply(self.isa, Product { a: a_now, b, start, c: c_now, clamp, ahead });
            (a, c, ahead) = (a_later, c_later, &[]);
            self.beat.work(rows * row_operations)?;
        }
        Ok(())
    }
}

/// The views of a backward call.
pub(crate) struct Backward<'a> {
    /// What `forward` read.
    pub(crate) x: Samples<'a>,
    /// The gradient of what it wrote.
    pub(crate) dy: Samples<'a>,
    /// Where the gradient of `x` goes; `None` when nobody needs it.
    pub(crate) dx: Option<SamplesMut<'a>>,
    /// The gradient of the layer's parameters; image layers add to it, sample after sample.
    pub(crate) dw: WeightsMut<'a>,
}

/// One differentiable step from one activation to the next.
pub(crate) trait Layer: Debug + Send + Sync {
    /// The tensors of its parameters, in the order in which they lie.
    fn tensors(&self) -> Vec<Tensor> {
        Vec::new()
    }

    /// What it needs for passes over at most `batch` samples.
    fn memory(&self, batch: usize) -> Memory;

    /// True for layers that want all samples of a shard at once.
    fn takes_shards(&self) -> bool {
        false
    }

    /// True when `backward` reads `x`.
    fn reads_input_again(&self) -> bool;

    /// Makes `forward` replace negative outputs by zero, if the layer can do so for nothing;
    /// answers whether it will.
    fn clamp_output(&mut self) -> bool {
        false
    }

    /// Begins a pass: what is made of the weights once. `training`: `backward` will follow.
    fn prepare(&self, _isa: Isa, _weights: Weights, _training: bool, _own: &mut Own) {}

    /// Writes `y`, and into `own` what `backward` will need.
    fn forward(
        &self,
        pass: &mut Pass,
        x: Samples,
        y: SamplesMut,
        own: &mut Own,
    ) -> Result<(), Stopped>;

    /// Writes `dx` and the gradient of the parameters.
    fn backward(&self, pass: &mut Pass, call: Backward, own: &mut Own) -> Result<(), Stopped>;

    /// Ends a shard: what was summed in `own` goes to the gradient of the parameters.
    fn finish(&self, _isa: Isa, _own: &mut Own, _dw: WeightsMut) {}
}

/// One differentiable step that replaces an activation.
pub(crate) trait InPlace: Debug + Send + Sync {
    /// What it needs beside the activation.
    fn memory(&self) -> Memory {
        Memory::default()
    }

    /// True when `backward` reads `y`.
    fn reads_output_again(&self) -> bool {
        false
    }

    /// Replaces `y`.
    fn forward(&self, pass: &mut Pass, y: SamplesMut, own: &mut Own);

    /// Replaces `dy` by the gradient of what `forward` read; `y` is what it wrote.
    fn backward(&self, pass: &mut Pass, y: Samples, dy: SamplesMut, own: &mut Own);
}
