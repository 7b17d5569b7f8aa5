//! The judge: it knows what the core did and what was promised, and nothing of how the core works.

use super::tiny_training::{COMMITS, Shape, TinyTraining, reference};
use crate::{
    Event, ItemId, StageId, Strategy, WorkerId,
    host::{ActorId, Ending, Outcome, Seen},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// A promise that was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Violation {
    Stuck,
    Endless,
    ADecisionPanicked,
    Escalated,
    OtherBits,
    NotCommittedOnce,
    DeadLetter,
    LeaseToTheFenced,
    CommitOfTheFenced,
    CommitWithoutALease,
    LeasedTwiceAtOnce,
    WindowExceeded,
    RedeliveredTooMuch,
    HealthyWorkerFenced,
    IncarnationReused,
    CountsDoNotAddUp,
    TooSlow,
}

/// Work takes no time here, so a death costs what it takes to notice it: half of `hang_after_ms` until an idle worker is asked
/// whether it lives, all of it until its silence is taken for death, then its backoff; lost nudges cost a little as well.
const MS_A_DEATH: u64 = 200;
const MS_ANYWAY: u64 = 150;

static REFERENCE: LazyLock<Vec<u32>> = LazyLock::new(reference);

/// What the judge has seen so far.
#[derive(Default)]
struct Record {
    killed: BTreeSet<WorkerId>,
    fenced: BTreeSet<WorkerId>,
    begun: BTreeSet<WorkerId>,
    held: BTreeMap<(StageId, ItemId), WorkerId>,
    leased_before: BTreeSet<(StageId, ItemId)>,
    commits: BTreeMap<(StageId, ItemId), u32>,
    leased_again: usize,
    violations: BTreeSet<Violation>,
}

/// Every promise that this run broke.
pub(super) fn judge(shape: &Shape, outcome: &Outcome<TinyTraining>) -> BTreeSet<Violation> {
    let mut record = Record::default();
    for seen in &outcome.history {
        record.see(shape, seen);
    }
    let worker_deaths = outcome.kills.iter().filter(|kill| match kill.victim {
        crate::host::Victim::Actor(ActorId::Worker(_)) => true,
        crate::host::Victim::Actor(ActorId::Supervisor) | crate::host::Victim::Running => false,
    });
    let lost_with_each = match shape.strategy {
        Strategy::OneForOne => 1,
        Strategy::RestForOne | Strategy::OneForAll => usize::from(shape.workers),
    };
    let most = worker_deaths.count() * lost_with_each * usize::from(shape.window);
    record.expect(record.leased_again <= most, Violation::RedeliveredTooMuch);
    let time = MS_ANYWAY + MS_A_DEATH * outcome.kills.len() as u64;
    record.expect(outcome.now <= time, Violation::TooSlow);
    let ending = match &outcome.ending {
        Ending::Over => None,
        Ending::Escalated(_) => Some(Violation::Escalated),
        Ending::Stuck => Some(Violation::Stuck),
        Ending::Endless => Some(Violation::Endless),
        Ending::Broken(_) => Some(Violation::ADecisionPanicked),
    };
    match ending {
        Some(violation) => record.expect(false, violation),
        None => record.judge_end(outcome),
    }
    record.violations
}

impl Record {
    fn expect(&mut self, holds: bool, otherwise: Violation) {
        if !holds {
            self.violations.insert(otherwise);
        }
    }

    fn see(&mut self, shape: &Shape, seen: &Seen) {
        match seen {
            Seen::Killed(ActorId::Worker(worker), _) => {
                self.killed.insert(*worker);
            }
            Seen::Leased(worker, item) => self.see_lease(shape, *worker, *item),
            Seen::Committed(worker, item) => self.see_commit(*worker, *item),
            Seen::Event(event) => self.see_event(event),
            Seen::Killed(ActorId::Supervisor, _) | Seen::Spawned(_) | Seen::Dropped(..) => {}
        }
    }

    fn see_lease(&mut self, shape: &Shape, worker: WorkerId, item: ItemId) {
        let key = (worker.slot.stage, item);
        self.expect(!self.fenced.contains(&worker), Violation::LeaseToTheFenced);
        let holder = self.held.insert(key, worker);
        self.expect(holder.is_none(), Violation::LeasedTwiceAtOnce);
        let held = self.held.values().filter(|holder| **holder == worker).count();
        self.expect(held <= usize::from(shape.window), Violation::WindowExceeded);
        self.leased_again += usize::from(!self.leased_before.insert(key));
    }

    fn see_commit(&mut self, worker: WorkerId, item: ItemId) {
        let key = (worker.slot.stage, item);
        self.expect(!self.fenced.contains(&worker), Violation::CommitOfTheFenced);
        let holder = self.held.remove(&key);
        self.expect(holder == Some(worker), Violation::CommitWithoutALease);
        *self.commits.entry(key).or_default() += 1;
    }

    fn see_event(&mut self, event: &Event) {
        match event {
            Event::Started { worker } | Event::Restarted { worker } => {
                let is_higher = self.begun.iter().all(|known| {
                    known.slot != worker.slot || known.incarnation < worker.incarnation
                });
                self.expect(is_higher, Violation::IncarnationReused);
                self.begun.insert(*worker);
            }
            Event::Died { worker, .. } => {
                let is_dead = self.killed.contains(worker);
                self.expect(is_dead, Violation::HealthyWorkerFenced);
            }
            Event::Fenced { worker } => {
                self.fenced.insert(*worker);
                self.held.retain(|_, holder| holder != worker);
            }
            Event::DeadLettered { .. } => self.expect(false, Violation::DeadLetter),
            Event::Redelivered { .. }
            | Event::Rebalanced { .. }
            | Event::Scaled { .. }
            | Event::Noticed { .. }
            | Event::Escalated { .. } => {}
        }
    }

    fn judge_end(&mut self, outcome: &Outcome<TinyTraining>) {
        self.expect(outcome.core.flow().bits() == *REFERENCE, Violation::OtherBits);
        let expected = COMMITS.iter().zip(0..).flat_map(|(items, stage)| {
            (0..*items).map(move |item| ((StageId(stage), ItemId(item)), 1))
        });
        self.expect(self.commits.clone().into_iter().eq(expected), Violation::NotCommittedOnce);
        for pool in outcome.core.pools() {
            let counts = pool.ledger().counts();
            let ends = counts.committed + counts.dead_lettered;
            let adds_up = pool.ledger().is_empty() && counts.accepted == ends;
            self.expect(adds_up, Violation::CountsDoNotAddUp);
        }
    }
}
