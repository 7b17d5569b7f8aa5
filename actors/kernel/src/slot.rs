//! A numbered place in a pool: who is in it, what it holds, and when it last showed that it lives.

use crate::{
    ids::{Incarnation, ItemId, SlotId},
    intensity::{FailureHistory, Ms},
    mutant::{self, Mutant},
};

/// An incarnation of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    /// The slot.
    pub slot: SlotId,
    /// Its incarnation.
    pub incarnation: Incarnation,
}

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Nobody is in it: not started yet, or ended as asked.
    Off,
    /// A start has been asked for.
    Starting,
    /// Its worker works, or waits for items.
    Up,
    /// The pool has become smaller: its worker ends what it holds and takes nothing more.
    Retiring,
    /// Its worker died; the next starts at this time.
    Backoff(Ms),
    /// Its worker failed too often.
    Escalated,
}

impl SlotState {
    /// True while an incarnation lives, or should.
    pub fn is_alive(self) -> bool {
        match self {
            SlotState::Starting | SlotState::Up | SlotState::Retiring => true,
            SlotState::Off | SlotState::Backoff(_) | SlotState::Escalated => false,
        }
    }
}

/// A hint to an idle worker is repeated after this time, until it is answered.
const HINT_AGAIN_MS: Ms = 10;

/// A worker that holds nothing has so long to stop: it has only to look up.
const STOP_WITHIN_MS: Ms = 1_000;

/// A numbered place in the pool.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) incarnation: Incarnation,
    pub(crate) state: SlotState,
    /// What its worker holds, oldest first.
    pub(crate) leases: Vec<ItemId>,
    pub(crate) failures: FailureHistory,
    /// When its worker last showed progress, or began to owe some.
    progress: Ms,
    /// The heartbeats that its worker had shown then.
    beats: u64,
    /// When its worker was last told to look up; none once it has answered.
    hinted: Option<Ms>,
}

impl Slot {
    pub(crate) fn new(window: u16) -> Self {
        Slot {
            incarnation: Incarnation(1),
            state: SlotState::Off,
            leases: Vec::with_capacity(usize::from(window)),
            failures: FailureHistory::default(),
            progress: 0,
            beats: 0,
            hinted: None,
        }
    }

    /// A start is asked for.
    pub(crate) fn starting(&mut self, now: Ms) {
        self.state = SlotState::Starting;
        self.progress = now;
        self.beats = 0;
        self.hinted = None;
    }

    /// Its worker has done something that the pool sees: silence counts from here.
    pub(crate) fn progressed(&mut self, now: Ms) {
        self.progress = now;
    }

    /// Its worker looks up.
    pub(crate) fn answered(&mut self, now: Ms) {
        self.hinted = None;
        if self.leases.is_empty() {
            self.progress = now;
        }
    }

    /// The incarnation is over; the next one has another number, so that this one can commit nothing more.
    pub(crate) fn fence(&mut self) -> Vec<ItemId> {
        self.incarnation = match mutant::is(Mutant::ReuseIncarnation) {
            true => Incarnation(2),
            false => self.incarnation.next(),
        };
        self.hinted = None;
        std::mem::take(&mut self.leases)
    }

    /// For how long its worker has been silent, when it owes an answer and that is too long.
    ///
    /// A worker owes an answer while it holds leases, has been told to look up, or is to stop.
    pub(crate) fn is_hung(
        &mut self,
        beats: u64,
        hang_after_ms: Ms,
        now: Ms,
        stopping: bool,
    ) -> Option<Ms> {
        if beats != self.beats {
            self.beats = beats;
            self.progress = now;
        }
        let owes = match self.state {
            SlotState::Up => stopping || !self.leases.is_empty() || self.hinted.is_some(),
            SlotState::Starting | SlotState::Retiring => true,
            SlotState::Off | SlotState::Backoff(_) | SlotState::Escalated => false,
        };
        let silent = now.saturating_sub(self.progress);
        (owes
            && silent >= self.patience(hang_after_ms, stopping)
            && !mutant::is(Mutant::NoWatchdog))
        .then_some(silent)
    }

    /// True when a living incarnation should have been seen long ago.
    pub(crate) fn is_overdue(&self, hang_after_ms: Ms, now: Ms, stopping: bool) -> bool {
        let patience = self.patience(hang_after_ms, stopping);
        let is_silent = now.saturating_sub(self.progress) >= patience;
        self.state.is_alive() && is_silent && !mutant::is(Mutant::NoWatchdog)
    }

    /// True when its worker was told to look up and has not answered.
    pub(crate) fn is_hinted(&self) -> bool {
        self.hinted.is_some()
    }

    /// True when its worker is to be told again.
    pub(crate) fn is_hint_due(&self, now: Ms) -> bool {
        self.hinted.is_some_and(|at| now >= at + HINT_AGAIN_MS) && !mutant::is(Mutant::HintOnce)
    }

    /// True when its idle worker is to be asked whether it still lives, by a hint like any other.
    pub(crate) fn is_probe_due(&self, hang_after_ms: Ms, now: Ms) -> bool {
        self.hinted.is_none() && now.saturating_sub(self.progress) >= hang_after_ms / 2
    }

    /// Its worker is told to look up: from the first time on it owes an answer.
    pub(crate) fn hint(&mut self, now: Ms) {
        if self.hinted.is_none() {
            self.progress = now;
        }
        self.hinted = Some(now);
    }

    /// When the slot's timers next ask for attention; computed from the state, never remembered.
    ///
    /// A time that has come is one at which something is done: else who waits for it would never sleep.
    pub(crate) fn next_deadline(&self, hang_after_ms: Ms, stopping: bool) -> Option<Ms> {
        let silent_for_too_long = self.progress + self.patience(hang_after_ms, stopping);
        match self.state {
            SlotState::Backoff(until) => (!stopping).then_some(until),
            SlotState::Up if self.leases.is_empty() => {
                let hint = match self.hinted {
                    Some(_) if mutant::is(Mutant::HintOnce) => silent_for_too_long,
                    Some(at) => at + HINT_AGAIN_MS,
                    None => self.progress + hang_after_ms / 2,
                };
                Some(hint.min(silent_for_too_long))
            }
            SlotState::Up | SlotState::Starting | SlotState::Retiring => Some(silent_for_too_long),
            SlotState::Off | SlotState::Escalated => None,
        }
    }

    /// For how long its worker may be silent when it owes an answer: one that has only to look up and end, not long.
    fn patience(&self, hang_after_ms: Ms, stopping: bool) -> Ms {
        let is_to_end = stopping || self.state == SlotState::Retiring;
        match self.leases.is_empty() && is_to_end {
            true => hang_after_ms.min(STOP_WITHIN_MS),
            false => hang_after_ms,
        }
    }
}
