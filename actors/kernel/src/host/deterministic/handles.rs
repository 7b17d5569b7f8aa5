//! What the actors of a run hold of their host: the same two traits as on threads.

use super::{
    super::{SupervisorHost, WorkerHost},
    schedule::{Point, Way},
    world::{Run, World},
};
use crate::{
    failpoint::{Death, Exit, Failpoint, Interrupt},
    flow::Flow,
    host::deterministic_host::{Shared, start_worker},
    ids::ItemId,
    messages::{Action, PulseReading, Reply, Request, SupervisorEvent},
    pulse::Pulse,
    slot::WorkerId,
};
use std::{
    cell::RefMut,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

/// One actor's handle on its host.
pub(in crate::host) struct Handle<F: Flow> {
    pub(in crate::host) shared: Rc<Shared<F>>,
    pub(in crate::host) id: usize,
    pub(in crate::host) pulse: Rc<Pulse>,
}

/// Gives way to the host once: going on from here is a schedule point.
struct Pause<'a, F: Flow> {
    handle: &'a Handle<F>,
    at: Failpoint,
    /// It goes on only when it is woken.
    waits: bool,
    has_paused: bool,
}

impl<F: Flow> Future for Pause<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let (id, at, waits) = (self.handle.id, self.at, self.waits);
        let world = &mut *self.handle.world();
        let actor = &mut world.actors[id];
        if self.has_paused || actor.is_doomed {
            actor.is_woken &= !waits;
            return Poll::Ready(());
        }
        self.has_paused = true;
        actor.at = at;
        let hangs = actor.fate.take_if(|fate| *fate == Way::Ordered(Death::Hang)).is_some();
        if hangs && !actor.pulse.is_fenced() {
            actor.run = Run::Hung;
        } else if waits && !actor.is_woken {
            actor.run = Run::Waiting;
        } else {
            world.enqueue(id);
        }
        Poll::Pending
    }
}

impl<F: Flow> Handle<F> {
    fn world(&self) -> RefMut<'_, World<F>> {
        self.shared.world.borrow_mut()
    }

    async fn pause(&self, at: Failpoint, waits: bool) {
        Pause { handle: self, at, waits, has_paused: false }.await;
    }

    async fn reach(&self, at: Failpoint) -> Result<(), Interrupt> {
        self.pause(at, false).await;
        self.pulse.beat()
    }
}

/// A worker's handle.
pub(in crate::host) struct WorkerHandle<F: Flow> {
    pub(in crate::host) handle: Handle<F>,
    pub(in crate::host) worker: WorkerId,
}

impl<F: Flow> WorkerHost for WorkerHandle<F> {
    type Flow = F;

    async fn reach(&self, point: Failpoint) -> Result<(), Interrupt> {
        self.handle.reach(point).await
    }

    fn pull(&self, request: Request<F::Output>) -> Reply<F::Input> {
        let acknowledges = matches!(request, Request::Acknowledge { .. });
        let reply = self.handle.world().pull(self.worker, request);
        if acknowledges {
            self.handle.pulse.set_in_work(None);
        }
        reply
    }

    /// A point as well: work touches nothing shared, so it need not be suspended to die anywhere within.
    fn work<R>(&self, item: ItemId, work: impl FnOnce(&Pulse) -> R) -> (R, Duration) {
        self.handle.pulse.set_in_work(Some(item));
        self.handle.reach_in_work();
        (work(&self.handle.pulse), Duration::ZERO)
    }

    async fn wait_for_hint(&self) -> Duration {
        self.handle.pause(Failpoint::Waiting, true).await;
        Duration::ZERO
    }
}

impl<F: Flow> Handle<F> {
    fn reach_in_work(&self) {
        let world = &mut *self.world();
        let point = world.points.len();
        let actor = world.actors[self.id].who;
        world.points.push(Point { actor, at: Failpoint::InWork });
        let way = world.kill_in_work(point, self.id);
        let Some(way) = way.and_then(|way| world.effective(self.id, way)) else { return };
        world.note_kill(self.id, point, way);
        let actor = &mut world.actors[self.id];
        match way {
            Way::Silent => actor.fate = Some(way),
            Way::Ordered(Death::Hang) => {
                actor.pulse.note_order();
                actor.fate = Some(way);
            }
            Way::Ordered(death) => {
                actor.pulse.order(death);
                actor.is_doomed = true;
            }
        }
    }
}

/// The supervisor's handle.
pub(in crate::host) struct SupervisorHandle<F: Flow>(pub(in super::super) Handle<F>);

impl<F: Flow> SupervisorHost for SupervisorHandle<F> {
    async fn reach(&self, point: Failpoint) -> Result<(), Interrupt> {
        self.0.reach(point).await
    }

    fn decide(&self, event: SupervisorEvent) -> Vec<Action> {
        self.0.world().supervise(event)
    }

    fn perform(&self, action: Action) {
        match action {
            Action::Start(worker) => start_worker(&self.0.shared, worker),
            Action::Hint(worker) => self.0.world().hint(worker),
            Action::Fence(worker) => self.0.world().fence(worker),
        }
    }

    async fn wait(&self) {
        {
            let world = &mut *self.0.world();
            if world.core.is_stopping() {
                world.nudge_all_but(self.0.id); // the last nudge may have been lost
            }
        }
        self.0.pause(Failpoint::Waiting, true).await;
    }

    fn exits(&self) -> Vec<(WorkerId, Exit)> {
        self.0.world().exits()
    }

    fn forget_exit(&self, worker: WorkerId) {
        self.0.world().forget_exit(worker);
    }

    fn pulses(&self) -> Vec<PulseReading> {
        self.0.world().pulses()
    }

    fn is_over(&self) -> bool {
        self.0.world().core.is_over()
    }
}
