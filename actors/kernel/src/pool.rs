//! One stage: its ledger, its slots and its shard map. Pure: no thread, no clock, no actor.

use crate::{
    failpoint::{Exit, ExitCause},
    ids::{Incarnation, ItemId, SlotId, StageId},
    intensity::{FailureHistory, Intensity, Ms, Verdict},
    ledger::{Acknowledged, Ledger, Returned},
    ready::ReadyItems,
};
use std::time::Duration;

/// How a pool is built.
#[derive(Debug, Clone)]
pub struct PoolPlan {
    /// The stage's name.
    pub name: &'static str,
    /// Worker actors, at least 1.
    pub workers: u16,
    /// Leases a worker may hold, at least 1.
    pub window: u16,
    /// How far ahead of its oldest unfinished item the stage may run, at least 1.
    pub mailbox: u64,
    /// A worker that owes an answer and makes no progress for so long hangs.
    pub hang_after_ms: Ms,
    /// An item whose own work fails so many times becomes a dead letter, at least 1.
    pub attempts_max: u32,
    /// Who may work on which shard.
    pub sharing: Sharing,
}

/// Who may work on which shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Its owner alone: the items of a shard are worked on in order.
    OwnersOnly,
    /// Its owner first; a slot whose own shards have nothing ready takes the oldest item of another's.
    IdleSlotsHelp,
}

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
    /// Never started, or stopped at the end.
    Off,
    /// A start has been asked for.
    Starting,
    /// It works, or waits for items.
    Up,
    /// It died and starts again at this time.
    Backoff(Ms),
    /// It failed too often.
    Escalated,
}

/// A numbered place in the pool.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) incarnation: Incarnation,
    pub(crate) state: SlotState,
    /// What it holds, oldest first.
    pub(crate) leases: Vec<ItemId>,
    /// When it last showed progress, or began to owe some.
    progress: Ms,
    /// The heartbeats that its incarnation had shown then.
    beats: u64,
    /// When it was last told that work waits for it; none once it has answered.
    hinted: Option<Ms>,
    failures: FailureHistory,
}

/// A hint to an idle worker is repeated after this time, until it is answered.
const HINT_AGAIN_MS: Ms = 10;

/// A worker that holds nothing has so long to stop: it has only to look up.
const STOP_WITHIN_MS: Ms = 1_000;

/// One stage.
#[derive(Debug)]
pub struct Pool {
    stage: StageId,
    plan: PoolPlan,
    ledger: Ledger,
    ready: ReadyItems,
    pub(crate) slots: Vec<Slot>,
    /// Items at or above this are not leased yet; without one, all may be.
    limit: Option<ItemId>,
    /// Something may be leased that could not be before: idle workers want a hint.
    pub(crate) has_news: bool,
    pub(crate) restarts: u64,
    pub(crate) busy: Duration,
    pub(crate) waited: Duration,
}

/// An item given up, and why.
pub(crate) struct GivenUp {
    pub(crate) item: ItemId,
    pub(crate) cause: ExitCause,
}

/// What a failure of a slot leads to.
pub(crate) struct Failure {
    pub(crate) redelivered: usize,
    pub(crate) given_up: Vec<GivenUp>,
    pub(crate) verdict: Verdict,
}

impl Pool {
    /// A pool whose slots are all off.
    pub(crate) fn new(stage: StageId, plan: PoolPlan) -> Self {
        let slot = || Slot {
            incarnation: Incarnation(1),
            state: SlotState::Off,
            leases: Vec::with_capacity(usize::from(plan.window)),
            progress: 0,
            beats: 0,
            hinted: None,
            failures: FailureHistory::default(),
        };
        Pool {
            stage,
            ledger: Ledger::default(),
            ready: ReadyItems::new(plan.workers, plan.sharing),
            slots: (0..plan.workers).map(|_| slot()).collect(),
            limit: None,
            has_news: false,
            restarts: 0,
            busy: Duration::ZERO,
            waited: Duration::ZERO,
            plan,
        }
    }

    /// How the pool was built.
    pub fn plan(&self) -> &PoolPlan {
        &self.plan
    }

    /// The stage's items.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The worker that is or will next be in a slot.
    pub(crate) fn worker(&self, index: u16) -> WorkerId {
        let slot = SlotId { stage: self.stage, index };
        WorkerId { slot, incarnation: self.slots[usize::from(index)].incarnation }
    }

