//! File and flags -> `RawConfig`: a text, and what is laid over it. Nothing is believed yet.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::overlay::{Laid, LaidValue};

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

/// A config as the file says it, and what is laid over it.
#[derive(Debug, Clone)]
pub struct RawConfig {
    /// What faults call it, and what its paths are relative to.
    pub path: PathBuf,
    /// The file.
    pub text: String,
    /// What is laid over it, in this order: the last one wins.
    pub laid: Vec<Laid>,
}

impl RawConfig {
    /// A config that is not in a file.
    pub fn from_text(path: &Path, text: &str) -> Self {
        RawConfig { path: path.into(), text: text.into(), laid: Vec::new() }
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
        Ok(RawConfig { path: path.into(), text, laid: Vec::new() })
    }

    /// Lays a value over the file's, when there is one. Faults of it name what laid it: `by`.
    pub fn overlay(&mut self, field: &str, by: &str, value: Option<LaidValue>) {
        if let Some(value) = value {
            self.laid.push(Laid { field: field.into(), by: by.into(), value });
        }
    }
}
