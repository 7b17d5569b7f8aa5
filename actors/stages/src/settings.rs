//! What a pipeline is built from: checked values, nothing left to doubt.

use planaria_data::{
    Augmentation, CleanSettings, Fit, Invert, Limits, Moments, Normalise, Source, SourceError,
    Split,
};
pub use planaria_data::{SourceSettings, drift::DriftLimits};
use planaria_kernel::Strategy;
use planaria_learn::{Initialiser, Isa, LayerSpec, Loss, Schedule, Shape, Update, Views};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

use crate::StageKind;

/// Everything that decides what a pipeline does. Who holds one need not check it again.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// The root of every random number.
    pub seed: u64,
    /// The SHA-256 of the configuration, in hex: kept with every model.
    pub config_sha256: String,
    /// All that decides the result, a line for each group of settings: what the SHA-256 is of.
    pub config: String,
    /// Where raw data comes from.
    pub source: SourceSettings,
    /// The first so many items of each split only, when set.
    pub train_items: Option<u64>,
    /// Likewise for the held-out items.
    pub test_items: Option<u64>,
    /// Bounds on what the source and users' pictures may hold.
    pub limits: Limits,
    /// From bytes to standardised numbers; it fits the channels of the network's input.
    pub normalise: Normalise,
    /// True when `normalise` is to be found in the training items instead: a pass over all of them before the first step.
    pub fit_normalise: bool,
    /// What is set aside before anything is learnt, by a pass over all items; without it nothing is looked for.
    pub clean: Option<CleanSettings>,
    /// How much of what is set aside is kept for people to look at.
    pub quarantine: QuarantineSettings,
    /// How training items are varied, epoch by epoch.
    pub augmentation: Augmentation,
    /// The network.
    pub network: NetworkSettings,
    /// How it is trained.
    pub train: TrainSettings,
    /// How it is evaluated.
    pub evaluate: EvaluateSettings,
    /// When its state is written to a file.
    pub checkpoint: CheckpointSettings,
    /// Where preprocessed items are kept.
    pub cache: CacheSettings,
    /// The checkpoint that the training goes on from, if from any.
    pub resume: Option<Resume>,
    /// The classical models beside it.
    pub baselines: BaselineSettings,
    /// When what is predicted of late has drifted away from what the model was measured on.
    pub drift: DriftSettings,
    /// How pictures are brought into the form that the model expects, and how many may wait.
    pub predict: PredictSettings,
    /// What the network is computed with.
    pub isa: Isa,
    /// One pool a stage: every stage has an entry.
    pub pools: BTreeMap<StageKind, PoolSettings>,
    /// Whether workers move to the stage that is the bottleneck.
    pub autoscale: bool,
    /// How failures are answered.
    pub supervision: SupervisionSettings,
    /// The folder of models and other state.
    pub state_dir: PathBuf,
}

impl PipelineSettings {
    /// Opens the source, whose images are to become the network's input.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be used.
    pub fn open_source(&self) -> Result<Box<dyn Source>, SourceError> {
        let wanted = match self.network.input {
            Shape::Image { h, w, c } => (h, w, c),
            Shape::Sequence { length, channels } => (length, channels, 1),
            Shape::Features(d) => (1, 1, d),
        };
        self.source.open(wanted, &self.limits)
    }
}

impl PipelineSettings {
    /// From bytes to standardised numbers: as given, or as found in the training items of `source`. None when these have no
    /// pixel that can be read.
    pub fn normalise_for(&self, source: &dyn Source) -> Option<Normalise> {
        if !self.fit_normalise {
            return Some(self.normalise.clone());
        }
        let items = self.train_items.unwrap_or(u64::MAX);
        Moments::of(source, Split::Train, items, &self.limits).normalise()
    }
}

/// How much of what is set aside is kept for people to look at. No part of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineSettings {
    /// So many items, the first of them.
    pub items: usize,
    /// So many bytes of them in all; who finds no room any more is only listed.
    pub bytes: u64,
}

impl Default for QuarantineSettings {
    /// A thousand items of 64 MiB in all.
    fn default() -> Self {
        QuarantineSettings { items: 1_000, bytes: 64 << 20 }
    }
}

/// When predictions of late have drifted. No part of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftSettings {
    /// So many predictions are looked at together; 0 for none, and then models keep nothing to compare with.
    pub window: u64,
    /// Beyond what they have drifted.
    pub limits: DriftLimits,
}

