//! The host of real threads: every worker an actix actor alone on its arbiter, one lock around the core.

use super::{
    SupervisorHost, WorkerHost,
    clock::{Clock, instant},
    exit_cause, first_core,
    seat::{self, ExitNotice, Nudge, Seat},
};
use crate::{
    core::Core,
    escalation::{Escalation, Supervision},
    events::{Event, Numbered},
    failpoint::{Death, Exit, ExitCause, Failpoint, Interrupt},
    flow::{Flow, Intake},
    ids::{Incarnation, ItemId, SlotId, StageId},
    intensity::{FailureHistory, Intensity, Ms, Verdict},
    messages::{Action, PulseReading, Reply, Request, SupervisorEvent},
    panics,
    plan::{PlanError, PoolPlan},
    pulse::Pulse,
    slot::WorkerId,
    supervisor,
    worker::{self, MakeWorker, WorkerError},
};
use actix::Addr;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// The supervisor looks around at least so often: a lease given meanwhile may have moved its deadline.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// A running pipeline on actix. Clones are the same pipeline.
pub struct ActixHost<F: Flow>(Arc<Shared<F>>);

impl<F: Flow> Clone for ActixHost<F> {
    fn clone(&self) -> Self {
        ActixHost(self.0.clone())
    }
}

struct Shared<F: Flow> {
    /// Taken for microseconds, never across an await or a worker's work.
    state: Mutex<State<F>>,
    intensity: Intensity,
    makers: Vec<MakeWorker<F>>,
    /// Every worker whose thread has not ended. Taken after `state` or alone.
    living: Mutex<BTreeMap<WorkerId, Living>>,
    /// The ends that the supervisor has not dealt with yet: at most one for each living worker.
    exits: Mutex<BTreeMap<WorkerId, Exit>>,
    /// Wakes the supervisor.
    attention: Arc<Notify>,
    /// The supervisor's own pulse and end.
    supervisor: Mutex<Arc<Pulse>>,
    supervisor_ended: (Mutex<Option<ExitCause>>, Notify),
    over: watch::Sender<bool>,
}

struct State<F: Flow> {
    core: Core<F>,
    clock: Clock,
    supervisor_restarts: u64,
    /// Events below this number are in the log.
    events_logged: u64,
}

struct Living {
    pulse: Arc<Pulse>,
    /// None until its thread has been asked for.
    address: Option<Addr<Seat>>,
}

/// Whose death is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One worker.
    Worker(SlotId),
    /// All workers of a stage.
    Stage(StageId),
    /// The supervisor.
    Supervisor,
    /// All workers.
    All,
}

/// Why nobody was killed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KillError {
    /// There is no such actor.
    #[error("no actor is called `{target}`: there are {known}")]
    Unknown {
        /// What was asked for.
        target: String,
        /// What there is.
        known: String,
    },
}

