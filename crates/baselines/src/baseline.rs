//! What a classical model promises, and the list of them.

use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::Table;
use crate::linfa_models::LogisticRegression;
use crate::smartcore_models::RandomForest;

/// A model that learns in rounds and predicts the test table after each.
pub trait Baseline: Send + Sync {
    /// What it is: `logistic regression`.
    fn name(&self) -> &'static str;

    /// The library that computes it: `linfa`.
    fn library(&self) -> &'static str;

    /// How many rounds make the whole fit.
    fn rounds(&self) -> u32;

    /// Continues a fit by round `round` (from 0): a pure function of its arguments.
    ///
    /// `state` is what the round before gave, `None` for round 0. A killed round is simply done again.
    ///
    /// # Errors
    /// [`BaselineError`] for tables that cannot be learnt from, a state that is not of the round before, and what the library
    /// refuses.
    fn round(
        &self,
        round: u32,
        state: Option<&State>,
        train: &Table,
        test: &Table,
        seed: u64,
    ) -> Result<State, BaselineError>;

    /// The predicted label of every row of the test table, after the state's last round.
    fn predictions<'a>(&self, state: &'a State) -> &'a [u8] {
        &state.predictions
    }
}

/// Makes a baseline.
pub type MakeBaseline = fn() -> Box<dyn Baseline>;

/// The baselines by their names in configurations, and what makes them.
pub static BASELINES: &[(&str, MakeBaseline)] = &[
    ("linfa-logistic-regression", || Box::new(LogisticRegression)),
    ("smartcore-random-forest", || Box::new(RandomForest)),
];

/// A fit after some of its rounds: plain numbers, so that it can be kept, sent and compared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct State {
    pub(crate) rounds_done: u32,
    /// The classes of the training table, ascending: the order of the columns `K` below.
    pub(crate) classes: Vec<u8>,
    pub(crate) learnt: Learnt,
    pub(crate) predictions: Vec<u8>,
}

impl State {
    /// How many rounds have made this state.
    pub fn rounds_done(&self) -> u32 {
        self.rounds_done
    }
}

/// What a model carries from round to round.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Learnt {
    /// Linear weights `[D + 1, K]`, the last row being the bias.
    Weights(Vec<f64>),
    /// How many trees have voted for each class, `[N of the test table, K]`.
    Votes(Vec<u32>),
}

/// The share of `predictions` that are the test table's labels, 0 to 1.
///
/// # Panics
/// When there are not as many predictions as rows.
pub fn accuracy(predictions: &[u8], test: &Table) -> f64 {
    assert_eq!(predictions.len(), test.rows(), "every row has one prediction");
    let right = predictions.iter().zip(&test.labels).filter(|(a, b)| a == b).count();
    right as f64 / test.rows().max(1) as f64
}

/// Why a round cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A table without rows or columns.
    #[error("the {table} table is empty: give it at least one row and one column")]
    Empty {
        /// `train` or `test`.
        table: &'static str,
    },
    /// Features that do not make whole rows.
    #[error(
        "the {table} table has {features} features for {rows} labels of {columns} columns: fill \
         every row"
    )]
    Shape {
        /// `train` or `test`.
        table: &'static str,
        /// Numbers that are there.
        features: usize,
        /// Labels.
        rows: usize,
        /// Features of a row.
        columns: usize,
    },
    /// Tables of different width.
    #[error("{train} training columns but {test} test columns: make both tables the same way")]
    Columns {
        /// Columns of the training table.
        train: usize,
        /// Columns of the test table.
        test: usize,
    },
    /// A feature that is not a number.
    #[error(
        "the {table} table, row {row}, column {column}: not a finite number: clean the data or \
         check the normalisation"
    )]
    NotFinite {
        /// `train` or `test`.
        table: &'static str,
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
    },
    /// Only one class to learn.
    #[error("every training row has label {label}: take a sample with at least two classes")]
    OneClass {
        /// The only class.
        label: u8,
    },
    /// A state that does not belong to this round, model or data.
    #[error("the state given is not that after round {round} of this fit: begin again at round 0")]
    State {
        /// How many rounds should have been done.
        round: u32,
    },
    /// The library could not fit or predict.
    #[error("{library} could not do round {round}: check the data, or leave this baseline out")]
    Library {
        /// Which library.
        library: &'static str,
        /// The round, from 0.
        round: u32,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Checks both tables and that `state` is what `round` can go on from; gives the classes of the training table.
pub(crate) fn check(
    round: u32,
    state: Option<&State>,
    train: &Table,
    test: &Table,
) -> Result<Vec<u8>, BaselineError> {
    train.check("train")?;
    test.check("test")?;
    if train.columns != test.columns {
        return Err(BaselineError::Columns { train: train.columns, test: test.columns });
    }
    let classes = train.classes();
    if let [label] = classes[..] {
        return Err(BaselineError::OneClass { label });
    }
    let fits = match state {
        None => round == 0,
        Some(state) => {
            let size = match &state.learnt {
                Learnt::Weights(weights) => (weights.len(), (train.columns + 1) * classes.len()),
                Learnt::Votes(votes) => (votes.len(), test.rows() * classes.len()),
            };
            round > 0 && state.rounds_done == round && state.classes == classes && size.0 == size.1
        }
    };
    if fits { Ok(classes) } else { Err(BaselineError::State { round }) }
}

#[cfg(test)]
mod tests {
    use planaria_random::{Purpose, Stream};

    use super::*;

    /// Noise in columns of very different scales: ten iterations or eight trees do not finish it.
    fn noise() -> Table {
        let mut stream = Stream::new(1, Purpose::Baseline, 0, 0);
        let labels = (0..200).map(|_| stream.next_below(3) as u8).collect();
        let scale = |at: usize| 1.5f32.powi((at % 20) as i32 - 10);
        let features = (0..200 * 20).map(|at| scale(at) * stream.next_between(-1.0, 1.0)).collect();
        Table { features, labels, columns: 20 }
    }

    #[test]
    fn every_round_adds_to_what_the_rounds_before_have_learnt() {
        let table = noise();
        for (name, make) in BASELINES {
            let baseline = make();
            let first = baseline.round(0, None, &table, &table, 3).unwrap();
            let second = baseline.round(1, Some(&first), &table, &table, 3).unwrap();
            let third = baseline.round(2, Some(&second), &table, &table, 3).unwrap();
            match (&first.learnt, &second.learnt, &third.learnt) {
                (Learnt::Votes(a), Learnt::Votes(b), Learnt::Votes(c)) => {
                    assert!(a.iter().zip(b).zip(c).all(|((a, b), c)| a <= b && b <= c), "{name}");
                    let grown = |a: &[u32], b: &[u32]| -> Vec<u32> {
                        a.iter().zip(b).map(|(a, b)| b - a).collect()
                    };
                    assert_ne!(grown(a, b), *a, "{name}: other trees than in round 0");
                    assert_ne!(grown(a, b), grown(b, c), "{name}: other trees every round");
                }
                (a, b, c) => assert!(a != b && b != c, "{name}: the weights move on"),
            }
        }
    }
}
