//! Classical models, fitted round by round on the same preprocessed items.

use crate::{
    flow::samples::Sample,
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_baselines::{BASELINES, Baseline, State, Table, accuracy};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// The tables that every model learns from and is judged by.
pub(crate) struct Tables {
    pub(crate) train: Table,
    pub(crate) test: Table,
}

/// One item of a comparison.
pub(crate) enum Round {
    /// Makes the tables.
    Tables { train: Vec<Arc<Sample>>, test: Vec<Arc<Sample>> },
    /// Continues the fit of one model.
    Fit { model: Arc<dyn Baseline>, round: u32, state: Option<Arc<State>>, tables: Arc<Tables> },
}

/// What came of it.
pub(crate) enum RoundOutcome {
    Tables(Tables),
    /// The fit after the round, and its accuracy on the held-out items when it was the last.
    Fit(State, Option<f64>),
}

/// Finds a model by its name in the config.
pub(crate) fn baseline(name: &str) -> Option<Arc<dyn Baseline>> {
    let (_, make) = BASELINES.iter().find(|(known, _)| *known == name)?;
    Some(Arc::from(make()))
}

/// Does one round of a comparison.
pub(crate) struct Compare(pub(crate) Arc<Plan>);

impl Stage for Compare {
    type Task = Round;
    type Made = RoundOutcome;

    fn accept(task: Task) -> Option<Round> {
        if let Task::Compare(round) = task { Some(round) } else { None }
    }

    fn answer(made: RoundOutcome) -> Outcome {
        Outcome::Compare(made)
    }

    fn work(&mut self, round: Round, pulse: &Pulse) -> Result<RoundOutcome, WorkerError> {
        pulse.beat()?;
        match round {
            Round::Tables { train, test } => Ok(RoundOutcome::Tables(Tables {
                train: table(&self.0, &train),
                test: table(&self.0, &test),
            })),
            Round::Fit { model, round, state, tables } => {
                let (train, test) = (&tables.train, &tables.test);
                let seed = self.0.settings.seed;
                let state = model.round(round, state.as_deref(), train, test, seed);
                let state = state.map_err(failed)?;
                let is_last = round + 1 == model.rounds();
                let score = is_last.then(|| accuracy(model.predictions(&state), test));
                Ok(RoundOutcome::Fit(state, score))
            }
        }
    }
}

fn table(plan: &Plan, samples: &[Arc<Sample>]) -> Table {
    let columns = samples.first().map_or(0, |sample| sample.pixels.data.len());
    let mut features = Vec::with_capacity(samples.len() * columns);
    for sample in samples {
        plan.numbers(&sample.pixels, &mut features);
    }
    let labels = samples.iter().map(|sample| sample.label).collect();
    Table { features, labels, columns }
}
