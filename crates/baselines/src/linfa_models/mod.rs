//! Models of linfa, which computes on `ndarray` 0.16: here, and nowhere else, rows become its arrays.
//!
//! Equal bits twice on one machine; another processor's matrix products or `exp` may round differently.

mod logistic_regression;
mod linear_svm;
mod gaussian_naive_bayes;
mod decision_tree;
mod clusters;

pub(crate) use clusters::Clusters;
pub(crate) use decision_tree::DecisionTree;
pub(crate) use gaussian_naive_bayes::GaussianNaiveBayes;
pub(crate) use linear_svm::LinearSvm;
pub(crate) use logistic_regression::LogisticRegression;

use ndarray16::{Array1, Array2, ArrayView2};

use crate::{model::Lesson, table::Rows};

/// The rows as they are, `[N, D]`.
fn view(rows: Rows<'_>) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows.len(), rows.columns), rows.features)
        .expect("checked rows are whole")
}

/// The rows in double precision, `[N, D]`.
fn doubles(rows: Rows<'_>) -> Array2<f64> {
    view(rows).mapv(f64::from)
}

/// The rows at `places`, `[places, D]`.
fn selected(rows: Rows<'_>, places: &[usize]) -> Array2<f32> {
    Array2::from_shape_vec((places.len(), rows.columns), rows.at(places))
        .expect("checked rows are whole")
}

/// The lesson's targets, `[N]`.
fn targets(lesson: &Lesson<'_>) -> Array1<u8> {
    Array1::from(lesson.targets.to_vec())
}
