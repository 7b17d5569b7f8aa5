//! What a pipeline is, to the kernel: what a lease carries, and what a commit leads to.

use crate::{
    events::{Event, EventLog},
    failpoint::ExitCause,
    ids::{ItemId, StageId},
    intensity::Ms,
    pool::Pool,
};
use std::time::Duration;

/// The state of a pipeline beside its ledgers, replaced by commits alone.
///
/// Every method runs under the kernel's one lock: it computes nothing heavy, waits for nothing and must not panic (a panic
/// here ends the process). Commits come in any order; a flow whose result must not depend on the order keeps every output in
/// a place of its own until all are there.
pub trait Flow: Send + 'static {
    /// What a lease carries to its worker.
    type Input: Send + 'static;
    /// What a worker makes of it.
    type Output: Send + 'static;

    /// All that the work on `item` needs. Asked again when the item is redelivered.
    fn input(&mut self, stage: StageId, item: ItemId) -> Self::Input;

    /// Takes the output of an item that has just been committed, and accepts what follows from it. Called once an item.
    fn commit(
        &mut self,
        stage: StageId,
        item: ItemId,
        done: Done<Self::Output>,
        intake: &mut Intake<'_>,
    );

    /// Takes note that an item was given up; nothing will be committed for it. Called once an item.
    fn give_up(&mut self, stage: StageId, item: ItemId, cause: &ExitCause, intake: &mut Intake<'_>);
}

/// What came of the work on an item.
#[derive(Debug)]
pub struct Done<O> {
    /// What the worker made.
    pub output: O,
    /// How long the work took: for reports, never for results.
    pub busy: Duration,
}

/// The door through which a flow accepts items into its stages, in the same step as the commit that they follow from.
pub struct Intake<'a> {
    pools: &'a mut [Pool],
    events: &'a mut EventLog,
    now: Ms,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(pools: &'a mut [Pool], events: &'a mut EventLog, now: Ms) -> Self {
        Intake { pools, events, now }
    }

    /// Makes an event of what a flow has noticed at a stage, and people should know.
    pub fn notice(&mut self, stage: StageId, what: String) {
        self.events.push(self.now, Event::Noticed { stage, what });
    }

    /// The host's time: for reports, never for results.
    pub fn now(&self) -> Ms {
        self.now
    }

    /// Lets a stage begin at an ordinal: those below were finished by an earlier process.
    ///
    /// # Panics
    /// When the stage has accepted or skipped anything before.
    pub fn begin_at(&mut self, stage: StageId, item: ItemId) {
        self.pools[usize::from(stage.0)].begin_at(item);
    }

    /// Records that an ordinal of a stage will never be accepted, so that nobody waits for it.
    ///
    /// # Panics
    /// When it was accepted before.
    pub fn skip(&mut self, stage: StageId, item: ItemId) {
        self.pools[usize::from(stage.0)].skip(item);
    }

    /// Accepts a new item into a stage's mailbox.
    ///
    /// # Panics
    /// When it was accepted before.
    pub fn accept(&mut self, stage: StageId, item: ItemId) {
        self.pools[usize::from(stage.0)].accept(item);
    }

    /// Lets a stage lease the items below `limit`. A stage without a limit leases all; then limits only rise.
    ///
    /// This is the stage's bound: a producer's limit follows its consumer's oldest unfinished item, so a full mailbox makes
    /// the producer wait, all the way back to the source.
    pub fn raise_limit(&mut self, stage: StageId, limit: ItemId) {
        self.pools[usize::from(stage.0)].raise_limit(limit);
    }

    /// The lowest ordinal of a stage that is not finished, accepted or not.
    pub fn oldest_unfinished(&self, stage: StageId) -> ItemId {
        self.pools[usize::from(stage.0)].ledger().oldest_unfinished()
    }

    /// Items of a stage that are ready or leased.
    pub fn unfinished(&self, stage: StageId) -> u64 {
        let counts = self.pools[usize::from(stage.0)].ledger().counts();
        counts.ready + counts.leased
    }

    /// How far ahead of its oldest unfinished item a stage may run.
    pub fn mailbox(&self, stage: StageId) -> u64 {
        self.pools[usize::from(stage.0)].plan().mailbox
    }
}
