//! A sweep for people: a line for each trial while it is trained, and one table at the end.

use indicatif::{MultiProgress, ProgressBar};
use planaria_stages::Status;

use super::{count, percent, table::Table};
use crate::{
    config::sweep::{Metric, Trial},
    report::sweep::{Row, State, SweepReport},
};

/// Characters of a value that are shown.
const SHOWN: usize = 48;

/// The line of a trial that is trained.
pub struct Line {
    label: String,
    bar: Option<ProgressBar>,
}

impl Line {
    /// A line for this trial, that lives in `bars` when there is a terminal.
    pub fn new(trial: &Trial, planned: usize, bars: Option<&MultiProgress>) -> Self {
        let label = label(trial.number, planned, &trial.values);
        let bar = bars.map(|bars| bars.add(ProgressBar::new_spinner()));
        Line { label, bar }
    }

    /// What is said when it begins.
    pub fn begun(&self) -> String {
        format!("{}  begins", self.label)
    }

    /// Shows how far it is.
    pub fn show(&self, status: &Status) {
        if let Some(bar) = &self.bar {
            let loss = status.loss.map(|loss| format!("  loss {loss:.4}")).unwrap_or_default();
            let (step, steps) = (count(status.step), count(status.steps));
            bar.set_message(format!("{}  step {step}/{steps}{loss}", self.label));
            bar.tick();
        }
    }

    /// The trial has ended.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is said when a trial has ended.
pub fn ended(row: &Row, planned: usize) -> String {
    let label = label(row.number, planned, &row.texts);
    let seconds = row.seconds;
    format!("{label}  {}  {seconds:.1} s", outcome(row))
}

/// The table, best first, and what stands under it.
pub fn screen(report: &SweepReport) -> String {
    let keys: Vec<&str> = report
        .trials
        .first()
        .map_or(Vec::new(), |row| row.texts.iter().map(|(key, _)| key.as_str()).collect());
    let names: Vec<&str> = keys.iter().map(|key| short(key, &keys)).collect();
    let headings = [&["trial"], &names[..], &["accuracy", "loss", "seconds", "weights"]].concat();
    let mut table = Table::new(&headings, &[headings.len() - 1]);
    for row in &report.trials {
        let mark = if Some(row.number) == report.best { "* " } else { "" };
        let values = row.texts.iter().map(|(_, value)| shown(value));
        let weights = match (&row.weights_sha256, &row.reason) {
            (Some(sha), _) => sha[..sha.len().min(16)].to_owned(),
            (None, Some(reason)) => format!("failed: {reason}"),
            (None, None) => "stopped".into(),
        };
        let figures = [
            row.accuracy.map_or("-".into(), percent),
            row.loss.map_or("-".into(), |loss| format!("{loss:.4}")),
            format!("{:.1}", row.seconds),
            weights,
        ];
        table.row([format!("{mark}{}", row.number)].into_iter().chain(values).chain(figures));
    }
    let mut lines = table.lines();
    lines.push(String::new());
    let metric = match report.metric {
        Metric::Accuracy => "accuracy",
        Metric::Loss => "loss",
    };
    let on = report.measured_on;
    lines.push(format!("sorted by  {metric} on the {on} items; * is the best"));
    if let Some(best) = report.trials.iter().find(|row| Some(row.number) == report.best) {
        lines.push(format!("weights    {}", best.weights_sha256.as_deref().unwrap_or("none")));
        lines.push(format!("model      {}", best.model_file.as_deref().unwrap_or("none")));
    }
    let trained = report.trials.iter().filter(|row| row.state == State::Trained).count();
    let planned = report.planned;
    lines.push(format!("trials     {trained} of {planned} trained in {:.1} s", report.seconds));
    lines.join("\n")
}

fn outcome(row: &Row) -> String {
    match (row.accuracy, row.loss, &row.reason) {
        (Some(accuracy), Some(loss), _) => format!("{}  loss {loss:.4}", percent(accuracy)),
        (.., Some(reason)) => format!("failed: {reason}"),
        (.., None) => "stopped".into(),
    }
}

fn label(number: usize, planned: usize, values: &[(String, String)]) -> String {
    let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
    let values =
        values.iter().map(|(key, value)| format!("  {}={}", short(key, &keys), shown(value)));
    format!("trial {number}/{planned}{}", values.collect::<String>())
}

/// A value on one line of a terminal, its first characters.
fn shown(value: &str) -> String {
    value.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The last name of a key, when no other key ends in it.
fn short<'k>(key: &'k str, keys: &[&str]) -> &'k str {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let alike = keys.iter().filter(|other| last(other) == last(key)).count();
    match key.rsplit_once('.') {
        Some((_, name)) if alike == 1 => name,
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_hostile_file_does_not_steer_the_terminal() {
        assert_eq!(shown("[1,\n\u{1b}[2J]"), "[1,  [2J]");
        assert_eq!(shown(&"x".repeat(1000)).len(), SHOWN);
    }

    #[test]
    fn a_key_is_shortened_only_when_it_stays_clear() {
        let keys = ["train.batch", "network.layers[1].units", "network.layers[3].units"];
        let names: Vec<&str> = keys.iter().map(|key| short(key, &keys)).collect();
        assert_eq!(names, ["batch", "network.layers[1].units", "network.layers[3].units"]);
    }
}
