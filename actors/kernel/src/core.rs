//! The decisions of a pipeline: one event in, actions out. Pure: it starts nothing, tells nobody and reads no clock.
//!
//! Workers **pull**: [`Core::pull`] acknowledges, commits, accepts downstream and gives the next leases in one step. Nobody
//! delivers work to anybody, so no delivery can be lost; what is left for others are hints, starts and fences, each
//! of which may be lost and is repeated, because it follows from the state.

use crate::{
    failpoint::{Exit, ExitCause},
    flow::{Done, Flow, Intake},
    ids::{ItemId, StageId},
    intensity::{Intensity, Ms, Verdict},
    ledger::Acknowledged,
    pool::{Failure, Pool, PoolPlan, SlotState, WorkerId},
};
use std::time::Duration;

/// What a worker asks for.
#[derive(Debug)]
pub enum Request<O> {
    /// It has been started.
    Began,
    /// It has nothing to do.
    Take {
        /// How long it waited.
        waited: Duration,
    },
    /// It has done an item.
    Acknowledge {
        /// The item.
        item: ItemId,
        /// What came of it.
        output: O,
        /// How long the work took.
        busy: Duration,
    },
}

/// An item, with all that the work on it needs.
#[derive(Debug)]
pub struct Lease<I> {
    /// The item.
    pub item: ItemId,
    /// What the flow gave with it.
    pub input: I,
}

/// What a worker gets.
#[derive(Debug)]
pub enum Reply<I> {
    /// Its next leases; none when nothing waits for it.
    Leases(Vec<Lease<I>>),
    /// It is fenced, or the pipeline is stopping: it ends.
    End,
}

/// Everything that can make the supervisor act. What is not listed here cannot restart a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisorEvent {
    /// The supervisor has been started, or started again; these workers live.
    Began {
        /// Workers whose threads have not ended, or whose ends are still to be told.
        alive: Vec<WorkerId>,
    },
    /// An incarnation has ended.
    Exited {
        /// Whose end it is.
        worker: WorkerId,
        /// How it ended.
        exit: Exit,
    },
    /// Time has passed; this is what the workers' heartbeats and work say.
    Tick {
        /// One reading for every worker that lives.
        pulses: Vec<PulseReading>,
    },
}

/// What can be seen of a living worker from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulseReading {
    /// Whose pulse it is.
    pub worker: WorkerId,
    /// Heartbeats since it started.
    pub beats: u64,
    /// The item whose work has begun.
    pub in_work: Option<ItemId>,
    /// True when its death has been ordered.
    pub ordered: bool,
}

/// All that a decision can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start this incarnation. Asked twice, it is started once.
    Start(WorkerId),
    /// Let this incarnation do no more. When it hangs, its thread is abandoned.
    Fence {
        /// The incarnation.
        worker: WorkerId,
        /// Why.
        cause: ExitCause,
        /// How many leases went back to ready.
        redelivered: usize,
    },
    /// Tell an idle worker that items wait for it.
    Hint(WorkerId),
}

/// The ledgers, slots and values of a whole pipeline.
#[derive(Debug)]
pub struct Core<F: Flow> {
    pools: Vec<Pool>,
    flow: F,
    intensity: Intensity,
    abandoned_threads_max: usize,
    stopping: bool,
    failures: u64,
    abandoned_threads: usize,
    escalation: Option<Escalation>,
}

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

impl<F: Flow> Core<F> {
    /// A pipeline of one pool a plan, in the order of an item's way; nothing is started.
    pub fn new(plans: Vec<PoolPlan>, supervision: Supervision, flow: F) -> Self {
        let pools = plans.into_iter().enumerate();
        let pools = pools.map(|(stage, plan)| Pool::new(StageId(stage as u16), plan)).collect();
        Core {
            pools,
            flow,
            intensity: supervision.intensity,
            abandoned_threads_max: supervision.abandoned_threads_max,
            stopping: false,
            failures: 0,
            abandoned_threads: 0,
            escalation: None,
        }
    }

    /// Every stage.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// The values beside the ledgers.
    pub fn flow(&self) -> &F {
        &self.flow
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
        self.escalation.get_or_insert(escalation);
    }

    /// True when the pipeline is stopping and no worker is left to wait for.
    pub fn is_over(&self) -> bool {
        let rests = |state| !matches!(state, SlotState::Starting | SlotState::Up);
        let mut slots = self.pools.iter().flat_map(|pool| &pool.slots);
        self.stopping && slots.all(|slot| rests(slot.state))
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
        let result = change(&mut self.flow, &mut Intake::new(&mut self.pools, now));
        self.hint(None, now, actions);
        result
    }

