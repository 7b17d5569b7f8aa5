//! Weights and held-out items -> scores.

use crate::{
    flow::samples::Sample,
    model::{Weights, greatest},
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Decoder, Values, drift};
use planaria_kernel::{Pulse, WorkerError};
use planaria_learn::{Score, Workspace, ndarray::Array2};
use std::sync::Arc;

/// A fixed part of the held-out items, and the weights to judge.
pub(crate) struct Block {
    pub(crate) weights: Arc<Weights>,
    pub(crate) samples: Vec<Sample>,
}

/// What weights score on a block.
pub(crate) struct Scored {
    pub(crate) score: Score,
    /// The items that were not in memory: their places there, and their values.
    pub(crate) recalled: Vec<(u64, Arc<Values>)>,
    /// Of every n-th test item, what drift is told by.
    pub(crate) watched: Vec<Watched>,
}

/// An item that later ones are compared with.
pub(crate) struct Watched {
    /// What is looked at of it.
    pub(crate) figures: Vec<f32>,
    /// The class that was predicted for it.
    pub(crate) class: usize,
}

/// What a version scores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scores {
    /// On the source's test items.
    pub(crate) test: Score,
    /// On the training items that are set aside to choose by.
    pub(crate) validation: Option<Score>,
}

/// Scores one block.
pub(crate) struct Evaluate {
    plan: Arc<Plan>,
    workspace: Workspace,
    images: Vec<f32>,
    /// Memory from one item to the next; what comes out does not depend on it.
    decoder: Decoder,
}

impl Evaluate {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let workspace = plan.network.prediction_workspace(plan.settings.evaluate.block);
        Evaluate { plan, workspace, images: Vec::new(), decoder: Decoder::default() }
    }
}

impl Stage for Evaluate {
    type Task = Block;
    type Made = Scored;

    fn accept(task: Task) -> Option<Block> {
        if let Task::Evaluate(block) = task { Some(block) } else { None }
    }

    fn answer(made: Scored) -> Outcome {
        Outcome::Evaluate(made)
    }

    fn work(&mut self, block: Block, pulse: &Pulse) -> Result<Scored, WorkerError> {
        let (network, settings) = (&self.plan.network, &self.plan.settings);
        self.images.clear();
        let (mut recalled, mut looked_at) = (Vec::new(), Vec::new());
        for (at, sample) in block.samples.iter().enumerate() {
            pulse.beat()?;
            let values = self.plan.values(sample, &mut self.decoder)?;
            let begin = self.images.len();
            self.plan.numbers(&values, &mut self.images);
            self.plan.check_numbers(&self.images[begin..]).map_err(|error| {
                let name = self.plan.name_of(sample.address.split, sample.address.index);
                failed(format!("{name}: {error}"))
            })?;
            if self.plan.is_watched(sample.address) {
                looked_at.push((at, drift::figures(&values)));
            }
            recalled.extend(sample.recalled(values));
        }
        let mut probabilities = Array2::zeros((block.samples.len(), network.classes()));
        let mut beat = || pulse.beat();
        let (images, workspace) = (network.input().samples(&self.images), &mut self.workspace);
        let found = probabilities.view_mut();
        block
            .weights
            .predictor(network, &settings.train.loss, settings.predict.views)
            .predict(images, workspace, found, &mut beat)?;
        let labels: Vec<u8> = block.samples.iter().map(|sample| sample.label).collect();
        let mut score = Score::new(network.classes());
        score.add(probabilities.view(), &labels);
        let predicted = |place: usize| greatest(probabilities.row(place).iter().copied());
        let watched = looked_at.into_iter();
        let watched =
            watched.map(|(place, figures)| Watched { figures, class: predicted(place) }).collect();
        Ok(Scored { score, recalled, watched })
    }
}
