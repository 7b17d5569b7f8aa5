//! Linear support vector machines, one for each pair of classes.

use linfa::{DatasetBase, traits::Fit};
use linfa_svm::Svm;
use ndarray16::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use super::{doubles, selected};
use crate::{
    error::Failure,
    model::{Lesson, Model},
    shares::{pairs, share, winner},
    table::Rows,
};

/// Rounds of the whole fit; each fits its share of the pairs.
const ROUNDS: u32 = 15;
/// The price of a row on the wrong side.
const C: f64 = 10.0;
/// SMO ends when no pair of rows breaks the conditions of the optimum by more. The library's own 1e-7 takes very much longer,
/// and nothing else but its ten million steps ends it.
const TOLERANCE: f64 = 1e-3;

/// Linear support vector machines, one against one: linfa's tells two classes apart.
///
/// Features are divided by the root of their number, so that `C` means the same for narrow and for wide rows. Nothing is
/// drawn: the seed changes nothing. Shrinking stays off: linfa puts the rows that it has shrunk back in wrong places.
pub(crate) struct LinearSvm;

/// Of one pair of classes: the higher one is on the positive side.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hyperplane {
    weights: Array1<f64>,
    bias: f64,
}

impl Model for LinearSvm {
    /// In the order of the pairs.
    type Learnt = Vec<Hyperplane>;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(
        &self,
        lesson: &Lesson<'_>,
        before: Option<Vec<Hyperplane>>,
    ) -> Result<Vec<Hyperplane>, Failure> {
        let mut hyperplanes = before.unwrap_or_default();
        let pairs = pairs(lesson.classes);
        for pair in &pairs[share(lesson.round, ROUNDS, pairs.len())] {
            hyperplanes.push(hyperplane(lesson, *pair)?);
        }
        Ok(hyperplanes)
    }

    fn classify(
        &self,
        learnt: &Vec<Hyperplane>,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let mut weights = Array2::zeros((rows.columns, learnt.len()));
        for (mut column, hyperplane) in weights.axis_iter_mut(Axis(1)).zip(learnt) {
            column.assign(&hyperplane.weights);
        }
        let scores = doubles(rows).dot(&weights);
        let class = |row: ndarray16::ArrayView1<'_, f64>| {
            winner(classes, |pair| row[pair] + learnt[pair].bias > 0.0)
        };
        Ok(scores.rows().into_iter().map(class).collect())
    }
}

fn hyperplane(lesson: &Lesson<'_>, pair: [usize; 2]) -> Result<Hyperplane, Failure> {
    let places = lesson.places_of(pair);
    let is_high = |&place: &usize| usize::from(lesson.targets[place]) == pair[1];
    let scale = 1.0 / (lesson.rows.columns as f64).sqrt();
    let rows = selected(lesson.rows, &places).mapv(|feature| f64::from(feature) * scale);
    let rows = DatasetBase::new(rows, places.iter().map(is_high).collect::<Array1<bool>>());
    let svm = Svm::<f64, bool>::params()
        .linear_kernel()
        .pos_neg_weights(C, C)
        .eps(TOLERANCE)
        .shrinking(false)
        .fit(&rows)?;
    // `alpha` has the sign of its row's class.
    let weights = rows.records.t().dot(&Array1::from(svm.alpha)) * scale;
    Ok(Hyperplane { weights, bias: -svm.rho })
}
