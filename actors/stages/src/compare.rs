//! Classical models, fitted round by round on the same preprocessed items, then asked block by block.

use crate::{
    flow::samples::Sample,
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_baselines::{Baseline, State, Table};
use planaria_data::Decoder;
use planaria_kernel::{Pulse, WorkerError};
use std::{ops::Range, sync::Arc};

/// The tables that every model learns from and is judged by.
pub(crate) struct Tables {
    pub(crate) train: Table,
    pub(crate) test: Table,
}

/// One item of a comparison.
pub(crate) enum Round {
    /// Makes the tables.
    Tables { train: Vec<Sample>, test: Vec<Sample> },
    /// Continues the fit of one model.
    Fit { model: &'static Baseline, round: u32, state: Option<Arc<State>>, tables: Arc<Tables> },
    /// Asks a fitted model for some rows of the test table.
    Predict { model: &'static Baseline, state: Arc<State>, part: Range<usize>, tables: Arc<Tables> },
}

/// What came of it.
pub(crate) enum RoundOutcome {
    Tables(Tables),
    /// The fit after the round.
    Fit(State),
    /// How many of the predictions were right.
    Predicted(u64),
}

/// Does one item of a comparison.
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
                train: table(&self.0, &train, pulse)?,
                test: table(&self.0, &test, pulse)?,
            })),
            Round::Fit { model, round, state, tables } => {
                let seed = self.0.settings.seed;
                let state = model.round(round, state.as_deref(), &tables.train, seed);
                Ok(RoundOutcome::Fit(state.map_err(failed)?))
            }
            Round::Predict { model, state, part, tables } => {
                let predictions = model.predict(&state, &tables.test, part.clone());
                let labels = &tables.test.labels[part];
                let both = predictions.map_err(failed)?.into_iter().zip(labels);
                let right = both.filter(|(predicted, label)| predicted == *label).count();
                Ok(RoundOutcome::Predicted(right as u64))
            }
        }
    }
}

fn table(plan: &Plan, samples: &[Sample], pulse: &Pulse) -> Result<Table, WorkerError> {
    let (h, w, c) = plan.source.shape();
    let columns = if samples.is_empty() { 0 } else { h * w * c };
    let mut features = Vec::with_capacity(samples.len() * columns);
    let mut decoder = Decoder::default();
    for sample in samples {
        pulse.beat()?;
        plan.numbers(&*plan.values(sample, &mut decoder)?, &mut features);
    }
    let labels = samples.iter().map(|sample| sample.label).collect();
    Ok(Table { features, labels, columns })
}
