//! Tables: `train` and `test` in a folder, as CSV, lines of JSON, Parquet or Arrow IPC. The label is the last column, `label`.

use planaria_data::Values;
use planaria_durable::NewFolder;
use serde_json::{Map, Value, json};
use std::{io::Write, path::Path};

use super::{ConvertError, Items, SPLITS, unwritten};

/// The column of the label.
const LABEL: &str = "label";

/// Writes `train.csv` and `test.csv`, with a header each, to the folder `dst`.
pub(super) fn to_csv(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let header = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        format!("{},{LABEL}\n", names.join(","))
    };
    let row = |_: &[String], features: &[f32], label: &str| {
        let numbers: Vec<String> = features.iter().map(f32::to_string).collect();
        format!("{},{}\n", numbers.join(","), quoted(label))
    };
    write(items, dst, ("csv", header), row)
}

/// Writes `train.jsonl` and `test.jsonl` to the folder `dst`.
pub(super) fn to_json_lines(items: &mut Items<'_>, dst: &Path) -> Result<[u64; 2], ConvertError> {
    let row = |names: &[String], features: &[f32], label: &str| {
        let mut row: Map<String, Value> =
            names.iter().cloned().zip(features.iter().map(|number| json!(number))).collect();
        row.insert(LABEL.to_owned(), json!(label));
        format!("{}\n", Value::Object(row))
    };
    write(items, dst, ("jsonl", |_: &[String]| String::new()), row)
}

fn write(
    items: &mut Items<'_>,
    dst: &Path,
    (ending, header): (&'static str, impl Fn(&[String]) -> String),
    row: impl Fn(&[String], &[f32], &str) -> String,
) -> Result<[u64; 2], ConvertError> {
    let Columns { names, classes } = Columns::of(items)?;
    let folder = NewFolder::begin(dst)?;
    let mut counts = [0; 2];
    for (split, count) in SPLITS.into_iter().zip(&mut counts) {
        let mut file = folder.file(format!("{split}.{ending}"))?;
        file.write_all(header(&names).as_bytes()).map_err(unwritten(dst))?;
        *count = items.each(split, |raw, values| {
            let row = row(&names, &numbers(values)?, &classes[usize::from(raw.label)]);
            file.write_all(row.as_bytes()).map_err(unwritten(dst))
        })?;
        file.finish()?;
    }
    folder.finish()?;
    Ok(counts)
}

/// Writes `train` and `test` as files of columns, `parquet` or `arrow`, to the folder `dst`.
#[cfg(feature = "columnar")]
pub(super) fn to_columns(
    items: &mut Items<'_>,
    dst: &Path,
    ending: &'static str,
) -> Result<[u64; 2], ConvertError> {
    use planaria_data::source::table::columns_writer::ColumnsWriter;
    let Columns { names, classes } = Columns::of(items)?;
    let folder = NewFolder::begin(dst)?;
    let mut counts = [0; 2];
    for (split, count) in SPLITS.into_iter().zip(&mut counts) {
        let file = folder.file(format!("{split}.{ending}"))?;
        let writer = match ending {
            "parquet" => ColumnsWriter::parquet(file, &names, LABEL),
            _ => ColumnsWriter::arrow(file, &names, LABEL),
        };
        let mut writer = writer.map_err(unwritten(dst))?;
        *count = items.each(split, |raw, values| {
            let row = writer.row(&numbers(values)?, &classes[usize::from(raw.label)]);
            row.map_err(unwritten(dst))
        })?;
        writer.finish().map_err(unwritten(dst))?.finish()?;
    }
    folder.finish()?;
    Ok(counts)
}

/// Says that this program has no writer of columns.
#[cfg(not(feature = "columnar"))]
pub(super) fn to_columns(
    _: &mut Items<'_>,
    _: &Path,
    ending: &'static str,
) -> Result<[u64; 2], ConvertError> {
    Err(ConvertError::LeftOut { format: ending })
}

/// What the columns of a table are called, and its labels.
struct Columns {
    /// Of the features, in their order.
    names: Vec<String>,
    /// What each class is called.
    classes: Vec<String>,
}

impl Columns {
    fn of(items: &Items<'_>) -> Result<Columns, ConvertError> {
        let (h, w, d) = items.source.shape();
        if (h, w) != (1, 1) {
            return Err(unfit("pictures".to_owned()));
        }
        let mut names = items.source.feature_names().to_vec();
        if names.is_empty() {
            names.extend((0..d).map(|number| format!("x{number}")));
        }
        if names.iter().any(|name| name == LABEL) {
            return Err(unfit(format!("a feature that is called `{LABEL}`")));
        }
        let classes = match items.source.class_names() {
            [] => (0..items.source.classes()).map(|class| class.to_string()).collect(),
            names => names.to_vec(),
        };
        Ok(Columns { names, classes })
    }
}

/// The numbers of a row.
fn numbers(values: Values) -> Result<Vec<f32>, ConvertError> {
    match values {
        Values::Numbers(numbers) => Ok(numbers.data),
        Values::Pixels(_) => Err(unfit("pictures".to_owned())),
    }
}

fn unfit(what: String) -> ConvertError {
    ConvertError::Unfit { format: "a table", what }
}

/// A text as a field of CSV.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
