//! Tables: rows of numbers with a label, from CSV or lines of JSON; from columns in `columnar`.
//!
//! One pass over the text finds where every row lies and what its label is; afterwards each is read at its place and parsed,
//! in any order. Nine bytes a row are kept. A row that cannot be used (ragged, no number where one must be, too long, no label)
//! is an error of that row alone. A row of `D` features is `[1, 1, D]`: each column is a channel with a mean and a deviation of
//! its own.

#[cfg(feature = "columnar")]
mod columnar;
#[cfg(feature = "columnar")]
pub mod columns_writer;
mod csv;
mod json;
mod records;
mod texts;

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use planaria_random::philox::block;
use sha2::{Digest, Sha256};

use self::csv::Csv;
use self::json::JsonLines;
use self::records::{Records, Span};
use super::classes::{self, Classes, LabelFault, Seen};
use super::folder::HASHED_BYTES_MAX;
use super::halves::{Half, Halves, hex};
use super::seekable::Seekable;
use super::{RawItem, Source, SourceError};
use crate::{Codec, Limits, values::is_missing};

/// A table, its files and columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// How its rows are written.
    pub format: TableFormat,
    /// Where they lie.
    pub files: TableFiles,
    /// Which of them are learnt.
    pub columns: Columns,
}

/// How the rows of a table are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableFormat {
    /// CSV.
    Csv {
        /// What stands between fields.
        delimiter: u8,
        /// The names of the columns, when the files do not begin with them.
        names: Option<Vec<String>>,
    },
    /// One JSON object a line.
    JsonLines,
    /// Parquet; only read by a build with the feature `columnar`.
    Parquet,
    /// An Arrow IPC file; only read by a build with the feature `columnar`.
    Arrow,
}

/// Where the rows of a table lie.
#[derive(Clone, PartialEq, Debug)]
pub enum TableFiles {
    /// Files whose rows fall to a split by their numbers.
    Shared {
        /// The files, in the order of their rows.
        paths: Vec<PathBuf>,
        /// The share of rows that are measured on, between 0 and 1.
        test_share: f64,
    },
    /// Files of each split.
    Split {
        /// To learn from.
        train: Vec<PathBuf>,
        /// To measure on.
        test: Vec<PathBuf>,
    },
}

/// Which columns of a table are learnt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    /// The one that holds the class.
    pub label: String,
    /// Those of numbers, in this order; all but the label, in the file's, when there is none.
    pub features: Option<Vec<String>>,
}

impl TableFiles {
    /// The share of rows that are held out, when the files are shared.
    pub(super) fn test_share(&self) -> Option<f64> {
        match self {
            TableFiles::Shared { test_share, .. } => Some(*test_share),
            TableFiles::Split { .. } => None,
        }
    }

    /// The path that stands for all.
    pub(super) fn first(&self) -> &Path {
        let (TableFiles::Shared { paths, .. } | TableFiles::Split { train: paths, .. }) = self;
        paths.first().map_or(Path::new(""), PathBuf::as_path)
    }
}

/// A row.
#[derive(Debug)]
struct Row {
    label: Vec<u8>,
    features: Vec<f32>,
}

/// How a record becomes a row.
trait RowFormat: Send + Sync {
    /// The names of the features, in their order.
    fn names(&self) -> Vec<String>;

    /// The label alone.
    fn label<'r>(&self, record: &'r [u8]) -> Result<Cow<'r, [u8]>, String>;

    /// All of a row, or what is wrong with it.
    fn parse(&self, record: &[u8]) -> Result<Row, String>;
}

