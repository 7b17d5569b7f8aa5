//! A shard's gradient as a pass leaves it, and the sum of all shards'.
//!
//! The gradient of a dense layer's weight `[D, U]` is a product, `X^T dY` over the samples: for few
//! samples its two factors are much smaller than it is. So a shard hands on the factors, and
//! whoever needs a part of the sum multiplies just that part, in a block that stays in the cache.
//! Such a tensor's sum runs over all samples of the batch, in the order of the shards: one chain for
//! every number, whatever part it is asked for in. All other tensors are summed by
//! [`sum_shards`].

use crate::compute_kernels::aligned::AlignedFloats;
use crate::compute_kernels::matrix::{Product, STREAMS, Start, multiply, plain};
use crate::gradient::sum_shards;
use crate::layer::step::{Samples, slice};
use crate::network::ParameterSpec;
use crate::plan::Work;
use crate::{Isa, Network};
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder, s};
use std::ops::Range;

/// The gradient of a shard of a batch.
#[derive(Debug)]
pub struct ShardGradient {
    /// Flat, as [`Network::parameters`] lays tensors out; those that have factors are never touched,
    /// so that they take no memory on systems that give it on first use.
    pub(crate) numbers: Vec<f32>,
    /// In the order of the tensors.
    pub(crate) factors: Vec<Factors>,
}

/// The two factors of a weight's gradient.
#[derive(Debug)]
pub(crate) struct Factors {
    /// Where the weight begins in the flat parameters.
    pub(crate) offset: usize,
    inputs: Side,
    outputs: Side,
    samples: usize,
}

/// One row a sample.
#[derive(Debug)]
struct Side {
    width: usize,
    data: AlignedFloats,
}

impl Side {
    fn new(width: usize, batch: usize) -> Self {
        Side { width, data: AlignedFloats::zeros(batch * pitch(width)) }
    }

    /// The first `samples` rows.
    fn rows(&self, samples: usize) -> ArrayView2<'_, f32> {
        let shape = (samples, self.width).strides((pitch(self.width), 1));
        ArrayView2::from_shape(shape, &self.data).expect("there is room for every sample")
    }

    /// Copies rows, the first of which is number `first`.
    fn keep(&mut self, first: usize, rows: Samples) {
        let pitch = pitch(self.width);
        for (row, to) in rows.outer_iter().zip(self.data[first * pitch..].chunks_mut(pitch)) {
            to[..self.width].copy_from_slice(slice(row));
        }
    }
}

/// From row to row: an odd number of cache lines, so that a column does not fall into one set of the
/// cache.
fn pitch(width: usize) -> usize {
    (width.div_ceil(16) | 1) * 16
}

impl Factors {
    /// Those of no samples.
    pub(crate) fn clear(&mut self) {
        self.samples = 0;
    }

    /// Notes what the layer read and the gradient of what it wrote, of samples from `first` on.
    pub(crate) fn keep(&mut self, first: usize, x: Samples, dy: Samples) {
        self.samples = first + x.nrows();
        self.inputs.keep(first, x);
        self.outputs.keep(first, dy);
    }
}

impl ShardGradient {
    fn factors(&self, spec: &ParameterSpec) -> Option<&Factors> {
        self.factors.iter().find(|factors| factors.offset == spec.offset)
    }
}

impl Network {
    /// The memory of gradients of shards of at most `batch` samples. Which tensors have factors
    /// depends on this number: ask for the same with all shards of a batch.
    pub fn shard_gradient(&self, batch: usize) -> ShardGradient {
        let plan = self.plan();
        let factors = plan.steps.iter().filter_map(|step| {
            let Work::Map(layer) = &step.work else { return None };
            let [inputs, outputs] = layer.factors()?;
            let pays = 2 * batch.saturating_mul(inputs + outputs) <= inputs * outputs;
            let offset = self.parameters()[step.tensors.start].offset;
            let [inputs, outputs] = [inputs, outputs].map(|width| Side::new(width, batch));
            pays.then_some(Factors { offset, inputs, outputs, samples: 0 })
        });
        ShardGradient { numbers: vec![0.0; self.parameter_count()], factors: factors.collect() }
    }

    /// Writes the sum of the shards' gradients of a range of the flat parameters. Every number is
    /// summed by itself, so that ranges may be summed apart.
    ///
    /// # Panics
    /// When there are no shards, they are another net's or of another size, or `out` has not the
    /// length of the range.
    pub fn sum_gradients(&self, shards: &[&ShardGradient], range: Range<usize>, out: &mut [f32]) {
        self.sum_range(shards, range, out, Needed::default());
    }

