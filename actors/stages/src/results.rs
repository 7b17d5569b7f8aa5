//! The figures of a run, for its report and the table at the end.

use crate::status::ItemCounts;
use planaria_data::Cleaning;
use planaria_learn::{Score, score::ClassScore};
use serde::{Deserialize, Serialize};

/// The figures of a run. Their names are those of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// What the newest deployed model scores on the source's test items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ScoreResult>,
    /// What it scores on the training items that are set aside to choose by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<ScoreResult>,
    /// What the classes are called, in their order; left out when they have only numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// SHA-256 of its weights, in hex.
    pub weights_sha256: Option<String>,
    /// Its file.
    pub model_file: Option<String>,
    /// Items of all stages.
    pub items: ItemCounts,
    /// What the cleaning of the source has found, where it is cleaned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleaning: Option<Cleaning>,
    /// The items given up, the first thousand of them.
    pub dead_letters: Vec<DeadLetter>,
    /// Items of the source that are set aside, as many as the quarantine keeps.
    pub quarantined: u64,
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
    /// The preprocessed items on disk, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheResult>,
    /// Every stage, in the order of an item's way.
    pub stages: Vec<StageResult>,
}

/// Preprocessed items on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheResult {
    /// Their file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Items that an earlier run had left in it; 0 for a new one.
    pub items_before: u64,
    /// Items read from it.
    pub reads: u64,
    /// Items that were damaged in it, and made again.
    pub damaged: u64,
    /// The next run can begin with it.
    pub is_whole: bool,
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

/// A score on items that nothing was learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreResult {
    /// Share of correct predictions.
    pub accuracy: f64,
    /// Share of predictions with the right class among the five on top.
    pub top_five_accuracy: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// By how much predictions are surer of themselves than they are right, or less: the expected calibration error.
    pub calibration_error: f64,
    /// The mean of the classes, each as much as another.
    pub macro_average: ClassResult,
    /// Each class, in their order.
    pub classes: Vec<ClassResult>,
    /// `confusion[true][predicted]`.
    pub confusion: Vec<Vec<u64>>,
}

/// How well a class is told from the others; 0 where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassResult {
    /// The share of those predicted to be of the class that are.
    pub precision: f64,
    /// The share of those of the class that are predicted to be.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many are of the class.
    pub support: u64,
}

impl From<&Score> for ScoreResult {
    fn from(score: &Score) -> Self {
        let of_class = |class: ClassScore| ClassResult {
            precision: class.precision,
            recall: class.recall,
            f1: class.f1,
            support: class.support,
        };
        ScoreResult {
            accuracy: score.accuracy(),
            top_five_accuracy: score.top_five_accuracy(),
            loss: score.mean_loss(),
            calibration_error: score.calibration_error(),
            macro_average: of_class(score.macro_average()),
            classes: score.classes().into_iter().map(of_class).collect(),
            confusion: score.confusion.clone(),
        }
    }
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
    /// The weights of the classes in the loss, where they do not all count alike.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class_weights: Option<Vec<f32>>,
    /// SHA-256 of the weights of the model that it began with, when it was a saved one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_weights_sha256: Option<String>,
    /// The step that was not published, because its loss or its weights were no numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diverged_at: Option<u64>,
    /// The best version on the items set aside, where there are some.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub best: Option<BestVersion>,
    /// True when it ended before its last epoch, because nothing was gained any more.
    #[serde(default)]
    pub stopped_early: bool,
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
    /// The same on the training items that are set aside to choose by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationPoint>,
}

/// What an evaluation found on the items that are set aside to choose by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationPoint {
    /// Mean loss.
    pub loss: f64,
    /// Share of correct predictions.
    pub accuracy: f64,
    /// The mean of the classes' F1.
    pub f1: f64,
}

/// The version that is kept, because it is the best on the items set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestVersion {
    /// Steps of training behind it.
    pub step: u64,
    /// What it is the best by: `accuracy`, `loss` or `f1`.
    pub metric: String,
    /// Its metric.
    pub value: f64,
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