    /// Lets no worker take anything more; workers end as they ask.
    pub fn stop(&mut self, now: Ms) {
        self.stopping = true;
        self.pools.iter_mut().for_each(|pool| pool.expect_answers(now));
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
            Request::Began => self.pools[at].up(worker, now),
            Request::Take { waited } => self.pools[at].waited += waited,
            Request::Acknowledge { item, output, busy } => {
                self.pools[at].busy += busy;
                if self.pools[at].acknowledge(worker, item, now) == Acknowledged::First {
                    let mut intake = Intake::new(&mut self.pools, now);
                    self.flow.commit(stage, item, Done { output, busy }, &mut intake);
                }
            }
        }
        if self.stopping || !self.pools[at].is_current(worker) {
            self.hint(None, now, actions);
            return Reply::End;
        }
        let items = self.pools[at].lease(worker, now);
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
        self.pools.iter().filter_map(Pool::next_deadline).min()
    }

    /// Compares the slots with who is alive, and acts on the difference.
    fn began(&mut self, alive: &[WorkerId], now: Ms, actions: &mut Vec<Action>) {
        for &worker in alive {
            if !self.pools[usize::from(worker.slot.stage.0)].is_current(worker) {
                let cause = ExitCause::Vanished;
                actions.push(Action::Fence { worker, cause, redelivered: 0 }); // its fence may have been lost
            }
        }
        for worker in self.workers() {
            let at = usize::from(worker.slot.stage.0);
            let pool = &mut self.pools[at];
            match pool.slots[usize::from(worker.slot.index)].state {
                SlotState::Off if !self.stopping => {
                    actions.push(Action::Start(pool.starting(worker.slot.index, now)));
                }
                SlotState::Starting if !alive.contains(&worker) => {
                    // The start was lost with the last supervisor: that is no failure of the slot.
                    actions.push(Action::Start(pool.starting(worker.slot.index, now)));
                }
                SlotState::Up if !alive.contains(&worker) => {
                    let exit = Exit { cause: ExitCause::Vanished, ordered: false, in_work: None };
                    self.exited(worker, &exit, now, actions);
                }
                SlotState::Off
                | SlotState::Starting
                | SlotState::Up
                | SlotState::Backoff(_)
                | SlotState::Escalated => {}
            }
        }
    }

    fn exited(&mut self, worker: WorkerId, exit: &Exit, now: Ms, actions: &mut Vec<Action>) {
        let stage = worker.slot.stage;
        let pool = &mut self.pools[usize::from(stage.0)];
        if !pool.is_current(worker) {
            return; // fenced before: its end is known
        }
        if self.stopping && exit.cause == ExitCause::Stopped {
            pool.slots[usize::from(worker.slot.index)].state = SlotState::Off;
            return;
        }
        self.failures += 1;
        let Failure { redelivered, given_up, verdict } =
            pool.fail(worker.slot.index, exit, now, &self.intensity);
        let cause = exit.cause.clone();
        actions.push(Action::Fence { worker, cause: cause.clone(), redelivered });
        if verdict == Verdict::Escalate {
            let stage = pool.plan().name;
            let slot = worker.slot.index + 1;
            self.escalate(Escalation::TooManyRestarts { stage, slot, cause }, now);
        }
        for letter in given_up {
            let mut intake = Intake::new(&mut self.pools, now);
            self.flow.give_up(stage, letter.item, &letter.cause, &mut intake);
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
            if let Some(silent_ms) =
                pool.is_hung(worker.slot.index, pulse.beats, now, self.stopping)
            {
                let exit = Exit {
                    cause: ExitCause::Hung { silent_ms },
                    ordered: pulse.ordered,
                    in_work: pulse.in_work,
                };
                self.exited(worker, &exit, now, actions);
            }
        }
        if self.abandoned_threads > self.abandoned_threads_max {
            let abandoned = self.abandoned_threads;
            self.escalate(Escalation::TooManyAbandonedThreads { abandoned }, now);
        }
        for worker in self.workers() {
            let pool = &mut self.pools[usize::from(worker.slot.stage.0)];
            let is_seen = pulses.iter().any(|pulse| pulse.worker == worker);
            if !is_seen && pool.is_overdue(worker.slot.index, now) {
                let exit = Exit { cause: ExitCause::Vanished, ordered: false, in_work: None };
                self.exited(worker, &exit, now, actions);
                continue;
            }
            match pool.slots[usize::from(worker.slot.index)].state {
                SlotState::Backoff(until) if now >= until && !self.stopping => {
                    pool.restarts += 1;
                    actions.push(Action::Start(pool.starting(worker.slot.index, now)));
                }
                SlotState::Backoff(_)
                | SlotState::Off
                | SlotState::Starting
                | SlotState::Up
                | SlotState::Escalated => {}
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

    /// Every slot's present or next incarnation.
    fn workers(&self) -> Vec<WorkerId> {
        let slots = |pool: &Pool| {
            (0..pool.slots.len() as u16).map(|index| pool.worker(index)).collect::<Vec<_>>()
        };
        self.pools.iter().flat_map(slots).collect()
    }
}
