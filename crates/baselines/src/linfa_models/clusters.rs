//! Principal components, then k-means in their space; every cluster answers with the class of most of its rows.

use linfa::{
    DatasetBase,
    traits::{Fit, Predict},
};
use linfa_clustering::{KMeans, KMeansInit};
use linfa_reduction::Pca;
use ndarray16::{Array2, ArrayView1, Axis};
use planaria_random::{Permutation, Purpose};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use super::doubles;
use crate::{
    error::Failure,
    model::{Lesson, Model, largest},
    table::Rows,
};

/// Rounds of the whole fit: the components, then some iterations of k-means a round.
const ROUNDS: u32 = 6;
/// Iterations of k-means a round; each round begins at the centroids of the round before.
const ITERATIONS: u64 = 5;
/// Components that are kept, where there are as many.
const COMPONENTS: usize = 32;
/// Clusters, where there are as many rows.
const CLUSTERS: usize = 256;

/// PCA and k-means. They never see a class; only the clusters' names come from the classes, by majority.
///
/// The first centroids are rows drawn by the seed. The components begin at random numbers of linfa's own fixed seed.
pub(crate) struct Clusters;

/// The model.
#[derive(Serialize, Deserialize)]
pub(crate) struct Learnt {
    components: Pca<f64>,
    /// `[clusters, components]`.
    centroids: Array2<f64>,
    /// `[clusters]`: the class of most of its rows; class 0 where a cluster has none.
    classes: Vec<usize>,
}

impl Model for Clusters {
    type Learnt = Learnt;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(&self, lesson: &Lesson<'_>, before: Option<Learnt>) -> Result<Learnt, Failure> {
        let rows = doubles(lesson.rows);
        let Some(before) = before else {
            let wanted = COMPONENTS.min(lesson.rows.columns).min(lesson.rows.len());
            let rows = DatasetBase::from(rows);
            let components = Pca::params(wanted).fit(&rows)?;
            let projected = components.predict(&rows.records);
            let centroids = projected.select(Axis(0), &first_rows(lesson));
            return Ok(named(lesson, components, centroids, &projected));
        };
        let Learnt { components, centroids, .. } = before;
        let projected = DatasetBase::from(components.predict(&rows));
        let centroids = moved(centroids, &projected)?;
        Ok(named(lesson, components, centroids, &projected.records))
    }

    fn classify(
        &self,
        learnt: &Learnt,
        rows: Rows<'_>,
        _classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let projected = learnt.components.predict(&doubles(rows));
        let class = |row| learnt.classes[nearest(&learnt.centroids, row)];
        Ok(projected.rows().into_iter().map(class).collect())
    }
}

/// The places of the rows that the clusters begin at.
fn first_rows(lesson: &Lesson<'_>) -> Vec<usize> {
    let rows = Permutation::new(lesson.rows.len() as u64, lesson.seed, Purpose::Baseline, 0);
    (0..rows.len().min(CLUSTERS as u64)).map(|place| rows.item_at(place) as usize).collect()
}

/// Some iterations of k-means.
fn moved(
    centroids: Array2<f64>,
    rows: &DatasetBase<Array2<f64>, ndarray16::Array1<()>>,
) -> Result<Array2<f64>, Failure> {
    if centroids.ncols() == 0 {
        return Ok(centroids); // all rows are equal: there is nothing to move along
    }
    // linfa hands rows to rayon. Parallelism is the pools' affair: in a pool of this thread alone rayon starts no other. An
    // error says that this thread is in one already.
    let _alone = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    let model = KMeans::params(centroids.nrows())
        .init_method(KMeansInit::Precomputed(centroids))
        .n_runs(1)
        .max_n_iterations(ITERATIONS)
        .fit(rows)?;
    Ok(model.centroids().clone())
}

/// Gives every cluster its class.
fn named(
    lesson: &Lesson<'_>,
    components: Pca<f64>,
    centroids: Array2<f64>,
    projected: &Array2<f64>,
) -> Learnt {
    let mut counts = vec![vec![0u32; lesson.classes]; centroids.nrows()];
    for (row, &target) in projected.rows().into_iter().zip(lesson.targets) {
        counts[nearest(&centroids, row)][usize::from(target)] += 1;
    }
    Learnt { components, centroids, classes: counts.into_iter().map(largest).collect() }
}

/// The place of the nearest centroid, the first among equals.
fn nearest(centroids: &Array2<f64>, row: ArrayView1<'_, f64>) -> usize {
    let distance = |centroid: ArrayView1<'_, f64>| -> f64 {
        centroid.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    largest(centroids.rows().into_iter().map(|centroid| -distance(centroid)))
}
