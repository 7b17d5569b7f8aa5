//! Rows of cells, aligned: the first column to the left, all others to the right unless told
//! otherwise.

/// A table to be printed.
#[derive(Debug, Default)]
pub struct Table {
    /// Columns that are aligned to the left.
    left: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; the columns in `left` are aligned to the left.
    pub fn new(headings: &[&str], left: &[usize]) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Table { left: left.into(), rows: vec![headings] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, columns two spaces apart, nothing at the lines' ends.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
            if self.left.contains(&column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let line: Vec<String> = cells.collect();
        line.join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let mut table = Table::new(&["stage", "items", "note"], &[0, 2]);
        table.row(["train".into(), "7".into(), "x".into()]);
        table.row(["preprocess".into(), "12,345".into(), String::new()]);
        let expected = ["stage        items  note", "train            7  x", "preprocess  12,345"];
        assert_eq!(table.lines(), expected);
    }
}
