//! Deaths at random: which actors die, and how, is a pure function of the seed; when, the machine decides.

use crate::pipeline::Pipeline;
use planaria_kernel::{Death, SlotId, StageId, Target};
use planaria_random::{Purpose, Stream};
use serde::{Deserialize, Serialize};
use std::{sync::atomic::Ordering, time::Duration};

/// One in so many kills is the supervisor's.
const SUPERVISOR_EVERY: u32 = 20;

/// A plan of kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaosPlan {
    /// How many.
    pub kills: u64,
    /// The time from one to the next, in milliseconds.
    pub every_ms: u64,
    /// What chooses actors and deaths.
    pub seed: u64,
}

/// Carries a plan out, until it is done or the pipeline drains: who is asked to end needs no killing.
pub(crate) async fn run(pipeline: Pipeline, plan: ChaosPlan) {
    let mut stream = Stream::new(plan.seed, Purpose::Chaos, 0, 0);
    let mut left = plan.kills;
    while left > 0 && !pipeline.is_draining() {
        // Whoever was chosen may be between two lives: then another is.
        let wait_ms = if kill_one(&pipeline, &mut stream) {
            left -= 1;
            pipeline.chaos_left().store(left, Ordering::Release);
            plan.every_ms
        } else {
            1
        };
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    pipeline.chaos_left().store(0, Ordering::Release);
}

/// Orders one death; false when the chosen actor was not alive.
fn kill_one(pipeline: &Pipeline, stream: &mut Stream) -> bool {
    let death = Death::ALL[stream.next_below(Death::ALL.len() as u32) as usize];
    if stream.next_below(SUPERVISOR_EVERY) == 0 {
        return !pipeline.order(Target::Supervisor, death).is_empty();
    }
    let pools = pipeline.pool_sizes();
    let slots: u32 = pools.iter().map(|&workers| u32::from(workers)).sum();
    let mut chosen = stream.next_below(slots);
    for (stage, &workers) in pools.iter().enumerate() {
        if chosen < u32::from(workers) {
            let slot = SlotId { stage: StageId(stage as u16), index: chosen as u16 };
            return !pipeline.order(Target::Worker(slot), death).is_empty();
        }
        chosen -= u32::from(workers);
    }
    false
}
