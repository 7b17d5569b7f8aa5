//! A tiny pipeline for tests: every item goes through three stages, each of which mixes its value.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses another part of it")]

use planaria_kernel::{
    ActixHost, Core, Done, Event, ExitCause, Flow, Intake, Intensity, ItemId, MakeWorker, PoolPlan,
    Pulse, Sharing, SlotId, StageId, Strategy, Supervision, Worker, WorkerError,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

pub const STAGES: u16 = 3;
/// Waiting for what must come is bounded by this alone: no test fails because a machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// The values of all items; `ends` counts how often each one ended.
#[derive(Debug)]
pub struct Relay {
    pub values: Vec<u64>,
    pub ends: Vec<u32>,
    pub given_up: Vec<(StageId, ItemId, ExitCause)>,
    /// The most items that a stage ever held unfinished.
    pub most_unfinished: [u64; STAGES as usize],
    /// Odd items go from the first stage to the last.
    pub bypass: bool,
    pub committed: Vec<(StageId, ItemId)>,
    accepted: u64,
    ended: u64,
    items: u64,
    done: watch::Sender<bool>,
}

impl Relay {
    pub fn new(items: u64) -> Self {
        let places = items as usize;
        Relay {
            values: vec![0; places],
            ends: vec![0; places],
            given_up: Vec::new(),
            most_unfinished: [0; STAGES as usize],
            bypass: false,
            committed: Vec::new(),
            accepted: 0,
            ended: 0,
            items,
            done: watch::Sender::new(false),
        }
    }

    /// Accepts what there is room for, and lets every stage go as far as the next one has room.
    pub fn admit(&mut self, intake: &mut Intake<'_>) {
        for stage in 0..STAGES - 1 {
            let next = StageId(stage + 1);
            let limit = intake.oldest_unfinished(next).0 + intake.mailbox(next);
            intake.raise_limit(StageId(stage), ItemId(limit));
        }
        let first = StageId(0);
        let bound = intake.oldest_unfinished(first).0 + intake.mailbox(first);
        while self.accepted < self.items.min(bound) {
            intake.accept(first, ItemId(self.accepted));
            self.accepted += 1;
        }
        for stage in 0..STAGES {
            let most = &mut self.most_unfinished[usize::from(stage)];
            *most = intake.unfinished(StageId(stage)).max(*most);
        }
        if self.ended == self.items {
            self.done.send_replace(true);
        }
    }

    fn end(&mut self, item: ItemId) {
        self.ends[item.0 as usize] += 1;
        self.ended += 1;
    }
}

impl Flow for Relay {
    type Input = u64;
    type Output = u64;

    fn input(&mut self, stage: StageId, item: ItemId) -> u64 {
        self.values[item.0 as usize].wrapping_add(u64::from(stage.0))
    }

    fn commit(&mut self, stage: StageId, item: ItemId, done: Done<u64>, intake: &mut Intake<'_>) {
        self.values[item.0 as usize] = done.output;
        self.committed.push((stage, item));
        match stage.0 + 1 {
            STAGES => self.end(item),
            1 if self.bypass && item.0 % 2 == 1 => {
                intake.skip(StageId(1), item);
                intake.accept(StageId(2), item);
            }
            next => intake.accept(StageId(next), item),
        }
        self.admit(intake);
    }

    fn give_up(&mut self, stage: StageId, item: ItemId, why: &ExitCause, intake: &mut Intake<'_>) {
        self.given_up.push((stage, item, why.clone()));
        self.end(item);
        for after in stage.0 + 1..STAGES {
            intake.skip(StageId(after), item);
        }
        self.admit(intake);
    }
}

/// Twenty rounds of mixing, with a heartbeat each.
pub fn mix(item: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
    let mut value = input ^ item.0;
    for _ in 0..20 {
        value = value.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
        pulse.beat()?;
    }
    Ok(value)
}

/// The worker that does as it should.
pub struct Mixer;

impl Worker<Relay> for Mixer {
    fn handle(&mut self, item: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
        mix(item, input, pulse)
    }
}

pub fn mixer() -> MakeWorker<Relay> {
    Arc::new(|_: SlotId| Ok(Box::new(Mixer)))
}

/// Workers whose work is this function.
pub fn maker(
    work: impl Fn(SlotId, ItemId, u64, &Pulse) -> Result<u64, WorkerError> + Send + Sync + 'static,
) -> MakeWorker<Relay> {
    let work = Arc::new(work);
    Arc::new(move |slot| Ok(Box::new(By { slot, work: work.clone() })))
}

struct By<W> {
    slot: SlotId,
    work: Arc<W>,
}

impl<W: Fn(SlotId, ItemId, u64, &Pulse) -> Result<u64, WorkerError>> Worker<Relay> for By<W> {
    fn handle(&mut self, item: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
        (self.work)(self.slot, item, input, pulse)
    }
}

pub fn intensity(restarts_max: u32) -> Intensity {
    Intensity { restarts_max, window_ms: 3_600_000, backoff_min_ms: 0, backoff_max_ms: 5 }
}

/// A sound plan; a slow machine is not taken for a hung worker.
pub fn plan(name: &'static str, workers: u16) -> PoolPlan {
    PoolPlan {
        name,
        workers,
        window: 2,
        mailbox: 32,
        hang_after_ms: 120_000,
        attempts_max: 3,
        shards: 64,
        sharing: Sharing::IdleSlotsHelp,
        strategy: Strategy::OneForOne,
        intensity: intensity(100_000),
    }
}

pub fn plans(workers: u16) -> Vec<PoolPlan> {
    vec![plan("first", workers), plan("second", workers), plan("third", workers)]
}

pub fn supervision() -> Supervision {
    Supervision { intensity: intensity(100_000), abandoned_threads_max: 64 }
}

pub fn start(
    plans: Vec<PoolPlan>,
    makers: Vec<MakeWorker<Relay>>,
    flow: Relay,
) -> ActixHost<Relay> {
    ActixHost::start(plans, supervision(), makers, flow, Relay::admit).expect("the plans are sound")
}

/// Waits until every item has ended.
pub async fn done(host: &ActixHost<Relay>) {
    let mut done = host.read(|core| core.flow().done.subscribe());
    let wait = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done));
    wait.await.expect("it ends in time").expect("the flow lives");
}

