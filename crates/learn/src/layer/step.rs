//! What a layer is to a pass: its tensors, its memory, and the two traits that do the work.
//!
//! A step is a plan: it holds sizes and no numbers. What it computes with, and what `backward`
//! needs of `forward`, lies in `Own` memory that the workspace allocated once.
//!
//! What flows between steps are `ndarray` views `[N, D]` into the workspace, which a layer for
//! images reads as `[H, W, C]`; weights come as views in their tensors' shapes. Making a view
//! allocates nothing.

use crate::compute_kernels::Isa;
use crate::compute_kernels::aligned::AlignedFloats;
use crate::compute_kernels::matrix::{Product, STREAMS, multiply};
use crate::compute_kernels::planes::{self, Planes};
use crate::network::{ParameterSpec, Role};
use crate::pulse::{Beat, OPERATIONS, Stopped};
use ndarray::{
    Array1, Array2, ArrayView, ArrayView2, ArrayViewMut, ArrayViewMut2, Axis, Dimension,
};
use std::fmt::Debug;

/// A tensor of a layer's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    /// As PyTorch calls it: `weight`, `bias`, `running_mean`.
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) role: Role,
    pub(crate) initial: Initial,
    pub(crate) layout: Layout,
}

impl Tensor {
    /// The weight of a layer whose sums have `fan_in` terms.
    pub(crate) fn weight(shape: Vec<usize>, fan_in: usize, layout: Layout) -> Self {
        let initial = Initial::Uniform { fan_in };
        Tensor { name: "weight", shape, role: Role::Weight, initial, layout }
    }

    /// The bias of a layer whose sums have `fan_in` terms.
    pub(crate) fn bias(len: usize, fan_in: usize) -> Self {
        let initial = Initial::Uniform { fan_in };
        Tensor { name: "bias", shape: vec![len], role: Role::Bias, initial, layout: Layout::Same }
    }
}

/// What a tensor is before the first step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Initial {
    /// Uniform over `+-1 / sqrt(fan_in)`.
    Uniform {
        /// How many terms a sum of the layer has.
        fan_in: usize,
    },
    /// Normal with deviation 1, as PyTorch's embeddings: no sum is made of them.
    Normal,
    /// The same number everywhere.
    Constant(f32),
}

/// How a tensor lies in files, beside how it lies here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Alike.
    Same,
    /// `[places of the kernel.., C, F]` here, `[F, C, places of the kernel..]` in PyTorch's files.
    Convolution,
    /// `[places * c, U]` here; `[U, c * places]` in PyTorch's files, which count a flattened image
    /// channel by channel. Plain features lie at one place.
    Dense {
        /// Places of the image behind the features.
        places: usize,
        /// Its channels.
        c: usize,
    },
    /// As [`Layout::Dense`], with one number instead of `U`.
    Channels {
        /// Places of the image behind the features.
        places: usize,
        /// Its channels.
        c: usize,
    },
}

/// How much memory a step wants beside its input and output.
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

/// The memory that a step wanted; what is prepared lies apart.
#[derive(Debug)]
pub(crate) struct Own {
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

/// A layer's parameters: its tensors in the order in which it named them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a> {
    tensors: &'a [ParameterSpec],
    /// Those of the whole net.
    parameters: &'a [f32],
}

impl<'a> Weights<'a> {
    pub(crate) fn new(tensors: &'a [ParameterSpec], parameters: &'a [f32]) -> Self {
        Weights { tensors, parameters }
    }

    /// How many tensors there are.
    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// The numbers of the tensor, in order.
    pub(crate) fn slice(&self, number: usize) -> &'a [f32] {
        let spec = &self.tensors[number];
        &self.parameters[spec.offset..][..spec.len]
    }

    /// The tensor with the axes that the layer knows it has.
    pub(crate) fn view<D: Dimension>(&self, number: usize) -> ArrayView<'a, f32, D> {
        let tensor = self.tensors[number].view(self.parameters).into_dimensionality();
        tensor.expect("a layer's tensor has the layer's axes")
    }

    /// The second tensor's numbers, or none for a layer without bias.
    pub(crate) fn bias(&self) -> &'a [f32] {
        if self.len() > 1 { self.slice(1) } else { &[] }
    }
}

/// As [`Weights`], to be written: their gradient.
#[derive(Debug)]
pub(crate) struct WeightsMut<'a> {
    tensors: &'a [ParameterSpec],
    /// Those of the layer alone.
    gradient: &'a mut [f32],
    /// See [`Layer::factors`].
    keeps_factors: bool,
}

impl<'a> WeightsMut<'a> {
    /// Out of the gradient of the whole net.
    pub(crate) fn new(tensors: &'a [ParameterSpec], gradient: &'a mut [f32]) -> Self {
        let begin = tensors.first().map_or(0, |spec| spec.offset);
        let end = tensors.last().map_or(0, |spec| spec.offset + spec.len);
        WeightsMut { tensors, gradient: &mut gradient[begin..end], keeps_factors: false }
    }

    /// The same without the first tensor's gradient: its factors are kept instead.
    pub(crate) fn with_factors(self) -> Self {
        WeightsMut { keeps_factors: true, ..self }
    }

    /// True when nobody asks for the first tensor's gradient.
    pub(crate) fn keeps_factors(&self) -> bool {
        self.keeps_factors
    }

    /// The first tensor with the axes that the layer knows it has, and the second's numbers, none
    /// for a layer without bias.
    pub(crate) fn weight_and_bias<D: Dimension>(self) -> (ArrayViewMut<'a, f32, D>, &'a mut [f32]) {
        let (weight, bias) = self.gradient.split_at_mut(self.tensors[0].len);
        let weight = ArrayViewMut::from_shape(&*self.tensors[0].shape, weight);
        let weight = weight.expect("the length is the shape's").into_dimensionality();
        (weight.expect("a layer's tensor has the layer's axes"), bias)
    }

