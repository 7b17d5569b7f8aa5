//! What was set aside, kept with its cause where a person can look at it: `state/quarantine/SOURCE-NUMBER/`.
//!
//! `items.jsonl` has a line for each item, the other files are what lay in the source: pictures as they were, bare pixels as
//! PNG, rows as text. Each writing makes a new folder that appears whole, and then removes the one before it: the folder of the
//! greatest number counts. What is kept is bounded by `[quarantine]`.

use crate::{cleaning::Opened, preprocess::fitted, settings::PipelineSettings};
use planaria_data::{
    Codec, Decoder, Limits, Pixels, RawItem, Source, SourceError, Split, encode,
    inspect::card::SplitName,
};
use planaria_durable::{DurableError, NewFolder};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// The list of the items.
const LIST: &str = "items.jsonl";

/// The longest list that is read: a hundred thousand items with long causes.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// An item that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its split.
    pub split: SplitName,
    /// Its number there, in the source as it lies.
    pub item: u64,
    /// What it is called in the source, when it has a name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who set it aside: `clean`, or the stage that gave it up.
    pub stage: String,
    /// Why.
    pub cause: String,
    /// Its file beside the list, when something could be read and there was room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Why a quarantine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// It cannot be read or made.
    #[error("cannot use the quarantine {path}: check its permissions", path = path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] DurableError),
    /// A line that is none of ours.
    #[error("{path}, line {line}: is no item of a quarantine: remove the folder", path = path.display())]
    Line {
        /// The list.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A list that is far too long.
    #[error("{path}: is over {LIST_BYTES_MAX} bytes: remove the folder", path = path.display())]
    TooLong {
        /// The list.
        path: PathBuf,
    },
}

/// The quarantine of a source.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Where those of all sources lie.
    folder: PathBuf,
    /// What the names of this one's folders begin with.
    prefix: String,
    items_max: usize,
    bytes_max: u64,
}

impl Quarantine {
    /// That of the source of these settings, in their state folder.
    pub fn of(settings: &PipelineSettings) -> Quarantine {
        Quarantine {
            folder: settings.state_dir.join("quarantine"),
            prefix: format!("{}-", settings.source.key()),
            items_max: settings.quarantine.items,
            bytes_max: settings.quarantine.bytes,
        }
    }

    /// The newest folder, and the items in it; none when nothing was ever set aside.
    ///
    /// # Errors
    /// [`QuarantineError`].
    pub fn read(&self) -> Result<Option<(PathBuf, Vec<Quarantined>)>, QuarantineError> {
        let Some((_, folder)) = self.folders()?.pop() else { return Ok(None) };
        let path = folder.join(LIST);
        let unreadable = |source| QuarantineError::Folder { path: path.clone(), source };
        if fs::metadata(&path).map_err(unreadable)?.len() > LIST_BYTES_MAX {
            return Err(QuarantineError::TooLong { path });
        }
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let item = |(at, line): (usize, &str)| {
            let wrong = |source| QuarantineError::Line { path: path.clone(), line: at + 1, source };
            serde_json::from_str(line).map_err(wrong)
        };
        let items = text.lines().enumerate().map(item).collect::<Result<_, _>>()?;
        Ok(Some((folder, items)))
    }

    /// Keeps these items instead of what was kept before. `source` is the one that they are numbered in.
    ///
    /// # Errors
    /// [`QuarantineError`]; what was kept before is then still there, or both.
    pub(crate) fn keep(
        &self,
        items: Vec<Quarantined>,
        source: &dyn Source,
    ) -> Result<(), QuarantineError> {
        let old = self.folders()?;
        let items: Vec<Quarantined> = items.into_iter().take(self.items_max).collect();
        if !items.is_empty() {
            let made = fs::create_dir_all(&self.folder);
            made.map_err(|source| QuarantineError::Folder { path: self.folder.clone(), source })?;
            let number = old.last().map_or(1, |(number, _)| number + 1);
            self.write(&self.folder.join(format!("{}{number:06}", self.prefix)), items, source)?;
        }
        for (_, folder) in old {
            fs::remove_dir_all(&folder)
                .map_err(|source| QuarantineError::Folder { path: folder.clone(), source })?;
        }
        Ok(())
    }

    fn write(
        &self,
        path: &Path,
        items: Vec<Quarantined>,
        source: &dyn Source,
    ) -> Result<(), QuarantineError> {
        let folder = NewFolder::begin(path)?;
        let put = |name: &str, bytes: &[u8]| {
            let mut file = folder.file(name)?;
            file.write_all(bytes)
                .map_err(|source| QuarantineError::Folder { path: path.join(name), source })?;
            Ok::<(), QuarantineError>(file.finish()?)
        };
        let mut list = String::new();
        let mut room = self.bytes_max;
        for mut item in items {
            let found =
                source.read(item.split.into(), item.item).ok().map(|raw| shown(source, raw));
            if let Some((ending, bytes)) = found.filter(|(_, bytes)| bytes.len() as u64 <= room) {
                room -= bytes.len() as u64;
                let name = format!("{}-{:06}.{ending}", Split::from(item.split), item.item);
                put(&name, &bytes)?;
                item.file = Some(name);
            }
            list.push_str(&serde_json::to_string(&item).expect("texts and numbers are JSON"));
            list.push('\n');
        }
        put(LIST, list.as_bytes())?;
        Ok(folder.finish()?)
    }

