//! The figures of a run, for its report and the table at the end.

use crate::status::ItemCounts;
use serde::{Deserialize, Serialize};

/// The figures of a run. Their names are those of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// What the newest deployed model scores on the held-out items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestResult>,
    /// What the classes are called, in their order; left out when they have only numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// SHA-256 of its weights, in hex.
    pub weights_sha256: Option<String>,
    /// Its file.
    pub model_file: Option<String>,
    /// Items of all stages.
    pub items: ItemCounts,
    /// The items given up, the first thousand of them.
    pub dead_letters: Vec<DeadLetter>,
    /// Deaths of actors, ordered and real.
    pub failures: u64,
    /// Starts of actors after a death.
    pub restarts: u64,
    /// The classical models that are done.
    pub baselines: Vec<BaselineResult>,
    /// The network, when one is deployed, and the classical models that are done: all in one table.
    pub comparison: Vec<ComparisonRow>,
    /// The training.
    pub training: TrainingResult,
    /// Every stage, in the order of an item's way.
    pub stages: Vec<StageResult>,
}

/// An item that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The stage that gave it up.
    pub stage: String,
    /// Its number there.
    pub item: u64,
    /// What it is called in the source, when it has a name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How its last worker failed on it.
    pub cause: String,
}

/// A score on the held-out items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// Share of correct predictions.
    pub accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// `confusion[true][predicted]`.
    pub confusion: Vec<Vec<u64>>,
}

/// A classical model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineResult {
    /// What it is.
    pub name: String,
    /// The library that computes it.
    pub library: String,
    /// Share of correct predictions on the held-out items.
    pub accuracy: f64,
    /// Time of its items, fitting and predicting, in seconds.
    pub seconds: f64,
    /// Training items that it was fitted on.
    pub train_rows: usize,
}

/// A model among others. Times are those of its items, summed over the workers: what one worker alone would need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// What it is.
    pub name: String,
    /// The library that computes it.
    pub library: String,
    /// Share of correct predictions on the held-out items.
    pub accuracy: f64,
    /// Time of its fit; of a network augmentation, batches and training, over all epochs.
    pub fit_seconds: f64,
    /// Time to predict all held-out items once.
    pub predict_seconds: f64,
    /// Size of the serialised model: of a network its file, of a classical model what `postcard` makes of it.
    pub model_bytes: u64,
    /// Training items that it was fitted on.
    pub train_rows: u64,
    /// What must be said beside the figures: how it tells many classes apart, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why it was fitted on a sample of what the others got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_because: Option<String>,
}

impl From<&ComparisonRow> for BaselineResult {
    fn from(row: &ComparisonRow) -> Self {
        BaselineResult {
            name: row.name.clone(),
            library: row.library.clone(),
            accuracy: row.accuracy,
            seconds: row.fit_seconds + row.predict_seconds,
            train_rows: row.train_rows as usize,
        }
    }
}

/// The training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// From the first step's beginning to the last one's end.
    pub samples_per_second: f64,
    /// The same time, in seconds.
    pub seconds: f64,
    /// Steps done.
    pub steps: u64,
    /// Epochs done.
    pub epochs: u32,
    /// The step of the checkpoint that this process has gone on from; figures of time are of the steps after it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resumed_from: Option<u64>,
    /// The losses of the steps, at most a thousand points.
    pub loss_curve: Vec<LossPoint>,
    /// The evaluations on the way, the newest thousand of them.
    pub evaluations: Vec<EvaluationPoint>,
    /// The newest checkpoint: its file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkpoint: Option<String>,
}

/// A point of the curve of the training's losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossPoint {
    /// The last of its steps, from 1.
    pub step: u64,
    /// The mean training loss of the steps since the point before.
    pub loss: f64,
}

/// What an evaluation in the course of the training found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationPoint {
    /// Steps of training behind the version.
    pub step: u64,
    /// The epoch that it was trained in last, from 1.
    pub epoch: u32,
    /// Mean loss on the held-out items.
    pub loss: f64,
    /// Share of correct predictions.
    pub accuracy: f64,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageResult {
    /// Its name.
    pub name: String,
    /// Its worker actors.
    pub workers: u64,
    /// Items done.
    pub committed: u64,
    /// Time its workers spent in work, summed.
    pub busy_seconds: f64,
    /// Time its workers spent waiting, summed.
    pub waited_seconds: f64,
}
