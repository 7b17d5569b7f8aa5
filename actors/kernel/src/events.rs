//! One typed stream of all that happens to actors and items: what status, logs, metrics and tests read.

use crate::{
    failpoint::ExitCause,
    ids::{ItemId, StageId},
    intensity::Ms,
    panics::PanicTrace,
    slot::WorkerId,
};
use std::collections::VecDeque;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first incarnation of a slot is at work.
    Started {
        /// Who.
        worker: WorkerId,
    },
    /// A later incarnation is at work.
    Restarted {
        /// Who.
        worker: WorkerId,
    },
    /// An incarnation has ended, or is taken for dead.
    Died {
        /// Who.
        worker: WorkerId,
        /// How; a panic with its message and place.
        cause: ExitCause,
        /// True when somebody ordered it.
        ordered: bool,
        /// Where it panicked, when that was not ordered.
        backtrace: Option<PanicTrace>,
    },
    /// The incarnation can commit nothing more.
    Fenced {
        /// Who.
        worker: WorkerId,
    },
    /// Its leases are ready again.
    Redelivered {
        /// From whom.
        from: WorkerId,
        /// Which, in their order.
        items: Vec<ItemId>,
    },
    /// Shards have other owners.
    Rebalanced {
        /// Of which stage.
        stage: StageId,
        /// How many moved.
        shards_moved: u32,
    },
    /// An item was given up.
    DeadLettered {
        /// Of which stage.
        stage: StageId,
        /// Which.
        item: ItemId,
        /// How the last worker failed on it.
        cause: ExitCause,
    },
    /// A pool is to have another number of workers.
    Scaled {
        /// Which.
        stage: StageId,
        /// Workers before.
        from: u16,
        /// Workers from now on.
        to: u16,
    },
    /// The flow has noticed something that people should know.
    Noticed {
        /// At which stage.
        stage: StageId,
        /// What, in words.
        what: String,
    },
    /// Supervision gave up; the pipeline stops.
    Escalated {
        /// Why, in words.
        reason: String,
    },
}

/// An event, its number and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Counts events, from 0.
    pub number: u64,
    /// The host's time, in milliseconds.
    pub at: Ms,
    /// What happened.
    pub event: Event,
}

/// The newest events. Older ones are forgotten: who reads too slowly sees a gap in the numbers.
#[derive(Debug, Default)]
pub struct EventLog {
    next: u64,
    newest: VecDeque<Numbered>,
}

/// Events that are kept.
const KEPT: usize = 4096;

impl EventLog {
    pub(crate) fn push(&mut self, at: Ms, event: Event) {
        if self.newest.len() == KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(Numbered { number: self.next, at, event });
        self.next += 1;
    }

    /// The kept events from `number` on, at most `most`.
    pub fn since(&self, number: u64, most: usize) -> Vec<Numbered> {
        let first = self.newest.front().map_or(self.next, |event| event.number);
        let skip = number.saturating_sub(first) as usize;
        self.newest.iter().skip(skip).take(most).cloned().collect()
    }

    /// The number of the event that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_too_slowly_sees_a_gap_in_the_numbers() {
        let mut log = EventLog::default();
        for n in 0..KEPT as u64 + 10 {
            log.push(n, Event::Escalated { reason: n.to_string() });
        }
        let read = log.since(0, 3);
        assert_eq!(read.iter().map(|event| event.number).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(log.since(log.next(), 10), []);
        assert_eq!(log.since(log.next() + 5, 10), []);
        assert_eq!(log.since(log.next() - 1, 10).len(), 1);
    }
}
