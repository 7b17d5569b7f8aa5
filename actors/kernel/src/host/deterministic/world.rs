//! The actors of one run, who may go on, the virtual clock, and the core.
//!
//! The actors' futures reach the world through a `RefCell` that is never borrowed while one of them is polled or dropped.

use super::{
    history::Seen,
    schedule::{ActorId, Kill, Order, Point, Schedule, Victim, Way},
};
use crate::{
    core::Core,
    escalation::Escalation,
    failpoint::{Death, Exit, ExitCause, Failpoint},
    flow::Flow,
    ids::StageId,
    intensity::{FailureHistory, Intensity, Ms, Verdict},
    messages::{Action, PulseReading, Reply, Request, SupervisorEvent},
    pulse::Pulse,
    slot::WorkerId,
    worker::MakeWorker,
};
use planaria_random::{Purpose, Stream};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

/// Whether an actor can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Run {
    /// It is in the queue, or has just been taken out of it.
    Queued,
    /// It is going on right now.
    Going,
    /// It waits to be woken.
    Waiting,
    /// It hangs until it is fenced.
    Hung,
    /// It is no more.
    Ended,
}

/// An actor, as its host sees it.
pub(in crate::host) struct Actor {
    pub(in crate::host) who: ActorId,
    pub(in crate::host) pulse: Rc<Pulse>,
    pub(in crate::host) run: Run,
    /// Where it is suspended.
    pub(in crate::host) at: Failpoint,
    /// It was woken and has not looked yet: at most once, however often.
    pub(in crate::host) is_woken: bool,
    /// Its last nudges that were lost.
    lost_in_a_row: u32,
    /// It has an order to obey: nothing suspends it any more.
    pub(in crate::host) is_doomed: bool,
    /// It was killed in the middle of its work: it hangs, or is gone, as soon as the work returns to its host.
    pub(in crate::host) fate: Option<Way>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All was done; everybody was told to stop, and did.
    Over,
    /// Supervision gave up.
    Escalated(Escalation),
    /// Nobody can go on, and no time is awaited.
    Stuck,
    /// The schedule's `points_max` is reached.
    Endless,
    /// A decision panicked: real threads would end the process.
    Broken(String),
}

/// One in so many points is a random death, while there are some left.
const RANDOM_KILL_EVERY: u32 = 24;

/// One in so many nudges is lost where they may be, and no more than so many of one actor in a row: who misses every hint for as
/// long as its pool's patience lasts is taken for dead.
const LOST_NUDGE_EVERY: u32 = 4;
const LOST_IN_A_ROW: u32 = 4;

pub(in crate::host) struct World<F: Flow> {
    pub(in crate::host) core: Core<F>,
    pub(in crate::host) now: Ms,
    pub(in crate::host) actors: Vec<Actor>,
    pub(in crate::host) makers: Vec<MakeWorker<F>>,
    queue: VecDeque<usize>,
    /// The ends that the supervisor has not dealt with yet.
    exits: BTreeMap<WorkerId, Exit>,
    /// The supervisor that lives, or lived last.
    pub(in crate::host) supervisor: usize,
    root: FailureHistory,
    root_intensity: Intensity,
    pub(in crate::host) supervisor_restarts: u64,
    /// A decision is being made: who panics now leaves it half made.
    pub(in crate::host) is_deciding: bool,
    pub(in crate::host) ending: Option<Ending>,
    order: Option<Stream>,
    deaths: Stream,
    losses: Option<Stream>,
    planned: Vec<Kill>,
    random_left: u32,
    pub(in crate::host) kills: Vec<Kill>,
    pub(in crate::host) points: Vec<Point>,
    pub(in crate::host) history: Vec<Seen>,
    events_seen: u64,
}

