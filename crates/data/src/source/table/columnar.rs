//! Tables of columns: Parquet and Arrow IPC files.
//!
//! Rows of columns cannot be read one by one. So the wanted columns are read once, batch by batch, and kept row by row as
//! `f32`, in memory while they are few and else in a scratch file ([`Spool`]), within [`Limits::source_bytes`]; afterwards
//! each row is read at its place. Missing numbers become NaN.
//!
//! The readers are those of the Arrow project. They distrust a file less than ours do: sizes that a file claims are checked
//! against its length before they are believed, and a panic in them is an error of the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array, ArrowPrimitiveType, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, convert::try_fb_to_schema, root_as_footer};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use super::super::classes::{Classes, LabelFault, Seen};
use super::super::halves::{Half, Halves, hex};
use super::super::seekable::{Seekable, Spool, scratch};
use super::super::{RawItem, Source, SourceError, open_file};
use super::{Table, TableFiles, TableFormat, is_held_out, shown};
use crate::{Codec, Limits};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 4096;

/// Opens a table of columns; see [`super::open`]. The SHA-256 is that of the rows to learn from as they are kept.
pub(super) fn open(table: &Table, limits: &Limits) -> Result<Box<dyn Source>, SourceError> {
    let (of_train, of_test, share) = match &table.files {
        TableFiles::Shared { paths, test_share } => (&paths[..], &[][..], *test_share),
        TableFiles::Split { train, test } => (&train[..], &test[..], 0.0),
    };
    let mut halves = [Kept::default(), Kept::default()];
    let mut reading = Reading { table, limits, names: None, rows: 0 };
    for (path, share) in
        of_train.iter().map(|path| (path, share)).chain(of_test.iter().map(|path| (path, 1.0)))
    {
        // A library's panic on hostile bytes: what it was reading is dropped whole.
        let read = catch_unwind(AssertUnwindSafe(|| reading.add(path, share, &mut halves)));
        read.unwrap_or_else(|_| {
            Err(wrong(path, "its reader panicked: the file is damaged".into()))
        })?;
    }
    let first = table.files.first();
    let names = reading.names.unwrap_or_default();
    let d = names.len();
    let [train, test] = halves;
    for (half, split) in [(&train, "train"), (&test, "test")] {
        if half.labels.is_empty() {
            return Err(wrong(first, format!("no row is left to {split}")));
        }
    }
    let classes = Classes::join(
        (first, &train.seen),
        (of_test.first().map_or(first, PathBuf::as_path), &test.seen),
    )?;
    let sha256 = hex(train.digest.clone());
    let test_path = of_test.first().map_or(first, PathBuf::as_path);
    Ok(Box::new(Halves {
        train: train.finish(first, d, &classes.train),
        test: test.finish(test_path, d, &classes.test),
        shape: (1, 1, d),
        codec: Codec::Floats { h: 1, w: 1, c: d },
        fit: None,
        classes: classes.count,
        class_names: classes.names,
        feature_names: names,
        sha256,
        name: format!("table, {}", first.display()),
    }))
}

/// The columns of the first file but its label: those that hold numbers, and the others.
pub(super) fn numbers_and_others(table: &Table) -> Result<(Vec<String>, Vec<String>), SourceError> {
    let path = table.files.first();
    // A library's panic on hostile bytes.
    let schema = catch_unwind(AssertUnwindSafe(|| schema(table.format.clone(), path)));
    let schema = schema.unwrap_or_else(|_| Err(wrong(path, "it is damaged".into())))?;
    let is_label = |name: &str| *name == table.columns.label;
    let others = schema.fields().iter().filter(|field| !is_label(field.name()));
    let (numbers, others): (Vec<_>, Vec<_>) = others.partition(|field| {
        let kind = field.data_type();
        let is_decimal = matches!(kind, DataType::Decimal32(..) | DataType::Decimal64(..))
            || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..));
        matches!(kind, DataType::Boolean | DataType::Null) || kind.is_numeric() && !is_decimal
    });
    let named = |fields: Vec<&Arc<arrow_schema::Field>>| {
        fields.into_iter().map(|field| field.name().clone()).collect()
    };
    Ok((named(numbers), named(others)))
}

/// The types of a file's columns.
fn schema(format: TableFormat, path: &Path) -> Result<Arc<Schema>, SourceError> {
    let damaged = |error: &dyn std::fmt::Display| wrong(path, error.to_string());
    let file = open_file(path)?;
    if format == TableFormat::Parquet {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file);
        return Ok(builder.map_err(|error| damaged(&error))?.schema().clone());
    }
    let bytes = Blocks::new(path, file)?.footer()?;
    let footer = root_as_footer(&bytes).map_err(|error| damaged(&error))?;
    let schema = footer.schema().ok_or_else(|| damaged(&"it has no schema"))?;
    try_fb_to_schema(schema).map(Arc::new).map_err(|error| damaged(&error))
}