/// Opens a table, each file plain or packed.
///
/// Rows of [`TableFiles::Shared`] are held out by a hash of their number: always the same. The SHA-256 is that of the files of
/// training (of all, when they are shared), unpacked, one after another; beyond a GiB of the sizes of its rows.
///
/// # Errors
/// [`SourceError`] when a file cannot be read, a column is missing, or the labels are no classes.
pub fn open(table: &Table, limits: &Limits) -> Result<Box<dyn Source>, SourceError> {
    if let TableFormat::Parquet | TableFormat::Arrow = table.format {
        return open_columns(table, limits);
    }
    let opened = |paths: &Vec<PathBuf>| {
        let open = |path: &PathBuf| Seekable::open(path, limits).map(Arc::new);
        paths.iter().map(open).collect::<Result<Vec<_>, _>>()
    };
    let (of_train, of_test, share) = match &table.files {
        TableFiles::Shared { paths, test_share } => (opened(paths)?, Vec::new(), Some(*test_share)),
        TableFiles::Split { train, test } => (opened(train)?, opened(test)?, None),
    };
    let (format, header) = table.row_format(&of_train, limits)?;
    let rows_left = limits.source_rows;
    let mut index = Index { table, format: &*format, header, limits, rows_left, rows: 0 };
    let (mut train, mut test) = (Rows::new(&format, limits), Rows::new(&format, limits));
    let (mut train_seen, mut test_seen) = (Seen::default(), Seen::default());
    for file in &of_train {
        index.add(
            file,
            share.unwrap_or(0.0),
            [(&mut train, &mut train_seen), (&mut test, &mut test_seen)],
        )?;
    }
    for file in &of_test {
        index.add(file, 1.0, [(&mut train, &mut train_seen), (&mut test, &mut test_seen)])?;
    }
    for (rows, split) in [(&train, "train"), (&test, "test")] {
        if rows.spans.is_empty() {
            let (path, what) = (table.files.first().into(), format!("no row is left to {split}"));
            return Err(SourceError::Format { path, format: "table", what });
        }
    }
    let classes = Classes::join((train.path(), &train_seen), (test.path(), &test_seen))?;
    // A row without a usable label has none of these numbers, and is refused when it is read.
    let class =
        |of: &[u8], label: &mut u8| *label = of.get(usize::from(*label)).copied().unwrap_or(0);
    train.labels.iter_mut().for_each(|label| class(&classes.train, label));
    test.labels.iter_mut().for_each(|label| class(&classes.test, label));
    let names = format.names();
    let d = names.len();
    let (sha256, first) = (train.sha256()?, table.files.first().display());
    Ok(Box::new(Halves {
        train,
        test,
        shape: (1, 1, d),
        codec: Codec::Floats { h: 1, w: 1, c: d },
        fit: None,
        classes: classes.count,
        class_names: classes.names,
        feature_names: names,
        sha256,
        name: format!("table, {first}"),
    }))
}

#[cfg(feature = "columnar")]
fn open_columns(table: &Table, limits: &Limits) -> Result<Box<dyn Source>, SourceError> {
    columnar::open(table, limits)
}

#[cfg(not(feature = "columnar"))]
fn open_columns(table: &Table, _: &Limits) -> Result<Box<dyn Source>, SourceError> {
    let what =
        "Parquet and Arrow are left out of this program: build it with `--features columnar`";
    let (path, what) = (table.files.first().to_path_buf(), what.to_owned());
    Err(SourceError::Format { path, format: "table", what })
}

impl Table {
    /// Finds the wanted columns, by what the first file begins with, and its header.
    fn row_format(
        &self,
        files: &[Arc<Seekable>],
        limits: &Limits,
    ) -> Result<(Arc<dyn RowFormat>, Vec<String>), SourceError> {
        let path = self.files.first();
        let wrong = |what| SourceError::Format { path: path.to_path_buf(), format: "table", what };
        let unreadable = |source| SourceError::Read { path: path.to_path_buf(), source };
        let file = files.first().ok_or_else(|| wrong("there is no file".into()))?;
        let is_csv = matches!(self.format, TableFormat::Csv { .. });
        let mut records = Records::new(file.reader(), is_csv, limits.row_bytes);
        let first = records.next().map_err(unreadable)?;
        let Some((_, Some(first))) = first else {
            return Err(wrong("it has no first row, or one that is too long".into()));
        };
        let mut header = Vec::new();
        let format: Result<Arc<dyn RowFormat>, String> = match &self.format {
            TableFormat::Csv { delimiter, names } => {
                let read = || Csv::header(first, *delimiter);
                header = names.clone().map_or_else(read, Ok).map_err(wrong)?;
                Csv::new(&header, &self.columns, *delimiter).map(|csv| Arc::new(csv) as _)
            }
            TableFormat::JsonLines => {
                JsonLines::new(first, &self.columns).map(|json| Arc::new(json) as _)
            }
            TableFormat::Parquet | TableFormat::Arrow => Err("it has columns, not lines".into()),
        };
        let format = format.map_err(wrong)?;
        match format.names().len() {
            0 => Err(wrong("no column is left for features".into())),
            d if d as u64 * 4 > limits.image_bytes => {
                Err(wrong(format!("{d} features are beyond the limit `image_bytes`")))
            }
            _ => Ok((format, header)),
        }
    }

