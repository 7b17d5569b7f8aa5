//! A trained net, made ready to answer.

use crate::compute_kernels::aligned::AlignedFloats;
use crate::fold::Folded;
use crate::network::Network;
use crate::pass::{Run, prepare};
use crate::pulse::with_pulse;
use crate::workspace::{Workspace, prepared};
use crate::{Isa, Loss, Shape, Views};
use ndarray::{Array2, ArrayViewD, ArrayViewMut2, Ix4};
use std::sync::Arc;

/// A net with its parameters, for predictions only: batch normalisation is folded into the layers
/// before it, drop-out is gone, and what layers make of their weights is made once. Share it
/// freely.
#[derive(Debug)]
pub struct Predictor {
    input: Shape,
    classes: usize,
    pub(crate) isa: Isa,
    id: u64,
    pub(crate) folded: Arc<Folded>,
    pub(crate) parameters: Vec<f32>,
    pub(crate) prepared: Vec<AlignedFloats>,
    /// What it was trained with: it says what logits mean.
    loss: Loss,
    /// How often it looks at an image, and how.
    views: Views,
}

impl Predictor {
    /// Makes `network` with `parameters` ready.
    ///
    /// # Panics
    /// When the parameters are not the net's.
    pub fn new(network: &Network, parameters: &[f32]) -> Predictor {
        let (folded, id) = network.prediction();
        Predictor::of(folded, id, network, parameters)
    }

    /// As [`Predictor::new`], by a plan for predictions of the net, whose number is `id`.
    pub(crate) fn of(
        folded: Arc<Folded>,
        id: u64,
        network: &Network,
        parameters: &[f32],
    ) -> Predictor {
        assert_eq!(parameters.len(), network.parameter_count(), "the parameters are the net's");
        let parameters = folded.parameters(parameters);
        let mut prepared = prepared(&folded.plan);
        let (plan, tensors) = (&folded.plan, &folded.tensors);
        prepare(plan, tensors, network.isa(), &parameters, false, &mut prepared);
        Predictor {
            input: network.input(),
            classes: network.classes(),
            isa: network.isa(),
            id,
            folded,
            parameters,
            prepared,
            loss: Loss::default(),
            views: Views::default(),
        }
    }

    /// The same, of a net that was trained with this loss: its logits become [`Loss::probabilities`]. Without it they
    /// become those of a softmax.
    pub fn with_loss(self, loss: Loss) -> Predictor {
        Predictor { loss, ..self }
    }

    /// The same, which looks at each image in several ways: probabilities are the means of the views', added in
    /// their order. That takes so many times as long.
    ///
    /// # Panics
    /// When [`Views::check`] refuses the net's input.
    pub fn with_views(self, views: Views) -> Predictor {
        assert_eq!(views.check(self.input), Ok(()), "the views are of the net's images");
        Predictor { views, ..self }
    }

    /// The shape of a sample.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All memory of predictions for at most `batch` samples at once; every predictor of the net
    /// may use it.
    pub fn workspace(&self, batch: usize) -> Workspace {
        Workspace::new(&self.folded.plan, self.id, batch, false)
    }

    /// Writes the probabilities of the classes, `[N, classes]`, for `images [N, H, W, C]` (or
    /// whatever the input's shape is) in standard layout.
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
        images: ArrayViewD<'_, f32>,
        workspace: &mut Workspace,
        mut probabilities: ArrayViewMut2<'_, f32>,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        if self.views.is_one() {
            return self.look(images, workspace, probabilities, pulse);
        }
        let images = images.into_dimensionality::<Ix4>().expect("views are of images");
        let mut found = Array2::zeros(probabilities.raw_dim());
        probabilities.fill(0.0);
        for number in 0..self.views.count() {
            let view = self.views.of(number, images);
            self.look(view.view().into_dyn(), workspace, found.view_mut(), pulse)?;
            probabilities += &found;
        }
        probabilities /= self.views.count() as f32;
        Ok(())
    }

    /// Writes the probabilities of images as they are.
    fn look<E>(
        &self,
        images: ArrayViewD<'_, f32>,
        workspace: &mut Workspace,
        mut probabilities: ArrayViewMut2<'_, f32>,
        pulse: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let images = self.input.rows_of(&images);
        let samples = images.nrows();
        let shape = (samples, self.classes);
        assert_eq!(probabilities.dim(), shape, "every image has its probabilities");
        workspace.check(self.id, samples);
        if samples == 0 {
            return Ok(());
        }
        let Predictor { folded, isa, parameters, prepared, loss, .. } = self;
        let Folded { plan, tensors, .. } = &**folded;
        let memory = &mut workspace.memory;
        with_pulse(pulse, |beat| {
            let (isa, draws) = (*isa, None);
            let mut run =
                Run { plan, tensors, isa, parameters, prepared, draws, samples, memory, beat };
            run.forward(images)?;
            for (logits, probabilities) in
                run.logits().outer_iter().zip(probabilities.outer_iter_mut())
            {
                loss.probabilities(logits, probabilities);
            }
            Ok(())
        })
    }
}