    /// True while `worker` is its slot's living incarnation.
    pub(crate) fn is_current(&self, worker: WorkerId) -> bool {
        let slot = &self.slots[usize::from(worker.slot.index)];
        slot.incarnation == worker.incarnation
            && matches!(slot.state, SlotState::Starting | SlotState::Up)
    }

    pub(crate) fn accept(&mut self, item: ItemId) {
        self.ledger.accept(item);
        self.ready.insert(item);
        self.has_news = true;
    }

    pub(crate) fn skip(&mut self, item: ItemId) {
        self.ledger.skip(item);
    }

    fn limit(&self) -> ItemId {
        self.limit.unwrap_or(ItemId(u64::MAX))
    }

    pub(crate) fn raise_limit(&mut self, limit: ItemId) {
        if self.limit.is_none_or(|before| limit > before) {
            self.limit = Some(limit);
            self.has_news = true;
        }
    }

    /// A start of the slot is asked for.
    pub(crate) fn starting(&mut self, index: u16, now: Ms) -> WorkerId {
        let slot = &mut self.slots[usize::from(index)];
        slot.state = SlotState::Starting;
        slot.progress = now;
        slot.beats = 0;
        self.worker(index)
    }

    /// The slot's incarnation is at work from now on, and owns its shards.
    pub(crate) fn up(&mut self, worker: WorkerId, now: Ms) {
        let slot = &mut self.slots[usize::from(worker.slot.index)];
        if slot.state == SlotState::Starting && slot.incarnation == worker.incarnation {
            slot.state = SlotState::Up;
            slot.progress = now;
            self.rebalance();
        }
    }

    /// The next leases of a worker, up to its window: the oldest items that it may work on.
    pub(crate) fn lease(&mut self, worker: WorkerId, now: Ms) -> Vec<ItemId> {
        let index = worker.slot.index;
        let window = usize::from(self.plan.window);
        let mut taken = Vec::new();
        let slot = &mut self.slots[usize::from(index)];
        slot.hinted = None;
        if slot.leases.is_empty() {
            slot.progress = now; // silence counts from the first lease on
        }
        while self.slots[usize::from(index)].leases.len() < window {
            let Some(item) = self.ready.take(index, self.limit()) else { break };
            self.ledger.lease(item, index, worker.incarnation);
            let slot = &mut self.slots[usize::from(index)];
            slot.leases.push(item);
            taken.push(item);
        }
        let held = self.slots[usize::from(index)].leases.len();
        assert!(held <= window, "a worker holds at most `window` leases");
        taken
    }

    /// Commits an item, if `worker` holds the lease on it.
    pub(crate) fn acknowledge(&mut self, worker: WorkerId, item: ItemId, now: Ms) -> Acknowledged {
        let slot = worker.slot.index;
        let acknowledged = self.ledger.acknowledge(item, slot, worker.incarnation);
        if acknowledged == Acknowledged::First {
            let slot = &mut self.slots[usize::from(slot)];
            assert_eq!(slot.incarnation, worker.incarnation, "a fenced incarnation never commits");
            slot.leases.retain(|held| *held != item);
            slot.progress = now;
            slot.failures.forgive();
        }
        acknowledged
    }

    /// The one path of every failure: fence, redeliver, rebalance, and restart later or escalate.
    pub(crate) fn fail(
        &mut self,
        index: u16,
        exit: &Exit,
        now: Ms,
        intensity: &Intensity,
    ) -> Failure {
        let fenced = self.worker(index);
        let slot = &mut self.slots[usize::from(index)];
        let key = u64::from(self.stage.0) << 16 | u64::from(index);
        slot.incarnation = slot.incarnation.next();
        slot.hinted = None;
        let verdict = slot.failures.record(now, intensity, key);
        slot.state = match verdict {
            Verdict::RestartAt(at) => SlotState::Backoff(at),
            Verdict::Escalate => SlotState::Escalated,
        };
        let leases = std::mem::take(&mut slot.leases);
        let may_charge = !exit.ordered && exit.cause.can_lie_in_the_work();
        let mut given_up = Vec::new();
        for &item in &leases {
            let charged = may_charge && exit.in_work == Some(item);
            let from = (index, fenced.incarnation);
            match self.ledger.take_back(item, from, charged, self.plan.attempts_max) {
                Returned::Ready => self.ready.insert(item),
                Returned::DeadLetter => given_up.push(GivenUp { item, cause: exit.cause.clone() }),
            }
        }
        self.rebalance();
        Failure { redelivered: leases.len(), given_up, verdict }
    }

