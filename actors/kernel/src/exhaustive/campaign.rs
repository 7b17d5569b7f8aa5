//! Many runs: which deaths are tried, and what came of them.

use super::{
    judge::{Violation, judge},
    tiny_training::{Shape, TinyTraining},
};
use crate::{
    Death, Failpoint, Incarnation, Schedule, SlotId, StageId, Way, WorkerId,
    host::{ActorId, Kill, Outcome, Point, Victim, shrink},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A run is stuck after so many points; undisturbed it has some hundred.
const POINTS_MAX: usize = 5_000;

/// What many runs came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) points: u64,
    pub(super) bad_runs: u64,
    /// The longest run by the virtual clock.
    pub(super) longest_ms: u64,
    /// Nothing more is run after the first violation.
    pub(super) stops_at_first: bool,
    /// Each violation: how often, and the first schedule.
    pub(super) violations: BTreeMap<Violation, (u64, Schedule)>,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::fifo()
    }
}

/// Whom to try at a point beside the actor that is about to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// The supervisor.
    Supervisor,
    /// The supervisor and every worker of the first `n` incarnations, in every way.
    Everybody(u32),
}

/// Runs one schedule and judges it.
pub(super) fn run(
    shape: &Shape,
    schedule: &Schedule,
) -> (Outcome<TinyTraining>, BTreeSet<Violation>) {
    let outcome = shape.run(schedule);
    let violations = judge(shape, &outcome);
    (outcome, violations)
}

/// The points of an undisturbed run in this order.
pub(super) fn points(shape: &Shape, schedule: &Schedule) -> Vec<Point> {
    shape.run(&bounded(schedule.clone())).points
}

fn bounded(schedule: Schedule) -> Schedule {
    Schedule { points_max: POINTS_MAX, ..schedule }
}

/// Every death worth trying at a point.
pub(super) fn deaths_at(shape: &Shape, at: usize, point: Point, others: Others) -> Vec<Kill> {
    let kill = |victim, way| Kill { at, victim, way };
    let is_supervisor = point.actor == ActorId::Supervisor;
    // The root sees but one end of a supervisor, whatever it died of.
    let ways = if is_supervisor { &Way::ALL[..1] } else { &Way::ALL[..] };
    let mut kills: Vec<Kill> = ways.iter().map(|&way| kill(Victim::Running, way)).collect();
    if point.at == Failpoint::InWork {
        return kills; // nobody else goes on here: for the others this is the next point
    }
    if !is_supervisor {
        kills.push(kill(Victim::Actor(ActorId::Supervisor), Way::Ordered(Death::Panic)));
    }
    if let Others::Everybody(incarnations) = others {
        if is_supervisor {
            let ways = &Way::ALL[1..4]; // and it has but one end: seen once, here
            kills.extend(ways.iter().map(|&way| kill(Victim::Running, way)));
        }
        let workers = everybody(shape, incarnations).into_iter().map(ActorId::Worker);
        for worker in workers.filter(|worker| *worker != point.actor) {
            kills.extend(Way::ALL.map(|way| kill(Victim::Actor(worker), way)));
        }
    }
    kills
}

fn everybody(shape: &Shape, incarnations: u32) -> Vec<WorkerId> {
    let mut all = Vec::new();
    for stage in 0..3 {
        for index in 0..shape.workers {
            let slot = SlotId { stage: StageId(stage), index };
            let worker = |n| WorkerId { slot, incarnation: Incarnation(n) };
            all.extend((1..=incarnations).map(worker));
        }
    }
    all
}

impl Tally {
    /// For a kernel of which it is only asked whether it is noticed.
    pub(super) fn stopping_at_first() -> Self {
        Tally { stops_at_first: true, ..Tally::default() }
    }

    /// Runs one schedule more.
    pub(super) fn run(&mut self, shape: &Shape, schedule: Schedule) {
        if self.stops_at_first && self.bad_runs > 0 {
            return;
        }
        let schedule = bounded(schedule);
        let (outcome, violations) = run(shape, &schedule);
        self.runs += 1;
        self.points += outcome.points.len() as u64;
        self.bad_runs += u64::from(!violations.is_empty());
        self.longest_ms = self.longest_ms.max(outcome.now);
        for violation in violations {
            let first = || (0, outcome.replay(&schedule));
            self.violations.entry(violation).or_insert_with(first).0 += 1;
        }
    }

