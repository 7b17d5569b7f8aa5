//! Rows written as columns: a Parquet file, or one of Arrow IPC, that this crate reads again.
//!
//! Rows are gathered to batches, so that memory does not grow with the table. Features are `f32`, the label is text.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// Rows of a batch.
const BATCH_ROWS: usize = 4096;

/// Rows that Parquet keeps until they are written.
const GROUP_ROWS: usize = 16 * BATCH_ROWS;

/// A file of columns while it is written.
pub struct ColumnsWriter<W: Write + Send> {
    to: Format<W>,
    schema: Arc<Schema>,
    features: Vec<Vec<f32>>,
    labels: Vec<String>,
}

/// How the columns are written.
enum Format<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<W>>),
}

impl<W: Write + Send> ColumnsWriter<W> {
    /// Begins a Parquet file, packed with snappy.
    ///
    /// # Errors
    /// When `to` does not take it.
    pub fn parquet(to: W, features: &[String], label: &str) -> io::Result<Self> {
        let schema = schema(features, label);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties));
        let to = Format::Parquet(Box::new(writer.map_err(io::Error::other)?));
        Ok(ColumnsWriter::new(to, schema, features))
    }

    /// Begins an Arrow IPC file.
    ///
    /// # Errors
    /// When `to` does not take it.
    pub fn arrow(to: W, features: &[String], label: &str) -> io::Result<Self> {
        let schema = schema(features, label);
        let writer = FileWriter::try_new(to, &schema).map_err(io::Error::other)?;
        Ok(ColumnsWriter::new(Format::Arrow(Box::new(writer)), schema, features))
    }

    fn new(to: Format<W>, schema: Arc<Schema>, features: &[String]) -> Self {
        ColumnsWriter { to, schema, features: vec![Vec::new(); features.len()], labels: Vec::new() }
    }

    /// Appends a row.
    ///
    /// # Errors
    /// When the file does not take it.
    ///
    /// # Panics
    /// When there are not as many numbers as features.
    pub fn row(&mut self, features: &[f32], label: &str) -> io::Result<()> {
        assert_eq!(features.len(), self.features.len(), "a number for each feature");
        for (column, number) in self.features.iter_mut().zip(features) {
            column.push(*number);
        }
        self.labels.push(label.to_owned());
        if self.labels.len() == BATCH_ROWS { self.write() } else { Ok(()) }
    }

    /// Writes the rows that are gathered.
    fn write(&mut self) -> io::Result<()> {
        let numbers = self.features.iter_mut().map(std::mem::take);
        let numbers = numbers.map(|column| Arc::new(Float32Array::from(column)) as ArrayRef);
        let labels = Arc::new(StringArray::from(std::mem::take(&mut self.labels))) as ArrayRef;
        let columns = numbers.chain([labels]).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(io::Error::other)?;
        match &mut self.to {
            Format::Parquet(writer) => writer.write(&batch).map_err(io::Error::other),
            Format::Arrow(writer) => writer.write(&batch).map_err(io::Error::other),
        }
    }

    /// Ends the file; gives back where it was written to.
    ///
    /// # Errors
    /// When the file does not take it.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.labels.is_empty() {
            self.write()?;
        }
        match self.to {
            Format::Parquet(writer) => writer.into_inner().map_err(io::Error::other),
            Format::Arrow(writer) => writer.into_inner().map_err(io::Error::other),
        }
    }
}

fn schema(features: &[String], label: &str) -> Arc<Schema> {
    let number = |name: &String| Field::new(name, DataType::Float32, false);
    let label = Field::new(label, DataType::Utf8, false);
    Arc::new(Schema::new(features.iter().map(number).chain([label]).collect::<Vec<_>>()))
}
