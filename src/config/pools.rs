//! `[pools]`: how many actors a stage has, and what they may hold. No part of the result.
//!
//! A value in `[pools]` counts for every stage, one in `[pools.train]` for that stage.

use planaria_stages::{
    STAGES, StageKind, Strategy,
    settings::{PoolSettings, RestartSettings, SupervisionSettings},
};
use std::{collections::BTreeMap, num::NonZero, thread::available_parallelism};

use super::section::Section;

const WORKERS_MAX: u16 = 256;
const WINDOW_MAX: u16 = 64;
const MAILBOX_MAX: u64 = 1 << 24;
const ATTEMPTS_MAX: u32 = 1000;
const STRATEGIES: [(&str, Strategy); 3] = [
    ("one-for-one", Strategy::OneForOne),
    ("rest-for-one", Strategy::RestForOne),
    ("one-for-all", Strategy::OneForAll),
];
const DAY_MS: u64 = 24 * 3_600_000;

/// Workers of a pool when the file says nothing: as many as there are cores, up to this.
const DEFAULT_WORKERS_MAX: usize = 8;

/// What holds for a stage when the file says nothing.
fn default_pool(stage: StageKind) -> PoolSettings {
    let cores = available_parallelism().map_or(1, NonZero::get);
    PoolSettings {
        workers: cores.min(DEFAULT_WORKERS_MAX) as u16,
        // A step has few items: who takes two of them leaves another worker without one.
        window: if stage == StageKind::Train { 1 } else { 2 },
        // Batches are large, and more of them than the next few steps need serve nobody.
        mailbox: if stage == StageKind::Batch { 8 } else { 1024 },
        // One item of compare is a round of a classical model's fit, inside a library that cannot
        // be asked how it goes.
        hang_after_ms: if stage == StageKind::Compare { 30_000 } else { 2_000 },
        attempts_max: 5,
        strategy: Strategy::OneForOne,
        restarts: None,
    }
}

/// Reads `[pools]` and its sections, and whether workers move; `restarts` is what `[supervision]` says of them.
pub(super) fn read(
    mut section: Section<'_>,
    restarts: RestartSettings,
) -> (BTreeMap<StageKind, PoolSettings>, bool) {
    let autoscale = section.choice("autoscale", false, &[("on", true), ("off", false)]);
    let every = Every {
        workers: section.whole_or_none("workers", 1..=WORKERS_MAX),
        window: section.whole_or_none("window", 1..=WINDOW_MAX),
        mailbox: section.whole_or_none("mailbox", 1..=MAILBOX_MAX),
        hang_after_ms: section.duration_or_none("hang_after", 50..=DAY_MS),
        attempts_max: section.whole_or_none("attempts_max", 1..=ATTEMPTS_MAX),
        strategy: section.choice("strategy", Strategy::OneForOne, &STRATEGIES),
        restarts,
        is_workers_flag: section.is_laid("workers"),
    };
    let pools = STAGES.map(|stage| (stage, pool(section.section(stage.name()), stage, &every)));
    section.finish();
    (pools.into(), autoscale)
}

/// What `[pools]` itself says, for every stage.
struct Every {
    workers: Option<u16>,
    window: Option<u16>,
    mailbox: Option<u64>,
    hang_after_ms: Option<u64>,
    attempts_max: Option<u32>,
    strategy: Strategy,
    restarts: RestartSettings,
    /// `--workers` wins over the sections of the stages, too.
    is_workers_flag: bool,
}

fn pool(mut section: Section<'_>, stage: StageKind, every: &Every) -> PoolSettings {
    let otherwise = default_pool(stage);
    let workers =
        section.whole("workers", every.workers.unwrap_or(otherwise.workers), 1..=WORKERS_MAX);
    let mailbox = every.mailbox.unwrap_or(otherwise.mailbox);
    let hang_after_ms = every.hang_after_ms.unwrap_or(otherwise.hang_after_ms);
    let attempts_max = every.attempts_max.unwrap_or(otherwise.attempts_max);
    let pool = PoolSettings {
        workers: every.workers.filter(|_| every.is_workers_flag).unwrap_or(workers),
        window: section.whole("window", every.window.unwrap_or(otherwise.window), 1..=WINDOW_MAX),
        mailbox: section.whole("mailbox", mailbox, 1..=MAILBOX_MAX),
        hang_after_ms: section.duration("hang_after", hang_after_ms, 50..=DAY_MS),
        attempts_max: section.whole("attempts_max", attempts_max, 1..=ATTEMPTS_MAX),
        strategy: section.choice("strategy", every.strategy, &STRATEGIES),
        restarts: Some(restarts(&mut section, every.restarts)),
    };
    section.finish();
    pool
}

/// Reads `[supervision]`.
pub(super) fn read_supervision(mut section: Section<'_>) -> SupervisionSettings {
    let otherwise = RestartSettings {
        restarts_max: 1000,
        window_ms: 60_000,
        backoff_min_ms: 0,
        backoff_max_ms: 1_000,
    };
    let settings = SupervisionSettings {
        restarts: restarts(&mut section, otherwise),
        abandoned_threads_max: section.whole("abandoned_threads_max", 256, 0..=4096),
    };
    section.finish();
    settings
}

/// The four keys on restarts, in `[supervision]` for all and in a stage's section for its own.
fn restarts(section: &mut Section<'_>, otherwise: RestartSettings) -> RestartSettings {
    let hour_ms = 3_600_000;
    let restarts = RestartSettings {
        restarts_max: section.whole("restarts_max", otherwise.restarts_max, 0..=1_000_000),
        window_ms: section.duration("restart_window", otherwise.window_ms, 1..=DAY_MS),
        backoff_min_ms: section.duration("backoff_min", otherwise.backoff_min_ms, 0..=hour_ms),
        backoff_max_ms: section.duration("backoff_max", otherwise.backoff_max_ms, 0..=hour_ms),
    };
    if restarts.backoff_max_ms < restarts.backoff_min_ms {
        section.fault("backoff_max", "is shorter than `backoff_min`: make it at least as long");
    }
    restarts
}
