//! A checkpoint's file -> the state that a training goes on from; every byte is distrusted.

use crate::{
    checkpoint::{self, History, NAME_END},
    flow::{Judged, LossCurve, Version},
    model::Weights,
    plan::Plan,
    settings::Resume,
};
use planaria_learn::{CheckpointFile, CheckpointFileError};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a header may take beside the tensors.
const HEADER_BYTES_MAX: u64 = 5 << 20;

/// Why a training cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// There is none.
    #[error(
        "there is no checkpoint of this config in {folder}: run without `--resume`, or name the file"
    )]
    None {
        /// Where was looked.
        folder: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the checkpoint {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is far larger than the state of this training.
    #[error(
        "{path}: {bytes} bytes, but a checkpoint of this training has at most {limit}: is it one?"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Its bytes are no state of this training.
    #[error("{path}: resume from an older checkpoint with `--resume FILE`, or run without it")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointFileError,
    },
    /// It is the state of another training.
    #[error(
        "{path} is a checkpoint of another training: its `{key}` is {found}, but here it is {expected}"
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs.
        key: String,
        /// In the file.
        found: String,
        /// Of this training.
        expected: String,
    },
    /// A text in it makes no sense.
    #[error("{path}: its `{key}` cannot be believed ({reason}): resume from an older checkpoint")]
    Text {
        /// The file.
        path: PathBuf,
        /// Which.
        key: &'static str,
        /// Why not.
        reason: String,
    },
}

/// The state of a training after some steps.
pub(crate) struct Resumed {
    /// Steps done.
    pub(crate) step: u64,
    pub(crate) parameters: Vec<f32>,
    /// What the optimiser remembers: its n-th number of every parameter.
    pub(crate) planes: Vec<Vec<f32>>,
    pub(crate) losses: LossCurve,
    pub(crate) judged: Judged,
    /// The checkpoints up to this one, oldest first, with their steps.
    pub(crate) files: VecDeque<(u64, PathBuf)>,
}

/// Finds and reads the checkpoint that `resume` means.
///
/// # Errors
/// [`ResumeError`]: none there, unreadable, damaged, or of another training.
pub(crate) fn open(plan: &Plan, resume: &Resume) -> Result<Resumed, ResumeError> {
    let mut files = own_files(plan)?;
    let path = match resume {
        Resume::File(path) => path.clone(),
        Resume::Latest => {
            let folder = || checkpoint::folder(plan);
            files
                .back()
                .map(|(_, path)| path.clone())
                .ok_or_else(|| ResumeError::None { folder: folder() })?
        }
    };
    let bytes = read(plan, &path)?;
    let mut resumed = decode(plan, &path, &bytes)?;
    files.retain(|(step, _)| *step <= resumed.step);
    resumed.files = files;
    Ok(resumed)
}

/// The checkpoints of this config in the state folder, oldest first.
fn own_files(plan: &Plan) -> Result<VecDeque<(u64, PathBuf)>, ResumeError> {
    let (folder, prefix) = (checkpoint::folder(plan), checkpoint::name_prefix(plan));
    let read = |source| ResumeError::Read { path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(VecDeque::new()),
        entries => entries.map_err(read)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        let step =
            name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(NAME_END));
        files.extend(step.and_then(|step| Some((step.parse().ok()?, entry.path()))));
    }
    files.sort();
    Ok(files.into())
}

fn read(plan: &Plan, path: &Path) -> Result<Vec<u8>, ResumeError> {
    let read = |source| ResumeError::Read { path: path.to_owned(), source };
    let numbers = plan.network.parameter_count() * (2 + plan.state_planes());
    let limit = 4 * numbers as u64 + HEADER_BYTES_MAX;
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > limit {
        return Err(ResumeError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    std::fs::read(path).map_err(read)
}

fn decode(plan: &Plan, path: &Path, bytes: &[u8]) -> Result<Resumed, ResumeError> {
    let damaged = |source| ResumeError::File { path: path.to_owned(), source };
    let file = CheckpointFile::open(bytes).map_err(damaged)?;
    check_identity(plan, path, &file)?;
    let wrong = |key, reason| ResumeError::Text { path: path.to_owned(), key, reason };
    let step: Option<u64> = file.text("step").and_then(|step| step.parse().ok());
    let step = step.filter(|step| (1..=plan.steps()).contains(step));
    let step = step.ok_or_else(|| wrong("step", format!("1 to {} are here", plan.steps())))?;
    let history: History = serde_json::from_str(file.text("history").unwrap_or_default())
        .map_err(|error| wrong("history", error.to_string()))?;
    if !history.losses.is_of(step, plan.steps()) || !history.judgement.is_of(step) {
        return Err(wrong("history", format!("it is not that of step {step}")));
    }
    let count = plan.network.parameter_count();
    let mut names = vec!["parameters".to_owned()];
    names.extend((0..plan.state_planes()).map(checkpoint::state_name));
    let best = history.judgement.best.filter(|_| plan.keeps_best());
    names.extend(best.map(|_| checkpoint::BEST.to_owned()));
    file.only(&names).map_err(damaged)?;
    let mut tensors = Vec::new();
    for name in &names {
        tensors.push(file.tensor(name, count).map_err(damaged)?);
    }
    let here = planaria_learn::isa();
    match file.text("compute_kernels") {
        Some(there) if there == here => {}
        there => tracing::warn!(
            there,
            here,
            "the checkpoint was computed with other instructions: its training may end in other bits"
        ),
    }
    let best = best.and_then(|best| {
        let weights = Weights::new(Arc::new(tensors.pop()?));
        Some(Version { step: best.step, weights })
    });
    Ok(Resumed {
        step,
        parameters: tensors.remove(0),
        planes: tensors,
        losses: history.losses,
        judged: Judged { judgement: history.judgement, best },
        files: VecDeque::new(),
    })
}

/// # Errors
/// [`ResumeError::Other`] with the first key, or group of the config, that differs.
fn check_identity(plan: &Plan, path: &Path, file: &CheckpointFile<'_>) -> Result<(), ResumeError> {
    for (key, expected) in checkpoint::identity(plan) {
        let found = file.text(key).unwrap_or("missing");
        if found == expected {
            continue;
        }
        let (key, found, expected) = match key {
            "config" => first_difference(found, &expected),
            _ => (key.to_owned(), found.to_owned(), expected),
        };
        let shorten = |text: String| text.chars().take(200).collect();
        let (found, expected) = (shorten(found), shorten(expected));
        return Err(ResumeError::Other { path: path.to_owned(), key, found, expected });
    }
    Ok(())
}

/// The first group of two configs that differs: its name and both values.
fn first_difference(found: &str, expected: &str) -> (String, String, String) {
    let group =
        |line: &str| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut there = found.lines();
    for line in expected.lines() {
        let other = there.next().unwrap_or_default();
        if line != other
            && let Some((name, value)) = group(line)
        {
            let (_, other) = group(other).unwrap_or_default();
            return (name, other, value);
        }
    }
    ("config".to_owned(), format!("{} lines long", found.lines().count()), "shorter".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_of_the_config_that_differs_is_named_with_both_values() {
        let (ours, theirs) = ("seed 1\ntrain [10,128,4]\n", "seed 1\ntrain [10,64,4]\n");
        let owned = |texts: [&str; 3]| texts.map(str::to_owned).into();
        let told: (String, String, String) = owned(["train", "[10,64,4]", "[10,128,4]"]);
        assert_eq!(first_difference(theirs, ours), told);
        let (name, ..) = first_difference("seed 1\ntrain [10,128,4]\nmore 1\n", ours);
        assert_eq!(name, "config");
    }
}
