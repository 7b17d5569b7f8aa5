//! A worker: one item in, one output or one error out; and the loop that every worker runs, on every host.

use crate::{
    core::{Lease, Reply, Request},
    failpoint::{Failpoint, Interrupt},
    flow::Flow,
    host::WorkerHost,
    ids::{ItemId, SlotId},
    pulse::Pulse,
};
use std::{collections::VecDeque, sync::Arc};

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
}

/// The life of a worker: pull, work, acknowledge, until it is told to end.
pub async fn run<H: WorkerHost>(
    host: H,
    mut worker: Box<dyn Worker<H::Flow>>,
) -> Result<(), WorkerError> {
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
