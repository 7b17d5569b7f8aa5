//! The report of a run: what `--report` writes, for machines. Its names are a promise. That of a sweep
//! is in `sweep`, that of a range test of the learning rate in `learning_rate`.

use planaria_stages::{PipelineSettings, Results};
use serde::Serialize;

pub mod learning_rate;
pub mod sweep;

/// Everything that a run has to show for itself.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the program.
    pub version: String,
    /// SHA-256 of the settings that decide the result.
    pub config_sha256: String,
    /// The root of every random number.
    pub seed: u64,
    /// What the network was computed with: `avx512`, `avx2`, `portable` or `portable-fused`.
    pub instructions: String,
    /// Wall time since the start of the program, in seconds.
    pub seconds: f64,
    /// What the pipeline has to show.
    #[serde(flatten)]
    pub results: Results,
}

impl Report {
    /// The report of a run with these results.
    pub fn new(settings: &PipelineSettings, seconds: f64, results: Results) -> Self {
        Report {
            version: env!("CARGO_PKG_VERSION").into(),
            config_sha256: settings.config_sha256.clone(),
            seed: settings.seed,
            instructions: settings.isa.name().into(),
            seconds,
            results,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{check::check, load::RawConfig};
    use planaria_data::clean::{
        Cleaning, CleaningCounts, Count,
        report::{ClassBalance, FilledColumn},
    };
    use planaria_stages::{
        BaselineResult, BestVersion, CacheResult, ClassResult, ComparisonRow, EvaluationPoint,
        LossPoint, ScoreResult, StageResult, TrainingResult, ValidationPoint, status::ItemCounts,
    };
    use std::path::Path;

    fn row() -> ComparisonRow {
        ComparisonRow {
            name: "linear SVM".into(),
            library: "linfa".into(),
            accuracy: 0.91,
            fit_seconds: 2.5,
            predict_seconds: 0.5,
            model_bytes: 62_806,
            train_rows: 4_000,
            note: Some("one machine for each pair of classes".into()),
            sample_because: Some("more would take too long".into()),
        }
    }

    fn score() -> ScoreResult {
        let class = ClassResult { precision: 0.9, recall: 0.8, f1: 0.85, support: 10 };
        ScoreResult {
            accuracy: 0.99,
            top_five_accuracy: 1.0,
            loss: 0.03,
            calibration_error: 0.01,
            macro_average: class,
            classes: vec![class; 2],
            confusion: vec![vec![1, 0]; 2],
        }
    }

    fn cleaning() -> Cleaning {
        let mut counts = CleaningCounts::default();
        counts.train.duplicates = Count { found: 2, removed: 1 };
        let classes = vec![ClassBalance { name: "cat".into(), train: 5, test: 2 }];
        let filled = vec![FilledColumn { column: "age".into(), value: 31.5, rows: 3 }];
        Cleaning { counts, classes, filled, set_aside: Vec::new() }
    }

    fn results() -> Results {
        let validation = Some(ValidationPoint { loss: 2.1, accuracy: 0.4, f1: 0.35 });
        let evaluation =
            EvaluationPoint { step: 1, epoch: 1, loss: 2.2, accuracy: 0.3, validation };
        Results {
            test: Some(score()),
            validation: Some(score()),
            class_names: vec!["cat".into(), "dog".into()],
            weights_sha256: Some("ab".repeat(32)),
            model_file: Some("models/mnist-cnn.safetensors".into()),
            items: ItemCounts { accepted: 9, committed: 9, ..ItemCounts::default() },
            cleaning: Some(cleaning()),
            dead_letters: Vec::new(),
            quarantined: 1,
            failures: 3,
            restarts: 3,
            baselines: vec![BaselineResult::from(&row())],
            comparison: vec![row()],
            training: TrainingResult {
                samples_per_second: 5000.0,
                seconds: 12.0,
                steps: 468,
                epochs: 1,
                resumed_from: Some(7),
                loss_curve: vec![LossPoint { step: 1, loss: 2.3 }],
                evaluations: vec![evaluation],
                class_weights: Some(vec![1.0, 2.0]),
                from_weights_sha256: Some("cd".repeat(32)),
                diverged_at: Some(9),
                best: Some(BestVersion { step: 1, metric: "accuracy".into(), value: 0.4 }),
                stopped_early: true,
                checkpoint: Some("checkpoints/mnist-cnn.checkpoint".into()),
            },
            cache: Some(CacheResult {
                file: "cache/0123.records".into(),
                bytes: 8_000,
                items_before: 9,
                reads: 18,
                damaged: 0,
                is_whole: true,
            }),
            stages: vec![StageResult {
                name: "ingest".into(),
                workers: 2,
                committed: 9,
                busy_seconds: 1.0,
                waited_seconds: 0.5,
            }],
        }
    }

    /// Every name that is promised.
    const PATHS: &[&str] = &[
        "/version",
        "/config_sha256",
        "/seed",
        "/instructions",
        "/seconds",
        "/test/accuracy",
        "/test/loss",
        "/test/confusion/0/0",
        "/test/top_five_accuracy",
        "/test/calibration_error",
        "/test/macro_average/f1",
        "/test/classes/1/precision",
        "/test/classes/1/recall",
        "/test/classes/1/support",
        "/validation/accuracy",
        "/class_names/1",
        "/weights_sha256",
        "/items/accepted",
        "/items/committed",
        "/items/dead_lettered",
        "/items/redelivered",
        "/items/fenced_duplicates",
        "/quarantined",
        "/cleaning/train/items",
        "/cleaning/train/duplicates/removed",
        "/cleaning/test/unreadable/found",
        "/cleaning/classes/0/train",
        "/cleaning/filled/0/value",
        "/failures",
        "/restarts",
        "/baselines/0/name",
        "/baselines/0/library",
        "/baselines/0/accuracy",
        "/baselines/0/seconds",
        "/baselines/0/train_rows",
        "/comparison/0/name",
        "/comparison/0/library",
        "/comparison/0/accuracy",
        "/comparison/0/fit_seconds",
        "/comparison/0/predict_seconds",
        "/comparison/0/model_bytes",
        "/comparison/0/train_rows",
        "/comparison/0/note",
        "/comparison/0/sample_because",
        "/training/samples_per_second",
        "/training/steps",
        "/training/epochs",
        "/training/loss_curve/0/step",
        "/training/loss_curve/0/loss",
        "/training/evaluations/0/accuracy",
        "/training/evaluations/0/validation/loss",
        "/training/class_weights/1",
        "/training/from_weights_sha256",
        "/training/best/step",
        "/training/best/value",
        "/training/stopped_early",
        "/training/resumed_from",
        "/training/checkpoint",
        "/cache/file",
        "/cache/bytes",
        "/cache/items_before",
        "/cache/reads",
        "/cache/damaged",
        "/cache/is_whole",
        "/stages/0/name",
        "/stages/0/workers",
        "/stages/0/committed",
        "/stages/0/busy_seconds",
        "/stages/0/waited_seconds",
    ];

    #[test]
    fn a_report_has_the_names_that_later_checks_read() {
        let raw = RawConfig::from_text(Path::new("a.toml"), "");
        let settings = check(&raw).expect("an empty config is good").pipeline;
        let json = Report::new(&settings, 15.0, results()).to_json();
        let report: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        for path in PATHS {
            assert!(report.pointer(path).is_some_and(|value| !value.is_null()), "{path}");
        }
        assert_eq!(
            report["baselines"][0]["seconds"], 3.0,
            "of a baseline fit and prediction together"
        );
    }
}
