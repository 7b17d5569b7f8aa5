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
use ndarray::{ArrayView2, ArrayViewD, ArrayViewMut2};

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
        let samples = shard.labels.len();
        let images = self.rows_of(&shard.images);
        assert_eq!(images.nrows(), samples, "every label has an image");
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
            run.forward(images)?;
            let loss = run.loss(shard);
            run.backward(samples, gradient)?;
            Ok(loss)
        })
    }

    /// Writes the probabilities of the classes, `[N, classes]`, for `images [N, H, W, C]` (or
    /// `[N, D]`, for a net of features) in standard layout; nothing is dropped out.
    ///
    /// An image's probabilities have the same bits whatever images are beside it.
    ///
    /// # Errors
    /// The error of `pulse`, which is called at least every few milliseconds; the buffers then hold
    /// garbage.
    ///
    /// # Panics
    /// When shapes disagree, or the workspace is another net's or too small.
    pub fn predict<E>(
        &self,
        parameters: &[f32],
        images: ArrayViewD<'_, f32>,
        workspace: &mut Workspace,
        mut probabilities: ArrayViewMut2<'_, f32>,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let images = self.rows_of(&images);
        let samples = images.nrows();
        let shape = (samples, self.classes());
        assert_eq!(probabilities.dim(), shape, "every image has its probabilities");
        assert_eq!(parameters.len(), self.parameter_count(), "the parameters are the net's");
        workspace.check(self, samples);
        with_pulse(pulse, |beat| {
            let mut run =
                Run { network: self, isa: self.isa(), parameters, draws: None, workspace, beat };
            run.forward(images)?;
            let logits = run.workspace.slots[self.slots.len() - 1].rows(0, samples);
            for (logits, probabilities) in logits.outer_iter().zip(probabilities.outer_iter_mut()) {
                loss::softmax(logits, probabilities);
            }
            Ok(())
        })
    }

    /// Images `[N, H, W, C]`, or features `[N, D]`, as rows `[N, H * W * C]`.
    ///
    /// # Panics
    /// When they have not the shape of the net's input, or are not in standard layout.
    fn rows_of<'a>(&self, images: &ArrayViewD<'a, f32>) -> ArrayView2<'a, f32> {
        let (input, axes) = (self.input(), images.shape());
        assert!(input.fits(axes), "images of shape {axes:?} for a net whose input is {input}");
        let shape = (axes[0], input.len());
        let numbers = images.to_slice().expect("images are in standard layout");
        ArrayView2::from_shape(shape, numbers).expect("the length is the shape's")
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
    fn forward(&mut self, images: ArrayView2<f32>) -> Result<(), Stopped> {
        if images.nrows() == 0 {
            return Ok(());
        }
        for (step, own) in self.network.steps.iter().zip(&mut self.workspace.own) {
            if let Work::Map(layer) = &step.work {
                let weights = self.network.weights(step, self.parameters);
                layer.prepare(self.isa, weights, self.draws.is_some(), own);
            }
        }
        let sample_steps = self.network.sample_steps;
        for (sample, image) in images.outer_iter().enumerate() {
            self.workspace.slots[0].rows_mut(sample, 1).row_mut(0).assign(&image);
            for step in 0..sample_steps {
                self.step_forward(step, sample, 1)?;
            }
        }
        for step in sample_steps..self.network.steps.len() {
            self.step_forward(step, 0, images.nrows())?;
        }
        Ok(())
    }

    /// Runs one step over `count` samples from `first` on.
    fn step_forward(&mut self, number: usize, first: usize, count: usize) -> Result<(), Stopped> {
        let step = &self.network.steps[number];
        let weights = self.network.weights(step, self.parameters);
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
        let rows = logits.outer_iter().zip(gradients.outer_iter_mut());
        for ((logits, gradient), &label) in rows.zip(shard.labels) {
            let (loss, correct) = loss::cross_entropy(logits, label, shard.scale, gradient);
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
                layer.finish(self.isa, own, self.network.weights_mut(step, gradient));
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
        let weights = self.network.weights(step, self.parameters);
        let Run { isa, draws, .. } = *self;
        let mut pass = Pass { isa, weights, first, draws, beat: &mut *self.beat };
        let Workspace { own, slots, gradients, .. } = &mut *self.workspace;
        match &step.work {
            Work::Map(layer) => {
                let (before, after) = gradients.split_at_mut(step.slot);
                let x = slots[step.slot - 1].rows(first, count);
                // Nobody asks for the gradient of the images.
                let dx = (step.slot > 1).then(|| before[step.slot - 1].rows_mut(first, count));
                let dw = self.network.weights_mut(step, gradient);
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
