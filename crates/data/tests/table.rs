//! Tables of CSV and JSON lines: what is read, how rows fall to the splits, and what is refused.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::{Compression, write::GzEncoder};
use planaria_data::source::table::{Columns, Table, TableFiles, TableFormat, open};
use planaria_data::{Limits, Source, SourceError, Split, Values};
use proptest::prelude::*;

const CSV: TableFormat = TableFormat::Csv { delimiter: b',', names: None };

fn columns(label: &str) -> Columns {
    Columns { label: label.into(), features: None }
}

/// Opens texts as files to learn from, of which the last is measured on.
fn split(
    format: &TableFormat,
    texts: &[&[u8]],
    limits: &Limits,
) -> Result<Box<dyn Source>, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let write = |(number, text): (usize, &&[u8])| {
        let path = folder.path().join(number.to_string());
        fs::write(&path, text).unwrap();
        path
    };
    let mut train: Vec<PathBuf> = texts.iter().enumerate().map(write).collect();
    let test = vec![train.pop().unwrap()];
    let files = TableFiles::Split { train, test };
    open(&Table { format: format.clone(), files, columns: columns("kind") }, limits)
}

fn csv(texts: &[&str]) -> Result<Box<dyn Source>, SourceError> {
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    split(&CSV, &texts, &Limits::default())
}

fn row(source: &dyn Source, split: Split, index: u64) -> Result<(Vec<f32>, u8), String> {
    let item = source.read(split, index).map_err(|error| error.to_string())?;
    let values = source.codec().values(&item.bytes, &Limits::default());
    match values.map_err(|error| error.to_string())? {
        Values::Numbers(numbers) => Ok((numbers.data, item.label)),
        Values::Pixels(_) => panic!("a row is numbers"),
    }
}

#[test]
fn files_come_in_their_order_with_names_as_classes() {
    let source =
        csv(&["a,kind,b\n1,dog,2\n3,cat,4\n", "a,kind,b\r\n5,\"ape\",6\r\n", "a,kind,b\n7,cat,8"])
            .unwrap();
    assert_eq!(source.class_names(), ["ape", "cat", "dog"]);
    assert_eq!((source.shape(), source.classes()), ((1, 1, 2), 3));
    let rows: Vec<_> = (0..3).map(|index| row(&*source, Split::Train, index).unwrap()).collect();
    assert_eq!(rows, [(vec![1.0, 2.0], 2), (vec![3.0, 4.0], 1), (vec![5.0, 6.0], 0)]);
    assert_eq!(row(&*source, Split::Test, 0).unwrap(), (vec![7.0, 8.0], 1));
    assert!(source.name_of(Split::Train, 1).unwrap().ends_with("0, row at byte 17"));
    assert!(source.describe().ends_with("3 train, 1 test, 2 features"), "{}", source.describe());
    // printf 'a,kind,b\n1,dog,2\n3,cat,4\na,kind,b\r\n5,"ape",6\r\n' | sha256sum
    assert!(source.sha256().starts_with("2531272c09d88171"), "{}", source.sha256());
}

#[test]
fn lines_of_json_and_packed_files_give_the_same_rows() {
    let json =
        b"{\"a\": 1, \"kind\": \"dog\", \"b\": 2}\n\n{\"b\": 4, \"a\": 3, \"kind\": \"cat\"}\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"a,kind,b\n1,dog,2\n3,cat,4\n").unwrap();
    let gzip = gzip.finish().unwrap();
    let limits = Limits::default();
    let json = split(&TableFormat::JsonLines, &[json, json], &limits).unwrap();
    let csv = split(&CSV, &[&gzip, &gzip], &limits).unwrap();
    for index in 0..2 {
        assert_eq!(row(&*json, Split::Train, index), row(&*csv, Split::Train, index));
    }
    let headless = TableFormat::Csv {
        delimiter: b';',
        names: Some(["a", "kind", "b"].map(String::from).to_vec()),
    };
    let text = b"1;dog;2\n3;cat;4\n";
    let headless = split(&headless, &[text, text], &limits).unwrap();
    assert_eq!(row(&*headless, Split::Train, 1), row(&*csv, Split::Train, 1));
}

#[test]
fn a_bad_row_is_an_error_of_its_own_and_says_what_and_where() {
    let source = csv(&[
        "a,kind,b\n1,x,2\n1,x\n1,x,2,3\none,x,2\n1,,2\n1,x,\n1,x,inf\n\"1,x,2\n",
        "a,kind,b\n1,x,2\n",
    ]);
    // The open quote takes the rest of the file; there is one class.
    assert!(source.err().unwrap().to_string().contains("1 labels"));
    let source = csv(&[
        "a,kind,b\n1,x,2\n1,x\n1,x,2,3\none,x,2\n1,,2\n1,x,\n1,y,inf\n1,y,2\n\"1,x,2\n",
        "a,kind,b\n1,x,2\n",
    ])
    .unwrap();
    let said: Vec<String> =
        (0..9).map(|index| row(&*source, Split::Train, index).err().unwrap_or_default()).collect();
    let expected = [
        "",
        "row at byte 15: it has 2 fields where the header has 3",
        "row at byte 19: it has 4 fields where the header has 3",
        "row at byte 27: column `a` is \"one\": no number",
        "row at byte 35: has no label",
        "value 1 is NaN: drop the item, or fill what is missing: `[clean]` does",
        "value 1 is inf: drop the item, or fill what is missing: `[clean]` does",
        "",
        "row at byte 59: a quote is never closed",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.ends_with(expected), "`{expected}` is not the end of `{said}`");
    }
}

