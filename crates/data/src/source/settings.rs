//! Which source is meant, and where it lies: what a config or a command line says.

use std::path::PathBuf;

use super::cifar::{self, Labels};
use super::idx::{self, IdxPaths};
use super::numpy::{self, NumpyPaths};
use super::table::{self, Table, TableFormat};
use super::tar::{self, TarPaths};
use super::{Source, SourceError, embedded, folder};
use crate::{Fit, Limits};

/// Where raw data comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum SourceSettings {
    /// MNIST as it is embedded in the program.
    Mnist,
    /// Four IDX files, plain or packed.
    Idx(IdxPaths),
    /// A folder of pictures, `train/<class>/*` and `test/<class>/*`.
    Folder {
        /// The folder.
        path: PathBuf,
        /// How pictures of another size come to the network's; without it they are refused.
        fit: Option<Fit>,
    },
    /// CIFAR-10 or CIFAR-100 in their binary version.
    Cifar {
        /// The folder of the binary files.
        path: PathBuf,
        /// Which labels of CIFAR-100 are the classes.
        labels: Labels,
    },
    /// NumPy's arrays.
    Numpy(NumpyPaths),
    /// Rows of numbers.
    Table(Table),
    /// Pictures in tar archives.
    Tar {
        /// The archives.
        paths: TarPaths,
        /// How pictures of another size come to the network's; without it they are refused.
        fit: Option<Fit>,
    },
}

impl SourceSettings {
    /// Opens the source; `wanted (H, W, C)` is what the items are to become.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be used.
    pub fn open(
        &self,
        wanted: (usize, usize, usize),
        limits: &Limits,
    ) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self {
            SourceSettings::Mnist => Box::new(embedded::mnist()?),
            SourceSettings::Idx(paths) => Box::new(idx::open(paths, limits)?),
            SourceSettings::Folder { path, fit } => {
                Box::new(folder::open(path, wanted, *fit, limits)?)
            }
            SourceSettings::Cifar { path, labels } => cifar::open(path, *labels, limits)?,
            SourceSettings::Numpy(paths) => numpy::open(paths, limits)?,
            SourceSettings::Table(table) => table::open(table, limits)?,
            SourceSettings::Tar { paths, fit } => tar::open(paths, wanted, *fit, limits)?,
        })
    }

    /// What it is and where, in words.
    pub fn described(&self) -> String {
        match self {
            SourceSettings::Mnist => "MNIST, embedded".into(),
            SourceSettings::Idx(paths) => format!("IDX, {}", paths.train_images.display()),
            SourceSettings::Folder { path, .. } => format!("pictures, {}", path.display()),
            SourceSettings::Cifar { path, .. } => format!("CIFAR, {}", path.display()),
            SourceSettings::Numpy(NumpyPaths::Archive(path) | NumpyPaths::Files([path, ..])) => {
                format!("NumPy, {}", path.display())
            }
            SourceSettings::Table(table) => format!("table, {}", table.files.first().display()),
            SourceSettings::Tar { paths, .. } => format!("tar, {}", paths.first().display()),
        }
    }

    /// A short name for the place where it lies, fit for a file: what is kept for it is found under this name.
    pub fn key(&self) -> String {
        let described = self.described();
        let kind: String =
            described.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
        let hash = blake3::hash(described.as_bytes()).to_hex();
        format!("{}-{}", kind.to_ascii_lowercase(), &hash[..12])
    }

    /// What of it decides a result, apart from the bytes that lie there: no paths.
    pub fn canonical(&self) -> String {
        match self {
            SourceSettings::Mnist => "mnist".into(),
            SourceSettings::Idx(_) => "idx".into(),
            SourceSettings::Folder { fit, .. } => format!("folder {fit:?}"),
            SourceSettings::Cifar { labels, .. } => format!("cifar {labels:?}"),
            SourceSettings::Numpy(_) => "numpy".into(),
            SourceSettings::Table(table) => {
                let format = match &table.format {
                    TableFormat::Csv { delimiter, names } => format!("csv {delimiter} {names:?}"),
                    TableFormat::JsonLines => "json-lines".into(),
                    TableFormat::Parquet => "parquet".into(),
                    TableFormat::Arrow => "arrow".into(),
                };
                let columns = &table.columns;
                format!("{format} {:?} {columns:?}", table.files.test_share())
            }
            SourceSettings::Tar { fit, .. } => format!("tar {fit:?}"),
        }
    }

    /// True when the items are held in memory as they lie, and not read one by one.
    pub fn is_in_memory(&self) -> bool {
        match self {
            SourceSettings::Mnist
            | SourceSettings::Idx(_)
            | SourceSettings::Numpy(NumpyPaths::Archive(_)) => true,
            SourceSettings::Folder { .. }
            | SourceSettings::Cifar { .. }
            | SourceSettings::Table(_)
            | SourceSettings::Tar { .. }
            | SourceSettings::Numpy(NumpyPaths::Files(_)) => false,
        }
    }

    /// True when its items are pictures as people take them, with their own sizes and colours.
    pub fn is_pictures(&self) -> bool {
        use SourceSettings::{Cifar, Folder, Tar};
        matches!(self, Folder { .. } | Cifar { .. } | Tar { .. })
    }
}
