//! The host of one thread: the very same workers, supervisor, pools and ledger, with a virtual clock and a schedule.
//!
//! Every time the host lets an actor go on is a numbered [`Point`]; a [`Schedule`] says who dies at which of them, and how. Equal
//! schedules make equal runs. Time passes only when nobody can go on. So a test can kill at **every** point of a small
//! run, one after the other, and what fails once fails always.
//!
//! ```
//! # use planaria_kernel::*;
//! # use std::sync::Arc;
//! # struct Squares(Vec<u64>);
//! # impl Flow for Squares {
//! #     type Input = u64;
//! #     type Output = u64;
//! #     fn input(&mut self, _: StageId, item: ItemId) -> u64 { item.0 }
//! #     fn commit(&mut self, _: StageId, item: ItemId, done: Done<u64>, _: &mut Intake<'_>) {
//! #         self.0[item.0 as usize] += done.output;
//! #     }
//! #     fn give_up(&mut self, _: StageId, _: ItemId, _: &ExitCause, _: &mut Intake<'_>) {}
//! # }
//! # struct Squarer;
//! # impl Worker<Squares> for Squarer {
//! #     fn handle(&mut self, _: ItemId, n: u64, _: &Pulse) -> Result<u64, WorkerError> { Ok(n * n) }
//! # }
//! use planaria_kernel::host::{Ending, Victim};
//! let squares = |schedule: &Schedule| {
//!     let squarers: MakeWorker<Squares> = Arc::new(|_| Ok(Box::new(Squarer)));
//!     let accept = |_: &mut Squares, intake: &mut Intake<'_>| {
//!         (0..8).for_each(|n| intake.accept(StageId(0), ItemId(n)));
//!     };
//!     let (plans, flow) = (vec![PoolPlan::new("square", 2)], Squares(vec![0; 8]));
//!     DeterministicHost::new(plans, Supervision::default(), vec![squarers], flow, accept)
//!         .expect("the plan is sound")
//!         .run(schedule, |_| true)
//! };
//! for point in 0..squares(&Schedule::fifo()).points.len() {
//!     for way in Way::ALL {
//!         let killed = squares(&Schedule::fifo().kill(point, Victim::Running, way));
//!         assert_eq!(killed.ending, Ending::Over);
//!         assert_eq!(killed.core.flow().0, [0, 1, 4, 9, 16, 25, 36, 49], "killed at {point}");
//!     }
//! }
//! ```

