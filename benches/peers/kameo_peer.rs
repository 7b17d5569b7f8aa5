//! kameo: two actors on a runtime of two threads.

use crate::{MAILBOX, WINDOW, two_threads};
use futures_util::{StreamExt, stream};
use kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    mailbox,
    message::{Context, Message},
};
use std::time::Duration;
use tokio::sync::oneshot;

struct Number;

#[derive(Actor)]
struct Sink {
    left: u64,
    done: Option<oneshot::Sender<()>>,
}

impl Message<Number> for Sink {
    type Reply = u64;

    async fn handle(&mut self, _: Number, _: &mut Context<Self, Self::Reply>) -> u64 {
        self.left -= 1;
        if self.left == 0 {
            let _ = self.done.take().expect("it ends once").send(());
        }
        self.left
    }
}

#[derive(Actor)]
struct Source(ActorRef<Sink>);

struct Begin {
    messages: u64,
    with_answers: bool,
}

impl Message<Begin> for Source {
    type Reply = ();

    async fn handle(&mut self, begin: Begin, _: &mut Context<Self, Self::Reply>) {
        let sink = &self.0;
        if begin.with_answers {
            stream::iter(0..begin.messages)
                .map(|_| async move { sink.ask(Number).await })
                .buffered(WINDOW)
                .for_each(|answer| async move { assert!(answer.is_ok()) })
                .await;
        } else {
            for _ in 0..begin.messages {
                sink.tell(Number).await.expect("it is there");
            }
        }
    }
}

pub fn tell(messages: u64) -> Duration {
    run(messages, false)
}

pub fn ask(messages: u64) -> Duration {
    run(messages, true)
}

fn run(messages: u64, with_answers: bool) -> Duration {
    let runtime = two_threads();
    runtime.block_on(async {
        let (sender, done) = oneshot::channel();
        let sink = Sink { left: messages, done: Some(sender) };
        let sink = Sink::spawn_with_mailbox(sink, mailbox::bounded(MAILBOX));
        let source = Source::spawn(Source(sink));
        let began = std::time::Instant::now();
        source.tell(Begin { messages, with_answers }).await.expect("it is there");
        done.await.expect("the sink answers");
        began.elapsed()
    })
}
