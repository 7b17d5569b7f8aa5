//! The one door to the next parameters: which tensors may move, how far, and what is remembered.

use super::{Optimiser, Stride};
use crate::compute_kernels::update::{self as kernels, Slices};
use crate::{Network, ParameterSpec, Role};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Numbers whose squares are summed at a time. Slices end where a block ends, so that the norm of
/// a gradient is the same for any number of slices.
pub const NORM_BLOCK: usize = 4096;

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
    /// The sum of the shards' gradients, of these parameters alone.
    pub gradient: &'a [f32],
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
        let is_known = |name: &str| network.parameters().iter().any(|spec| is_of(spec, name));
        names.into_iter().find(|name| !is_known(name))
    }

    /// True when something may move: else a training would be for nothing.
    pub fn moves_something(&self, network: &Network) -> bool {
        network.parameters().iter().any(|spec| self.treatment(spec).is_move())
    }

    fn treatment(&self, spec: &ParameterSpec) -> Treatment {
        if self.frozen.iter().any(|name| is_of(spec, name)) {
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

/// True when `name` is the tensor's, or that of a layer that it is of.
fn is_of(spec: &ParameterSpec, name: &str) -> bool {
    spec.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The length of a gradient: the root of the sum of its [`Network::squared_norms`], from the first
/// block to the last.
pub fn gradient_norm(squares: impl IntoIterator<Item = f64>) -> f64 {
    squares.into_iter().sum::<f64>().sqrt()
}

impl Network {
    /// Makes the next parameters and state of a slice, bit by bit the same for any slices.
    ///
    /// # Panics
    /// When lengths disagree, the step's number is 0, or an update that clips gets no norm.
    pub fn update(&self, update: &Update, step: &TrainingStep, slice: ParameterSlice<'_>) {
        let ParameterSlice { range, gradient, old, old_state, new, new_state } = slice;
        let (len, moments) = (range.len(), update.optimiser.state_len_per_parameter());
        let state_len = len * update.state_len_per_parameter();
        assert!(step.number > 0, "steps count from 1");
        assert!([gradient.len(), old.len(), new.len()] == [len; 3], "a slice has {len} numbers");
        assert!([old_state.len(), new_state.len()] == [state_len; 2], "its state has {state_len}");
        let (old_moments, old_average) = old_state.split_at(len * moments);
        let (new_moments, new_average) = new_state.split_at_mut(len * moments);
        let (old_m, old_v) = old_moments.split_at(len * moments.min(1));
        let (new_m, new_v) = new_moments.split_at_mut(len * moments.min(1));
        for (spec, part) in self.parts(range) {
            // A moment that is not kept is nothing.
            let (m, v) = (moment(&part, old_m), moment(&part, old_v));
            let slices = Slices {
                gradient: &gradient[part.clone()],
                old: &old[part.clone()],
                old_state: [&old_m[m.clone()], &old_v[v.clone()]],
                new: &mut new[part],
                new_state: [&mut new_m[m], &mut new_v[v]],
            };
            self.move_tensor(update, step, spec, slices);
        }
        match update.ema {
            None => {}
            Some(_) if step.number == 1 => new_average.copy_from_slice(new),
            Some(ema) => kernels::average(self.isa(), 1.0 - ema, new, old_average, new_average),
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
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (&ParameterSpec, Range<usize>)> {
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

/// Where the numbers of `part` lie in a block of moments: nowhere in one that is not kept.
fn moment(part: &Range<usize>, block: &[f32]) -> Range<usize> {
    if block.is_empty() { 0..0 } else { part.clone() }
}