use super::{
    deterministic::{
        handles::{Handle, SupervisorHandle, WorkerHandle},
        history::Seen,
        schedule::{ActorId, Kill, Point, Schedule, Way},
        world::{Ending, Run, World},
    },
    exit_cause, first_core,
};
use crate::{
    core::Core,
    escalation::Supervision,
    failpoint::{Death, ExitCause},
    flow::{Flow, Intake},
    intensity::Ms,
    panics,
    plan::{PlanError, PoolPlan},
    slot::WorkerId,
    supervisor,
    worker::{self, MakeWorker, WorkerError},
};
use std::{
    cell::RefCell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// What an actor does all its life; none when its thread is to end without a word.
type Body = Pin<Box<dyn Future<Output = Option<ExitCause>>>>;

/// A pipeline that has not begun to run.
pub struct DeterministicHost<F: Flow> {
    core: Core<F>,
    supervision: Supervision,
    makers: Vec<MakeWorker<F>>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome<F: Flow> {
    /// How it ended.
    pub ending: Ending,
    /// The pipeline at its end.
    pub core: Core<F>,
    /// Every schedule point, in order.
    pub points: Vec<Point>,
    /// What the core gave, took and said.
    pub history: Vec<Seen>,
    /// The deaths that somebody died: with the schedule's order they make the same run again.
    pub kills: Vec<Kill>,
    /// Starts of the supervisor after a death.
    pub supervisor_restarts: u64,
    /// The virtual time at the end.
    pub now: Ms,
}

impl<F: Flow> Outcome<F> {
    /// The schedule that makes this run again, its random deaths written out.
    pub fn replay(&self, schedule: &Schedule) -> Schedule {
        Schedule { kills: self.kills.clone(), random_kills: 0, ..schedule.clone() }
    }
}

/// The world, and the actors' futures beside it: one is taken out while it is polled.
pub(super) struct Shared<F: Flow> {
    pub(super) world: RefCell<World<F>>,
    bodies: RefCell<Vec<Option<Body>>>,
}

impl<F: Flow> DeterministicHost<F> {
    /// A pipeline: one plan and one maker a stage. `begin` accepts the first items.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(
        plans: Vec<PoolPlan>,
        supervision: Supervision,
        makers: Vec<MakeWorker<F>>,
        flow: F,
        begin: impl FnOnce(&mut F, &mut Intake<'_>),
    ) -> Result<Self, PlanError> {
        let mut core = first_core(plans, &supervision, &makers, flow)?;
        core.update(0, &mut Vec::new(), begin);
        Ok(DeterministicHost { core, supervision, makers })
    }

    /// Runs the pipeline until the core is empty and `is_done`, then stops it and runs it to its end.
    pub fn run(self, schedule: &Schedule, is_done: impl Fn(&F) -> bool) -> Outcome<F> {
        let DeterministicHost { core, supervision, makers } = self;
        let world = World::new(core, makers, supervision.intensity, schedule);
        let shared =
            Rc::new(Shared { world: RefCell::new(world), bodies: RefCell::new(Vec::new()) });
        start_supervisor(&shared);
        let ending = loop {
            if let Some(ending) = shared.world.borrow_mut().ending.take() {
                break ending;
            }
            let next = {
                let world = &mut *shared.world.borrow_mut();
                if world.points.len() >= schedule.points_max {
                    break Ending::Endless;
                }
                let next = world.next();
                if next.is_none() {
                    let is_done = world.core.is_empty() && is_done(world.core.flow());
                    if is_done && !world.core.is_stopping() {
                        world.stop();
                    } else if !world.pass_time() {
                        break Ending::Stuck;
                    }
                }
                next
            };
            if let Some(id) = next {
                go_on(&shared, id);
            }
        };
        // Threads that hang are left behind; a future must not outlive its host.
        let bodies = shared.bodies.take();
        drop(bodies);
        let world = Rc::try_unwrap(shared).ok().expect("no actor is left").world.into_inner();
        let World { core, points, history, kills, supervisor_restarts, now, .. } = world;
        Outcome { ending, core, points, history, kills, supervisor_restarts, now }
    }
}

/// One point: deaths first, then the actor goes on, if it still can.
fn go_on<F: Flow>(shared: &Rc<Shared<F>>, id: usize) {
    let point = {
        let world = &mut *shared.world.borrow_mut();
        let actor = &world.actors[id];
        world.points.push(Point { actor: actor.who, at: actor.at });
        world.points.len() - 1
    };
    loop {
        let due = shared.world.borrow_mut().kill_due(point, id);
        let Some((victim, planned)) = due else { break };
        kill(shared, victim, point, planned.way);
    }
    let random = shared.world.borrow_mut().random_kill(point, id);
    if let Some((victim, drawn)) = random {
        kill(shared, victim, point, drawn.way);
    }
    if shared.world.borrow().actors[id].run == Run::Queued {
        poll(shared, id);
    }
}

fn kill<F: Flow>(shared: &Rc<Shared<F>>, victim: usize, at: usize, way: Way) {
    let way = {
        let world = &mut *shared.world.borrow_mut();
        let Some(way) = world.effective(victim, way) else { return };
        world.note_kill(victim, at, way);
        let actor = &mut world.actors[victim];
        match way {
            Way::Silent => world.set_run(victim, Run::Ended),
            Way::Ordered(Death::Hang) => {
                actor.pulse.note_order();
                world.set_run(victim, Run::Hung);
            }
            Way::Ordered(death) => {
                actor.pulse.order(death);
                actor.is_doomed = true;
                world.set_run(victim, Run::Going);
            }
        }
        way
    };
    match way {
        Way::Silent => drop_body(shared, victim),
        Way::Ordered(Death::Hang) => {}
        Way::Ordered(_) => poll(shared, victim),
    }
}

/// Lets an actor go on until it pauses or ends.
fn poll<F: Flow>(shared: &Rc<Shared<F>>, id: usize) {
    let Some(mut body) = shared.bodies.borrow_mut()[id].take() else { return };
    shared.world.borrow_mut().actors[id].run = Run::Going;
    let mut context = Context::from_waker(Waker::noop());
    let polled =
        panics::as_an_actor(|| catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(&mut context))));
    let cause = match polled {
        Ok(Poll::Pending) => {
            shared.bodies.borrow_mut()[id] = Some(body);
            if shared.world.borrow().actors[id].fate == Some(Way::Silent) {
                shared.world.borrow_mut().set_run(id, Run::Ended);
                drop_body(shared, id);
            }
            return;
        }
        Ok(Poll::Ready(cause)) => cause.unwrap_or(ExitCause::ThreadLost),
        Err(payload) => ExitCause::Panic(panics::describe(payload.as_ref())),
    };
    drop(body);
    let starts_another = {
        let world = &mut *shared.world.borrow_mut();
        if world.is_deciding {
            world.ending = Some(Ending::Broken(cause.to_string()));
            return;
        }
        if world.actors[id].fate == Some(Way::Silent) {
            world.set_run(id, Run::Ended);
            return;
        }
        world.ended(id, cause)
    };
    if starts_another {
        start_supervisor(shared);
    }
}

fn drop_body<F: Flow>(shared: &Rc<Shared<F>>, id: usize) {
    let body = shared.bodies.borrow_mut()[id].take();
    panics::as_an_actor(|| drop(body));
}

fn start_supervisor<F: Flow>(shared: &Rc<Shared<F>>) {
    let handle = new_actor(shared, ActorId::Supervisor);
    let life = supervisor::run(SupervisorHandle(handle));
    let body = async move { exit_cause(life.await.map_err(WorkerError::Interrupted)) };
    shared.bodies.borrow_mut().push(Some(Box::pin(body)));
}

pub(super) fn start_worker<F: Flow>(shared: &Rc<Shared<F>>, worker: WorkerId) {
    if shared.world.borrow().is_started(worker) {
        return;
    }
    let handle = new_actor(shared, ActorId::Worker(worker));
    let maker = {
        let world = &mut *shared.world.borrow_mut();
        world.history.push(Seen::Spawned(worker));
        world.makers[usize::from(worker.slot.stage.0)].clone()
    };
    let body = async move {
        match maker(worker.slot) {
            Ok(body) => exit_cause(worker::run(WorkerHandle { handle, worker }, body).await),
            Err(message) => Some(ExitCause::NotMade(message)),
        }
    };
    shared.bodies.borrow_mut().push(Some(Box::pin(body)));
}

fn new_actor<F: Flow>(shared: &Rc<Shared<F>>, who: ActorId) -> Handle<F> {
    let world = &mut *shared.world.borrow_mut();
    let id = world.add(who);
    Handle { shared: shared.clone(), id, pulse: world.actors[id].pulse.clone() }
}
