//! Real threads, real deaths: whatever is killed, every item is committed once and the result is the same.

use planaria_kernel::{
    ActixHost, Core, Death, Done, Event, ExitCause, Flow, Intake, Intensity, ItemId, MakeWorker,
    PoolPlan, Pulse, Sharing, SlotId, StageId, Strategy, Supervision, Target, Worker, WorkerError,
    ledger::Counts,
};
use planaria_random::{Purpose, Stream};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

const STAGES: u16 = 3;

/// Every item goes through three stages, each of which mixes its value; `ends` counts how often each one ended.
struct Relay {
    values: Vec<u64>,
    ends: Vec<u32>,
    given_up: Vec<(u64, String)>,
    accepted: u64,
    ended: u64,
    items: u64,
    done: watch::Sender<bool>,
}

impl Relay {
    fn new(items: u64) -> Self {
        let places = items as usize;
        Relay {
            values: vec![0; places],
            ends: vec![0; places],
            given_up: Vec::new(),
            accepted: 0,
            ended: 0,
            items,
            done: watch::Sender::new(false),
        }
    }

    fn end(&mut self, item: ItemId) {
        self.ends[item.0 as usize] += 1;
        self.ended += 1;
    }

    fn admit(&mut self, intake: &mut Intake<'_>) {
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
        if self.ended == self.items {
            self.done.send_replace(true);
        }
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
        match stage.0 + 1 {
            STAGES => self.end(item),
            next => intake.accept(StageId(next), item),
        }
        self.admit(intake);
    }

    fn give_up(
        &mut self,
        stage: StageId,
        item: ItemId,
        cause: &ExitCause,
        intake: &mut Intake<'_>,
    ) {
        self.given_up.push((item.0, format!("{stage:?}: {cause}")));
        self.end(item);
        for after in stage.0 + 1..STAGES {
            intake.skip(StageId(after), item);
        }
        self.admit(intake);
    }
}

struct Mixer;

impl Worker<Relay> for Mixer {
    fn handle(&mut self, item: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
        let mut value = input ^ item.0;
        for _ in 0..20 {
            value = value.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
            pulse.beat()?;
        }
        Ok(value)
    }
}

/// Its work on items of the last stage that are multiples of 100 always fails, every second time by a panic.
struct Choosy;

impl Worker<Relay> for Choosy {
    fn handle(&mut self, item: ItemId, input: u64, pulse: &Pulse) -> Result<u64, WorkerError> {
        assert!(!item.0.is_multiple_of(200), "cannot stomach {}", item.0);
        if item.0.is_multiple_of(100) {
            return Err(WorkerError::Failed(format!("cannot stomach {}", item.0)));
        }
        Mixer.handle(item, input, pulse)
    }
}

fn intensity(restarts_max: u32) -> Intensity {
    Intensity { restarts_max, window_ms: 60_000, backoff_min_ms: 0, backoff_max_ms: 10 }
}

fn plans(workers: u16, restarts_max: u32) -> Vec<PoolPlan> {
    let plan = |name| PoolPlan {
        name,
        workers,
        window: 2,
        mailbox: 32,
        hang_after_ms: 5_000,
        attempts_max: 3,
        shards: 64,
        sharing: Sharing::IdleSlotsHelp,
        strategy: Strategy::OneForOne,
        intensity: intensity(restarts_max),
    };
    vec![plan("first"), plan("second"), plan("third")]
}

fn supervision() -> Supervision {
    Supervision { intensity: intensity(100_000), abandoned_threads_max: 64 }
}

fn maker<W: Worker<Relay> + Default + 'static>() -> MakeWorker<Relay> {
    Arc::new(|_: SlotId| Ok(Box::new(W::default()) as Box<dyn Worker<Relay>>))
}

impl Default for Mixer {
    fn default() -> Self {
        Mixer
    }
}

impl Default for Choosy {
    fn default() -> Self {
        Choosy
    }
}

fn start(items: u64, workers: u16, makers: Vec<MakeWorker<Relay>>) -> ActixHost<Relay> {
    let flow = Relay::new(items);
    ActixHost::start(plans(workers, 100_000), supervision(), makers, flow, Relay::admit)
        .expect("the plans are sound")
}

async fn done(host: &ActixHost<Relay>) {
    let mut done = host.read(|core| core.flow().done.subscribe());
    let wait = tokio::time::timeout(Duration::from_secs(120), done.wait_for(|done| *done));
    wait.await.expect("it ends within two minutes").expect("the flow lives");
}

async fn end(host: &ActixHost<Relay>) {
    host.stop();
    let ended = tokio::time::timeout(Duration::from_secs(60), host.ended()).await;
    assert_eq!(ended.expect("a stopped pipeline ends"), None);
}

/// How often each item ended, how many deaths there were, and each stage's counts.
fn ends(host: &ActixHost<Relay>) -> (Vec<u32>, u64, Vec<Counts>) {
    let counts =
        |core: &Core<Relay>| core.pools().iter().map(|pool| pool.ledger().counts()).collect();
    host.read(|core| (core.flow().ends.clone(), core.failures(), counts(core)))
}

/// Orders a death until somebody lives to get the order.
async fn kill(host: &ActixHost<Relay>, target: Target, death: Death) {
    while host.kill(target, death).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until the supervisor has noticed a death.
async fn first_death(host: &ActixHost<Relay>) {
    let noticed = async {
        while host.read(Core::failures) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), noticed).await.expect("it is noticed");
}

fn values(host: &ActixHost<Relay>) -> Vec<u64> {
    host.read(|core| core.flow().values.clone())
}

