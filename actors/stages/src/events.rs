//! What happened to actors and items, in words that need no kernel: what `planaria events` shows.

use crate::kinds::STAGES;
use planaria_kernel::{Event, Numbered, StageId, WorkerId};
use serde::{Deserialize, Serialize};

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// In the order in which they happened. A gap in the numbers: the events between are forgotten.
    pub events: Vec<PipelineEvent>,
    /// The number to ask from next.
    pub next: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineEvent {
    /// Counts events, from 0.
    pub number: u64,
    /// The runtime's time, in milliseconds since its start; pauses of the process do not count.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The first incarnation of a worker is at work.
    Started {
        /// `train/1`.
        worker: String,
    },
    /// A later incarnation is at work.
    Restarted {
        /// `train/1`.
        worker: String,
        /// Which, from 1.
        incarnation: u32,
    },
    /// An incarnation has ended, or is taken for dead.
    Died {
        /// `train/1`.
        worker: String,
        /// Which, from 1.
        incarnation: u32,
        /// `panic`, `error`, `stopped`, `thread-lost`, `not-made`, `hung`, `vanished` or `taken-along`.
        kind: String,
        /// The same in a sentence, with the message of a panic or an error.
        cause: String,
        /// True when somebody ordered it.
        ordered: bool,
        /// Where it panicked, when that was not ordered.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        backtrace: Option<String>,
    },
    /// An incarnation can commit nothing more.
    Fenced {
        /// `train/1`.
        worker: String,
        /// Which, from 1.
        incarnation: u32,
    },
    /// The leases of a lost incarnation are ready again.
    Redelivered {
        /// From whom.
        worker: String,
        /// Which items of the stage.
        items: Vec<u64>,
    },
    /// Shards have other owners.
    Rebalanced {
        /// Of which stage.
        stage: String,
        /// How many moved.
        shards_moved: u32,
    },
    /// An item was given up.
    DeadLettered {
        /// Of which stage.
        stage: String,
        /// Which.
        item: u64,
        /// How its last worker failed on it.
        cause: String,
    },
    /// A pool is to have another number of workers.
    Scaled {
        /// Which.
        stage: String,
        /// Workers before.
        from: u16,
        /// Workers from now on.
        to: u16,
    },
    /// Something that people should know has been noticed.
    Noticed {
        /// At which stage.
        stage: String,
        /// What, in words.
        what: String,
    },
    /// Supervision gave up; the pipeline stops.
    Escalated {
        /// Why.
        cause: String,
    },
}

impl From<Numbered> for PipelineEvent {
    fn from(numbered: Numbered) -> Self {
        let Numbered { number, at, event } = numbered;
        PipelineEvent { number, at_ms: at, what: what(event) }
    }
}

fn what(event: Event) -> What {
    match event {
        Event::Started { worker } => What::Started { worker: worker_name(worker) },
        Event::Restarted { worker } => {
            What::Restarted { worker: worker_name(worker), incarnation: worker.incarnation.0 }
        }
        Event::Died { worker, cause, ordered, backtrace } => What::Died {
            worker: worker_name(worker),
            incarnation: worker.incarnation.0,
            kind: cause.kind().to_owned(),
            cause: cause.to_string(),
            ordered,
            backtrace: backtrace.map(|trace| trace.to_string()),
        },
        Event::Fenced { worker } => {
            What::Fenced { worker: worker_name(worker), incarnation: worker.incarnation.0 }
        }
        Event::Redelivered { from, items } => {
            let items = items.into_iter().map(|item| item.0).collect();
            What::Redelivered { worker: worker_name(from), items }
        }
        Event::Rebalanced { stage, shards_moved } => {
            What::Rebalanced { stage: stage_name(stage), shards_moved }
        }
        Event::DeadLettered { stage, item, cause } => {
            let cause = cause.to_string();
            What::DeadLettered { stage: stage_name(stage), item: item.0, cause }
        }
        Event::Scaled { stage, from, to } => What::Scaled { stage: stage_name(stage), from, to },
        Event::Noticed { stage, what } => What::Noticed { stage: stage_name(stage), what },
        Event::Escalated { reason } => What::Escalated { cause: reason },
    }
}

fn stage_name(stage: StageId) -> String {
    STAGES[usize::from(stage.0)].name().to_owned()
}

fn worker_name(worker: WorkerId) -> String {
    format!("{}/{}", stage_name(worker.slot.stage), worker.slot.index + 1)
}