    /// As [`Network::sum_gradients`]; calls into the cache what is `needed` then.
    pub(crate) fn sum_range(
        &self,
        shards: &[&ShardGradient],
        range: Range<usize>,
        out: &mut [f32],
        needed: Needed,
    ) {
        assert!(!shards.is_empty(), "a sum has at least one part");
        assert_eq!(out.len(), range.len(), "every parameter has its sum");
        let start = range.start;
        for (spec, part) in self.parts(range) {
            let flat = start + part.start..start + part.end;
            let out = &mut out[part];
            let factors: Vec<&Factors> =
                shards.iter().filter_map(|shard| shard.factors(spec)).collect();
            if factors.is_empty() {
                let parts: Vec<&[f32]> =
                    shards.iter().map(|shard| &shard.numbers[flat.clone()]).collect();
                sum_shards(&parts, out);
            } else {
                assert_eq!(factors.len(), shards.len(), "the shards of a batch have one size");
                let first = flat.start - spec.offset;
                multiply_factors(self.isa(), &factors, first, out, needed);
            }
        }
    }
}

/// Memory that is needed as soon as a sum is there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needed<'a> {
    pub(crate) read: [&'a [f32]; STREAMS],
    pub(crate) written: [&'a [f32]; STREAMS],
}

impl<'a> Needed<'a> {
    /// What is called into the cache with product `number` of `count`: first what is read, then what
    /// is written.
    fn with(&self, number: usize, count: usize) -> [&'a [f32]; STREAMS] {
        let reading = count.div_ceil(2);
        let (pieces, number, count) = match number < reading {
            true => (self.read, number, reading),
            false => (self.written, number - reading, count - reading),
        };
        pieces.map(|piece| &piece[piece.len() * number / count..piece.len() * (number + 1) / count])
    }
}

/// Writes the numbers from `first` on of the sum of `X^T dY` over all factors, in their order.
fn multiply_factors(
    isa: Isa,
    factors: &[&Factors],
    first: usize,
    mut out: &mut [f32],
    needed: Needed,
) {
    let width = factors[0].outputs.width;
    let mut at = first;
    while !out.is_empty() {
        // Whole rows, or what there is of one.
        let (row, column) = (at / width, at % width);
        let is_whole = column == 0 && out.len() >= width;
        let (rows, columns) = match is_whole {
            true => (out.len() / width, width),
            false => (1, (width - column).min(out.len())),
        };
        let (block, rest) = out.split_at_mut(rows * columns);
        let block = ArrayViewMut2::from_shape((rows, columns), block);
        let mut block = block.expect("the block has whole rows");
        let count = factors.len();
        for (number, factors) in factors.iter().enumerate() {
            let x = factors.inputs.rows(factors.samples);
            let x = plain(x.slice_move(s![.., row..row + rows]).reversed_axes());
            let dy = factors.outputs.rows(factors.samples);
            let dy = dy.slice_move(s![.., column..column + columns]);
            let start = if number == 0 { Start::Zero } else { Start::Sum };
            let ahead = needed.with(number, count);
            let product = Product::new(x, dy, start, block.view_mut());
            multiply(isa, Product { ahead, ..product });
        }
        (out, at) = (rest, at + rows * columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerSpec;
    use crate::layer::gradient_check::numbers;
    use crate::layer::{dense::Dense, flatten::Flatten, relu::Relu};
    use crate::{
        Adam, Loss, Optimiser, ParameterSlice, Shape, Shard, Targets, TrainingStep, Update,
    };
    use proptest::prelude::*;

    const BATCH: usize = 3;

    /// The first layer's weight has factors, the second's is too small.
    fn network(isa: Isa) -> Network {
        let layers: [LayerSpec; 4] =
            [Flatten {}.into(), Dense::new(35).into(), Relu {}.into(), Dense::new(4).into()];
        let network = Network::new(Shape::Image { h: 5, w: 6, c: 2 }, &layers);
        network.expect("the layers fit").with_isa(isa)
    }

    /// The gradients of shards of so many samples, and the same as flat numbers.
    fn gradients(network: &Network, sizes: &[usize]) -> (Vec<ShardGradient>, Vec<Vec<f32>>) {
        let (parameters, mut workspace) = (network.initial_parameters(1), network.workspace(BATCH));
        let of = |(number, &size): (usize, &usize)| {
            let images = numbers(size * network.input().len(), 7 + number as u64);
            let shard = Shard {
                images: network.input().samples(&images),
                targets: Targets::Classes(&[1, 0, 3][..size]),
                loss: &Loss::default(),
                items: &[4, 5, 6][..size],
                seed: 1,
                epoch: 0,
                scale: 0.2,
                share: size as f32 / sizes.iter().sum::<usize>() as f32,
            };
            let mut go_on = || Ok::<(), ()>(());
            let mut flat = vec![9.0; network.parameter_count()];
            let loss = network.gradient(&parameters, &shard, &mut workspace, &mut flat, &mut go_on);
            let mut found = network.shard_gradient(BATCH);
            // What an earlier shard left behind has no effect.
            found.numbers.fill(9.0);
            for _ in 0..2 {
                let again = network.gradient_of_shard(
                    &parameters,
                    &shard,
                    &mut workspace,
                    &mut found,
                    &mut go_on,
                );
                assert_eq!(again, loss);
            }
            (found, flat)
        };
        sizes.iter().enumerate().map(of).unzip()
    }

    #[test]
    fn the_sum_of_factors_is_the_sum_of_the_gradients() {
        for isa in Isa::available() {
            let network = network(isa);
            let (shards, flat) = gradients(&network, &[3, 1, 0, 2]);
            assert_eq!(shards[0].factors.len(), 1, "one weight pays");
            let count = network.parameter_count();
            let (mut found, mut expected) = (vec![9.0; count], vec![9.0; count]);
            network.sum_gradients(&shards.iter().collect::<Vec<_>>(), 0..count, &mut found);
            sum_shards(&flat.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut expected);
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let off = (found - expected).abs();
                assert!(off <= 1e-6, "{isa:?} at {at}: {found} for {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_sum_and_a_step_have_the_same_bits_whatever_slices_they_are_made_in(
            cuts in proptest::collection::vec(0usize..2_300, 0..6),
        ) {
            let network = network(Isa::best());
            let count = network.parameter_count();
            let (shards, _) = gradients(&network, &[2, 3]);
            let shards: Vec<&ShardGradient> = shards.iter().collect();
            let update = Update::from(Optimiser::Adam(Adam::default()));
            let step = TrainingStep { number: 3, rate_factor: 1.0, gradient_norm: None };
            let (old, moments) = (network.initial_parameters(1), vec![0.5; 2 * count]);
            let (mut sum, mut new) = (vec![9.0; count], vec![9.0; count]);
            let (mut state, mut next) = (vec![9.0; 2 * count], vec![9.0; count]);
            network.sum_gradients(&shards, 0..count, &mut sum);
            let slice = ParameterSlice {
                range: 0..count, old: &old, old_state: &moments, new: &mut new, new_state: &mut state,
            };
            network.update(&update, &step, &sum, slice);
            let mut ends: Vec<usize> = cuts.iter().map(|&cut| cut.min(count)).collect();
            ends.extend([0, count]);
            ends.sort_unstable();
            for pair in ends.windows(2) {
                let range = pair[0]..pair[1];
                let mut part = vec![9.0; range.len()];
                network.sum_gradients(&shards, range.clone(), &mut part);
                prop_assert_eq!(&part, &sum[range.clone()]);
                let slice = ParameterSlice {
                    range: range.clone(),
                    old: &old[range.clone()],
                    old_state: &moments[..2 * range.len()],
                    new: &mut next[range.clone()],
                    new_state: &mut state[..2 * range.len()],
                };
                let mut go_on = || Ok::<(), ()>(());
                let done = network.update_from_shards(&update, &step, &shards, slice, &mut go_on);
                prop_assert_eq!(done, Ok(None));
            }
            prop_assert_eq!(next, new);
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_is_found_in_its_place() {
        let network = network(Isa::best());
        let count = network.parameter_count();
        let (mut shards, _) = gradients(&network, &[2, 3]);
        shards[1].numbers[count - 2] = f32::NAN;
        let shards: Vec<&ShardGradient> = shards.iter().collect();
        let update = Update::from(Optimiser::Adam(Adam::default()));
        let step = TrainingStep { number: 1, rate_factor: 1.0, gradient_norm: None };
        let (old, zeros) = (network.initial_parameters(1), vec![0.0; 2 * count]);
        let (mut new, mut state) = (old.clone(), zeros.clone());
        let (range, old, old_state) = (100..count, &old[100..], &zeros[200..]);
        let (new, new_state) = (&mut new[100..], &mut state[200..]);
        let slice = ParameterSlice { range, old, old_state, new, new_state };
        let mut go_on = || Ok::<(), ()>(());
        let found = network.update_from_shards(&update, &step, &shards, slice, &mut go_on);
        assert_eq!(found, Ok(Some(count - 2)));
    }
}
