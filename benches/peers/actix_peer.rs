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
    with_answers: bool,
}

impl Message for Begin {
    type Result = ();
}

impl Handler<Begin> for Source {
    type Result = ();

    fn handle(&mut self, begin: Begin, context: &mut Self::Context) {
        let sink = self.0.clone();
        if begin.with_answers {
            let sending = stream::iter(0..begin.messages)
                .map(move |n| sink.send(Number(n)))
                .buffered(WINDOW)
                .for_each(|answer| async move { assert!(answer.is_ok()) });
            context.spawn(actix::fut::wrap_future(sending));
        } else {
            (0..begin.messages).for_each(|n| sink.do_send(Number(n)));
        }
    }
}

pub fn do_send(messages: u64) -> Duration {
    run(messages, false)
}

pub fn send(messages: u64) -> Duration {
    run(messages, true)
}

fn run(messages: u64, with_answers: bool) -> Duration {
    System::new().block_on(async {
        let (sender, done) = oneshot::channel();
        let (here, there) = (Arbiter::new(), Arbiter::new());
        let sink = Sink { left: messages, done: Some(sender) };
        let sink = Sink::start_in_arbiter(&there.handle(), |_| sink);
        let source = Source::start_in_arbiter(&here.handle(), |_| Source(sink));
        let began = std::time::Instant::now();
        source.do_send(Begin { messages, with_answers });
        done.await.expect("the sink answers");
        let took = began.elapsed();
        here.stop();
        there.stop();
        took
    })
}
