//! Raw bytes -> pixels or numbers, within the limits. A decoder that panics takes this worker with it and nothing else.

use crate::{
    plan::Plan,
    stage::{Outcome, Stage, Task, failed},
};
use planaria_data::{DecodeError, Decoder, Limits, RawItem, Source, Values};
use planaria_kernel::{Pulse, WorkerError};
use std::sync::Arc;

/// An item as it lay in the source.
pub(crate) struct Raw(pub(crate) Arc<RawItem>);

/// Decodes one item.
pub(crate) struct Decode {
    plan: Arc<Plan>,
    /// Memory from one item to the next; what comes out does not depend on it.
    decoder: Decoder,
}

impl Decode {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Decode { plan, decoder: Decoder::default() }
    }
}

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
        let Plan { source, settings, .. } = &*self.plan;
        decoded(&**source, &settings.limits, &raw.0.bytes, &mut self.decoder).map_err(failed)
    }
}

/// What the bytes of an item are.
///
/// # Errors
/// When they are damaged, or beyond a limit.
pub(crate) fn decoded(
    source: &dyn Source,
    limits: &Limits,
    bytes: &[u8],
    decoder: &mut Decoder,
) -> Result<Values, DecodeError> {
    // What is going to be shrunk need not be decoded whole.
    let (h, w, _) = source.shape();
    let wanted = source.fit().map(|_| (h, w));
    decoder.values(source.codec(), bytes, limits, wanted)
}