    /// True when each file begins with the names of its columns.
    fn has_header(&self) -> bool {
        matches!(self.format, TableFormat::Csv { names: None, .. })
    }
}

/// A row of a file, in eight bytes: where it begins, below a TiB, and how long it is, below 16 MiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Packed(u64);

impl Packed {
    const AT_BITS: u32 = 40;
    /// The length of a row that is too long to be read.
    const TOO_LONG: u64 = (1 << 24) - 1;

    fn new(span: Span, is_whole: bool) -> Option<Packed> {
        let len = if is_whole { span.len } else { Packed::TOO_LONG };
        let fits = span.at >> Packed::AT_BITS == 0;
        fits.then_some(Packed(len.min(Packed::TOO_LONG) << Packed::AT_BITS | span.at))
    }

    fn at(self) -> u64 {
        self.0 & ((1 << Packed::AT_BITS) - 1)
    }

    fn len(self) -> u64 {
        self.0 >> Packed::AT_BITS
    }
}

/// The rows of a split.
struct Rows {
    /// Each file with the number of rows up to its end.
    files: Vec<(Arc<Seekable>, u64)>,
    spans: Vec<Packed>,
    labels: Vec<u8>,
    format: Arc<dyn RowFormat>,
    bytes_max: u32,
}

/// Goes through files and finds their rows.
struct Index<'a> {
    table: &'a Table,
    format: &'a dyn RowFormat,
    /// The columns of the first file.
    header: Vec<String>,
    limits: &'a Limits,
    rows_left: u64,
    /// How many rows of shared files there were.
    rows: u64,
}

impl Index<'_> {
    /// Adds the rows of a file, of which so large a share goes to the second split.
    fn add(
        &mut self,
        file: &Arc<Seekable>,
        share: f64,
        [mut train, mut test]: [(&mut Rows, &mut Seen); 2],
    ) -> Result<(), SourceError> {
        let path = || file.path().to_path_buf();
        let wrong = |what| SourceError::Format { path: path(), format: "table", what };
        let is_csv = matches!(self.table.format, TableFormat::Csv { .. });
        let mut records = Records::new(file.reader(), is_csv, self.limits.row_bytes);
        let unreadable = |source| SourceError::Read { path: path(), source };
        if self.table.has_header() {
            let header = records.next().map_err(unreadable)?;
            self.check_header(header.and_then(|(_, bytes)| bytes)).map_err(wrong)?;
        }
        while let Some((span, record)) = records.next().map_err(unreadable)? {
            self.rows_left = self.rows_left.checked_sub(1).ok_or_else(|| {
                SourceError::TooManyRows { path: path(), limit: self.limits.source_rows }
            })?;
            let half = if is_held_out(self.rows, share) { &mut test } else { &mut train };
            let (rows, seen) = (&mut *half.0, &mut *half.1);
            self.rows += 1;
            let label = record.and_then(|record| self.format.label(record).ok());
            let number = match label.map(|label| seen.number(&label)) {
                Some(Err(LabelFault::TooMany)) => {
                    return Err(wrong(format!(
                        "column `{}` {}",
                        shown(&self.table.columns.label),
                        LabelFault::TooMany
                    )));
                }
                // Why the row has no label is told when it is read.
                None | Some(Err(_)) => 0,
                Some(Ok(number)) => number,
            };
            let span = Packed::new(span, record.is_some()).ok_or_else(|| {
                SourceError::TooLarge { path: path(), limit: 1 << Packed::AT_BITS }
            })?;
            rows.spans.push(span);
            rows.labels.push(number);
        }
        for (rows, _) in [&mut train, &mut test] {
            rows.files.push((file.clone(), rows.spans.len() as u64));
        }
        Ok(())
    }

    /// Proves that a file's columns are those of the first.
    fn check_header(&self, header: Option<&[u8]>) -> Result<(), String> {
        let TableFormat::Csv { delimiter, .. } = self.table.format else { return Ok(()) };
        let header = header.ok_or("it has no header, or one that is too long")?;
        match Csv::header(header, delimiter)? == self.header {
            true => Ok(()),
            false => Err("its columns are not those of the first file".into()),
        }
    }
}

