//! Forward and backward through a plan.
//!
//! Images go sample by sample, so that what a sample's layers hand on stays in the cache; from the
//! first dense layer on a shard goes as a whole. Weight gradients of image layers are added in the
//! order of the samples.

use crate::gradient::{Shard, ShardLoss};
use crate::layer::{Backward, Draws, Pass};
use crate::network::{Network, Work};
use crate::pulse::{Beat, Stopped, with_pulse};
use crate::workspace::Workspace;
use crate::{Isa, loss};

impl Network {
    /// Writes to `gradient` that of the sum of the samples' cross-entropies, multiplied by
    /// `shard.scale`.
    ///
    /// `parameters` and `gradient` are flat, as [`Network::parameters`] lays them out. The result
    /// depends on the arguments alone, bit by bit, and not on what `workspace` or `gradient` held.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at least every few milliseconds; the buffers then hold
    /// garbage.
    ///
    /// # Panics
    /// When lengths disagree, a label is not a class, or the workspace is another net's or too
    /// small.
    pub fn gradient<E>(
        &self,
        parameters: &[f32],
        shard: &Shard<'_>,
        workspace: &mut Workspace,
        gradient: &mut [f32],
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<ShardLoss, E> {
        let samples = shard.labels.len();
        assert_eq!(shard.images.len(), samples * self.input().len(), "every label has an image");
        assert_eq!(shard.items.len(), samples, "every label has an item");
        assert!(
            shard.labels.iter().all(|&label| usize::from(label) < self.classes()),
            "labels are classes"
        );
        assert_eq!(gradient.len(), self.parameter_count(), "the gradient has the net's parameters");
        assert_eq!(parameters.len(), self.parameter_count(), "the parameters are the net's");
        workspace.check(self, samples);
        let draws = Some(Draws { seed: shard.seed, epoch: shard.epoch, items: shard.items });
        with_pulse(pulse, |beat| {
            let mut run =
                Run { network: self, isa: self.isa(), parameters, draws, workspace, beat };
            run.forward(shard.images, samples)?;
            let loss = run.loss(shard);
            run.backward(samples, gradient)?;
            Ok(loss)
        })
    }

    /// Writes the probabilities of the classes, `[N, classes]`, for `images [N, H, W, C]`; nothing
    /// is dropped out.
    ///
    /// An image's probabilities have the same bits whatever images are beside it.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at least every few milliseconds; the buffers then hold
    /// garbage.
    ///
    /// # Panics
    /// When lengths disagree, or the workspace is another net's or too small.
    pub fn predict<E>(
        &self,
        parameters: &[f32],
        images: &[f32],
        workspace: &mut Workspace,
        probabilities: &mut [f32],
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let samples = images.len() / self.input().len();
        assert_eq!(images.len(), samples * self.input().len(), "images are whole");
        assert_eq!(
            probabilities.len(),
            samples * self.classes(),
            "every image has its probabilities"
        );
        assert_eq!(parameters.len(), self.parameter_count(), "the parameters are the net's");
        workspace.check(self, samples);
        with_pulse(pulse, |beat| {
            let mut run =
                Run { network: self, isa: self.isa(), parameters, draws: None, workspace, beat };
            run.forward(images, samples)?;
            let logits = run.workspace.slots[self.slots.len() - 1].rows(0, samples);
            for (i, probabilities) in probabilities.chunks_exact_mut(self.classes()).enumerate() {
                loss::softmax(logits.row(i), probabilities);
            }
            Ok(())
        })
    }
}

/// One pass over one shard.
struct Run<'a, 'b> {
    network: &'a Network,
    isa: Isa,
    parameters: &'a [f32],
    draws: Option<Draws<'a>>,
    workspace: &'a mut Workspace,
    beat: &'a mut Beat<'b>,
}

impl Run<'_, '_> {
    /// Fills the slots from the images to the logits.
    fn forward(&mut self, images: &[f32], samples: usize) -> Result<(), Stopped> {
        if samples == 0 {
            return Ok(());
        }
        for (step, own) in self.network.steps.iter().zip(&mut self.workspace.own) {
            if let Work::Map(layer) = &step.work {
                let weights = &self.parameters[step.parameters.clone()];
                layer.prepare(self.isa, weights, self.draws.is_some(), own);
            }
        }
        let sample_steps = self.network.sample_steps;
        for (sample, image) in images.chunks_exact(self.network.input().len()).enumerate() {
            self.workspace.slots[0].rows_mut(sample, 1).row(0).copy_from_slice(image);
            for step in 0..sample_steps {
                self.step_forward(step, sample, 1)?;
            }
        }
        for step in sample_steps..self.network.steps.len() {
            self.step_forward(step, 0, samples)?;
        }
        Ok(())
    }

