//! What a person may see of a running pipeline: copied, never locked.

use planaria_data::{clean::CleaningCounts, drift::Drift};
use serde::{Deserialize, Serialize};

/// A moment of a pipeline: the answer to `planaria status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// What the pipeline is doing.
    pub phase: Phase,
    /// The network's name.
    pub network: String,
    /// The epoch that is being trained, from 1; the last one when training is over.
    pub epoch: u32,
    /// How many epochs there will be.
    pub epochs: u32,
    /// Steps done.
    pub step: u64,
    /// How many steps there will be.
    pub steps: u64,
    /// Mean training loss of the last step, when there was one.
    pub loss: Option<f64>,
    /// Training samples a second since training began.
    pub samples_per_second: f64,
    /// The model that answers predictions now.
    pub model: Option<ModelStatus>,
    /// What the cleaning of the source has found, where it is cleaned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaning: Option<CleaningCounts>,
    /// How the last window of predictions differs from what the model was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Items of all stages.
    pub items: ItemCounts,
    /// Deaths of actors, injected and real.
    pub failures: u64,
    /// Starts of actors after a death.
    pub restarts: u64,
    /// Threads of hung workers that have been abandoned and still live.
    pub abandoned_threads: u64,
    /// Kills that a running chaos plan has still to do.
    pub chaos_left: u64,
    /// Every stage, in the order of an item's way.
    pub stages: Vec<StageStatus>,
}

/// What a pipeline is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Training, evaluating, or comparing with baselines.
    Training,
    /// All is trained and evaluated; predictions are answered.
    Serving,
    /// No new item is admitted; what is accepted ends.
    Draining,
    /// Everything has ended.
    Stopped,
    /// The job has failed; the cause is in the log and in the outcome.
    Failed,
}

/// A deployed model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Counts deployments, from 1.
    pub version: u64,
    /// Steps of training behind it.
    pub step: u64,
    /// Its epoch, from 1.
    pub epoch: u32,
    /// Share of the test items that it gets right.
    pub accuracy: f64,
    /// Share of the items set aside to choose by that it gets right, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// SHA-256 of its weights, in hex.
    pub weights_sha256: String,
    /// Its file.
    pub file: String,
}

/// Where items are: `accepted = ready + leased + committed + dead_lettered` at any moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    /// Items ever accepted.
    pub accepted: u64,
    /// Items that wait.
    pub ready: u64,
    /// Items that workers hold.
    pub leased: u64,
    /// Items done.
    pub committed: u64,
    /// Items given up.
    pub dead_lettered: u64,
    /// Leases taken back from the dead.
    pub redelivered: u64,
    /// Answers of the fenced, dropped.
    pub fenced_duplicates: u64,
}

/// A stage and its pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageStatus {
    /// The stage's name.
    pub name: String,
    /// How many items wait or are in work, and how many may.
    pub mailbox: MailboxStatus,
    /// The stage's items.
    pub items: ItemCounts,
    /// Starts of its actors after a death.
    pub restarts: u64,
    /// Time its workers spent in work, summed, in seconds.
    pub busy_seconds: f64,
    /// Time its workers spent waiting, summed, in seconds.
    pub waited_seconds: f64,
    /// Its worker actors.
    pub workers: Vec<WorkerStatus>,
}

/// How full a stage's mailbox is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct MailboxStatus {
    /// Items that are ready or leased.
    pub filled: u64,
    /// How many there may be.
    pub capacity: u64,
}

/// A worker actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// What `planaria kill` calls it: `train/1`.
    pub name: String,
    /// What it is doing.
    pub state: WorkerState,
    /// The incarnation, from 1.
    pub incarnation: u32,
    /// Leases it holds.
    pub leases: u64,
}

/// What a worker actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerState {
    /// Its thread is being started.
    Starting,
    /// It holds leases.
    Working,
    /// It waits for items.
    Idle,
    /// Its pool has become smaller: it ends what it holds.
    Retiring,
    /// It died; its next incarnation starts after the backoff.
    Backoff,
    /// It failed too often and is not restarted.
    Escalated,
    /// It has been stopped at the end.
    Stopped,
}
