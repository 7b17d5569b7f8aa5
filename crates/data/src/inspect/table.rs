//! The data card of a table: its columns, and the rows to look at.

use crate::{Cleaning, Source};
use serde::Serialize;

use super::columns::ColumnCard;

/// What a table holds.
#[derive(Clone, Debug, Serialize)]
pub struct TableCard {
    /// One line by the source itself.
    pub source: String,
    /// The SHA-256 of the training data, as the source defines it.
    pub sha256: String,
    /// How many rows there are, and how many of them are unusable, twice there, leaked, in conflict, or far out; the classes.
    #[serde(flatten)]
    pub rows: Cleaning,
    /// The columns of numbers, the first of them.
    pub columns: Vec<ColumnCard>,
    /// Columns of numbers beyond those.
    pub columns_untold: u64,
    /// Columns of texts, which are not looked at.
    pub texts: Vec<String>,
    /// Rows to look at, and why.
    pub suspicious: Vec<crate::clean::SetAside>,
}

impl TableCard {
    /// Joins what was found of a source.
    pub fn new(
        source: &dyn Source,
        mut rows: Cleaning,
        columns: Vec<ColumnCard>,
        texts: Vec<String>,
    ) -> TableCard {
        let suspicious = std::mem::take(&mut rows.set_aside);
        let columns_untold = source.shape().2.saturating_sub(columns.len()) as u64;
        let (source, sha256) = (source.describe(), source.sha256().to_owned());
        TableCard { source, sha256, rows, columns, columns_untold, texts, suspicious }
    }
}