    /// Runs one step over `count` samples from `first` on.
    fn step_forward(&mut self, number: usize, first: usize, count: usize) -> Result<(), Stopped> {
        let step = &self.network.steps[number];
        let weights = &self.parameters[step.parameters.clone()];
        let Run { isa, draws, .. } = *self;
        let mut pass = Pass { isa, weights, first, draws, beat: &mut *self.beat };
        let (own, slots) = (&mut self.workspace.own[number], &mut self.workspace.slots);
        match &step.work {
            Work::Map(layer) => {
                let (before, after) = slots.split_at_mut(step.slot);
                let x = before[step.slot - 1].rows(first, count);
                layer.forward(&mut pass, x, after[0].rows_mut(first, count), own)?;
            }
            Work::InPlace(layer) => {
                layer.forward(&mut pass, slots[step.slot].rows_mut(first, count), own);
            }
        }
        self.beat.now()
    }

    /// Sums the losses in the order of the samples and writes the gradient of the logits.
    fn loss(&mut self, shard: &Shard) -> ShardLoss {
        let (last, samples) = (self.network.slots.len() - 1, shard.labels.len());
        let logits = self.workspace.slots[last].rows(0, samples);
        let mut gradients = self.workspace.gradients[last].rows_mut(0, samples);
        let mut total = ShardLoss { loss_sum: 0.0, correct: 0 };
        for (i, &label) in shard.labels.iter().enumerate() {
            let (loss, correct) =
                loss::cross_entropy(logits.row(i), label, shard.scale, gradients.row(i));
            total.loss_sum += loss;
            total.correct += u32::from(correct);
        }
        total
    }

    /// Goes back from the logits' gradient to that of all parameters.
    fn backward(&mut self, samples: usize, gradient: &mut [f32]) -> Result<(), Stopped> {
        if samples == 0 {
            gradient.fill(0.0);
            return Ok(());
        }
        let sample_steps = self.network.sample_steps;
        for step in (sample_steps..self.network.steps.len()).rev() {
            self.step_backward(step, 0, samples, gradient)?;
        }
        for step in &self.network.steps[..sample_steps] {
            gradient[step.parameters.clone()].fill(0.0);
        }
        for sample in 0..samples {
            for step in (0..sample_steps).rev() {
                self.step_backward(step, sample, 1, gradient)?;
            }
        }
        for (step, own) in self.network.steps.iter().zip(&mut self.workspace.own) {
            if let Work::Map(layer) = &step.work {
                layer.finish(self.isa, own, &mut gradient[step.parameters.clone()]);
            }
        }
        Ok(())
    }

    /// Takes one step back over `count` samples from `first` on.
    fn step_backward(
        &mut self,
        number: usize,
        first: usize,
        count: usize,
        gradient: &mut [f32],
    ) -> Result<(), Stopped> {
        let step = &self.network.steps[number];
        let weights = &self.parameters[step.parameters.clone()];
        let Run { isa, draws, .. } = *self;
        let mut pass = Pass { isa, weights, first, draws, beat: &mut *self.beat };
        let Workspace { own, slots, gradients, .. } = &mut *self.workspace;
        match &step.work {
            Work::Map(layer) => {
                let (before, after) = gradients.split_at_mut(step.slot);
                let x = slots[step.slot - 1].rows(first, count);
                // Nobody asks for the gradient of the images.
                let dx = (step.slot > 1).then(|| before[step.slot - 1].rows_mut(first, count));
                let dw = &mut gradient[step.parameters.clone()];
                let call = Backward { x, dy: after[0].rows(first, count), dx, dw };
                layer.backward(&mut pass, call, &mut own[number])?;
            }
            Work::InPlace(layer) if step.slot > 0 => {
                let (y, dy) = (
                    slots[step.slot].rows(first, count),
                    gradients[step.slot].rows_mut(first, count),
                );
                layer.backward(&mut pass, y, dy, &mut own[number]);
            }
            Work::InPlace(_) => {}
        }
        self.beat.now()
    }
}
