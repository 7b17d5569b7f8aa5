//! One stage: its ledger, its slots and its shard map. Pure: no thread, no clock, no actor.

use crate::{
    failpoint::{Exit, ExitCause},
    ids::{ItemId, SlotId, StageId},
    intensity::{Ms, Verdict},
    ledger::{Acknowledged, Ledger, Returned},
    plan::PoolPlan,
    ready::ReadyItems,
    slot::{Slot, SlotState, WorkerId},
};
use std::time::Duration;

/// One stage.
#[derive(Debug)]
pub struct Pool {
    stage: StageId,
    plan: PoolPlan,
    pub(crate) ledger: Ledger,
    pub(crate) ready: ReadyItems,
    pub(crate) slots: Vec<Slot>,
    /// Workers that there are to be: slots at or above this number retire, and stay off.
    wanted: u16,
    /// Items at or above this are not leased yet; without one, all may be.
    limit: Option<ItemId>,
    /// Something may be leased that could not be before: idle workers want a hint.
    pub(crate) has_news: bool,
    /// Shards that have changed their owner since the last look.
    pub(crate) shards_moved: u32,
    pub(crate) restarts: u64,
    pub(crate) busy: Duration,
    pub(crate) waited: Duration,
    /// Items that were taken back before: mutants alone look.
    #[cfg(test)]
    pub(crate) taken_back: std::collections::BTreeSet<ItemId>,
}

/// What became of a slot's leases when its incarnation was lost.
pub(crate) struct Returns {
    pub(crate) redelivered: Vec<ItemId>,
    pub(crate) given_up: Vec<(ItemId, ExitCause)>,
}