impl<F: Flow> World<F> {
    pub(in crate::host) fn new(
        core: Core<F>,
        makers: Vec<MakeWorker<F>>,
        root_intensity: Intensity,
        schedule: &Schedule,
    ) -> Self {
        let seed = match schedule.order {
            Order::Fifo => None,
            Order::Seeded(seed) => Some(seed),
        };
        // Streams of their own: a run whose random deaths are replayed as planned ones keeps its order.
        let stream = |item| Stream::new(seed.unwrap_or(0), Purpose::Chaos, 0, item);
        World {
            core,
            now: 0,
            actors: Vec::with_capacity(16),
            makers,
            queue: VecDeque::with_capacity(16),
            exits: BTreeMap::new(),
            supervisor: 0,
            root: FailureHistory::default(),
            root_intensity,
            supervisor_restarts: 0,
            is_deciding: false,
            ending: None,
            order: seed.map(|_| stream(0)),
            deaths: stream(1),
            losses: schedule.is_lossy.then(|| stream(2)),
            planned: schedule.kills.clone(),
            random_left: schedule.random_kills,
            kills: Vec::new(),
            points: Vec::with_capacity(512),
            history: Vec::with_capacity(256),
            events_seen: 0,
        }
    }

    /// A new actor that can go on.
    pub(in crate::host) fn add(&mut self, who: ActorId) -> usize {
        let id = self.actors.len();
        let mut is_woken = false;
        if who == ActorId::Supervisor {
            // What the last one was woken for and did not see is the next one's business.
            is_woken = self.actors.get(self.supervisor).is_some_and(|last| last.is_woken);
            self.supervisor = id;
        }
        self.actors.push(Actor {
            who,
            pulse: Rc::default(),
            run: Run::Queued,
            at: Failpoint::Started,
            is_woken,
            lost_in_a_row: 0,
            is_doomed: false,
            fate: None,
        });
        self.queue.push_back(id);
        id
    }

    /// True when this incarnation, or a later one of its slot, lives: asked twice, it is started once.
    pub(in crate::host) fn is_started(&self, worker: WorkerId) -> bool {
        self.living()
            .any(|(known, _)| known.slot == worker.slot && known.incarnation >= worker.incarnation)
    }

    /// Who goes on next, if somebody can.
    pub(in crate::host) fn next(&mut self) -> Option<usize> {
        let chosen = match &mut self.order {
            None => 0,
            Some(_) if self.queue.is_empty() => 0,
            Some(order) => order.next_below(self.queue.len() as u32) as usize,
        };
        self.queue.remove(chosen)
    }

    pub(in crate::host) fn enqueue(&mut self, id: usize) {
        if self.actors[id].run != Run::Queued {
            self.actors[id].run = Run::Queued;
            self.queue.push_back(id);
        }
    }

    /// Takes an actor out of the queue for good or ill.
    pub(in crate::host) fn set_run(&mut self, id: usize, run: Run) {
        self.queue.retain(|&queued| queued != id);
        self.actors[id].run = run;
    }

    pub(in crate::host) fn nudge(&mut self, id: usize) {
        self.actors[id].is_woken = true;
        if self.actors[id].run == Run::Waiting {
            self.enqueue(id);
        }
    }

    pub(in crate::host) fn nudge_all_but(&mut self, me: usize) {
        (0..self.actors.len()).filter(|&id| id != me).for_each(|id| self.try_nudge(id));
    }

    /// Nudges an actor, unless the nudge is lost.
    fn try_nudge(&mut self, id: usize) {
        let losses = self.losses.as_mut().filter(|_| self.actors[id].lost_in_a_row < LOST_IN_A_ROW);
        if losses.is_some_and(|losses| losses.next_below(LOST_NUDGE_EVERY) == 0) {
            self.actors[id].lost_in_a_row += 1;
        } else {
            self.actors[id].lost_in_a_row = 0;
            self.nudge(id);
        }
    }

    /// Time passes until the supervisor is needed. False when it never will be.
    pub(in crate::host) fn pass_time(&mut self) -> bool {
        let deadline = self.core.next_deadline();
        if let Some(deadline) = deadline {
            self.now = self.now.max(deadline);
            self.nudge(self.supervisor);
        }
        deadline.is_some()
    }

    /// The deaths that are to happen at the point with this number, and that `running` does not die in its work.
    pub(in crate::host) fn kill_due(
        &mut self,
        point: usize,
        running: usize,
    ) -> Option<(usize, Kill)> {
        while let Some(n) = self.planned.iter().position(|kill| kill.at <= point) {
            let kill = self.planned.remove(n);
            if let Some(victim) = self.find(kill.victim, running) {
                return Some((victim, kill));
            }
        }
        None
    }