impl<F: Flow> ActixHost<F> {
    /// Starts a pipeline: one plan and one maker a stage. `begin` accepts the first items.
    ///
    /// # Errors
    /// [`PlanError`]; nothing has been started then.
    ///
    /// # Panics
    /// Outside a running `actix::System`.
    pub fn start(
        plans: Vec<PoolPlan>,
        supervision: Supervision,
        makers: Vec<MakeWorker<F>>,
        flow: F,
        begin: impl FnOnce(&mut F, &mut Intake<'_>),
    ) -> Result<Self, PlanError> {
        let mut core = first_core(plans, &supervision, &makers, flow)?;
        core.update(0, &mut Vec::new(), begin);
        let shared = Shared {
            state: Mutex::new(State {
                core,
                clock: Clock::start(),
                supervisor_restarts: 0,
                events_logged: 0,
            }),
            intensity: supervision.intensity,
            makers,
            living: Mutex::default(),
            exits: Mutex::default(),
            attention: Arc::default(),
            supervisor: Mutex::default(),
            supervisor_ended: (Mutex::default(), Notify::new()),
            over: watch::Sender::new(false),
        };
        let host = ActixHost(Arc::new(shared));
        host.start_supervisor();
        actix_rt::spawn(host.clone().keep_supervised());
        Ok(host)
    }

    /// Reads the pipeline's state: copy what you need and be quick, nobody works meanwhile.
    ///
    /// A panic of `look` is its caller's alone: who only reads leaves nothing half changed.
    pub fn read<R>(&self, look: impl FnOnce(&Core<F>) -> R) -> R {
        let state = self.state();
        let result = catch_unwind(AssertUnwindSafe(|| look(&state.core)));
        drop(state);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Starts of the supervisor after a death.
    pub fn supervisor_restarts(&self) -> u64 {
        self.state().supervisor_restarts
    }

    /// Changes the flow from outside, in one step; `change` must not panic.
    pub fn update<R>(&self, change: impl FnOnce(&mut F, &mut Intake<'_>) -> R) -> R {
        let mut actions = Vec::new();
        let result = self.with_core(|core, now| core.update(now, &mut actions, change));
        self.hint(actions);
        result
    }

    /// The kept events from `number` on, at most `most`.
    pub fn events_since(&self, number: u64, most: usize) -> Vec<Numbered> {
        self.read(|core| core.events().since(number, most))
    }

    /// Lets a stage have another number of workers: new ones are started, those too many end what they hold. Only the shards
    /// that must move do.
    ///
    /// # Errors
    /// [`PlanError`] for no worker or too many.
    pub fn scale(&self, stage: StageId, workers: u16) -> Result<(), PlanError> {
        self.with_core(|core, now| core.scale(stage, workers, now))?;
        self.nudge_all(); // who is idle and retires must look up
        self.0.attention.notify_one();
        Ok(())
    }

    /// Lets every worker end at its next step, whatever is unfinished.
    pub fn stop(&self) {
        self.with_core(|core, now| core.stop(now));
        self.nudge_all();
        self.0.attention.notify_one();
    }

    /// Waits until a stopped (or escalated) pipeline has ended, and says whether a failure ended it. Threads that hang are
    /// left behind.
    pub async fn ended(&self) -> Option<Escalation> {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.over.subscribe().wait_for(|over| *over).await;
        self.read(|core| core.escalation().cloned())
    }

    /// True once `ended` would not wait.
    pub fn has_ended(&self) -> bool {
        *self.0.over.borrow()
    }

    /// Orders deaths; returns the names of those that got the order. Who is dead, or has got one before, gets none.
    pub fn kill(&self, target: Target, death: Death) -> Vec<String> {
        if target == Target::Supervisor {
            // Nobody watches for a supervisor that hangs: it panics instead.
            let death = if death == Death::Hang { Death::Panic } else { death };
            let pulse = lock(&self.0.supervisor).clone();
            if pulse.is_ordered() {
                return Vec::new();
            }
            pulse.order(death);
            self.0.attention.notify_one();
            return vec!["supervisor".to_owned()];
        }
        let means = |worker: &WorkerId| match target {
            Target::Worker(slot) => worker.slot == slot,
            Target::Stage(stage) => worker.slot.stage == stage,
            Target::All => true,
            Target::Supervisor => false,
        };
        let state = self.state();
        let mut killed = Vec::new();
        for (worker, living) in lock(&self.0.living).iter() {
            let pool = &state.core.pools()[usize::from(worker.slot.stage.0)];
            if means(worker) && pool.is_current(*worker) && !living.pulse.is_ordered() {
                living.pulse.order(death);
                living.nudge();
                killed.push(format!("{}/{}", pool.plan().name, worker.slot.index + 1));
            }
        }
        killed
    }

    /// Finds who is meant by `train/1`, `train`, `supervisor` or `all`.
    ///
    /// # Errors
    /// [`KillError::Unknown`], with the names there are.
    pub fn target(&self, name: &str) -> Result<Target, KillError> {
        let (stage_name, number) = match name.split_once('/') {
            Some((stage, number)) => (stage, Some(number)),
            None => (name, None),
        };
        let state = self.state();
        let pools = state.core.pools();
        let known = || {
            let ranges =
                pools.iter().map(|pool| format!("{}/1-{}", pool.plan().name, pool.wanted()));
            let known = ranges.chain(["supervisor".to_owned(), "all".to_owned()]);
            let known = known.collect::<Vec<_>>().join(", ");
            KillError::Unknown { target: name.to_owned(), known }
        };
        match (stage_name, number) {
            ("all", None) => return Ok(Target::All),
            ("supervisor", None) => return Ok(Target::Supervisor),
            _ => {}
        }
        let stage = pools.iter().position(|pool| pool.plan().name == stage_name);
        let stage = stage.ok_or_else(known)?;
        let Some(number) = number else { return Ok(Target::Stage(StageId(stage as u16))) };
        let slots = 1..=pools[stage].wanted();
        let number = number.parse().ok().filter(|n| slots.contains(n)).ok_or_else(known)?;
        Ok(Target::Worker(SlotId { stage: StageId(stage as u16), index: number - 1 }))
    }

    /// The root: starts the supervisor again when it dies, until all is over.
    async fn keep_supervised(self) {
        let mut failures = FailureHistory::default();
        loop {
            let cause = self.supervisor_end().await;
            if self.read(Core::is_over) {
                break;
            }
            let verdict = {
                let state = &mut *self.state();
                state.supervisor_restarts += 1;
                let now = state.clock.now();
                failures.record(now, &self.0.intensity, u64::MAX)
            };
            tracing::warn!(%cause, "supervisor lost");
            if verdict == Verdict::Escalate {
                self.with_core(|core, now| core.escalate(Escalation::Supervisor { cause }, now));
                self.nudge_all();
                break;
            }
            self.start_supervisor();
        }
        self.0.over.send_replace(true);
    }

    fn start_supervisor(&self) {
        let pulse = Arc::new(Pulse::default());
        *lock(&self.0.supervisor) = pulse.clone();
        let ended = self.clone();
        let notice = ExitNotice::new(move |cause, _| {
            *lock(&ended.0.supervisor_ended.0) = Some(cause);
            ended.0.supervisor_ended.1.notify_one();
        });
        let handle = SupervisorHandle { host: self.clone(), pulse };
        let make = move || -> Result<seat::Body, String> {
            Ok(Box::pin(async move {
                exit_cause(supervisor::run(handle).await.map_err(WorkerError::Interrupted))
            }))
        };
        // Nobody needs the supervisor's address: what concerns it is in the state, and `attention` wakes it.
        drop(seat::start(make, self.0.attention.clone(), notice));
    }

    async fn supervisor_end(&self) -> ExitCause {
        loop {
            if let Some(cause) = lock(&self.0.supervisor_ended.0).take() {
                return cause;
            }
            self.0.supervisor_ended.1.notified().await;
        }
    }

    fn start_worker(&self, worker: WorkerId) {
        let pulse = Arc::new(Pulse::default());
        {
            let mut living = lock(&self.0.living);
            let slot = WorkerId { incarnation: Incarnation(0), ..worker }..;
            let mut known = living.range(slot).map(|(id, _)| id);
            if known.any(|id| id.slot == worker.slot && id.incarnation >= worker.incarnation) {
                return; // asked twice, it is started once
            }
            living.insert(worker, Living { pulse: pulse.clone(), address: None });
        }
        let host = self.clone();
        let notice_pulse = pulse.clone();
        let notice = ExitNotice::new(move |cause, backtrace| {
            let (ordered, in_work) = (notice_pulse.is_ordered(), notice_pulse.in_work());
            host.worker_ended(worker, Exit { cause, ordered, in_work, backtrace });
        });
        let wake = Arc::new(Notify::new());
        let handle = WorkerHandle { host: self.clone(), worker, pulse, wake: wake.clone() };
        let maker = self.0.makers[usize::from(worker.slot.stage.0)].clone();
        let make = move || -> Result<seat::Body, String> {
            let body = maker(worker.slot)?;
            Ok(Box::pin(async move { exit_cause(worker::run(handle, body).await) }))
        };
        let address = seat::start(make, wake, notice);
        if let Some(living) = lock(&self.0.living).get_mut(&worker) {
            living.address = Some(address);
        }
    }

    fn worker_ended(&self, worker: WorkerId, exit: Exit) {
        // First the end, then the absence: who is neither alive nor ended would be taken for vanished.
        lock(&self.0.exits).insert(worker, exit);
        lock(&self.0.living).remove(&worker);
        self.0.attention.notify_one();
    }

    fn hint(&self, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let living = lock(&self.0.living);
        for action in actions {
            if let Action::Hint(worker) = action
                && let Some(living) = living.get(&worker)
            {
                living.nudge();
            }
        }
    }

    fn nudge_all(&self) {
        lock(&self.0.living).values().for_each(Living::nudge);
    }

    /// One change of the core, at the host's time, under its lock.
    fn with_core<R>(&self, change: impl FnOnce(&mut Core<F>, Ms) -> R) -> R {
        let state = &mut *self.state();
        let now = state.clock.now();
        change(&mut state.core, now)
    }

    /// A death inside a decision would leave the state half changed: the process ends, with everything durable intact.
    fn state(&self) -> MutexGuard<'_, State<F>> {
        self.0.state.lock().unwrap_or_else(|_| {
            let panic = panics::last_words();
            tracing::error!(panic, "a decision failed halfway: the process ends, report this");
            eprintln!(
                "planaria: a decision failed halfway, the process ends, report this: {panic}"
            );
            std::process::exit(1)
        })
    }
}

impl<F: Flow> State<F> {
    /// Writes the new events to the log: what an operator should know as warnings, the rest for the curious.
    fn log_events(&mut self) {
        let events = self.core.events().since(self.events_logged, usize::MAX);
        self.events_logged = self.core.events().next();
        let name = |stage: StageId| self.core.pools()[usize::from(stage.0)].plan().name;
        for Numbered { event, .. } in events {
            match event {
                Event::Died { worker, cause, ordered, .. } => {
                    let (stage, slot) = (name(worker.slot.stage), worker.slot.index + 1);
                    let incarnation = worker.incarnation.0;
                    tracing::warn!(stage, slot, incarnation, %cause, ordered, "worker lost");
                }
                Event::DeadLettered { stage, item, cause } => {
                    tracing::error!(stage = name(stage), item = item.0, %cause, "item given up");
                }
                Event::Scaled { stage, from, to } => {
                    tracing::info!(stage = name(stage), from, to, "pool scaled");
                }
                Event::Noticed { stage, what } => {
                    tracing::warn!(stage = name(stage), "{what}");
                }
                Event::Escalated { reason } => {
                    tracing::error!(cause = reason, "supervision gave up");
                }
                Event::Started { .. }
                | Event::Restarted { .. }
                | Event::Fenced { .. }
                | Event::Redelivered { .. }
                | Event::Rebalanced { .. } => tracing::debug!(?event, "actors"),
            }
        }
    }
}

impl Living {
    fn nudge(&self) {
        if let Some(address) = &self.address {
            // A full mailbox already holds a nudge; a closed one belongs to the dead.
            let _ = address.try_send(Nudge);
        }
    }
}

/// These locks guard maps and pointers that no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct WorkerHandle<F: Flow> {
    host: ActixHost<F>,
    worker: WorkerId,
    pulse: Arc<Pulse>,
    wake: Arc<Notify>,
}

impl<F: Flow> WorkerHost for WorkerHandle<F> {
    type Flow = F;

