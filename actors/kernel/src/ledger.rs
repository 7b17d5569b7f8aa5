//! The record of every item of one stage that is accepted and not yet finished.
//!
//! An item is in exactly one place: ready, leased, or finished (committed or dead-lettered). Finished items are forgotten
//! but for a low-water mark and the finished ordinals above it, so the ledger is as large as the stage's mailbox, however
//! long the run. It holds no actor, no clock and no payload.

use crate::{
    ids::{Incarnation, ItemId},
    mutant::{self, Mutant},
};
use std::collections::{BTreeMap, BTreeSet};

/// Where an unfinished item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It waits for a worker.
    Ready,
    /// The incarnation of the slot with this index works on it.
    Leased(u16, Incarnation),
}

/// An unfinished item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    place: Place,
    /// How often its own work has failed.
    attempts: u32,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// The item is committed by this acknowledgement, and by no other.
    First,
    /// The incarnation holds no lease on the item: a late or second answer, dropped.
    Late,
}

/// What became of a lease that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// The item is ready again.
    Ready,
    /// Its own work has failed too often: it is a dead letter.
    DeadLetter,
}

/// How many items went which way. At any moment `accepted = ready + leased + committed + dead_lettered`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items ever accepted.
    pub accepted: u64,
    /// Items that wait.
    pub ready: u64,
    /// Items that workers hold.
    pub leased: u64,
    /// Items done.
    pub committed: u64,
    /// Items given up.
    pub dead_lettered: u64,
    /// Leases taken back.
    pub redelivered: u64,
    /// Acknowledgements that came late or twice.
    pub fenced_duplicates: u64,
}

/// The items of one stage.
#[derive(Debug, Default)]
pub struct Ledger {
    unfinished: BTreeMap<ItemId, Entry>,
    /// Every ordinal below this is finished.
    finished_below: u64,
    /// Finished ordinals at or above `finished_below`.
    finished_above: BTreeSet<u64>,
    counts: Counts,
}

impl Ledger {
    /// Records a new item as ready.
    ///
    /// # Panics
    /// When the item was accepted before: an item is accepted once.
    pub fn accept(&mut self, item: ItemId) {
        assert!(!self.is_finished(item), "an item is accepted once: {item:?} is finished");
        let entry = Entry { place: Place::Ready, attempts: 0 };
        let before = self.unfinished.insert(item, entry);
        assert!(before.is_none(), "an item is accepted once: {item:?}");
        self.counts.accepted += 1;
        self.counts.ready += 1;
    }

    /// Records that every ordinal below `item` was finished before this ledger began, by an earlier process. None of them is
    /// counted here.
    ///
    /// # Panics
    /// When anything was accepted or skipped before: a ledger begins once.
    pub fn begin_at(&mut self, item: ItemId) {
        let is_new = self.counts.accepted == 0 && self.finished_below == 0;
        assert!(is_new && self.finished_above.is_empty(), "a ledger begins once");
        self.finished_below = item.0;
    }

    /// Records that an ordinal will never be accepted, so that nobody waits for it.
    ///
    /// # Panics
    /// When the item was accepted before.
    pub fn skip(&mut self, item: ItemId) {
        let is_known = self.is_finished(item) || self.unfinished.contains_key(&item);
        assert!(!is_known, "only an item that was never accepted is skipped: {item:?}");
        self.mark_finished(item);
    }

    /// Gives a ready item to an incarnation.
    ///
    /// # Panics
    /// When the item is not ready.
    pub fn lease(&mut self, item: ItemId, slot: u16, incarnation: Incarnation) {
        let entry = self.unfinished.get_mut(&item);
        let entry = entry.filter(|entry| entry.place == Place::Ready);
        entry.expect("only a ready item is leased").place = Place::Leased(slot, incarnation);
        self.counts.ready -= 1;
        self.counts.leased += 1;
    }

    /// Commits an item if this incarnation holds the lease on it; otherwise counts and drops the answer.
    pub fn acknowledge(&mut self, item: ItemId, slot: u16, by: Incarnation) -> Acknowledged {
        if mutant::is(Mutant::CommitTwice) && self.is_finished(item) {
            self.counts.committed += 1;
            return Acknowledged::First;
        }
        if self.place(item) != Some(Place::Leased(slot, by)) {
            self.counts.fenced_duplicates += 1;
            return Acknowledged::Late;
        }
        self.finish(item);
        self.counts.leased -= 1;
        self.counts.committed += 1;
        Acknowledged::First
    }

    /// Takes a lease back from a lost incarnation; `charged` when the item's own work failed.
    ///
    /// # Panics
    /// When the incarnation does not hold the lease.
    pub fn take_back(
        &mut self,
        item: ItemId,
        from: (u16, Incarnation),
        charged: bool,
        attempts_max: u32,
    ) -> Returned {
        assert_eq!(
            self.place(item),
            Some(Place::Leased(from.0, from.1)),
            "a lost incarnation gives back only its own leases"
        );
        let entry = self.unfinished.get_mut(&item).expect("its place was just read");
        self.counts.leased -= 1;
        self.counts.redelivered += 1;
        entry.attempts += u32::from(charged);
        if entry.attempts >= attempts_max {
            self.finish(item);
            self.counts.dead_lettered += 1;
            return Returned::DeadLetter;
        }
        entry.place = Place::Ready;
        self.counts.ready += 1;
        Returned::Ready
    }

    /// Where an unfinished item is.
    pub fn place(&self, item: ItemId) -> Option<Place> {
        self.unfinished.get(&item).map(|entry| entry.place)
    }

    /// True once the item is committed or dead-lettered.
    pub fn is_finished(&self, item: ItemId) -> bool {
        item.0 < self.finished_below || self.finished_above.contains(&item.0)
    }

