//! How a long computation shows that it is alive, and learns that it should stop.

/// The work between two signs of life: about half a millisecond on the slowest path, less
/// elsewhere.
pub(crate) const OPERATIONS: usize = 4_000_000;

/// The pulse answered "stop"; buffers may hold garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Counts work and calls the pulse whenever enough was done.
pub(crate) struct Beat<'a> {
    pulse: &'a mut dyn FnMut() -> Result<(), Stopped>,
    operations: usize,
}

impl<'a> Beat<'a> {
    /// Starts counting.
    pub(crate) fn new(pulse: &'a mut dyn FnMut() -> Result<(), Stopped>) -> Self {
        Beat { pulse, operations: 0 }
    }

    /// Notes that `operations` additions or multiplications were done.
    pub(crate) fn work(&mut self, operations: usize) -> Result<(), Stopped> {
        self.operations = self.operations.saturating_add(operations);
        if self.operations >= OPERATIONS { self.now() } else { Ok(()) }
    }

    /// Calls the pulse.
    pub(crate) fn now(&mut self) -> Result<(), Stopped> {
        self.operations = 0;
        (self.pulse)()
    }
}

/// Runs `work` with a pulse of any error type and returns that error when the pulse gave one.
pub(crate) fn with_pulse<T, E>(
    pulse: &mut dyn FnMut() -> Result<(), E>,
    work: impl FnOnce(&mut Beat) -> Result<T, Stopped>,
) -> Result<T, E> {
    let mut cause = None;
    let mut inner = || {
        pulse().map_err(|error| {
            cause = Some(error);
            Stopped
        })
    };
    let result = work(&mut Beat::new(&mut inner));
    match (result, cause) {
        (Ok(value), None) => Ok(value),
        (_, Some(error)) => Err(error),
        (Err(Stopped), None) => unreachable!("only the pulse stops a pass"),
    }
}
