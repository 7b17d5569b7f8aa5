//! The stages, in the order of an item's way.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Source -> raw bytes.
    Ingest,
    /// Raw bytes -> pixels.
    Decode,
    /// Pixels -> numbers in [0, 1], standardised.
    Preprocess,
    /// One item -> its variant for this epoch.
    Augment,
    /// Items -> a batch.
    Batch,
    /// A batch -> the next version of the weights.
    Train,
    /// The state of a training -> a file, from which another process can go on.
    Checkpoint,
    /// Weights and held-out items -> scores.
    Evaluate,
    /// An evaluated model -> the one that answers.
    Deploy,
    /// A user's picture -> its class.
    Predict,
    /// A classical model, fitted round by round on the same data.
    Compare,
}

/// Every stage, in the order of an item's way.
pub const STAGES: [StageKind; 11] = [
    StageKind::Ingest,
    StageKind::Decode,
    StageKind::Preprocess,
    StageKind::Augment,
    StageKind::Batch,
    StageKind::Train,
    StageKind::Checkpoint,
    StageKind::Evaluate,
    StageKind::Deploy,
    StageKind::Predict,
    StageKind::Compare,
];

impl StageKind {
    /// The name on screens, in logs and in configs.
    pub fn name(self) -> &'static str {
        match self {
            StageKind::Ingest => "ingest",
            StageKind::Decode => "decode",
            StageKind::Preprocess => "preprocess",
            StageKind::Augment => "augment",
            StageKind::Batch => "batch",
            StageKind::Train => "train",
            StageKind::Checkpoint => "checkpoint",
            StageKind::Evaluate => "evaluate",
            StageKind::Deploy => "deploy",
            StageKind::Predict => "predict",
            StageKind::Compare => "compare",
        }
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
