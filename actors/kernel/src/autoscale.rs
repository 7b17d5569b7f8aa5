//! Moves workers to the stage that is the bottleneck. A policy, pure as all decisions, and the task that follows it.
//!
//! A stage is the bottleneck when items wait for it and its workers do nothing but work. Stages before it wait for its mailbox,
//! stages after it for its items, so both have time to spare: one look is enough to tell them apart. At most one worker moves a
//! look, and between "too much to do" and "enough to spare" lies a gap, so that nothing flutters: who has just got a worker
//! is not one to give it away, and who has just lost one is not short of it.
//!
//! How many workers a stage has never changes a result; so neither does this.

use crate::{flow::Flow, host::ActixHost, ids::StageId};
use futures_util::future::select;
use std::{pin::pin, time::Duration};
use tokio::task::JoinHandle;

/// What one stage did since the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageLoad {
    /// Which.
    pub stage: StageId,
    /// Workers that it is to have, at least 1.
    pub workers: u16,
    /// Workers that hold leases at this moment.
    pub at_work: u16,
    /// Items that wait at this moment.
    pub ready: u64,
    /// The work that ended since the last look, over all workers.
    pub busy: Duration,
    /// The time since the last look.
    pub elapsed: Duration,
}

/// A stage whose workers work for this share of their time is the bottleneck, when items wait for it.
const TOO_MUCH: f64 = 0.9;

/// A stage gives a worker away when the others would then work for no more than this share of their time.
const TO_SPARE: f64 = 0.7;

/// One more worker may ask for this part of a core more than there is.
const SLACK_CORES: f64 = 0.5;

impl StageLoad {
    /// For which share of their time the workers work, 0 to 1.
    ///
    /// Against the clock, not against the time that they say they waited: who waits says so only when it is over. Work is told
    /// only when it is over, too; so when nothing was told, whoever holds a lease is taken to work.
    fn share(&self) -> f64 {
        let workers = f64::from(self.workers.max(1));
        let told = self.busy.as_secs_f64() / (workers * self.elapsed.as_secs_f64().max(1e-9));
        let in_long_work = f64::from(self.at_work) / workers;
        if self.busy.is_zero() { in_long_work.min(1.0) } else { told.min(1.0) }
    }

    /// How many cores it keeps busy.
    fn cores(&self) -> f64 {
        self.share() * f64::from(self.workers)
    }

    fn is_bottleneck(&self, cores: u16) -> bool {
        self.ready > 0 && self.share() >= TOO_MUCH && self.workers < cores
    }

    fn can_spare_one(&self) -> bool {
        self.workers > 1 && self.cores() <= TO_SPARE * f64::from(self.workers - 1)
    }
}

/// Says which stages are to have another number of workers: none, the bottleneck one more, or one moves to it.
///
/// The bottleneck gets one more while a core has time for it; else another stage that can spare one gives it. No stage gets
/// more workers than there are cores, or fewer than 1.
pub fn decide(loads: &[StageLoad], cores: u16) -> Vec<(StageId, u16)> {
    let needy = loads.iter().filter(|load| load.is_bottleneck(cores));
    // The longest queue a worker; among equals the one nearest to the end, for it holds up all others.
    let queue = |load: &&StageLoad| (load.ready / u64::from(load.workers.max(1)), load.stage);
    let Some(needy) = needy.max_by_key(queue) else { return Vec::new() };
    let grown = (needy.stage, needy.workers + 1);
    let in_use: f64 = loads.iter().map(StageLoad::cores).sum();
    if in_use + 1.0 <= f64::from(cores) + SLACK_CORES {
        return vec![grown];
    }
    let others = loads.iter().filter(|load| load.stage != needy.stage && load.can_spare_one());
    let giver = others.min_by(|a, b| a.share().total_cmp(&b.share()));
    giver.map_or_else(Vec::new, |giver| vec![(giver.stage, giver.workers - 1), grown])
}

/// Automatic scaling that is switched on. It ends with its pipeline, or when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it switches it off"]
pub struct Autoscale(JoinHandle<()>);

impl Autoscale {
    /// True when its pipeline has ended.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Autoscale {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<F: Flow> ActixHost<F> {
    /// Lets workers move to the bottleneck, within so many cores; looks `every` so often.
    ///
    /// A look should be long against the work on an item. What a program scales by hand meanwhile is where the next look
    /// starts from.
    ///
    /// # Panics
    /// Outside the task that the pipeline was started in.
    pub fn autoscale(&self, cores: u16, every: Duration) -> Autoscale {
        let host = self.clone();
        Autoscale(tokio::task::spawn_local(async move {
            select(pin!(host.ended()), pin!(host.follow(cores, every))).await;
        }))
    }

