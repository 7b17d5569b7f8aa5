//! Which columns of a table hold texts: told by its first rows, so that the others can be looked at.

use super::{Columns, Records, Table, TableFormat};
use crate::{Limits, SourceError, source::seekable::Seekable};
use std::sync::Arc;

/// Rows that are looked at, from the first.
const ROWS_MAX: usize = 200;

impl Table {
    /// The same table without the columns of texts, and the names of these: a file of columns has types, and of one of lines they are
    /// columns that hold no number in most of the first rows. A table that names its features stays as it is.
    ///
    /// # Errors
    /// [`SourceError`] when the first file cannot be read.
    pub fn of_numbers(&self, limits: &Limits) -> Result<(Table, Vec<String>), SourceError> {
        if self.columns.features.is_some() {
            return Ok((self.clone(), Vec::new()));
        }
        let (numbers, texts) = match self.format {
            TableFormat::Csv { .. } | TableFormat::JsonLines => self.by_first_rows(limits)?,
            TableFormat::Parquet | TableFormat::Arrow => self.by_types()?,
        };
        let columns = Columns { label: self.columns.label.clone(), features: Some(numbers) };
        Ok((Table { columns, ..self.clone() }, texts))
    }

    #[cfg(feature = "columnar")]
    fn by_types(&self) -> Result<(Vec<String>, Vec<String>), SourceError> {
        super::columnar::numbers_and_others(self)
    }

    /// Whoever opens it is told that this program cannot.
    #[cfg(not(feature = "columnar"))]
    fn by_types(&self) -> Result<(Vec<String>, Vec<String>), SourceError> {
        Ok((Vec::new(), Vec::new()))
    }

    fn by_first_rows(&self, limits: &Limits) -> Result<(Vec<String>, Vec<String>), SourceError> {
        let file = [Arc::new(Seekable::open(self.files.first(), limits)?)];
        let (format, _) = self.row_format(&file, limits)?;
        let records = self.first_rows(&file[0], limits)?;
        let mut good = Vec::new();
        for name in format.names() {
            let columns =
                Columns { label: self.columns.label.clone(), features: Some(vec![name.clone()]) };
            let (alone, _) = Table { columns, ..self.clone() }.row_format(&file, limits)?;
            let rows = records.iter().filter(|record| alone.parse(record).is_ok()).count();
            good.push((name, rows));
        }
        // Rows that are wrong as a whole are bad in every column.
        let most = good.iter().map(|(_, rows)| *rows).max().unwrap_or(0);
        let (numbers, texts): (Vec<_>, Vec<_>) =
            good.into_iter().partition(|(_, rows)| rows * 2 >= most);
        let names = |columns: Vec<(String, usize)>| columns.into_iter().map(|(name, _)| name);
        Ok((names(numbers).collect(), names(texts).collect()))
    }

    fn first_rows(&self, file: &Seekable, limits: &Limits) -> Result<Vec<Vec<u8>>, SourceError> {
        let is_csv = matches!(self.format, TableFormat::Csv { .. });
        let mut records = Records::new(file.reader(), is_csv, limits.row_bytes);
        let (mut rows, mut is_header) = (Vec::new(), self.has_header());
        while rows.len() < ROWS_MAX {
            let read = records.next();
            let unreadable = |source| SourceError::Read { path: file.path().to_owned(), source };
            let Some((_, record)) = read.map_err(unreadable)? else { break };
            if !std::mem::take(&mut is_header) {
                rows.extend(record.map(<[u8]>::to_vec));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::table::TableFiles;

    #[test]
    fn columns_of_texts_are_found_and_a_bad_number_makes_no_column_one_of_texts() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let csv = "name,age,kind,city\nann,3,a,x\nbob,x,b,y\n\"c,d\",5,a,7\ndan,,b,z\ntoo,few\n";
        let json = "{\"name\": \"ann\", \"age\": 3, \"kind\": \"a\", \"city\": \"x\"}\n\
                    {\"name\": \"bob\", \"age\": null, \"kind\": \"b\", \"city\": \"7 y\"}\n";
        let formats = [
            ("t.csv", csv, TableFormat::Csv { delimiter: b',', names: None }),
            ("t.jsonl", json, TableFormat::JsonLines),
        ];
        for (name, text, format) in formats {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            let files = TableFiles::Shared { paths: vec![path], test_share: 0.2 };
            let columns = Columns { label: "kind".into(), features: None };
            let table = Table { format, files, columns };
            let (numbers, texts) = table.of_numbers(&Limits::default()).expect("it can be read");
            assert_eq!(texts, ["name", "city"], "{name}");
            assert_eq!(numbers.columns.features, Some(vec!["age".to_owned()]), "{name}");
        }
    }
}
