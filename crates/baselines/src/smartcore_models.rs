//! Models of smartcore: a random forest that grows a few trees a round and keeps only their votes.

use planaria_random::{Permutation, Purpose, Stream};
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::error::Failed;
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::baseline::{Learnt, check};
use crate::{Baseline, BaselineError, State, Table};

const LIBRARY: &str = "smartcore";

/// Rounds of the whole fit.
const ROUNDS: u32 = 8;
/// Trees grown a round.
const TREES: u32 = 8;
/// Rows that a tree sees, of those given. smartcore's time for a tree grows with the square of its rows.
const ROWS_PER_TREE: usize = 2_000;

/// A random forest. Every tree learns from its own keyed draw of the rows and votes on the test table at once.
pub(crate) struct RandomForest;

type Forest = RandomForestClassifier<f32, u8, DenseMatrix<f32>, Vec<u8>>;

impl Baseline for RandomForest {
    fn name(&self) -> &'static str {
        "random forest"
    }

    fn library(&self) -> &'static str {
        LIBRARY
    }

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn round(
        &self,
        round: u32,
        state: Option<&State>,
        train: &Table,
        test: &Table,
        seed: u64,
    ) -> Result<State, BaselineError> {
        let classes = check(round, state, train, test)?;
        let mut votes = match state.map(|state| &state.learnt) {
            None => vec![0; test.rows() * classes.len()],
            Some(Learnt::Votes(votes)) => votes.clone(),
            Some(Learnt::Weights(_)) => return Err(BaselineError::State { round }),
        };
        let failed = |source: Failed| BaselineError::Library {
            library: LIBRARY,
            round,
            source: Box::new(source),
        };
        let asked = matrix(test.features.clone(), test.columns).map_err(failed)?;
        for tree in round * TREES..(round + 1) * TREES {
            let predicted = tree_votes(tree, train, &asked, seed).map_err(failed)?;
            for (counts, label) in votes.chunks_exact_mut(classes.len()).zip(predicted) {
                let class = classes.binary_search(&label);
                counts[class.expect("a tree predicts labels it has seen")] += 1;
            }
        }
        let predictions = votes.chunks_exact(classes.len()).map(|row| classes[most(row)]).collect();
        Ok(State { rounds_done: round + 1, classes, learnt: Learnt::Votes(votes), predictions })
    }
}

/// Grows tree number `tree` and gives its label for every row of `asked`.
fn tree_votes(
    tree: u32,
    train: &Table,
    asked: &DenseMatrix<f32>,
    seed: u64,
) -> Result<Vec<u8>, Failed> {
    let rows = Permutation::new(train.rows() as u64, seed, Purpose::Baseline, tree);
    let rows = (0..rows.len().min(ROWS_PER_TREE as u64)).map(|place| rows.item_at(place) as usize);
    let (features, labels): (Vec<&[f32]>, Vec<u8>) =
        rows.map(|row| (train.row(row), train.labels[row])).unzip();
    if labels.iter().all(|&label| label == labels[0]) {
        // smartcore refuses one class; a tree that has seen only one has nothing else to say.
        return Ok(vec![labels[0]; asked.shape().0]);
    }
    let features = matrix(features.concat(), train.columns)?;
    let mut stream = Stream::new(seed, Purpose::Baseline, tree, 0);
    let own_seed = u64::from(stream.next_u32()) << 32 | u64::from(stream.next_u32());
    let parameters =
        RandomForestClassifierParameters::default().with_n_trees(1).with_seed(own_seed);
    Forest::fit(&features, &labels, parameters)?.predict(asked)
}

/// The one place where numbers `[N, D]` become a matrix of smartcore.
fn matrix(features: Vec<f32>, columns: usize) -> Result<DenseMatrix<f32>, Failed> {
    DenseMatrix::new(features.len() / columns, columns, features, false)
}

/// The place of the largest count, the first among equals.
fn most(counts: &[u32]) -> usize {
    (0..counts.len()).fold(0, |best, at| if counts[at] > counts[best] { at } else { best })
}
