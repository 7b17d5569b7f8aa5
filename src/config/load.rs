//! File and flags -> `RawConfig`: a text, and what is laid over it. Nothing is believed yet.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest config, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Why there is no text to check.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum LoadError {
    #[error("cannot read the config {path}: give the path of a TOML file")]
    Read { path: PathBuf, source: io::Error },
    #[error("the config {path} is larger than {CONFIG_BYTES_MAX} bytes: give a TOML file")]
    TooLarge { path: PathBuf },
    #[error("the config {path} is no UTF-8 text: give a TOML file")]
    NotText { path: PathBuf },
}

/// A value that a flag lays over the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagValue {
    /// A whole number.
    Whole(u64),
    /// A path, relative to the working folder.
    Path(PathBuf),
    /// A name.
    Text(String),
}

/// A config as the file and the flags say it.
#[derive(Debug, Clone)]
pub struct RawConfig {
    /// What faults call it, and what its paths are relative to.
    pub path: PathBuf,
    /// The file.
    pub text: String,
    /// By field: the flag, and the value that it lays over the file's.
    pub flags: BTreeMap<String, (&'static str, FlagValue)>,
}

impl RawConfig {
    /// A config that is not in a file.
    pub fn from_text(path: &Path, text: &str) -> Self {
        RawConfig { path: path.into(), text: text.into(), flags: BTreeMap::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// `LoadError` when it cannot be read, or is no text of a sane size.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let read = |source| LoadError::Read { path: path.into(), source };
        let file = File::open(path).map_err(read)?;
        let mut bytes = Vec::new();
        file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(LoadError::TooLarge { path: path.into() });
        }
        let text =
            String::from_utf8(bytes).map_err(|_| LoadError::NotText { path: path.into() })?;
        Ok(RawConfig { path: path.into(), text, flags: BTreeMap::new() })
    }

    /// Lays a flag's value over the file's, when the flag is given.
    pub fn overlay(&mut self, field: &str, flag: &'static str, value: Option<FlagValue>) {
        if let Some(value) = value {
            self.flags.insert(field.into(), (flag, value));
        }
    }
}
