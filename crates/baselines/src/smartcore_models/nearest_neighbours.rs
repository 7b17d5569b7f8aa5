//! The k nearest neighbours: all rows are kept, and vote by their distance.

use serde::{Deserialize, Serialize};
use smartcore::{
    algorithm::neighbour::KNNAlgorithmName,
    linalg::basic::matrix::DenseMatrix,
    metrics::distance::Distance,
    neighbors::{
        KNNWeightFunction,
        knn_classifier::{KNNClassifier, KNNClassifierParameters},
    },
};

use super::{matrix, squared_distance};
use crate::{
    error::Failure,
    model::{Lesson, Model},
    table::Rows,
};

/// Neighbours that vote, where there are as many rows.
const NEIGHBOURS: usize = 3;

/// The k nearest neighbours by Euclidean distance, each with the weight of its inverse distance. To fit is to keep the rows.
/// Nothing is drawn: the seed changes nothing.
pub(crate) struct NearestNeighbours;

/// The training rows.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    features: Vec<f32>,
    targets: Vec<u8>,
}

impl Model for NearestNeighbours {
    type Learnt = Kept;

    fn rounds(&self) -> u32 {
        1
    }

    fn learn(&self, lesson: &Lesson<'_>, _before: Option<Kept>) -> Result<Kept, Failure> {
        let (features, targets) = (lesson.rows.features.to_vec(), lesson.targets.to_vec());
        Ok(Kept { features, targets })
    }

    fn classify(
        &self,
        learnt: &Kept,
        rows: Rows<'_>,
        _classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let kept = matrix(learnt.features.clone(), rows.columns)?;
        let parameters = KNNClassifierParameters::default()
            .with_k(NEIGHBOURS.min(learnt.targets.len()))
            .with_algorithm(KNNAlgorithmName::LinearSearch)
            .with_weight(KNNWeightFunction::Distance)
            .with_distance(Euclidean);
        let model: KNNClassifier<f32, u8, DenseMatrix<f32>, Vec<u8>, Euclidean> =
            KNNClassifier::fit(&kept, &learnt.targets, parameters)?;
        let classes = model.predict(&matrix(rows.features.to_vec(), rows.columns)?)?;
        Ok(classes.into_iter().map(usize::from).collect())
    }
}

/// The Euclidean distance, faster than the library's own.
#[derive(Clone, Debug)]
struct Euclidean;

impl Distance<Vec<f32>> for Euclidean {
    fn distance(&self, a: &Vec<f32>, b: &Vec<f32>) -> f64 {
        f64::from(squared_distance(a, b)).sqrt()
    }
}
