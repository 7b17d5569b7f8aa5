//! The kernel: supervised pools of actors from which nothing is lost, whatever dies. It knows no image, model or config.
//!
//! **Delivery.** Every accepted item is processed effectively once: one commit, whatever dies. Workers pull: in one step under
//! one short lock a worker acknowledges, the ledger commits, what follows is accepted downstream, and the worker gets its
//! next leases. Nobody delivers, so no delivery can be lost.
//!
//! **Bounds.** A stage runs no further ahead of its oldest unfinished item than its mailbox; a full one makes its producer
//! wait, back to the source.
//!
//! **Supervision.** A panic, an error, a stop, a lost thread and a hang take one path: fence, redeliver, rebalance, restart with
//! backoff or escalate. Decisions are pure and follow from the state, so the supervisor may die as well.
//!
//! In reading order:

pub mod ids;
pub mod ledger;
pub mod shard_map;
mod ready;
mod mutant;
pub mod intensity;
pub mod failpoint;
mod panics;
pub mod pulse;
pub mod plan;
pub mod slot;
pub mod flow;
pub mod pool;
pub mod events;
pub mod messages;
pub mod escalation;
pub mod core;
pub mod worker;
pub mod supervisor;
pub mod host;
pub mod snapshot;
pub mod autoscale;
#[cfg(test)]
mod exhaustive;

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(panic = "abort")]
compile_error!("panic = \"abort\" defeats all isolation between actors: build with unwinding");

pub use self::core::Core;
pub use autoscale::Autoscale;
pub use escalation::{Escalation, Supervision};
pub use events::{Event, EventLog, Numbered};
pub use failpoint::{Death, ExitCause, Failpoint, Interrupt};
pub use flow::{Done, Flow, Intake};
pub use host::{ActixHost, DeterministicHost, KillError, Schedule, Target, Way};
pub use ids::{Incarnation, ItemId, ShardId, SlotId, StageId};
pub use intensity::Intensity;
pub use panics::{PanicTrace, capture_panics_of_actors};
pub use plan::{PlanError, PoolPlan, Sharing, Strategy};
pub use pool::Pool;
pub use pulse::Pulse;
pub use slot::{SlotState, WorkerId};
pub use snapshot::{PoolSnapshot, WorkerSnapshot, snapshot};
pub use worker::{MakeWorker, Worker, WorkerError};
