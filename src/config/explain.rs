//! What a config would do, without doing it.

use planaria_baselines::Baseline;
use planaria_data::{SourceError, Split};
use planaria_learn::{LayerSpec, Network, Shape, ShapeError};
use planaria_stages::{
    PipelineSettings, StageKind, item_shape,
    settings::{BaselineSettings, PoolSettings, SourceSettings},
};
use serde::Serialize;

use super::{Config, check::against_data, units};

/// What is known of a source's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataFacts {
    /// Items to learn from.
    pub train_items: u64,
    /// Items to measure on.
    pub test_items: u64,
    /// What every item is like.
    pub shape: Shape,
}

impl DataFacts {
    /// The embedded MNIST.
    pub const MNIST: DataFacts = DataFacts {
        train_items: 60_000,
        test_items: 10_000,
        shape: Shape::Image { h: 28, w: 28, c: 1 },
    };

    /// Opens the source and looks.
    ///
    /// # Errors
    /// `SourceError` when the source cannot be used.
    pub fn of(settings: &PipelineSettings) -> Result<DataFacts, SourceError> {
        match &settings.source {
            SourceSettings::Mnist => Ok(DataFacts::MNIST),
            _ => {
                let source = settings.open_source()?;
                Ok(DataFacts {
                    train_items: source.len(Split::Train),
                    test_items: source.len(Split::Test),
                    shape: item_shape(&*source),
                })
            }
        }
    }
}

/// Why a config cannot do anything, though nothing in it is wrong by itself.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The data cannot be used.
    #[error("its data cannot be used")]
    Source(#[from] SourceError),
    /// The config does not fit the data.
    #[error("{0}")]
    Data(String),
    /// The layers do not fit together.
    #[error("its layers do not fit together")]
    Shape(#[from] ShapeError),
}

/// What a config would do.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// SHA-256 of all that decides the result.
    pub config_sha256: String,
    /// The root of every random number.
    pub seed: u64,
    /// Items to learn from, in each epoch.
    pub train_items: u64,
    /// Of the source's training items those that are set aside to choose by.
    pub validation_items: u64,
    /// Items to measure on.
    pub test_items: u64,
    /// True when items are looked at, and some perhaps set aside, before the first step: then these are the most there can be.
    pub is_cleaned: bool,
    /// The source, in words.
    pub source: String,
    /// The network's name.
    pub network: String,
    /// The shape of one image.
    pub input: String,
    /// The network's layers, first to last.
    pub layers: Vec<ExplainedLayer>,
    /// Numbers that are learnt.
    pub parameters: u64,
    /// Passes over the training items.
    pub epochs: u32,
    /// Items a step.
    pub batch: usize,
    /// Slices of a batch whose gradients are computed apart.
    pub gradient_shards: usize,
    /// Steps in each epoch.
    pub steps_per_epoch: u64,
    /// Steps in all.
    pub steps: u64,
    /// The classical models beside the network.
    pub baselines: Vec<String>,
    /// Training items that these see.
    pub baseline_rows: usize,
    /// Every stage and its pool, in the order of an item's way.
    pub stages: Vec<ExplainedStage>,
    /// An estimate of the memory, in bytes.
    pub memory_bytes: u64,
    /// The folder of models and other state.
    pub state_dir: String,
    /// The control socket.
    pub socket: String,
}

/// A layer, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedLayer {
    /// Its kind.
    pub kind: String,
    /// The shape of what it gives.
    pub output: String,
    /// Numbers that it learns.
    pub parameters: u64,
}

/// A stage, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedStage {
    /// Its name.
    pub name: String,
    /// Worker actors.
    pub workers: u16,
    /// Leases a worker may hold.
    pub window: u16,
    /// Items that may be ahead of the oldest unfinished.
    pub mailbox: u64,
    /// After so long without progress a worker hangs.
    pub hang_after: String,
    /// After so many failures an item is given up.
    pub attempts_max: u32,
}

/// Says what `config` would do.
///
/// # Errors
/// `ExplainError` when the data cannot be used, or the config does not fit it.
pub fn explain(config: &Config) -> Result<Explanation, ExplainError> {
    let settings = &config.pipeline;
    let data = DataFacts::of(settings)?;
    if let Some((field, message)) = against_data(settings, &data).into_iter().next() {
        return Err(ExplainError::Data(format!("{field}: {message}")));
    }
    let network = Network::new(settings.network.input, &settings.network.layers)?;
    let (layers, activations) = layers(settings, &network);
    let train_items = settings.train_items.unwrap_or(data.train_items);
    let test_items = settings.test_items.unwrap_or(data.test_items);
    let validation = settings.train.validation;
    let validation_items = validation.map_or(0, |validation| validation.items.of(train_items));
    let train_items = train_items - validation_items;
    let last_batch = settings.train.sampling.last_batch;
    let steps_per_epoch = last_batch.steps(train_items, settings.train.batch as u64);
    Ok(Explanation {
        config_sha256: settings.config_sha256.clone(),
        seed: settings.seed,
        train_items,
        validation_items,
        test_items,
        is_cleaned: settings.clean.is_some(),
        source: settings.source.described(),
        network: settings.network.name.clone(),
        input: settings.network.input.to_string(),
        layers,
        parameters: network.parameter_count() as u64,
        epochs: settings.train.epochs,
        batch: settings.train.batch,
        gradient_shards: settings.train.gradient_shards,
        steps_per_epoch,
        steps: steps_per_epoch * u64::from(settings.train.epochs),
        baselines: settings.baselines.models.clone(),
        baseline_rows: settings.baselines.train_rows,
        stages: settings.pools.iter().map(|(stage, pool)| explained(stage.name(), pool)).collect(),
        memory_bytes: memory_bytes(settings, &data, &network, activations),
        state_dir: settings.state_dir.display().to_string(),
        socket: config.control.socket.display().to_string(),
    })
}