    /// The folders of this source, in the order of their numbers.
    fn folders(&self) -> Result<Vec<(u64, PathBuf)>, QuarantineError> {
        let unreadable = |source| QuarantineError::Folder { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_prefix(&self.prefix)?.parse().ok());
            folders.extend(number.map(|number| (number, entry.path())));
        }
        folders.sort();
        Ok(folders)
    }
}

/// What an item's file is called at its end, and what is in it.
fn shown(source: &dyn Source, raw: RawItem) -> (&'static str, Vec<u8>) {
    match source.codec() {
        Codec::Image => (encode::ending(&raw.bytes).unwrap_or("bin"), raw.bytes),
        Codec::Grey8 { h, w } => pixels(raw, (h, w, 1)),
        Codec::Raw8 { h, w, c } => pixels(raw, (h, w, c)),
        Codec::Floats { .. } => {
            let numbers = raw.bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
            let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
            ("txt", (numbers.join(",") + "\n").into_bytes())
        }
    }
}

fn pixels(raw: RawItem, (h, w, c): (usize, usize, usize)) -> (&'static str, Vec<u8>) {
    if raw.bytes.len() != h * w * c {
        return ("bin", raw.bytes);
    }
    match encode::png(&Pixels::new(h, w, c, raw.bytes.clone())) {
        Ok(png) => ("png", png),
        Err(_) => ("bin", raw.bytes),
    }
}

/// What becomes of an item of the quarantine today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "now", rename_all = "kebab-case")]
pub enum Retried {
    /// It would be used.
    Usable,
    /// It would be set aside again.
    SetAside {
        /// Why.
        cause: String,
    },
    /// The source, as the config wants it, does not have it any more.
    Gone,
}

/// Tries items of a quarantine again: what would a run do with them today?
pub fn retry(opened: &Opened, items: &[Quarantined], limits: &Limits) -> Vec<Retried> {
    let places = places(opened.raw(), items);
    items
        .iter()
        .zip(places)
        .map(|(item, place)| {
            let Some(index) = place else { return Retried::Gone };
            retried(opened, (item.split.into(), index), limits)
        })
        .collect()
}

fn retried(opened: &Opened, (split, index): (Split, u64), limits: &Limits) -> Retried {
    match opened.is_kept(split, index) {
        Some(true) => Retried::Usable,
        Some(false) => match opened.cause(split, index) {
            Some(cause) => Retried::SetAside { cause },
            None => Retried::Gone,
        },
        None => match used(opened.raw(), (split, index), limits) {
            Ok(()) => Retried::Usable,
            Err(cause) => Retried::SetAside { cause },
        },
    }
}

/// Reads and decodes an item as a run does.
fn used(source: &dyn Source, (split, index): (Split, u64), limits: &Limits) -> Result<(), String> {
    let raw = source.read(split, index).map_err(|error: SourceError| error.to_string())?;
    let wanted = source.fit().map(|_| (source.shape().0, source.shape().1));
    let decode = || Decoder::default().values(source.codec(), &raw.bytes, limits, wanted);
    // Decoders of third parties may panic on hostile bytes: that costs the item.
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let decoded = decoded.map_err(|_| "its decoder panicked: drop it".to_owned())?;
    let values = decoded.map_err(|error| error.to_string())?;
    fitted(values, source).map(|_| ()).map_err(|error| error.to_string())
}

/// Where items lie in the source today: under their names, when they have some, else under their numbers.
fn places(source: &dyn Source, items: &[Quarantined]) -> Vec<Option<u64>> {
    let stays = |item: &Quarantined| source.name_of(item.split.into(), item.item) == item.name;
    let mut renumbered: BTreeMap<(SplitName, String), Option<u64>> = BTreeMap::new();
    for item in items.iter().filter(|item| !stays(item)) {
        renumbered.extend(item.name.clone().map(|name| ((item.split, name), None)));
    }
    if !renumbered.is_empty() {
        for split in [Split::Train, Split::Test] {
            for index in 0..source.len(split) {
                let Some(name) = source.name_of(split, index) else { continue };
                if let Some(place) = renumbered.get_mut(&(split.into(), name)) {
                    *place = Some(index);
                }
            }
        }
    }
    let place = |item: &Quarantined| match &item.name {
        _ if stays(item) => (item.item < source.len(item.split.into())).then_some(item.item),
        Some(name) => renumbered.get(&(item.split, name.clone())).copied().flatten(),
        None => None,
    };
    items.iter().map(place).collect()
}
