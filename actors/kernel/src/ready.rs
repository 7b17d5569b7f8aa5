//! The ready items of a stage, kept by the slot that owns their shard, oldest first.

use crate::{
    ids::{ItemId, ShardId},
    plan::Sharing,
    shard_map::ShardMap,
};
use std::collections::{BTreeMap, BTreeSet};

/// What waits, and for whom. The items themselves are in the ledger.
#[derive(Debug)]
pub(crate) struct ReadyItems {
    map: ShardMap,
    sharing: Sharing,
    by_owner: Vec<BTreeSet<ItemId>>,
    /// Items of shards that nobody owns, while no slot lives.
    unowned: BTreeSet<ItemId>,
    /// Which slot holds leases on a shard's items, and how many. A shard that moves away from a living slot waits for them,
    /// or its items would be worked on out of order. Kept for `OwnersOnly` alone.
    held: BTreeMap<ShardId, (u16, u32)>,
}

impl ReadyItems {
    pub(crate) fn new(slots: u16, shards: u32, sharing: Sharing) -> Self {
        let by_owner = vec![BTreeSet::new(); usize::from(slots)];
        let map = ShardMap::new(shards);
        ReadyItems { map, sharing, by_owner, unowned: BTreeSet::new(), held: BTreeMap::new() }
    }

    /// There is one slot more; it owns nothing yet.
    pub(crate) fn add_slot(&mut self) {
        self.by_owner.push(BTreeSet::new());
    }

    pub(crate) fn insert(&mut self, item: ItemId) {
        let place = match self.map.owner_of(item) {
            Some(owner) => &mut self.by_owner[usize::from(owner)],
            None => &mut self.unowned,
        };
        assert!(place.insert(item), "a ready item waits in one place");
    }

    /// Takes the oldest item below `limit` that `slot` may work on, if there is one.
    pub(crate) fn take(&mut self, slot: u16, limit: ItemId) -> Option<ItemId> {
        let (owner, item) = self.oldest_for(slot, limit)?;
        self.by_owner[owner].remove(&item);
        if self.sharing == Sharing::OwnersOnly {
            self.held.entry(self.map.shard_of(item)).or_insert((slot, 0)).1 += 1;
        }
        Some(item)
    }

    /// A taken item is leased no more. True when another slot has waited for it.
    pub(crate) fn release(&mut self, item: ItemId) -> bool {
        if self.sharing != Sharing::OwnersOnly {
            return false;
        }
        let shard = self.map.shard_of(item);
        let Some((holder, leases)) = self.held.get_mut(&shard) else { return false };
        let (holder, is_last) = (*holder, *leases == 1);
        *leases -= 1;
        if is_last {
            self.held.remove(&shard);
        }
        is_last && self.map.owner_of(item) != Some(holder)
    }

    /// Takes this very item out, wherever it waits: mutants alone do.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, item: ItemId) {
        for owned in &mut self.by_owner {
            owned.remove(&item);
        }
        self.unowned.remove(&item);
    }

    /// The item that `take` would give.
    #[cfg(test)]
    pub(crate) fn peek(&self, slot: u16, limit: ItemId) -> Option<ItemId> {
        self.oldest_for(slot, limit).map(|(_, item)| item)
    }

    /// True when `take` would give something.
    pub(crate) fn has_for(&self, slot: u16, limit: ItemId) -> bool {
        self.oldest_for(slot, limit).is_some()
    }

    /// How many items below `limit` wait for live slots; counts no further than `most`.
    pub(crate) fn count_below(&self, limit: ItemId, most: usize) -> usize {
        self.by_owner.iter().flat_map(|owned| owned.range(..limit)).take(most).count()
    }

    /// Gives the shards to the live slots, and the items with them. Returns how many shards moved.
    pub(crate) fn assign(&mut self, is_live: impl Fn(u16) -> bool) -> u32 {
        let moved = self.map.assign(is_live, self.by_owner.len() as u16);
        if moved == 0 {
            return 0;
        }
        let mut waiting = std::mem::take(&mut self.unowned);
        for owned in &mut self.by_owner {
            waiting.append(owned);
        }
        for item in waiting {
            self.insert(item);
        }
        moved
    }

    fn oldest_for(&self, slot: u16, limit: ItemId) -> Option<(usize, ItemId)> {
        let own = usize::from(slot);
        let oldest = |owner: usize| {
            let item = self.by_owner[owner].first().copied();
            item.filter(|item| *item < limit).map(|item| (owner, item))
        };
        match self.sharing {
            Sharing::OwnersOnly => {
                let mut below = self.by_owner[own].range(..limit);
                below.find(|item| self.may_work_on(slot, **item)).map(|item| (own, *item))
            }
            Sharing::IdleSlotsHelp => oldest(own).or_else(|| {
                (0..self.by_owner.len()).filter_map(oldest).min_by_key(|(_, item)| *item)
            }),
        }
    }

    /// True unless another slot still works on items of the same shard.
    fn may_work_on(&self, slot: u16, item: ItemId) -> bool {
        let holder = self.held.get(&self.map.shard_of(item));
        holder.is_none_or(|(holder, _)| *holder == slot)
    }
}
