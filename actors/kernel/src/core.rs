//! The decisions of a pipeline: one event in, actions out. Pure: it starts nothing, tells nobody and reads no clock.
//!
//! Workers **pull**: [`Core::pull`] acknowledges, commits, accepts downstream and gives the next leases in one step. Nobody
//! delivers work to anybody, so no delivery can be lost; what is left for others are hints, starts and fences, each
//! of which may be lost and is repeated, because it follows from the state.

use crate::{
    escalation::{Escalation, Supervision},
    events::{Event, EventLog},
    failpoint::{Exit, ExitCause},
    flow::{Done, Flow, Intake},
    ids::{Incarnation, StageId},
    intensity::{Ms, Verdict},
    ledger::Acknowledged,
    messages::{Action, Lease, PulseReading, Reply, Request, SupervisorEvent},
    plan::{self, PlanError, PoolPlan},
    pool::{Pool, Returns},
    slot::{SlotState, WorkerId},
};

/// The ledgers, slots and values of a whole pipeline.
#[derive(Debug)]
pub struct Core<F: Flow> {
    pools: Vec<Pool>,
    flow: F,
    abandoned_threads_max: usize,
    stopping: bool,
    failures: u64,
    abandoned_threads: usize,
    escalation: Option<Escalation>,
    events: EventLog,
}

impl<F: Flow> Core<F> {
    /// A pipeline of one pool a plan, in the order of an item's way; nothing is started.
    ///
    /// # Errors
    /// [`PlanError`] for the first plan that cannot be built.
    pub fn new(
        plans: Vec<PoolPlan>,
        supervision: &Supervision,
        flow: F,
    ) -> Result<Self, PlanError> {
        plan::check(&plans)?;
        let pools = plans.into_iter().enumerate();
        let pools = pools.map(|(stage, plan)| Pool::new(StageId(stage as u16), plan)).collect();
        Ok(Core {
            pools,
            flow,
            abandoned_threads_max: supervision.abandoned_threads_max,
            stopping: false,
            failures: 0,
            abandoned_threads: 0,
            escalation: None,
            events: EventLog::default(),
        })
    }

    /// Every stage.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// The values beside the ledgers.
    pub fn flow(&self) -> &F {
        &self.flow
    }

    /// What happened to actors and items.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// Deaths of workers so far.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Threads of fenced workers that have not ended.
    pub fn abandoned_threads(&self) -> usize {
        self.abandoned_threads
    }

    /// The failure that stopped the pipeline, if one did.
    pub fn escalation(&self) -> Option<&Escalation> {
        self.escalation.as_ref()
    }

    /// Stops the pipeline for a failure that supervision cannot handle; the first one counts.
    pub fn escalate(&mut self, escalation: Escalation, now: Ms) {
        self.stop(now);
        if self.escalation.is_none() {
            self.events.push(now, Event::Escalated { reason: escalation.to_string() });
            self.escalation = Some(escalation);
        }
    }

    /// True when the pipeline is stopping and no worker is left to wait for.
    pub fn is_over(&self) -> bool {
        let mut slots = self.pools.iter().flat_map(|pool| &pool.slots);
        self.stopping && slots.all(|slot| !slot.state.is_alive())
    }

    /// True when no stage has an unfinished item.
    pub fn is_empty(&self) -> bool {
        self.pools.iter().all(|pool| pool.ledger().is_empty())
    }

