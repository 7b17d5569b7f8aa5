//! The flags of the commands that look at data and change its form.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

use super::Overrides;

/// `planaria preview`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria preview configs/mnist.toml --out grid.png
  planaria preview configs/mnist.toml --out grid.png --set augment.mixup=0.4 --epoch 3

Columns are items of the epoch, in its order, as the training sees them: each augmentation alone, then
all of them together, as the training gets them.")]
pub struct PreviewArgs {
    /// The config, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Where to write the PNG file.
    #[arg(long, value_name = "FILE.png")]
    pub out: PathBuf,
    /// How many items are shown, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub items: u64,
    /// The epoch whose variants are shown, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub epoch: u32,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// `planaria convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria convert pictures digits.npz                a folder train/CLASS, test/CLASS as arrays
  planaria convert cifar-10-batches-bin cifar.tar.gz  records as an archive of PNG files
  planaria convert mnist digits --to folder           the digits inside the program as pictures
  planaria convert people.csv people --to json-lines --label kind
  planaria convert people.csv columns --to parquet --label kind
  planaria convert config.toml people.npz             the source of a config, with all its keys

DST appears when all of it is written, or not at all; a folder must not be there before.")]
pub struct ConvertArgs {
    /// A config (.toml), or data: an .npz, a .tar, a table, or a folder of pictures, IDX or CIFAR files.
    #[arg(value_name = "SRC")]
    pub src: PathBuf,
    /// What is to be written: a file (.npz, .tar, .tar.gz), or a folder.
    #[arg(value_name = "DST")]
    pub dst: PathBuf,
    /// Its format, when the name does not say it.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: Option<DataFormat>,
    /// The column of a table that holds the class.
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    pub label: String,
    /// Leave items out that cannot be used, and say how many.
    #[arg(long)]
    pub skip_bad: bool,
}

/// A format that data is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// A folder of pictures, train/CLASS and test/CLASS.
    Folder,
    /// The same as a tar archive.
    Tar,
    /// NumPy's archive of arrays.
    Npz,
    /// A folder of four IDX files.
    Idx,
    /// A folder of train.csv and test.csv.
    Csv,
    /// A folder of train.jsonl and test.jsonl.
    JsonLines,
    /// A folder of train.parquet and test.parquet; in a build with `--features columnar`.
    Parquet,
    /// A folder of train.arrow and test.arrow; in a build with `--features columnar`.
    Arrow,
}

/// `planaria inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria inspect pictures                          pictures/train/CLASS/*, pictures/test/CLASS/*
  planaria inspect configs/mnist.toml --card mnist.html
  planaria inspect people.csv --label kind           columns, holes, histograms, twins, rows far out
  planaria inspect pictures --json | jq .twins.equal

Twins are equal pictures and pictures that look the same; a leak is one in both halves.")]
pub struct InspectArgs {
    /// Pictures or a table, by what lies there; or a config whose source is meant.
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// The column of a table that holds the classes.
    #[arg(long, value_name = "NAME", default_value = "label")]
    pub label: String,
    /// Write a page with pictures and plots here.
    #[arg(long, value_name = "FILE.html")]
    pub card: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// How many look at items at the same time; the answer is the same [default: as many as processors].
    #[arg(long, value_name = "N")]
    pub workers: Option<std::num::NonZeroUsize>,
}

/// `planaria quarantine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planaria quarantine list config.toml               what the last run of this source has set aside, and why
  planaria quarantine show config.toml 3             the third of them
  planaria quarantine retry config.toml              what a run would do with them today
  planaria quarantine retry config.toml 3 4 --set limits.image_side=32768

The items lie in the state folder, beside items.jsonl: pictures as they were, rows as text. Data is
found by the path in the config: run it in the same folder as `planaria run`.")]
pub struct QuarantineArgs {
    /// What to do.
    #[arg(value_enum, value_name = "ACTION")]
    pub action: QuarantineAction,
    /// The config, a TOML file.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Only these items, by their numbers in the list.
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub numbers: Vec<u64>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// What is laid over the config.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What `planaria quarantine` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QuarantineAction {
    /// A line for each item.
    List,
    /// All that is known of items.
    Show,
    /// Read and decode items again, with the config as it is now.
    Retry,
}
