//! What supervision cannot handle by itself.

use crate::{failpoint::ExitCause, intensity::Intensity};

/// A failure that supervision could not handle: the pipeline stops, and whoever runs it decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Escalation {
    /// A slot failed more often than its restart intensity allows.
    #[error(
        "{stage}/{slot} failed too often, last by {cause}: see the log, or raise `supervision.restarts_max`"
    )]
    TooManyRestarts {
        /// The stage's name.
        stage: &'static str,
        /// The slot, from 1.
        slot: u16,
        /// Why it ended last.
        cause: ExitCause,
    },
    /// More threads hang than may be abandoned.
    #[error(
        "{abandoned} threads of workers hang: raise the stage's `hang_after` if its items take that long"
    )]
    TooManyAbandonedThreads {
        /// How many.
        abandoned: usize,
    },
    /// The supervisor itself failed too often.
    #[error("the supervisor failed too often, last by {cause}: see the log")]
    Supervisor {
        /// Why it ended last.
        cause: ExitCause,
    },
}

/// How failures are answered, for all pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// Of every slot, and of the supervisor.
    pub intensity: Intensity,
    /// Threads of hung workers that may live at once; one more escalates.
    pub abandoned_threads_max: usize,
}

impl Default for Supervision {
    /// The default intensity, and eight threads that may hang.
    fn default() -> Self {
        Supervision { intensity: Intensity::default(), abandoned_threads_max: 8 }
    }
}
