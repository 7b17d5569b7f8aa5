//! Tables of columns: Parquet and Arrow IPC give the rows that they were written from; damage is an error.
#![cfg(feature = "columnar")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    types::Int32Type,
};
use arrow_ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use planaria_data::source::table::columns_writer::ColumnsWriter;
use planaria_data::source::table::{Columns, Table, TableFiles, TableFormat, open};
use planaria_data::{Limits, Source, SourceError, Split, Values};
use proptest::prelude::*;

fn batch(rows: usize) -> RecordBatch {
    let label = |row: usize| (row != 3).then_some(["cat", "ape"][row % 2]);
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row as i64)))),
        (
            "x",
            Arc::new(Float64Array::from_iter(
                (0..rows).map(|row| (row != 5).then_some(row as f64 / 4.0)),
            )),
        ),
        ("kind", Arc::new(StringArray::from_iter((0..rows).map(label)))),
        ("y", Arc::new(Float32Array::from_iter_values((0..rows).map(|row| -(row as f32))))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch, compression: Compression) {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties))
            .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_arrow(path: &Path, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn opened(
    format: TableFormat,
    path: &Path,
    features: Option<&[&str]>,
    limits: &Limits,
) -> Result<Box<dyn Source>, SourceError> {
    let features = features.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    let files = TableFiles::Split { train: vec![path.into()], test: vec![path.into()] };
    open(&Table { format, files, columns: Columns { label: "kind".into(), features } }, limits)
}

fn row(source: &dyn Source, index: u64) -> Result<(Vec<f32>, u8), String> {
    let item = source.read(Split::Train, index).map_err(|error| error.to_string())?;
    match source.codec().values(&item.bytes, &Limits::default()) {
        Ok(Values::Numbers(numbers)) => Ok((numbers.data, item.label)),
        Ok(Values::Pixels(_)) => panic!("a row is numbers"),
        Err(error) => Err(error.to_string()),
    }
}

/// The batch in every way that it can be written.
fn files(folder: &Path, batch: &RecordBatch) -> Vec<(TableFormat, PathBuf)> {
    let arrow = folder.join("table.arrow");
    write_arrow(&arrow, batch);
    let mut files = vec![(TableFormat::Arrow, arrow)];
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
    ];
    for (number, compression) in compressions.into_iter().enumerate() {
        let path = folder.join(format!("{number}.parquet"));
        write_parquet(&path, batch, compression);
        files.push((TableFormat::Parquet, path));
    }
    files
}

#[test]
fn rows_that_are_written_as_columns_are_read_again_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    // More than two batches, and numbers of every kind that is finite.
    let rows: Vec<[f32; 2]> = (0..9_000u32)
        .map(|row| [f32::from_bits(row * 400_009 % 0x7f80_0000), -(row as f32) / 3.0])
        .collect();
    let names = ["x".to_owned(), "y, or \"z\"".to_owned()];
    for format in [TableFormat::Parquet, TableFormat::Arrow] {
        let path = folder.path().join("rows");
        let file = File::create(&path).unwrap();
        let mut writer = match format {
            TableFormat::Parquet => ColumnsWriter::parquet(file, &names, "kind").unwrap(),
            _ => ColumnsWriter::arrow(file, &names, "kind").unwrap(),
        };
        for (number, numbers) in rows.iter().enumerate() {
            writer.row(numbers, ["ape", "cat", "dog"][number % 3]).unwrap();
        }
        writer.finish().unwrap();
        let source = opened(format.clone(), &path, None, &Limits::default()).unwrap();
        assert_eq!(source.feature_names(), names, "{format:?}");
        assert_eq!(source.class_names(), ["ape", "cat", "dog"]);
        assert_eq!(source.len(Split::Train), rows.len() as u64);
        for (number, numbers) in rows.iter().enumerate() {
            let (found, class) = row(&*source, number as u64).unwrap();
            let bits = |numbers: &[f32]| numbers.iter().map(|n| n.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(numbers), "{format:?}, row {number}");
            assert_eq!(usize::from(class), number % 3);
        }
    }
}

