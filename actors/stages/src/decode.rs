//! Raw bytes -> pixels or numbers, within the limits. A decoder that panics takes this worker with it and nothing else.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{RawItem, Values};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item as it lay in the source.
pub(crate) struct Raw(pub(crate) Arc<RawItem>);

/// Decodes one item.
pub(crate) struct Decode(pub(crate) Arc<Plan>);

impl Stage for Decode {
    type Task = Raw;
    type Made = Values;

    fn accept(task: Task) -> Option<Raw> {
        if let Task::Decode(raw) = task { Some(raw) } else { None }
    }

    fn answer(made: Values) -> Outcome {
        Outcome::Decode(made)
    }

    fn work(&mut self, raw: Raw, pulse: &Pulse) -> Result<Values, WorkerError> {
        pulse.beat()?;
        let codec = self.0.source.codec();
        codec.values(&raw.0.bytes, &self.0.settings.limits).map_err(failed)
    }
}