fn explained(name: &str, pool: &PoolSettings) -> ExplainedStage {
    ExplainedStage {
        name: name.into(),
        workers: pool.workers,
        window: pool.window,
        mailbox: pool.mailbox,
        hang_after: units::duration(pool.hang_after_ms),
        attempts_max: pool.attempts_max,
    }
}

/// The layers, and how many numbers a sample has in all of them together.
fn layers(settings: &PipelineSettings, network: &Network) -> (Vec<ExplainedLayer>, u64) {
    let shapes = network.shapes();
    let numbers = shapes.iter().map(|shape| shape.len() as u64).sum::<u64>();
    let explained = |(number, (layer, shape)): (usize, (&LayerSpec, &Shape))| {
        let own = format!("{number}.");
        let tensors = network.parameters().iter().filter(|tensor| tensor.name.starts_with(&own));
        ExplainedLayer {
            kind: layer.kind().into(),
            output: shape.to_string(),
            parameters: tensors.map(|tensor| tensor.len as u64).sum(),
        }
    };
    let layers = network.layers().iter().zip(&shapes).enumerate().map(explained).collect();
    (layers, settings.network.input.len() as u64 + numbers)
}

/// The program itself, its threads, and what allocators keep.
const BASE_BYTES: u64 = 64 << 20;

/// Roughly what a run holds: the data, the items in the mailboxes, the weights, and each worker's
/// activations.
fn memory_bytes(
    settings: &PipelineSettings,
    data: &DataFacts,
    network: &Network,
    activations: u64,
) -> u64 {
    let floats = |number: u64| number.saturating_mul(4);
    let image = settings.network.input.len() as u64;
    let train_items = settings.train_items.unwrap_or(data.train_items);
    let test_items = settings.test_items.unwrap_or(data.test_items);
    let raw = match settings.source.is_in_memory() {
        true => (data.train_items + data.test_items) * image,
        false => 0, // read item by item
    };
    let held = |pool: &PoolSettings| floats(image) * pool.mailbox.min(train_items);
    let mailboxes: u64 = settings.pools.values().map(held).sum();
    // Two versions of weights and optimiser state, and a gradient for every shard.
    let copies = 2 * (1 + settings.train.update.state_len_per_parameter() as u64);
    let copies = copies + settings.train.gradient_shards as u64;
    let weights = floats(network.parameter_count() as u64) * copies;
    let networks = [StageKind::Train, StageKind::Evaluate, StageKind::Predict];
    let networks = networks.iter().filter_map(|stage| settings.pools.get(stage));
    let workers: u64 = networks.map(|pool| u64::from(pool.workers)).sum();
    let rows = settings.train.batch.div_ceil(settings.train.gradient_shards) as u64;
    // Forward and backward.
    let work = floats(activations) * 2 * rows * workers;
    let tables = baseline_rows_held(settings, test_items).saturating_mul(floats(image));
    // As bytes, where they are kept in memory at all.
    let kept = Some(image * (train_items + test_items));
    let kept = kept.filter(|kept| *kept <= settings.cache.memory_bytes).unwrap_or(0);
    BASE_BYTES + raw + mailboxes + weights + work + tables + kept
}

/// Rows of floats that the comparison holds: both tables, and beside them each worker its model's rows twice in double
/// precision.
fn baseline_rows_held(settings: &PipelineSettings, test_items: u64) -> u64 {
    let BaselineSettings { models, train_rows } = &settings.baselines;
    let models = models.iter().filter_map(|key| Baseline::find(key));
    let mut used: Vec<u64> = models.map(|model| model.rows_used(*train_rows) as u64).collect();
    used.sort_unstable_by(|a, b| b.cmp(a));
    let workers = settings.pools.get(&StageKind::Compare).map_or(1, |pool| pool.workers);
    let at_once = used.iter().take(workers.into()).map(|rows| 4 * rows).sum::<u64>();
    if used.is_empty() { 0 } else { *train_rows as u64 + test_items + at_once }
}
