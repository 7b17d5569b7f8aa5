//! A sweep: many trainings of one config, each with some values laid over it.
//!
//! The file names the keys and what each may be; a trial is one choice for all of them. Every trial
//! is checked as the config would be with its values in it, before any of them is trained.

use std::{collections::BTreeMap, ops::Range as Bytes, path::PathBuf};

use super::{
    Config, check,
    fault::{Fault, Faults, Place},
    load::RawConfig,
    overlay::{self, LaidValue},
    section::{Entry, Reading, Section},
    trials::{self, Range},
};

/// Trials that a sweep may have.
const TRIALS_MAX: usize = 1000;

/// Trainings at once.
const PARALLEL_MAX: usize = 64;

/// Faults of trials that are told: one wrong range makes as many as there are trials.
const FAULTS_TOLD: usize = 20;

/// Which trial is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The one with the greatest share of correct predictions.
    Accuracy,
    /// The one with the least mean loss.
    Loss,
}

/// Where the trials' values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SweepKind {
    /// Every combination of the values given.
    Grid,
    /// Drawn at random, by the config's seed.
    Random,
}

/// A sweep whose file has no faults.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Where the values come from.
    pub kind: SweepKind,
    /// Which trial is the best.
    pub metric: Metric,
    /// What a random search is drawn by.
    pub seed: u64,
    /// How many are trained at once, at least 1.
    pub parallel: usize,
    /// The keys that differ, and the place of each in the file.
    keys: Vec<(String, Bytes<usize>)>,
    /// One choice for all keys each, as TOML writes it.
    trials: Vec<Vec<String>>,
    file: PathBuf,
    text: String,
}

/// One training of a sweep.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Counts from 1.
    pub number: usize,
    /// What is laid over the config: keys, and values as TOML writes them.
    pub values: Vec<(String, String)>,
    /// The config with these values.
    pub config: Config,
}

/// Reads a sweep; `seed` decides what a random one draws.
///
/// # Errors
/// `Faults`: all that is wrong, in the order of the file.
pub fn read(raw: &RawConfig, seed: u64) -> Result<Sweep, Faults> {
    let reading = Reading::new(raw);
    let Some(table) = overlay::table(&reading) else {
        return reading.finish(()).map(|()| unreachable!("there is at least one fault"));
    };
    let mut root = Section::root(&reading, &table);
    let kinds = [("grid", SweepKind::Grid), ("random", SweepKind::Random)];
    let metrics = [("accuracy", Metric::Accuracy), ("loss", Metric::Loss)];
    let kind = root.choice("kind", SweepKind::Grid, &kinds);
    let metric = root.choice("metric", Metric::Accuracy, &metrics);
    let parallel = root.whole("parallel", 1, 1..=PARALLEL_MAX as u64) as usize;
    let count = root.whole_or_none("trials", 1..=TRIALS_MAX as u64);
    match (kind, root.has("trials")) {
        (SweepKind::Grid, true) => {
            root.fault("trials", "has no meaning for a grid: every combination is tried");
        }
        (SweepKind::Random, false) => {
            root.fault("trials", format!("is needed: how many, 1 to {TRIALS_MAX}"));
        }
        (SweepKind::Grid, false) | (SweepKind::Random, true) => {}
    }
    let entries = root.section("values").entries();
    root.finish();
    if entries.is_empty() {
        reading.fault("values", "says nothing: give keys of the config and what each may be");
    }
    refuse_keys(&reading, &entries);
    let keys = entries.iter().map(|entry| (entry.key.to_owned(), entry.span.clone())).collect();
    let trials = match kind {
        SweepKind::Grid => grid(&reading, entries),
        SweepKind::Random => {
            let ranges: Vec<Range> =
                entries.into_iter().filter_map(|entry| range(&reading, entry)).collect();
            (1..=count.unwrap_or(0)).map(|trial| trials::draw(&ranges, seed, trial)).collect()
        }
    };
    let (file, text) = (raw.path.clone(), raw.text.clone());
    reading.finish(Sweep { kind, metric, seed, parallel, keys, trials, file, text })
}

