//! A pipeline for benches: a line of stages through which numbers go, in constant memory however many there are.

#![allow(dead_code, unreachable_pub, reason = "each bench uses another part of it")]

use planaria_kernel::{
    ActixHost, Done, ExitCause, Flow, Intake, Intensity, ItemId, MakeWorker, PoolPlan, Pulse,
    Sharing, SlotId, StageId, Strategy, Supervision, Worker, WorkerError,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Room for the items of one stage.
pub const MAILBOX: u64 = 64;

/// The numbers on their way, and a hash of those that arrived, in their order.
pub struct Line {
    stages: u16,
    /// The value of item `i` is at `i % len`: no more than `len` are on their way.
    values: Vec<u64>,
    arrived: Vec<bool>,
    /// Every item below has arrived and is in the hash.
    pub arrived_below: u64,
    pub hash: u64,
    /// Items that ended twice, or did not arrive at all: both must stay 0.
    pub twice: u64,
    pub given_up: u64,
    pub busy: Duration,
    accepted: u64,
    /// Items to accept at most; a bench may lower it to come to an end.
    pub items: u64,
    done: watch::Sender<bool>,
}

impl Line {
    pub fn new(stages: u16, items: u64) -> Self {
        let room = (u64::from(stages) * MAILBOX + 1).next_power_of_two() as usize;
        Line {
            stages,
            values: vec![0; room],
            arrived: vec![false; room],
            arrived_below: 0,
            hash: 0,
            twice: 0,
            given_up: 0,
            busy: Duration::ZERO,
            accepted: 0,
            items,
            done: watch::Sender::new(false),
        }
    }

    pub fn admit(&mut self, intake: &mut Intake<'_>) {
        for stage in 0..self.stages - 1 {
            let next = StageId(stage + 1);
            intake.raise_limit(StageId(stage), ItemId(intake.oldest_unfinished(next).0 + MAILBOX));
        }
        let bound = intake.oldest_unfinished(StageId(0)).0 + MAILBOX;
        while self.accepted < self.items.min(bound) {
            let place = self.place(ItemId(self.accepted));
            self.values[place] = self.accepted;
            intake.accept(StageId(0), ItemId(self.accepted));
            self.accepted += 1;
        }
        if self.arrived_below == self.items {
            self.done.send_replace(true);
        }
    }

    /// Accepts no more; the pipeline is done when all that was accepted has arrived.
    pub fn close(&mut self, intake: &mut Intake<'_>) {
        self.items = self.accepted;
        self.admit(intake);
    }

    fn place(&self, item: ItemId) -> usize {
        (item.0 % self.values.len() as u64) as usize
    }

    fn arrive(&mut self, item: ItemId) {
        let place = self.place(item);
        if item.0 < self.arrived_below || std::mem::replace(&mut self.arrived[place], true) {
            self.twice += 1;
            return;
        }
        loop {
            let place = self.place(ItemId(self.arrived_below));
            if !std::mem::take(&mut self.arrived[place]) {
                break;
            }
            self.hash = fold(self.hash, self.values[place]);
            self.arrived_below += 1;
        }
    }
}

/// What `items` numbers through `stages` stages must come to.
pub fn expected_hash(stages: u16, items: u64) -> u64 {
    (0..items).fold(0, |hash, item| fold(hash, (0..stages).fold(item, |v, _| mix(v))))
}

fn fold(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(5)
}

/// What each stage does to a number.
pub fn mix(value: u64) -> u64 {
    value.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) ^ 0x51AD
}

impl Flow for Line {
    type Input = u64;
    type Output = u64;

    fn input(&mut self, _: StageId, item: ItemId) -> u64 {
        self.values[self.place(item)]
    }

    fn commit(&mut self, stage: StageId, item: ItemId, done: Done<u64>, intake: &mut Intake<'_>) {
        let place = self.place(item);
        self.values[place] = done.output;
        self.busy += done.busy;
        if stage.0 + 1 == self.stages {
            self.arrive(item);
        } else {
            intake.accept(StageId(stage.0 + 1), item);
        }
        self.admit(intake);
    }

    fn give_up(&mut self, _: StageId, _: ItemId, _: &ExitCause, _: &mut Intake<'_>) {
        self.given_up += 1;
    }
}

struct By<W>(Arc<W>, SlotId);

impl<W: Fn(SlotId, u64, &Pulse) -> Result<u64, WorkerError>> Worker<Line> for By<W> {
    fn handle(&mut self, _: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
        (self.0)(self.1, input, pulse)
    }
}

/// Workers whose work is this function.
pub fn maker(
    work: impl Fn(SlotId, u64, &Pulse) -> Result<u64, WorkerError> + Send + Sync + 'static,
) -> MakeWorker<Line> {
    let work = Arc::new(work);
    Arc::new(move |slot| Ok(Box::new(By(work.clone(), slot))))
}

/// Workers that do nothing but `mix`.
pub fn mixer() -> MakeWorker<Line> {
    maker(|_, input, _| Ok(mix(input)))
}

pub fn intensity() -> Intensity {
    let restarts_max = u32::MAX;
    Intensity { restarts_max, window_ms: 1_000, backoff_min_ms: 0, backoff_max_ms: 0 }
}

pub fn plans(stages: u16, workers: u16) -> Vec<PoolPlan> {
    let names = ["first", "second", "third", "fourth"];
    let plan = |name: &&'static str| PoolPlan {
        name,
        workers,
        window: 2,
        mailbox: MAILBOX,
        shards: 64,
        sharing: Sharing::IdleSlotsHelp,
        hang_after_ms: 30_000,
        attempts_max: 1_000_000,
        strategy: Strategy::OneForOne,
        intensity: intensity(),
    };
    names[..usize::from(stages)].iter().map(plan).collect()
}

pub fn start(plans: Vec<PoolPlan>, makers: Vec<MakeWorker<Line>>, items: u64) -> ActixHost<Line> {
    let supervision = Supervision { intensity: intensity(), abandoned_threads_max: 64 };
    let flow = Line::new(plans.len() as u16, items);
    ActixHost::start(plans, supervision, makers, flow, Line::admit).expect("the plans are sound")
}

pub async fn done(host: &ActixHost<Line>) {
    let mut done = host.read(|core| core.flow().done.subscribe());
    done.wait_for(|done| *done).await.expect("the flow lives");
}

pub async fn end(host: &ActixHost<Line>) {
    host.stop();
    assert_eq!(host.ended().await, None);
}

/// Works for so long, by the clock on the wall.
#[allow(clippy::disallowed_methods, reason = "a bench may read a clock")]
pub fn spin(time: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench may read a clock")]
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The processor time of this process so far, user and system, in steps of 10 ms.
pub fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// A number of `/proc/self/status`, as `VmRSS` (kB) or `Threads`.
pub fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.split(':').next() == Some(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