    /// How `running` dies in the middle of its work, if it does.
    pub(in crate::host) fn kill_in_work(&mut self, point: usize, running: usize) -> Option<Way> {
        let is_meant = |kill: &Kill| {
            let me = Victim::Actor(self.actors[running].who);
            kill.at == point && (kill.victim == Victim::Running || kill.victim == me)
        };
        if let Some(n) = self.planned.iter().position(is_meant) {
            return Some(self.planned.remove(n).way);
        }
        let is_due = self.random_left > 0 && self.deaths.next_below(RANDOM_KILL_EVERY) == 0;
        is_due.then(|| Way::ALL[self.deaths.next_below(Way::ALL.len() as u32) as usize])
    }

    /// A random death at the point with this number, if it is time for one.
    pub(in crate::host) fn random_kill(
        &mut self,
        point: usize,
        running: usize,
    ) -> Option<(usize, Kill)> {
        if self.random_left == 0 || self.deaths.next_below(RANDOM_KILL_EVERY) != 0 {
            return None;
        }
        let anybody = self.deaths.next_below(self.actors.len() as u32) as usize;
        let victim = if self.deaths.next_below(2) == 0 { running } else { anybody };
        let way = Way::ALL[self.deaths.next_below(Way::ALL.len() as u32) as usize];
        Some((victim, Kill { at: point, victim: Victim::Actor(self.actors[victim].who), way }))
    }

    /// How an actor dies when it is killed this way; none when it does not.
    ///
    /// Who is dead, or has got an order before, gets none; who is fenced does not hang.
    pub(in crate::host) fn effective(&self, id: usize, way: Way) -> Option<Way> {
        let actor = &self.actors[id];
        let is_supervisor = actor.who == ActorId::Supervisor;
        let way = match way {
            Way::Silent | Way::Ordered(Death::Hang) if is_supervisor => Way::Ordered(Death::Panic),
            Way::Silent | Way::Ordered(_) => way,
        };
        let is_idle_order = match way {
            Way::Silent => false,
            Way::Ordered(Death::Hang) => actor.pulse.is_ordered() || actor.pulse.is_fenced(),
            Way::Ordered(_) => actor.pulse.is_ordered(),
        };
        (actor.run != Run::Ended && !is_idle_order).then_some(way)
    }

    /// A death happens: for the judge, and so that it can be replayed.
    pub(in crate::host) fn note_kill(&mut self, id: usize, at: usize, way: Way) {
        let who = self.actors[id].who;
        self.kills.push(Kill { at, victim: Victim::Actor(who), way });
        self.history.push(Seen::Killed(who, way));
        self.random_left = self.random_left.saturating_sub(1);
    }

    /// An actor has ended. True when the root is to start another supervisor.
    pub(in crate::host) fn ended(&mut self, id: usize, cause: ExitCause) -> bool {
        self.set_run(id, Run::Ended);
        let actor = &self.actors[id];
        match actor.who {
            ActorId::Worker(worker) => {
                let (ordered, in_work) = (actor.pulse.is_ordered(), actor.pulse.in_work());
                let backtrace = crate::panics::take_backtrace();
                self.exits.insert(worker, Exit { cause, ordered, in_work, backtrace });
                self.nudge(self.supervisor);
                false
            }
            ActorId::Supervisor => self.supervisor_ended(cause),
        }
    }

    /// The root: another supervisor follows, unless all is over or it failed too often.
    fn supervisor_ended(&mut self, cause: ExitCause) -> bool {
        if self.core.is_over() {
            let escalation = self.core.escalation().cloned();
            self.ending = Some(escalation.map_or(Ending::Over, Ending::Escalated));
            return false;
        }
        self.supervisor_restarts += 1;
        let verdict = self.root.record(self.now, &self.root_intensity, u64::MAX);
        if verdict == Verdict::Escalate {
            let escalation = Escalation::Supervisor { cause };
            self.core.escalate(escalation.clone(), self.now);
            self.ending = Some(Ending::Escalated(escalation));
        }
        verdict != Verdict::Escalate
    }

