//! Models of linfa: multinomial logistic regression by L-BFGS, a few iterations a round.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray16::{Array1, Array2, ArrayView2, Axis, concatenate};

use crate::baseline::{Learnt, check};
use crate::{Baseline, BaselineError, State, Table};

const LIBRARY: &str = "linfa";

/// Rounds of the whole fit. Each begins L-BFGS anew at the weights of the round before.
const ROUNDS: u32 = 4;
/// Iterations of L-BFGS a round.
const ITERATIONS: u64 = 10;
/// Weight of the squared weights in a loss that is summed over the rows.
const ALPHA: f64 = 100.0;

/// Multinomial logistic regression. It begins at zero and draws nothing: the seed changes nothing.
///
/// Equal bits twice on one machine; another processor's multiplication or `exp` may round differently.
/// In `f64`: in `f32` the line search of L-BFGS finds no lower point, and the weights stay at zero without an error.
pub(crate) struct LogisticRegression;

impl Baseline for LogisticRegression {
    fn name(&self) -> &'static str {
        "logistic regression"
    }

    fn library(&self) -> &'static str {
        LIBRARY
    }

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn round(
        &self,
        round: u32,
        state: Option<&State>,
        train: &Table,
        test: &Table,
        _seed: u64,
    ) -> Result<State, BaselineError> {
        let classes = check(round, state, train, test)?;
        let shape = (train.columns + 1, classes.len());
        let before = match state.map(|state| &state.learnt) {
            None => Array2::zeros(shape),
            Some(Learnt::Weights(weights)) => Array2::from_shape_vec(shape, weights.clone())
                .map_err(|_| BaselineError::State { round })?,
            Some(Learnt::Votes(_)) => return Err(BaselineError::State { round }),
        };
        let rows = DatasetBase::new(features(train), Array1::from(train.labels.clone()));
        let fit = MultiLogisticRegression::default()
            .alpha(ALPHA)
            .max_iterations(ITERATIONS)
            .initial_params(before)
            .fit(&rows);
        let model = fit.map_err(|source| BaselineError::Library {
            library: LIBRARY,
            round,
            source: Box::new(source),
        })?;
        let bias = model.intercept().view().insert_axis(Axis(0));
        let weights = concatenate(Axis(0), &[model.params().view(), bias])
            .expect("weights and bias have a column for each class");
        let scores = features(test).dot(model.params()) + model.intercept();
        let predictions = scores.rows().into_iter().map(|row| classes[largest(row)]).collect();
        let learnt = Learnt::Weights(weights.iter().copied().collect());
        Ok(State { rounds_done: round + 1, classes, learnt, predictions })
    }
}

/// The one place where a table becomes an array of linfa's ndarray.
fn features(table: &Table) -> Array2<f64> {
    ArrayView2::from_shape((table.rows(), table.columns), &table.features)
        .expect("a checked table has whole rows")
        .mapv(f64::from)
}

/// The place of the largest score, the first among equals.
fn largest(scores: ndarray16::ArrayView1<'_, f64>) -> usize {
    let first = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
    (0..scores.len()).fold(0, first)
}
