//! Why a model cannot be fitted, or cannot predict.

use std::error::Error;

/// Why a round, or a prediction, cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// A table without rows or columns.
    #[error("the {table} table is empty: give it at least one row and one column")]
    Empty {
        /// `train` or `test`.
        table: &'static str,
    },
    /// Features that do not make whole rows.
    #[error(
        "the {table} table has {features} features for {rows} labels of {columns} columns: fill \
         every row"
    )]
    Shape {
        /// `train` or `test`.
        table: &'static str,
        /// Numbers that are there.
        features: usize,
        /// Labels.
        rows: usize,
        /// Features of a row.
        columns: usize,
    },
    /// Rows that are not there.
    #[error("the {table} table has {rows} rows, not {end}: ask for rows that are there")]
    Rows {
        /// `train` or `test`.
        table: &'static str,
        /// The end of the rows asked for.
        end: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A table of another width than the one learnt from.
    #[error("{train} training columns but {test} test columns: make both tables the same way")]
    Columns {
        /// Columns of the training table.
        train: usize,
        /// Columns of the test table.
        test: usize,
    },
    /// A feature that is not a number.
    #[error(
        "the {table} table, row {row}, column {column}: not a finite number: clean the data or \
         check the normalisation"
    )]
    NotFinite {
        /// `train` or `test`.
        table: &'static str,
        /// From 0.
        row: usize,
        /// From 0.
        column: usize,
    },
    /// Only one class to learn.
    #[error(
        "all {rows} training rows that it may see have label {label}: take a sample with at least \
         two classes"
    )]
    OneClass {
        /// The only class.
        label: u8,
        /// Rows of the sample.
        rows: usize,
    },
    /// A state that does not belong to this round, model or data.
    #[error("the state given is not that after round {round} of this fit: begin again at round 0")]
    State {
        /// How many rounds should have been done.
        round: u32,
    },
    /// The library could not fit.
    #[error("{library} could not do round {round}: check the data, or leave this baseline out")]
    Fit {
        /// Which library.
        library: &'static str,
        /// The round, from 0.
        round: u32,
        /// What it said.
        source: Failure,
    },
    /// The library could not predict.
    #[error("{library} could not predict: check the data, or leave this baseline out")]
    Predict {
        /// Which library.
        library: &'static str,
        /// What it said.
        source: Failure,
    },
}

/// What a library says of its failure.
pub type Failure = Box<dyn Error + Send + Sync>;