/// The key of the draws that hold rows out: no seed of a training, so that all of them measure on the same rows.
const HELD_OUT_KEY: [u32; 2] = [0x7461_626c, 0x6520_3130];

/// True for a share of the numbers, always the same ones.
fn is_held_out(row: u64, share: f64) -> bool {
    let words = block([row as u32, (row >> 32) as u32, 0, 0], HELD_OUT_KEY);
    f64::from(words[0]) < share * (u32::MAX as f64 + 1.0)
}

impl Rows {
    fn new(format: &Arc<dyn RowFormat>, limits: &Limits) -> Rows {
        Rows {
            files: Vec::new(),
            spans: Vec::new(),
            labels: Vec::new(),
            format: format.clone(),
            bytes_max: limits.row_bytes,
        }
    }

    /// The first file with a row of this split.
    fn path(&self) -> &Path {
        self.own_files().next().map_or(Path::new(""), Seekable::path)
    }

    /// The files that have rows of this split.
    fn own_files(&self) -> impl Iterator<Item = &Seekable> {
        let before = std::iter::once(0).chain(self.files.iter().map(|(_, end)| *end));
        let files = self.files.iter().zip(before).filter(|((_, end), before)| end > before);
        files.map(|((file, _), _)| &**file)
    }

    fn file(&self, index: u64) -> &Seekable {
        let number = self.files.partition_point(|(_, end)| *end <= index);
        &self.files[number].0
    }

    /// The bytes of a row.
    fn record(&self, index: u64) -> Result<Vec<u8>, SourceError> {
        let span = self.spans[index as usize];
        if span.len() == Packed::TOO_LONG {
            let limit = self.bytes_max;
            let what = format!(
                "the row is over {limit} bytes: is a quote never closed? Drop it or raise the limit `row_bytes`"
            );
            return Err(self.wrong(index, what));
        }
        let mut record = vec![0; span.len() as usize];
        self.file(index).read_at(span.at(), &mut record)?;
        Ok(record)
    }

    fn place(&self, index: u64) -> String {
        format!("row at byte {}", self.spans[index as usize].at())
    }

    fn wrong(&self, index: u64, what: String) -> SourceError {
        let (path, place) = (self.file(index).path().to_path_buf(), self.place(index));
        SourceError::Item { path, place, what }
    }

    fn sha256(&self) -> Result<String, SourceError> {
        let mut digest = Sha256::new();
        let total: u64 = self.own_files().map(Seekable::len).sum();
        if total > HASHED_BYTES_MAX {
            self.spans.iter().for_each(|span| digest.update(span.0.to_le_bytes()));
            return Ok(hex(digest));
        }
        let mut block = vec![0; 64 << 10];
        for file in self.own_files() {
            let mut from = file.reader();
            loop {
                let read = from.read(&mut block).map_err(|source| SourceError::Read {
                    path: file.path().to_path_buf(),
                    source,
                })?;
                if read == 0 {
                    break;
                }
                digest.update(&block[..read]);
            }
        }
        Ok(hex(digest))
    }
}

impl Half for Rows {
    fn len(&self) -> u64 {
        self.spans.len() as u64
    }

    fn read(&self, index: u64) -> Result<RawItem, SourceError> {
        let record = self.record(index)?;
        let row = self.format.parse(&record).map_err(|what| self.wrong(index, what))?;
        classes::check(&row.label).map_err(|fault| self.wrong(index, fault.to_string()))?;
        let bytes = row.features.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok(RawItem { bytes, label: self.labels[index as usize] })
    }

    fn name(&self, index: u64) -> Option<String> {
        Some(format!("{}, {}", self.file(index).path().display(), self.place(index)))
    }

    fn missing(&self, index: u64) -> SourceError {
        SourceError::Index { path: self.path().to_path_buf(), index, len: self.len() }
    }
}

/// A field as a number; what says that there is none is NaN.
fn number(column: &str, field: &[u8]) -> Result<f32, String> {
    let text = field.trim_ascii();
    if let Some(number) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f32>().ok()) {
        return Ok(number);
    }
    if is_missing(text) {
        return Ok(f32::NAN);
    }
    let found = shown(&String::from_utf8_lossy(text));
    Err(format!("column `{}` is {found:?}: no number", shown(column)))
}

/// A text of somebody's file as it can be printed.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}
