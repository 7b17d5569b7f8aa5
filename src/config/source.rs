//! `[source]`: which kind of data it is, and where it lies.

use planaria_data::{
    Fit, SourceSettings,
    source::{
        cifar::Labels,
        idx::IdxPaths,
        numpy::NumpyPaths,
        table::{Columns, Table, TableFiles, TableFormat},
        tar::TarPaths,
    },
};
use std::{collections::BTreeSet, path::PathBuf};

use super::section::Section;

/// A kind of source that `[source]` can name.
struct Kind {
    name: &'static str,
    /// What a key of another kind has no meaning for.
    described: &'static str,
    /// Keys that it must have.
    needs: &'static [&'static str],
    /// Keys that it may have beside these.
    may: &'static [&'static str],
    read: fn(&mut Section<'_>) -> SourceSettings,
}

/// The four files of images and labels.
const FOUR: [&str; 4] = ["train_images", "train_labels", "test_images", "test_labels"];

/// Every kind. The first is the default.
const KINDS: [Kind; 10] = [
    Kind { name: "mnist", described: "the embedded MNIST", needs: &[], may: &[], read: mnist },
    Kind { name: "idx", described: "IDX files", needs: &FOUR, may: &[], read: idx },
    Kind { name: "folder", described: "a folder", needs: &["path"], may: &["fit"], read: folder },
    Kind { name: "cifar", described: "CIFAR", needs: &["path"], may: &["labels"], read: cifar },
    Kind {
        name: "numpy",
        described: "arrays",
        needs: &[],
        may: &["path", "train_images", "train_labels", "test_images", "test_labels"],
        read: numpy,
    },
    Kind {
        name: "tar",
        described: "archives",
        needs: &[],
        may: &["path", "train", "test", "fit"],
        read: tar,
    },
    Kind {
        name: "csv",
        described: "CSV",
        needs: &["label"],
        may: &["path", "test_share", "train", "test", "features", "delimiter", "columns"],
        read: csv,
    },
    Kind {
        name: "json-lines",
        described: "lines of JSON",
        needs: &["label"],
        may: &["path", "test_share", "train", "test", "features"],
        read: json_lines,
    },
    Kind {
        name: "parquet",
        described: "Parquet",
        needs: &["label"],
        may: &["path", "test_share", "train", "test", "features"],
        read: parquet,
    },
    Kind {
        name: "arrow",
        described: "Arrow IPC",
        needs: &["label"],
        may: &["path", "test_share", "train", "test", "features"],
        read: arrow,
    },
];

impl Kind {
    fn knows(&self, key: &str) -> bool {
        self.needs.contains(&key) || self.may.contains(&key)
    }
}

/// Reads the kind of `[source]` and its own keys; the section is still to be finished.
pub(super) fn read(section: &mut Section<'_>) -> SourceSettings {
    let names: Vec<(&str, &Kind)> = KINDS.iter().map(|kind| (kind.name, kind)).collect();
    let kind = section.choice("kind", &KINDS[0], &names);
    let keys = KINDS.iter().flat_map(|kind| kind.needs.iter().chain(kind.may).copied());
    // In the order of their names, each once.
    for key in keys.collect::<BTreeSet<_>>() {
        if section.meets(key) && !kind.knows(key) {
            let owners = KINDS.iter().filter(|kind| kind.knows(key));
            let owners: Vec<String> = owners.map(|kind| format!("\"{}\"", kind.name)).collect();
            let (found, owners) = (kind.described, owners.join(" or "));
            let message = format!("has no meaning for {found}: set `source.kind` to {owners}");
            section.fault(key, message);
        }
    }
    for key in kind.needs.iter().filter(|key| !section.has(key)) {
        let what = if *key == "label" { "the column" } else { "the path" };
        section.fault("kind", format!("\"{}\" needs {what} `source.{key}`", kind.name));
    }
    (kind.read)(section)
}

fn mnist(_: &mut Section<'_>) -> SourceSettings {
    SourceSettings::Mnist
}

/// The four paths; those that are not there have had their faults.
fn four(section: &mut Section<'_>) -> [PathBuf; 4] {
    FOUR.map(|name| section.path(name).unwrap_or_default())
}

fn idx(section: &mut Section<'_>) -> SourceSettings {
    let [train_images, train_labels, test_images, test_labels] = four(section);
    SourceSettings::Idx(IdxPaths { train_images, train_labels, test_images, test_labels })
}

