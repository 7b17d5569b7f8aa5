//! A job as the journal holds it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The number of a job: counts from 1, in the order of acceptance, and is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a job is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Accepted; waits for its turn.
    Queued,
    /// In work.
    Running,
    /// Waits until somebody resumes it.
    Paused,
    /// Ended with its result.
    Done,
    /// Ended without: its error says why.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Given up: the process died in it again and again.
    SetAside,
}

/// Every state with its name, in the order of the enum.
const STATES: [(JobState, &str); 7] = [
    (JobState::Queued, "queued"),
    (JobState::Running, "running"),
    (JobState::Paused, "paused"),
    (JobState::Done, "done"),
    (JobState::Failed, "failed"),
    (JobState::Cancelled, "cancelled"),
    (JobState::SetAside, "set-aside"),
];

impl JobState {
    /// True for a job that nothing more will happen to by itself.
    pub fn is_ended(self) -> bool {
        match self {
            JobState::Queued | JobState::Running | JobState::Paused => false,
            JobState::Done | JobState::Failed | JobState::Cancelled | JobState::SetAside => true,
        }
    }

    /// Its name, in the journal and on screens.
    pub fn name(self) -> &'static str {
        STATES[self as usize].1
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = STATES.iter().find(|(_, name)| *name == text);
        known.map(|(state, _)| *state).ok_or_else(|| format!("no state is called `{text}`"))
    }
}

/// What somebody wants of a job that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Its end.
    Cancel,
    /// That it waits.
    Pause,
}

impl Wish {
    /// Its name, in the journal and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Wish::Cancel => "cancel",
            Wish::Pause => "pause",
        }
    }
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cancel" => Ok(Wish::Cancel),
            "pause" => Ok(Wish::Pause),
            other => Err(format!("no wish is called `{other}`")),
        }
    }
}

/// A job that is to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// `train`, say; the journal does not know what it means.
    pub kind: String,
    /// All that its kind needs to do it.
    pub spec: String,
    /// SHA-256 of what the client asked for: the same key with another request is refused.
    pub request_sha256: String,
    /// What the client calls it: the same key gives the same job.
    pub key: Option<String>,
    /// The greater one goes first; of equals the earlier one.
    pub priority: i64,
}

/// A large thing that a job has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRow {
    /// What it is called in the result: `model.safetensors`, say.
    pub name: String,
    /// Its name among the blobs.
    pub sha256: String,
    /// How large it is.
    pub bytes: u64,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// `train`, say.
    pub kind: String,
    /// All that its kind needs to do it.
    pub spec: String,
    /// What the client calls it.
    pub key: Option<String>,
    /// The greater one goes first.
    pub priority: i64,
    /// Where it is on its way.
    pub state: JobState,
    /// What somebody wants of it while it runs.
    pub wish: Option<Wish>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often in a row the process died in it without any progress.
    pub deaths: u32,
    /// How far it is: what its kind counts, steps say.
    pub progress: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// What it was found to read at its first attempt: names and SHA-256, as its kind writes them.
    pub inputs: Option<String>,
    /// What it has come to, as its kind writes it.
    pub result: Option<String>,
    /// Why it has come to nothing.
    pub error: Option<String>,
    /// The large things of its result.
    pub blobs: Vec<BlobRow>,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 for each job.
    pub number: u64,
    /// When, in milliseconds since 1970, by the clock of that moment.
    pub at_ms: i64,
    /// What: `accepted`, `started`, `died`, ...
    pub what: String,
    /// More of it, for people.
    pub detail: String,
}