    async fn reach(&self, _: Failpoint) -> Result<(), Interrupt> {
        self.pulse.beat()
    }

    fn pull(&self, request: Request<F::Output>) -> Reply<F::Input> {
        let mut actions = Vec::new();
        let acknowledges = matches!(request, Request::Acknowledge { .. });
        let pull = |core: &mut Core<F>, now| core.pull(self.worker, request, now, &mut actions);
        let reply = self.host.with_core(pull);
        if acknowledges {
            self.pulse.set_in_work(None);
        }
        self.host.hint(actions);
        reply
    }

    fn work<R>(&self, item: ItemId, work: impl FnOnce(&Pulse) -> R) -> (R, Duration) {
        self.pulse.set_in_work(Some(item));
        let began = instant();
        let result = work(&self.pulse);
        (result, began.elapsed())
    }

    async fn wait_for_hint(&self) -> Duration {
        let began = instant();
        self.wake.notified().await;
        began.elapsed()
    }
}

struct SupervisorHandle<F: Flow> {
    host: ActixHost<F>,
    pulse: Arc<Pulse>,
}

impl<F: Flow> SupervisorHost for SupervisorHandle<F> {
    async fn reach(&self, _: Failpoint) -> Result<(), Interrupt> {
        self.pulse.beat()
    }

