//! Real threads, real deaths: whatever is killed, every item is committed once and the result is the same.

mod support;

use planaria_kernel::{
    ActixHost, Core, Death, Event, ExitCause, ItemId, MakeWorker, PoolPlan, SlotId, StageId,
    Target, WorkerError, ledger::Counts,
};
use planaria_random::{Purpose, Stream};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::*;

/// Their work on items that are multiples of 100 always fails, every second time by a panic.
fn choosy() -> MakeWorker<Relay> {
    maker(|_, item: ItemId, input, pulse| {
        assert!(!item.0.is_multiple_of(200), "cannot stomach {}", item.0);
        if item.0.is_multiple_of(100) {
            return Err(WorkerError::Failed(format!("cannot stomach {}", item.0)));
        }
        mix(item, input, pulse)
    })
}

/// Whoever is the first to work on item 5 hangs in the middle of it, until it is fenced; then it answers all the same.
fn stuck_once() -> MakeWorker<Relay> {
    let was_stuck = AtomicBool::new(false);
    maker(move |_, item: ItemId, input, pulse| {
        if item.0 == 5 && !was_stuck.swap(true, Ordering::AcqRel) {
            while !pulse.is_fenced() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        mix(item, input, pulse)
    })
}

/// Hangs are noticed after so long; a slow machine, too, may be taken for hung: no item is given up for it.
fn impatient(workers: u16, hang_after_ms: u64, attempts_max: u32) -> Vec<PoolPlan> {
    let plan = |plan| PoolPlan { hang_after_ms, attempts_max, ..plan };
    plans(workers).into_iter().map(plan).collect()
}

fn start_mixers(items: u64, workers: u16) -> ActixHost<Relay> {
    start(impatient(workers, 5_000, 1_000), vec![mixer(); 3], Relay::new(items))
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
    until("a death is noticed", || host.read(Core::failures) > 0).await;
}

#[test]
fn three_hundred_deaths_of_every_kind_change_nothing() {
    let items = 30_000;
    let expected = undisturbed(items);
    actix_rt::System::new().block_on(async {
        let host = start(impatient(2, 100, 1_000), vec![mixer(); 3], Relay::new(items));
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
        let makers = vec![mixer(), stuck_once(), mixer()];
        let host = start(impatient(2, 1_000, 1_000), makers, Relay::new(200_000));
        let slot = SlotId { stage: StageId(1), index: 0 };
        kill(&host, Target::Worker(slot), Death::Hang).await;
        first_death(&host).await;
        done(&host).await;
        assert!(ends(&host).0.iter().all(|&n| n == 1));
        let hung = |event: &Event| matches!(event, Event::Died { worker, cause: ExitCause::Hung { .. }, ordered: true, .. } if worker.slot == slot);
        assert!(host.events_since(0, usize::MAX).iter().any(|event| hung(&event.event)));
        until("the late answer", || ends(&host).2[1].fenced_duplicates > 0).await;
        let (ends, _, stages) = ends(&host);
        assert!(ends.iter().all(|&n| n == 1), "the late answer commits nothing");
        assert_eq!(stages[1].committed, 200_000);
        end(&host).await;
    });
}

#[test]
fn a_worker_that_hangs_while_it_has_nothing_to_do_is_noticed_too() {
    actix_rt::System::new().block_on(async {
        let host = start_mixers(10, 1);
        done(&host).await;
        kill(&host, Target::Stage(StageId(0)), Death::Hang).await;
        first_death(&host).await;
        end(&host).await;
    });
}

#[test]
fn an_item_that_kills_every_worker_becomes_a_dead_letter_and_the_others_go_on() {
    actix_rt::System::new().block_on(async {
        let host = start(plans(2), vec![mixer(), mixer(), choosy()], Relay::new(1_000));
        done(&host).await;
        let mut given_up = host.read(|core| core.flow().given_up.clone());
        given_up.sort_by_key(|(_, item, _)| *item);
        let items: Vec<u64> = given_up.iter().map(|(_, item, _)| item.0).collect();
        assert_eq!(items, (0..10).map(|n| n * 100).collect::<Vec<_>>());
        let causes: Vec<String> = given_up.iter().map(|(_, _, why)| why.to_string()).collect();
        assert!(causes[0].contains("panic: cannot stomach 0"), "{}", causes[0]);
        assert!(causes[1].contains("error: cannot stomach 100"), "{}", causes[1]);
        let (_, _, stages) = ends(&host);
        assert_eq!((stages[2].committed, stages[2].dead_lettered), (990, 10));
        end(&host).await;
    });
}

#[test]
fn a_worker_that_cannot_be_made_escalates_and_ends_the_pipeline() {
    actix_rt::System::new().block_on(async {
        let broken: MakeWorker<Relay> = Arc::new(|_| Err("no such device".to_owned()));
        let mut plans = plans(2);
        plans[1].intensity = intensity(3);
        let host = start(plans, vec![mixer(), broken, mixer()], Relay::new(100));
        let ended = tokio::time::timeout(PATIENCE, host.ended()).await;
        let escalation = ended.expect("it ends").expect("by a failure").to_string();
        assert!(escalation.contains("second/") && escalation.contains("no such device"));
    });
}

#[test]
fn names_of_actors_are_understood_and_wrong_ones_named() {
    actix_rt::System::new().block_on(async {
        let host = start_mixers(10, 2);
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