    /// From now on every worker owes an answer.
    pub(crate) fn expect_answers(&mut self, now: Ms) {
        self.slots.iter_mut().for_each(|slot| slot.progress = now);
    }

    /// Takes note of a worker's heartbeats; says for how long it has been silent when it owes an answer and that is too long.
    ///
    /// A worker owes an answer while it holds leases, has been told that items wait, or is to stop.
    pub(crate) fn is_hung(
        &mut self,
        index: u16,
        beats: u64,
        now: Ms,
        stopping: bool,
    ) -> Option<Ms> {
        let slot = &mut self.slots[usize::from(index)];
        if beats != slot.beats {
            slot.beats = beats;
            slot.progress = now;
        }
        let owes = match slot.state {
            SlotState::Up => stopping || !slot.leases.is_empty() || slot.hinted.is_some(),
            SlotState::Starting => true,
            SlotState::Off | SlotState::Backoff(_) | SlotState::Escalated => false,
        };
        let silent = now.saturating_sub(slot.progress);
        let patience = match slot.leases.is_empty() && stopping {
            true => self.plan.hang_after_ms.min(STOP_WITHIN_MS),
            false => self.plan.hang_after_ms,
        };
        (owes && silent >= patience).then_some(silent)
    }

    /// True when a living incarnation should have been seen long ago.
    pub(crate) fn is_overdue(&self, index: u16, now: Ms) -> bool {
        let slot = &self.slots[usize::from(index)];
        let lives = matches!(slot.state, SlotState::Starting | SlotState::Up);
        lives && now.saturating_sub(slot.progress) >= self.plan.hang_after_ms
    }

    /// The idle workers that are to be told that items wait for them: as many as there are items.
    pub(crate) fn hints(&mut self, asking: Option<u16>, now: Ms) -> Vec<WorkerId> {
        let mut hinted = Vec::new();
        let mut unclaimed = self.ready.count_below(self.limit(), self.slots.len());
        for index in 0..self.plan.workers {
            let slot = &self.slots[usize::from(index)];
            if Some(index) == asking || slot.state != SlotState::Up || !slot.leases.is_empty() {
                continue;
            }
            match slot.hinted {
                // A hint must be answered, even when the item is gone by then: else a hung idle worker is never noticed.
                Some(at) if now < at + HINT_AGAIN_MS => {
                    unclaimed = unclaimed.saturating_sub(1);
                    continue;
                }
                Some(_) => {}
                None if self.is_probe_due(index, now) => {}
                None if unclaimed == 0 || !self.ready.has_for(index, self.limit()) => continue,
                None => self.slots[usize::from(index)].progress = now, // silence counts from now
            }
            unclaimed = unclaimed.saturating_sub(1);
            let slot = &mut self.slots[usize::from(index)];
            slot.hinted = Some(now);
            hinted.push(self.worker(index));
        }
        self.has_news = false;
        hinted
    }

    /// An idle worker is asked now and then whether it still lives, by a hint like any other.
    fn is_probe_due(&self, index: u16, now: Ms) -> bool {
        let slot = &self.slots[usize::from(index)];
        now.saturating_sub(slot.progress) >= self.plan.hang_after_ms / 2
    }

    /// When the pool's timers next ask for attention; computed from the state, never remembered.
    pub(crate) fn next_deadline(&self) -> Option<Ms> {
        let deadline = |slot: &Slot| match slot.state {
            SlotState::Backoff(until) => Some(until),
            SlotState::Up if slot.leases.is_empty() => slot.hinted.map(|at| at + HINT_AGAIN_MS),
            SlotState::Up | SlotState::Starting => Some(slot.progress + self.plan.hang_after_ms),
            SlotState::Off | SlotState::Escalated => None,
        };
        self.slots.iter().filter_map(deadline).min()
    }

    fn rebalance(&mut self) {
        let slots = &self.slots;
        self.ready.assign(|slot| slots[usize::from(slot)].state == SlotState::Up);
        self.has_news = true;
    }
}
