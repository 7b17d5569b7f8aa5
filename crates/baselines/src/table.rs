//! Rows of features with their labels.

use crate::BaselineError;

/// `N` samples of `D` features and a label each.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// `[N, D]`, row by row; best standardised to mean 0 and deviation 1.
    pub features: Vec<f32>,
    /// `[N]`: the class of every row.
    pub labels: Vec<u8>,
    /// `D`.
    pub columns: usize,
}

impl Table {
    /// `N`.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The features of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.columns..(row + 1) * self.columns]
    }

    /// The labels that occur, ascending.
    pub fn classes(&self) -> Vec<u8> {
        let mut classes = self.labels.clone();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Checks what every model relies on: rows, columns, whole rows, finite features.
    pub(crate) fn check(&self, table: &'static str) -> Result<(), BaselineError> {
        if self.rows() == 0 || self.columns == 0 {
            return Err(BaselineError::Empty { table });
        }
        let (features, rows, columns) = (self.features.len(), self.rows(), self.columns);
        if rows.checked_mul(columns) != Some(features) {
            return Err(BaselineError::Shape { table, features, rows, columns });
        }
        match self.features.iter().position(|feature| !feature.is_finite()) {
            None => Ok(()),
            Some(at) => {
                Err(BaselineError::NotFinite { table, row: at / columns, column: at % columns })
            }
        }
    }
}