fn folder(section: &mut Section<'_>) -> SourceSettings {
    let path = section.path("path").unwrap_or_default();
    SourceSettings::Folder { path, fit: fit(section) }
}

fn fit(section: &mut Section<'_>) -> Option<Fit> {
    let fits = [
        ("refuse", None),
        ("stretch", Some(Fit::Stretch)),
        ("contain", Some(Fit::Contain)),
        ("cover", Some(Fit::Cover)),
    ];
    section.choice("fit", None, &fits)
}

fn tar(section: &mut Section<'_>) -> SourceSettings {
    let fit = fit(section);
    if section.has("path") {
        for name in ["train", "test"].into_iter().filter(|name| section.has(name)) {
            section.fault(name, "excludes `path`: give one archive, or those of each split");
        }
        let path = section.path("path").unwrap_or_default();
        return SourceSettings::Tar { paths: TarPaths::One(path), fit };
    }
    for name in ["train", "test"].into_iter().filter(|name| !section.has(name)) {
        section.fault("kind", format!("\"tar\" needs the path `source.path`, or `source.{name}`"));
    }
    let [train, test] = ["train", "test"].map(|name| section.paths(name).unwrap_or_default());
    SourceSettings::Tar { paths: TarPaths::Shards { train, test }, fit }
}

fn cifar(section: &mut Section<'_>) -> SourceSettings {
    let path = section.path("path").unwrap_or_default();
    let labels = [("fine", Labels::Fine), ("coarse", Labels::Coarse)];
    SourceSettings::Cifar { path, labels: section.choice("labels", Labels::Fine, &labels) }
}

fn numpy(section: &mut Section<'_>) -> SourceSettings {
    if let Some(path) = section.path("path") {
        for name in FOUR.into_iter().filter(|name| section.has(name)) {
            section.fault(name, "excludes `path`: give one archive, or four files");
        }
        return SourceSettings::Numpy(NumpyPaths::Archive(path));
    }
    if !section.has("path") {
        for name in FOUR.into_iter().filter(|name| !section.has(name)) {
            section.fault(
                "kind",
                format!("\"numpy\" needs the path `source.path`, or `source.{name}`"),
            );
        }
    }
    SourceSettings::Numpy(NumpyPaths::Files(four(section)))
}

fn csv(section: &mut Section<'_>) -> SourceSettings {
    let delimiter = section.text("delimiter").unwrap_or_else(|| ",".into());
    let delimiter = match delimiter.as_bytes() {
        &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
        _ => {
            section.fault("delimiter", "must be one ASCII character, such as \";\" or \"\\t\"");
            b','
        }
    };
    let names = section.texts("columns");
    table(section, TableFormat::Csv { delimiter, names })
}

fn json_lines(section: &mut Section<'_>) -> SourceSettings {
    table(section, TableFormat::JsonLines)
}

fn parquet(section: &mut Section<'_>) -> SourceSettings {
    table(section, TableFormat::Parquet)
}

fn arrow(section: &mut Section<'_>) -> SourceSettings {
    table(section, TableFormat::Arrow)
}

/// What all tables have: files that share their rows between the splits, or files of each; and columns.
fn table(section: &mut Section<'_>, format: TableFormat) -> SourceSettings {
    let test_share = section.real("test_share", 0.2, 0.0001..=0.9999);
    let files = match section.paths("path") {
        Some(paths) => {
            for name in ["train", "test"].into_iter().filter(|name| section.has(name)) {
                let message = "excludes `path`: give files of both splits, or of each";
                section.fault(name, message);
            }
            TableFiles::Shared { paths, test_share }
        }
        None => {
            if section.has("test_share") {
                section.fault("test_share", "needs `path`: these files are of one split each");
            }
            for name in ["train", "test"].into_iter().filter(|name| !section.has(name)) {
                let message = format!("a table needs the path `source.path`, or `source.{name}`");
                section.fault("kind", message);
            }
            let [train, test] =
                ["train", "test"].map(|name| section.paths(name).unwrap_or_default());
            TableFiles::Split { train, test }
        }
    };
    let label = section.text("label").unwrap_or_default();
    let features = section.texts("features");
    for (index, name) in features.iter().flatten().enumerate() {
        if *name == label || features.iter().flatten().take(index).any(|before| before == name) {
            section.fault(
                "features",
                format!("`{name}` is there twice, or is the label: leave it out"),
            );
        }
    }
    SourceSettings::Table(Table { format, files, columns: Columns { label, features } })
}
