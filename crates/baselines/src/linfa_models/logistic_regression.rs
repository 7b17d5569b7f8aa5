//! Multinomial logistic regression by L-BFGS, a few iterations a round.

use linfa::{DatasetBase, traits::Fit};
use linfa_logistic::MultiLogisticRegression;
use ndarray16::{Array2, Axis, Slice, concatenate};

use super::{doubles, targets};
use crate::{
    error::Failure,
    model::{Lesson, Model, largest},
    table::Rows,
};

/// Rounds of the whole fit. Each begins L-BFGS anew at the weights of the round before.
const ROUNDS: u32 = 4;
/// Iterations of L-BFGS a round.
const ITERATIONS: u64 = 10;
/// Weight of the squared weights in a loss that is summed over the rows.
const ALPHA: f64 = 100.0;

/// Multinomial logistic regression. It begins at zero and draws nothing: the seed changes nothing.
///
/// In `f64`: in `f32` the line search of L-BFGS finds no lower point, and the weights stay at zero without an error.
pub(crate) struct LogisticRegression;

impl Model for LogisticRegression {
    /// Weights `[D + 1, K]`, the last row being the bias.
    type Learnt = Array2<f64>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Array2<f64>>,
    ) -> Result<Array2<f64>, Failure> {
        let shape = (lesson.rows.columns + 1, lesson.classes);
        let rows = DatasetBase::new(doubles(lesson.rows), targets(lesson));
        let model = MultiLogisticRegression::default()
            .alpha(ALPHA)
            .max_iterations(ITERATIONS)
            .initial_params(before.unwrap_or_else(|| Array2::zeros(shape)))
            .fit(&rows)?;
        let bias = model.intercept().view().insert_axis(Axis(0));
        Ok(concatenate(Axis(0), &[model.params().view(), bias])?)
    }

    fn classify(
        &self,
        learnt: &Array2<f64>,
        rows: Rows<'_>,
        _classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let weights = learnt.slice_axis(Axis(0), Slice::from(..rows.columns));
        let scores = doubles(rows).dot(&weights) + learnt.row(rows.columns);
        Ok(scores.rows().into_iter().map(largest).collect())
    }
}