    /// The lowest ordinal that is not finished, whether it has been accepted yet or not.
    pub fn oldest_unfinished(&self) -> ItemId {
        ItemId(self.finished_below)
    }

    /// How many items went which way.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// True when nothing is ready or leased.
    pub fn is_empty(&self) -> bool {
        self.unfinished.is_empty()
    }

    fn finish(&mut self, item: ItemId) {
        self.unfinished.remove(&item).expect("only an unfinished item can finish");
        self.mark_finished(item);
    }

    fn mark_finished(&mut self, item: ItemId) {
        self.finished_above.insert(item.0);
        while self.finished_above.remove(&self.finished_below) {
            self.finished_below += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Incarnation = Incarnation(1);

    #[test]
    fn a_second_acknowledgement_is_dropped_and_counted() {
        let mut ledger = Ledger::default();
        ledger.accept(ItemId(0));
        ledger.lease(ItemId(0), 0, ONE);
        assert_eq!(ledger.acknowledge(ItemId(0), 0, ONE), Acknowledged::First);
        assert_eq!(ledger.acknowledge(ItemId(0), 0, ONE), Acknowledged::Late);
        assert_eq!(ledger.counts().committed, 1);
        assert_eq!(ledger.counts().fenced_duplicates, 1);
    }

    #[test]
    fn an_acknowledgement_without_a_lease_commits_nothing() {
        let mut ledger = Ledger::default();
        ledger.accept(ItemId(0));
        assert_eq!(ledger.acknowledge(ItemId(0), 0, ONE), Acknowledged::Late);
        assert_eq!(ledger.acknowledge(ItemId(77), 0, ONE), Acknowledged::Late);
        ledger.lease(ItemId(0), 0, ONE);
        assert_eq!(ledger.acknowledge(ItemId(0), 1, ONE), Acknowledged::Late, "another slot");
        assert_eq!(ledger.acknowledge(ItemId(0), 0, ONE.next()), Acknowledged::Late);
        assert_eq!(ledger.place(ItemId(0)), Some(Place::Leased(0, ONE)));
    }

    #[test]
    fn the_attempt_that_reaches_the_limit_makes_a_dead_letter() {
        let mut ledger = Ledger::default();
        ledger.accept(ItemId(0));
        for (charged, end) in
            [(true, Returned::Ready), (false, Returned::Ready), (true, Returned::DeadLetter)]
        {
            ledger.lease(ItemId(0), 0, ONE);
            assert_eq!(ledger.take_back(ItemId(0), (0, ONE), charged, 2), end);
        }
        assert!(ledger.is_empty() && ledger.is_finished(ItemId(0)));
    }

    /// What a test may do to the ledger; the model below says what must come of it.
    #[derive(Debug, Clone)]
    enum Step {
        Accept(u64),
        Lease(u64, u16),
        Acknowledge(u64, u16, u32),
        Lose(u16, bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..12u64).prop_map(Step::Accept),
            (0..12u64, 0..3u16).prop_map(|(i, s)| Step::Lease(i, s)),
            (0..12u64, 0..3u16, 1..4u32).prop_map(|(i, s, n)| Step::Acknowledge(i, s, n)),
            (0..3u16, any::<bool>()).prop_map(|(s, charged)| Step::Lose(s, charged)),
        ]
    }

    proptest! {
        /// Against a model that remembers everything: each item has exactly one end, and the counts add up.
        #[test]
        fn every_item_has_exactly_one_end(steps in proptest::collection::vec(step(), 0..200)) {
            let mut ledger = Ledger::default();
            let mut incarnations = [ONE; 3];
            // Model: item -> None when ready, holder when leased; ends by item.
            let mut open: BTreeMap<u64, Option<(u16, Incarnation)>> = BTreeMap::new();
            let mut ends: BTreeMap<u64, u32> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Accept(item) if !open.contains_key(&item) && !ends.contains_key(&item) => {
                        ledger.accept(ItemId(item));
                        open.insert(item, None);
                    }
                    Step::Lease(item, slot) if open.get(&item) == Some(&None) => {
                        ledger.lease(ItemId(item), slot, incarnations[slot as usize]);
                        open.insert(item, Some((slot, incarnations[slot as usize])));
                    }
                    Step::Acknowledge(item, slot, n) => {
                        let holds = open.get(&item) == Some(&Some((slot, Incarnation(n))));
                        let got = ledger.acknowledge(ItemId(item), slot, Incarnation(n));
                        prop_assert_eq!(got == Acknowledged::First, holds);
                        if holds {
                            open.remove(&item);
                            *ends.entry(item).or_default() += 1;
                        }
                    }
                    Step::Lose(slot, charged) => {
                        let from = (slot, incarnations[slot as usize]);
                        let held: Vec<u64> =
                            open.iter().filter(|(_, h)| **h == Some(from)).map(|(i, _)| *i).collect();
                        for item in held {
                            match ledger.take_back(ItemId(item), from, charged, 2) {
                                Returned::Ready => { open.insert(item, None); }
                                Returned::DeadLetter => {
                                    open.remove(&item);
                                    *ends.entry(item).or_default() += 1;
                                }
                            }
                        }
                        incarnations[slot as usize] = incarnations[slot as usize].next();
                    }
                    _ => {}
                }
                let counts = ledger.counts();
                prop_assert_eq!(
                    counts.accepted,
                    counts.ready + counts.leased + counts.committed + counts.dead_lettered
                );
                prop_assert_eq!(counts.ready + counts.leased, open.len() as u64);
                prop_assert!(ends.values().all(|&n| n == 1));
                let oldest = (0..).find(|i| !ends.contains_key(i)).expect("a run is finite");
                prop_assert_eq!(ledger.oldest_unfinished(), ItemId(oldest));
            }
        }
    }
}
