//! The report of a sweep: a row for each trial, best first. Its names are a promise.

use planaria_stages::{Results, ScoreResult};
use serde::Serialize;
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeMap};

use crate::config::sweep::{Metric, Sweep, SweepKind, Trial};

/// Everything that a sweep has to show for itself.
#[derive(Debug, Clone, Serialize)]
pub struct SweepReport {
    /// The version of the program.
    pub version: String,
    /// Where the values come from.
    pub kind: SweepKind,
    /// What the trials are sorted by.
    pub metric: Metric,
    /// The items that it is measured on.
    pub measured_on: &'static str,
    /// The root of every random number, and of what a random search draws.
    pub seed: u64,
    /// How many trials there were to be.
    pub planned: usize,
    /// Wall time, in seconds.
    pub seconds: f64,
    /// The number of the best trial.
    pub best: Option<usize>,
    /// The trials that have begun, best first; those without a result come last.
    pub trials: Vec<Row>,
}

/// How a trial has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was trained to its end.
    Trained,
    /// It has no result: its reason says why.
    Failed,
    /// The sweep was stopped before its end.
    Stopped,
}

/// One trial.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Counts from 1.
    pub number: usize,
    /// What was laid over the config.
    pub values: BTreeMap<String, Value>,
    /// The same as the sweep writes it, in its order.
    #[serde(skip)]
    pub texts: Vec<(String, String)>,
    /// How it has ended.
    pub state: State,
    /// Why it has no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Share of correct predictions.
    pub accuracy: Option<f64>,
    /// Mean loss.
    pub loss: Option<f64>,
    /// Wall time, in seconds.
    pub seconds: f64,
    /// SHA-256 of the settings that decide the result.
    pub config_sha256: String,
    /// SHA-256 of the weights, in hex.
    pub weights_sha256: Option<String>,
    /// Its model, when it was kept.
    pub model_file: Option<String>,
}

impl SweepReport {
    /// A sweep of which nothing is trained.
    pub fn new(sweep: &Sweep, trials: &[Trial]) -> Self {
        let chooses = |trial: &Trial| trial.config.pipeline.train.validation.is_some();
        SweepReport {
            version: env!("CARGO_PKG_VERSION").into(),
            kind: sweep.kind,
            metric: sweep.metric,
            // Without a validation split the test items choose the best trial, too.
            measured_on: if trials.iter().all(chooses) { "validation" } else { "test" },
            seed: sweep.seed,
            planned: trials.len(),
            seconds: 0.0,
            best: None,
            trials: Vec::new(),
        }
    }

    /// What a trial has scored on the items that all are measured on.
    pub fn score_of(&self, results: &Results) -> Option<ScoreResult> {
        if self.measured_on == "validation" {
            results.validation.clone()
        } else {
            results.test.clone()
        }
    }

    /// Adds a trial at its place; returns the numbers of those whose models are not the best.
    pub fn add(&mut self, row: Row) -> Vec<usize> {
        let number = row.number;
        self.trials.push(row);
        let metric = self.metric;
        self.trials.sort_by(|a, b| a.order(b, metric));
        let before = self.best;
        let first = self.trials.first().filter(|row| row.state == State::Trained);
        self.best = first.map(|row| row.number);
        let best = self.best;
        [Some(number), before]
            .into_iter()
            .flatten()
            .filter(|number| Some(*number) != best)
            .collect()
    }

    /// The model of this trial is not kept.
    pub fn forget_model(&mut self, number: usize) {
        for row in self.trials.iter_mut().filter(|row| row.number == number) {
            row.model_file = None;
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

impl Row {
    /// A trial that has begun.
    pub fn new(trial: &Trial) -> Self {
        let values = trial.values.iter().map(|(key, value)| (key.clone(), json(value)));
        Row {
            number: trial.number,
            values: values.collect(),
            texts: trial.values.clone(),
            state: State::Stopped,
            reason: None,
            accuracy: None,
            loss: None,
            seconds: 0.0,
            config_sha256: trial.config.pipeline.config_sha256.clone(),
            weights_sha256: None,
            model_file: None,
        }
    }

    /// It has been trained and evaluated, with this score.
    pub fn score(&mut self, score: Option<ScoreResult>, results: Results) {
        match score {
            Some(score) if score.loss.is_finite() => {
                self.state = State::Trained;
                self.accuracy = Some(score.accuracy);
                self.loss = Some(score.loss);
                self.weights_sha256 = results.weights_sha256;
                self.model_file = results.model_file;
            }
            Some(score) => self.fail(format!("the loss on the held-out items is {}", score.loss)),
            None => self.fail("nothing was evaluated".into()),
        }
    }

    /// It has no result.
    pub fn fail(&mut self, reason: String) {
        self.state = State::Failed;
        self.reason = Some(reason);
    }

    /// The better one comes first; of equals the earlier one.
    fn order(&self, other: &Row, metric: Metric) -> Ordering {
        let badness = |row: &Row| match metric {
            Metric::Accuracy => row.accuracy.map(|accuracy| -accuracy),
            Metric::Loss => row.loss,
        };
        let badness = |row: &Row| badness(row).unwrap_or(f64::INFINITY);
        let by_metric = || badness(self).total_cmp(&badness(other));
        self.state.cmp(&other.state).then_with(by_metric).then(self.number.cmp(&other.number))
    }
}

/// A value as TOML writes it, as JSON.
fn json(value: &str) -> Value {
    let table: Result<BTreeMap<String, Value>, _> = toml::from_str(&format!("value = {value}"));
    let read = table.ok().and_then(|mut table| table.remove("value"));
    read.unwrap_or_else(|| Value::String(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load::RawConfig, sweep::read};
    use std::path::Path;

    /// A sweep of `scores` (accuracy, loss), added in this order of numbers from 1.
    fn sorted(metric: &str, scores: &[Option<(f64, f64)>], order: &[usize]) -> SweepReport {
        let text = format!("metric = \"{metric}\"\n[values]\n\"seed\" = [1]\n");
        let raw = RawConfig::from_text(Path::new("s.toml"), &text);
        let sweep = read(&raw, 1).expect("a good sweep");
        let base = RawConfig::from_text(Path::new("a.toml"), "");
        let trial = sweep.trials(&base).expect("good trials").remove(0);
        let mut report = SweepReport::new(&sweep, &vec![trial.clone(); scores.len()]);
        for &number in order {
            let mut row = Row::new(&Trial { number, ..trial.clone() });
            match scores[number - 1] {
                Some((accuracy, loss)) => {
                    row.state = State::Trained;
                    (row.accuracy, row.loss) = (Some(accuracy), Some(loss));
                }
                None => row.fail("it diverged".into()),
            }
            report.add(row);
        }
        report
    }

    #[test]
    fn the_best_is_the_same_in_whatever_order_trials_end() {
        let scores = [None, Some((0.9, 0.3)), Some((0.9, 0.2)), Some((0.8, 0.1))];
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3]] {
            let numbers = |metric| {
                let report = sorted(metric, &scores, &order);
                (report.best, report.trials.iter().map(|row| row.number).collect::<Vec<_>>())
            };
            assert_eq!(numbers("accuracy"), (Some(2), vec![2, 3, 4, 1]));
            assert_eq!(numbers("loss"), (Some(4), vec![4, 3, 2, 1]));
        }
        assert_eq!(sorted("loss", &[None], &[1]).best, None);
    }

    #[test]
    fn values_are_told_to_machines_as_what_they_are() {
        for (text, value) in [("0.001", serde_json::json!(0.001)), ("\"sgd\"", "sgd".into())] {
            assert_eq!(json(text), value);
        }
    }
}
