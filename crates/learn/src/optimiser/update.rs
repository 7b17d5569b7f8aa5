//! The one door to the next parameters: which tensors may move, how far, and what is remembered.

use super::{Optimiser, Stride};
use crate::compute_kernels::update::{self as kernels, Slices};
use crate::shard_gradient::Needed;
use crate::{Isa, Network, ParameterSpec, Role, ShardGradient};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Numbers whose squares are summed at a time. Slices end where a block ends, so that the norm of
/// a gradient is the same for any number of slices.
pub const NORM_BLOCK: usize = 4096;

/// Numbers of a gradient that are summed at a time: with what a step reads and writes of them they
/// fit into the first two caches.
const BLOCK: usize = 6144;

/// How a training moves the parameters of a net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The rule.
    pub optimiser: Optimiser,
    /// A gradient that is longer than this (as a whole) is shortened to it.
    ///
    /// Source: Pascanu et al., "On the difficulty of training recurrent neural networks",
    /// arXiv:1211.5063, algorithm 1.
    #[serde(default)]
    pub clip_norm: Option<f32>,
    /// Keeps a running average of the weights as the last block of state: `average + (1 - ema)
    /// (weights - average)`, from the weights after the first step on.
    #[serde(default)]
    pub ema: Option<f32>,
    /// What stays as it is: names of tensors (`7.bias`) or of layers (`0`).
    #[serde(default)]
    pub frozen: Vec<String>,
}

impl From<Optimiser> for Update {
    /// The bare rule.
    fn from(optimiser: Optimiser) -> Self {
        Update { optimiser, clip_norm: None, ema: None, frozen: Vec::new() }
    }
}

/// Which step it is, and what the whole gradient says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingStep {
    /// From 1.
    pub number: u64,
    /// What the learning rate is multiplied by, see [`super::schedule::Schedule::factor`].
    pub rate_factor: f32,
    /// The [`gradient_norm`], needed by an update that clips.
    pub gradient_norm: Option<f64>,
}

/// A range of the flat parameters, before and after a step.
#[derive(Debug)]
pub struct ParameterSlice<'a> {
    /// Which of the flat parameters these are.
    pub range: Range<usize>,
    /// The parameters before the step.
    pub old: &'a [f32],
    /// What is remembered of the step before, all zeros at first: block after block of this range,
    /// the moments of the rule first and the average of the weights last.
    pub old_state: &'a [f32],
    /// Where the parameters go.
    pub new: &'a mut [f32],
    /// Where the state goes.
    pub new_state: &'a mut [f32],
}

/// What a step does with a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Treatment {
    /// It follows its gradient.
    Moves { decays: bool },
    /// It is a statistic of the batches, and no parameter of a formula: its gradient is what the
    /// latest batch says, and it averages these with this share of each.
    Averages { momentum: f32 },
    /// It stays.
    Frozen,
}

impl Update {
    /// How many numbers of state go with each parameter. All begin at zero.
    pub fn state_len_per_parameter(&self) -> usize {
        self.optimiser.state_len_per_parameter() + usize::from(self.ema.is_some())
    }

    /// The average of the weights in the state of a slice; `None` when none is kept.
    pub fn average<'a>(&self, state: &'a [f32]) -> Option<&'a [f32]> {
        self.ema?;
        Some(&state[state.len() - state.len() / self.state_len_per_parameter()..])
    }

    /// The first name in `frozen` that no tensor of the net answers to.
    pub fn unknown_frozen(&self, network: &Network) -> Option<&str> {
        let names = self.frozen.iter().map(String::as_str);
        let is_known = |name: &str| network.parameters().iter().any(|spec| spec.is_of(name));
        names.into_iter().find(|name| !is_known(name))
    }

    /// True when something may move: else a training would be for nothing.
    pub fn moves_something(&self, network: &Network) -> bool {
        network.parameters().iter().any(|spec| self.treatment(spec).is_move())
    }

    fn treatment(&self, spec: &ParameterSpec) -> Treatment {
        if self.frozen.iter().any(|name| spec.is_of(name)) {
            return Treatment::Frozen;
        }
        match spec.role {
            Role::Statistic { momentum } => Treatment::Averages { momentum },
            Role::Weight => Treatment::Moves { decays: true },
            Role::Bias | Role::Scale => {
                Treatment::Moves { decays: self.optimiser.rule().decays_all() }
            }
        }
    }

    /// What the gradient is multiplied by.
    ///
    /// The thousandth of a thousandth beside the norm is PyTorch's.
    fn scale(&self, step: &TrainingStep) -> f32 {
        let Some(limit) = self.clip_norm else { return 1.0 };
        let norm = step.gradient_norm.expect("who clips brings the gradient's norm");
        let scale = f64::from(limit) / (norm + 1e-6);
        // Not `min`: what is not a number stays it, and the training stops with a message.
        if scale > 1.0 { 1.0 } else { scale as f32 }
    }
}

