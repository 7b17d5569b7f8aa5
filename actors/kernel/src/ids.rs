//! The names of things: one newtype each, so that no number is taken for another.

use std::fmt;

/// A stage of the pipeline, by its place in the order of an item's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u16);

/// A numbered place in a stage's pool. People count slots from 1 (`train/1`), `index` from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// The stage that the slot works for.
    pub stage: StageId,
    /// The place in the stage's pool, from 0.
    pub index: u16,
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {}/{}", self.stage.0, self.index + 1)
    }
}

/// A counter that rises at every start of a slot and fences its predecessors. The first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u32);

impl Incarnation {
    /// The incarnation that follows.
    ///
    /// # Panics
    /// After 2^32 - 1 starts of one slot, which no restart intensity allows.
    pub fn next(self) -> Self {
        Incarnation(self.0.checked_add(1).expect("a slot restarts fewer than 2^32 times"))
    }
}

/// An item of a stage, by its ordinal: lower is older, and older goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// A fixed part of a stage's key space. An item's shard never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);