    /// True once `stop` was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Changes the flow from outside (a new request, a drain), and tells idle workers what follows.
    pub fn update<R>(
        &mut self,
        now: Ms,
        actions: &mut Vec<Action>,
        change: impl FnOnce(&mut F, &mut Intake<'_>) -> R,
    ) -> R {
        let result =
            change(&mut self.flow, &mut Intake::new(&mut self.pools, &mut self.events, now));
        self.hint(None, now, actions);
        result
    }

    /// Lets no worker take anything more; workers end as they ask.
    pub fn stop(&mut self, now: Ms) {
        self.stopping = true;
        let slots = self.pools.iter_mut().flat_map(|pool| &mut pool.slots);
        slots.for_each(|slot| slot.progressed(now)); // from now on everybody owes an answer
    }

    /// Lets a stage have another number of workers; the supervisor starts them, those too many end what they hold.
    ///
    /// # Errors
    /// [`PlanError`] for no worker, too many, or a stage that is not there.
    pub fn scale(&mut self, stage: StageId, workers: u16, now: Ms) -> Result<(), PlanError> {
        let stages = self.pools.len();
        let pool = self.pools.get_mut(usize::from(stage.0));
        let pool = pool.ok_or(PlanError::UnknownStage { stage, stages })?;
        plan::check_workers(pool.plan().name, workers)?;
        let from = pool.wanted();
        if from != workers {
            pool.scale(workers);
            self.events.push(now, Event::Scaled { stage, from, to: workers });
            self.note_rebalancing(stage, now);
        }
        Ok(())
    }

    /// One worker's step: acknowledge, commit, accept downstream, take the next leases.
    pub fn pull(
        &mut self,
        worker: WorkerId,
        request: Request<F::Output>,
        now: Ms,
        actions: &mut Vec<Action>,
    ) -> Reply<F::Input> {
        let stage = worker.slot.stage;
        let at = usize::from(stage.0);
        match request {
            Request::Began => self.began_work(worker, now),
            Request::Take { waited } => self.pools[at].waited += waited,
            Request::Acknowledge { item, output, busy } => {
                self.pools[at].busy += busy;
                if self.pools[at].acknowledge(worker, item, now) == Acknowledged::First {
                    let mut intake = Intake::new(&mut self.pools, &mut self.events, now);
                    self.flow.commit(stage, item, Done { output, busy }, &mut intake);
                }
            }
        }
        let pool = &mut self.pools[at];
        if self.stopping || !pool.is_current(worker) || pool.is_retired(worker) {
            self.hint(None, now, actions);
            return Reply::End;
        }
        let items = pool.lease(worker, now);
        let leases = items.into_iter();
        let leases =
            leases.map(|item| Lease { item, input: self.flow.input(stage, item) }).collect();
        self.hint(Some(worker), now, actions);
        Reply::Leases(leases)
    }

    /// One decision of the supervisor.
    pub fn supervise(&mut self, event: SupervisorEvent, now: Ms, actions: &mut Vec<Action>) {
        match event {
            SupervisorEvent::Began { alive } => self.began(&alive, now, actions),
            SupervisorEvent::Exited { worker, exit } => self.exited(worker, &exit, now, actions),
            SupervisorEvent::Tick { pulses } => self.tick(&pulses, now, actions),
        }
        for pool in &mut self.pools {
            pool.has_news = true; // a hint may have been lost: look at every pool
        }
        self.hint(None, now, actions);
    }

    /// When the supervisor is next needed, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Ms> {
        self.pools.iter().filter_map(|pool| pool.next_deadline(self.stopping)).min()
    }

    fn began_work(&mut self, worker: WorkerId, now: Ms) {
        if self.pools[usize::from(worker.slot.stage.0)].up(worker, now) {
            let is_first = worker.incarnation == Incarnation(1);
            let event = match is_first {
                true => Event::Started { worker },
                false => Event::Restarted { worker },
            };
            self.events.push(now, event);
            self.note_rebalancing(worker.slot.stage, now);
        }
    }

    /// Compares the slots with who is alive, and acts on the difference.
    fn began(&mut self, alive: &[WorkerId], now: Ms, actions: &mut Vec<Action>) {
        for &worker in alive {
            if !self.pools[usize::from(worker.slot.stage.0)].is_current(worker) {
                actions.push(Action::Fence(worker)); // its fence may have been lost
            }
        }
        for worker in self.workers() {
            let pool = &mut self.pools[usize::from(worker.slot.stage.0)];
            let is_gone = !alive.contains(&worker);
            match pool.slot(worker.slot.index).state {
                SlotState::Starting if is_gone => {
                    // The start was lost with the last supervisor: that is no failure of the slot.
                    actions.push(Action::Start(pool.starting(worker.slot.index, now)));
                }
                SlotState::Up | SlotState::Retiring if is_gone => {
                    self.exited(worker, &Exit::vanished(), now, actions);
                }
                SlotState::Starting
                | SlotState::Up
                | SlotState::Retiring
                | SlotState::Off
                | SlotState::Backoff(_)
                | SlotState::Escalated => {}
            }
        }
        self.start_due(now, actions);
    }

    /// The one path of every end: fence, redeliver, rebalance, and start again later or escalate.
    fn exited(&mut self, worker: WorkerId, exit: &Exit, now: Ms, actions: &mut Vec<Action>) {
        let (stage, index) = (worker.slot.stage, worker.slot.index);
        let pool = &mut self.pools[usize::from(stage.0)];
        if !pool.is_current(worker) {
            return; // fenced before: its end is known
        }
        let was_to_end = self.stopping || pool.slot(index).state == SlotState::Retiring;
        if was_to_end && exit.cause == ExitCause::Stopped && pool.slot(index).leases.is_empty() {
            pool.off(index);
            return;
        }
        self.failures += 1;
        let Exit { cause, ordered, backtrace, .. } = exit.clone();
        self.events.push(now, Event::Died { worker, cause: cause.clone(), ordered, backtrace });
        let verdict = pool.fail(index, now);
        let (strategy, name) = (pool.plan().strategy, pool.plan().name);
        self.fence(worker, exit, now, actions);
        let others = self.pools[usize::from(stage.0)].slot_count();
        for other in (0..others).filter(|&other| strategy.takes_along(index, other)) {
            let pool = &mut self.pools[usize::from(stage.0)];
            if pool.slot(other).state.is_alive() {
                let along = pool.worker(other);
                pool.taken_along(other, now);
                self.fence(along, &Exit::taken_along(), now, actions);
            }
        }
        if verdict == Verdict::Escalate {
            let slot = index + 1;
            self.escalate(Escalation::TooManyRestarts { stage: name, slot, cause }, now);
        }
    }

