//! The kernel as it is: nothing that dies changes anything.

use super::{
    campaign::{Others, Tally, firsts, points, random, run, seconds, singles},
    tiny_training::Shape,
};
use crate::{Failpoint, Schedule, Sharing, Strategy, host::ActorId};

/// The fixed sample of pairs: every so manieth first death, and every so manieth second one; fewer where code is slow.
const FIRSTS_STRIDE: usize = 23;
const SECONDS_STRIDE: usize = if cfg!(debug_assertions) { 17 } else { 1 };
const SEEDS: u64 = if cfg!(debug_assertions) { 400 } else { 4_000 };

/// At least so many points of each kind, in the undisturbed run; worker's and supervisor's apart.
const POINTS_MIN: [(bool, Failpoint, usize); 9] = [
    (true, Failpoint::Started, 6),
    (true, Failpoint::Waiting, 12),
    (true, Failpoint::BeforeWork, 39),
    (true, Failpoint::InWork, 39),
    (true, Failpoint::BetweenWorkAndAcknowledge, 39),
    (true, Failpoint::AfterAcknowledge, 45),
    (false, Failpoint::Started, 1),
    (false, Failpoint::Waiting, 2),
    (false, Failpoint::BetweenDecisionAndAction, 6),
];

#[test]
fn an_undisturbed_run_keeps_every_promise_and_has_points_of_every_kind() {
    let shape = Shape::default();
    let (outcome, violations) = run(&shape, &Schedule::fifo());
    assert!(violations.is_empty(), "{violations:?}");
    assert!(outcome.kills.is_empty() && outcome.supervisor_restarts == 0);
    for (is_worker, at, least) in POINTS_MIN {
        let is_meant = |actor: ActorId| (actor != ActorId::Supervisor) == is_worker;
        let points = outcome.points.iter().filter(|p| p.at == at && is_meant(p.actor)).count();
        println!("{} {at:?}: {points}", if is_worker { "worker" } else { "supervisor" });
        assert!(points >= least, "{at:?}: {points} points, at least {least} are to be there");
    }
    println!("{} points", outcome.points.len());
    for at in Failpoint::ALL {
        assert!(POINTS_MIN.iter().any(|(_, known, _)| *known == at), "{at:?} is asked for");
    }
}

#[test]
fn equal_schedules_make_equal_runs() {
    let shape = Shape::default();
    for schedule in [Schedule::fifo(), Schedule::seeded(3).random_kills(6)] {
        let (a, b) = (shape.run(&schedule), shape.run(&schedule));
        assert_eq!((&a.points, &a.history, a.now), (&b.points, &b.history, b.now));
        let c = shape.run(&a.replay(&schedule));
        assert_eq!((&a.points, &a.history, a.now), (&c.points, &c.history, c.now));
    }
}

#[test]
fn every_single_death_at_every_point_changes_nothing() {
    let shape = Shape::default();
    let tally = singles(&shape, Tally::default());
    println!("singles: {tally}");
    tally.expect_clean(&shape);
    let points = points(&shape, &Schedule::fifo()).len() as u64;
    assert!(tally.runs > 20 * points, "{} runs over {points} points", tally.runs);
}

#[test]
fn other_pools_survive_every_single_death_too() {
    let shapes = [
        Shape { backoff_ms: 10, ..Shape::default() },
        Shape { workers: 1, window: 1, ..Shape::default() },
        Shape { workers: 3, window: 1, ..Shape::default() },
        Shape { window: 4, sharing: Sharing::OwnersOnly, ..Shape::default() },
        Shape { strategy: Strategy::OneForAll, ..Shape::default() },
        Shape { workers: 3, strategy: Strategy::RestForOne, ..Shape::default() },
    ];
    for shape in shapes {
        let mut tally = Tally::default();
        for first in firsts(&shape) {
            tally.run(&shape, Schedule::fifo().kill(first.at, first.victim, first.way));
        }
        println!("{shape:?}: {tally}");
        tally.expect_clean(&shape);
    }
}

#[test]
fn pairs_of_deaths_change_nothing_the_second_one_over_the_points_that_the_first_one_made() {
    let shape = Shape::default();
    let mut tally = Tally::default();
    for first in firsts(&shape).into_iter().step_by(FIRSTS_STRIDE) {
        seconds(&shape, first, Others::Supervisor, SECONDS_STRIDE, &mut tally);
    }
    println!("pairs, a sample: {tally}");
    tally.expect_clean(&shape);
    assert!(tally.runs > 1_000, "{}", tally.runs);
}

#[test]
fn random_orders_with_and_without_deaths_change_nothing() {
    let shape = Shape::default();
    for deaths in [0, 1, 6] {
        let mut tally = Tally::default();
        random(&shape, 0..SEEDS, deaths, &mut tally);
        println!("random orders, up to {deaths} deaths: {tally}");
        tally.expect_clean(&shape);
    }
}