impl Default for DriftSettings {
    /// A thousand at a time.
    fn default() -> Self {
        DriftSettings { window: 1_000, limits: DriftLimits::default() }
    }
}

/// A network by its layers.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// What models of it are called: the preset's name, or `custom`.
    pub name: String,
    /// The shape of one image.
    pub input: Shape,
    /// The layers, first to last.
    pub layers: Vec<LayerSpec>,
}

/// How a network is trained.
#[derive(Debug, Clone)]
pub struct TrainSettings {
    /// Passes over the training items, at least 1.
    pub epochs: u32,
    /// Items a step, at least 1.
    pub batch: usize,
    /// Into how many gradient shards a batch is cut, `1..=batch`. Part of the result's definition.
    pub gradient_shards: usize,
    /// Into how many slices the optimiser's step is cut. No part of the result's definition.
    pub update_slices: usize,
    /// What it makes small.
    pub loss: Loss,
    /// Where the weights begin.
    pub initialiser: Initialiser,
    /// How a step moves the parameters: the optimiser, clipping, the average of the weights.
    pub update: Update,
    /// The learning rate over the steps.
    pub schedule: Schedule,
    /// Each class counts as much as another, however many items it has: `loss` gets its class weights from the counts.
    pub balance_classes: bool,
    /// The model that the training begins with; without it the weights begin as the initialiser says.
    pub from: Option<FromSettings>,
    /// The training items that are set aside to choose by; none without it.
    pub validation: Option<ValidationSettings>,
    /// Which items an epoch has, and its last batch.
    pub sampling: SamplingSettings,
}

/// Which items an epoch has, and what becomes of its last batch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SamplingSettings {
    /// The share of each class; without it each item comes once an epoch.
    pub classes: Option<ClassShares>,
    /// What becomes of the items that do not fill a batch.
    pub last_batch: LastBatch,
}

/// How the places of an epoch are divided among the classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassShares {
    /// Each class that has items as much as another.
    Equal,
    /// In these proportions, by class.
    Given(Vec<f64>),
}

/// What becomes of the last items of an epoch, when they do not fill a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastBatch {
    /// They are left out, others in each epoch.
    #[default]
    Drop,
    /// They are a smaller batch.
    Keep,
    /// Items from the epoch's beginning fill it.
    Fill,
}

impl LastBatch {
    /// How many steps an epoch of so many items has.
    pub fn steps(self, items: u64, batch: u64) -> u64 {
        match self {
            LastBatch::Drop => items / batch,
            LastBatch::Keep | LastBatch::Fill => items.div_ceil(batch),
        }
    }
}

/// A saved model that a training begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromSettings {
    /// Its file.
    pub model: PathBuf,
    /// Layers and tensors that begin anew all the same, as the initialiser says.
    pub new: Vec<String>,
}

/// Training items that nothing is learnt from: what they say chooses among the versions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValidationSettings {
    /// How many of the training items.
    pub items: Part,
    /// What a version is better by.
    pub metric: Metric,
    /// The best version so far answers, and is reported at the end, instead of the newest.
    pub keep_best: bool,
    /// When the training ends before its last epoch.
    pub early_stop: Option<EarlyStop>,
}

/// A part of some items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// This share of them, above 0 and below 1, rounded.
    Share(f64),
    /// So many.
    Items(u64),
}

impl Part {
    /// How many of `items` these are.
    pub fn of(self, items: u64) -> u64 {
        match self {
            Part::Share(share) => (items as f64 * share).round() as u64,
            Part::Items(count) => count,
        }
    }
}

/// What a version can be better by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of correct predictions: the greater, the better.
    Accuracy,
    /// The mean loss: the less, the better.
    Loss,
    /// The mean of the classes' F1, each class as much as another: the greater, the better.
    F1,
}

impl Metric {
    /// Its name in configs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::Loss => "loss",
            Metric::F1 => "f1",
        }
    }

    /// By how much `value` is better than `other`; below 0 when it is worse.
    pub fn gain(self, value: f64, other: f64) -> f64 {
        match self {
            Metric::Accuracy | Metric::F1 => value - other,
            Metric::Loss => other - value,
        }
    }
}

