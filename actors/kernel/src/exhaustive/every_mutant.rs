//! The kernel broken on purpose: each mutant, and the first stage of these tests that must notice.

use super::{
    campaign::{Others, Tally, firsts, random, run, seconds, singles},
    judge::Violation,
    tiny_training::Shape,
};
use crate::{
    Incarnation, ItemId, Schedule,
    host::shrink,
    ledger::{Acknowledged, Ledger},
    mutant::{self, Mutant},
};
use std::fmt::Write as _;

/// Where a mutant is noticed, from the cheapest to the dearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Undisturbed,
    Singles,
    PairsSample,
    Random,
}

/// The first stage that must notice each mutant.
pub(super) const TABLE: [(Mutant, Stage); 11] = [
    (Mutant::ReduceWithoutOne, Stage::Undisturbed),
    (Mutant::ReduceOnLast, Stage::Singles),
    (Mutant::AcceptFromFenced, Stage::Singles),
    (Mutant::ForgetLeases, Stage::Singles),
    (Mutant::ArrivalOrder, Stage::Undisturbed),
    (Mutant::NoWatchdog, Stage::Singles),
    (Mutant::ForgetLeasesSecondTime, Stage::PairsSample),
    (Mutant::ReuseIncarnation, Stage::PairsSample),
    (Mutant::ExceedWindow, Stage::Singles),
    (Mutant::HintOnce, Stage::PairsSample),
    // Its assertion notices it, in rare orders; the ledger's own test below always does.
    (Mutant::CommitTwice, Stage::Random),
];

/// The first deaths of the sample of pairs: every so manieth, with every so manieth second.
const FIRSTS_STRIDE: usize = 23;
const SECONDS_STRIDE: usize = 5;
const SEEDS: u64 = 1_000;
const DEATHS: u32 = 6;

/// Goes on with a tally.
type Campaign = fn(&Shape, Tally) -> Tally;

fn pairs_sample(shape: &Shape, mut tally: Tally) -> Tally {
    for first in firsts(shape).into_iter().step_by(FIRSTS_STRIDE) {
        seconds(shape, first, Others::Supervisor, SECONDS_STRIDE, &mut tally);
    }
    tally
}

fn random_orders(shape: &Shape, mut tally: Tally) -> Tally {
    random(shape, 0..SEEDS, DEATHS, &mut tally);
    tally
}

/// Runs the stages in order, up to the first that notices; `so_far` is the tally that each begins with.
pub(super) fn notice(
    shape: &Shape,
    so_far: fn() -> Tally,
    report: &mut String,
) -> Option<(Stage, Tally)> {
    let stages: [(Stage, Campaign); 4] = [
        (Stage::Undisturbed, |shape, mut tally| {
            tally.run(shape, Schedule::fifo());
            tally
        }),
        (Stage::Singles, singles),
        (Stage::PairsSample, pairs_sample),
        (Stage::Random, random_orders),
    ];
    for (stage, campaign) in stages {
        let tally = campaign(shape, so_far());
        let kinds = tally.violations.iter().map(|(kind, (n, _))| format!("{kind:?} {n}"));
        let (bad, runs, kinds) = (tally.bad_runs, tally.runs, kinds.collect::<Vec<_>>().join(", "));
        let _ = write!(report, " | {stage:?} {bad} of {runs} [{kinds}]");
        if bad > 0 {
            return Some((stage, tally));
        }
    }
    None
}

#[test]
fn every_mutant_is_noticed_by_the_stage_that_is_stated_for_it() {
    let shape = Shape::default();
    let mut wrong = Vec::new();
    for (mutant, stated) in TABLE {
        let mut report = String::new();
        let so_far = Tally::stopping_at_first;
        let noticed = mutant::with(mutant, || notice(&shape, so_far, &mut report));
        println!("{mutant:?}{report}");
        let noticed = noticed.map(|(stage, _)| stage);
        if noticed != Some(stated) {
            wrong.push((mutant, stated, noticed));
        }
    }
    assert_eq!(wrong, [], "mutant, the stage stated for it, the stage that noticed");
}

#[test]
fn no_stage_notices_anything_in_the_kernel_as_it_is() {
    let mut report = String::new();
    let noticed = notice(&Shape::default(), Tally::default, &mut report);
    assert!(noticed.is_none(), "{report}");
}

#[test]
fn what_fails_is_shrunk_and_its_line_replays_it_exactly() {
    let shape = Shape::default();
    mutant::with(Mutant::ReuseIncarnation, || {
        let tally = random_orders(&shape, Tally::default());
        let violation = Violation::IncarnationReused;
        let (_, first) = &tally.violations[&violation];
        let fails = |schedule: &Schedule| run(&shape, schedule).1.contains(&violation);
        assert!(fails(first), "random deaths, written out, fail as well: {first}");
        let smallest = shrink(first.clone(), fails);
        println!("{violation:?}: {first} -> {smallest}");
        assert_eq!(smallest.kills.len(), 2, "the first incarnation and the second: {smallest}");
        let line = smallest.to_string();
        let (a, b) = (shape.run(&smallest), shape.run(&line.parse().expect("it is one")));
        assert_eq!((a.points, a.history, a.now), (b.points, b.history, b.now));
    });
}

fn commits_once() -> bool {
    let mut ledger = Ledger::default();
    ledger.accept(ItemId(0));
    ledger.lease(ItemId(0), 0, Incarnation(1));
    let first = ledger.acknowledge(ItemId(0), 0, Incarnation(1));
    let second = ledger.acknowledge(ItemId(0), 0, Incarnation(1));
    (first, second) == (Acknowledged::First, Acknowledged::Late) && ledger.counts().committed == 1
}

#[test]
fn a_ledger_that_commits_twice_is_noticed_by_itself() {
    assert!(commits_once());
    assert!(!mutant::with(Mutant::CommitTwice, commits_once));
}