    fn decide(&self, event: SupervisorEvent) -> Vec<Action> {
        let mut actions = Vec::new();
        let state = &mut *self.host.state();
        let now = state.clock.now();
        state.core.supervise(event, now, &mut actions);
        state.log_events();
        actions
    }

    fn perform(&self, action: Action) {
        match action {
            Action::Start(worker) => self.host.start_worker(worker),
            Action::Hint(_) => self.host.hint(vec![action]),
            Action::Fence(worker) => {
                if let Some(living) = lock(&self.host.0.living).get(&worker) {
                    living.pulse.fence();
                    living.nudge();
                }
            }
        }
    }

    async fn wait(&self) {
        let (deadline, stopping) = {
            let state = &mut *self.host.state();
            let now = state.clock.now();
            let deadline = state.core.next_deadline();
            let wait = deadline.map(|at| Duration::from_millis(at.saturating_sub(now)));
            (wait.unwrap_or(LOOK_AROUND).min(LOOK_AROUND), state.core.is_stopping())
        };
        if stopping {
            self.host.nudge_all(); // the last nudge may have been lost
        }
        // Running out of time is one of the two ways to be woken.
        let _ = tokio::time::timeout(deadline, self.host.0.attention.notified()).await;
    }

    fn exits(&self) -> Vec<(WorkerId, Exit)> {
        lock(&self.host.0.exits).iter().map(|(worker, exit)| (*worker, exit.clone())).collect()
    }

    fn forget_exit(&self, worker: WorkerId) {
        lock(&self.host.0.exits).remove(&worker);
    }

    fn pulses(&self) -> Vec<PulseReading> {
        let reading = |(worker, living): (&WorkerId, &Living)| PulseReading {
            worker: *worker,
            beats: living.pulse.beats(),
            in_work: living.pulse.in_work(),
            ordered: living.pulse.is_ordered(),
        };
        lock(&self.host.0.living).iter().map(reading).collect()
    }

    fn is_over(&self) -> bool {
        self.host.read(Core::is_over)
    }
}
