//! Pools that grow and shrink while they work. A test crate of its own and one test at a time: it counts threads.

mod support;

use planaria_kernel::{ActixHost, Event, SlotState, StageId, snapshot};
use std::{collections::BTreeSet, sync::Mutex, time::Duration};
use support::*;

/// Threads are counted, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

const SECOND: StageId = StageId(1);

/// Threads of this process; none where nobody tells.
fn threads() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

async fn committed_in_second(host: &ActixHost<Relay>, at_least: u64) {
    let what = format!("{at_least} commits");
    until(&what, || host.read(|core| core.pools()[1].ledger().counts().committed) >= at_least)
        .await;
}

async fn second_has(host: &ActixHost<Relay>, workers: usize) {
    until("the pool has its new size", || {
        let workers_now = host.read(snapshot).swap_remove(1).workers;
        let up = workers_now.iter().filter(|worker| worker.state == SlotState::Up).count();
        up == workers && workers_now.len() == workers
    })
    .await;
}

/// A worker that is slow enough for the pool to be scaled meanwhile.
fn slow_makers(work: Duration) -> Vec<planaria_kernel::MakeWorker<Relay>> {
    let slow = maker(move |_, item, input, pulse| {
        std::thread::sleep(work);
        mix(item, input, pulse)
    });
    vec![mixer(), slow, mixer()]
}

#[test]
fn a_pool_grows_and_shrinks_while_it_works_and_nothing_changes() {
    let _turn = TURN.lock();
    let items = 4_000;
    let expected = undisturbed(items);
    actix_rt::System::new().block_on(async {
        let host = start(plans(1), slow_makers(Duration::from_micros(200)), Relay::new(items));
        second_has(&host, 1).await;
        let before = threads();
        for (workers, commits) in [(4, 300), (2, 900), (1, 1_500)] {
            committed_in_second(&host, commits).await;
            host.scale(SECOND, workers).expect("within the limits");
            second_has(&host, usize::from(workers)).await;
        }
        until("the threads of the retired are gone", || threads() <= before).await;
        done(&host).await;
        each_item_ended_once(&host);
        assert_eq!(values(&host), expected);
        let redelivered = host.read(|core| core.pools()[1].ledger().counts().redelivered);
        assert_eq!(redelivered, 0, "who retires ends what it holds");
        assert_eq!(host.read(planaria_kernel::Core::failures), 0, "to retire is no failure");
        let scaled: Vec<_> = events(&host)
            .into_iter()
            .filter_map(|event| match event {
                Event::Scaled { stage: SECOND, from, to } => Some((from, to)),
                _ => None,
            })
            .collect();
        assert_eq!(scaled, [(1, 4), (4, 2), (2, 1)]);
        end(&host).await;
    });
}

#[test]
fn a_pool_scaled_to_and_fro_at_once_loses_nothing() {
    let _turn = TURN.lock();
    let items = 3_000;
    let expected = undisturbed(items);
    actix_rt::System::new().block_on(async {
        let host = start(plans(2), slow_makers(Duration::from_micros(200)), Relay::new(items));
        let mut commits = 0;
        for workers in [5, 1, 3, 1, 4, 2].into_iter().cycle().take(60) {
            for stage in 0..STAGES {
                host.scale(StageId(stage), workers).expect("within the limits");
            }
            commits += 40;
            committed_in_second(&host, commits).await;
        }
        done(&host).await;
        each_item_ended_once(&host);
        assert_eq!(values(&host), expected);
        second_has(&host, 2).await;
        end(&host).await;
    });
}

#[test]
fn no_stage_holds_more_unfinished_items_than_its_mailbox_and_everybody_gets_work() {
    let _turn = TURN.lock();
    actix_rt::System::new().block_on(async {
        // The last stage is the slow one: without a bound everything would pile up before it.
        let workers = std::sync::Arc::new(Mutex::new(BTreeSet::new()));
        let seen = workers.clone();
        let slow = maker(move |slot, item, input, pulse| {
            seen.lock().expect("nobody panics").insert(slot.index);
            std::thread::sleep(Duration::from_micros(100));
            mix(item, input, pulse)
        });
        let mut plans = plans(3);
        for plan in &mut plans {
            plan.mailbox = 10;
        }
        let host = start(plans, vec![mixer(), mixer(), slow], Relay::new(3_000));
        done(&host).await;
        let most = host.read(|core| core.flow().most_unfinished);
        assert!(most.iter().all(|&most| most <= 10), "{most:?}");
        assert_eq!(most[2], 10, "the slow stage's mailbox was full");
        assert_eq!(workers.lock().expect("nobody panics").len(), 3, "nobody was starved");
        each_item_ended_once(&host);
        end(&host).await;
    });
}

#[test]
fn automatic_scaling_finds_the_bottleneck_and_changes_nothing() {
    let _turn = TURN.lock();
    let items = 600;
    let expected = undisturbed(items);
    actix_rt::System::new().block_on(async {
        let host = start(plans(1), slow_makers(Duration::from_millis(2)), Relay::new(items));
        let autoscale = host.autoscale(4, Duration::from_millis(50));
        done(&host).await;
        let grown: BTreeSet<StageId> = events(&host)
            .into_iter()
            .filter_map(|event| match event {
                Event::Scaled { stage, from, to } if to > from => Some(stage),
                _ => None,
            })
            .collect();
        assert!(grown.contains(&SECOND), "the slow stage has got a worker: {grown:?}");
        each_item_ended_once(&host);
        assert_eq!(values(&host), expected);
        end(&host).await;
        until("it ends with the pipeline", || autoscale.is_over()).await;
    });
}
