//! What is fixed before the first item: the source, the network, and how many of everything there will be.

use crate::{
    cache::{self, Cache, Keeping},
    class_weights,
    cleaning::{OpenError, Opened},
    fine_tune::{self, FineTuneError, Origin},
    ingest::Address,
    settings::{ClassShares, PipelineSettings, ValidationSettings},
};
use planaria_data::{Codec, NormaliseError, Source, SourceError, Split, Values};
use planaria_learn::{InputError, Loss, Network, Shape, ShapeError, loss::CrossEntropy};
use planaria_random::{Permutation, Purpose};
use std::sync::Arc;

/// Why a pipeline cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be opened, or not be cleaned.
    #[error(transparent)]
    Open(#[from] OpenError),
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
    /// No training item to find the mean and the deviation in.
    #[error(
        "no training item can be read: set `preprocess.figures` to \"given\", or repair the data"
    )]
    NothingToFit,
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
    /// The model to begin with cannot be used.
    #[error(transparent)]
    FineTune(#[from] FineTuneError),
    /// Nothing is set aside, or everything.
    #[error(
        "`train.validation.items` sets {wanted} of {items} training items aside: \
         at least one must be on either side"
    )]
    Validation {
        /// How many would be set aside.
        wanted: u64,
        /// Of how many.
        items: u64,
    },
    /// Rows of numbers cannot be turned, cropped or bent.
    #[error("[augment] has no meaning for rows of numbers: leave the section out")]
    Augmentation,
    /// Shares of other classes than there are.
    #[error(
        "`train.sampling.shares` has {found} numbers, but the source has {classes} classes: give one for each"
    )]
    Shares {
        /// How many there are.
        found: usize,
        /// How many there must be.
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

/// Why a network cannot take an item.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NumbersError {
    /// A number is infinite or none.
    #[error("its number {place} is {found} after preprocessing: repair or remove it")]
    NotFinite {
        /// Its place in the item, from 0.
        place: usize,
        /// What is there.
        found: f32,
    },
    /// A number should be an id.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// What an item of a source is to a network: a row of a table is features, all else an image.
pub fn item_shape(source: &dyn Source) -> Shape {
    match (source.codec(), source.shape()) {
        (Codec::Floats { .. }, (1, 1, d)) => Shape::Features(d),
        (_, (h, w, c)) => Shape::Image { h, w, c },
    }
}

/// Test items that drift is told by.
const WATCHED_MAX: u64 = 4_096;

/// The constants of a run.
pub(crate) struct Plan {
    pub(crate) settings: PipelineSettings,
    /// Cleaned, where the config says so.
    pub(crate) source: Arc<dyn Source>,
    /// The same with what lies behind it.
    pub(crate) opened: Opened,
    /// Where its preprocessed items are kept.
    pub(crate) keeping: Keeping,
    /// Their file, where there is one.
    pub(crate) cache: Option<Cache>,
    pub(crate) network: Arc<Network>,
    /// What is trained on.
    pub(crate) train_items: u64,
    /// The source's training items that are set aside to choose by.
    pub(crate) validation_items: u64,
    pub(crate) test_items: u64,
    /// Which training items are which: those set aside come first.
    split: Permutation,
    /// What the training begins with, when it is a saved model.
    origin: Option<Origin>,
    pub(crate) steps_per_epoch: u64,
}

impl Plan {
    /// Opens the source, builds the network and proves that they meet.
    pub(crate) fn new(mut settings: PipelineSettings) -> Result<Plan, PlanError> {
        let stamp = cache::stamp(&settings);
        let opened = settings.open_cleaned()?;
        let source = opened.source.clone();
        let at_most = |limit: Option<u64>, len: u64| limit.map_or(len, |limit| limit.min(len));
        let train_items = at_most(settings.train_items, source.len(Split::Train));
        let test_items = at_most(settings.test_items, source.len(Split::Test));
        let keeping = Keeping::new(&settings, &*source, (train_items, test_items), stamp);
        let cache = keeping.find();
        let normalise = match &cache {
            Some(cache) if settings.fit_normalise => cache.moments(&settings, &*source).normalise(),
            _ => settings.normalise_for(&*source),
        };
        settings.normalise = normalise.ok_or(PlanError::NothingToFit)?;
        let network = Network::new(settings.network.input, &settings.network.layers)?;
        let network = network.with_isa(settings.isa);
        meet(&network, &settings, &*source)?;
        let validation_items = match &settings.train.validation {
            None => 0,
            Some(validation) => validation_items(validation, train_items)?,
        };
        let split = Permutation::new(train_items, settings.seed, Purpose::Validation, 0);
        let train_items = train_items - validation_items;
        let batch = settings.train.batch;
        let sampling = &settings.train.sampling;
        let steps_per_epoch = sampling.last_batch.steps(train_items, batch as u64);
        if steps_per_epoch == 0 {
            return Err(PlanError::BatchTooLarge { batch, items: train_items });
        }
        let train = &settings.train;
        let origin = train.from.as_ref().map(|from| {
            let initial = network.initialise(&train.initialiser, settings.seed);
            fine_tune::begin(from, &network, initial)
        });
        let origin = origin.transpose()?;
        let network = Arc::new(network);
        let mut plan = Plan {
            settings,
            source,
            opened,
            keeping,
            cache,
            network,
            train_items,
            validation_items,
            test_items,
            split,
            origin,
            steps_per_epoch,
        };
        if plan.settings.train.balance_classes {
            plan.balance_classes()?;
        }
        Ok(plan)
    }

    /// Gives the loss class weights from the counts of the training items.
    fn balance_classes(&mut self) -> Result<(), PlanError> {
        let mut counts = vec![0; self.network.classes()];
        for item in 0..self.train_items {
            let label = self.source.label(Split::Train, self.training_index(item))?;
            counts[usize::from(label)] += 1;
        }
        if let Loss::CrossEntropy(CrossEntropy { class_weights, .. }) =
            &mut self.settings.train.loss
        {
            *class_weights = Some(class_weights::balanced(&counts));
        }
        Ok(())
    }

    /// The weights before the first step.
    pub(crate) fn initial_parameters(&self) -> Vec<f32> {
        match &self.origin {
            Some(origin) => origin.parameters.clone(),
            None => self.network.initialise(&self.settings.train.initialiser, self.settings.seed),
        }
    }

    /// The SHA-256 of the weights of the model that the training begins with.
    pub(crate) fn origin_sha256(&self) -> Option<&str> {
        self.origin.as_ref().map(|origin| &*origin.weights_sha256)
    }

    /// Proves that the network can take the numbers of an item.
    pub(crate) fn check_numbers(&self, numbers: &[f32]) -> Result<(), NumbersError> {
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(place) => Err(NumbersError::NotFinite { place, found: numbers[place] }),
            None => Ok(self.network.check_input(self.network.input().samples(numbers))?),
        }
    }

    /// Appends the normalised numbers of an item to `out`.
    pub(crate) fn numbers(&self, values: &Values, out: &mut Vec<f32>) {
        let begin = out.len();
        out.resize(begin + values.count(), 0.0);
        self.settings.normalise.apply_to(values, &mut out[begin..]);
    }

    /// What people call an item of the source.
    pub(crate) fn name_of(&self, split: Split, item: u64) -> String {
        let name = self.source.name_of(split, item);
        name.unwrap_or_else(|| format!("{split} item {item}"))
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
        step == self.steps()
            || step.is_multiple_of(self.steps_between_evaluated_epochs())
            || every.is_some_and(|every| step.is_multiple_of(every))
    }

    /// The first version after `step` that is evaluated, or the last of all.
    pub(crate) fn next_evaluated(&self, step: u64) -> u64 {
        let after = |every: u64| (step / every + 1) * every;
        let of_epoch = after(self.steps_between_evaluated_epochs()).min(self.steps());
        self.settings.evaluate.every_steps.map_or(of_epoch, |every| of_epoch.min(after(every)))
    }

    /// Steps from one epoch that is evaluated at its end to the next.
    fn steps_between_evaluated_epochs(&self) -> u64 {
        self.steps_per_epoch * u64::from(self.settings.evaluate.every_epochs)
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

    /// Where the training item of this number lies in the source's training split.
    pub(crate) fn training_index(&self, item: u64) -> u64 {
        match self.validation_items {
            0 => item,
            aside => self.split.item_at(aside + item),
        }
    }

    /// Where the item of this number among those set aside lies in the source's training split.
    pub(crate) fn validation_index(&self, item: u64) -> u64 {
        self.split.item_at(item)
    }

    /// Items that nothing is learnt from: the source's test items, and those set aside.
    pub(crate) fn held_out_items(&self) -> u64 {
        self.test_items + self.validation_items
    }

    /// Whether drift is told by an item: some thousands of the test items, as far apart as they can be, where it is told at all.
    pub(crate) fn is_watched(&self, address: Address) -> bool {
        let apart = self.test_items.div_ceil(WATCHED_MAX).max(1);
        let is_test = matches!(address.split, Split::Test);
        self.settings.drift.window > 0 && is_test && address.index.is_multiple_of(apart)
    }

    /// How many blocks of test items an evaluation has.
    pub(crate) fn test_blocks(&self) -> u64 {
        self.test_items.div_ceil(self.settings.evaluate.block as u64)
    }

    /// How many blocks an evaluation has: those of the test items, then those of the items set aside.
    pub(crate) fn blocks(&self) -> u64 {
        self.test_blocks() + self.validation_items.div_ceil(self.settings.evaluate.block as u64)
    }

    /// True when the best version answers, and not the newest.
    pub(crate) fn keeps_best(&self) -> bool {
        self.settings.train.validation.is_some_and(|validation| validation.keep_best)
    }
}

/// Proves that the network, the settings and the source speak of the same items.
fn meet(
    network: &Network,
    settings: &PipelineSettings,
    source: &dyn Source,
) -> Result<(), PlanError> {
    let held = item_shape(source);
    let (_, _, channels) = source.shape();
    if network.input() != held {
        let network = network.input().to_string();
        return Err(PlanError::Input { network, source_shape: held.to_string() });
    }
    let figures = settings.normalise.check(channels);
    figures.map_err(|source| PlanError::Normalise { channels, source })?;
    if matches!(held, Shape::Features(_)) && !settings.augmentation.is_identity() {
        return Err(PlanError::Augmentation);
    }
    if network.classes() < source.classes() {
        let (network, classes) = (network.classes(), source.classes());
        return Err(PlanError::Classes { network, classes });
    }
    match &settings.train.sampling.classes {
        Some(ClassShares::Given(shares)) if shares.len() != source.classes() => {
            let (found, classes) = (shares.len(), source.classes());
            Err(PlanError::Shares { found, classes })
        }
        _ => Ok(()),
    }
}

/// How many of `items` are set aside.
fn validation_items(settings: &ValidationSettings, items: u64) -> Result<u64, PlanError> {
    let wanted = settings.items.of(items);
    if wanted == 0 || wanted >= items {
        return Err(PlanError::Validation { wanted, items });
    }
    Ok(wanted)
}
