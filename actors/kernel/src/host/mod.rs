//! What actors need of the world: schedule points, time, threads, and a way to be woken.
//!
//! The actors' code (`worker::run`, `supervisor::run`) is written once against these traits. [`ActixHost`] runs every
//! worker as an actix actor on a thread of its own; [`DeterministicHost`] runs all actors on one thread, with a virtual clock
//! and a schedule of deaths.

mod actix_host;
mod clock;
mod seat;
mod deterministic_host;
mod deterministic;

pub use actix_host::{ActixHost, KillError, Target};
pub use deterministic::{
    history::Seen,
    schedule::{ActorId, Kill, NoSchedule, Order, Point, Schedule, Victim, Way},
    shrink::shrink,
    world::Ending,
};
pub use deterministic_host::{DeterministicHost, Outcome};

use crate::{
    core::Core,
    escalation::Supervision,
    failpoint::{Exit, ExitCause, Failpoint, Interrupt},
    flow::Flow,
    ids::ItemId,
    messages::{Action, PulseReading, Reply, Request, SupervisorEvent},
    panics,
    plan::{PlanError, PoolPlan},
    pulse::Pulse,
    slot::WorkerId,
    worker::{MakeWorker, WorkerError},
};
use std::{future::Future, time::Duration};

/// The core that every host begins with, when each plan is sound and has its maker.
fn first_core<F: Flow>(
    plans: Vec<PoolPlan>,
    supervision: &Supervision,
    makers: &[MakeWorker<F>],
    flow: F,
) -> Result<Core<F>, PlanError> {
    if plans.len() != makers.len() {
        let (stages, makers) = (plans.len(), makers.len());
        return Err(PlanError::Makers { stages, makers });
    }
    panics::capture_panics_of_actors();
    Core::new(plans, supervision, flow)
}

/// How an actor's life ended; none for a thread that is to be lost without a word.
fn exit_cause(end: Result<(), WorkerError>) -> Option<ExitCause> {
    match end {
        Ok(()) | Err(WorkerError::Interrupted(Interrupt::Stop)) => Some(ExitCause::Stopped),
        Err(WorkerError::Interrupted(Interrupt::LostThread)) => None,
        Err(WorkerError::Panicked(message)) => Some(ExitCause::Panic(message)),
        Err(error) => Some(ExitCause::Error(error.to_string())),
    }
}

/// A worker's handle on its host. `reach` and `wait_for_hint` are the only places where it may be suspended or killed.
pub trait WorkerHost: 'static {
    /// The pipeline's state.
    type Flow: Flow;

    /// A schedule point.
    fn reach(&self, point: Failpoint) -> impl Future<Output = Result<(), Interrupt>>;

    /// Acknowledges and takes the next leases, in one step under the core's lock; then hints at others.
    fn pull(
        &self,
        request: Request<<Self::Flow as Flow>::Output>,
    ) -> Reply<<Self::Flow as Flow>::Input>;

    /// Runs the work on an item and says how long it took.
    fn work<R>(&self, item: ItemId, work: impl FnOnce(&Pulse) -> R) -> (R, Duration);

    /// Waits until there may be something to do; returns how long.
    fn wait_for_hint(&self) -> impl Future<Output = Duration>;
}

/// The supervisor's handle on its host.
pub trait SupervisorHost: 'static {
    /// A schedule point.
    fn reach(&self, point: Failpoint) -> impl Future<Output = Result<(), Interrupt>>;

    /// One decision, under the core's lock.
    fn decide(&self, event: SupervisorEvent) -> Vec<Action>;

    /// Does what was decided. Everything may be done twice.
    fn perform(&self, action: Action);

    /// Waits for an exit, for the state's next deadline, or for a short while.
    fn wait(&self) -> impl Future<Output = ()>;

    /// The ends that have been reported and not yet forgotten.
    fn exits(&self) -> Vec<(WorkerId, Exit)>;

    /// An end has been dealt with.
    fn forget_exit(&self, worker: WorkerId);

    /// One reading for every worker whose thread has not ended.
    fn pulses(&self) -> Vec<PulseReading>;

    /// True when the pipeline is stopping and every worker that can end has ended.
    fn is_over(&self) -> bool;
}
