//! An actor and its thread: an actix actor whose body is a worker's or a supervisor's loop, alone on its arbiter.
//!
//! `actix::Supervisor` is not used (a panic passes through it), nor is `SyncArbiter` (its queue has no bound): the actor's
//! future is spawned by hand inside `catch_unwind`, and a drop guard reports its end even when the whole thread is lost.

use crate::{
    failpoint::ExitCause,
    panics::{self, PanicTrace},
};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, dev,
};
use actix_rt::Arbiter;
use futures_util::FutureExt;
use std::{cell::RefCell, future::Future, panic::AssertUnwindSafe, pin::Pin, rc::Rc, sync::Arc};
use tokio::sync::Notify;

/// Nudges that may wait at once. One is enough: a nudge says "look", what there is to see is in the state.
const MAILBOX: usize = 16;

/// What an actor does all its life; none when its thread is to end without a word.
pub(crate) type Body = Pin<Box<dyn Future<Output = Option<ExitCause>>>>;

/// The actor.
pub(crate) struct Seat {
    wake: Arc<Notify>,
    body: Option<Body>,
    end: Rc<RefCell<Option<ExitCause>>>,
}

impl Actor for Seat {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let body = self.body.take().expect("actix starts an actor once");
        let life = actix::fut::wrap_future::<_, Self>(body).map(|end, seat, context| {
            seat.end.replace(end);
            context.stop();
        });
        context.spawn(life);
    }
}

/// "Look at the state": something in it concerns you. May be lost, and is repeated.
pub(crate) struct Nudge;

impl Message for Nudge {
    type Result = ();
}

impl Handler<Nudge> for Seat {
    type Result = ();

    fn handle(&mut self, _: Nudge, _: &mut Self::Context) {
        self.wake.notify_one();
    }
}

type Report = Box<dyn FnOnce(ExitCause, Option<PanicTrace>) + Send>;

/// Reports the end of an actor, whatever ends it, and the backtrace of its panic.
pub(crate) struct ExitNotice {
    cause: Option<ExitCause>,
    report: Option<Report>,
}

impl ExitNotice {
    pub(crate) fn new(report: impl FnOnce(ExitCause, Option<PanicTrace>) + Send + 'static) -> Self {
        ExitNotice { cause: None, report: Some(Box::new(report)) }
    }
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.cause.take().unwrap_or(ExitCause::ThreadLost), panics::take_backtrace());
        }
    }
}

/// Starts an actor on a new arbiter. `make` builds its body there.
///
/// # Panics
/// Outside an `actix::System`, or when the operating system gives no thread.
pub(crate) fn start(
    make: impl FnOnce() -> Result<Body, String> + Send + 'static,
    wake: Arc<Notify>,
    mut notice: ExitNotice,
) -> Addr<Seat> {
    let (sender, receiver) = dev::channel::channel(MAILBOX);
    let arbiter = Arbiter::new();
    let handle = arbiter.handle();
    arbiter.spawn_fn(move || {
        panics::this_thread_is_an_actors();
        actix_rt::spawn(async move {
            let life = AssertUnwindSafe(live(make, wake, receiver)).catch_unwind().await;
            notice.cause = match life {
                Ok(cause) => cause,
                Err(payload) => Some(ExitCause::Panic(panics::describe(payload.as_ref()))),
            };
            drop(notice);
            handle.stop();
        });
    });
    Addr::new(sender)
}

async fn live(
    make: impl FnOnce() -> Result<Body, String>,
    wake: Arc<Notify>,
    receiver: dev::channel::AddressReceiver<Seat>,
) -> Option<ExitCause> {
    let body = match make() {
        Ok(body) => body,
        Err(message) => return Some(ExitCause::NotMade(message)),
    };
    let end = Rc::new(RefCell::new(None));
    let seat = Seat { wake, body: Some(body), end: end.clone() };
    Context::with_receiver(receiver).into_future(seat).await;
    end.take()
}