fn wrong(path: &Path, what: String) -> SourceError {
    SourceError::Format { path: path.to_path_buf(), format: "table", what }
}

/// The rows of a split while they are read.
#[derive(Default)]
struct Kept {
    spool: Spool,
    labels: Vec<u8>,
    /// Rows without a usable label, in their order.
    unlabelled: Vec<u64>,
    seen: Seen,
    digest: Sha256,
}

impl Kept {
    /// Keeps a row's label; only one too many is an error of the file.
    fn label(&mut self, label: Option<String>) -> Result<(), LabelFault> {
        match self.seen.number(label.unwrap_or_default().as_bytes()) {
            Ok(number) => self.labels.push(number),
            Err(LabelFault::TooMany) => return Err(LabelFault::TooMany),
            Err(_) => {
                self.unlabelled.push(self.labels.len() as u64);
                self.labels.push(0);
            }
        }
        Ok(())
    }

    fn finish(self, path: &Path, d: usize, classes: &[u8]) -> Fixed {
        let class = |number: u8| classes.get(usize::from(number)).copied().unwrap_or(0);
        let labels = self.labels.into_iter().map(class).collect();
        Fixed { rows: self.spool.finish(path), d, labels, unlabelled: self.unlabelled }
    }
}

/// Goes through files.
struct Reading<'a> {
    table: &'a Table,
    limits: &'a Limits,
    /// The features, known from the first file on.
    names: Option<Vec<String>>,
    rows: u64,
}