fn undisturbed(items: u64) -> Vec<u64> {
    actix_rt::System::new().block_on(async {
        let host = start(items, 1, vec![maker::<Mixer>(); 3]);
        done(&host).await;
        end(&host).await;
        values(&host)
    })
}

/// Hangs are noticed soon, and a slow machine, too, may be taken for hung: no item is given up for it.
fn impatient() -> Vec<PoolPlan> {
    let mut plans = plans(2, 100_000);
    for plan in &mut plans {
        plan.hang_after_ms = 100;
        plan.attempts_max = 1_000;
    }
    plans
}

#[test]
fn three_hundred_deaths_of_every_kind_change_nothing() {
    let items = 30_000;
    let expected = undisturbed(items);
    actix_rt::System::new().block_on(async {
        let makers = vec![maker::<Mixer>(); 3];
        let flow = Relay::new(items);
        let host = ActixHost::start(impatient(), supervision(), makers, flow, Relay::admit)
            .expect("the plans are sound");
        let mut stream = Stream::new(7, Purpose::Chaos, 0, 0);
        let mut kills = 0;
        while kills < 300 && !host.read(|core| core.is_empty()) {
            let death = Death::ALL[stream.next_below(5) as usize];
            let stage = StageId(stream.next_below(3) as u16);
            let slot = SlotId { stage, index: stream.next_below(2) as u16 };
            kills += host.kill(Target::Worker(slot), death).len();
            if kills % 20 == 0 {
                host.kill(Target::Supervisor, death);
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        done(&host).await;
        let (ends, failures, stages) = ends(&host);
        assert!(ends.iter().all(|&n| n == 1), "each item ends once");
        assert!(failures > 0, "somebody died");
        for counts in stages {
            assert_eq!(counts.committed, items);
            assert_eq!(counts.dead_lettered, 0, "no ordered death is charged to an item");
            assert!(counts.redelivered <= 2 * failures, "at most the window a death");
        }
        assert_eq!(values(&host), expected);
        end(&host).await;
    });
}

#[test]
fn a_hung_worker_is_fenced_and_its_late_answer_dropped() {
    actix_rt::System::new().block_on(async {
        let host = start(200_000, 2, vec![maker::<Mixer>(); 3]);
        let slot = SlotId { stage: StageId(1), index: 0 };
        kill(&host, Target::Worker(slot), Death::Hang).await;
        first_death(&host).await;
        done(&host).await;
        assert!(ends(&host).0.iter().all(|&n| n == 1));
        let hung = |event: &Event| matches!(event, Event::Died { worker, cause: ExitCause::Hung { .. }, ordered: true, .. } if worker.slot == slot);
        assert!(host.events_since(0, usize::MAX).iter().any(|event| hung(&event.event)));
        end(&host).await;
    });
}

#[test]
fn a_worker_that_hangs_while_it_has_nothing_to_do_is_noticed_too() {
    actix_rt::System::new().block_on(async {
        let host = start(10, 1, vec![maker::<Mixer>(); 3]);
        done(&host).await;
        kill(&host, Target::Stage(StageId(0)), Death::Hang).await;
        first_death(&host).await;
        end(&host).await;
    });
}

#[test]
fn an_item_that_kills_every_worker_becomes_a_dead_letter_and_the_others_go_on() {
    actix_rt::System::new().block_on(async {
        let host = start(1_000, 2, vec![maker::<Mixer>(), maker::<Mixer>(), maker::<Choosy>()]);
        done(&host).await;
        let mut given_up = host.read(|core| core.flow().given_up.clone());
        given_up.sort();
        let items: Vec<u64> = given_up.iter().map(|(item, _)| *item).collect();
        assert_eq!(items, (0..10).map(|n| n * 100).collect::<Vec<_>>());
        assert!(given_up[0].1.contains("panic: cannot stomach 0"), "{}", given_up[0].1);
        assert!(given_up[1].1.contains("error: cannot stomach 100"), "{}", given_up[1].1);
        let (_, _, stages) = ends(&host);
        assert_eq!((stages[2].committed, stages[2].dead_lettered), (990, 10));
        end(&host).await;
    });
}

#[test]
fn a_worker_that_cannot_be_made_escalates_and_ends_the_pipeline() {
    actix_rt::System::new().block_on(async {
        let broken: MakeWorker<Relay> = Arc::new(|_| Err("no such device".to_owned()));
        let makers = vec![maker::<Mixer>(), broken, maker::<Mixer>()];
        let flow = Relay::new(100);
        let host = ActixHost::start(plans(2, 3), supervision(), makers, flow, Relay::admit)
            .expect("the plans are sound");
        let ended = tokio::time::timeout(Duration::from_secs(60), host.ended()).await;
        let escalation = ended.expect("it ends").expect("by a failure").to_string();
        assert!(escalation.contains("second/") && escalation.contains("no such device"));
    });
}

#[test]
fn names_of_actors_are_understood_and_wrong_ones_named() {
    actix_rt::System::new().block_on(async {
        let host = start(10, 2, vec![maker::<Mixer>(); 3]);
        let slot = SlotId { stage: StageId(1), index: 0 };
        assert_eq!(host.target("second/1"), Ok(Target::Worker(slot)));
        assert_eq!(host.target("third"), Ok(Target::Stage(StageId(2))));
        assert_eq!(host.target("all"), Ok(Target::All));
        for wrong in ["second/0", "second/3", "second/x", "fourth", "", "/1", "all/1"] {
            let error = host.target(wrong).expect_err(wrong).to_string();
            assert!(error.contains("second/1-2"), "{error}");
        }
        done(&host).await;
        end(&host).await;
    });
}
