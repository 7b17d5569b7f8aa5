//! How many messages a second go from one actor to another, on a thread each, with us and with our peers?
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml [-- ROUNDS]`
//!
//! All of them run in turn, round by round, in one process. What is asked of them differs: see what each row promises.

mod actix_peer;
mod kameo_peer;
mod ours;
mod ractor_peer;
mod tokio_peer;

use std::time::{Duration, Instant};

/// Messages that may wait, wherever there is a bound.
pub const MAILBOX: usize = 64;
/// Messages that may be without an answer, wherever there are answers.
pub const WINDOW: usize = 2;

/// How often and how long.
struct Row {
    name: &'static str,
    promises: &'static str,
    messages: u64,
    /// Sends so many messages from one actor to another and returns when all have been handled.
    run: fn(u64) -> Duration,
    rates: Vec<f64>,
}

fn rows() -> Vec<Row> {
    let row =
        |name, promises, messages, run| Row { name, promises, messages, run, rates: Vec::new() };
    vec![
        row(
            "planaria, mailbox 64, window 2",
            "bounded, one commit an item whatever dies",
            400_000,
            ours::two_stages,
        ),
        row("planaria, mailbox 1024, window 32", "the same", 400_000, ours::two_stages_wide),
        row("actix do_send", "no bound, lost on a death", 1_000_000, actix_peer::do_send),
        row(
            "actix try_send, mailbox 64",
            "bounded, lost on a death",
            400_000,
            actix_peer::try_send,
        ),
        row(
            "actix send, 2 in flight",
            "an answer each, lost on a death",
            100_000,
            actix_peer::send,
        ),
        row("ractor cast", "no bound, lost on a death", 1_000_000, ractor_peer::cast),
        row(
            "ractor call, 2 in flight",
            "an answer each, lost on a death",
            100_000,
            ractor_peer::call,
        ),
        row("kameo tell, mailbox 64", "bounded, lost on a death", 400_000, kameo_peer::tell),
        row("kameo ask, 2 in flight", "an answer each, lost on a death", 100_000, kameo_peer::ask),
        row("tokio mpsc, 64", "bounded, no actors", 1_000_000, tokio_peer::bounded),
        row("tokio mpsc, unbounded", "no bound, no actors", 1_000_000, tokio_peer::unbounded),
    ]
}

fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(7);
    let mut rows = rows();
    for _ in 0..rounds {
        for row in &mut rows {
            let took = (row.run)(row.messages);
            row.rates.push(row.messages as f64 / took.as_secs_f64());
        }
    }
    println!("| who | messages a second, median | least | most | promises |");
    println!("| --- | --- | --- | --- | --- |");
    for row in &mut rows {
        row.rates.sort_by(f64::total_cmp);
        let of = |n: usize| row.rates[n] / 1e6;
        let (least, middle, most) = (of(0), of(row.rates.len() / 2), of(row.rates.len() - 1));
        println!(
            "| {} | {middle:.2} M | {least:.2} M | {most:.2} M | {} |",
            row.name, row.promises
        );
    }
}

/// Runs to the end and tells how long it took.
pub fn time(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

/// A runtime of two threads, for those who share one.
pub fn two_threads() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("threads are to be had")
}
