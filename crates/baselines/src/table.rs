//! Rows of features with their labels.

use std::ops::Range;

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

    /// Checks what every model relies on: rows, columns, whole rows, and finite features in the rows `part`.
    ///
    /// `name` is `train` or `test`.
    pub(crate) fn check(
        &self,
        name: &'static str,
        part: Range<usize>,
    ) -> Result<Rows<'_>, BaselineError> {
        if self.rows() == 0 || self.columns == 0 || part.is_empty() {
            return Err(BaselineError::Empty { table: name });
        }
        let (features, rows, columns) = (self.features.len(), self.rows(), self.columns);
        if rows.checked_mul(columns) != Some(features) {
            return Err(BaselineError::Shape { table: name, features, rows, columns });
        }
        if part.end > rows {
            return Err(BaselineError::Rows { table: name, end: part.end, rows });
        }
        let features = &self.features[part.start * columns..part.end * columns];
        match features.iter().position(|feature| !feature.is_finite()) {
            None => Ok(Rows { features, columns }),
            Some(at) => {
                let (row, column) = (part.start + at / columns, at % columns);
                Err(BaselineError::NotFinite { table: name, row, column })
            }
        }
    }
}

/// Checked rows of a table: at least one of at least one column, all finite.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[N, D]`.
    pub(crate) features: &'a [f32],
    /// `D`.
    pub(crate) columns: usize,
}

impl<'a> Rows<'a> {
    /// `N`.
    pub(crate) fn len(&self) -> usize {
        self.features.len() / self.columns
    }

    /// Row after row.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        self.features.chunks_exact(self.columns)
    }

    /// The features of the rows at `places`, in this order.
    pub(crate) fn at(&self, places: &[usize]) -> Vec<f32> {
        let row = |&place: &usize| &self.features[place * self.columns..][..self.columns];
        places.iter().flat_map(row).copied().collect()
    }
}
