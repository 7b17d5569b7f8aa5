//! Which source is meant: by a config, or by what lies at a path.

use planaria_data::{
    Limits, SourceSettings,
    source::{
        cifar::Labels,
        idx::IdxPaths,
        numpy::NumpyPaths,
        table::{Columns, Table, TableFiles, TableFormat},
        tar::TarPaths,
    },
};
use planaria_learn::Shape;
use std::path::Path;

use super::{CommandError, checked_config};
use crate::cli::Overrides;

/// A source, the `(H, W, C)` that its pictures are wanted in, and its limits.
type Meant = (SourceSettings, (usize, usize, usize), Limits);

/// The source that a path means; in a table the column `label` holds the classes.
pub(super) fn of(path: &Path, label: &str) -> Result<Meant, CommandError> {
    let is_config = path.extension().is_some_and(|ending| ending == "toml");
    if is_config {
        let settings = checked_config(path, &Overrides::default())?.pipeline;
        let wanted = match settings.network.input {
            Shape::Image { h, w, c } => (h, w, c),
            Shape::Sequence { length, channels } => (length, channels, 1),
            Shape::Features(d) => (1, 1, d),
        };
        return Ok((settings.source, wanted, settings.limits));
    }
    let found = by_path(path, label);
    let settings = found.ok_or_else(|| CommandError::UnknownSource { path: path.to_path_buf() })?;
    // Pictures as large as the first of them: no side is 0.
    Ok((settings, (0, 0, 3), Limits::default()))
}

/// What lies at a path, by its name and the names in it.
fn by_path(path: &Path, label: &str) -> Option<SourceSettings> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    if !path.exists() && name == "mnist" {
        return Some(SourceSettings::Mnist);
    }
    if path.is_dir() {
        return in_folder(path, label);
    }
    let plain =
        [".gz", ".zst", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match plain.rsplit_once('.')?.1 {
        "npz" => Some(SourceSettings::Numpy(NumpyPaths::Archive(path.to_owned()))),
        "tar" | "tgz" => {
            Some(SourceSettings::Tar { paths: TarPaths::One(path.to_owned()), fit: None })
        }
        ending => {
            let files = TableFiles::Shared { paths: vec![path.to_owned()], test_share: 0.2 };
            table(ending, files, label)
        }
    }
}

fn in_folder(path: &Path, label: &str) -> Option<SourceSettings> {
    let inside = |name: &str| path.join(name);
    let packed = |name: &str| {
        let endings = ["", ".gz", ".zst", ".xz"];
        endings
            .map(|ending| inside(&format!("{name}{ending}")))
            .into_iter()
            .find(|path| path.is_file())
    };
    if inside("train").is_dir() {
        return Some(SourceSettings::Folder { path: path.to_owned(), fit: None });
    }
    if packed("data_batch_1.bin").or_else(|| packed("train.bin")).is_some() {
        return Some(SourceSettings::Cifar { path: path.to_owned(), labels: Labels::Fine });
    }
    let idx = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];
    if let [Some(train_images), Some(train_labels), Some(test_images), Some(test_labels)] =
        idx.map(packed)
    {
        let paths = IdxPaths { train_images, train_labels, test_images, test_labels };
        return Some(SourceSettings::Idx(paths));
    }
    ["csv", "jsonl", "parquet", "arrow"].into_iter().find_map(|ending| {
        let split = |name: &str| packed(&format!("{name}.{ending}")).map(|path| vec![path]);
        table(ending, TableFiles::Split { train: split("train")?, test: split("test")? }, label)
    })
}

fn table(ending: &str, files: TableFiles, label: &str) -> Option<SourceSettings> {
    let csv = |delimiter| TableFormat::Csv { delimiter, names: None };
    let format = match ending {
        "csv" => csv(b','),
        "tsv" => csv(b'\t'),
        "jsonl" | "ndjson" => TableFormat::JsonLines,
        "parquet" => TableFormat::Parquet,
        "arrow" | "feather" => TableFormat::Arrow,
        _ => return None,
    };
    let columns = Columns { label: label.to_owned(), features: None };
    Some(SourceSettings::Table(Table { format, files, columns }))
}
