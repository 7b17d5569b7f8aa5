//! What a judge may see of a run: what the core gave, took and said, in the order in which it did.

use super::schedule::{ActorId, Way};
use crate::{events::Event, ids::ItemId, slot::WorkerId};

/// Something that the host saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A thread was started for this incarnation.
    Spawned(WorkerId),
    /// This worker got this item.
    Leased(WorkerId, ItemId),
    /// The acknowledgement of this worker committed this item.
    Committed(WorkerId, ItemId),
    /// The acknowledgement of this worker was dropped.
    Dropped(WorkerId, ItemId),
    /// An event of the core.
    Event(Event),
    /// A death that the schedule asked for, and that somebody died.
    Killed(ActorId, Way),
}
