//! What takes minutes: all pairs, triples by sample, a million random orders; and the replay of one schedule.

use super::{
    campaign::{Others, Tally, firsts, points, random, run, seconds, singles, thirds},
    every_mutant::{TABLE, notice},
    tiny_training::Shape,
};
use crate::{
    Pulse, Schedule, Sharing, Strategy,
    host::Kill,
    mutant::{self, Mutant},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

#[allow(clippy::disallowed_methods, reason = "a long run tells how fast it was")]
fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let began = Instant::now();
    let result = run();
    (result, began.elapsed())
}

/// Shares `parts` among as many threads as there are processors.
fn in_parallel(parts: usize, part: impl Fn(usize, &mut Tally) + Sync) -> Tally {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= parts {
                return tally;
            }
            part(n, &mut tally);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Tally::default();
        for thread in threads {
            all.add(thread.join().expect("a campaign does not panic"));
        }
        all
    })
}

fn report(name: &str, shape: &Shape, campaign: impl FnOnce() -> Tally) {
    let (tally, took) = timed(campaign);
    let speed = tally.runs as f64 / took.as_secs_f64();
    println!("{name}: {tally}; {:.1} s, {speed:.0} runs a second", took.as_secs_f64());
    tally.expect_clean(shape);
}

#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_all_pairs_of_deaths_change_nothing() {
    let shape = Shape::default();
    println!("{} points undisturbed", points(&shape, &Schedule::fifo()).len());
    report("singles, one thread", &shape, || singles(&shape, Tally::default()));
    let firsts = firsts(&shape);
    report(&format!("all pairs after {} first deaths", firsts.len()), &shape, || {
        in_parallel(firsts.len(), |n, tally| {
            seconds(&shape, firsts[n], Others::Supervisor, 1, tally);
        })
    });
}

#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_pairs_whose_second_death_hits_anybody_anywhere_change_nothing() {
    let shape = Shape::default();
    let firsts = firsts(&shape);
    report("all pairs, the second death anybody's", &shape, || {
        in_parallel(firsts.len(), |n, tally| {
            seconds(&shape, firsts[n], Others::Everybody(2), 1, tally);
        })
    });
}

/// Every 11th first death, every 31st second over the points that the first made, every 31st third over those of both.
#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_a_sample_of_triples_changes_nothing() {
    let shape = Shape::default();
    let firsts: Vec<Kill> = firsts(&shape).into_iter().step_by(11).collect();
    report("triples, sample", &shape, || {
        in_parallel(firsts.len(), |n, tally| thirds(&shape, firsts[n], 31, tally))
    });
}

#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_a_million_random_orders_change_nothing() {
    let shape = Shape::default();
    for (deaths, blocks) in [(0, 200), (6, 800)] {
        report(&format!("random orders, up to {deaths} deaths"), &shape, || {
            in_parallel(blocks, |n, tally| {
                let first = n as u64 * 1_000;
                random(&shape, first..first + 1_000, deaths, tally);
            })
        });
    }
}

/// Pools of 1 to 3 workers, windows of 1, 2 and 4, both kinds of sharing, the three strategies, with and without a backoff.
fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for workers in [1, 2, 3] {
        for window in [1, 2, 4] {
            for sharing in [Sharing::IdleSlotsHelp, Sharing::OwnersOnly] {
                for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
                    for backoff_ms in [0, 10] {
                        shapes.push(Shape { workers, window, sharing, strategy, backoff_ms });
                    }
                }
            }
        }
    }
    shapes
}

#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_every_single_death_and_random_orders_in_pools_of_many_shapes_change_nothing() {
    let shapes = shapes();
    let in_all = |name: &str, campaign: fn(&Shape) -> Tally| {
        report(&format!("{} shapes, {name}", shapes.len()), &shapes[0], || {
            in_parallel(shapes.len(), |n, tally| {
                let own = campaign(&shapes[n]);
                own.expect_clean(&shapes[n]);
                tally.add(own);
            })
        });
    };
    in_all("singles", |shape| singles(shape, Tally::default()));
    in_all("random orders, up to 6 deaths", |shape| {
        let mut tally = Tally::default();
        random(shape, 0..4_000, 6, &mut tally);
        tally
    });
}

#[test]
#[ignore = "a minute or more: see exhaustive/mod.rs"]
fn long_in_how_many_runs_each_mutant_is_noticed() {
    let shape = Shape::default();
    for (mutant, _) in TABLE {
        let mut report = String::new();
        let noticed = mutant::with(mutant, || notice(&shape, Tally::default, &mut report));
        println!("{mutant:?}{report}");
        assert!(noticed.is_some());
    }
}

#[test]
#[ignore = "a measurement: see exhaustive/mod.rs"]
fn long_a_failpoint_without_an_order_costs_a_relaxed_load_and_increment() {
    const BEATS: u32 = 20_000_000;
    const ROUNDS: u32 = 10;
    let pulse = Pulse::default();
    let beats = || (0..BEATS).all(|_| std::hint::black_box(&pulse).beat().is_ok());
    let rounds = (0..ROUNDS).map(|_| timed(beats));
    let best = rounds.inspect(|(all_well, _)| assert!(all_well)).map(|(_, took)| took).min();
    assert_eq!(pulse.beats(), u64::from(ROUNDS * BEATS));
    let best = best.expect("there are rounds").as_nanos() as f64 / f64::from(BEATS);
    println!("a failpoint: {best:.2} ns, the best of {ROUNDS} rounds of {BEATS}");
}

/// Runs the schedule in `PLANARIA_SCHEDULE` and says what it did; with `PLANARIA_MUTANT=HintOnce` and the like, on a broken kernel.
#[test]
#[ignore = "for a schedule that a failing test has printed"]
fn replay_a_schedule() {
    let line = std::env::var("PLANARIA_SCHEDULE").expect("PLANARIA_SCHEDULE holds a schedule");
    let schedule: Schedule = line.parse().expect("it is one");
    let name = std::env::var("PLANARIA_MUTANT").unwrap_or_else(|_| "None".to_owned());
    let known = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    let mutant = known.expect("a mutant's name, as in mutant.rs");
    let (outcome, violations) = mutant::with(mutant, || run(&Shape::default(), &schedule));
    for (n, point) in outcome.points.iter().enumerate().take(1_000) {
        println!("{n} {} {:?}", point.actor, point.at);
    }
    outcome.history.iter().take(1_000).for_each(|seen| println!("{seen:?}"));
    println!("{:?} at {} ms: {violations:?}", outcome.ending, outcome.now);
    assert!(violations.is_empty(), "{violations:?}");
}
