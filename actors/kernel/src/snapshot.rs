//! What a view may read of a pool: counters and states, copied.

use crate::{
    core::Core,
    flow::Flow,
    ledger::Counts,
    pool::Pool,
    slot::{Slot, SlotState},
};
use std::time::Duration;

/// A moment of one pool.
#[derive(Debug, Clone)]
pub struct PoolSnapshot {
    /// The stage's name.
    pub name: &'static str,
    /// How far ahead of its oldest unfinished item the stage may run.
    pub mailbox: u64,
    /// Its items.
    pub counts: Counts,
    /// Starts of workers after a death.
    pub restarts: u64,
    /// Time spent in work, over all workers.
    pub busy: Duration,
    /// Time spent waiting, over all workers.
    pub waited: Duration,
    /// Its workers.
    pub workers: Vec<WorkerSnapshot>,
}

/// A moment of one worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSnapshot {
    /// The slot, from 1.
    pub number: u16,
    /// Its incarnation.
    pub incarnation: u32,
    /// What the slot is doing.
    pub state: SlotState,
    /// Leases it holds.
    pub leases: usize,
}

/// Copies the state of every pool.
pub fn snapshot<F: Flow>(core: &Core<F>) -> Vec<PoolSnapshot> {
    core.pools().iter().map(of_pool).collect()
}

fn of_pool(pool: &Pool) -> PoolSnapshot {
    // A slot that is off because the pool has become smaller is nobody's business.
    let seen = |(slot, number): &(&Slot, u16)| *number <= pool.wanted() || slot.state.is_alive();
    let workers = pool.slots.iter().zip(1..).filter(seen).map(|(slot, number)| WorkerSnapshot {
        number,
        incarnation: slot.incarnation.0,
        state: slot.state,
        leases: slot.leases.len(),
    });
    PoolSnapshot {
        name: pool.plan().name,
        mailbox: pool.plan().mailbox,
        counts: pool.ledger().counts(),
        restarts: pool.restarts,
        busy: pool.busy,
        waited: pool.waited,
        workers: workers.collect(),
    }
}