impl Pool {
    /// A pool whose slots are all off.
    pub(crate) fn new(stage: StageId, plan: PoolPlan) -> Self {
        Pool {
            stage,
            ledger: Ledger::default(),
            ready: ReadyItems::new(plan.workers, plan.shards, plan.sharing),
            slots: (0..plan.workers).map(|_| Slot::new(plan.window)).collect(),
            wanted: plan.workers,
            limit: None,
            has_news: false,
            shards_moved: 0,
            restarts: 0,
            busy: Duration::ZERO,
            waited: Duration::ZERO,
            #[cfg(test)]
            taken_back: Default::default(),
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

    /// Workers that there are to be.
    pub fn wanted(&self) -> u16 {
        self.wanted
    }

    /// Items at or above this are not leased yet; without one, all may be.
    pub fn limit(&self) -> Option<ItemId> {
        self.limit
    }

    /// Slots that there ever were: the wanted ones first.
    pub(crate) fn slot_count(&self) -> u16 {
        self.slots.len() as u16
    }

    /// The worker that is or will next be in a slot.
    pub(crate) fn worker(&self, index: u16) -> WorkerId {
        let slot = SlotId { stage: self.stage, index };
        WorkerId { slot, incarnation: self.slot(index).incarnation }
    }

    /// True while `worker` is its slot's living incarnation.
    pub fn is_current(&self, worker: WorkerId) -> bool {
        let slot = self.slots.get(usize::from(worker.slot.index));
        slot.is_some_and(|slot| slot.incarnation == worker.incarnation && slot.state.is_alive())
    }

    pub(crate) fn accept(&mut self, item: ItemId) {
        self.ledger.accept(item);
        self.ready.insert(item);
        self.has_news = true;
    }

    pub(crate) fn begin_at(&mut self, item: ItemId) {
        self.ledger.begin_at(item);
    }

    pub(crate) fn skip(&mut self, item: ItemId) {
        self.ledger.skip(item);
    }

    pub(crate) fn raise_limit(&mut self, limit: ItemId) {
        if self.limit.is_none_or(|before| limit > before) {
            self.limit = Some(limit);
            self.has_news = true;
        }
    }

    /// Lets the pool have another number of workers: new slots are off until started, and those above the number retire.
    pub(crate) fn scale(&mut self, workers: u16) {
        self.wanted = workers;
        while self.slot_count() < workers {
            self.slots.push(Slot::new(self.plan.window));
            self.ready.add_slot();
        }
        for index in 0..self.slot_count() {
            let slot = self.slot_mut(index);
            match slot.state {
                SlotState::Up | SlotState::Starting if index >= workers => {
                    slot.state = SlotState::Retiring;
                }
                SlotState::Backoff(_) if index >= workers => slot.state = SlotState::Off,
                // One that retires has perhaps been told so: when it has ended, its slot is vacant.
                SlotState::Retiring | SlotState::Up | SlotState::Starting => {}
                SlotState::Off | SlotState::Backoff(_) | SlotState::Escalated => {}
            }
        }
        self.rebalance();
    }

    /// The slots in which somebody is to be and nobody is.
    pub(crate) fn vacant(&self) -> Vec<u16> {
        (0..self.wanted).filter(|&index| self.slot(index).state == SlotState::Off).collect()
    }

    /// A start of the slot is asked for.
    pub(crate) fn starting(&mut self, index: u16, now: Ms) -> WorkerId {
        self.slot_mut(index).starting(now);
        self.worker(index)
    }

    /// The slot's incarnation is at work from now on, and owns its shards. False when it was so before.
    pub(crate) fn up(&mut self, worker: WorkerId, now: Ms) -> bool {
        let slot = self.slot_mut(worker.slot.index);
        let is_news = slot.state == SlotState::Starting && slot.incarnation == worker.incarnation;
        if is_news {
            slot.state = SlotState::Up;
            slot.progressed(now);
            self.rebalance();
        }
        is_news
    }

    /// The next leases of a worker, up to its window: the oldest items that it may work on.
    pub(crate) fn lease(&mut self, worker: WorkerId, now: Ms) -> Vec<ItemId> {
        let index = worker.slot.index;
        #[cfg(not(test))]
        let window = self.window();
        #[cfg(test)]
        let window = self.window() + usize::from(self.exceeds_window(index));
        let mut taken = Vec::new();
        self.slot_mut(index).answered(now);
        while self.slot(index).leases.len() < window && self.slot(index).state == SlotState::Up {
            let Some(item) = self.take_ready(index) else { break };
            self.ledger.lease(item, index, worker.incarnation);
            self.slot_mut(index).leases.push(item);
            taken.push(item);
        }
        assert!(self.slot(index).leases.len() <= window, "a worker holds at most `window` leases");
        taken
    }

    /// True when a worker has nothing more to do here, ever.
    pub(crate) fn is_retired(&self, worker: WorkerId) -> bool {
        let slot = self.slot(worker.slot.index);
        slot.state == SlotState::Retiring && slot.leases.is_empty()
    }

    /// A worker that was to end has ended.
    pub(crate) fn off(&mut self, index: u16) {
        let slot = self.slot_mut(index);
        assert!(slot.leases.is_empty(), "who ends in good order holds nothing");
        slot.fence();
        slot.state = SlotState::Off;
        self.rebalance();
    }

    /// Commits an item, if `worker` holds the lease on it.
    pub(crate) fn acknowledge(&mut self, worker: WorkerId, item: ItemId, now: Ms) -> Acknowledged {
        let index = worker.slot.index;
        #[cfg(test)]
        let worker = self.forge(worker, item);
        let acknowledged = self.ledger.acknowledge(item, index, worker.incarnation);
        if acknowledged == Acknowledged::First {
            let slot = self.slot_mut(index);
            assert_eq!(slot.incarnation, worker.incarnation, "a fenced incarnation never commits");
            slot.leases.retain(|held| *held != item);
            slot.progressed(now);
            slot.failures.forgive();
            self.has_news |= self.ready.release(item);
        }
        acknowledged
    }

    /// The slot's worker has failed: what that leads to for the slot.
    pub(crate) fn fail(&mut self, index: u16, now: Ms) -> Verdict {
        let key = u64::from(self.stage.0) << 16 | u64::from(index);
        let (wanted, intensity) = (self.wanted, self.plan.intensity.clone());
        let slot = self.slot_mut(index);
        let verdict = slot.failures.record(now, &intensity, key);
        slot.state = match verdict {
            Verdict::RestartAt(_) if index >= wanted => SlotState::Off,
            Verdict::RestartAt(at) => SlotState::Backoff(at),
            Verdict::Escalate => SlotState::Escalated,
        };
        verdict
    }

    /// The slot is started again with a failed one, though it did not fail itself.
    pub(crate) fn taken_along(&mut self, index: u16, now: Ms) {
        let is_wanted = index < self.wanted;
        self.slot_mut(index).state =
            if is_wanted { SlotState::Backoff(now) } else { SlotState::Off };
    }

    /// Fences the slot's incarnation and takes its leases back. The slot's state is to be set before.
    pub(crate) fn fence(&mut self, index: u16, exit: &Exit) -> Returns {
        let from = (index, self.slot(index).incarnation);
        let leases = self.slot_mut(index).fence();
        let may_charge = !exit.ordered && exit.cause.can_lie_in_the_work();
        let mut returns = Returns { redelivered: Vec::new(), given_up: Vec::new() };
        for item in leases {
            #[cfg(test)]
            if self.forgets(item) {
                continue;
            }
            self.ready.release(item);
            let charged = may_charge && exit.in_work == Some(item);
            match self.ledger.take_back(item, from, charged, self.plan.attempts_max) {
                Returned::Ready => {
                    self.ready.insert(item);
                    returns.redelivered.push(item);
                }
                Returned::DeadLetter => returns.given_up.push((item, exit.cause.clone())),
            }
        }
        self.rebalance();
        returns
    }

    /// The idle workers that are to be told to look up: as many as there are items for them, those that have not answered
    /// the last time, and those that were not heard of for long.
    pub(crate) fn hints(&mut self, asking: Option<u16>, now: Ms) -> Vec<WorkerId> {
        let (hang_after_ms, limit) = (self.plan.hang_after_ms, self.lease_limit());
        let mut hinted = Vec::new();
        let mut unclaimed = self.ready.count_below(limit, self.slots.len());
        for index in 0..self.slot_count() {
            let slot = self.slot(index);
            if Some(index) == asking || slot.state != SlotState::Up || !slot.leases.is_empty() {
                continue;
            }
            // A hint must be answered, even when the item is gone by then: else a hung idle worker is never noticed.
            let waits = unclaimed > 0 && self.ready.has_for(index, limit);
            let is_due = match slot.is_hinted() {
                true => slot.is_hint_due(now),
                false => waits || slot.is_probe_due(hang_after_ms, now),
            };
            if slot.is_hinted() || waits {
                unclaimed = unclaimed.saturating_sub(1);
            }
            if is_due {
                self.slot_mut(index).hint(now);
                hinted.push(self.worker(index));
            }
        }
        self.has_news = false;
        hinted
    }

    /// When the pool's timers next ask for attention.
    pub(crate) fn next_deadline(&self, stopping: bool) -> Option<Ms> {
        let deadline = |slot: &Slot| slot.next_deadline(self.plan.hang_after_ms, stopping);
        self.slots.iter().filter_map(deadline).min()
    }

    pub(crate) fn slot(&self, index: u16) -> &Slot {
        &self.slots[usize::from(index)]
    }

    pub(crate) fn slot_mut(&mut self, index: u16) -> &mut Slot {
        &mut self.slots[usize::from(index)]
    }

    fn take_ready(&mut self, index: u16) -> Option<ItemId> {
        #[cfg(test)]
        if let Some(newcomer) = self.take_newcomer(index) {
            return Some(newcomer);
        }
        self.ready.take(index, self.lease_limit())
    }

    fn window(&self) -> usize {
        usize::from(self.plan.window)
    }

    fn lease_limit(&self) -> ItemId {
        self.limit.unwrap_or(ItemId(u64::MAX))
    }

    fn rebalance(&mut self) {
        let slots = &self.slots;
        let moved = self.ready.assign(|slot| slots[usize::from(slot)].state == SlotState::Up);
        self.shards_moved += moved;
        self.has_news = true;
    }
}