impl Treatment {
    /// True for what follows its gradient: this alone counts in a norm.
    fn is_move(self) -> bool {
        matches!(self, Treatment::Moves { .. })
    }
}

/// The length of a gradient: the root of the sum of its [`Network::squared_norms`], from the first
/// block to the last.
pub fn gradient_norm(squares: impl IntoIterator<Item = f64>) -> f64 {
    squares.into_iter().sum::<f64>().sqrt()
}

impl ParameterSlice<'_> {
    /// # Panics
    /// When lengths disagree, or the step's number is 0.
    fn check(&self, update: &Update, step: &TrainingStep) {
        let len = self.range.len();
        let state_len = len * update.state_len_per_parameter();
        assert!(step.number > 0, "steps count from 1");
        assert!([self.old.len(), self.new.len()] == [len; 2], "a slice has {len} numbers");
        let found = [self.old_state.len(), self.new_state.len()];
        assert!(found == [state_len; 2], "its state has {state_len}");
    }

    /// All memory that [`ParameterSlice::part`] gives.
    fn memory(&self, moments: usize, part: Range<usize>) -> Needed<'_> {
        let moment = |number: usize, state: &'_ [f32]| -> Range<usize> {
            let begin = (number * self.range.len() + part.start).min(state.len());
            if number < moments { begin..begin + part.len() } else { 0..0 }
        };
        let (old, new) = (self.old_state, &*self.new_state);
        Needed {
            read: [&self.old[part.clone()], &old[moment(0, old)], &old[moment(1, old)]],
            written: [&self.new[part.clone()], &new[moment(0, new)], &new[moment(1, new)]],
        }
    }

    /// What a rule with so many moments reads and writes for the numbers `part` of the slice.
    fn part<'s>(
        &'s mut self,
        moments: usize,
        part: Range<usize>,
        gradient: &'s [f32],
    ) -> Slices<'s> {
        let one = self.range.len() * moments.min(1);
        let (old_m, old_v) = self.old_state.split_at(one);
        let (new_m, new_v) = self.new_state.split_at_mut(one);
        // A moment that is not kept is nothing.
        let kept = |moment: usize| if moment < moments { part.clone() } else { 0..0 };
        Slices {
            gradient,
            old: &self.old[part.clone()],
            old_state: [&old_m[kept(0)], &old_v[kept(1)]],
            new: &mut self.new[part.clone()],
            new_state: [&mut new_m[kept(0)], &mut new_v[kept(1)]],
        }
    }
}

impl Network {
    /// Makes the next parameters and state of a slice from the sum of the shards' gradients, of
    /// these parameters alone; bit by bit the same for any slices.
    ///
    /// # Panics
    /// When lengths disagree, the step's number is 0, or an update that clips gets no norm.
    pub fn update(
        &self,
        update: &Update,
        step: &TrainingStep,
        gradient: &[f32],
        mut slice: ParameterSlice<'_>,
    ) {
        slice.check(update, step);
        assert_eq!(gradient.len(), slice.range.len(), "every parameter has its gradient");
        let moments = update.optimiser.state_len_per_parameter();
        for (spec, part) in self.parts(slice.range.clone()) {
            let slices = slice.part(moments, part.clone(), &gradient[part]);
            self.move_tensor(update, step, spec, slices);
        }
        self.average(update, step, slice);
    }

    /// Sums the shards' gradients and makes the next parameters and state of a slice, block by
    /// block: what was summed is used while it is in the cache. The bits are those of
    /// [`Network::sum_gradients`] and [`Network::update`]. Returns the first of the flat parameters
    /// whose gradient, or whose new value, is infinite or no number.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at every block, some microseconds of work; the slice
    /// then holds garbage.
    ///
    /// # Panics
    /// As [`Network::update`] and [`Network::sum_gradients`].
    pub fn update_from_shards<E>(
        &self,
        update: &Update,
        step: &TrainingStep,
        shards: &[&ShardGradient],
        mut slice: ParameterSlice<'_>,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        slice.check(update, step);
        let (start, mut not_finite) = (slice.range.start, None);
        let moments = update.optimiser.state_len_per_parameter();
        let mut sum = [0.0; BLOCK];
        for (spec, part) in self.parts(slice.range.clone()) {
            let tensor_at = start as isize - spec.offset as isize;
            let end = part.end;
            let mut at = part.start;
            while at < end {
                pulse()?;
                let len = to_border(spec, (at as isize + tensor_at) as usize).min(end - at);
                let (block, gradient) = (at..at + len, &mut sum[..len]);
                let needed = slice.memory(moments, block.clone());
                self.sum_range(shards, start + at..start + at + len, gradient, needed);
                let slices = slice.part(moments, block.clone(), gradient);
                self.move_tensor(update, step, spec, slices);
                if not_finite.is_none() {
                    let found = first_not_finite(self.isa(), gradient);
                    let new = &slice.new[block];
                    let found = found.or_else(|| first_not_finite(self.isa(), new));
                    not_finite = found.map(|place| start + at + place);
                }
                at += len;
            }
        }
        self.average(update, step, slice);
        Ok(not_finite)
    }

