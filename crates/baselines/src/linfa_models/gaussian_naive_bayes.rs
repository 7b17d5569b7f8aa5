//! Gaussian naive Bayes: a mean and a variance for each feature of each class.

use std::collections::BTreeMap;

use linfa::{DatasetBase, traits::Fit};
use linfa_bayes::{GaussianNb, NaiveBayes};
use ndarray16::Array1;
use serde::{Deserialize, Serialize};

use super::{targets, view};
use crate::{
    error::Failure,
    model::{Lesson, Model, largest},
    table::Rows,
};

/// Added to every variance, as a share of the largest: a feature that is constant in a class decides nothing alone. For pixels
/// linfa's own 1e-9 costs a quarter of the accuracy.
const SMOOTHING: f32 = 0.1;

/// Gaussian naive Bayes, in one round. Nothing is drawn: the seed changes nothing.
pub(crate) struct GaussianNaiveBayes;

/// linfa's model as it is serialised, but for the order: linfa keeps a `HashMap`, whose order is another each time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Classes {
    class_info: BTreeMap<usize, Class>,
}

#[derive(Serialize, Deserialize)]
struct Class {
    class_count: usize,
    prior: f32,
    theta: Array1<f32>,
    sigma: Array1<f32>,
}

impl Model for GaussianNaiveBayes {
    type Learnt = Classes;

    fn rounds(&self) -> u32 {
        1
    }

    fn learn(&self, lesson: &Lesson<'_>, _before: Option<Classes>) -> Result<Classes, Failure> {
        let targets = targets(lesson).mapv(usize::from);
        let rows = DatasetBase::new(view(lesson.rows), targets);
        let model = GaussianNb::params().var_smoothing(SMOOTHING).fit(&rows)?;
        Ok(postcard::from_bytes(&postcard::to_allocvec(&model)?)?)
    }

    fn classify(
        &self,
        learnt: &Classes,
        rows: Rows<'_>,
        _classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let model: GaussianNb<f32, usize> = postcard::from_bytes(&postcard::to_allocvec(learnt)?)?;
        // Its own prediction breaks ties by the order of the `HashMap`.
        let scores: BTreeMap<&usize, Array1<f32>> =
            model.joint_log_likelihood(view(rows)).into_iter().collect();
        Ok((0..rows.len()).map(|row| largest(scores.values().map(|scores| scores[row]))).collect())
    }
}
