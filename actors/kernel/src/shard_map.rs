//! Which slot owns which shard: rendezvous (highest random weight) hashing over the live slots.
//!
//! Every shard goes to the live slot with the highest hash of (shard, slot), so that only the shards of a lost slot move,
//! and they come back to it when it does.
//!
//! Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998.

use crate::ids::{ItemId, ShardId};

/// The owners of a stage's shards. The number of shards is fixed for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardMap {
    owners: Vec<Option<u16>>,
}

impl ShardMap {
    /// A map of `shards` shards that nobody owns yet.
    ///
    /// # Panics
    /// When `shards` is 0.
    pub fn new(shards: u32) -> Self {
        assert!(shards > 0, "a stage has at least one shard");
        ShardMap { owners: vec![None; shards as usize] }
    }

    /// Gives every shard to a live slot of the first `slots`. Returns how many shards moved.
    pub fn assign(&mut self, is_live: impl Fn(u16) -> bool, slots: u16) -> u32 {
        let live: Vec<u16> = (0..slots).filter(|&slot| is_live(slot)).collect();
        let mut moved = 0;
        for (shard, owner) in self.owners.iter_mut().enumerate() {
            let weight = |slot: &&u16| mix((shard as u64) << 32 | u64::from(**slot));
            let best = live.iter().max_by_key(weight).copied();
            moved += u32::from(*owner != best);
            *owner = best;
        }
        moved
    }

    /// The shard of an item: a pure function of its ordinal.
    pub fn shard_of(&self, item: ItemId) -> ShardId {
        ShardId((mix(item.0 ^ 0x51AD) % self.owners.len() as u64) as u32)
    }

    /// The slot that owns an item's shard; nobody while no slot lives.
    pub fn owner_of(&self, item: ItemId) -> Option<u16> {
        self.owners[self.shard_of(item).0 as usize]
    }
}

/// A bijection of 64 bits that leaves no pattern. Source: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA'14).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_the_shards_of_a_lost_slot_move(slots in 2..9u16, shards in 1..200u32, lost in 0..9u16) {
            let lost = lost % slots;
            let (mut before, mut after) = (ShardMap::new(shards), ShardMap::new(shards));
            before.assign(|_| true, slots);
            after.assign(|slot| slot != lost, slots);
            for (old, new) in before.owners.iter().zip(&after.owners) {
                prop_assert!(old.is_some() && new.is_some() && *new != Some(lost));
                prop_assert!(old == new || *old == Some(lost));
            }
            after.assign(|_| true, slots);
            prop_assert_eq!(before, after, "they come back");
        }
    }

    #[test]
    fn nobody_owns_a_shard_while_no_slot_lives() {
        let mut map = ShardMap::new(8);
        map.assign(|_| false, 3);
        assert_eq!(map.owner_of(ItemId(5)), None);
    }
}