/// When a training ends before its last epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    /// After so many evaluations in a row without a gain, at least 1.
    pub patience: u32,
    /// A gain is more than this, at least 0.
    pub min_delta: f64,
}

/// How a network is evaluated.
#[derive(Debug, Clone)]
pub struct EvaluateSettings {
    /// Evaluate and deploy at the end of every so many epochs, at least 1, and of the last.
    pub every_epochs: u32,
    /// And every so many steps, at least 1.
    pub every_steps: Option<u64>,
    /// Held-out items an evaluation item.
    pub block: usize,
}

/// When the state of the training is written to a file. No part of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// At the end of every so many epochs; 0 for none.
    pub every_epochs: u32,
    /// And every so many steps, at least 1.
    pub every_steps: Option<u64>,
    /// So many of the newest are kept; 0 for all.
    pub keep: usize,
}

impl Default for CheckpointSettings {
    /// At the end of each epoch; the newest two are kept.
    fn default() -> Self {
        CheckpointSettings { every_epochs: 1, every_steps: None, keep: 2 }
    }
}

/// Where preprocessed items are kept between their uses. No part of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// When they are kept on disk.
    pub mode: CacheMode,
    /// So many bytes of them are kept in memory at most: all of them, or none.
    pub memory_bytes: u64,
    /// What all files of the cache may take together; the least recently used go first.
    pub limit_bytes: u64,
    /// Their folder; `cache` in the state folder without it.
    pub dir: Option<PathBuf>,
}

impl Default for CacheSettings {
    /// On disk what does not fit into a GiB of memory, up to 64 GiB.
    fn default() -> Self {
        CacheSettings {
            mode: CacheMode::Auto,
            memory_bytes: 1 << 30,
            limit_bytes: 64 << 30,
            dir: None,
        }
    }
}

/// When preprocessed items are kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMode {
    /// Never: what is not in memory is read and decoded anew in each epoch.
    Off,
    /// When they do not fit into the memory that they may have.
    Auto,
    /// Always: the next run with the same data begins with them.
    On,
}

/// Where a training goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The newest checkpoint of the same config in the state folder.
    Latest,
    /// This one.
    File(PathBuf),
}

/// The classical models to train beside the network.
#[derive(Debug, Clone)]
pub struct BaselineSettings {
    /// Their names in `planaria_baselines::BASELINES`.
    pub models: Vec<String>,
    /// They are trained on the first so many training items of the first epoch's order.
    pub train_rows: usize,
}

/// How users' pictures are answered.
#[derive(Debug, Clone)]
pub struct PredictSettings {
    /// When a picture's brightness is inverted.
    pub invert: Invert,
    /// How it is brought to the input's size.
    pub fit: Fit,
    /// How often the network looks at a picture or an evaluated item, and how: they fit its input.
    pub views: Views,
    /// How many requests may wait; more get "busy".
    pub capacity: usize,
    /// How long one may wait, for a first model included, in milliseconds.
    pub deadline_ms: u64,
}

/// One stage's pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Worker actors, at least 1.
    pub workers: u16,
    /// Leases a worker may hold, at least 1.
    pub window: u16,
    /// The mailbox: no item further ahead of the oldest unfinished than this, at least 1.
    pub mailbox: u64,
    /// A worker that holds a lease and makes no progress for so long hangs, in milliseconds.
    pub hang_after_ms: u64,
    /// An item whose work fails so many times becomes a dead letter.
    pub attempts_max: u32,
    /// Who is started again when a worker dies.
    pub strategy: Strategy,
    /// How often a worker may die; what `supervision` says when there is nothing here.
    pub restarts: Option<RestartSettings>,
}

/// How often a worker may die, and how long it waits before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartSettings {
    /// A slot that fails more often than this within the window escalates.
    pub restarts_max: u32,
    /// The window of the restart intensity, in milliseconds.
    pub window_ms: u64,
    /// The wait before a restart; doubles with each failure in a row, in milliseconds. May be 0.
    pub backoff_min_ms: u64,
    /// The longest wait before a restart, in milliseconds.
    pub backoff_max_ms: u64,
}

/// How failures are answered.
#[derive(Debug, Clone)]
pub struct SupervisionSettings {
    /// How often a worker of any pool that does not say otherwise may die, and the supervisor.
    pub restarts: RestartSettings,
    /// Threads of hung workers that may be abandoned at once; one more escalates.
    pub abandoned_threads_max: usize,
}
