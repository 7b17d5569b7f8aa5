//! Extremely randomised trees, one forest a class.

use smartcore::{
    ensemble::extra_trees_regressor::{ExtraTreesRegressor, ExtraTreesRegressorParameters},
    error::Failed,
    linalg::basic::matrix::DenseMatrix,
};

use super::{drawn, matrix};
use crate::{
    error::Failure,
    model::{Lesson, Model, largest},
    table::Rows,
};

/// Rounds of the whole fit.
const ROUNDS: u32 = 8;
/// Trees grown a round for each class.
const TREES: usize = 2;
/// Rows that a round's trees see, of those given.
const ROWS_PER_ROUND: usize = 2_000;

/// Extra trees, one against the rest: smartcore's predict a number, so each class has a forest that learns 1 for its own rows
/// and 0 for all others, and the highest sum wins. Every round learns from its own keyed draw of the rows.
pub(crate) struct ExtraTrees;

type Forest = ExtraTreesRegressor<f32, f32, DenseMatrix<f32>, Vec<f32>>;

impl Model for ExtraTrees {
    /// By round, and in it by class.
    type Learnt = Vec<Vec<Forest>>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Self::Learnt>,
    ) -> Result<Self::Learnt, Failure> {
        let mut rounds = before.unwrap_or_default();
        let places = drawn(lesson, ROWS_PER_ROUND, lesson.round);
        let features = matrix(lesson.rows.at(&places), lesson.rows.columns)?;
        let forest = |class: usize| -> Result<Forest, Failed> {
            let is_own = |&place: &usize| usize::from(lesson.targets[place]) == class;
            let targets = places.iter().map(|place| f32::from(is_own(place))).collect();
            let number = lesson.round * lesson.classes as u32 + class as u32;
            let parameters = ExtraTreesRegressorParameters::default()
                .with_n_trees(TREES)
                .with_seed(lesson.own_seed(number));
            Forest::fit(&features, &targets, parameters)
        };
        rounds.push((0..lesson.classes).map(forest).collect::<Result<_, _>>()?);
        Ok(rounds)
    }

    fn classify(
        &self,
        learnt: &Self::Learnt,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let asked = matrix(rows.features.to_vec(), rows.columns)?;
        let mut scores = vec![0.0f32; rows.len() * classes];
        for forests in learnt {
            for (class, forest) in forests.iter().enumerate() {
                for (scores, score) in scores.chunks_exact_mut(classes).zip(forest.predict(&asked)?)
                {
                    scores[class] += score;
                }
            }
        }
        Ok(scores.chunks_exact(classes).map(largest).collect())
    }
}
