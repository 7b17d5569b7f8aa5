//! Forward and backward along a plan.
//!
//! Images go sample by sample wherever they can, so that what a sample's layers hand on stays in
//! the cache. Weight gradients of image layers are added in the order of the samples.

use crate::Isa;
use crate::compute_kernels::aligned::AlignedFloats;
use crate::compute_kernels::elementwise;
use crate::gradient::{Shard, ShardLoss};
use crate::layer::step::{
    Backward, Draws, Pass, Rows, Samples, Weights, WeightsMut, slice, slice_mut,
};
use crate::network::{Network, ParameterSpec};
use crate::plan::{Plan, Work};
use crate::pulse::{Beat, Stopped, with_pulse};
use crate::shard_gradient::{Factors, ShardGradient};
use crate::workspace::{Memory, Workspace};
use ndarray::ArrayView2;
use std::ops::Range;

impl Network {
    /// Writes to `gradient` that of the sum of the samples' cross-entropies, multiplied by
    /// `shard.scale`. A tensor of [`crate::Role::Statistic`] gets the shard's part of the batch's
    /// statistic instead.
    ///
    /// `parameters` and `gradient` are flat, as [`Network::parameters`] lays them out. The result
    /// depends on the arguments alone, bit by bit, and not on what `workspace` or `gradient` held.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at least every few milliseconds; the buffers then hold
    /// garbage.
    ///
    /// # Panics
    /// When shapes disagree, a label is not a class, or the workspace is another net's or too
    /// small.
    pub fn gradient<E>(
        &self,
        parameters: &[f32],
        shard: &Shard<'_>,
        workspace: &mut Workspace,
        gradient: &mut [f32],
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<ShardLoss, E> {
        assert_eq!(gradient.len(), self.parameter_count(), "the gradient has the net's parameters");
        self.pass(parameters, shard, workspace, (gradient, &mut []), pulse)
    }

    /// As [`Network::gradient`], to be summed by [`Network::sum_gradients`] or
    /// [`Network::update_from_shards`].
    ///
    /// # Errors
    /// As [`Network::gradient`].
    ///
    /// # Panics
    /// As [`Network::gradient`], or when `gradient` is another net's or too small.
    pub fn gradient_of_shard<E>(
        &self,
        parameters: &[f32],
        shard: &Shard<'_>,
        workspace: &mut Workspace,
        gradient: &mut ShardGradient,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<ShardLoss, E> {
        let count = self.parameter_count();
        assert_eq!(gradient.numbers.len(), count, "the gradient has the net's parameters");
        gradient.factors.iter_mut().for_each(Factors::clear);
        let target = (&mut *gradient.numbers, &mut *gradient.factors);
        self.pass(parameters, shard, workspace, target, pulse)
    }

    fn pass<E>(
        &self,
        parameters: &[f32],
        shard: &Shard<'_>,
        workspace: &mut Workspace,
        (gradient, factors): (&mut [f32], &mut [Factors]),
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<ShardLoss, E> {
        let samples = shard.targets.len();
        let images = self.input().rows_of(&shard.images);
        assert_eq!(images.nrows(), samples, "every label has an image");
        assert_eq!(shard.items.len(), samples, "every label has an item");
        assert!(shard.targets.fit(self.classes()), "labels are classes");
        assert_eq!(parameters.len(), self.parameter_count(), "the parameters are the net's");
        workspace.check(self.id(), samples);
        let draws = Some(Draws { seed: shard.seed, epoch: shard.epoch, items: shard.items });
        let Workspace { prepared, memory, .. } = workspace;
        let (plan, tensors, isa) = (self.plan(), self.parameters(), self.isa());
        if samples == 0 {
            let has_factors = |at| factors.iter().any(|factors| factors.offset == at);
            let whole = tensors.iter().filter(|spec| !has_factors(spec.offset));
            whole.for_each(|spec| gradient[spec.range()].fill(0.0));
            return Ok(ShardLoss { loss_sum: 0.0, correct: 0 });
        }
        prepare(plan, tensors, isa, parameters, true, prepared);
        with_pulse(pulse, |beat| {
            let mut run =
                Run { plan, tensors, isa, parameters, prepared, draws, samples, memory, beat };
            run.forward(images)?;
            let loss = run.loss(shard);
            run.backward(shard.share, gradient, factors)?;
            Ok(loss)
        })
    }
}

/// Writes what every step makes of its weights once.
pub(crate) fn prepare(
    plan: &Plan,
    tensors: &[ParameterSpec],
    isa: Isa,
    parameters: &[f32],
    training: bool,
    prepared: &mut [AlignedFloats],
) {
    for (step, prepared) in plan.steps.iter().zip(prepared) {
        if let Work::Map(layer) = &step.work {
            let weights = Weights::new(&tensors[step.tensors.clone()], parameters);
            layer.prepare(isa, weights, training, prepared);
        }
    }
}

/// One pass over one shard.
pub(crate) struct Run<'a, 'b> {
    pub(crate) plan: &'a Plan,
    pub(crate) tensors: &'a [ParameterSpec],
    pub(crate) isa: Isa,
    pub(crate) parameters: &'a [f32],
    /// By step.
    pub(crate) prepared: &'a [AlignedFloats],
    pub(crate) draws: Option<Draws<'a>>,
    /// At least one.
    pub(crate) samples: usize,
    pub(crate) memory: &'a mut Memory,
    pub(crate) beat: &'a mut Beat<'b>,
}

impl Run<'_, '_> {
    /// Computes the value of `images [N, D]` at every step.
    pub(crate) fn forward(&mut self, images: ArrayView2<f32>) -> Result<(), Stopped> {
        let input_has_rows = self.plan.slots[0].row_per_sample;
        if input_has_rows {
            self.memory.slots[0].rows_mut(0, self.samples).assign(&images);
        }
        for (number, segment) in self.plan.segments.iter().enumerate() {
            if segment.whole_shard {
                for step in segment.steps.clone() {
                    self.step_forward(step, 0, self.samples)?;
                }
                continue;
            }
            for sample in 0..self.samples {
                if number == 0 && !input_has_rows {
                    self.memory.slots[0].rows_mut(0, 1).row_mut(0).assign(&images.row(sample));
                }
                for step in segment.steps.clone() {
                    self.step_forward(step, sample, 1)?;
                }
            }
        }
        Ok(())
    }

    /// What the net gives, `[N, classes]`.
    pub(crate) fn logits(&self) -> ArrayView2<'_, f32> {
        self.memory.slots[self.plan.output].rows(0, self.samples)
    }

    /// Runs one step over `count` samples from `first` on.
    fn step_forward(&mut self, number: usize, first: usize, count: usize) -> Result<(), Stopped> {
        let step = &self.plan.steps[number];
        let Run { isa, draws, samples, .. } = *self;
        let weights = Weights::new(&self.tensors[step.tensors.clone()], self.parameters);
        let prepared = &self.prepared[number];
        let beat = &mut *self.beat;
        let mut pass = Pass { isa, weights, prepared, samples, first, draws, beat };
        let Memory { own, slots, .. } = &mut *self.memory;
        if let Work::InPlace(layer) = &step.work {
            layer.forward(&mut pass, slots[step.y].rows_mut(first, count), &mut own[step.own]);
            return self.beat.now();
        }
        let [x, y] = slots.get_disjoint_mut([step.x, step.y]).expect("a step reads another value");
        let (x, y) = (x.rows(first, count), y.rows_mut(first, count));
        match &step.work {
            Work::Map(layer) => layer.forward(&mut pass, x, y, &mut own[step.own])?,
            Work::Join(join) => join.forward(isa, x, y),
            Work::InPlace(_) => unreachable!("handled above"),
        }
        self.beat.now()
    }

    /// Sums the losses in the order of the samples and writes the gradient of the logits.
    fn loss(&mut self, shard: &Shard) -> ShardLoss {
        let Memory { slots, gradients, .. } = &mut *self.memory;
        let logits = slots[self.plan.output].rows(0, self.samples);
        let gradients = gradients.rows_mut(self.plan.gradients[self.plan.output], 0, self.samples);
        shard.loss.of_shard(logits, &shard.targets, shard.scale, gradients)
    }

    /// Goes back from the logits' gradient to that of all parameters.
    fn backward(
        &mut self,
        share: f32,
        gradient: &mut [f32],
        factors: &mut [Factors],
    ) -> Result<(), Stopped> {
        for step in &self.plan.steps {
            if let Work::Map(layer) = &step.work {
                layer.begin_backward(&mut self.memory.own[step.own]);
                if layer.rows() != Rows::All {
                    for spec in &self.tensors[step.tensors.clone()] {
                        gradient[spec.offset..][..spec.len].fill(0.0);
                    }
                }
            }
        }
        for segment in self.plan.segments.iter().rev() {
            if segment.whole_shard {
                for step in segment.steps.clone().rev() {
                    self.step_backward(step, 0..self.samples, gradient, factors)?;
                }
                continue;
            }
            for sample in 0..self.samples {
                for step in segment.steps.clone().rev() {
                    self.step_backward(step, sample..sample + 1, gradient, factors)?;
                }
            }
        }
        for step in &self.plan.steps {
            if let Work::Map(layer) = &step.work {
                let dw = WeightsMut::new(&self.tensors[step.tensors.clone()], gradient);
                layer.finish(self.isa, share, &mut self.memory.own[step.own], dw);
            }
        }
        Ok(())
    }

    /// Takes one step back over some samples.
    fn step_backward(
        &mut self,
        number: usize,
        members: Range<usize>,
        gradient: &mut [f32],
        factors: &mut [Factors],
    ) -> Result<(), Stopped> {
        let (first, count) = (members.start, members.len());
        let step = &self.plan.steps[number];
        if !self.plan.moves[step.y] {
            return Ok(());
        }
        let Run { isa, draws, samples, plan, .. } = *self;
        let tensors = &self.tensors[step.tensors.clone()];
        let weights = Weights::new(tensors, self.parameters);
        let prepared = &self.prepared[number];
        let beat = &mut *self.beat;
        let mut pass = Pass { isa, weights, prepared, samples, first, draws, beat };
        let Memory { own, slots, gradients, spare } = &mut *self.memory;
        let (own, [of_x, of_y]) = (&mut own[step.own], [step.x, step.y].map(|s| plan.gradients[s]));
        // Nobody asks for the gradient of the images, or of what depends on them alone.
        let asked = plan.moves[step.x];
        match &step.work {
            Work::InPlace(layer) => {
                let (y, dy) =
                    (slots[step.y].rows(first, count), gradients.rows_mut(of_y, first, count));
                layer.backward(&mut pass, y, dy, own);
            }
            Work::Join(join) => {
                if asked {
                    let (dx, dy) = gradients.two_mut(of_x, of_y, first, count);
                    join.backward(isa, dy.view(), dx, plan.adds[number]);
                }
            }
            Work::Map(layer) => {
                let x = slots[step.x].rows(first, count);
                let (mut dx, dy) = match asked {
                    true => {
                        let (dx, dy) = gradients.two_mut(of_x, of_y, first, count);
                        (Some(dx), dy)
                    }
                    false => (None, gradients.rows_mut(of_y, first, count)),
                };
                let dw = weights_mut(tensors, gradient, factors, (first, x, dy.view()));
                if let Some(dx) = dx.as_mut().filter(|_| plan.adds[number]) {
                    let mut part = spare.first_rows_mut(of_x.len, count);
                    let call = Backward { x, dy: dy.view(), dx: Some(part.view_mut()), dw };
                    layer.backward(&mut pass, call, own)?;
                    for (part, dx) in part.outer_iter().zip(dx.outer_iter_mut()) {
                        elementwise::add_to(isa, slice(part), slice_mut(dx));
                    }
                } else {
                    let call = Backward { x, dy: dy.view(), dx, dw };
                    layer.backward(&mut pass, call, own)?;
                }
            }
        }
        self.beat.now()
    }
}

/// Where a layer puts its gradient. Of a weight that has factors these are noted instead: what the
/// layer read and the gradient of what it wrote, of samples from `first` on.
fn weights_mut<'a>(
    tensors: &'a [ParameterSpec],
    gradient: &'a mut [f32],
    factors: &mut [Factors],
    (first, x, dy): (usize, Samples, Samples),
) -> WeightsMut<'a> {
    let dw = WeightsMut::new(tensors, gradient);
    let offset = tensors.first().map(|spec| spec.offset);
    match factors.iter_mut().find(|factors| Some(factors.offset) == offset) {
        None => dw,
        Some(factors) => {
            factors.keep(first, x, dy);
            dw.with_factors()
        }
    }
}