/// Stops a pipeline that no failure has ended.
pub async fn end(host: &ActixHost<Relay>) {
    host.stop();
    let ended = tokio::time::timeout(PATIENCE, host.ended()).await;
    assert_eq!(ended.expect("a stopped pipeline ends"), None);
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub fn events(host: &ActixHost<Relay>) -> Vec<Event> {
    host.events_since(0, usize::MAX).into_iter().map(|numbered| numbered.event).collect()
}

/// What the pipeline makes of the items when nobody dies, one worker a stage.
pub fn undisturbed(items: u64) -> Vec<u64> {
    actix_rt::System::new().block_on(async {
        let host = start(plans(1), vec![mixer(); 3], Relay::new(items));
        done(&host).await;
        end(&host).await;
        values(&host)
    })
}

pub fn values(host: &ActixHost<Relay>) -> Vec<u64> {
    host.read(|core| core.flow().values.clone())
}

/// Asserts that every item ended once and every ledger adds up.
pub fn each_item_ended_once(host: &ActixHost<Relay>) {
    let (ends, counts) = host.read(|core: &Core<Relay>| {
        let counts: Vec<_> = core.pools().iter().map(|pool| pool.ledger().counts()).collect();
        (core.flow().ends.clone(), counts)
    });
    assert!(ends.iter().all(|&n| n == 1), "each item ends once");
    for counts in counts {
        assert_eq!((counts.ready, counts.leased), (0, 0));
        assert_eq!(counts.accepted, counts.committed + counts.dead_lettered);
    }
}
