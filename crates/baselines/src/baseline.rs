//! The list of all models, and what each of them promises.

use std::ops::Range;

use crate::{
    BaselineError, Table, linfa_models as linfa,
    model::{AnyModel, Lesson},
    smartcore_models as smartcore,
};

/// A classical model that learns in rounds.
pub struct Baseline {
    /// Its name in configurations: `linfa-logistic-regression`.
    pub key: &'static str,
    /// What it is: `logistic regression`.
    pub name: &'static str,
    /// The library that computes it: `linfa`.
    pub library: &'static str,
    /// What must be said beside its figures: how it tells many classes apart, where its library's model does not.
    pub note: Option<&'static str>,
    /// The most rows that it takes in reasonable time; `None` for all there are.
    pub rows_max: Option<RowsMax>,
    model: &'static dyn AnyModel,
}

/// The largest sample that a model is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowsMax {
    /// It learns from the first so many rows of the training table.
    pub rows: usize,
    /// Why not from more: `the kernel matrix has rows x rows numbers`.
    pub why: &'static str,
}

/// Every baseline, in the order of the table that users see.
pub static BASELINES: &[Baseline] = &[
    Baseline {
        key: "linfa-logistic-regression",
        name: "logistic regression",
        library: "linfa",
        note: None,
        rows_max: None,
        model: &linfa::LogisticRegression,
    },
    Baseline {
        key: "linfa-linear-svm",
        name: "linear SVM",
        library: "linfa",
        note: Some("one machine for each pair of classes"),
        rows_max: at_most(4_000, "each pair of classes fills a matrix of rows x rows"),
        model: &linfa::LinearSvm,
    },
    Baseline {
        key: "linfa-gaussian-naive-bayes",
        name: "Gaussian naive Bayes",
        library: "linfa",
        note: None,
        rows_max: None,
        model: &linfa::GaussianNaiveBayes,
    },
    Baseline {
        key: "linfa-decision-tree",
        name: "decision tree",
        library: "linfa",
        note: Some("every tree in it halves the classes that are left"),
        rows_max: at_most(4_000, "with more its sums would round, and ties would be possible"),
        model: &linfa::DecisionTree,
    },
    Baseline {
        key: "linfa-pca-k-means",
        name: "PCA and k-means",
        library: "linfa",
        note: Some("a cluster answers with the class of most of its rows"),
        rows_max: at_most(20_000, "each round holds the rows twice, in double precision"),
        model: &linfa::Clusters,
    },
    Baseline {
        key: "smartcore-k-nearest-neighbours",
        name: "k nearest neighbours",
        library: "smartcore",
        note: None,
        rows_max: at_most(10_000, "a prediction measures the distance to every row"),
        model: &smartcore::NearestNeighbours,
    },
    Baseline {
        key: "smartcore-random-forest",
        name: "random forest",
        library: "smartcore",
        note: Some("every tree sees a draw of 2,000 rows"),
        rows_max: None,
        model: &smartcore::RandomForest,
    },
    Baseline {
        key: "smartcore-extra-trees",
        name: "extra trees",
        library: "smartcore",
        note: Some("one forest for each class against the rest; its trees see draws of 2,000 rows"),
        rows_max: None,
        model: &smartcore::ExtraTrees,
    },
    Baseline {
        key: "smartcore-svc",
        name: "SVC, radial kernel",
        library: "smartcore",
        note: Some("one machine for each pair of classes"),
        rows_max: at_most(2_000, "each pair of classes fills a matrix of rows x rows"),
        model: &smartcore::SupportVectors,
    },
    Baseline {
        key: "smartcore-ridge",
        name: "ridge",
        library: "smartcore",
        note: Some("one regression for each class against the rest"),
        rows_max: at_most(1_000, "its product of matrices is not blocked"),
        model: &smartcore::Ridge,
    },
];

const fn at_most(rows: usize, why: &'static str) -> Option<RowsMax> {
    Some(RowsMax { rows, why })
}

