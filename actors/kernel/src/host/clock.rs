//! Milliseconds that a paused process does not see: a jump counts as a short step, so that after SIGSTOP, a suspended
//! machine or a starved supervisor nobody is accused of silence.

use crate::intensity::Ms;
use std::time::{Duration, Instant};

/// The longest step that one look at the clock may make.
const STEP_MAX: Duration = Duration::from_millis(250);

/// A monotonic clock that is looked at every few milliseconds.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
    elapsed: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { last: instant(), elapsed: Duration::ZERO }
    }

    /// Milliseconds since the start, without the pauses.
    pub(crate) fn now(&mut self) -> Ms {
        let now = instant();
        self.elapsed += now.duration_since(self.last).min(STEP_MAX);
        self.last = now;
        self.elapsed.as_millis() as Ms
    }
}

/// The one reading of a real clock below the program.
#[allow(clippy::disallowed_methods, reason = "a host may read a clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
