//! `[pools]`: how many actors a stage has, and what they may hold. No part of the result.
//!
//! A value in `[pools]` counts for every stage, one in `[pools.train]` for that stage.

use planaria_stages::{
    STAGES, StageKind,
    settings::{PoolSettings, SupervisionSettings},
};
use std::{collections::BTreeMap, num::NonZero, thread::available_parallelism};

use super::section::Section;

const WORKERS_MAX: u16 = 256;
const WINDOW_MAX: u16 = 64;
const MAILBOX_MAX: u64 = 1 << 24;
const ATTEMPTS_MAX: u32 = 1000;
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
    }
}

/// Reads `[pools]` and its sections.
pub(super) fn read(mut section: Section<'_>) -> BTreeMap<StageKind, PoolSettings> {
    let every = Every {
        workers: section.whole_or_none("workers", 1..=WORKERS_MAX),
        window: section.whole_or_none("window", 1..=WINDOW_MAX),
        mailbox: section.whole_or_none("mailbox", 1..=MAILBOX_MAX),
        hang_after_ms: section.duration_or_none("hang_after", 50..=DAY_MS),
        attempts_max: section.whole_or_none("attempts_max", 1..=ATTEMPTS_MAX),
        is_workers_flag: section.is_flag("workers"),
    };
    let pools = STAGES.map(|stage| (stage, pool(section.section(stage.name()), stage, &every)));
    section.finish();
    pools.into()
}

/// What `[pools]` itself says, for every stage.
struct Every {
    workers: Option<u16>,
    window: Option<u16>,
    mailbox: Option<u64>,
    hang_after_ms: Option<u64>,
    attempts_max: Option<u32>,
    /// `--workers` wins over the sections of the stages, too.
    is_workers_flag: bool,
}

fn pool(mut section: Section<'_>, stage: StageKind, every: &Every) -> PoolSettings {
    let otherwise = default_pool(stage);
    let workers =
        section.whole("workers", every.workers.unwrap_or(otherwise.workers), 1..=WORKERS_MAX);
    let pool = PoolSettings {
        workers: every.workers.filter(|_| every.is_workers_flag).unwrap_or(workers),
        window: section.whole("window", every.window.unwrap_or(otherwise.window), 1..=WINDOW_MAX),
        mailbox: section.whole(
            "mailbox",
            every.mailbox.unwrap_or(otherwise.mailbox),
            1..=MAILBOX_MAX,
        ),
        hang_after_ms: section.duration(
            "hang_after",
            every.hang_after_ms.unwrap_or(otherwise.hang_after_ms),
            50..=DAY_MS,
        ),
        attempts_max: section.whole(
            "attempts_max",
            every.attempts_max.unwrap_or(otherwise.attempts_max),
            1..=ATTEMPTS_MAX,
        ),
    };
    section.finish();
    pool
}

/// Reads `[supervision]`.
pub(super) fn read_supervision(mut section: Section<'_>) -> SupervisionSettings {
    let settings = SupervisionSettings {
        restarts_max: section.whole("restarts_max", 1000, 0..=1_000_000),
        restart_window_ms: section.duration("restart_window", 60_000, 1..=DAY_MS),
        backoff_min_ms: section.duration("backoff_min", 0, 0..=3_600_000),
        backoff_max_ms: section.duration("backoff_max", 1_000, 0..=3_600_000),
        abandoned_threads_max: section.whole("abandoned_threads_max", 256, 0..=4096),
    };
    if settings.backoff_max_ms < settings.backoff_min_ms {
        section.fault("backoff_max", "is shorter than `backoff_min`: make it at least as long");
    }
    section.finish();
    settings
}
