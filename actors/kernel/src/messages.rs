//! What goes between actors and the core: requests and replies of workers, events and actions of the supervisor.

use crate::{failpoint::Exit, ids::ItemId, slot::WorkerId};
use std::time::Duration;

/// What a worker asks for.
#[derive(Debug)]
pub enum Request<O> {
    /// It has been started.
    Began,
    /// It has nothing to do.
    Take {
        /// How long it waited.
        waited: Duration,
    },
    /// It has done an item.
    Acknowledge {
        /// The item.
        item: ItemId,
        /// What came of it.
        output: O,
        /// How long the work took.
        busy: Duration,
    },
}

/// An item, with all that the work on it needs.
#[derive(Debug)]
pub struct Lease<I> {
    /// The item.
    pub item: ItemId,
    /// What the flow gave with it.
    pub input: I,
}

/// What a worker gets.
#[derive(Debug)]
pub enum Reply<I> {
    /// Its next leases; none when nothing waits for it.
    Leases(Vec<Lease<I>>),
    /// It is fenced, or the pipeline is stopping: it ends.
    End,
}

/// Everything that can make the supervisor act. What is not listed here cannot restart a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisorEvent {
    /// The supervisor has been started, or started again; these workers live.
    Began {
        /// Workers whose threads have not ended, or whose ends are still to be told.
        alive: Vec<WorkerId>,
    },
    /// An incarnation has ended.
    Exited {
        /// Whose end it is.
        worker: WorkerId,
        /// How it ended.
        exit: Exit,
    },
    /// Time has passed; this is what the workers' heartbeats and work say.
    Tick {
        /// One reading for every worker that lives.
        pulses: Vec<PulseReading>,
    },
}

/// What can be seen of a living worker from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulseReading {
    /// Whose pulse it is.
    pub worker: WorkerId,
    /// Heartbeats since it started.
    pub beats: u64,
    /// The item whose work has begun.
    pub in_work: Option<ItemId>,
    /// True when its death has been ordered.
    pub ordered: bool,
}

/// All that a decision can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start this incarnation. Asked twice, it is started once.
    Start(WorkerId),
    /// Let this incarnation do no more. When it hangs, its thread is abandoned.
    Fence(WorkerId),
    /// Tell an idle worker that items wait for it.
    Hint(WorkerId),
}
