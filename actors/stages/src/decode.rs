//! Raw bytes -> pixels, within the limits. A decoder that panics takes this worker with it and nothing else.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{Pixels, RawItem};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item as it lay in the source.
pub(crate) struct Raw(pub(crate) Arc<RawItem>);

/// Decodes one item.
pub(crate) struct Decode(pub(crate) Arc<Plan>);

impl Stage for Decode {
    type Task = Raw;
    type Made = Pixels;

    fn accept(task: Task) -> Option<Raw> {
        if let Task::Decode(raw) = task { Some(raw) } else { None }
    }

    fn answer(made: Pixels) -> Outcome {
        Outcome::Decode(made)
    }

    fn work(&mut self, raw: Raw, pulse: &Pulse) -> Result<Pixels, WorkerError> {
        pulse.beat()?;
        let codec = self.0.source.codec();
        codec.decode(&raw.0.bytes, &self.0.settings.limits).map_err(failed)
    }
}
