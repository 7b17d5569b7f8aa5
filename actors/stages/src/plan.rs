//! What is fixed before the first item: the source, the network, and how many of everything there will be.

use crate::settings::PipelineSettings;
use planaria_data::{NormaliseError, Pixels, Source, SourceError, Split};
use planaria_learn::{Network, ShapeError};
use planaria_random::{Permutation, Purpose};
use std::sync::Arc;

/// Why a pipeline cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network does not fit together.
    #[error(transparent)]
    Network(#[from] ShapeError),
    /// The figures of the normalisation do not fit the images.
    #[error("[preprocess] does not fit images of {channels} channels")]
    Normalise {
        /// Channels of the source's images.
        channels: usize,
        /// What does not fit.
        source: NormaliseError,
    },
    /// The network takes other images than the source holds.
    #[error("the network takes {network} but the source holds {source_shape}: set `network.input`")]
    Input {
        /// What the network takes.
        network: String,
        /// What the source holds.
        source_shape: String,
    },
    /// The network tells fewer classes apart than the source has.
    #[error(
        "the network has {network} outputs but the source {classes} classes: widen the last layer"
    )]
    Classes {
        /// Outputs of the network.
        network: usize,
        /// Classes of the source.
        classes: usize,
    },
    /// A batch larger than the data.
    #[error("`train.batch` is {batch} but there are {items} training items: make it smaller")]
    BatchTooLarge {
        /// Items a batch.
        batch: usize,
        /// Items there are.
        items: u64,
    },
}

/// The constants of a run.
pub(crate) struct Plan {
    pub(crate) settings: PipelineSettings,
    pub(crate) source: Box<dyn Source>,
    pub(crate) network: Arc<Network>,
    pub(crate) train_items: u64,
    pub(crate) test_items: u64,
    pub(crate) steps_per_epoch: u64,
}

impl Plan {
    /// Opens the source, builds the network and proves that they meet.
    pub(crate) fn new(settings: PipelineSettings) -> Result<Plan, PlanError> {
        let source = settings.open_source()?;
        let network = Network::new(settings.network.input, &settings.network.layers)?;
        let network = network.with_isa(settings.isa);
        let (h, w, c) = source.shape();
        let held = planaria_learn::Shape::Image { h, w, c };
        if network.input() != held {
            let network = network.input().to_string();
            return Err(PlanError::Input { network, source_shape: held.to_string() });
        }
        settings
            .normalise
            .check(c)
            .map_err(|source| PlanError::Normalise { channels: c, source })?;
        if network.classes() < source.classes() {
            let (network, classes) = (network.classes(), source.classes());
            return Err(PlanError::Classes { network, classes });
        }
        let at_most = |limit: Option<u64>, len: u64| limit.map_or(len, |limit| limit.min(len));
        let train_items = at_most(settings.train_items, source.len(Split::Train));
        let test_items = at_most(settings.test_items, source.len(Split::Test));
        let batch = settings.train.batch;
        let steps_per_epoch = train_items / batch as u64;
        if steps_per_epoch == 0 {
            return Err(PlanError::BatchTooLarge { batch, items: train_items });
        }
        let network = Arc::new(network);
        Ok(Plan { settings, source, network, train_items, test_items, steps_per_epoch })
    }

    /// Appends the normalised numbers of an item to `out`.
    pub(crate) fn numbers(&self, pixels: &Pixels, out: &mut Vec<f32>) {
        let begin = out.len();
        out.resize(begin + pixels.data.len(), 0.0);
        self.settings.normalise.apply(pixels, &mut out[begin..]);
    }

    /// Steps of the whole training.
    pub(crate) fn steps(&self) -> u64 {
        self.steps_per_epoch * u64::from(self.settings.train.epochs)
    }

    /// The epoch of a step, from 0.
    pub(crate) fn epoch_of(&self, step: u64) -> u32 {
        (step / self.steps_per_epoch) as u32
    }

    /// How many numbers the optimiser remembers of each parameter.
    pub(crate) fn state_planes(&self) -> usize {
        self.settings.train.update.state_len_per_parameter()
    }

    /// True when version `step` is to be evaluated and deployed.
    pub(crate) fn is_evaluated(&self, step: u64) -> bool {
        let every = self.settings.evaluate.every_steps;
        step.is_multiple_of(self.steps_per_epoch)
            || every.is_some_and(|every| step.is_multiple_of(every))
    }

    /// True when a checkpoint is to be written of version `step`.
    pub(crate) fn is_kept(&self, step: u64) -> bool {
        let checkpoint = &self.settings.checkpoint;
        let epochs = self.steps_per_epoch * u64::from(checkpoint.every_epochs);
        (epochs > 0 && step.is_multiple_of(epochs))
            || checkpoint.every_steps.is_some_and(|every| step.is_multiple_of(every))
    }

    /// Items a batch.
    pub(crate) fn batch(&self) -> u64 {
        self.settings.train.batch as u64
    }

    /// The order of the training items in an epoch.
    pub(crate) fn shuffle(&self, epoch: u32) -> Permutation {
        Permutation::new(self.train_items, self.settings.seed, Purpose::Shuffle, epoch)
    }

    /// How many held-out blocks an evaluation has.
    pub(crate) fn test_blocks(&self) -> u64 {
        self.test_items.div_ceil(self.settings.evaluate.block as u64)
    }
}
