//! Models of smartcore: here, and nowhere else, rows become its matrices.

mod nearest_neighbours;
mod random_forest;
mod extra_trees;
mod support_vectors;
mod ridge;

pub(crate) use extra_trees::ExtraTrees;
pub(crate) use nearest_neighbours::NearestNeighbours;
pub(crate) use random_forest::RandomForest;
pub(crate) use ridge::Ridge;
pub(crate) use support_vectors::SupportVectors;

use planaria_random::{Permutation, Purpose};
use smartcore::{error::Failed, linalg::basic::matrix::DenseMatrix, numbers::basenum::Number};

use crate::model::Lesson;

/// Numbers `[N, D]`, row by row, as a matrix.
fn matrix<T: Number>(features: Vec<T>, columns: usize) -> Result<DenseMatrix<T>, Failed> {
    DenseMatrix::new(features.len() / columns, columns, features, false)
}

/// The places of at most `rows_max` rows, drawn without repetition for tree number `tree`.
fn drawn(lesson: &Lesson<'_>, rows_max: usize, tree: u32) -> Vec<usize> {
    let rows = lesson.rows.len() as u64;
    let order = Permutation::new(rows, lesson.seed, Purpose::Baseline, tree);
    (0..rows.min(rows_max as u64)).map(|place| order.item_at(place) as usize).collect()
}

/// The squared distance of two rows, sixteen sums side by side: smartcore's own adds one number after another, which takes a
/// processor ten times as long.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (a_whole, b_whole) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_whole.remainder().iter().zip(b_whole.remainder());
    let rest: f32 = rest.map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a_whole.zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_every_feature_once() {
        for len in [1, 15, 16, 17, 40] {
            let a: Vec<f32> = (0..len).map(|at| at as f32).collect();
            let b: Vec<f32> = (0..len).map(|at| at as f32 - (at % 3) as f32).collect();
            let expected: usize = (0..len).map(|at| (at % 3) * (at % 3)).sum();
            assert_eq!(squared_distance(&a, &b), expected as f32);
        }
    }
}
