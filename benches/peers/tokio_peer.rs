//! tokio's channels between two tasks: the least that a message can cost.

use crate::{MAILBOX, time, two_threads};
use std::time::Duration;
use tokio::sync::mpsc;

pub fn bounded(messages: u64) -> Duration {
    let runtime = two_threads();
    time(|| {
        runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(MAILBOX);
            let sending = tokio::spawn(async move {
                for n in 0..messages {
                    sender.send(n).await.expect("it is received");
                }
            });
            let receiving = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
            sending.await.expect("it sends");
            receiving.await.expect("it receives");
        });
    })
}

pub fn unbounded(messages: u64) -> Duration {
    let runtime = two_threads();
    time(|| {
        runtime.block_on(async {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let sending = tokio::spawn(async move {
                for n in 0..messages {
                    sender.send(n).expect("it is received");
                }
            });
            let receiving = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
            sending.await.expect("it sends");
            receiving.await.expect("it receives");
        });
    })
}
