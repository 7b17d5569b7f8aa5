//! ractor: two actors on a runtime of two threads.

use crate::{WINDOW, two_threads};
use futures_util::{StreamExt, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use std::time::Duration;
use tokio::sync::oneshot;

enum Number {
    Told,
    Asked(RpcReplyPort<u64>),
}

struct Sink;

impl Actor for Sink {
    type Msg = Number;
    type State = (u64, Option<oneshot::Sender<()>>);
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        _: ActorRef<Number>,
        arguments: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: ActorRef<Number>,
        number: Number,
        (left, done): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        *left -= 1;
        if let Number::Asked(port) = number {
            port.send(*left)?;
        }
        if *left == 0 {
            let _ = done.take().expect("it ends once").send(());
        }
        Ok(())
    }
}

struct Begin {
    messages: u64,
    with_answers: bool,
}

struct Source;

impl Actor for Source {
    type Msg = Begin;
    type State = ActorRef<Number>;
    type Arguments = ActorRef<Number>;

    async fn pre_start(
        &self,
        _: ActorRef<Begin>,
        sink: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(sink)
    }

    async fn handle(
        &self,
        _: ActorRef<Begin>,
        begin: Begin,
        sink: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if begin.with_answers {
            stream::iter(0..begin.messages)
                .map(|_| sink.call(Number::Asked, None))
                .buffered(WINDOW)
                .for_each(|answer| async move { assert!(answer.is_ok()) })
                .await;
        } else {
            for _ in 0..begin.messages {
                sink.cast(Number::Told)?;
            }
        }
        Ok(())
    }
}

pub fn cast(messages: u64) -> Duration {
    run(messages, false)
}

pub fn call(messages: u64) -> Duration {
    run(messages, true)
}

fn run(messages: u64, with_answers: bool) -> Duration {
    let runtime = two_threads();
    runtime.block_on(async {
        let (sender, done) = oneshot::channel();
        let (sink, _) =
            Actor::spawn(None, Sink, (messages, Some(sender))).await.expect("it starts");
        let (source, _) = Actor::spawn(None, Source, sink.clone()).await.expect("it starts");
        let began = std::time::Instant::now();
        source.cast(Begin { messages, with_answers }).expect("it is there");
        done.await.expect("the sink answers");
        let took = began.elapsed();
        source.stop(None);
        sink.stop(None);
        took
    })
}