#[test]
fn columns_of_texts_are_left_out_by_their_types_where_no_column_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in files(folder.path(), &batch(100)) {
        let files = TableFiles::Shared { paths: vec![path.clone()], test_share: 0.2 };
        let columns = Columns { label: "y".into(), features: None };
        let table = Table { format: format.clone(), files, columns };
        let (numbers, texts) = table.of_numbers(&Limits::default()).unwrap();
        assert_eq!(texts, ["kind"], "{format:?}");
        assert_eq!(numbers.columns.features, Some(vec!["id".to_owned(), "x".to_owned()]));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(table.of_numbers(&Limits::default()).is_err(), "{format:?} that is cut");
    }
}

#[test]
fn rows_come_back_in_their_order_whatever_they_are_written_in() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in files(folder.path(), &batch(10_000)) {
        let source = opened(format.clone(), &path, Some(&["y", "x"]), &Limits::default()).unwrap();
        assert_eq!(source.len(Split::Train), 10_000, "{format:?}");
        assert_eq!(source.class_names(), ["ape", "cat"]);
        for index in [0u64, 1, 4_095, 4_096, 9_999] {
            let expected = (vec![-(index as f32), index as f32 / 4.0], 1 - (index % 2) as u8);
            assert_eq!(row(&*source, index), Ok(expected), "{format:?}");
        }
        assert!(row(&*source, 3).unwrap_err().contains("row 3: has no usable label"));
        assert_eq!(
            row(&*source, 5).unwrap_err(),
            "value 1 is NaN: drop the item, or fill what is missing: `[clean]` does"
        );
        let all = opened(format, &path, None, &Limits::default()).unwrap();
        assert_eq!(row(&*all, 8), Ok((vec![8.0, 2.0, -8.0], 1)));
    }
}

#[test]
fn labels_may_be_a_dictionary_and_texts_are_no_features() {
    let folder = tempfile::tempdir().unwrap();
    let kinds: DictionaryArray<Int32Type> = ["b", "a", "b"].into_iter().collect();
    let x: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0, 3.0]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["u", "v", "w"]));
    let batch =
        RecordBatch::try_from_iter([("x", x), ("text", text), ("kind", Arc::new(kinds) as _)])
            .unwrap();
    for (format, path) in files(folder.path(), &batch) {
        let source = opened(format.clone(), &path, Some(&["x"]), &Limits::default()).unwrap();
        assert_eq!((row(&*source, 0), source.class_names().len()), (Ok((vec![1.0], 1)), 2));
        let refused = opened(format, &path, None, &Limits::default()).err().unwrap().to_string();
        assert!(refused.contains("column `text` is Utf8: no numbers"), "{refused}");
    }
}

#[test]
fn tables_over_a_limit_or_without_the_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in files(folder.path(), &batch(100)) {
        let refused = |features: Option<&[&str]>, limits: Limits| {
            opened(format.clone(), &path, features, &limits)
                .err()
                .expect("it is refused")
                .to_string()
        };
        assert!(
            refused(None, Limits { source_rows: 99, ..Limits::default() }).contains("over 99 rows")
        );
        assert!(
            refused(None, Limits { source_bytes: 500, ..Limits::default() }).contains("500 bytes")
        );
        let missing = refused(Some(&["z"]), Limits::default());
        assert!(missing.contains("no column is called `z`: there are id, x, kind, y"), "{missing}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, path) in files(folder.path(), &batch(20)).into_iter().take(3) {
        let bytes = fs::read(&path).unwrap();
        for cut in (0..bytes.len()).step_by(13) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let found = opened(format.clone(), &path, None, &Limits::default());
            assert!(found.is_err(), "{format:?} cut at {cut} of {}", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_damage_to_a_file_of_columns_makes_opening_panic(
        which in 0usize..3, flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (format, path) = files(folder.path(), &batch(20)).swap_remove(which);
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fs::write(&path, &bytes).unwrap();
        if let Ok(source) = opened(format, &path, None, &Limits::default()) {
            for index in 0..source.len(Split::Train).min(30) {
                let _ = row(&*source, index);
            }
        }
    }
}
