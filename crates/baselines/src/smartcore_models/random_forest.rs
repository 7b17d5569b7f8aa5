//! A random forest that grows a few trees a round.

use serde::{Deserialize, Serialize};
use smartcore::{
    ensemble::random_forest_classifier::{
        RandomForestClassifier, RandomForestClassifierParameters,
    },
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
/// Trees grown a round.
const TREES: u32 = 8;
/// Rows that a tree sees, of those given. smartcore's time for a tree grows with the square of its rows.
const ROWS_PER_TREE: usize = 2_000;

/// A random forest. Every tree learns from its own keyed draw of the rows, and all vote.
pub(crate) struct RandomForest;

/// A tree of the forest.
#[derive(Serialize, Deserialize)]
pub(crate) enum Tree {
    /// It has seen only this class: smartcore refuses one class, and there is nothing else to say.
    Constant(u8),
    /// smartcore's forest of one tree.
    Grown(RandomForestClassifier<f32, u8, DenseMatrix<f32>, Vec<u8>>),
}

impl Model for RandomForest {
    type Learnt = Vec<Tree>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(&self, lesson: &Lesson<'_>, before: Option<Vec<Tree>>) -> Result<Vec<Tree>, Failure> {
        let mut trees = before.unwrap_or_default();
        for number in lesson.round * TREES..(lesson.round + 1) * TREES {
            trees.push(tree(lesson, number)?);
        }
        Ok(trees)
    }

    fn classify(
        &self,
        learnt: &Vec<Tree>,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let asked = matrix(rows.features.to_vec(), rows.columns)?;
        let mut votes = vec![0u32; rows.len() * classes];
        for tree in learnt {
            let answers = match tree {
                Tree::Constant(class) => vec![*class; rows.len()],
                Tree::Grown(tree) => tree.predict(&asked)?,
            };
            for (votes, class) in votes.chunks_exact_mut(classes).zip(answers) {
                votes[usize::from(class)] += 1;
            }
        }
        Ok(votes.chunks_exact(classes).map(largest).collect())
    }
}

/// Grows tree number `number`.
fn tree(lesson: &Lesson<'_>, number: u32) -> Result<Tree, Failed> {
    let places = drawn(lesson, ROWS_PER_TREE, number);
    let targets: Vec<u8> = places.iter().map(|&place| lesson.targets[place]).collect();
    if targets.iter().all(|target| *target == targets[0]) {
        return Ok(Tree::Constant(targets[0]));
    }
    let features = matrix(lesson.rows.at(&places), lesson.rows.columns)?;
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(1)
        .with_seed(lesson.own_seed(number));
    Ok(Tree::Grown(RandomForestClassifier::fit(&features, &targets, parameters)?))
}