    /// Fails with a schedule that is as small as possible and replays the failure exactly, when there is one.
    pub(super) fn expect_clean(&self, shape: &Shape) {
        let Some((violation, (_, first))) = self.violations.iter().next() else { return };
        let shrunk = shrink(first.clone(), |schedule| run(shape, schedule).1.contains(violation));
        panic!(
            "{self}\n{violation:?}, smallest: PLANARIA_SCHEDULE='{shrunk}' (see exhaustive/mod.rs)"
        );
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.points += other.points;
        self.bad_runs += other.bad_runs;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        for (violation, (times, first)) in other.violations {
            self.violations.entry(violation).or_insert((0, first)).0 += times;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { runs, points, bad_runs, longest_ms, .. } = self;
        write!(f, "{runs} runs, {points} points, at most {longest_ms} virtual ms, ")?;
        write!(f, "{bad_runs} runs with a violation")?;
        for (violation, (times, first)) in &self.violations {
            write!(f, "\n    {violation:?}: {times}, first: {first}")?;
        }
        Ok(())
    }
}

/// Every single death at every point, of everybody, in every way.
pub(super) fn singles(shape: &Shape, mut tally: Tally) -> Tally {
    for (at, point) in points(shape, &Schedule::fifo()).into_iter().enumerate() {
        for Kill { at, victim, way } in deaths_at(shape, at, point, Others::Everybody(1)) {
            tally.run(shape, Schedule::fifo().kill(at, victim, way));
        }
    }
    tally
}

/// The first deaths of all pairs.
pub(super) fn firsts(shape: &Shape) -> Vec<Kill> {
    let points = points(shape, &Schedule::fifo()).into_iter().enumerate();
    points.flat_map(|(at, point)| deaths_at(shape, at, point, Others::Supervisor)).collect()
}

/// A schedule with one death more, for each that is worth trying over the points that its own last death made.
fn one_more(shape: &Shape, begun: &Schedule, others: Others) -> Vec<Schedule> {
    let (outcome, violations) = run(shape, &bounded(begun.clone()));
    if !violations.is_empty() {
        return Vec::new(); // noticed without
    }
    let from = begun.kills.last().map_or(0, |kill| kill.at + 1);
    let points = outcome.points.iter().enumerate().skip(from);
    let deaths = points.flat_map(|(at, &point)| deaths_at(shape, at, point, others));
    deaths.map(|Kill { at, victim, way }| begun.clone().kill(at, victim, way)).collect()
}

/// Every second death after this first one, over the points of the run that the first one made; every `stride`th of them.
pub(super) fn seconds(
    shape: &Shape,
    first: Kill,
    others: Others,
    stride: usize,
    tally: &mut Tally,
) {
    if tally.stops_at_first && tally.bad_runs > 0 {
        return;
    }
    let begun = Schedule::fifo().kill(first.at, first.victim, first.way);
    for pair in one_more(shape, &begun, others).into_iter().step_by(stride) {
        tally.run(shape, pair);
    }
}

/// Third deaths after this first one: every `stride`th third one of every `stride`th second one.
pub(super) fn thirds(shape: &Shape, first: Kill, stride: usize, tally: &mut Tally) {
    let begun = Schedule::fifo().kill(first.at, first.victim, first.way);
    for pair in one_more(shape, &begun, Others::Supervisor).into_iter().step_by(stride) {
        for triple in one_more(shape, &pair, Others::Supervisor).into_iter().step_by(stride) {
            tally.run(shape, triple);
        }
    }
}

/// Random orders from these seeds, each with at most so many random deaths; every second one loses nudges as well.
pub(super) fn random(shape: &Shape, seeds: std::ops::Range<u64>, deaths: u32, tally: &mut Tally) {
    for seed in seeds {
        let schedule = Schedule::seeded(seed).random_kills(deaths);
        tally.run(shape, if seed % 2 == 0 { schedule } else { schedule.lossy() });
    }
}