    /// The numbers of all `N` tensors.
    ///
    /// # Panics
    /// When there are not `N`.
    pub(crate) fn slices<const N: usize>(self) -> [&'a mut [f32]; N] {
        assert_eq!(self.tensors.len(), N, "a layer knows how many tensors it has");
        let mut rest = self.gradient;
        std::array::from_fn(|number| {
            let (tensor, later) = std::mem::take(&mut rest).split_at_mut(self.tensors[number].len);
            rest = later;
            tensor
        })
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

/// What a step sees of the pass that it takes part in.
pub(crate) struct Pass<'a, 'b> {
    pub(crate) isa: Isa,
    /// The layer's own parameters.
    pub(crate) weights: Weights<'a>,
    /// What [`Layer::prepare`] made of them.
    pub(crate) prepared: &'a [f32],
    /// How many samples the shard has.
    pub(crate) samples: usize,
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
            (a, c, ahead) = (a_later, c_later, [&[][..]; STREAMS]);
            self.beat.work(rows * row_operations)?;
        }
        Ok(())
    }

    /// Multiplies as `planes::multiply` does, so many planes at a time that the pulse is called in
    /// between.
    pub(crate) fn multiply_planes(&mut self, planes: Planes) -> Result<(), Stopped> {
        let operations = planes.operations();
        let turn = OPERATIONS / operations.max(1);
        let Planes { mut a, mut b, start, mut c, clamp } = planes;
        if turn == 0 {
            // Large planes, row by row.
            for ((a, b), c) in a.outer_iter().zip(b.outer_iter()).zip(c.outer_iter_mut()) {
                self.multiply(Product { clamp, ..Product::new(a, b, start, c) })?;
            }
            return Ok(());
        }
        while !c.is_empty() {
            let count = turn.min(c.dim().0);
            let (a_now, a_later) = a.split_at(Axis(0), count);
            let (b_now, b_later) = b.split_at(Axis(0), count);
            let (c_now, c_later) = c.split_at(Axis(0), count);
            planes::multiply(self.isa, Planes { a: a_now, b: b_now, start, c: c_now, clamp });
            (a, b, c) = (a_later, b_later, c_later);
            self.beat.work(count * operations)?;
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
    /// The gradient of the layer's parameters, see [`Rows`].
    pub(crate) dw: WeightsMut<'a>,
}

/// How many samples a step wants to see in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One, so that a sample's images stay in the cache from layer to layer. Gradients of
    /// parameters are zero when a shard begins, and `backward` adds to them.
    One,
    /// All samples of a shard at once, so that weights are read once. `backward` writes the
    /// gradients of parameters.
    All,
    /// Whatever the steps around it want. Gradients of parameters as for `One`.
    Any,
}

/// A number of a sample that a layer cannot take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refused {
    /// Its place in the sample.
    pub(crate) place: usize,
    /// How many ids there are, from 0 on.
    pub(crate) ids: usize,
}

/// One differentiable step from one activation to the next.
pub(crate) trait Layer: Debug + Send + Sync {
    /// The tensors of its parameters, in the order in which they lie.
    fn tensors(&self) -> Vec<Tensor> {
        Vec::new()
    }

    /// What it needs for passes over at most `batch` samples.
    fn memory(&self, _batch: usize) -> Memory {
        Memory::default()
    }

    /// How many samples it wants at once.
    fn rows(&self) -> Rows;

    /// True when `backward` reads `x`.
    fn reads_input_again(&self) -> bool;

    /// The first place of a sample whose number the layer cannot take, if it reads the net's input.
    fn refused(&self, _x: &[f32]) -> Option<Refused> {
        None
    }

    /// The axes `[D, U]` of the first tensor, when its gradient is `X^T dY` of all that `backward`
    /// gets: then a pass may keep these two instead of their product.
    fn factors(&self) -> Option<[usize; 2]> {
        None
    }

    /// Makes `forward` replace negative outputs by zero, if the layer can do so for nothing;
    /// answers whether it will.
    fn clamp_output(&mut self) -> bool {
        false
    }

    /// Makes `forward` give the greatest of each 2x2 cell of its outputs, as max-pooling does, if the
    /// layer can do so for less; answers whether it will. Asked before [`Layer::clamp_output`].
    fn pool_output(&mut self) -> bool {
        false
    }

    /// Writes to `prepared` what is made of the weights once. `training`: `backward` will follow.
    fn prepare(&self, _isa: Isa, _weights: Weights, _training: bool, _prepared: &mut [f32]) {}

    /// Begins the backward pass of a shard: sums are set to zero.
    fn begin_backward(&self, _own: &mut Own) {}

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

    /// Ends a shard: what was summed in `own` goes to the gradient of the parameters. `share`: the
    /// shard's part of the batch.
    fn finish(&self, _isa: Isa, _share: f32, _own: &mut Own, _dw: WeightsMut) {}
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

    /// True when a step before that reads its output again (ReLU, which asks what is positive) may
    /// read what this one made of it: numbers keep their sign, or get no gradient.
    fn spares_readers(&self) -> bool {
        false
    }

    /// Replaces `y`.
    fn forward(&self, pass: &mut Pass, y: SamplesMut, own: &mut Own);

    /// Replaces `dy` by the gradient of what `forward` read; `y` is what it wrote.
    fn backward(&self, pass: &mut Pass, y: Samples, dy: SamplesMut, own: &mut Own);
}
