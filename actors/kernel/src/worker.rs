//! A worker: one item in, one output or one error out; and the loop that every worker runs, on every host.

use crate::{
    failpoint::{Failpoint, Interrupt},
    flow::Flow,
    host::WorkerHost,
    ids::{ItemId, SlotId},
    messages::{Lease, Reply, Request},
    panics,
    pulse::Pulse,
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Does the work of one stage. It owns nothing that must outlive it.
pub trait Worker<F: Flow> {
    /// Makes an item's output from its input: a pure function of both, whoever computes it, however often.
    ///
    /// Long work calls [`Pulse::beat`] every few milliseconds.
    ///
    /// # Errors
    /// Ends this incarnation; the item is redelivered, or given up after too many attempts.
    fn handle(
        &mut self,
        item: ItemId,
        input: F::Input,
        pulse: &Pulse,
    ) -> Result<F::Output, WorkerError>;
}

/// Makes the worker of a slot, on the thread that it will live on.
pub type MakeWorker<F> = Arc<dyn Fn(SlotId) -> Result<Box<dyn Worker<F>>, String> + Send + Sync>;

/// Why a worker ends.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its death was ordered.
    #[error(transparent)]
    Interrupted(#[from] Interrupt),
    /// Its work failed.
    #[error("{0}")]
    Failed(String),
    /// Its work panicked.
    #[error("panic: {0}")]
    Panicked(String),
}

/// A worker whose destructor can do no harm: it is run outside of any other panic's reach.
struct Guarded<F: Flow>(Option<Box<dyn Worker<F>>>);

impl<F: Flow> Guarded<F> {
    /// Does the work; a panic in it becomes an error, so that the worker is dropped in peace.
    fn handle(
        &mut self,
        item: ItemId,
        input: F::Input,
        pulse: &Pulse,
    ) -> Result<F::Output, WorkerError> {
        let worker = self.0.as_mut().expect("a worker is there until it is dropped");
        let work = AssertUnwindSafe(|| worker.handle(item, input, pulse));
        catch_unwind(work).unwrap_or_else(|payload| {
            Err(WorkerError::Panicked(panics::describe(payload.as_ref())))
        })
    }
}

impl<F: Flow> Drop for Guarded<F> {
    fn drop(&mut self) {
        panics::drop_quietly(self.0.take());
    }
}

/// The life of a worker: pull, work, acknowledge, until it is told to end.
pub async fn run<H: WorkerHost>(
    host: H,
    worker: Box<dyn Worker<H::Flow>>,
) -> Result<(), WorkerError> {
    let mut worker = Guarded(Some(worker));
    host.reach(Failpoint::Started).await?;
    let mut request = Request::Began;
    let mut leases = VecDeque::new();
    loop {
        match host.pull(request) {
            Reply::Leases(more) => leases.extend(more),
            Reply::End => return Ok(()),
        }
        host.reach(Failpoint::AfterAcknowledge).await?;
        request = match leases.pop_front() {
            Some(Lease { item, input }) => {
                host.reach(Failpoint::BeforeWork).await?;
                let (output, busy) = host.work(item, |pulse| worker.handle(item, input, pulse));
                let output = output?;
                host.reach(Failpoint::BetweenWorkAndAcknowledge).await?;
                Request::Acknowledge { item, output, busy }
            }
            None => {
                let waited = host.wait_for_hint().await;
                host.reach(Failpoint::Waiting).await?;
                Request::Take { waited }
            }
        };
    }
}