#[test]
fn rows_of_one_file_are_held_out_by_their_numbers_and_always_the_same() {
    let text: String = (0..2_000).map(|number| format!("{number},{}\n", number % 2)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.csv");
    fs::write(&path, format!("a,kind\n{text}")).unwrap();
    let opened = |test_share| {
        let files = TableFiles::Shared { paths: vec![path.clone()], test_share };
        open(&Table { format: CSV, files, columns: columns("kind") }, &Limits::default()).unwrap()
    };
    let held_out = |source: &dyn Source| -> Vec<u32> {
        (0..source.len(Split::Test))
            .map(|at| row(source, Split::Test, at).unwrap().0[0] as u32)
            .collect()
    };
    let (fifth, again, tenth) = (opened(0.2), opened(0.2), opened(0.1));
    assert_eq!(fifth.len(Split::Train) + fifth.len(Split::Test), 2_000);
    assert!((350..450).contains(&fifth.len(Split::Test)), "{}", fifth.len(Split::Test));
    assert_eq!(held_out(&*fifth), held_out(&*again));
    let more = held_out(&*fifth);
    assert!(held_out(&*tenth).iter().all(|row| more.contains(row)), "a smaller share is a part");
}

#[test]
fn tables_that_cannot_be_learnt_are_refused_with_what_to_do() {
    let refused = |texts: &[&str]| csv(texts).err().expect("it is refused").to_string();
    let good = "a,kind\n1,x\n2,y\n";
    assert!(refused(&["a,b\n1,2\n", good]).contains("no column is called `kind`: there are a, b"));
    assert!(refused(&["kind\nx\ny\n", "kind\nx\n"]).contains("no column is left"));
    assert!(refused(&[good, "b,kind\n1,x\n"]).contains("not those of the first file"));
    assert!(refused(&["", good]).contains("no first row"));
    assert!(refused(&["a,kind\n", good]).contains("no row is left to train"));
    assert!(refused(&[good, "a,kind\n1,z\n"]).contains("label \"z\" is not among those"));
    let many: String = (0..300).map(|number| format!("1,c{number}\n")).collect();
    assert!(refused(&[&format!("a,kind\n{many}"), good]).contains("one label more than the 256"));
}

#[test]
fn limits_are_kept_whatever_a_file_holds() {
    let wide = format!("a,kind\n1,x\n{},x\n2,y\n", "9".repeat(5_000_000));
    let limits = Limits { row_bytes: 1_000, ..Limits::default() };
    let source = split(&CSV, &[wide.as_bytes(), b"a,kind\n1,x\n"], &limits).unwrap();
    let said = row(&*source, Split::Train, 1).unwrap_err();
    assert!(said.contains("row at byte 11: the row is over 1000 bytes"), "{said}");
    assert_eq!(row(&*source, Split::Train, 2).unwrap(), (vec![2.0], 1));
    let few = Limits { source_rows: 3, ..Limits::default() };
    let refused = split(&CSV, &[wide.as_bytes(), b"a,kind\n1,x\n"], &few).err().unwrap();
    assert!(matches!(refused, SourceError::TooManyRows { limit: 3, .. }), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_damage_to_a_table_makes_reading_panic(
        is_json in any::<bool>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let csv = "a,kind,b\n1,\"x\",2\n3,y,\"4\"\n5,x,1e9\n";
        let json = "{\"a\":1,\"kind\":\"x\",\"b\":2}\n{\"a\":3,\"kind\":\"y\",\"b\":null}\n";
        let (format, text) = if is_json { (TableFormat::JsonLines, json) } else { (CSV, csv) };
        let mut damaged = text.as_bytes().to_vec();
        for (at, byte) in flips {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok(source) = split(&format, &[&damaged, text.as_bytes()], &Limits::default()) {
            for index in 0..source.len(Split::Train) {
                let _ = row(&*source, Split::Train, index);
                let _ = source.name_of(Split::Train, index);
            }
        }
    }

    #[test]
    fn what_is_written_as_csv_is_read_back(
        rows in proptest::collection::vec((any::<f32>().prop_filter("finite", |x| x.is_finite()), "[ -~\n]{1,9}"), 2..20),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let text: String = rows.iter().map(|(x, label)| format!("{x},{}\n", quoted(label))).collect();
        let text = format!("a,kind\n{text}");
        let is_shown = |label: &str| !label.trim().is_empty() && !label.trim().contains('\n');
        let labels: std::collections::BTreeSet<&str> =
            rows.iter().map(|(_, label)| label.trim()).filter(|label| is_shown(label)).collect();
        prop_assume!(labels.len() > 1);
        let source = csv(&[&text, &text]).unwrap();
        prop_assert_eq!(source.len(Split::Train), rows.len() as u64);
        for (index, (x, label)) in rows.iter().enumerate() {
            match row(&*source, Split::Train, index as u64) {
                Ok((features, _)) => prop_assert_eq!(features, vec![*x]),
                Err(error) => prop_assert!(!is_shown(label), "{}", error),
            }
        }
    }
}