    fn fence(&mut self, worker: WorkerId, exit: &Exit, now: Ms, actions: &mut Vec<Action>) {
        let stage = worker.slot.stage;
        let Returns { redelivered, given_up } =
            self.pools[usize::from(stage.0)].fence(worker.slot.index, exit);
        self.events.push(now, Event::Fenced { worker });
        if !redelivered.is_empty() {
            self.events.push(now, Event::Redelivered { from: worker, items: redelivered });
        }
        self.note_rebalancing(stage, now);
        actions.push(Action::Fence(worker));
        for (item, cause) in given_up {
            let mut intake = Intake::new(&mut self.pools, &mut self.events, now);
            self.flow.give_up(stage, item, &cause, &mut intake);
            self.events.push(now, Event::DeadLettered { stage, item, cause });
        }
    }

    fn tick(&mut self, pulses: &[PulseReading], now: Ms, actions: &mut Vec<Action>) {
        self.abandoned_threads = 0;
        for pulse in pulses {
            let worker = pulse.worker;
            let pool = &mut self.pools[usize::from(worker.slot.stage.0)];
            if !pool.is_current(worker) {
                self.abandoned_threads += 1;
                continue;
            }
            let hang_after_ms = pool.plan().hang_after_ms;
            let slot = pool.slot_mut(worker.slot.index);
            if let Some(silent_ms) = slot.is_hung(pulse.beats, hang_after_ms, now, self.stopping) {
                let cause = ExitCause::Hung { silent_ms };
                let (ordered, in_work) = (pulse.ordered, pulse.in_work);
                let exit = Exit { cause, ordered, in_work, backtrace: None };
                self.exited(worker, &exit, now, actions);
            }
        }
        if self.abandoned_threads > self.abandoned_threads_max {
            let abandoned = self.abandoned_threads;
            self.escalate(Escalation::TooManyAbandonedThreads { abandoned }, now);
        }
        for worker in self.workers() {
            let pool = &self.pools[usize::from(worker.slot.stage.0)];
            let is_seen = pulses.iter().any(|pulse| pulse.worker == worker);
            let (slot, hang_after_ms) = (pool.slot(worker.slot.index), pool.plan().hang_after_ms);
            if !is_seen && slot.is_overdue(hang_after_ms, now, self.stopping) {
                self.exited(worker, &Exit::vanished(), now, actions);
            }
        }
        self.start_due(now, actions);
    }

    /// Starts whoever is to be started: vacant slots, and those whose backoff is over.
    fn start_due(&mut self, now: Ms, actions: &mut Vec<Action>) {
        if self.stopping {
            return;
        }
        for pool in &mut self.pools {
            for index in pool.vacant() {
                actions.push(Action::Start(pool.starting(index, now)));
            }
            for index in 0..pool.slot_count() {
                if matches!(pool.slot(index).state, SlotState::Backoff(until) if now >= until) {
                    pool.restarts += 1;
                    actions.push(Action::Start(pool.starting(index, now)));
                }
            }
        }
    }

    /// Hints at every pool that has news; the worker that is asking needs none.
    fn hint(&mut self, asking: Option<WorkerId>, now: Ms, actions: &mut Vec<Action>) {
        for (stage, pool) in self.pools.iter_mut().enumerate() {
            if !pool.has_news {
                continue;
            }
            let asking = asking.filter(|worker| usize::from(worker.slot.stage.0) == stage);
            let hints = pool.hints(asking.map(|worker| worker.slot.index), now);
            actions.extend(hints.into_iter().map(Action::Hint));
        }
    }

    fn note_rebalancing(&mut self, stage: StageId, now: Ms) {
        let moved = std::mem::take(&mut self.pools[usize::from(stage.0)].shards_moved);
        if moved > 0 {
            self.events.push(now, Event::Rebalanced { stage, shards_moved: moved });
        }
    }

    /// Every slot's present or next incarnation.
    fn workers(&self) -> Vec<WorkerId> {
        let slots = |pool: &Pool| {
            (0..pool.slot_count()).map(|index| pool.worker(index)).collect::<Vec<_>>()
        };
        self.pools.iter().flat_map(slots).collect()
    }
}
