//! The report of a run: what `--report` writes, for machines. Its names are a promise.

use planaria_stages::{BaselineResult, Results, StageResult, status::ItemCounts};
use serde::Serialize;

/// Everything that a run has to show for itself.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the program.
    pub version: String,
    /// SHA-256 of the settings that decide the result.
    pub config_sha256: String,
    /// The root of every random number.
    pub seed: u64,
    /// Wall time since the start of the program, in seconds.
    pub seconds: f64,
    /// How the last model does on the held-out items; absent when training did not come so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<ReportedTest>,
    /// SHA-256 of the trained weights, in hex.
    pub weights_sha256: Option<String>,
    /// The file of the trained model.
    pub model_file: Option<String>,
    /// Where the items of all stages are.
    pub items: ItemCounts,
    /// Deaths of actors, injected and real.
    pub failures: u64,
    /// Starts of actors after a death.
    pub restarts: u64,
    /// The classical models beside the network.
    pub baselines: Vec<ReportedBaseline>,
    /// The training.
    pub training: ReportedTraining,
    /// Every stage, in the order of an item's way.
    pub stages: Vec<ReportedStage>,
}

/// A model on the held-out items.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedTest {
    /// Share of the items that it gets right.
    pub accuracy: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Rows: the true class; columns: the predicted one.
    pub confusion: Vec<Vec<u64>>,
}

/// A classical model.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedBaseline {
    /// Its name.
    pub name: String,
    /// The library that it is of.
    pub library: String,
    /// Share of the held-out items that it gets right.
    pub accuracy: f64,
    /// Time to train and test it, in seconds.
    pub seconds: f64,
    /// Training items that it has seen.
    pub train_rows: usize,
}

/// The training.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedTraining {
    /// Items a second.
    pub samples_per_second: f64,
    /// Its time, in seconds.
    pub seconds: f64,
    /// Steps done.
    pub steps: u64,
    /// Epochs done.
    pub epochs: u32,
}

/// A stage.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedStage {
    /// Its name.
    pub name: String,
    /// Its worker actors.
    pub workers: u64,
    /// Items done.
    pub committed: u64,
    /// Time its workers spent in work, summed, in seconds.
    pub busy_seconds: f64,
    /// Time its workers spent waiting, summed, in seconds.
    pub waited_seconds: f64,
}

impl Report {
    /// The report of a run with these results.
    pub fn new(config_sha256: &str, seed: u64, seconds: f64, results: Results) -> Self {
        let Results { test, weights_sha256, model_file, items, failures, restarts, .. } = results;
        Report {
            version: env!("CARGO_PKG_VERSION").into(),
            config_sha256: config_sha256.into(),
            seed,
            seconds,
            test: test.map(|test| ReportedTest {
                accuracy: test.accuracy,
                loss: test.loss,
                confusion: test.confusion,
            }),
            weights_sha256,
            model_file: model_file.map(|file| file.display().to_string()),
            items,
            failures,
            restarts,
            baselines: results.baselines.into_iter().map(ReportedBaseline::from).collect(),
            training: ReportedTraining {
                samples_per_second: results.training.samples_per_second,
                seconds: results.training.seconds,
                steps: results.training.steps,
                epochs: results.training.epochs,
            },
            stages: results.stages.into_iter().map(ReportedStage::from).collect(),
        }
    }

    /// The report as a file holds it.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("a report holds texts, numbers and lists, and all of them are JSON");
        text.push('\n');
        text
    }
}

impl From<BaselineResult> for ReportedBaseline {
    fn from(result: BaselineResult) -> Self {
        let BaselineResult { name, library, accuracy, seconds, train_rows } = result;
        ReportedBaseline { name, library, accuracy, seconds, train_rows }
    }
}

impl From<StageResult> for ReportedStage {
    fn from(result: StageResult) -> Self {
        let StageResult { name, workers, committed, busy_seconds, waited_seconds } = result;
        ReportedStage { name, workers, committed, busy_seconds, waited_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_stages::{TestResult, TrainingResult};

    fn results() -> Results {
        Results {
            test: Some(TestResult { accuracy: 0.99, loss: 0.03, confusion: vec![vec![1, 0]; 2] }),
            weights_sha256: Some("ab".repeat(32)),
            model_file: Some("models/mnist-cnn.safetensors".into()),
            items: ItemCounts { accepted: 9, committed: 9, ..ItemCounts::default() },
            failures: 3,
            restarts: 3,
            baselines: vec![BaselineResult {
                name: "logistic".into(),
                library: "linfa".into(),
                accuracy: 0.91,
                seconds: 2.5,
                train_rows: 5000,
            }],
            training: TrainingResult {
                samples_per_second: 5000.0,
                seconds: 12.0,
                steps: 468,
                epochs: 1,
            },
            stages: vec![StageResult {
                name: "ingest".into(),
                workers: 2,
                committed: 9,
                busy_seconds: 1.0,
                waited_seconds: 0.5,
            }],
        }
    }

    #[test]
    fn a_report_has_the_names_that_later_checks_read() {
        let json = Report::new("cd", 7, 15.0, results()).to_json();
        let report: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        let paths = [
            "/version",
            "/config_sha256",
            "/seed",
            "/seconds",
            "/test/accuracy",
            "/test/loss",
            "/test/confusion/0/0",
            "/weights_sha256",
            "/items/accepted",
            "/items/committed",
            "/items/dead_lettered",
            "/items/redelivered",
            "/items/fenced_duplicates",
            "/failures",
            "/restarts",
            "/baselines/0/name",
            "/baselines/0/library",
            "/baselines/0/accuracy",
            "/baselines/0/seconds",
            "/training/samples_per_second",
            "/training/steps",
            "/training/epochs",
            "/stages/0/name",
            "/stages/0/workers",
            "/stages/0/committed",
            "/stages/0/busy_seconds",
            "/stages/0/waited_seconds",
        ];
        for path in paths {
            assert!(report.pointer(path).is_some_and(|value| !value.is_null()), "{path}");
        }
    }
}