    /// Keeps the average of the weights, if one is kept.
    fn average(&self, update: &Update, step: &TrainingStep, slice: ParameterSlice<'_>) {
        let Some(ema) = update.ema else { return };
        let ParameterSlice { range, old_state, new, new_state, .. } = slice;
        let moments = range.len() * update.optimiser.state_len_per_parameter();
        let (old, average) = (&old_state[moments..], &mut new_state[moments..]);
        match step.number {
            1 => average.copy_from_slice(new),
            _ => kernels::average(self.isa(), 1.0 - ema, new, old, average),
        }
    }

    /// Takes the step of one tensor, or of as much of it as a slice has.
    fn move_tensor(
        &self,
        update: &Update,
        step: &TrainingStep,
        spec: &ParameterSpec,
        slices: Slices,
    ) {
        match update.treatment(spec) {
            Treatment::Averages { momentum } => {
                let Slices { gradient, old, new, .. } = slices;
                kernels::average(self.isa(), momentum, gradient, old, new);
                slices.new_state.into_iter().for_each(|state| state.fill(0.0));
            }
            Treatment::Frozen => {
                slices.new.copy_from_slice(slices.old);
                for (new, old) in slices.new_state.into_iter().zip(slices.old_state) {
                    new.copy_from_slice(old);
                }
            }
            Treatment::Moves { decays } => {
                let (number, rate_factor) = (step.number, step.rate_factor);
                let stride = Stride { number, rate_factor, scale: update.scale(step), decays };
                update.optimiser.rule().step(self.isa(), &stride, slices);
            }
        }
    }

    /// The sum of the squares of what moves, block by block, of the gradient of a range.
    ///
    /// # Panics
    /// When the range does not begin where a block begins and end where one ends (or the
    /// parameters do), or the gradient is not of its length.
    pub fn squared_norms(
        &self,
        update: &Update,
        range: Range<usize>,
        gradient: &[f32],
    ) -> Vec<f64> {
        let is_border = |at: usize| at.is_multiple_of(NORM_BLOCK) || at == self.parameter_count();
        assert!(is_border(range.start) && is_border(range.end), "a slice is whole blocks");
        assert_eq!(gradient.len(), range.len(), "every parameter has its gradient");
        let starts = range.clone().step_by(NORM_BLOCK);
        let blocks = starts.zip(gradient.chunks(NORM_BLOCK)).map(|(start, block)| {
            let parts = self.parts(start..start + block.len());
            let moving = parts.filter(|(spec, _)| update.treatment(spec).is_move());
            moving.map(|(_, part)| kernels::sum_of_squares(self.isa(), &block[part])).sum()
        });
        blocks.collect()
    }

    /// The tensors in a range of the flat parameters, and where in the range each lies.
    pub(crate) fn parts(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = (&ParameterSpec, Range<usize>)> {
        let specs = self.parameters();
        let first = specs.partition_point(|spec| spec.offset + spec.len <= range.start);
        let within = specs[first..].iter().take_while(move |spec| spec.offset < range.end);
        within.map(move |spec| {
            let start = spec.offset.max(range.start) - range.start;
            let end = (spec.offset + spec.len).min(range.end) - range.start;
            (spec, start..end)
        })
    }
}

/// How many numbers of the tensor lie between number `at` and the end of its block: whole rows where
/// they fit, since rows are what products are made of.
fn to_border(spec: &ParameterSpec, at: usize) -> usize {
    let row = spec.shape.last().copied().unwrap_or(1).max(1);
    // Whole tiles of twelve rows, where so many fit.
    let rows = (BLOCK / row).max(1);
    let rows = if rows > 12 { rows / 12 * 12 } else { rows };
    let block = (rows * row).min(BLOCK);
    block - at % block
}

/// The place of the first number that is infinite or none.
fn first_not_finite(isa: Isa, numbers: &[f32]) -> Option<usize> {
    if kernels::all_finite(isa, numbers) {
        return None;
    }
    numbers.iter().position(|x| !x.is_finite())
}
