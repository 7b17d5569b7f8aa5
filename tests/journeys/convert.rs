//! Data in one format becomes data in another, whole or not at all.

use std::fs;

use crate::{drawings, world::World};

/// Published names of the four IDX files.
const IDX: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A world with the four IDX files in the folder `bars`, in gzip.
fn world() -> World {
    let world = World::new();
    fs::create_dir(world.path("bars")).expect("a folder");
    for (name, (_, bytes)) in IDX.into_iter().zip(drawings::bars()) {
        world.write(&format!("bars/{name}.gz"), drawings::gzip(&bytes));
    }
    world
}

#[test]
fn pictures_go_through_every_format_and_come_back_as_they_were() {
    let world = world();
    let convert = |arguments: &[&str]| {
        let said = world.planaria(&[&["convert"], arguments].concat()).with(0).out;
        assert!(said.contains("300 train, 60 test"), "{said}");
    };
    convert(&["bars", "bars.npz"]);
    convert(&["bars.npz", "pictures", "--to", "folder"]);
    convert(&["pictures", "bars.tar"]);
    convert(&["bars.tar", "again.tar.gz"]);
    convert(&["again.tar.gz", "last.npz"]);
    convert(&["last.npz", "last", "--to", "idx"]);
    let read =
        |folder: &str, name: &str| fs::read(world.path(folder).join(name)).expect("it is there");
    for (name, (_, before)) in IDX.into_iter().zip(drawings::bars()) {
        // Folders and archives go class by class: the items are the same, in another order.
        let after = read("last", name);
        assert_eq!(sorted(&before), sorted(&after), "{name}");
    }
    assert_eq!(fs::read_dir(world.path("pictures/train")).expect("classes").count(), 10);
    let hidden = fs::read_dir(world.path(".")).expect("a folder").flatten();
    let left = hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0, "nothing temporary is left");
}

/// The header, and the items in the order of their bytes.
fn sorted(file: &[u8]) -> Vec<Vec<u8>> {
    let begin = if file[3] == 3 { 16 } else { 8 };
    let size = if file[3] == 3 { 28 * 28 } else { 1 };
    let mut items: Vec<Vec<u8>> = file[begin..].chunks(size).map(<[u8]>::to_vec).collect();
    items.sort();
    items.insert(0, file[..begin].to_vec());
    items
}

#[test]
fn a_table_with_a_bad_row_is_converted_without_it_or_not_at_all() {
    let world = World::new();
    let rows: String = (0..50).map(|row| format!("{row},{},k{}\n", row * 2, row % 2)).collect();
    world.write("rows.csv", format!("a,b,kind\n{rows}1,2\n"));
    let bad = world.planaria(&["convert", "rows.csv", "out", "--to", "csv", "--label", "kind"]);
    bad.with(1).says(&["cannot be used", "it has 2 fields where the header has 3", "--skip-bad"]);
    assert!(!world.path("out").exists());
    let arguments = ["--to", "csv", "--label", "kind", "--skip-bad"];
    let said =
        world.planaria(&[&["convert", "rows.csv", "out"], &arguments[..]].concat()).with(0).out;
    assert!(said.contains("1 that cannot be used left out"), "{said}");
    let said = world.planaria(&["convert", "out", "lines", "--to", "json-lines"]).with(0).out;
    assert!(said.contains("lines: "), "{said}");
    let lines = fs::read_to_string(world.path("lines/train.jsonl")).expect("it is there");
    let header = fs::read_to_string(world.path("out/train.csv")).expect("it is there");
    assert!(header.starts_with("a,b,label\n"), "{header}");
    assert_eq!(lines.lines().count() + 1, header.lines().count());
    let first: serde_json::Value =
        serde_json::from_str(lines.lines().next().expect("a row")).expect("JSON");
    assert_eq!(first["b"].as_f64(), first["a"].as_f64().map(|a| 2.0 * a));
    world.planaria(&["convert", "lines", "rows.npz"]).with(0);
    world
        .planaria(&["convert", "rows.npz", "out", "--to", "csv"])
        .with(1)
        .says(&["is there already"]);
    world.planaria(&["convert", "rows.npz", "x.tar"]).with(1).says(&["cannot hold numbers"]);
    assert!(!world.path("x.tar").exists());
}

#[cfg(feature = "columnar")]
#[test]
fn a_table_goes_through_files_of_columns_and_comes_back_as_it_was() {
    let world = World::new();
    let rows: String =
        (0..50).map(|row| format!("{}.25,{},k{}\n", row, -row * 2, row % 2)).collect();
    world.write("rows.csv", format!("a,b,kind\n{rows}"));
    for [from, to, format] in [
        ["rows.csv", "text", "csv"],
        ["text", "columns", "parquet"],
        ["columns", "batches", "arrow"],
        ["batches", "again", "csv"],
    ] {
        let label = if from == "rows.csv" { "kind" } else { "label" };
        world.planaria(&["convert", from, to, "--to", format, "--label", label]).with(0);
    }
    for split in ["train.csv", "test.csv"] {
        let read = |folder: &str| {
            fs::read_to_string(world.path(folder).join(split)).expect("it was written")
        };
        assert_eq!(read("text"), read("again"));
    }
}

#[cfg(not(feature = "columnar"))]
#[test]
fn a_build_without_files_of_columns_says_how_to_get_them() {
    let world = World::new();
    world.write("rows.csv", "a,label\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n7,x\n8,y\n9,x\n");
    world
        .planaria(&["convert", "rows.csv", "columns", "--to", "parquet"])
        .with(1)
        .says(&["parquet is left out of this program", "--features columnar"]);
    assert!(!world.path("columns").exists());
}

#[test]
fn what_is_no_data_and_what_is_no_format_is_used_wrongly() {
    let world = world();
    world.planaria(&["convert", "none.xyz", "out.npz"]).with(2).says(&["what kind of data is it?"]);
    world.planaria(&["convert", "bars", "out"]).with(2).says(&["which format is it to have?"]);
    world
        .planaria(&["convert", "bars", "no/folder/x.npz"])
        .with(1)
        .says(&["its folder does not exist"]);
}
