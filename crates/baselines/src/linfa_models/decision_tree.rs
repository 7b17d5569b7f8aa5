//! A decision tree, grown from trees that each tell two groups of classes apart.

use std::{collections::VecDeque, ops::Range};

use linfa::{
    DatasetBase,
    traits::{Fit, Predict},
};
use linfa_trees::DecisionTree as Tree;
use ndarray16::Array1;

use super::{selected, view};
use crate::{
    error::Failure,
    model::{Lesson, Model},
    shares::share,
    table::Rows,
};

/// Rounds of the whole fit; each grows its share of the trees.
const ROUNDS: u32 = 9;
/// The longest way from the root of a tree to a leaf.
const DEPTH_MAX: usize = 12;

/// A decision tree. A first tree sends a row to the lower or the upper half of the classes, a next one to half of these, until
/// one class is left: together they are one tree.
///
/// linfa's tree takes all classes at once, but then adds up their shares in the order of a `HashMap`, which is another each
/// time, and so are the sums' last bits, and the splits. With two groups the order cannot matter; ties cannot happen either,
/// as rows of the upper half weigh a little more (see `weight`). Nothing is drawn: the seed changes nothing.
pub(crate) struct DecisionTree;

impl Model for DecisionTree {
    /// In the order of `halvings`; `true` is the upper half.
    type Learnt = Vec<Tree<f32, bool>>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Self::Learnt>,
    ) -> Result<Self::Learnt, Failure> {
        let mut trees = before.unwrap_or_default();
        let halvings = halvings(lesson.classes);
        for classes in &halvings[share(lesson.round, ROUNDS, halvings.len())] {
            trees.push(tree(lesson, classes)?);
        }
        Ok(trees)
    }

    fn classify(
        &self,
        learnt: &Self::Learnt,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let halvings = halvings(classes);
        let answers: Vec<Array1<bool>> =
            learnt.iter().map(|tree| tree.predict(&view(rows))).collect();
        let class = |row: usize| {
            let mut left = 0..classes;
            for (halved, answers) in halvings.iter().zip(&answers) {
                if *halved == left {
                    let middle = middle(&left);
                    left = if answers[row] { middle..left.end } else { left.start..middle };
                }
            }
            left.start
        };
        Ok((0..rows.len()).map(class).collect())
    }
}

/// The ranges of classes that are halved: `K - 1` of them, each before its halves.
fn halvings(classes: usize) -> Vec<Range<usize>> {
    let mut halvings = Vec::new();
    let mut next = VecDeque::new();
    next.push_back(0..classes);
    while let Some(halved) = next.pop_front() {
        if halved.len() > 1 {
            let middle = middle(&halved);
            next.extend([halved.start..middle, middle..halved.end]);
            halvings.push(halved);
        }
    }
    halvings
}

fn middle(classes: &Range<usize>) -> usize {
    classes.start + classes.len() / 2
}

/// Tells the upper half of these classes from the lower one.
fn tree(lesson: &Lesson<'_>, classes: &Range<usize>) -> Result<Tree<f32, bool>, Failure> {
    let class = |place: usize| usize::from(lesson.targets[place]);
    let places: Vec<usize> =
        (0..lesson.rows.len()).filter(|&place| classes.contains(&class(place))).collect();
    let is_upper: Array1<bool> =
        places.iter().map(|&place| class(place) >= middle(classes)).collect();
    let weights = is_upper.mapv(weight);
    let rows = DatasetBase::new(selected(lesson.rows, &places), is_upper).with_weights(weights);
    Ok(Tree::params().max_depth(Some(DEPTH_MAX)).fit(&rows)?)
}

/// Of a row in linfa's sums. `a` rows of weight `2049 / 2048` never weigh as much as `b` of weight 1 while there are fewer than
/// 4,097 together, and their sums are exact in `f32`.
fn weight(is_upper: bool) -> f32 {
    if is_upper { 1.0 + 1.0 / 2048.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Baseline;

    #[test]
    fn halves_are_halved_until_every_class_stands_alone() {
        assert_eq!(halvings(3), [0..3, 1..3]);
        assert_eq!(halvings(5), [0..5, 0..2, 2..5, 3..5]);
        assert_eq!(halvings(256).len(), 255);
    }

    #[test]
    fn weights_are_exact_and_never_tie_for_as_many_rows_as_the_tree_may_see() {
        let max = Baseline::find("linfa-decision-tree").unwrap().rows_max.unwrap().rows;
        assert!(max <= 4096, "{max} rows could tie, or lose bits");
        let mut sum = 0.0f32;
        for rows in 1..=max {
            sum += weight(true);
            assert_eq!(f64::from(sum), rows as f64 * 2049.0 / 2048.0);
            assert!(sum.fract() != 0.0 || rows + sum as usize > max, "{rows} rows tie");
        }
    }
}