/// A fit after some of its rounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Whose it is.
    baseline: &'static str,
    rounds_done: u32,
    /// The classes of the training rows, ascending.
    classes: Vec<u8>,
    /// `D`.
    columns: usize,
    /// The model as `postcard` writes it: floats in their own width, whole numbers as short as they go.
    learnt: Vec<u8>,
}

impl State {
    /// How many rounds have made this state.
    pub fn rounds_done(&self) -> u32 {
        self.rounds_done
    }

    /// The size of the serialised model.
    pub fn model_bytes(&self) -> u64 {
        self.learnt.len() as u64
    }
}

impl Baseline {
    /// Finds a model by its name in configurations.
    pub fn find(key: &str) -> Option<&'static Baseline> {
        BASELINES.iter().find(|baseline| baseline.key == key)
    }

    /// How many rounds make the whole fit.
    pub fn rounds(&self) -> u32 {
        self.model.rounds()
    }

    /// How many of `rows` training rows it learns from: the first ones.
    pub fn rows_used(&self, rows: usize) -> usize {
        self.rows_max.map_or(rows, |max| max.rows.min(rows))
    }

    /// Continues a fit by round `round` (from 0): a pure function of its arguments.
    ///
    /// `state` is what the round before gave, `None` for round 0. A killed round is simply done again.
    ///
    /// # Errors
    /// [`BaselineError`] for a table that cannot be learnt from, a state that is not of the round before, and what the library
    /// refuses.
    pub fn round(
        &self,
        round: u32,
        state: Option<&State>,
        train: &Table,
        seed: u64,
    ) -> Result<State, BaselineError> {
        let rows = train.check("train", 0..self.rows_used(train.rows()))?;
        let labels = &train.labels[..rows.len()];
        let classes = distinct(labels);
        if let [label] = classes[..] {
            return Err(BaselineError::OneClass { label, rows: rows.len() });
        }
        let follows = |state: &State| {
            (state.baseline, state.rounds_done, state.columns) == (self.key, round, rows.columns)
                && state.classes == classes
        };
        if round >= self.rounds() || !state.map_or(round == 0, follows) {
            return Err(BaselineError::State { round });
        }
        let place = |label| classes.binary_search(label).expect("every label is in the list");
        let targets: Vec<u8> = labels.iter().map(|label| place(label) as u8).collect();
        let lesson = Lesson { round, rows, targets: &targets, classes: classes.len(), seed };
        let learnt = self.model.learn(&lesson, state.map(|state| &state.learnt[..]));
        let learnt =
            learnt.map_err(|source| BaselineError::Fit { library: self.library, round, source })?;
        let (baseline, columns) = (self.key, rows.columns);
        Ok(State { baseline, rounds_done: round + 1, classes, columns, learnt })
    }

    /// The predicted labels of the rows `part` of the test table, after all rounds.
    ///
    /// # Errors
    /// [`BaselineError`] for rows that cannot be predicted, a state that is not of the last round, and what the library refuses.
    pub fn predict(
        &self,
        state: &State,
        test: &Table,
        part: Range<usize>,
    ) -> Result<Vec<u8>, BaselineError> {
        let rows = test.check("test", part)?;
        if (state.baseline, state.rounds_done) != (self.key, self.rounds()) {
            return Err(BaselineError::State { round: self.rounds() });
        }
        if state.columns != rows.columns {
            return Err(BaselineError::Columns { train: state.columns, test: rows.columns });
        }
        let classes = self.model.classify(&state.learnt, rows, state.classes.len());
        let classes =
            classes.map_err(|source| BaselineError::Predict { library: self.library, source })?;
        Ok(classes.into_iter().map(|class| state.classes[class]).collect())
    }
}

/// The labels that occur, ascending.
fn distinct(labels: &[u8]) -> Vec<u8> {
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// The share of `predictions` that are `labels`, 0 to 1.
///
/// # Panics
/// When there are not as many predictions as labels.
pub fn accuracy(predictions: &[u8], labels: &[u8]) -> f64 {
    assert_eq!(predictions.len(), labels.len(), "every row has one prediction");
    let right = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
    right as f64 / labels.len().max(1) as f64
}
