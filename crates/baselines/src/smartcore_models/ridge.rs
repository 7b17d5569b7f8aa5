//! Ridge regression on 1 for a class and 0 for the others; the highest answer wins.

use smartcore::{
    error::Failed,
    linalg::basic::{arrays::Array, matrix::DenseMatrix},
    linear::ridge_regression::{RidgeRegression, RidgeRegressionParameters},
};

use super::matrix;
use crate::{
    error::Failure,
    model::{Lesson, Model, largest},
    shares::share,
    table::Rows,
};

/// Rounds of the whole fit; each fits its share of the classes.
const ROUNDS: u32 = 10;
/// Weight of the squared weights for each row in a loss that is summed over the rows.
const ALPHA: f32 = 0.1;
/// The feature that all rows share. Large, so that its weight, the bias, is small, and hardly adds to the loss.
const SHARED: f32 = 10.0;

/// Ridge classification, one against the rest. Nothing is drawn: the seed changes nothing.
///
/// smartcore standardises, but refuses a column that is constant, as an image's corners are: one more feature, the same in
/// all rows, takes the bias instead. It refuses fewer rows than columns, too: rows of zeros with the answer 0 change no sum, and fill up.
pub(crate) struct Ridge;

impl Model for Ridge {
    /// By class: weights `[D + 1]`, the last one being that of the shared feature.
    type Learnt = Vec<Vec<f32>>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Self::Learnt>,
    ) -> Result<Self::Learnt, Failure> {
        let mut weights = before.unwrap_or_default();
        let columns = lesson.rows.columns + 1;
        let mut features = with_shared(lesson.rows);
        let missing = (columns + 1).saturating_sub(lesson.rows.len());
        features.resize(features.len() + missing * columns, 0.0);
        let features = matrix(features, columns)?;
        let alpha = ALPHA * lesson.rows.len() as f32;
        for class in share(lesson.round, ROUNDS, lesson.classes) {
            let is_own = lesson.targets.iter().map(|&target| usize::from(target) == class);
            let mut targets: Vec<f32> = is_own.map(f32::from).collect();
            targets.resize(targets.len() + missing, 0.0);
            weights.push(fitted(&features, &targets, alpha)?);
        }
        Ok(weights)
    }

    fn classify(
        &self,
        learnt: &Self::Learnt,
        rows: Rows<'_>,
        _classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let features = with_shared(rows);
        let score = |row: &[f32], weights: &[f32]| -> f32 {
            row.iter().zip(weights).map(|(feature, weight)| feature * weight).sum()
        };
        let class = |row| largest(learnt.iter().map(|weights| score(row, weights)));
        Ok(features.chunks_exact(rows.columns + 1).map(class).collect())
    }
}

/// The rows, each with the shared feature at its end: `[N, D + 1]`.
fn with_shared(rows: Rows<'_>) -> Vec<f32> {
    rows.iter().flat_map(|row| row.iter().copied().chain([SHARED])).collect()
}

fn fitted(features: &DenseMatrix<f32>, targets: &Vec<f32>, alpha: f32) -> Result<Vec<f32>, Failed> {
    let parameters = RidgeRegressionParameters::default().with_alpha(alpha).with_normalize(false);
    let model = RidgeRegression::fit(features, targets, parameters)?;
    Ok(model.coefficients().iterator(0).copied().collect())
}
