//! `planaria convert`: a source in another format, written whole or not at all.
//!
//! Items are read, and written, one after the other in the source's order; labels alone are held, a byte each. A destination
//! appears under its name when all of it is there.

mod arrays;
mod pictures;
mod tables;

use planaria_data::{Limits, RawItem, Source, Split, Values};
use planaria_durable::DurableError;
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use super::{CommandError, meant_source};
use crate::{
    cli::{ConvertArgs, DataFormat},
    views,
};

/// Why a source could not be converted; nothing was written then.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ConvertError {
    #[error(
        "{path}: which format is it to have? Say with `--to`, or end its name in .npz, .tar or .tar.gz",
        path = path.display()
    )]
    UnknownFormat { path: PathBuf },
    #[error(transparent)]
    Source(#[from] planaria_data::SourceError),
    #[error(
        "{split} item {item} cannot be used: repair it, or leave such items out with `--skip-bad`"
    )]
    Item { split: Split, item: String, source: Box<dyn Error + Send + Sync> },
    #[error("{format} cannot hold {what}: choose another format")]
    Unfit { format: &'static str, what: String },
    #[error("{format} is left out of this program: build it with `--features columnar`")]
    LeftOut { format: &'static str },
    #[error("no {split} item can be used")]
    Empty { split: Split },
    #[error("the class {name:?} cannot be the name of a folder: rename it in the source")]
    ClassName { name: String },
    #[error("cannot write")]
    Durable(#[from] DurableError),
    #[error("cannot write {path}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Converts a source.
pub(super) fn convert(args: &ConvertArgs) -> Result<(), CommandError> {
    let (settings, wanted, limits) = meant_source::of(&args.src, &args.label)?;
    let to = args.to.map_or_else(|| by_name(&args.dst), Ok)?;
    let opened = settings.open(wanted, &limits).map_err(ConvertError::Source)?;
    let mut items = Items { source: &*opened, limits, skips: args.skip_bad, skipped: 0 };
    let written = match to {
        DataFormat::Folder => pictures::to_folder(&mut items, &args.dst),
        DataFormat::Tar => pictures::to_tar(&mut items, &args.dst),
        DataFormat::Npz => arrays::to_npz(&mut items, &args.dst),
        DataFormat::Idx => arrays::to_idx(&mut items, &args.dst),
        DataFormat::Csv => tables::to_csv(&mut items, &args.dst),
        DataFormat::JsonLines => tables::to_json_lines(&mut items, &args.dst),
        DataFormat::Parquet => tables::to_columns(&mut items, &args.dst, "parquet"),
        DataFormat::Arrow => tables::to_columns(&mut items, &args.dst, "arrow"),
    }?;
    let skipped = match items.skipped {
        0 => String::new(),
        count => format!("; {count} that cannot be used left out"),
    };
    let (train, test, dst) = (written[0], written[1], args.dst.display());
    Ok(views::answer(&format!("{dst}: {train} train, {test} test{skipped}"))?)
}

/// The format that a name ends in.
fn by_name(path: &Path) -> Result<DataFormat, ConvertError> {
    let name = path.to_string_lossy().to_lowercase();
    let endings =
        [(".npz", DataFormat::Npz), (".tar", DataFormat::Tar), (".tar.gz", DataFormat::Tar)];
    let found = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
    found.map(|(_, format)| format).ok_or(ConvertError::UnknownFormat { path: path.to_owned() })
}

/// The splits, in the order in which they are written.
const SPLITS: [Split; 2] = [Split::Train, Split::Test];

/// The items of a source, one after the other.
struct Items<'s> {
    source: &'s dyn Source,
    limits: Limits,
    /// Those that cannot be used are left out.
    skips: bool,
    skipped: u64,
}

impl Items<'_> {
    /// Gives every item of a split that can be used to `take`, and how many there were.
    fn each(
        &mut self,
        split: Split,
        mut take: impl FnMut(RawItem, Values) -> Result<(), ConvertError>,
    ) -> Result<u64, ConvertError> {
        let mut taken = 0;
        for index in 0..self.source.len(split) {
            match self.item(split, index) {
                Ok((raw, values)) => {
                    take(raw, values)?;
                    taken += 1;
                }
                Err(_) if self.skips => self.skipped += 1,
                Err(source) => {
                    let named = self.source.name_of(split, index);
                    let item = named.unwrap_or_else(|| index.to_string());
                    return Err(ConvertError::Item { split, item, source });
                }
            }
        }
        if taken == 0 { Err(ConvertError::Empty { split }) } else { Ok(taken) }
    }

    /// How many items of a split can be used: all of them are, or nothing is written.
    fn count(&self, split: Split) -> u64 {
        let len = self.source.len(split);
        if !self.skips {
            return len;
        }
        (0..len).filter(|&index| self.item(split, index).is_ok()).count() as u64
    }

    fn item(
        &self,
        split: Split,
        index: u64,
    ) -> Result<(RawItem, Values), Box<dyn Error + Send + Sync>> {
        let raw = self.source.read(split, index)?;
        let values = self.source.codec().values(&raw.bytes, &self.limits)?;
        Ok((raw, values))
    }

    /// The name of every class: its own, or its number, with zeros before it so that names sort as numbers do.
    fn class_names(&self) -> Vec<String> {
        let width = self.source.classes().saturating_sub(1).to_string().len();
        let number = |class: usize| format!("{class:0width$}");
        match self.source.class_names() {
            [] => (0..self.source.classes()).map(number).collect(),
            names => names.to_vec(),
        }
    }
}

/// The error of writing to `path`.
fn unwritten(path: &Path) -> impl Fn(io::Error) -> ConvertError + '_ {
    |source| ConvertError::Write { path: path.to_owned(), source }
}