/// Records keys that are no part of a training, and those of which one is within another.
fn refuse_keys(reading: &Reading<'_>, entries: &[Entry<'_>]) {
    let is_within = |key: &str, outer: &str| {
        key.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    for Entry { key, field, .. } in entries {
        let section = key.split(['.', '[']).next().unwrap_or(key);
        if ["state", "control", "baselines"].contains(&section) {
            reading.fault(field, format!("no training of a sweep depends on `{section}`"));
        }
        if let Some(outer) = entries.iter().find(|entry| is_within(key, entry.key)) {
            reading.fault(field, format!("is within `{}`: keep one of them", outer.key));
        }
    }
}

/// Every combination, when there are not too many.
fn grid(reading: &Reading<'_>, entries: Vec<Entry<'_>>) -> Vec<Vec<String>> {
    let mut lists = Vec::new();
    for Entry { field, items, .. } in entries {
        match items {
            Some(items) if !items.is_empty() => {
                lists.push(items.into_iter().map(str::to_owned).collect::<Vec<_>>());
            }
            _ => reading.fault(
                &field,
                "must be a list of values for a grid, and a key with dots must be in quotes: \
                 \"train.epochs\" = [1, 2]",
            ),
        }
    }
    let count = lists.iter().try_fold(1usize, |count, list| count.checked_mul(list.len()));
    match count.filter(|count| *count <= TRIALS_MAX) {
        Some(_) => trials::grid(&lists),
        None => {
            let count = count.map_or("too many".into(), |count| count.to_string());
            let message = format!("make {count} trials: there may be {TRIALS_MAX}");
            reading.fault("values", message);
            Vec::new()
        }
    }
}

/// What a random search may choose for a key, or `None` after a fault.
fn range(reading: &Reading<'_>, entry: Entry<'_>) -> Option<Range> {
    let Some(mut section) = entry.section else {
        reading.fault(
            &entry.field,
            "must be { from = 1e-4, to = 1e-1, scale = \"log\" } or { choose = [1, 2] } for a random \
             search",
        );
        return None;
    };
    if section.has("choose") {
        let items = section.items("choose")?;
        section.finish();
        if items.is_empty() {
            reading.fault(&entry.field, "has nothing to choose from");
            return None;
        }
        return Some(Range::Choose(items.into_iter().map(str::to_owned).collect()));
    }
    let is_whole = section.is_whole("from") && section.is_whole("to");
    let from = section.real_or_none("from", -1e15..=1e15);
    let to = section.real_or_none("to", -1e15..=1e15);
    let is_log = section.choice("scale", false, &[("linear", false), ("log", true)]);
    section.finish();
    let (Some(from), Some(to)) = (from, to) else {
        let message = "needs `from` and `to`, or `choose`; a key with dots must be in quotes";
        reading.fault(&entry.field, message);
        return None;
    };
    if from > to {
        reading.fault(&entry.field, format!("from {from} to {to}: the greater one is `to`"));
        return None;
    }
    if is_log && from <= 0.0 {
        reading.fault(&entry.field, format!("from {from}: a log scale begins above 0"));
        return None;
    }
    Some(Range::Between { from, to, is_log, is_whole })
}

impl Sweep {
    /// The trials, each with its config.
    ///
    /// # Errors
    /// `Faults`: what is wrong with the config when a trial's values are laid over it; each names the
    /// trial and the key.
    pub fn trials(&self, base: &RawConfig) -> Result<Vec<Trial>, Faults> {
        let mut checked = Vec::new();
        // By what is wrong: the first trial that it is wrong in, and how many more.
        let mut wrong: Vec<(String, usize, usize, Place)> = Vec::new();
        let mut known = BTreeMap::new();
        for (number, choice) in (1..).zip(&self.trials) {
            let keys = self.keys.iter().map(|(key, _)| key.clone());
            let values: Vec<_> = keys.zip(choice.iter().cloned()).collect();
            let mut raw = base.clone();
            // The classical models do not depend on the trial, and would take the time of one.
            raw.overlay("baselines.models", "sweep", Some(LaidValue::toml("[]")));
            for (key, value) in &values {
                raw.overlay(key, key, Some(LaidValue::toml(value)));
            }
            match check::check(&raw) {
                Ok(config) => checked.push(Trial { number, values, config }),
                Err(faults) => {
                    for fault in faults.list {
                        let index = *known.entry(fault.to_string()).or_insert_with(|| {
                            let place = self.place(&fault);
                            wrong.push((fault.to_string(), number, 0, place));
                            wrong.len() - 1
                        });
                        wrong[index].2 += usize::from(wrong[index].1 != number);
                    }
                }
            }
        }
        if wrong.is_empty() {
            return Ok(checked);
        }
        Err(self.faults(wrong))
    }

    /// Where the file names the key that a fault comes from.
    fn place(&self, fault: &Fault) -> Place {
        let by = fault.flag.as_deref();
        let key = self.keys.iter().find(|(key, _)| Some(key.as_str()) == by);
        key.map_or(Place::Default, |(_, span)| Place::File(span.clone()))
    }

    fn faults(&self, wrong: Vec<(String, usize, usize, Place)>) -> Faults {
        let left_out = wrong.len().saturating_sub(FAULTS_TOLD);
        let told = wrong.into_iter().take(FAULTS_TOLD).map(|(message, trial, more, place)| {
            let who = match more {
                0 => format!("trial {trial}"),
                more => format!("trial {trial} and {more} more"),
            };
            Fault::new(&who, message, &place, &self.text)
        });
        let mut list: Vec<Fault> = told.collect();
        list.sort_by_key(Fault::order);
        if left_out > 0 {
            let message = format!("{left_out} more faults of trials");
            list.push(Fault::new("", message, &Place::Default, &self.text));
        }
        Faults { file: self.file.clone(), text: self.text.clone(), list }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sweep(text: &str) -> Result<Sweep, Faults> {
        read(&RawConfig::from_text(Path::new("s.toml"), text), 1)
    }

    fn trials(text: &str) -> Result<Vec<Trial>, Faults> {
        sweep(text)?.trials(&RawConfig::from_text(Path::new("a.toml"), ""))
    }

    #[test]
    fn a_sweep_that_cannot_be_meant_is_refused_with_its_place() {
        let long = format!("[values]\n\"seed\" = [{}]", "1, ".repeat(1001));
        for (text, told) in [
            ("", "values: says nothing"),
            (
                "knd = 1\n[values]\n\"seed\" = [1]",
                "1:1: knd: there is no such field: did you mean `kind`?",
            ),
            ("trials = 3\n[values]\n\"seed\" = [1]", "1:10: trials: has no meaning for a grid"),
            ("kind = \"random\"\n[values]\nseed = { from = 1, to = 2 }", "trials: is needed"),
            ("[values]\ntrain.epochs = [1]", "values.train: must be a list of values for a grid"),
            ("[values]\n\"seed\" = []", "2:10: values.seed: must be a list"),
            ("[values]\n\"state.dir\" = [\"a\"]", "no training of a sweep depends on `state`"),
            (
                "[values]\n\"train.loss\" = [{}]\n\"train.loss.kind\" = [\"mse\"]",
                "is within `train.loss`",
            ),
            (&long, "make 1001 trials: there may be 1000"),
            (
                "kind = \"random\"\ntrials = 1\n[values]\nseed = { form = 1, to = 2 }",
                "4:10: values.seed.form: there is no such field: did you mean `from`?",
            ),
            (
                "kind = \"random\"\ntrials = 1\n[values]\nseed = { from = 0, to = 2, scale = \"log\" }",
                "a log scale begins above 0",
            ),
            (
                "kind = \"random\"\ntrials = 1\n[values]\nseed = { from = 3, to = 2 }",
                "the greater one is `to`",
            ),
            (
                "kind = \"random\"\ntrials = 1\n[values]\nseed = { choose = [] }",
                "nothing to choose",
            ),
        ] {
            let faults = sweep(text).expect_err(text).to_string();
            assert!(faults.contains(told), "{text}:\n{faults}");
        }
    }

    #[test]
    fn faults_of_trials_name_the_first_trial_and_the_key_and_are_told_once() {
        let text = "[values]\n\"train.epoch\" = [1, 2]\n\"train.batch\" = [0, 64]";
        let faults = trials(text).expect_err("both keys are wrong");
        let told: Vec<String> = faults.to_string().lines().map(str::to_owned).collect();
        let expected = [
            "s.toml:2:17: trial 1 and 3 more: train.epoch: there is no such field: did you mean `epochs`?",
            "s.toml:3:17: trial 1 and 1 more: train.batch: 0 is out of range: choose 1 to 65536",
        ];
        assert_eq!(told, expected);
        let many = "kind = \"random\"\ntrials = 100\n[values]\n\"train.batch\" = { from = 70000, to = 99999999 }";
        let faults = trials(many).expect_err("all are wrong");
        assert_eq!(faults.list.len(), FAULTS_TOLD + 1);
    }

    #[test]
    fn a_trial_is_the_config_with_its_values() {
        let text =
            "parallel = 3\n[values]\n\"train.epochs\" = [3, 4]\n\"seed\" = [18446744073709551615]";
        let trials = trials(text).expect("a good sweep");
        assert_eq!(trials.len(), 2);
        assert_eq!((trials[1].number, trials[1].config.pipeline.train.epochs), (2, 4));
        assert_eq!(trials[0].config.pipeline.seed, u64::MAX);
        assert!(trials[0].config.pipeline.baselines.models.is_empty());
    }
}