    async fn follow(&self, cores: u16, every: Duration) {
        let mut before = self.loads(every);
        loop {
            tokio::time::sleep(every).await;
            let now = self.loads(every);
            let mut loads = now.clone();
            for (load, before) in loads.iter_mut().zip(&before) {
                load.busy -= before.busy;
            }
            for (stage, workers) in decide(&loads, cores) {
                // A pool can have as many workers as there are cores, and there is no other error.
                let _ = self.scale(stage, workers);
            }
            before = now;
        }
    }

    /// Every stage's load since the start.
    fn loads(&self, elapsed: Duration) -> Vec<StageLoad> {
        self.read(|core| {
            let load = |(stage, pool): (usize, &crate::Pool)| StageLoad {
                stage: StageId(stage as u16),
                workers: pool.wanted(),
                at_work: pool.slots.iter().filter(|slot| !slot.leases.is_empty()).count() as u16,
                ready: pool.ledger().counts().ready,
                busy: pool.busy,
                elapsed,
            };
            core.pools().iter().enumerate().map(load).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stage whose workers work for `percent` of a second.
    fn load(stage: u16, workers: u16, percent: u64, ready: u64) -> StageLoad {
        let busy = Duration::from_millis(10 * percent * u64::from(workers));
        let stage = StageId(stage);
        StageLoad { stage, workers, at_work: 0, ready, busy, elapsed: Duration::from_secs(1) }
    }

    #[test]
    fn the_bottleneck_gets_a_worker_while_a_core_has_time_for_it() {
        let loads = [load(0, 1, 20, 64), load(1, 1, 100, 64), load(2, 1, 20, 0)];
        assert_eq!(decide(&loads, 2), [(StageId(1), 2)]);
        assert_eq!(decide(&loads, 1), [], "there is no core for it");
    }

    #[test]
    fn without_a_core_to_spare_another_stage_gives_one() {
        let loads = [load(0, 3, 30, 0), load(1, 1, 100, 9), load(2, 2, 10, 0)];
        assert_eq!(decide(&loads, 2), [(StageId(2), 1), (StageId(1), 2)]);
        let nobody_can = [load(0, 1, 80, 0), load(1, 1, 100, 9)];
        assert_eq!(decide(&nobody_can, 2), []);
        let it_would_be_short_itself = [load(0, 2, 60, 0), load(1, 1, 100, 9)];
        assert_eq!(decide(&it_would_be_short_itself, 2), []);
    }

    #[test]
    fn a_stage_for_which_nothing_waits_or_that_waits_itself_gets_none() {
        assert_eq!(decide(&[load(0, 1, 100, 0)], 8), []);
        assert_eq!(decide(&[load(0, 1, 50, 64)], 8), [], "it waits for the next one's mailbox");
        assert_eq!(decide(&[], 8), []);
    }

    #[test]
    fn work_that_lasts_longer_than_a_look_is_work() {
        let long = StageLoad { at_work: 1, ..load(0, 1, 0, 3) };
        assert_eq!(decide(&[long], 2), [(StageId(0), 2)]);
    }

    #[test]
    fn among_two_bottlenecks_the_longer_queue_counts_then_the_later_stage() {
        let loads = [load(0, 1, 100, 5), load(1, 1, 100, 9), load(2, 1, 100, 9)];
        assert_eq!(decide(&loads, 8), [(StageId(2), 2)]);
    }

    proptest! {
        /// Whatever the loads are: at most one worker moves, nobody gets below 1 or above the cores, nothing flutters.
        #[test]
        fn one_worker_moves_within_the_limits_and_never_straight_back(
            stages in proptest::collection::vec((1..6u16, 0..=100u64, 0..9u64), 1..6),
            cores in 1..9u16,
        ) {
            let numbered = (0..).zip(&stages);
            let loads: Vec<_> = numbered.map(|(n, &(w, p, r))| load(n, w, p, r)).collect();
            let changes = decide(&loads, cores);
            prop_assert!(changes.len() <= 2);
            let workers = |stage: StageId| loads[usize::from(stage.0)].workers;
            for &(stage, now) in &changes {
                prop_assert_eq!(now.abs_diff(workers(stage)), 1);
                prop_assert!(now >= 1 && (now < workers(stage) || now <= cores));
            }
            // The same work on the new number of workers, as far as they can do it.
            let mut then = loads.clone();
            for &(stage, now) in &changes {
                let load = &mut then[usize::from(stage.0)];
                load.workers = now;
                load.busy = load.busy.min(load.elapsed * u32::from(now));
            }
            for (stage, now) in decide(&then, cores) {
                let back = changes.iter().any(|&(s, n)| s == stage && now == workers(s) && now != n);
                prop_assert!(!back, "{loads:?}: {changes:?}, then {stage:?} has {now} again");
            }
        }
    }
}
