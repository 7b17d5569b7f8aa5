//! Source -> raw bytes.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{RawItem, Split};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// Where an item lies in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) split: Split,
    pub(crate) index: u64,
}

/// Reads one item.
pub(crate) struct Ingest(pub(crate) Arc<Plan>);

impl Stage for Ingest {
    type Task = Address;
    type Made = RawItem;

    fn accept(task: Task) -> Option<Address> {
        if let Task::Ingest(address) = task { Some(address) } else { None }
    }

    fn answer(made: RawItem) -> Outcome {
        Outcome::Ingest(made)
    }

    fn work(&mut self, address: Address, pulse: &Pulse) -> Result<RawItem, WorkerError> {
        pulse.beat()?;
        self.0.source.read(address.split, address.index).map_err(failed)
    }
}
