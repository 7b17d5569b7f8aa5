//! Raw actix: two actors, an arbiter each.

use crate::{MAILBOX, WINDOW};
use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message, System};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use tokio::sync::oneshot;

struct Number(u64);

impl Message for Number {
    type Result = u64;
}

/// Handles so many numbers, then says so.
struct Sink {
    left: u64,
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Sink {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Number> for Sink {
    type Result = u64;

    fn handle(&mut self, number: Number, _: &mut Self::Context) -> u64 {
        self.left -= 1;
        if self.left == 0 {
            let _ = self.done.take().expect("it ends once").send(());
        }
        number.0
    }
}

struct Source(Addr<Sink>);

impl Actor for Source {
    type Context = Context<Self>;
}

struct Begin {
    messages: u64,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    DoSend,
    /// Bounded; actix lets nobody wait for room, so a full mailbox is tried again.
    TrySend,
    WithAnswers,
}

impl Message for Begin {
    type Result = ();
}

impl Handler<Begin> for Source {
    type Result = ();

    fn handle(&mut self, begin: Begin, context: &mut Self::Context) {
        let sink = self.0.clone();
        match begin.how {
            How::DoSend => (0..begin.messages).for_each(|n| sink.do_send(Number(n))),
            How::TrySend => {
                for n in 0..begin.messages {
                    while sink.try_send(Number(n)).is_err() {
                        std::thread::yield_now();
                    }
                }
            }
            How::WithAnswers => {
                let sending = stream::iter(0..begin.messages)
                    .map(move |n| sink.send(Number(n)))
                    .buffered(WINDOW)
                    .for_each(|answer| async move { assert!(answer.is_ok()) });
                context.spawn(actix::fut::wrap_future(sending));
            }
        }
    }
}

pub fn do_send(messages: u64) -> Duration {
    run(messages, How::DoSend)
}

pub fn try_send(messages: u64) -> Duration {
    run(messages, How::TrySend)
}

pub fn send(messages: u64) -> Duration {
    run(messages, How::WithAnswers)
}

fn run(messages: u64, how: How) -> Duration {
    System::new().block_on(async {
        let (sender, done) = oneshot::channel();
        let (here, there) = (Arbiter::new(), Arbiter::new());
        let sink = Sink { left: messages, done: Some(sender) };
        let sink = Sink::start_in_arbiter(&there.handle(), |_| sink);
        let source = Source::start_in_arbiter(&here.handle(), |_| Source(sink));
        let began = std::time::Instant::now();
        source.do_send(Begin { messages, how });
        done.await.expect("the sink answers");
        let took = began.elapsed();
        here.stop();
        there.stop();
        took
    })
}
