//! How a pool is built, and what cannot be built.

use crate::{
    ids::StageId,
    intensity::{Intensity, Ms},
};

/// How a pool is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPlan {
    /// The stage's name.
    pub name: &'static str,
    /// Worker actors to begin with, at least 1.
    pub workers: u16,
    /// Leases a worker may hold, at least 1.
    pub window: u16,
    /// How far ahead of its oldest unfinished item the stage may run, at least 1.
    pub mailbox: u64,
    /// Into how many shards the stage's items are divided, at least 1; best many more than workers.
    pub shards: u32,
    /// Who may work on which shard.
    pub sharing: Sharing,
    /// A worker that owes an answer and makes no progress for so long hangs, at least 1.
    pub hang_after_ms: Ms,
    /// An item whose own work fails so many times becomes a dead letter, at least 1.
    pub attempts_max: u32,
    /// Who is started again when a worker dies.
    pub strategy: Strategy,
    /// How often a worker may die, and how long it waits before it starts again.
    pub intensity: Intensity,
}

impl PoolPlan {
    /// A plan with what suits most stages: a window of 2, a mailbox of 64, 64 shards, idle slots help, 30 s of silence are a
    /// hang, three attempts, one for one.
    pub fn new(name: &'static str, workers: u16) -> Self {
        PoolPlan {
            name,
            workers,
            window: 2,
            mailbox: 64,
            shards: 64,
            sharing: Sharing::IdleSlotsHelp,
            hang_after_ms: 30_000,
            attempts_max: 3,
            strategy: Strategy::default(),
            intensity: Intensity::default(),
        }
    }
}

/// Who may work on which shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Its owner alone: the items of a shard are worked on in order, one after the other when the window is 1.
    OwnersOnly,
    /// Its owner first; a slot whose own shards have nothing ready takes the oldest item of another's.
    IdleSlotsHelp,
}

/// Who is started again when a worker of the pool dies. The words are Erlang's; the children are the pool's slots in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The dead one alone.
    #[default]
    OneForOne,
    /// The dead one and the slots after it.
    RestForOne,
    /// All of them.
    OneForAll,
}

impl Strategy {
    /// True when the death of slot `dead` is the end of slot `other`, too.
    pub fn takes_along(self, dead: u16, other: u16) -> bool {
        match self {
            Strategy::OneForOne => false,
            Strategy::RestForOne => other > dead,
            Strategy::OneForAll => other != dead,
        }
    }
}

/// A plan that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no stage.
    #[error("a pipeline has at least one stage")]
    NoStages,
    /// There are too many stages or workers to number.
    #[error("{what}: at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u32,
    },
    /// A number that must be at least 1 is 0.
    #[error("stage `{stage}`: {what} must be at least 1")]
    Zero {
        /// The stage's name.
        stage: &'static str,
        /// Which number.
        what: &'static str,
    },
    /// Two stages have one name.
    #[error("two stages are called `{stage}`: names tell them apart")]
    SameName {
        /// The name.
        stage: &'static str,
    },
    /// The longest backoff is shorter than the shortest.
    #[error("stage `{stage}`: the longest backoff is shorter than the shortest")]
    Backoff {
        /// The stage's name.
        stage: &'static str,
    },
    /// There is no such stage.
    #[error("there is no stage {}: there are {stages}", stage.0)]
    UnknownStage {
        /// What was asked for, counted from 0.
        stage: StageId,
        /// How many there are.
        stages: usize,
    },
    /// Every stage needs one.
    #[error("{stages} stages but {makers} makers of workers: one each")]
    Makers {
        /// Plans given.
        stages: usize,
        /// Makers given.
        makers: usize,
    },
}

/// Workers of one pool at most: each is a thread.
pub(crate) const WORKERS_MAX: u16 = 4096;

/// Proves that pools can be built from the plans.
///
/// # Errors
/// The first fault.
pub(crate) fn check(plans: &[PoolPlan]) -> Result<(), PlanError> {
    if plans.is_empty() {
        return Err(PlanError::NoStages);
    }
    if plans.len() > usize::from(u16::MAX) {
        return Err(PlanError::TooMany { what: "stages", limit: u16::MAX.into() });
    }
    for (n, plan) in plans.iter().enumerate() {
        let stage = plan.name;
        let numbers = [
            ("window", u64::from(plan.window)),
            ("mailbox", plan.mailbox),
            ("shards", u64::from(plan.shards)),
            ("hang_after_ms", plan.hang_after_ms),
            ("attempts_max", u64::from(plan.attempts_max)),
            ("intensity.window_ms", plan.intensity.window_ms),
        ];
        if let Some((what, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(PlanError::Zero { stage, what });
        }
        check_workers(stage, plan.workers)?;
        if plan.intensity.backoff_max_ms < plan.intensity.backoff_min_ms {
            return Err(PlanError::Backoff { stage });
        }
        if plans[..n].iter().any(|other| other.name == stage) {
            return Err(PlanError::SameName { stage });
        }
    }
    Ok(())
}

/// Proves that a pool can have so many workers.
pub(crate) fn check_workers(stage: &'static str, workers: u16) -> Result<(), PlanError> {
    match workers {
        0 => Err(PlanError::Zero { stage, what: "workers" }),
        1..=WORKERS_MAX => Ok(()),
        _ => Err(PlanError::TooMany { what: "workers", limit: WORKERS_MAX.into() }),
    }
}