    /// One worker's step, and the hints that follow from it.
    pub(in crate::host) fn pull(
        &mut self,
        worker: WorkerId,
        request: Request<F::Output>,
    ) -> Reply<F::Input> {
        let stage = worker.slot.stage;
        let acknowledged = match &request {
            Request::Acknowledge { item, .. } => Some(*item),
            Request::Began | Request::Take { .. } => None,
        };
        let before = self.committed(stage);
        let mut actions = Vec::new();
        let reply = self.decide(|core, now| core.pull(worker, request, now, &mut actions));
        if let Some(item) = acknowledged {
            let committed = self.committed(stage) - before;
            (0..committed).for_each(|_| self.history.push(Seen::Committed(worker, item)));
            if committed == 0 {
                self.history.push(Seen::Dropped(worker, item));
            }
        }
        self.see_events();
        if let Reply::Leases(leases) = &reply {
            let leased = leases.iter().map(|lease| Seen::Leased(worker, lease.item));
            self.history.extend(leased);
        }
        for action in actions {
            if let Action::Hint(worker) = action {
                self.hint(worker);
            }
        }
        reply
    }

    /// One decision of the supervisor.
    pub(in crate::host) fn supervise(&mut self, event: SupervisorEvent) -> Vec<Action> {
        let mut actions = Vec::new();
        self.decide(|core, now| core.supervise(event, now, &mut actions));
        self.see_events();
        actions
    }

    /// All is done: workers end as they look up.
    pub(in crate::host) fn stop(&mut self) {
        self.core.stop(self.now);
        self.nudge_all_but(usize::MAX);
    }

    pub(in crate::host) fn hint(&mut self, worker: WorkerId) {
        if let Some(id) = self.find(Victim::Actor(ActorId::Worker(worker)), 0) {
            self.try_nudge(id);
        }
    }

    /// Lets a worker do no more; one that hangs goes on, as a zombie.
    pub(in crate::host) fn fence(&mut self, worker: WorkerId) {
        if let Some(id) = self.find(Victim::Actor(ActorId::Worker(worker)), 0) {
            self.actors[id].pulse.fence();
            match self.actors[id].run {
                Run::Hung => self.enqueue(id),
                Run::Queued | Run::Going | Run::Waiting | Run::Ended => self.nudge(id),
            }
        }
    }

    pub(in crate::host) fn exits(&self) -> Vec<(WorkerId, Exit)> {
        self.exits.iter().map(|(worker, exit)| (*worker, exit.clone())).collect()
    }

    pub(in crate::host) fn forget_exit(&mut self, worker: WorkerId) {
        self.exits.remove(&worker);
    }

    pub(in crate::host) fn pulses(&self) -> Vec<PulseReading> {
        let reading = |(worker, actor): (WorkerId, &Actor)| PulseReading {
            worker,
            beats: actor.pulse.beats(),
            in_work: actor.pulse.in_work(),
            ordered: actor.pulse.is_ordered(),
        };
        let mut pulses: Vec<_> = self.living().map(reading).collect();
        pulses.sort_by_key(|pulse| pulse.worker);
        pulses
    }

    fn decide<R>(&mut self, decision: impl FnOnce(&mut Core<F>, Ms) -> R) -> R {
        self.is_deciding = true;
        let result = decision(&mut self.core, self.now);
        self.is_deciding = false;
        result
    }

    fn see_events(&mut self) {
        if self.core.events().next() > self.events_seen {
            let events = self.core.events().since(self.events_seen, usize::MAX);
            self.events_seen = self.core.events().next();
            self.history.extend(events.into_iter().map(|numbered| Seen::Event(numbered.event)));
        }
    }

    fn committed(&self, stage: StageId) -> u64 {
        self.core.pools()[usize::from(stage.0)].ledger().counts().committed
    }

    fn living(&self) -> impl Iterator<Item = (WorkerId, &Actor)> {
        self.actors.iter().filter_map(|actor| match actor.who {
            ActorId::Worker(worker) if actor.run != Run::Ended => Some((worker, actor)),
            ActorId::Worker(_) | ActorId::Supervisor => None,
        })
    }

    fn find(&self, victim: Victim, running: usize) -> Option<usize> {
        match victim {
            Victim::Running => Some(running),
            Victim::Actor(ActorId::Supervisor) => Some(self.supervisor),
            Victim::Actor(who) => {
                self.actors.iter().rposition(|actor| actor.who == who && actor.run != Run::Ended)
            }
        }
    }
}