impl Reading<'_> {
    fn add(&mut self, path: &Path, share: f64, halves: &mut [Kept; 2]) -> Result<(), SourceError> {
        let file = open_file(path)?;
        match self.table.format {
            TableFormat::Parquet => self.add_parquet(path, file, share, halves),
            _ => self.add_arrow(path, file, share, halves),
        }
    }

    fn add_parquet(
        &mut self,
        path: &Path,
        file: File,
        share: f64,
        halves: &mut [Kept; 2],
    ) -> Result<(), SourceError> {
        let damaged = |error: &dyn std::fmt::Display| wrong(path, error.to_string());
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
        let claimed = builder.metadata().file_metadata().num_rows();
        if u64::try_from(claimed).map_or(true, |rows| rows > self.limits.source_rows) {
            let (path, limit) = (path.to_path_buf(), self.limits.source_rows);
            return Err(SourceError::TooManyRows { path, limit });
        }
        let sizes = builder.metadata().row_groups().iter().map(|group| group.total_byte_size());
        if sizes.fold(0i64, |sum, size| sum.saturating_add(size.max(0))) as u64
            > self.limits.source_bytes
        {
            let (path, limit) = (path.to_path_buf(), self.limits.source_bytes);
            return Err(SourceError::TooLarge { path, limit });
        }
        let columns = self.columns(path, builder.schema())?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        for batch in batches.map_err(|error| damaged(&error))? {
            self.add_batch(path, &batch.map_err(|error| damaged(&error))?, share, halves)?;
        }
        Ok(())
    }

    fn add_arrow(
        &mut self,
        path: &Path,
        file: File,
        share: f64,
        halves: &mut [Kept; 2],
    ) -> Result<(), SourceError> {
        let damaged = |error: &dyn std::fmt::Display| wrong(path, error.to_string());
        let file = Blocks::new(path, file)?;
        let bytes = file.footer()?;
        let footer = root_as_footer(&bytes).map_err(|error| damaged(&error))?;
        let schema = footer.schema().ok_or_else(|| damaged(&"it has no schema"))?;
        let schema = try_fb_to_schema(schema).map_err(|error| damaged(&error))?;
        self.columns(path, &schema)?;
        let mut decoder = FileDecoder::new(Arc::new(schema), footer.version());
        for block in footer.dictionaries().iter().flatten() {
            decoder.read_dictionary(block, &file.block(block)?).map_err(|error| damaged(&error))?;
        }
        for block in footer.recordBatches().iter().flatten() {
            let batch = decoder.read_record_batch(block, &file.block(block)?);
            if let Some(batch) = batch.map_err(|error| damaged(&error))? {
                self.add_batch(path, &batch, share, halves)?;
            }
        }
        Ok(())
    }

    /// The places of the wanted columns in a schema; the features are those of the first file.
    fn columns(&mut self, path: &Path, schema: &Schema) -> Result<Vec<usize>, SourceError> {
        let label = &self.table.columns.label;
        let all = || schema.fields().iter().map(|field| field.name().clone());
        let named = || all().filter(|name| name != label).collect();
        let wanted = || self.table.columns.features.clone().unwrap_or_else(named);
        let names = self.names.get_or_insert_with(wanted);
        if names.is_empty() {
            return Err(wrong(path, "no column is left for features".into()));
        }
        let place = |name: &String| {
            schema.index_of(name).map_err(|_| {
                let known: Vec<String> = all().take(20).map(|name| shown(&name)).collect();
                wrong(
                    path,
                    format!(
                        "no column is called `{}`: there are {}",
                        shown(name),
                        known.join(", ")
                    ),
                )
            })
        };
        names.iter().chain([label]).map(place).collect()
    }

    fn add_batch(
        &mut self,
        path: &Path,
        batch: &RecordBatch,
        share: f64,
        halves: &mut [Kept; 2],
    ) -> Result<(), SourceError> {
        let names = self.names.as_deref().unwrap_or_default();
        let column = |name: &str| {
            let column = batch.column_by_name(name);
            column.ok_or_else(|| wrong(path, format!("a batch has no column `{}`", shown(name))))
        };
        let features: Vec<Vec<f32>> = names
            .iter()
            .map(|name| {
                numbers(&**column(name)?).ok_or_else(|| {
                    let found =
                        batch.column_by_name(name).map(|column| column.data_type().to_string());
                    let found = found.unwrap_or_default();
                    wrong(
                        path,
                        format!(
                            "column `{}` is {found}: no numbers; leave it out of `features`",
                            shown(name)
                        ),
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        let label_name = &self.table.columns.label;
        let labels = labels(&**column(label_name)?).ok_or_else(|| {
            wrong(path, format!("column `{}` is neither text nor whole numbers", shown(label_name)))
        })?;
        let mut row = Vec::with_capacity(names.len() * 4);
        for (at, label) in labels.into_iter().enumerate() {
            if self.rows == self.limits.source_rows {
                let (path, limit) = (path.to_path_buf(), self.limits.source_rows);
                return Err(SourceError::TooManyRows { path, limit });
            }
            let half = &mut halves[usize::from(is_held_out(self.rows, share))];
            self.rows += 1;
            half.label(label)
                .map_err(|fault| wrong(path, format!("column `{}` {fault}", shown(label_name))))?;
            row.clear();
            row.extend(features.iter().flat_map(|column| column[at].to_le_bytes()));
            if half.spool.len() + row.len() as u64 > self.limits.source_bytes {
                let (path, limit) = (path.to_path_buf(), self.limits.source_bytes);
                return Err(SourceError::TooLarge { path, limit });
            }
            half.digest.update(&row);
            half.spool.write(&row).map_err(|source| scratch(path, source))?;
        }
        Ok(())
    }
}

/// The blocks of an Arrow IPC file; what a footer claims is checked against the file's length.
struct Blocks<'a> {
    path: &'a Path,
    file: File,
    len: u64,
}

impl<'a> Blocks<'a> {
    fn new(path: &'a Path, file: File) -> Result<Self, SourceError> {
        let unreadable = |source| SourceError::Read { path: path.to_path_buf(), source };
        let len = file.metadata().map_err(unreadable)?.len();
        Ok(Blocks { path, file, len })
    }

    fn bytes(&self, at: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        let need = at.saturating_add(len);
        if need > self.len {
            let path = self.path.to_path_buf();
            return Err(SourceError::Truncated { path, have: self.len, need });
        }
        let mut bytes = vec![0; len as usize];
        let read = self.file.read_exact_at(&mut bytes, at);
        read.map_err(|source| SourceError::Read { path: self.path.to_path_buf(), source })?;
        Ok(bytes)
    }

    fn footer(&self) -> Result<Vec<u8>, SourceError> {
        let short = || wrong(self.path, "it is too short for an Arrow file".into());
        let at = self.len.checked_sub(10).ok_or_else(short)?;
        let end = self.bytes(at, 10)?.try_into().expect("ten bytes were read");
        let len = read_footer_length(end).map_err(|error| wrong(self.path, error.to_string()))?;
        self.bytes(at.checked_sub(len as u64).ok_or_else(short)?, len as u64)
    }

    fn block(&self, block: &Block) -> Result<Buffer, SourceError> {
        let number = |number: i64| {
            u64::try_from(number).map_err(|_| wrong(self.path, "a block is nowhere".into()))
        };
        let len =
            number(block.metaDataLength().into())?.saturating_add(number(block.bodyLength())?);
        self.bytes(number(block.offset())?, len).map(Buffer::from)
    }
}

/// A column of numbers or truth values as `f32`, NaN where one is missing; none for a column of anything else.
fn numbers(column: &dyn Array) -> Option<Vec<f32>> {
    fn of<T: ArrowPrimitiveType>(
        column: &dyn Array,
        number: impl Fn(T::Native) -> f32,
    ) -> Vec<f32> {
        let numbers = column.as_primitive::<T>().iter();
        numbers.map(|found| found.map_or(f32::NAN, &number)).collect()
    }
    Some(match column.data_type() {
        DataType::Boolean => {
            let truths = column.as_boolean().iter();
            truths.map(|truth| truth.map_or(f32::NAN, |truth| f32::from(u8::from(truth)))).collect()
        }
        DataType::Int8 => of::<arrow::Int8Type>(column, f32::from),
        DataType::UInt8 => of::<arrow::UInt8Type>(column, f32::from),
        DataType::Int16 => of::<arrow::Int16Type>(column, f32::from),
        DataType::UInt16 => of::<arrow::UInt16Type>(column, f32::from),
        DataType::Int32 => of::<arrow::Int32Type>(column, |number| number as f32),
        DataType::UInt32 => of::<arrow::UInt32Type>(column, |number| number as f32),
        DataType::Int64 => of::<arrow::Int64Type>(column, |number| number as f32),
        DataType::UInt64 => of::<arrow::UInt64Type>(column, |number| number as f32),
        DataType::Float16 => of::<arrow::Float16Type>(column, |number| number.to_f32()),
        DataType::Float32 => of::<arrow::Float32Type>(column, |number| number),
        DataType::Float64 => of::<arrow::Float64Type>(column, |number| number as f32),
        DataType::Null => vec![f32::NAN; column.len()],
        _ => return None,
    })
}

/// A column of labels as texts; none for a column of anything else.
fn labels(column: &dyn Array) -> Option<Vec<Option<String>>> {
    fn of<T: ArrowPrimitiveType>(column: &dyn Array) -> Vec<Option<String>>
    where
        T::Native: ToString,
    {
        column
            .as_primitive::<T>()
            .iter()
            .map(|found| found.map(|label| label.to_string()))
            .collect()
    }
    let text = |label: Option<&str>| label.map(|label| label.trim().to_owned());
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(text).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(text).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(text).collect(),
        DataType::Boolean => column
            .as_boolean()
            .iter()
            .map(|truth| truth.map(|truth| u8::from(truth).to_string()))
            .collect(),
        DataType::Int8 => of::<arrow::Int8Type>(column),
        DataType::UInt8 => of::<arrow::UInt8Type>(column),
        DataType::Int16 => of::<arrow::Int16Type>(column),
        DataType::UInt16 => of::<arrow::UInt16Type>(column),
        DataType::Int32 => of::<arrow::Int32Type>(column),
        DataType::UInt32 => of::<arrow::UInt32Type>(column),
        DataType::Int64 => of::<arrow::Int64Type>(column),
        DataType::UInt64 => of::<arrow::UInt64Type>(column),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = labels(&**dictionary.values())?;
            let keys = dictionary.normalized_keys();
            let label = |(at, key): (usize, usize)| {
                if column.is_null(at) { None } else { values.get(key).cloned().flatten() }
            };
            keys.into_iter().enumerate().map(label).collect()
        }
        _ => return None,
    })
}

/// Rows of equal length.
struct Fixed {
    rows: Seekable,
    d: usize,
    labels: Vec<u8>,
    unlabelled: Vec<u64>,
}

impl Half for Fixed {
    fn len(&self) -> u64 {
        self.labels.len() as u64
    }

    fn read(&self, index: u64) -> Result<RawItem, SourceError> {
        if self.unlabelled.binary_search(&index).is_ok() {
            let (path, place) = (self.rows.path().to_path_buf(), format!("row {index}"));
            return Err(SourceError::Item { path, place, what: "has no usable label".into() });
        }
        let mut bytes = vec![0; self.d * 4];
        self.rows.read_at(index * bytes.len() as u64, &mut bytes)?;
        Ok(RawItem { bytes, label: self.labels[index as usize] })
    }

    fn name(&self, index: u64) -> Option<String> {
        Some(format!("{}, row {index} of its split", self.rows.path().display()))
    }

    fn missing(&self, index: u64) -> SourceError {
        SourceError::Index { path: self.rows.path().to_path_buf(), index, len: self.len() }
    }
}
